/*
 * Commits accepted changes to the store, all that came in one turn of the loop in one transaction, and the touches of
 * records every ten seconds; tries again when the store fails. A change that is saved is answered. I/O thread only, but
 * for the trouble.
 */
#ifndef DDNS53_QUEUE_SAVER_H
#define DDNS53_QUEUE_SAVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"
#include "queue/change.h"
#include "queue/trouble.h"
#include "store/store.h"

#define SAVER_TOUCH_PERIOD_MS 10000

struct saver {
    struct loop *loop;
    struct records *records;
    struct store *store;                  /* NULL: everything counts as saved */
    void (*settled)(struct saver *saver); /* nothing is under way any more; may be NULL */
    struct metric *latency;               /* ddns53_update_seconds; NULL in tests */
    struct trouble trouble;

    struct change_list accepted;
    struct change_list saving;
    struct store_change *rows; /* of the commit that is under way: they own references, so that changes may go */
    struct change_id **ids;
    size_t row_count;
    bool is_committing;
    struct loop_work work;
    struct loop_timer retry;
    struct backoff backoff;
    bool is_hurried; /* draining: tries again soon */
    bool is_stopped;

    struct store_touch *touches;
    size_t touch_count;
    bool is_touching;
    struct loop_timer touch_timer;
};

/* Set `settled` first. Borrows all. -ENOMEM; end it with saver_done all the same. */
int saver_init(struct saver *saver, struct loop *loop, struct records *records, struct store *store);
/* Once the store has been freed, or never had anything to do. */
void saver_done(struct saver *saver);

/* The change is accepted: commit it, soon. An older one that waits to be committed goes with it. */
void saver_add(struct saver *saver, struct change *change);
/* Tries now what has failed before. */
void saver_retry_now(struct saver *saver);
void saver_touch_now(struct saver *saver);
/* Nothing is begun any more, and answers are ignored. */
void saver_stop(struct saver *saver);
bool saver_is_busy(const struct saver *saver);

#endif
