/*
 * A spell of failures of one thing (a zone's changes, its read-back, the store): since when and why, told once in the
 * log and for as long as it lasts in /healthz. A lock of its own: trouble_report and trouble_view from any thread, the
 * rest on the I/O thread.
 */
#ifndef DDNS53_QUEUE_TROUBLE_H
#define DDNS53_QUEUE_TROUBLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct trouble {
    const char *begin_event; /* "zone_trouble", ... */
    const char *end_event;
    const char *zone;     /* NULL: none */
    pthread_mutex_t lock; /* over all below */
    int64_t since_ms;
    char *message; /* NULL: none */
    bool is_failing;
    bool is_logged;
};

/* Borrows all. */
void trouble_init(struct trouble *trouble, const char *begin_event, const char *end_event, const char *zone);
void trouble_done(struct trouble *trouble);

/* A try has failed. Logs it once per spell; a throttled one only where that lasts. */
void trouble_begin(struct trouble *trouble, const char *message, bool is_throttle, int64_t now_ms);
/* A try has worked. */
void trouble_end(struct trouble *trouble);

/* Appends `WHAT for N s: WHY` and returns 1 when it has lasted for failing_ms, else 0. */
size_t trouble_report(struct trouble *trouble, const char *what, int64_t failing_ms, int64_t now_ms,
                      struct buffer *buffer);
/* For how long, -1: not at all; `ret_message` is cut where it is longer. */
int64_t trouble_view(struct trouble *trouble, int64_t now_ms, char *ret_message, size_t size);

#endif
