#include <stdio.h>

#include "base/log.h"
#include "dns/changes_internal.h"

/* Rows of state.db whose host has left the configuration go 30 days after they were last asked for. */
#define KEPT_S ((int64_t)30 * 86400)
#define FIRST_MS 1000
#define SLICE_MS 20 /* between slices, which take some 0.5 ms each */
#define PERIOD_MS ((int64_t)86400 * 1000)

/* On the store's thread. */
static bool is_configured(const char *hostname, enum record_type type, void *userdata)
{
    struct record *record = records_find(userdata, hostname, type);

    if (!record) {
        return false;
    }
    const bool is_kept = record_is_configured(record);
    record_release(record);
    return is_kept;
}

static void log_end(struct changes *changes, int r, const char *error)
{
    char count[24];

    if (r < 0) {
        log_warning("forget", "the rows of hosts that left stay in state.db until tomorrow: %s", error);
    }
    if (changes->forgotten > 0) {
        (void)snprintf(count, sizeof(count), "%zu", changes->forgotten);
        log_event(LOG_LEVEL_INFO, "forgotten", "rows", count, NULL);
    }
}

static void slice_done(int r, const char *error, void *userdata)
{
    struct changes *changes = userdata;
    const int64_t now_ms = loop_now_ms(changes->loop);

    if (changes->is_stopped) {
        return;
    }
    if (r > 0) {
        (void)loop_timer_set(changes->loop, &changes->forget_timer, now_ms + SLICE_MS);
        return;
    }
    log_end(changes, r, error);
    changes->forgotten = 0;
    (void)loop_timer_set(changes->loop, &changes->forget_timer, now_ms + PERIOD_MS);
}

static void run_timer(struct loop_timer *timer)
{
    struct changes *changes = CONTAINER_OF(timer, struct changes, forget_timer);
    struct store *store = changes->saver.store;
    const int64_t before_s = clock_realtime_s(loop_clock(changes->loop)) - KEPT_S;

    store->forget(store, before_s, is_configured, changes->records, &changes->forgotten, slice_done, changes);
}

void forget_init(struct changes *changes)
{
    changes->forget_timer.run = run_timer;
}

void forget_start(struct changes *changes)
{
    if (changes->saver.store && changes->saver.store->forget) {
        (void)loop_timer_set(changes->loop, &changes->forget_timer, loop_now_ms(changes->loop) + FIRST_MS);
    }
}

void forget_stop(struct changes *changes)
{
    loop_timer_cancel(changes->loop, &changes->forget_timer);
}
