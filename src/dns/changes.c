#include "dns/changes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/secret.h"
#include "dns/changes_internal.h"

/* ---- making and freeing ---- */

struct changes *changes_new(struct loop *loop, struct records *records, struct store *store, struct metrics *metrics,
                            const struct changes_options *options)
{
    _cleanup_(changes_freep) struct changes *changes = calloc(1, sizeof(*changes));

    if (!changes) {
        return NULL;
    }
    pthread_mutex_init(&changes->trouble_lock, NULL);
    changes->loop = loop;
    changes->records = records;
    changes->options = *options;
    changes->random = random_uniform;
    atomic_store(&changes->queued_max, options->queued_max);
    drain_init(changes);
    sweep_init(changes);
    forget_init(changes);
    if (save_init(changes, store) < 0 || changes_families_init(changes, metrics) < 0) {
        return NULL;
    }
    return TAKE_PTR(changes);
}

void changes_free(struct changes *changes)
{
    if (!changes) {
        return;
    }
    changes_stop(changes);
    for (size_t i = 0; i < changes->zone_count; i++) {
        zone_free(changes->zones[i]);
    }
    free(changes->zones);
    save_done(changes);
    pthread_mutex_destroy(&changes->trouble_lock);
    free(changes);
}

int changes_add_zone(struct changes *changes, const char *name, const struct provider_ops *ops,
                     struct provider_zone *zone, struct account *account)
{
    struct zone **zones = reallocarray(changes->zones, changes->zone_count + 1, sizeof(struct zone *));

    if (!zones) {
        return -ENOMEM;
    }
    changes->zones = zones;
    const int r = zone_new(changes, name, ops, zone, account, &zones[changes->zone_count]);
    if (r < 0) {
        return r;
    }
    zones[changes->zone_count]->index = (uint32_t)changes->zone_count;
    changes_count_from_zero(zones[changes->zone_count]);
    changes->zone_count++;
    return 0;
}

void changes_start(struct changes *changes)
{
    for (size_t i = 0; i < changes->zone_count; i++) {
        zone_watch(changes->zones[i]);
        readback_begin(changes->zones[i]);
    }
    forget_start(changes);
}

void changes_reconfigure(struct changes *changes, const struct changes_options *options)
{
    const bool is_new_period = options->reconcile_ms != changes->options.reconcile_ms;

    if (changes->is_stopped) {
        return;
    }
    changes->options = *options;
    atomic_store(&changes->queued_max, options->queued_max);
    save_retry_now(changes);
    sweep_begin(changes);
    for (size_t i = 0; i < changes->zone_count; i++) {
        struct zone *zone = changes->zones[i];
        if (is_new_period && zone->readback.step == READBACK_IDLE) {
            readback_schedule(zone);
        }
        zone_retry_now(zone);
    }
}

/* ---- submissions: on the caller's thread ---- */

void submission_done(struct submission *submission)
{
    for (size_t i = 0; i < submission->count; i++) {
        free(submission->items[i].message);
        submission->items[i].message = NULL;
    }
}

static struct zone *zone_of(const struct changes *changes, const struct record *record)
{
    const uint32_t index = record_zone(record);

    return index < changes->zone_count ? changes->zones[index] : NULL;
}

/* A record that is busy already takes no more room. */
static bool is_admitted(struct changes *changes, struct record *record)
{
    if (!record_begin(record) || atomic_fetch_add(&changes->busy_records, 1) < atomic_load(&changes->queued_max)) {
        return true;
    }
    changes_release(changes, record, 1);
    return false;
}

static void arrive(struct loop_work *work);
static void time_out(struct loop_timer *timer);

size_t changes_busy_records(const struct changes *changes)
{
    return atomic_load(&changes->busy_records);
}

void changes_submit(struct changes *changes, struct submission *submission)
{
    submission->changes = changes;
    submission->work = (struct loop_work){.run = arrive};
    submission->timer = (struct loop_timer){.run = time_out};
    submission->remaining = 0;
    for (size_t i = 0; i < submission->count; i++) {
        struct submission_item *item = &submission->items[i];
        item->submission = submission;
        item->change = NULL;
        item->foreign = FOREIGN_NONE;
        item->message = NULL;
        item->result = CHANGE_PENDING;
        if (is_admitted(changes, item->record)) {
            submission->remaining++;
            continue;
        }
        item->result = CHANGE_QUEUE_FULL;
        if (zone_of(changes, item->record)) {
            changes_count(zone_of(changes, item->record), CHANGE_QUEUE_FULL);
        }
    }
    if (submission->remaining == 0) {
        submission->done(submission);
    } else {
        loop_post(changes->loop, &submission->work); /* from here on it is the I/O thread's */
    }
}

/* ---- submissions: on the I/O thread ---- */

static void answer_at_once(struct submission_item *item, const struct zone *zone, enum change_result result,
                           const char *message)
{
    changes_release(item->submission->changes, item->record, 1);
    if (zone) {
        changes_count(zone, result);
    }
    item_answer(item, result, FOREIGN_NONE, message);
}

static void queue(struct submission_item *item, struct zone *zone)
{
    struct change *newest = record_slot(item->record);

    if (newest && change_wants(newest, &item->address, item->ttl_s)) {
        newest->begun++;
        change_attach(newest, item);
    } else if (newest && (newest->step == STEP_LOOK || newest->step == STEP_READY)) {
        change_supersede(newest, item);
    } else {
        struct change *change = change_new(zone, item);
        if (!change) {
            answer_at_once(item, zone, CHANGE_QUEUE_FULL, NULL); /* out of memory is as full as it gets */
            return;
        }
        change_place(change);
    }
}

static void arrive_item(struct submission_item *item)
{
    struct changes *changes = item->submission->changes;
    struct zone *zone = zone_of(changes, item->record);

    if (changes->is_draining || changes->is_stopped) {
        answer_at_once(item, zone, CHANGE_STOPPING, NULL);
    } else if (!zone || zone->is_gone) {
        answer_at_once(item, zone, CHANGE_NO_ZONE, zone ? zone->learn_trouble.message : NULL);
    } else if (!item->submission->timer.heap_index) {
        answer_at_once(item, zone, CHANGE_QUEUE_FULL, NULL); /* no memory for its time-out */
    } else {
        queue(item, zone);
        zone_kick(zone);
    }
}

static void arrive(struct loop_work *work)
{
    struct submission *submission = CONTAINER_OF(work, struct submission, work);
    struct changes *changes = submission->changes;

    if (!changes->is_draining) {
        (void)loop_timer_set(changes->loop, &submission->timer,
                             loop_now_ms(changes->loop) + changes->options.update_timeout_ms);
    }
    submission->remaining++; /* keeps it while its items are walked */
    for (size_t i = 0; i < submission->count; i++) {
        if (submission->items[i].result == CHANGE_PENDING) {
            arrive_item(&submission->items[i]);
        }
    }
    submission_drop(submission);
}

static void time_out(struct loop_timer *timer)
{
    struct submission *submission = CONTAINER_OF(timer, struct submission, timer);

    submission->remaining++;
    for (size_t i = 0; i < submission->count; i++) {
        struct submission_item *item = &submission->items[i];
        if (item->result != CHANGE_PENDING) {
            continue;
        }
        const struct change *change = item->change;
        changes_count(change->zone, CHANGE_TIMED_OUT);
        item_detach(item);
        item_answer(item, CHANGE_TIMED_OUT, FOREIGN_NONE, NULL);
    }
    submission_drop(submission);
}
