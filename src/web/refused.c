#include "web/refused.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decisions.h"
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

#define ASKED_SIZE (2 * ADDRESS_TEXT_SIZE + 2)

/* `198.18.7.9, 2001:db8::9`; NULL: none. */
static const char *print_asked(const struct decision_note *note, char ret_text[ASKED_SIZE])
{
    size_t used = 0;

    for (size_t i = 0; i < ELEMENTS(note->asked); i++) {
        char text[ADDRESS_TEXT_SIZE];
        if (note->asked[i].family != ADDRESS_NONE) {
            address_print(&note->asked[i], text);
            used += (size_t)snprintf(ret_text + used, ASKED_SIZE - used, "%s%s", used > 0 ? ", " : "", text);
        }
    }
    return used > 0 ? ret_text : NULL;
}

void refused_keep(const struct request *request, const char *dialect, unsigned status, const char *result)
{
    const struct decision_note *note = &request->decision;
    char asked[ASKED_SIZE];
    char message[MESSAGE_SIZE];

    if (!request->service->decisions) {
        return;
    }
    decisions_keep(request->service->decisions, &(struct kept_decision){
                                                    .time_ms = clock_realtime_ms(request->service->clock),
                                                    .source = request->source,
                                                    .dialect = dialect,
                                                    .host = note->host[0] != '\0' ? note->host : NULL,
                                                    .type = note->type,
                                                    .value = print_asked(note, asked),
                                                    .verdict = result,
                                                    .reason = note->reason,
                                                    .message = first_half(note->message, message),
                                                    .secret = note->secret,
                                                    .status = status,
                                                    .is_withdrawal = note->is_withdrawal,
                                                    .is_ours = note->is_ours,
                                                    .is_refused = true,
                                                });
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
    refused_keep(request, dialect, status, result);
    if (log_limit_take(service->log_limit, LOG_LIMITED_REFUSED, &request->source, clock_monotonic_ms(service->clock))) {
        refused_write(request, LOG_LEVEL_INFO, "refused", dialect, status_text, result);
    }
}
