#include "queue/trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define THROTTLE_QUIET_MS 30000 /* slowing down is no trouble; being kept out is */

void trouble_init(struct trouble *trouble, const char *begin_event, const char *end_event, const char *zone)
{
    *trouble = (struct trouble){.begin_event = begin_event, .end_event = end_event, .zone = zone};
    pthread_mutex_init(&trouble->lock, NULL);
}

void trouble_done(struct trouble *trouble)
{
    free(trouble->message);
    trouble->message = NULL;
    pthread_mutex_destroy(&trouble->lock);
}

/* Lines of /healthz must stay lines, whatever a server says. */
static char *copy_message(const char *message)
{
    char *copy = strdup(message);

    for (char *at = copy; at && *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = ' ';
        }
    }
    return copy;
}

static void set_message(struct trouble *trouble, const char *message)
{
    if (trouble->message && strcmp(trouble->message, message) == 0) {
        return;
    }
    char *copy = copy_message(message);
    if (copy) {
        free(trouble->message);
        trouble->message = copy;
    }
}

void trouble_begin(struct trouble *trouble, const char *message, bool is_throttle, int64_t now_ms)
{
    pthread_mutex_lock(&trouble->lock);
    if (!trouble->is_failing) {
        trouble->is_failing = true;
        trouble->since_ms = now_ms;
    }
    set_message(trouble, message);
    const bool is_news = !trouble->is_logged && (!is_throttle || now_ms - trouble->since_ms >= THROTTLE_QUIET_MS);
    trouble->is_logged |= is_news;
    pthread_mutex_unlock(&trouble->lock);

    if (is_news) {
        log_event(LOG_LEVEL_WARNING, trouble->begin_event, "zone", trouble->zone, "message", message, NULL);
    }
}

void trouble_end(struct trouble *trouble)
{
    pthread_mutex_lock(&trouble->lock);
    const bool is_news = trouble->is_logged;
    trouble->is_failing = false;
    trouble->is_logged = false;
    pthread_mutex_unlock(&trouble->lock);

    if (is_news) {
        log_event(LOG_LEVEL_NOTICE, trouble->end_event, "zone", trouble->zone, NULL);
    }
}

size_t trouble_report(struct trouble *trouble, const char *what, int64_t failing_ms, int64_t now_ms,
                      struct buffer *buffer)
{
    pthread_mutex_lock(&trouble->lock);
    const int64_t for_ms = now_ms - trouble->since_ms;
    const bool is_told = trouble->is_failing && for_ms >= failing_ms;
    if (is_told) {
        buffer_printf(buffer, "%s for %" PRId64 " s: %s\n", what, for_ms / 1000,
                      trouble->message ? trouble->message : "unknown error");
    }
    pthread_mutex_unlock(&trouble->lock);
    return is_told;
}

int64_t trouble_view(struct trouble *trouble, int64_t now_ms, char *ret_message, size_t size)
{
    pthread_mutex_lock(&trouble->lock);
    const int64_t for_ms = trouble->is_failing ? now_ms - trouble->since_ms : -1;
    (void)snprintf(ret_message, size, "%s", for_ms >= 0 && trouble->message ? trouble->message : "");
    pthread_mutex_unlock(&trouble->lock);
    return for_ms;
}
