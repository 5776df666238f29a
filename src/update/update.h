/*
 * One request's way from authenticated hosts to outcomes: decide each record, send what must change to the queue
 * in one submission, count and log each outcome, and tell the dialect when all are known. The dialect owns the
 * update from update_new until its `done` has returned; it holds its own reference of the host table.
 */
#ifndef DDNS53_UPDATE_UPDATE_H
#define DDNS53_UPDATE_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "config/hosts.h"
#include "queue/queue.h"
#include "update/decide.h"

/* What every update needs; made once, lives as long as the workers. */
struct updater {
    struct records *records;
    struct queue *queue;
    const struct clock *clock;
    struct metric *updates; /* ddns53_updates_total{dialect,result}; NULL in tests */
};

struct update_item {
    struct waiter waiter; /* what is asked of the record, and what came of it */
    const struct host *host;
    enum record_type type; /* known even where there is no such record */
    bool follower;         /* set along with its router; the answer does not tell of it */
};

static inline enum outcome item_outcome(const struct update_item *item)
{
    return item->waiter.outcome;
}

/* What the record is to hold; empty: it is to be withdrawn. */
static inline const struct rdata *item_value(const struct update_item *item)
{
    return &item->waiter.request.value;
}

struct update;

/* `dialect` is static; takes no reference of `updater`, one of `hosts`. NULL: no memory. */
struct update *update_new(const struct updater *updater, const char *dialect, struct hosts *hosts,
                          const struct address *source, enum auth_scheme scheme);
void update_free(struct update *update);
DEFINE_CLEANUP(struct update *, update_free)

/* `host` is of the update's table. -ENOMEM, -E2BIG (more than UPDATE_RECORDS_MAX). */
int update_add(struct update *update, const struct host *host, const struct address *address, bool follower);
/* The record is to be withdrawn. */
int update_add_withdrawal(struct update *update, const struct host *host, enum record_type type);
/* May the host set that address, whatever its record holds now? */
bool update_may_set(const struct update *update, const struct host *host, const struct address *address);
const char *update_dialect(const struct update *update);
size_t update_count(const struct update *update);
const struct update_item *update_item(const struct update *update, size_t index);

/* `done` is called once, from inside update_run when nothing has to be waited for, else on the I/O thread.
 * Whoever called update_run must not touch the update after that. */
void update_run(struct update *update, void (*done)(struct update *update, void *userdata), void *userdata);

#endif
