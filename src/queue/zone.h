/*
 * A zone's side of the queue: the state machine that decides what a zone does next, and the only one that calls a
 * provider. One batch and one read call are under way at a time; the pacer says when. I/O thread only.
 *
 *              prepare worked                    prepare worked
 *   UNKNOWN ------------------> READY      GONE ----------------> READY
 *                                 |          ^
 *                                 +----------+   the provider says that the zone is not there: what waits is
 *                                                refused with OUTCOME_NO_ZONE, nothing known counts any more,
 *                                                prepare is tried every minute
 *
 *   a change:  new --(its record is not known)--> LOOK --(known)--+
 *               |                                                 v
 *               +------------------(known)----------------------> READY --> SENT --> ACCEPTED --> SAVING --> answered
 *                                                                   ^         |
 *                                                                   +---------+ a failure that may pass
 *   From any step it ends when DNS holds what must not be overwritten, the provider refuses it, or the queue stops.
 *
 * While apply_retry or read_retry waits, no call of that kind is made.
 */
#ifndef DDNS53_QUEUE_ZONE_H
#define DDNS53_QUEUE_ZONE_H

#include "base/backoff.h"
#include "queue/batch.h"
#include "queue/change.h"
#include "queue/drift.h"
#include "queue/pacer.h"
#include "queue/reader.h"
#include "queue/saver.h"
#include "queue/sync.h"
#include "queue/trouble.h"

enum zone_state { ZONE_UNKNOWN, ZONE_READY, ZONE_GONE };

/* Waiting after a failure, or after a batch whose provider wants a rest. */
struct retry {
    struct backoff backoff;
    struct loop_timer timer;
    bool is_waiting;
};

/* ddns53_..., all by zone; NULL in tests without metrics. */
struct zone_metrics {
    struct metric *batch_sizes;
    struct metric *retries;
    struct metric *throttles;
    struct metric *bisections;
    struct metric *drift;
};

/* What the zones of a queue share; the queue's. */
struct zone_shared {
    struct loop *loop;
    struct records *records;
    struct saver saver;
    struct tally tally;
    struct zone_metrics metrics;
    uint32_t reconcile_ms;                    /* 0: never */
    bool is_draining;                         /* nothing is read back any more */
    bool is_stopped;                          /* nothing is begun any more, and answers are ignored */
    uint32_t (*random)(uint32_t upper_bound); /* a test has its own */
};

/* A walk over the zone's records, in slices, that finds those of which nothing is known since a reload brought them. */
struct meeting {
    bool is_wanted; /* a reload has brought some */
    uint32_t since; /* records_zone_since, as it was noted last */
    struct loop_timer timer;
    struct record *at;    /* the next one of the walk, NULL: it has not begun; held */
    struct record *first; /* that it has found, held */
    size_t count;
};

struct zone {
    struct zone_shared *shared;
    char *name;
    const struct provider_ops *ops;
    struct provider_zone *provider;
    struct pacer *pacer;
    uint32_t index;
    enum zone_state state;

    struct backlog backlog;
    struct batch batch;
    bool is_applying;
    struct reader reader;
    struct drift drift;          /* that the read-back has found so far */
    struct loop_timer reconcile; /* when the next read-back begins */
    int64_t read_began_ms;       /* of the one that is under way, or was last */
    struct meeting meeting;      /* with records that a reload brought */
    bool is_announced;           /* the log has it that the zone was read, since the start or the last trouble */

    struct zone_sync sync; /* zone_sync.c's */

    struct pacer_ask change_ask;
    struct pacer_ask read_ask;
    bool read_last; /* the last grant for changes was used to read: sending and reading take turns */

    struct retry apply_retry;
    struct retry read_retry;
    struct trouble apply_trouble;
    struct trouble read_trouble;
    /* for queue_snapshot, any thread */
    atomic_bool is_ready;
    atomic_bool is_read;
};

/* Takes the provider's zone unless it returns -ENOMEM; copies the name, borrows the rest. */
int zone_new(struct zone_shared *shared, uint32_t index, const char *name, const struct provider_ops *ops,
             struct provider_zone *provider, struct pacer *pacer, struct zone **ret_zone);
void zone_free(struct zone *zone);

/* Lets the provider tell when somebody else changes the zone. */
void zone_watch(struct zone *zone);
/* Reads the zone back now. */
void zone_read_back(struct zone *zone);
/* After a reload: the records that it has brought are looked at soon, those of several reloads together. */
void zone_note_newcomers(struct zone *zone);
/* Sets the time of the next read-back, by `reconcile_ms` as it is now. */
void zone_schedule(struct zone *zone);
/* Takes a change that is new, or whose record is known now, to its next step. */
void zone_place(struct zone *zone, struct change *change);
/* Asks the pacer for what the zone could do now. */
void zone_kick(struct zone *zone);
/* Everything that waits for a retry tries now. */
void zone_retry_now(struct zone *zone);
/* See queue_await_sync. */
void zone_await_sync(struct zone *zone, struct sync_wait *wait);
/* Answers what is left; nothing is begun any more. */
void zone_stop(struct zone *zone);

#endif
