#include <stdio.h>

#include "base/log.h"
#include "queue/queue_internal.h"

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

static void log_end(struct queue *queue, int r, const char *error)
{
    char count[24];

    if (r < 0) {
        log_warning("forget", "the rows of hosts that left stay in state.db until tomorrow: %s", error);
    }
    if (queue->forgotten > 0) {
        (void)snprintf(count, sizeof(count), "%zu", queue->forgotten);
        log_event(LOG_LEVEL_INFO, "forgotten", "rows", count, NULL);
    }
}

static void slice_done(int r, const char *error, void *userdata)
{
    struct queue *queue = userdata;
    const int64_t now_ms = loop_now_ms(queue->shared.loop);

    if (queue->shared.is_stopped) {
        return;
    }
    if (r > 0) {
        (void)loop_timer_set(queue->shared.loop, &queue->forget_timer, now_ms + SLICE_MS);
        return;
    }
    log_end(queue, r, error);
    queue->forgotten = 0;
    (void)loop_timer_set(queue->shared.loop, &queue->forget_timer, now_ms + PERIOD_MS);
}

static void run_timer(struct loop_timer *timer)
{
    struct queue *queue = CONTAINER_OF(timer, struct queue, forget_timer);
    struct store *store = queue->shared.saver.store;
    const int64_t before_s = clock_realtime_s(loop_clock(queue->shared.loop)) - KEPT_S;

    store->ops->forget(store, before_s, is_configured, queue->shared.records, &queue->forgotten, slice_done, queue);
}

void queue_forget_init(struct queue *queue)
{
    queue->forget_timer.run = run_timer;
}

void queue_forget_start(struct queue *queue)
{
    if (queue->shared.saver.store && queue->shared.saver.store->ops->forget) {
        (void)loop_timer_set(queue->shared.loop, &queue->forget_timer, loop_now_ms(queue->shared.loop) + FIRST_MS);
    }
}

void queue_forget_stop(struct queue *queue)
{
    loop_timer_cancel(queue->shared.loop, &queue->forget_timer);
}
