#include "api/decision.h"

#include <stdio.h>
#include <string.h>

#include "api/ratelimit.h"
#include "api/service.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/logins.h"
#include "web/refused.h"

#define WITHHELD "withheld"

/* ---- which hostname may be shown ---- */

/* From the dot before the last label on; NULL: a single label. */
static const char *last_label(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = length > 0 ? length - 1 : 0; i > 0; i--) {
        if (name[i - 1] == '.') {
            return name + i - 1;
        }
    }
    return NULL;
}

/* People mistype a label; a secret that happens to be a domain name hardly ends as one of our zones does. */
static bool ends_like_a_zone(const struct settings *settings, const char *name)
{
    const char *label = last_label(name);
    bool does = false;

    for (size_t i = 0; label && i < settings->zone_count; i++) {
        const char *zone = settings->zones[i].name.text;
        const char *zone_label = last_label(zone);
        size_t skipped = zone_label ? 1 : 0; /* a zone may be a top level domain */
        does |= strcmp(label + 1, (zone_label ? zone_label : zone) + skipped) == 0;
    }
    return does;
}

static bool is_secret(const struct hosts *hosts, const struct bytes *text)
{
    uint8_t digest[SHA256_SIZE];
    size_t count;

    sha256(text, 1, digest);
    (void)hosts_by_secret(hosts, digest, &count);
    return count > 0;
}

void decision_note_host(struct request *request, const struct hosts *hosts, const char *sent, size_t length,
                        const struct name *name)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(request->service->current);
    const char *text = name->text;
    /* a secret may have been typed where the name belongs, in other letters or without the final dot */
    const struct bytes spellings[] = {{sent, length}, {text, strlen(text)}, {text, strlen(text) - (text[0] != '\0')}};
    bool shown = ends_like_a_zone(settings, text);

    for (size_t i = 0; i < ELEMENTS(spellings); i++) {
        shown &= !is_secret(hosts, &spellings[i]);
    }

    (void)snprintf(request->decision.host, sizeof(request->decision.host), "%s", shown ? text : WITHHELD);
}

/* ---- logins ---- */

void decision_failed_login(struct request *request, const char *dialect, enum auth_reason reason)
{
    const struct service *service = request->service;
    const int64_t now_ms = clock_monotonic_ms(service->clock);

    (void)ratelimit_take(api_of(request)->failures, &request->source, now_ms, NULL);
    request->decision.reason = auth_reason_word(reason);
    request->decision.message = NULL;
    request->decision.is_written = true;
    if (log_limit_take(service->log_limit, LOG_LIMITED_AUTH_FAILURE, &request->source, now_ms)) {
        refused_write(request, LOG_LEVEL_NOTICE, "auth_failure", dialect, NULL, NULL);
    }
}

void decision_succeeded(const struct request *request)
{
    const struct service *service = request->service;

    logins_note(service->logins, &request->source, clock_monotonic_ms(service->clock));
}

void decision_login(const struct request *request, const char *dialect, const struct host *host,
                    enum auth_reason reason)
{
    char source[ADDRESS_TEXT_SIZE];

    if (reason == AUTH_BY_PREVIOUS_SECRET) {
        log_event(LOG_LEVEL_NOTICE, "previous_secret", "dialect", dialect, "source", refused_source(request, source),
                  "host", host->hostname, NULL);
    }
}
