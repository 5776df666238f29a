/*
 * The inside of dns/changes, shared by its files and its unit tests, nobody else:
 *   changes.c          making and freeing, submissions and their time-outs, reconfiguring
 *   changes_queue.c    a change, its waiters and its place in the lists
 *   changes_zone.c     what a zone may do next: asking the account, waiting after failures, a zone that is gone
 *   changes_batch.c    assembling and applying a batch, bisection
 *   changes_readback.c preparing, listing and looking up; what follows from what was found
 *   changes_save.c    committing what was accepted, and the touches
 *   changes_sweep.c    records that left the configuration leave memory
 *   changes_forget.c   rows of hosts that left leave state.db
 *   changes_trouble.c  what is wrong and since when
 *   changes_metrics.c  the numbers
 *   changes_drain.c    the end
 * I/O thread only unless said otherwise.
 *
 * A record's slot holds its newest change. Up to four exist at a time, linked by `older` and `newer`: one that
 * waits (STEP_LOOK or STEP_READY), one in a batch (STEP_SENT), one accepted but not saved yet (STEP_UNSAVED), one in
 * the commit that is under way (STEP_SAVING).
 */
#ifndef DDNS53_DNS_CHANGES_INTERNAL_H
#define DDNS53_DNS_CHANGES_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "dns/changes.h"

#define BATCH_MAX 1000            /* where a provider has no limit, or a higher one */
#define BACKOFF_BASE_MS 200       /* the first wait is somewhere below it */
#define BACKOFF_CAP_MS 30000      /* no wait is longer... */
#define RETRY_AFTER_MAX_MS 300000 /* ...unless the server says so; more than that is no answer but a fault */
#define UNHEALTHY_RETRY_MS 60000  /* wrong credentials, no zone */
#define NO_CHANGE_MS INT64_MIN    /* zone->oldest_ms of an empty queue */
#define TOUCH_PERIOD_MS 10000
#define COMMIT_MAX 1000 /* changes or touches of one transaction */
#define COMMIT_RETRY_MIN_MS 1000
#define COMMIT_RETRY_MAX_MS 30000

/* For counting only: a change that a newer one took the place of. */
#define RESULT_SUPERSEDED CHANGE_PENDING

/* ---- a change ---- */

enum change_step {
    STEP_NEW,
    STEP_LOOK,    /* the record has to be looked up first; in zone->looking */
    STEP_READY,   /* waits for a batch; in zone->ready */
    STEP_SENT,    /* in zone->batch */
    STEP_UNSAVED, /* the provider has it; in saver.unsaved */
    STEP_SAVING,  /* in the commit that is under way; in saver.saving */
};

struct waiters {
    struct submission_item *first;
    struct submission_item *last;
};

/* The provider's id of a batch, shared by its changes. */
struct change_id {
    uint32_t users;
    char text[];
};

struct change {
    struct record *record;
    struct zone *zone;
    struct change *older;
    struct change *newer;
    struct change *next; /* the list of its step */
    struct change *previous;
    struct change *next_in_zone; /* zone->all, oldest first */
    struct change *previous_in_zone;
    struct waiters waiters;
    const char *dialect; /* static */
    struct change_id *id;
    int64_t queued_ms;
    int64_t accepted_s; /* Unix time */
    uint32_t ttl_s;
    uint32_t begun; /* record_begin calls that end with it */
    struct address address;
    struct address source;
    struct address old_address; /* from STEP_UNSAVED on */
    uint8_t step;
    bool is_uncertain;   /* a call that failed may have applied an address of it */
    bool is_already;     /* STEP_UNSAVED: DNS was right, only the state was not */
    bool is_superseding; /* it took the place of another address: SET is the honest answer */
};
_Static_assert(sizeof(struct change) < 256, "memory per queued change");

struct change_list {
    struct change *first;
    struct change *last;
    size_t count;
};

/* ---- a zone ---- */

/* Exponential back-off with full jitter. */
struct backoff {
    struct loop_timer timer;
    unsigned attempt;
    bool is_waiting;
    bool is_unhealthy; /* a wait of UNHEALTHY_RETRY_MS */
};

/* A spell of failures, under changes->trouble_lock. */
struct trouble {
    int64_t since_ms;
    char *message; /* NULL: none */
    bool is_failing;
    bool is_logged;
};

/* A part of the batch that goes in one call. */
struct segment {
    size_t start;
    size_t count;
    bool is_first_half; /* the segment below on the stack is the other half */
    bool is_guilty;     /* its other half was fine, so it holds what was refused: split it without asking */
};

struct batch {
    struct change **changes;
    struct provider_change *sent; /* what the provider borrows */
    size_t max;
    struct segment *segments; /* a stack; disjoint, so never more than changes */
    size_t segment_count;
    struct segment current;
    bool is_calling;
    bool is_bisecting;
};

