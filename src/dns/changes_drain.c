#include "dns/changes_internal.h"

/* Nothing is begun, tried again or answered after this; what is under way at a provider may still come back. */
size_t changes_stop(struct changes *changes)
{
    const size_t left = changes->change_count;

    changes->is_stopped = true;
    loop_timer_cancel(changes->loop, &changes->drain_timer);
    sweep_stop(changes);
    forget_stop(changes);
    for (size_t i = 0; i < changes->zone_count; i++) {
        struct zone *zone = changes->zones[i];
        zone_stop(zone);
        zone->batch.segment_count = 0;
        while (zone->all_first) {
            change_finish(zone->all_first, CHANGE_STOPPING, FOREIGN_NONE, NULL);
        }
    }
    save_stop(changes);
    save_touches(changes);
    return left;
}

static void finish(struct changes *changes)
{
    if (changes->is_stopped) {
        return;
    }
    save_retry_now(changes); /* perhaps there is room by now */
    const size_t left = changes_stop(changes);
    changes->drained(changes->drained_userdata, left);
}

static void run_timer(struct loop_timer *timer)
{
    finish(CONTAINER_OF(timer, struct changes, drain_timer));
}

static void run_work(struct loop_work *work)
{
    struct changes *changes = CONTAINER_OF(work, struct changes, drain_work);

    changes->is_drain_posted = false;
    if (changes->change_count == 0) {
        finish(changes);
    }
}

void drain_check(struct changes *changes)
{
    if (changes->is_draining && !changes->is_stopped && !changes->is_drain_posted && changes->change_count == 0) {
        changes->is_drain_posted = true;
        loop_post(changes->loop, &changes->drain_work);
    }
}

void changes_drain(struct changes *changes, int64_t deadline_ms, void (*drained)(void *userdata, size_t left),
                   void *userdata)
{
    if (changes->is_draining) {
        return;
    }
    changes->is_draining = true;
    changes->drained = drained;
    changes->drained_userdata = userdata;
    save_touches(changes);
    if (loop_timer_set(changes->loop, &changes->drain_timer, deadline_ms) < 0) {
        finish(changes); /* without memory for a timer there is no waiting */
        return;
    }
    /* Long waits would outlast the deadline: everything gets its chance now. */
    save_retry_now(changes);
    for (size_t i = 0; i < changes->zone_count; i++) {
        zone_retry_now(changes->zones[i]);
    }
    drain_check(changes);
}

void drain_init(struct changes *changes)
{
    changes->drain_timer.run = run_timer;
    changes->drain_work.run = run_work;
}
