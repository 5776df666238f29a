#include "dns/changes_internal.h"

/* Past the deadline: for what is being saved at that moment. */
#define LAST_SAVE_MS 500

/* Nothing is begun, tried again or answered after this; what is under way at a provider or in the store may still come
 * back. */
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
    return left;
}

static void finish(struct changes *changes)
{
    if (!changes->is_stopped) {
        const size_t left = changes_stop(changes);
        changes->drained(changes->drained_userdata, left);
    }
}

/* The deadline: perhaps there is room for what is unsaved by now; but that is the last attempt. */
static void run_timer(struct loop_timer *timer)
{
    struct changes *changes = CONTAINER_OF(timer, struct changes, drain_timer);

    if (changes->is_late) {
        finish(changes);
        return;
    }
    changes->is_late = true;
    save_retry_now(changes);
    if (loop_timer_set(changes->loop, timer, loop_now_ms(changes->loop) + LAST_SAVE_MS) < 0) {
        finish(changes);
        return;
    }
    drain_check(changes);
}

static bool is_over(const struct changes *changes)
{
    return changes->is_draining && !changes->is_stopped && (changes->change_count == 0 || changes->is_late) &&
           !save_is_under_way(changes);
}

static void run_work(struct loop_work *work)
{
    struct changes *changes = CONTAINER_OF(work, struct changes, drain_work);

    changes->is_drain_posted = false;
    if (is_over(changes) && !changes->is_flushed) {
        changes->is_flushed = true; /* once: a disk that fails must not hold up the end */
        save_touches(changes);
    }
    if (is_over(changes)) {
        finish(changes);
    }
}

void drain_check(struct changes *changes)
{
    if (is_over(changes) && !changes->is_drain_posted) {
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