enum readback_step { READBACK_IDLE, READBACK_PREPARE, READBACK_LIST, READBACK_SINGLES };

struct readback {
    enum readback_step step;
    struct loop_timer timer; /* when the next one begins */
    bool is_again;           /* the zone was changed by somebody else while it was being read: once more */
    bool is_prepared;        /* the zone has been found at the provider */
    bool is_preparing;       /* calls under way */
    bool is_listing;
    bool is_looking_up;
    bool is_stale;       /* the zone is gone since the page was asked for */
    uint32_t listing;    /* number, from 1 */
    uint32_t generation; /* of the records when it began */
    uint64_t pages_done;
    uint64_t record_count;
    struct record *cursor;    /* READBACK_SINGLES: the next one; held */
    struct record *looked_up; /* held */
    bool is_overtaken;        /* a change of it was accepted meanwhile, or the zone is gone */
    bool is_for_single;
    int64_t began_ms;
    bool is_announced; /* that the zone has been read, since the start or the last trouble */
};

struct zone {
    struct changes *changes;
    char *name;
    const struct provider_ops *ops;
    struct provider_zone *provider;
    struct account *account;
    uint32_t index;

    struct account_ask change_ask;
    struct account_ask read_ask;
    bool learned_last; /* changes and look-ups take turns */
    bool is_gone;      /* the provider says that it is not there */

    struct change_list looking;
    struct change_list ready;
    struct change *all_first;
    struct change *all_last;
    struct batch batch;
    struct readback readback;
    struct backoff apply_backoff;
    struct backoff learn_backoff;
    struct trouble apply_trouble;
    struct trouble learn_trouble;

    /* for metrics, any thread */
    atomic_size_t depth;
    atomic_int_fast64_t oldest_ms;
};

/* ---- all of it ---- */

struct changes_families {
    struct metric *changes;
    struct metric *depth;
    struct metric *oldest;
    struct metric *batch_sizes;
    struct metric *retries;
    struct metric *throttles;
    struct metric *bisections;
    struct metric *drift;
    struct metric *pace;
    struct metric *latency;
};

/* What goes to the store. A commit and a call for touches may be under way at the same time, one of each. */
struct saver {
    struct store *store; /* NULL in tests: everything counts as saved */
    struct change_list unsaved;
    struct change_list saving;
    struct state_change *commit_rows;
    struct change_id **commit_ids; /* of the rows, kept until the answer: the changes may go before */
    size_t commit_count;
    struct state_touch *touch_rows;
    size_t touch_count;
    struct loop_work commit_work;
    struct loop_timer commit_timer;
    struct loop_timer touch_timer;
    int64_t commit_retry_ms;
    bool is_commit_posted;
    bool is_committing;
    bool is_touching;
};

struct changes {
    struct loop *loop;
    struct records *records;
    struct changes_options options; /* but for queued_max: */
    atomic_uint queued_max;
    atomic_uint busy_records;
    struct zone **zones;
    size_t zone_count;
    size_t change_count;
    struct changes_families families;
    /* 0 <= value < upper_bound; a test has its own */
    uint32_t (*random)(uint32_t upper_bound);

    struct saver saver;
    struct trouble state_trouble;
    pthread_mutex_t trouble_lock;

    /* rows that are forgotten, each day */
    struct loop_timer forget_timer;
    size_t forgotten;

    /* records that left */
    struct records_sweep sweep;
    struct loop_timer sweep_timer;

    /* the end */
    bool is_draining;
    bool is_late;    /* the deadline has passed: what was accepted is saved now or never */
    bool is_flushed; /* the last touches have had their attempt */
    bool is_stopped;
    struct loop_timer drain_timer;
    struct loop_work drain_work;
    bool is_drain_posted;
    void (*drained)(void *userdata, size_t left);
    void *drained_userdata;
};

/* changes_queue.c */
void change_list_append(struct change_list *list, struct change *change);
void change_list_prepend(struct change_list *list, struct change *change);
void change_list_remove(struct change_list *list, struct change *change);
bool change_wants(const struct change *change, const struct address *address, uint32_t ttl_s);
/* Becomes the record's newest. NULL: no memory. */
struct change *change_new(struct zone *zone, struct submission_item *item);
void change_attach(struct change *change, struct submission_item *item);
/* Newest wins: the change takes what the item asks for. */
void change_supersede(struct change *change, struct submission_item *item);
/* `from` goes, its waiters wait for `into`. */
void change_merge(struct change *into, struct change *from);
/* The newer change, if there is one, becomes part of this one, which keeps its place. */
void change_take_newer(struct change *change);
/* Takes it out of the list of its step and puts it at the end of another. */
void change_move(struct change *change, enum change_step step);
/* To the head of those that are ready: it was there already. */
void change_move_first(struct change *change);
/* Is one of the record's changes in a call? */
bool change_is_sent(const struct change *newest);
/* Answers all who wait and frees the change. `message` may be NULL. */
void change_finish(struct change *change, enum change_result result, enum record_foreign foreign, const char *message);
void change_free(struct change *change);
void change_id_drop(struct change_id *id);
/* Drops `count` begun changes of the record. Any thread. */
void changes_release(struct changes *changes, struct record *record, uint32_t count);
/* Answers one item, and the submission when it was the last. The submission may be gone afterwards. */
void item_answer(struct submission_item *item, enum change_result result, enum record_foreign foreign,
                 const char *message);
