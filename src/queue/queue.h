/*
 * The queue of changes: coalesces per record, looks a record up that nobody knows yet, batches per zone up to the
 * provider's limits with one batch in flight per zone, paces per account, retries with exponential back-off and
 * full jitter, finds the one bad change of a batch by bisection, commits to the store, and only then answers. It reads
 * zones back at start and each reconcile period. Providers are known here only by provider.h, the store by store.h.
 * queue_submit, queue_busy_records, queue_report_trouble and queue_snapshot may be called from any thread; everything
 * else from the I/O thread or before it runs.
 *
 * Arrows go one way: queue -> zone -> batch, reader, saver, change -> records, pacer, trouble.
 */
#ifndef DDNS53_QUEUE_QUEUE_H
#define DDNS53_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/metrics.h"
#include "base/record.h"
#include "io/loop.h"
#include "provider/provider.h"
#include "queue/outcome.h"
#include "queue/pacer.h"
#include "queue/records.h"
#include "queue/sync.h"
#include "store/store.h"

struct change;
struct submission;
struct queue;

#define WAITER_CHANGE_ID_SIZE 48 /* Route 53 has at most 32 characters and "/change/" */

/* One record that a request asks for, and what came of it: embedded in the caller's item, zeroed at first. */
struct waiter {
    struct change_request request;         /* the caller's; `was` stays empty */
    enum outcome outcome;                  /* OUTCOME_PENDING asks for the change; the queue leaves any other alone */
    enum record_foreign foreign;           /* OUTCOME_CONFLICT: why */
    char *message;                         /* the provider's words, NULL: none; freed by waiter_done */
    char change_id[WAITER_CHANGE_ID_SIZE]; /* the provider's, "": none */
    /* the queue's own */
    struct submission *submission;
    struct waiter *next_in_submission;
    struct change *change; /* it waits for this one */
    struct list_link in_change;
};
/* Frees what the waiter holds; the struct is the caller's. */
void waiter_done(struct waiter *waiter);

/* What one request asks for. Owned by the caller, must stay where it is until `done`, which is called once, on the
 * I/O thread (or inside queue_submit when nothing could be queued). */
struct submission {
    void (*done)(struct submission *submission);
    struct address source;
    const char *dialect; /* static */
    /* the queue's own */
    struct queue *queue;
    struct loop *loop;
    struct waiter *first;
    struct waiter *last;
    struct loop_work work;
    struct loop_timer timer;
    size_t remaining;
};
/* Adds the waiter to the submission. It stays where it is until `done`. */
void submission_add(struct submission *submission, struct waiter *waiter);

struct queue_options {
    uint32_t update_timeout_ms;
    uint32_t reconcile_ms;
    uint32_t queued_max;
};

/* Borrows all; metrics and store may be NULL in tests (nothing is committed then). NULL: no memory. */
struct queue *queue_new(struct loop *loop, struct records *records, struct store *store, struct metrics *metrics,
                        const struct queue_options *options);
/* Once the loop has ended and nobody renders the metrics any more. What is left is answered OUTCOME_STOPPING. */
void queue_free(struct queue *queue);
DEFINE_CLEANUP(struct queue *, queue_free)

/* Before the loop runs, in the order of the settings' zones. Copies the name, borrows ops and pacer, takes `provider`
 * unless it returns -ENOMEM. */
int queue_add_zone(struct queue *queue, const char *name, const struct provider_ops *ops,
                   struct provider_zone *provider, struct pacer *pacer);
/* Starts the read-back of all zones. */
void queue_start(struct queue *queue);

/* Records with a change that is queued, under way or not saved yet. Any thread. */
size_t queue_busy_records(const struct queue *queue);

/* Any thread. The caller holds every waiter's record until `done`. */
void queue_submit(struct queue *queue, struct submission *submission);

/* I/O thread (post it): takes the limits of a reload. Everything that waits for a retry tries now. Records that left
 * the configuration leave memory; those that are still needed follow as soon as they are not. */
void queue_reconfigure(struct queue *queue, const struct queue_options *options);

/* I/O thread: the end. When the queue is empty, or at deadline_ms (monotonic), what is left is answered
 * OUTCOME_STOPPING, and `drained` is called once with the number that was left. */
void queue_drain(struct queue *queue, int64_t deadline_ms, void (*drained)(void *userdata, size_t left),
                 void *userdata);

/* I/O thread: waits until the servers have what the record was set to; see queue/sync.h. */
void queue_await_sync(struct queue *queue, struct sync_wait *wait);

/* Any thread: what is wrong, for /healthz: one line per zone that has failed for failing_ms and for a store that cannot
 * be written. Returns the number of lines appended. */
size_t queue_report_trouble(struct queue *queue, int64_t failing_ms, struct buffer *buffer);

/* ---- a look from outside ---- */

/* A zone at one moment; the numbers of different zones may be some microseconds apart. */
struct queue_zone_view {
    const char *name;     /* borrowed from the queue */
    const char *provider; /* its name, static */
    size_t queued;        /* changes that wait, are under way, or are not saved yet */
    int64_t oldest_ms;    /* age of the oldest of them; 0: none */
    double pace;          /* requests a second now, 0: not paced */
    int64_t failing_ms;   /* for how long calls have failed; -1: they work */
    char trouble[256];    /* why, one line, cut where it is longer; "" while they work */
    bool is_ready;        /* the provider has the zone */
    bool is_read;         /* it has been read back once */
};

struct queue_view {
    struct queue_zone_view *zones; /* in the order of the settings */
    size_t zone_count;
    size_t queued;            /* records with a change on its way, all zones; limits.queued_changes counts these */
    size_t queued_max;        /* limits.queued_changes */
    int64_t store_failing_ms; /* -1: the store works */
    bool is_draining;
};

/* Any thread, for a page or a tool: never waits for the loop. -ENOMEM. */
int queue_snapshot(struct queue *queue, struct queue_view *ret_view);
void queue_view_done(struct queue_view *view);

#endif
