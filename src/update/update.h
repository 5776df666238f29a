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
#include "dns/changes.h"
#include "update/decide.h"

enum outcome {
    OUTCOME_SET,
    OUTCOME_UNCHANGED,
    OUTCOME_NO_RECORD,
    OUTCOME_UNUSABLE,
    OUTCOME_LOCKED,
    OUTCOME_PRIVATE,
    OUTCOME_NOT_SOURCE,
    OUTCOME_CONFLICT,
    OUTCOME_REFUSED, /* by the provider; see message */
    OUTCOME_NO_ZONE,
    OUTCOME_TIMED_OUT, /* it stays queued */
    OUTCOME_QUEUE_FULL,
    OUTCOME_STOPPING,
};
/* The word of the log and the metrics: "good", "nochg", "locked", ... Static. */
const char *outcome_word(enum outcome outcome);

/* What every update needs; made once, lives as long as the workers. */
struct updater {
    struct records *records;
    struct changes *changes;
    const struct clock *clock;
    struct metric *updates; /* ddns53_updates_total{dialect,result}; NULL in tests */
};

struct update_item {
    const struct host *host;
    enum record_type type;
    struct address address;
    enum outcome outcome;
    enum record_foreign foreign; /* OUTCOME_CONFLICT */
    const char *message;         /* OUTCOME_REFUSED: the provider's words, borrowed from the update */
    bool follower;               /* set along with its router; not answered for */
};

struct update;

/* `dialect` is static; takes no reference of `updater`, one of `hosts`. NULL: no memory. */
struct update *update_new(const struct updater *updater, const char *dialect, struct hosts *hosts,
                          const struct address *source, enum auth_scheme scheme);
void update_free(struct update *update);
DEFINE_CLEANUP(struct update *, update_free)

/* `host` is of the update's table. -ENOMEM, -E2BIG (more than UPDATE_RECORDS_MAX). */
int update_add(struct update *update, const struct host *host, const struct address *address, bool follower);
size_t update_count(const struct update *update);
const struct update_item *update_item(const struct update *update, size_t index);

/* `done` is called once, from inside update_run when nothing has to be waited for, else on the I/O thread.
 * Whoever called update_run must not touch the update after that. */
void update_run(struct update *update, void (*done)(struct update *update, void *userdata), void *userdata);

#endif