void submission_drop(struct submission *submission);
void item_detach(struct submission_item *item);

/* changes_zone.c */
int zone_new(struct changes *changes, const char *name, const struct provider_ops *ops, struct provider_zone *provider,
             struct account *account, struct zone **ret_zone);
void zone_free(struct zone *zone);
/* Asks the account for what the zone could do now. */
void zone_kick(struct zone *zone);
/* Where a new or newly known change goes from here. */
void change_place(struct change *change);
void zone_watch(struct zone *zone);
void zone_stop(struct zone *zone);
/* Everything that waits for a retry tries now. */
void zone_retry_now(struct zone *zone);
/* A call has failed: counts, waits, tells. Not for PROVIDER_DONE, _REFUSED (of a batch) and _NO_ZONE. */
void zone_failed(struct zone *zone, struct backoff *backoff, struct trouble *trouble,
                 const struct provider_result *result);
/* A call has succeeded. */
void zone_worked(struct zone *zone, struct backoff *backoff, struct trouble *trouble);
void zone_gone(struct zone *zone, const char *message);

/* changes_batch.c */
int batch_init(struct batch *batch, const struct provider_ops *ops);
void batch_done(struct batch *batch);
bool batch_is_wanted(const struct zone *zone);
void batch_run(struct zone *zone);
/* Ends what is not in a call right now. */
void batch_drop(struct zone *zone, enum change_result result, const char *message);

/* changes_readback.c */
enum learning { LEARN_NOTHING, LEARN_PREPARE, LEARN_PAGE, LEARN_CHANGE, LEARN_SINGLE };
/* What a change waits for, and what the read-back would do next. */
enum learning readback_for_changes(const struct zone *zone);
enum learning readback_for_itself(const struct zone *zone);
void readback_run(struct zone *zone, enum learning learning);
void readback_begin(struct zone *zone);
/* Somebody else has changed the zone: what was read before is out of date. */
void readback_renew(struct zone *zone);
void readback_schedule(struct zone *zone);
void readback_init(struct zone *zone);
/* The zone is gone: prepare is next, and what is under way does not count. */
void readback_reset(struct zone *zone);
/* Reading has failed: where that was logged, the end of this read-back is, too. */
void readback_troubled(struct zone *zone);
/* Our own change was accepted: it is newer than any answer that is under way. */
void readback_accepted(struct zone *zone, struct record *record);

/* changes_save.c */
int save_init(struct changes *changes, struct store *store);
void save_stop(struct changes *changes);
void save_done(struct changes *changes);
/* The change is accepted: commit it, soon. */
void save_change(struct change *change);
void save_retry_now(struct changes *changes);
/* Begins to save them; one that is under way goes on until there are none. */
void save_touches(struct changes *changes);
bool save_is_under_way(const struct changes *changes);

/* changes_sweep.c */
void sweep_init(struct changes *changes);
/* A new pass; one that is under way begins anew. */
void sweep_begin(struct changes *changes);
void sweep_stop(struct changes *changes);

/* changes_forget.c */
void forget_init(struct changes *changes);
void forget_start(struct changes *changes);
void forget_stop(struct changes *changes);

/* changes_trouble.c */
/* Logs `event` once per spell, a throttled zone's only when it lasts. `zone` may be NULL. */
void trouble_begin(struct changes *changes, struct trouble *trouble, const char *event, const char *zone,
                   const char *message, bool is_throttle);
void trouble_end(struct changes *changes, struct trouble *trouble, const char *event, const char *zone);
void trouble_done(struct trouble *trouble);

/* changes_metrics.c */
int changes_families_init(struct changes *changes, struct metrics *metrics);
/* So that the counters of troubles are there before the first one, and its rate can be seen. */
void changes_count_from_zero(const struct zone *zone);
const char *change_result_word(enum change_result result);
void changes_count(const struct zone *zone, enum change_result result);

/* changes_drain.c */
/* A change has gone, or a call of the store has ended: the last one ends the draining. */
void drain_check(struct changes *changes);
void drain_init(struct changes *changes);
/* Answers what is left, returns its number. */
size_t changes_stop(struct changes *changes);

#endif
