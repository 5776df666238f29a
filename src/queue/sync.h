/*
 * Waiting until the servers that answer for a zone have what a record was set to: the provider is asked again and again,
 * less and less often, as the pace allows it. I/O thread only.
 */
#ifndef DDNS53_QUEUE_SYNC_H
#define DDNS53_QUEUE_SYNC_H

#include <stdint.h>

#include "base/record.h"
#include "queue/pacer.h"

/* Embedded in its owner, which fills in the first part and leaves it alone until `done`. */
struct sync_wait {
    struct record *record; /* held by the owner */
    const struct rdata *value;
    const char *change_id; /* of the waiter that has set it, "": none */
    int64_t deadline_ms;   /* monotonic */
    /* Once, perhaps from inside queue_await_sync. 0: they have it; -ETIMEDOUT: not by then; -ENOTSUP: the provider cannot
     * tell; -ESHUTDOWN. `message` says why, "" for nothing; borrowed for the call. */
    void (*done)(struct sync_wait *wait, int error, const char *message);
    /* the queue's own */
    struct sync_wait *next;
};

/* Those of a zone. The first one is asked about; then it goes to the end. */
struct zone_sync {
    struct sync_wait *first;
    struct pacer_ask ask;
    struct loop_timer timer;
    uint32_t period_ms;
    /* the question that is under way */
    bool is_asking;
    struct record *record; /* held */
    struct rdata value;
    char change_id[64];
};

#endif
