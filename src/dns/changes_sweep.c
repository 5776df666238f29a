#include "dns/changes_internal.h"

/* Some 0.2 ms for each slice, so that a million records hold nobody up. */
#define SLICE_RECORDS 1000
#define SLICE_MS 1
/* Those that are still needed are looked at again: touches are saved and most changes done by then. */
#define AGAIN_MS (TOUCH_PERIOD_MS + 1000)

static void run_timer(struct loop_timer *timer)
{
    struct changes *changes = CONTAINER_OF(timer, struct changes, sweep_timer);
    const int64_t now_ms = loop_now_ms(changes->loop);

    if (records_sweep(changes->records, &changes->sweep, SLICE_RECORDS)) {
        (void)loop_timer_set(changes->loop, timer, now_ms + SLICE_MS);
        return;
    }
    const bool is_again = changes->sweep.left > 0;
    changes->sweep = (struct records_sweep){0};
    if (is_again) {
        (void)loop_timer_set(changes->loop, timer, now_ms + AGAIN_MS);
    }
}

void sweep_init(struct changes *changes)
{
    changes->sweep_timer.run = run_timer;
}

void sweep_begin(struct changes *changes)
{
    sweep_stop(changes);
    (void)loop_timer_set(changes->loop, &changes->sweep_timer, loop_now_ms(changes->loop) + SLICE_MS);
}

void sweep_stop(struct changes *changes)
{
    loop_timer_cancel(changes->loop, &changes->sweep_timer);
    if (changes->sweep.after) {
        record_release(changes->sweep.after);
    }
    changes->sweep = (struct records_sweep){0};
}
