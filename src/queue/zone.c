/* A zone from the outside: what the pacer grants it, and its beginning and end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/zone_internal.h"

#define MEETING_MS 500 /* after the first reload of those that count as one */

/* ---- what the pacer grants ---- */

/* What is done with a grant is decided only now, so that a batch takes in what came while it waited. */
static void change_granted(struct pacer_ask *ask)
{
    struct zone *zone = CONTAINER_OF(ask, struct zone, change_ask);
    const enum reading reading = zone_reading_for_changes(zone);

    if (zone_may_apply(zone) && (reading == READ_NOTHING || zone->read_last)) {
        zone->read_last = false;
        zone_apply(zone);
    } else if (reading != READ_NOTHING) {
        zone->read_last = true;
        zone_read(zone, reading);
    } else {
        pacer_give_back(zone->pacer);
    }
    zone_kick(zone);
}

static void read_granted(struct pacer_ask *ask)
{
    struct zone *zone = CONTAINER_OF(ask, struct zone, read_ask);
    const enum reading reading = zone_reading_for_itself(zone);

    if (reading != READ_NOTHING) {
        zone_read(zone, reading);
    } else {
        pacer_give_back(zone->pacer);
    }
    zone_kick(zone);
}

/* ---- waiting ---- */

static void run_apply_retry(struct loop_timer *timer)
{
    struct zone *zone = CONTAINER_OF(timer, struct zone, apply_retry.timer);

    zone->apply_retry.is_waiting = false;
    zone_kick(zone);
}

static void run_read_retry(struct loop_timer *timer)
{
    struct zone *zone = CONTAINER_OF(timer, struct zone, read_retry.timer);

    zone->read_retry.is_waiting = false;
    zone_kick(zone);
}

void zone_retry_now(struct zone *zone)
{
    zone_stop_waiting(zone, &zone->apply_retry);
    zone_stop_waiting(zone, &zone->read_retry);
    zone_kick(zone);
}

/* ---- reading back ---- */

void zone_read_back(struct zone *zone)
{
    zone_note_reading(zone);
    reader_begin(&zone->reader);
    zone_kick(zone);
}

static void run_reconcile(struct loop_timer *timer)
{
    zone_read_back(CONTAINER_OF(timer, struct zone, reconcile));
}

static void run_meeting(struct loop_timer *timer)
{
    zone_meet(CONTAINER_OF(timer, struct zone, meeting.timer));
}

void zone_note_newcomers(struct zone *zone)
{
    struct meeting *meeting = &zone->meeting;
    const uint32_t since = records_zone_since(zone->shared->records, zone->index);

    if (since == meeting->since) {
        return;
    }
    meeting->since = since;
    meeting->is_wanted = true;
    zone_meet_anew(zone);
    if (!meeting->timer.heap_index) {
        /* without memory the read-back in time has to do */
        (void)loop_timer_set(zone->shared->loop, &meeting->timer, zone_now_ms(zone) + MEETING_MS);
    }
}

static void zone_changed(void *userdata)
{
    struct zone *zone = userdata;

    if (!zone->shared->is_stopped && !zone->shared->is_draining) {
        zone_note_reading(zone);
        reader_renew(&zone->reader);
        zone_retry_now(zone); /* what was wrong with it may be right now */
    }
}

/* Any thread. */
static bool knows(const char *hostname, enum record_type type, void *userdata)
{
    const struct zone *zone = userdata;
    struct record *record = records_find(zone->shared->records, hostname, type);

    if (record) {
        record_release(record);
    }
    return record != NULL;
}

void zone_watch(struct zone *zone)
{
    const struct provider_watcher watcher = {.changed = zone_changed, .knows = knows, .userdata = zone};

    if (zone->ops->watch) {
        (void)zone->ops->watch(zone->provider, &watcher); /* without memory the read-back in time has to do */
    }
}

/* ---- making and freeing ---- */

int zone_new(struct zone_shared *shared, uint32_t index, const char *name, const struct provider_ops *ops,
             struct provider_zone *provider, struct pacer *pacer, struct zone **ret_zone)
{
    struct zone *zone = calloc(1, sizeof(*zone));

    if (!zone) {
        return -ENOMEM;
    }
    zone->name = strdup(name);
    if (batch_init(&zone->batch, ops) < 0 || !zone->name) {
        batch_done(&zone->batch);
        free(zone->name);
        free(zone);
        return -ENOMEM;
    }
    zone->shared = shared;
    zone->index = index;
    zone->ops = ops;
    zone->provider = provider;
    zone->pacer = pacer;
    zone->reader.page_records = ops->page_records;
    backlog_init(&zone->backlog, &shared->tally, zone->name);
    zone->change_ask.granted = change_granted;
    zone->read_ask.granted = read_granted;
    zone->apply_retry.timer.run = run_apply_retry;
    zone->read_retry.timer.run = run_read_retry;
    zone->reconcile.run = run_reconcile;
    zone->meeting.timer.run = run_meeting;
    zone->meeting.since = records_zone_since(shared->records, index); /* the read-back at the start finds those */
    zone_sync_init(zone);
    trouble_init(&zone->apply_trouble, "zone_trouble", "zone_recovered", zone->name);
    trouble_init(&zone->read_trouble, "zone_trouble", "zone_recovered", zone->name);
    *ret_zone = zone;
    return 0;
}

static void stop_calls(struct zone *zone)
{
    pacer_ask_cancel(zone->pacer, &zone->change_ask);
    pacer_ask_cancel(zone->pacer, &zone->read_ask);
    zone_stop_waiting(zone, &zone->apply_retry);
    zone_stop_waiting(zone, &zone->read_retry);
    loop_timer_cancel(zone->shared->loop, &zone->reconcile);
    loop_timer_cancel(zone->shared->loop, &zone->meeting.timer);
    zone_meet_anew(zone);
}

/* What the provider still borrows stays until zone_free. */
static void end_sent(struct zone *zone)
{
    const struct batch *batch = &zone->batch;

    for (size_t i = 0; zone->is_applying && i < batch->current.count; i++) {
        batch_change(batch, i)->is_borrowed = true;
        change_finish(batch_change(batch, i), OUTCOME_STOPPING, FOREIGN_NONE, NULL);
    }
}

static void free_sent(struct zone *zone)
{
    for (size_t i = 0; zone->is_applying && i < zone->batch.current.count; i++) {
        change_free(batch_change(&zone->batch, i));
    }
}

void zone_stop(struct zone *zone)
{
    struct change *change = NULL;

    stop_calls(zone);
    zone_sync_stop(zone);
    drift_tell(&zone->drift, zone->name);
    end_sent(zone);
    while ((change = backlog_oldest(&zone->backlog))) {
        change_finish(change, OUTCOME_STOPPING, FOREIGN_NONE, NULL);
    }
}

void zone_free(struct zone *zone)
{
    if (!zone) {
        return;
    }
    stop_calls(zone);
    zone_sync_stop(zone);
    zone->ops->free(zone->provider);
    zone_sync_done(zone);
    free_sent(zone);
    batch_done(&zone->batch);
    trouble_done(&zone->apply_trouble);
    trouble_done(&zone->read_trouble);
    reader_done(&zone->reader);
    drift_done(&zone->drift);
    free(zone->name);
    free(zone);
}
