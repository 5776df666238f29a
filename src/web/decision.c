#include "web/decision.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/ratelimit.h"

#define WITHHELD "withheld"
#define MESSAGE_SIZE 256

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

/* ---- lines ---- */

static const char *print_source(const struct request *request, char text[ADDRESS_TEXT_SIZE])
{
    if (request->source.family == ADDRESS_NONE) {
        return "local";
    }
    address_print(&request->source, text);
    return text;
}

/* What is wrong; what the client should do stands behind the semicolon. NULL: nothing. */
static const char *first_half(const char *message, char ret_text[MESSAGE_SIZE])
{
    if (!message) {
        return NULL;
    }
    (void)snprintf(ret_text, MESSAGE_SIZE, "%.*s", (int)strcspn(message, ";"), message);
    return ret_text;
}

static void write_decision(const struct request *request, enum log_level level, const char *event, const char *dialect,
                           const char *status, const char *result)
{
    char source[ADDRESS_TEXT_SIZE];
    char message[MESSAGE_SIZE];
    const struct decision_note *decision = &request->decision;

    log_event(level, event, "dialect", dialect, "source", print_source(request, source), "host",
              decision->host[0] != '\0' ? decision->host : NULL, "status", status, "result", result, "reason",
              decision->reason, "message", first_half(decision->message, message), NULL);
}

void decision_failed_login(struct request *request, const char *dialect, enum auth_reason reason)
{
    const struct service *service = request->service;
    const int64_t now_ms = clock_monotonic_ms(service->clock);

    (void)ratelimit_take(service->failures, &request->source, now_ms, NULL);
    request->decision.reason = auth_reason_word(reason);
    request->decision.message = NULL;
    request->decision.is_written = true;
    if (log_limit_take(service->log_limit, LOG_LIMITED_AUTH_FAILURE, &request->source, now_ms)) {
        write_decision(request, LOG_LEVEL_NOTICE, "auth_failure", dialect, NULL, NULL);
    }
}

void decision_login(const struct request *request, const char *dialect, const struct host *host,
                    enum auth_reason reason)
{
    char source[ADDRESS_TEXT_SIZE];

    if (reason == AUTH_BY_PREVIOUS_SECRET) {
        log_event(LOG_LEVEL_NOTICE, "previous_secret", "dialect", dialect, "source", print_source(request, source),
                  "host", host->hostname, NULL);
    }
}

void decision_refused(struct request *request, const char *dialect, unsigned status, const char *result)
{
    const struct service *service = request->service;
    char status_text[16];

    (void)snprintf(status_text, sizeof(status_text), "%u", status);
    request->decision.is_written = true;
    if (log_limit_take(service->log_limit, LOG_LIMITED_REFUSED, &request->source, clock_monotonic_ms(service->clock))) {
        write_decision(request, LOG_LEVEL_INFO, "refused", dialect, status_text, result);
    }
}
