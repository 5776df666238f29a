/*
 * A change: what a record is to hold next, on its way from the first who asks for it to the answer of all who wait.
 * Changes of one record coalesce; those of a zone stand in its backlog. Knows neither provider nor store.
 * I/O thread only, but for the backlog's atomics and tally_release.
 *
 * A record's slot holds its newest change. Up to four exist at a time, linked by `older` and `newer`: one that waits
 * (STEP_LOOK or STEP_READY), one in a batch (STEP_SENT), one that is accepted (STEP_ACCEPTED), one that the store is
 * writing (STEP_SAVING).
 */
#ifndef DDNS53_QUEUE_CHANGE_H
#define DDNS53_QUEUE_CHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "queue/queue.h"

#define NO_CHANGE_MS INT64_MIN /* backlog->oldest_ms while it is empty */

enum change_step {
    STEP_NEW,
    STEP_LOOK,     /* the record has to be looked up first; in backlog->looking */
    STEP_READY,    /* waits for a batch; in backlog->ready */
    STEP_SENT,     /* in a batch */
    STEP_ACCEPTED, /* the provider has it; in the saver's list */
    STEP_SAVING,   /* in the commit that is under way */
};

struct change_list {
    struct list changes;
    size_t count;
};

/* The provider's id of a batch, shared by its changes. */
struct change_id {
    uint32_t users;
    char text[];
};

struct change {
    struct change_request request; /* owns a reference of its values */
    struct backlog *backlog;
    struct change *older;
    struct change *newer;
    struct change_list *list; /* that it is in, NULL: none */
    struct list_link in_list;
    struct list_link in_backlog;
    struct list waiters;
    const char *dialect; /* static */
    struct change_id *id;
    int64_t queued_ms;
    int64_t accepted_s; /* Unix time */
    uint32_t begun;     /* how often record_begin was called for it */
    struct address source;
    uint8_t step;
    uint8_t outdated_count; /* how often the provider said that DNS holds something else than was known */
    bool is_uncertain;      /* a call that failed may have applied a value of it */
    bool is_already;        /* STEP_ACCEPTED: DNS was right, only the store was not */
    bool is_borrowed;       /* a provider's call still reads it: its memory stays until change_free */
    bool is_superseding;    /* it took the place of another value: OUTCOME_SET is the honest answer */
};
_Static_assert(sizeof(struct change) <= 288, "memory per queued change");

/* What all changes of a queue are counted in. */
struct tally {
    struct loop *loop;
    atomic_uint busy_records;
    size_t changes;
    struct metric *ended;                 /* ddns53_changes_total{zone,result} */
    void (*emptied)(struct tally *tally); /* the last change has gone */
};

/* The changes of one zone. */
struct backlog {
    struct tally *tally;
    const char *zone; /* its name */
    struct change_list looking;
    struct change_list ready;
    struct list changes; /* all of them, oldest first */
    /* for metrics, any thread */
    atomic_size_t depth;
    atomic_int_fast64_t oldest_ms;
};

/* NULL: the list is empty. */
static inline struct change *change_list_first(const struct change_list *list)
{
    return LIST_ITEM(list->changes.first, struct change, in_list);
}

static inline struct change *change_list_last(const struct change_list *list)
{
    return LIST_ITEM(list->changes.last, struct change, in_list);
}

/* The one behind it in its list; NULL: it is the last. */
static inline struct change *change_list_next(const struct change *change)
{
    return LIST_ITEM(change->in_list.next, struct change, in_list);
}

static inline struct change *backlog_oldest(const struct backlog *backlog)
{
    return LIST_ITEM(backlog->changes.first, struct change, in_backlog);
}

void backlog_init(struct backlog *backlog, struct tally *tally, const char *zone);
/* Counts how a change of the zone ended, or that a newer one took its place (OUTCOME_PENDING). */
void backlog_count(const struct backlog *backlog, enum outcome outcome);

bool change_wants(const struct change *change, const struct rdata *value, uint32_t ttl_s);
/* Becomes the record's newest. NULL: no memory. */
struct change *change_new(struct backlog *backlog, struct waiter *waiter);
void change_attach(struct change *change, struct waiter *waiter);
/* Newest wins: the change takes what the waiter asks for. */
void change_supersede(struct change *change, struct waiter *waiter);
/* `from` goes, its waiters wait for `into`. */
void change_merge(struct change *into, struct change *from);
/* The newer change, if there is one, becomes part of this one, which keeps its place. */
void change_take_newer(struct change *change);
/* Moves it to the end of `list`; NULL: it is in no list then. */
void change_move(struct change *change, enum change_step step, struct change_list *list);
/* Moves it back to the head of `list`, where it came from. */
void change_move_first(struct change *change, enum change_step step, struct change_list *list);
/* Is one of the record's changes in a call? */
bool change_is_sent(const struct change *newest);
/* Answers all who wait, takes it out of its list, and frees it unless it is borrowed. `message` may be NULL. */
void change_finish(struct change *change, enum outcome outcome, enum record_foreign foreign, const char *message);
/* For one that was borrowed when it was finished. */
void change_free(struct change *change);

struct change_id *change_id_new(const char *text); /* NULL: no text, or no memory */
struct change_id *change_id_hold(struct change_id *id);
void change_id_drop(struct change_id *id);

/* Drops `count` begun changes of the record. Any thread. */
void tally_release(struct tally *tally, struct record *record, uint32_t count);

/* Answers one waiter, and the submission when it was the last. The submission may be gone afterwards. */
void waiter_answer(struct waiter *waiter, enum outcome outcome, enum record_foreign foreign, const char *message);
/* The waiter leaves its change. */
void waiter_detach(struct waiter *waiter);
/* One of the answers that the submission waits for has come. */
void submission_drop(struct submission *submission);

#endif
