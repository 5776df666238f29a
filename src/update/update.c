#include "update/update.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decisions.h"
#include "base/log.h"

struct update {
    struct submission submission; /* first member: a struct submission * is also a struct update * */
    const struct updater *updater;
    struct hosts *hosts;
    enum auth_scheme scheme;
    const char *secret;
    int64_t started_ms;
    struct update_item *items; /* they stay where they are from update_run on */
    size_t count;
    size_t capacity;
    void (*done)(struct update *update, void *userdata);
    void *userdata;
};

struct update *update_new(const struct updater *updater, const char *dialect, struct hosts *hosts,
                          const struct address *source, enum auth_scheme scheme)
{
    struct update *update = calloc(1, sizeof(*update));

    if (!update) {
        return NULL;
    }
    update->submission.source = *source;
    update->submission.dialect = dialect;
    update->updater = updater;
    update->hosts = hosts_ref(hosts);
    update->scheme = scheme;
    update->started_ms = clock_monotonic_ms(updater->clock);
    return update;
}

void update_free(struct update *update)
{
    if (!update) {
        return;
    }
    for (size_t i = 0; i < update->count; i++) {
        struct waiter *waiter = &update->items[i].waiter;
        if (waiter->request.record) {
            record_release(waiter->request.record);
        }
        waiter_done(waiter);
    }
    free(update->items);
    hosts_unref(update->hosts);
    free(update);
}

/* NULL with the reason in `ret_error`: no room for one more. */
static struct update_item *next_item(struct update *update, int *ret_error)
{
    if (update->count == UPDATE_RECORDS_MAX) {
        *ret_error = -E2BIG;
        return NULL;
    }
    if (update->count == update->capacity) {
        const size_t capacity = update->capacity ? 2 * update->capacity : 2;
        struct update_item *items = reallocarray(update->items, capacity, sizeof(*items));
        if (!items) {
            *ret_error = -ENOMEM;
            return NULL;
        }
        update->items = items;
        update->capacity = capacity;
    }
    return &update->items[update->count++];
}

static int add(struct update *update, const struct host *host, enum record_type type, const struct rdata *value,
               bool follower)
{
    int r = 0;
    struct update_item *item = next_item(update, &r);

    if (item) {
        *item = (struct update_item){
            .host = host, .type = type, .follower = follower, .secret = follower ? NULL : update->secret};
        item->waiter.request.value = rdata_hold(value);
        item->waiter.request.ttl_s = host->ttl_s;
    }
    return r;
}

int update_add(struct update *update, const struct host *host, const struct address *address, bool follower)
{
    const struct rdata value = rdata_of_address(address);

    return add(update, host, record_type_of(address), &value, follower);
}

int update_add_value(struct update *update, const struct host *host, enum record_type type, const struct rdata *value)
{
    return add(update, host, type, value, false);
}

int update_add_withdrawal(struct update *update, const struct host *host, enum record_type type)
{
    static const struct rdata nothing;

    return add(update, host, type, &nothing, false);
}

void update_note_secret(struct update *update, const char *secret)
{
    update->secret = secret;
}

bool update_may_set(const struct update *update, const struct host *host, const struct address *address)
{
    const struct rdata value = rdata_of_address(address);

    return decide(host, update->scheme, &update->submission.source, record_type_of(address), &value, NULL, 0) ==
           OUTCOME_PENDING;
}

const char *update_dialect(const struct update *update)
{
    return update->submission.dialect;
}

size_t update_count(const struct update *update)
{
    return update->count;
}

const struct update_item *update_item(const struct update *update, size_t index)
{
    return &update->items[index];
}

