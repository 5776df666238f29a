#include "web/access.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/logins.h"
#include "web/ratelimit.h"

bool access_may_read(const struct request *request, uint32_t *ret_retry_after_s)
{
    const struct service *service = request->service;

    return ratelimit_take(service->reads, &request->source, clock_monotonic_ms(service->clock), ret_retry_after_s);
}

bool access_may_try(const struct request *request, uint32_t *ret_retry_after_s)
{
    const struct service *service = request->service;

    return ratelimit_allows(service->failures, &request->source, clock_monotonic_ms(service->clock), ret_retry_after_s);
}

void access_failed(const struct request *request, const char *dialect)
{
    const struct service *service = request->service;
    const int64_t now_ms = clock_monotonic_ms(service->clock);
    char source[ADDRESS_TEXT_SIZE] = "local";

    (void)ratelimit_take(service->failures, &request->source, now_ms, NULL);
    if (!log_limit_take(service->log_limit, LOG_LIMITED_AUTH_FAILURE, &request->source, now_ms)) {
        return;
    }
    if (request->source.family != ADDRESS_NONE) {
        address_print(&request->source, source);
    }
    log_event(LOG_LEVEL_NOTICE, "auth_failure", "dialect", dialect, "source", source, NULL);
}

void access_succeeded(const struct request *request)
{
    const struct service *service = request->service;

    logins_note(service->logins, &request->source, clock_monotonic_ms(service->clock));
}
