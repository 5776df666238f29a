#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dns/changes_internal.h"

#define THROTTLE_QUIET_MS 30000 /* slowing down is no trouble; being kept out is */

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

void trouble_begin(struct changes *changes, struct trouble *trouble, const char *event, const char *zone,
                   const char *message, bool is_throttle)
{
    const int64_t now_ms = loop_now_ms(changes->loop);

    pthread_mutex_lock(&changes->trouble_lock);
    if (!trouble->is_failing) {
        trouble->is_failing = true;
        trouble->since_ms = now_ms;
    }
    set_message(trouble, message);
    const bool is_news = !trouble->is_logged && (!is_throttle || now_ms - trouble->since_ms >= THROTTLE_QUIET_MS);
    trouble->is_logged |= is_news;
    pthread_mutex_unlock(&changes->trouble_lock);

    if (is_news) {
        log_event(LOG_LEVEL_WARNING, event, "zone", zone, "message", message, NULL);
    }
}

void trouble_end(struct changes *changes, struct trouble *trouble, const char *event, const char *zone)
{
    pthread_mutex_lock(&changes->trouble_lock);
    const bool is_news = trouble->is_logged;
    trouble->is_failing = false;
    trouble->is_logged = false;
    pthread_mutex_unlock(&changes->trouble_lock);

    if (is_news) {
        log_event(LOG_LEVEL_NOTICE, event, "zone", zone, NULL);
    }
}

void trouble_done(struct trouble *trouble)
{
    free(trouble->message);
    trouble->message = NULL;
}

/* The lock is held. */
static size_t report(const struct trouble *trouble, const char *zone, int64_t now_ms, int64_t failing_ms,
                     struct buffer *buffer)
{
    const int64_t for_ms = now_ms - trouble->since_ms;

    if (!trouble->is_failing || for_ms < failing_ms) {
        return 0;
    }
    const char *message = trouble->message ? trouble->message : "unknown error";
    if (zone) {
        buffer_printf(buffer, "zone %s: has failed for %" PRId64 " s: %s\n", zone, for_ms / 1000, message);
    } else {
        buffer_printf(buffer, "state: cannot be written for %" PRId64 " s: %s\n", for_ms / 1000, message);
    }
    return 1;
}

size_t changes_report_trouble(struct changes *changes, int64_t failing_ms, struct buffer *buffer)
{
    const int64_t now_ms = loop_now_ms(changes->loop);
    size_t lines = 0;

    pthread_mutex_lock(&changes->trouble_lock);
    for (size_t i = 0; i < changes->zone_count; i++) {
        const struct zone *zone = changes->zones[i];
        /* one line a zone: that changes fail says more than that reading does */
        size_t told = report(&zone->apply_trouble, zone->name, now_ms, failing_ms, buffer);
        if (!told) {
            told = report(&zone->learn_trouble, zone->name, now_ms, failing_ms, buffer);
        }
        lines += told;
    }
    lines += report(&changes->state_trouble, NULL, now_ms, 0, buffer);
    pthread_mutex_unlock(&changes->trouble_lock);
    return lines;
}
