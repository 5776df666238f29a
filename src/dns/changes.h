/*
 * The queue of changes: coalesces per record, looks a record up that nobody knows yet, batches per zone up to the
 * provider's limits with one batch in flight per zone, paces per account, retries with exponential back-off and
 * full jitter, finds the one bad change of a batch by bisection, commits the state, and only then answers. It reads
 * zones back at start and each reconcile period. It knows providers only through provider.h.
 * changes_submit may be called from any thread; everything else from the I/O thread or before it runs.
 */
#ifndef DDNS53_DNS_CHANGES_H
#define DDNS53_DNS_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/metrics.h"
#include "dns/account.h"
#include "dns/provider.h"
#include "dns/records.h"
#include "io/loop.h"
#include "state/store.h"

enum change_result {
    CHANGE_PENDING = 0,
    CHANGE_SET,        /* accepted by the provider and in the state */
    CHANGE_ALREADY,    /* the look-up found it as asked; nothing was to be done */
    CHANGE_CONFLICT,   /* DNS holds something that must not be overwritten */
    CHANGE_REFUSED,    /* the provider will not have it; see message */
    CHANGE_NO_ZONE,    /* the provider says that the zone is not there */
    CHANGE_TIMED_OUT,  /* not accepted in time; it stays queued */
    CHANGE_QUEUE_FULL, /* limits.queued_changes is reached */
    CHANGE_STOPPING,   /* the daemon stops and could not finish it */
};

struct submission;

/* One record of a submission. The first three are the caller's, result and message the queue's. */
struct submission_item {
    struct record *record;
    struct address address;
    uint32_t ttl_s;
    enum change_result result;
    enum record_foreign foreign; /* CHANGE_CONFLICT: why */
    char *message;               /* the provider's words, owned by the submission, NULL: none */
    /* the queue's own */
    struct submission *submission;
    struct submission_item *next_waiter;
    struct submission_item *previous_waiter;
    void *change;
};

/* What one request asks for. Owned by the caller, must stay where it is until `done`, which is called once, on the
 * I/O thread (or inside changes_submit when nothing could be queued). */
struct submission {
    void (*done)(struct submission *submission);
    void *userdata;
    struct address source;
    const char *dialect; /* static */
    size_t count;
    struct submission_item *items;
    /* the queue's own */
    struct changes *changes;
    struct loop_work work;
    struct loop_timer timer;
    size_t remaining;
};
/* Frees the messages. The items and the submission are the caller's. */
void submission_done(struct submission *submission);

struct changes;

struct changes_options {
    uint32_t update_timeout_ms;
    uint32_t reconcile_ms;
    uint32_t queued_max;
};

/* Borrows all; metrics and store may be NULL in tests (nothing is committed then). NULL: no memory. */
struct changes *changes_new(struct loop *loop, struct records *records, struct store *store, struct metrics *metrics,
                            const struct changes_options *options);
/* Once the loop has ended, the store answers no more, and nobody renders the metrics. What is left is answered
 * CHANGE_STOPPING. */
void changes_free(struct changes *changes);
DEFINE_CLEANUP(struct changes *, changes_free)

/* Before the loop runs, in the order of the settings' zones. Copies the name, borrows ops and account, takes `zone`
 * unless it returns -ENOMEM. */
int changes_add_zone(struct changes *changes, const char *name, const struct provider_ops *ops,
                     struct provider_zone *zone, struct account *account);
/* Starts the read-back of all zones, and forgetting what the state has of hosts that left. */
void changes_start(struct changes *changes);

/* Records with a change that is queued, under way or not saved yet. Any thread. */
size_t changes_busy_records(const struct changes *changes);

/* Any thread. The caller holds every item's record until `done`. */
void changes_submit(struct changes *changes, struct submission *submission);

/* I/O thread (post it): new limits after a reload, everything that waits for a retry tries now, and records that left
 * the configuration leave memory, those that are needed as soon as they are not. */
void changes_reconfigure(struct changes *changes, const struct changes_options *options);

/* I/O thread: no retries past deadline_ms (monotonic); when the queue is empty or the deadline has come, what is left
 * is answered CHANGE_STOPPING and `drained` is called once with the number that was left. */
void changes_drain(struct changes *changes, int64_t deadline_ms, void (*drained)(void *userdata, size_t left),
                   void *userdata);

/* Any thread: what is wrong, for /healthz: one line per zone that has failed for failing_ms and for a state that cannot
 * be written. Returns the number of lines appended. */
size_t changes_report_trouble(struct changes *changes, int64_t failing_ms, struct buffer *buffer);

#endif
