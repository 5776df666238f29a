#include "update/update.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct update {
    const struct updater *updater;
    const char *dialect;
    struct hosts *hosts;
    struct address source;
    enum auth_scheme scheme;
    int64_t started_ms;
    struct update_item *items;
    size_t count;
    size_t capacity;
    void (*done)(struct update *update, void *userdata);
    void *userdata;
    /* What goes to the queue; submission.items[i] belongs to items[origins[i]]. */
    struct submission submission;
    size_t *origins;
};

const char *outcome_word(enum outcome outcome)
{
    static const char *const words[] = {
        [OUTCOME_SET] = "good",
        [OUTCOME_UNCHANGED] = "nochg",
        [OUTCOME_NO_RECORD] = "no_record",
        [OUTCOME_UNUSABLE] = "unusable_address",
        [OUTCOME_LOCKED] = "locked",
        [OUTCOME_PRIVATE] = "private_address",
        [OUTCOME_NOT_SOURCE] = "not_source_address",
        [OUTCOME_CONFLICT] = "conflict",
        [OUTCOME_REFUSED] = "refused",
        [OUTCOME_NO_ZONE] = "no_zone",
        [OUTCOME_TIMED_OUT] = "timed_out",
        [OUTCOME_QUEUE_FULL] = "queue_full",
        [OUTCOME_STOPPING] = "stopping",
    };
    return words[outcome];
}

struct update *update_new(const struct updater *updater, const char *dialect, struct hosts *hosts,
                          const struct address *source, enum auth_scheme scheme)
{
    struct update *update = calloc(1, sizeof(*update));

    if (!update) {
        return NULL;
    }
    update->updater = updater;
    update->dialect = dialect;
    update->hosts = hosts_ref(hosts);
    update->source = *source;
    update->scheme = scheme;
    update->started_ms = clock_monotonic_ms(updater->clock);
    return update;
}

void update_free(struct update *update)
{
    if (!update) {
        return;
    }
    if (update->submission.items) {
        for (size_t i = 0; i < update->submission.count; i++) {
            record_release(update->submission.items[i].record);
        }
        submission_done(&update->submission);
        free(update->submission.items);
    }
    free(update->origins);
    free(update->items);
    hosts_unref(update->hosts);
    free(update);
}

