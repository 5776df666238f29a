#include "web/refused.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_limit.h"

#define MESSAGE_SIZE 256

const char *refused_source(const struct request *request, char text[ADDRESS_TEXT_SIZE])
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

void refused_write(const struct request *request, enum log_level level, const char *event, const char *dialect,
                   const char *status, const char *result)
{
    char source[ADDRESS_TEXT_SIZE];
    char message[MESSAGE_SIZE];
    const struct decision_note *decision = &request->decision;

    log_event(level, event, "dialect", dialect, "source", refused_source(request, source), "host",
              decision->host[0] != '\0' ? decision->host : NULL, "status", status, "result", result, "reason",
              decision->reason, "message", first_half(decision->message, message), NULL);
}

void refused_log(struct request *request, const char *dialect, unsigned status, const char *result)
{
    const struct service *service = request->service;
    char status_text[16];

    (void)snprintf(status_text, sizeof(status_text), "%u", status);
    request->decision.is_written = true;
    if (log_limit_take(service->log_limit, LOG_LIMITED_REFUSED, &request->source, clock_monotonic_ms(service->clock))) {
        refused_write(request, LOG_LEVEL_INFO, "refused", dialect, status_text, result);
    }
}
