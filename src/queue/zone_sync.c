/* Do the servers have what was set? */
#include <errno.h>
#include <stdio.h>

#include "queue/zone_internal.h"

#define FIRST_MS 250
#define MOST_MS 5000

static struct sync_wait *take_first(struct zone_sync *sync)
{
    struct sync_wait *wait = sync->first;

    sync->first = wait->next;
    wait->next = NULL;
    return wait;
}

static void append(struct zone_sync *sync, struct sync_wait *wait)
{
    struct sync_wait **end = &sync->first;

    while (*end) {
        end = &(*end)->next;
    }
    *end = wait;
    wait->next = NULL;
}

/* Once more, later: each time half as long again as before. */
static void ask_later(struct zone *zone)
{
    struct zone_sync *sync = &zone->sync;

    if (!sync->first) {
        return;
    }
    if (loop_timer_set(zone->shared->loop, &sync->timer, zone_now_ms(zone) + sync->period_ms) < 0) {
        struct sync_wait *wait = take_first(sync);
        wait->done(wait, -ETIMEDOUT, "out of memory");
        return;
    }
    sync->period_ms += sync->period_ms / 2;
    sync->period_ms = sync->period_ms < MOST_MS ? sync->period_ms : MOST_MS;
}

/* ---- the question that is under way ---- */

/* It outlives its wait: after the queue has stopped, the provider may still look at it. */
static void hold_question(struct zone_sync *sync, const struct sync_wait *wait)
{
    record_hold(wait->record);
    sync->record = wait->record;
    sync->value = rdata_hold(wait->value);
    (void)snprintf(sync->change_id, sizeof(sync->change_id), "%s", wait->change_id);
    sync->is_asking = true;
}

static void drop_question(struct zone_sync *sync)
{
    if (sync->is_asking) {
        record_release(sync->record);
        rdata_drop(&sync->value);
        sync->is_asking = false;
    }
}

/* The provider may not, or cannot: asking again would not help. */
static bool is_hopeless(enum provider_outcome outcome)
{
    return outcome == PROVIDER_CREDENTIALS || outcome == PROVIDER_REFUSED || outcome == PROVIDER_NO_ZONE;
}

static void synced(const struct provider_result *result, bool is_in_sync, void *userdata)
{
    struct zone *zone = userdata;
    struct zone_sync *sync = &zone->sync;

    drop_question(sync);
    if (!sync->first) {
        return; /* the queue has stopped meanwhile */
    }
    struct sync_wait *wait = take_first(sync);
    if (is_in_sync) {
        wait->done(wait, 0, "");
    } else if (is_hopeless(result->outcome)) {
        wait->done(wait, -ENOTSUP, result->message);
    } else if (zone_now_ms(zone) >= wait->deadline_ms) {
        wait->done(wait, -ETIMEDOUT, result->message);
    } else {
        append(sync, wait);
        if (result->outcome == PROVIDER_THROTTLED) {
            pacer_throttled(zone->pacer);
        }
    }
    ask_later(zone);
}

static void granted(struct pacer_ask *ask)
{
    struct zone *zone = CONTAINER_OF(ask, struct zone, sync.ask);
    struct zone_sync *sync = &zone->sync;
    const struct sync_wait *wait = sync->first;

    if (!wait || sync->is_asking) {
        pacer_give_back(zone->pacer);
        return;
    }
    hold_question(sync, wait);
    zone->ops->in_sync(zone->provider, sync->record, &sync->value, sync->change_id, synced, zone);
}

static void run_timer(struct loop_timer *timer)
{
    struct zone *zone = CONTAINER_OF(timer, struct zone, sync.timer);

    if (zone->sync.first && !zone->sync.is_asking) {
        pacer_ask(zone->pacer, &zone->sync.ask, PACER_READ);
    }
}

void zone_await_sync(struct zone *zone, struct sync_wait *wait)
{
    struct zone_sync *sync = &zone->sync;

    if (!zone->ops->in_sync) {
        wait->done(wait, -ENOTSUP, "");
        return;
    }
    append(sync, wait);
    sync->period_ms = FIRST_MS;
    if (!sync->is_asking) {
        pacer_ask(zone->pacer, &sync->ask, PACER_READ);
    }
}

void zone_sync_init(struct zone *zone)
{
    zone->sync.ask.granted = granted;
    zone->sync.timer.run = run_timer;
}

void zone_sync_done(struct zone *zone)
{
    drop_question(&zone->sync);
}

void zone_sync_stop(struct zone *zone)
{
    struct zone_sync *sync = &zone->sync;

    pacer_ask_cancel(zone->pacer, &sync->ask);
    loop_timer_cancel(zone->shared->loop, &sync->timer);
    while (sync->first) {
        struct sync_wait *wait = take_first(sync);
        wait->done(wait, -ESHUTDOWN, "the daemon stops");
    }
}
