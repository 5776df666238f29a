#include "api/access.h"

#include "api/ratelimit.h"
#include "api/service.h"
#include "base/clock.h"
#include "web/logins.h"

bool access_may_read(const struct request *request, uint32_t *ret_retry_after_s)
{
    const struct service *service = request->service;

    return ratelimit_take(api_of(request)->reads, &request->source, clock_monotonic_ms(service->clock),
                          ret_retry_after_s);
}

bool access_may_try(const struct request *request, uint32_t *ret_retry_after_s)
{
    const struct service *service = request->service;

    return ratelimit_allows(api_of(request)->failures, &request->source, clock_monotonic_ms(service->clock),
                            ret_retry_after_s);
}

void access_succeeded(const struct request *request)
{
    const struct service *service = request->service;

    logins_note(service->logins, &request->source, clock_monotonic_ms(service->clock));
}