/* One line per record, for people and for fail2ban. Every value is one of ours by now. */
static void log_item(const struct update *update, const struct update_item *item, const char *value, int64_t now_ms)
{
    const enum outcome outcome = item_outcome(item);
    const bool is_withdrawal = rdata_is_empty(item_value(item));
    char source[ADDRESS_TEXT_SIZE] = "local";
    char duration[24];

    if (update->submission.source.family != ADDRESS_NONE) {
        address_print(&update->submission.source, source);
    }
    (void)snprintf(duration, sizeof(duration), "%lld", (long long)(now_ms - update->started_ms));
    log_event(outcome == OUTCOME_UNCHANGED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "update", "dialect",
              update->submission.dialect, "source", source, "host", item->host->hostname, "type",
              record_type_text(item->type), "address", is_withdrawal ? NULL : value, "withdraw",
              is_withdrawal ? "yes" : NULL, "result", outcome_word(outcome), "ms", duration, "message",
              item->waiter.message, NULL);
}

static void keep_decision(const struct update *update, const struct update_item *item, const char *value)
{
    const struct updater *updater = update->updater;
    const enum outcome outcome = item_outcome(item);

    decisions_keep(updater->decisions, &(struct kept_decision){
                                           .time_ms = clock_realtime_ms(updater->clock),
                                           .source = update->submission.source,
                                           .dialect = update->submission.dialect,
                                           .host = item->host->hostname,
                                           .type = record_type_text(item->type),
                                           .value = value,
                                           .verdict = outcome_word(outcome),
                                           .message = item->waiter.message,
                                           .reason = item->follower ? "follower" : NULL,
                                           .change_id = item->waiter.change_id[0] ? item->waiter.change_id : NULL,
                                           .secret = item->secret,
                                           .is_withdrawal = rdata_is_empty(item_value(item)),
                                           .is_ours = true,
                                           .is_unchanged = outcome == OUTCOME_UNCHANGED,
                                           .is_in_overlap = item->host->more->previous.is_set,
                                       });
}

/* Every outcome is known: count, log, tell. */
static void finish(struct submission *submission)
{
    struct update *update = (struct update *)submission;
    int64_t now_ms = clock_monotonic_ms(update->updater->clock);

    for (size_t i = 0; i < update->count; i++) {
        metric_add(update->updater->updates, 1, update->submission.dialect,
                   outcome_word(item_outcome(&update->items[i])), NULL);
        const struct update_item *item = &update->items[i];
        _cleanup_buffer_ struct buffer value = BUFFER_INIT;
        rdata_print(item_value(item), &value);
        log_item(update, item, buffer_text(&value), now_ms);
        keep_decision(update, item, buffer_text(&value));
    }
    update->done(update, update->userdata);
}

/* Decides one record; one that has to change goes with the submission. */
static void decide_item(struct update *update, struct update_item *item)
{
    const struct updater *updater = update->updater;
    struct waiter *waiter = &item->waiter;
    struct record *record = records_find(updater->records, item->host->hostname, item->type);
    struct record_view view = {0};

    if (record) {
        record_view(record, &view);
        if (update->scheme != AUTH_OPERATOR) { /* what is noted is which client asked last */
            record_touch(record, &update->submission.source, clock_realtime_s(updater->clock));
        }
        waiter->foreign = view.foreign;
    }
    waiter->request.record = record; /* held until the update is freed */
    waiter->outcome =
        decide(item->host, item->follower ? AUTH_BASIC : update->scheme, &update->submission.source, item->type,
               &waiter->request.value, record ? &view : NULL, clock_monotonic_ms(updater->clock));
    record_view_done(&view);
    if (waiter->outcome == OUTCOME_PENDING && !record) { /* the host has just left the file */
        waiter->outcome = OUTCOME_NO_RECORD;
    } else if (waiter->outcome == OUTCOME_PENDING) {
        submission_add(&update->submission, waiter);
    }
}

void update_run(struct update *update, void (*done)(struct update *update, void *userdata), void *userdata)
{
    update->done = done;
    update->userdata = userdata;
    update->submission.done = finish;
    for (size_t i = 0; i < update->count; i++) {
        decide_item(update, &update->items[i]);
    }
    queue_submit(update->updater->queue, &update->submission);
}