int update_add(struct update *update, const struct host *host, const struct address *address, bool follower)
{
    if (update->count == UPDATE_RECORDS_MAX) {
        return -E2BIG;
    }
    if (update->count == update->capacity) {
        size_t capacity = update->capacity ? 2 * update->capacity : 2;
        struct update_item *items = reallocarray(update->items, capacity, sizeof(*items));
        if (!items) {
            return -ENOMEM;
        }
        update->items = items;
        update->capacity = capacity;
    }
    update->items[update->count++] = (struct update_item){
        .host = host,
        .type = record_type_of(address),
        .address = *address,
        .follower = follower,
    };
    return 0;
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
static void log_item(const struct update *update, const struct update_item *item, int64_t now_ms)
{
    char source[ADDRESS_TEXT_SIZE] = "local";
    char address[ADDRESS_TEXT_SIZE];
    char duration[24];
    enum log_level level = item->outcome == OUTCOME_UNCHANGED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;

    if (update->source.family != ADDRESS_NONE) {
        address_print(&update->source, source);
    }
    address_print(&item->address, address);
    (void)snprintf(duration, sizeof(duration), "%lld", (long long)(now_ms - update->started_ms));
    log_event(level, "update", "dialect", update->dialect, "source", source, "host", item->host->hostname, "type",
              record_type_text(item->type), "address", address, "result", outcome_word(item->outcome), "ms", duration,
              "message", item->message, NULL);
}

/* Every outcome is known: count, log, tell. */
static void finish(struct update *update)
{
    int64_t now_ms = clock_monotonic_ms(update->updater->clock);

    for (size_t i = 0; i < update->count; i++) {
        metric_add(update->updater->updates, 1, update->dialect, outcome_word(update->items[i].outcome), NULL);
        log_item(update, &update->items[i], now_ms);
    }
    update->done(update, update->userdata);
}

static enum outcome outcome_of_change(enum change_result result)
{
    switch (result) {
    case CHANGE_SET: return OUTCOME_SET;
    case CHANGE_ALREADY: return OUTCOME_UNCHANGED;
    case CHANGE_CONFLICT: return OUTCOME_CONFLICT;
    case CHANGE_REFUSED: return OUTCOME_REFUSED;
    case CHANGE_NO_ZONE: return OUTCOME_NO_ZONE;
    case CHANGE_QUEUE_FULL: return OUTCOME_QUEUE_FULL;
    case CHANGE_STOPPING: return OUTCOME_STOPPING;
    case CHANGE_PENDING:
    case CHANGE_TIMED_OUT: break;
    }
    return OUTCOME_TIMED_OUT;
}

static void submitted(struct submission *submission)
{
    struct update *update = submission->userdata;

    for (size_t i = 0; i < submission->count; i++) {
        struct update_item *item = &update->items[update->origins[i]];
        item->outcome = outcome_of_change(submission->items[i].result);
        item->foreign = submission->items[i].foreign;
        item->message = submission->items[i].message;
    }
    finish(update);
}

static bool is_final(struct update_item *item, enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_CHANGE: return false;
    case VERDICT_UNCHANGED: item->outcome = OUTCOME_UNCHANGED; break;
    case VERDICT_NO_RECORD: item->outcome = OUTCOME_NO_RECORD; break;
    case VERDICT_UNUSABLE: item->outcome = OUTCOME_UNUSABLE; break;
    case VERDICT_LOCKED: item->outcome = OUTCOME_LOCKED; break;
    case VERDICT_PRIVATE: item->outcome = OUTCOME_PRIVATE; break;
    case VERDICT_NOT_SOURCE: item->outcome = OUTCOME_NOT_SOURCE; break;
    case VERDICT_CONFLICT: item->outcome = OUTCOME_CONFLICT; break;
    }
    return true;
}

/* Decides one record; returns the record, held, where it has to change, NULL where the outcome is known. */
static struct record *decide_item(const struct update *update, struct update_item *item)
{
    const struct updater *updater = update->updater;
    struct record *record = records_find(updater->records, item->host->hostname, item->type);
    struct record_view view;

    if (record) {
        record_view(record, &view);
        record_touch(record, &update->source, clock_realtime_s(updater->clock));
        item->foreign = view.foreign;
    }
    enum verdict verdict = decide(item->host, item->follower ? AUTH_BASIC : update->scheme, &update->source,
                                  &item->address, record ? &view : NULL, clock_monotonic_ms(updater->clock));
    if (is_final(item, verdict)) {
        if (record) {
            record_release(record);
        }
        return NULL;
    }
    if (!record) { /* the host has just left the file */
        item->outcome = OUTCOME_NO_RECORD;
    }
    return record;
}

/* Fills the submission with what must change; -ENOMEM. */
static int collect_changes(struct update *update)
{
    struct submission *submission = &update->submission;

    submission->items = calloc(update->count ? update->count : 1, sizeof(*submission->items));
    update->origins = calloc(update->count ? update->count : 1, sizeof(*update->origins));
    if (!submission->items || !update->origins) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < update->count; i++) {
        struct update_item *item = &update->items[i];
        struct record *record = decide_item(update, item);
        if (record) {
            update->origins[submission->count] = i;
            submission->items[submission->count++] = (struct submission_item){
                .record = record,
                .address = item->address,
                .ttl_s = item->host->ttl_s,
            };
        }
    }
    return 0;
}

void update_run(struct update *update, void (*done)(struct update *update, void *userdata), void *userdata)
{
    update->done = done;
    update->userdata = userdata;
    if (collect_changes(update) < 0) {
        for (size_t i = 0; i < update->count; i++) {
            update->items[i].outcome = OUTCOME_QUEUE_FULL;
        }
        finish(update);
        return;
    }
    if (update->submission.count == 0) {
        finish(update);
        return;
    }
    update->submission.done = submitted;
    update->submission.userdata = update;
    update->submission.source = update->source;
    update->submission.dialect = update->dialect;
    changes_submit(update->updater->changes, &update->submission);
}
