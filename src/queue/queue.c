#include "queue/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/secret.h"
#include "queue/queue_internal.h"

/* Some 0.2 ms for each slice, so that a million records hold nobody up. */
#define SWEEP_RECORDS 1000
#define SWEEP_MS 1
/* Records that left and are still needed are looked at again after this: touches are saved and most changes done by
 * then. */
#define SWEEP_AGAIN_MS (SAVER_TOUCH_PERIOD_MS + 1000)
#define LAST_SAVE_MS 500 /* past the deadline of the end: for what is being saved at that moment */

/* ---- making and freeing ---- */

static void check_drained(struct queue *queue);

static void settled(struct saver *saver)
{
    check_drained(CONTAINER_OF(saver, struct queue, shared.saver));
}

static void emptied(struct tally *tally)
{
    check_drained(CONTAINER_OF(tally, struct queue, shared.tally));
}

static void run_sweep_timer(struct loop_timer *timer);
static void end_sweep(struct queue *queue);
static void begin_sweep(struct queue *queue);
static void run_drain_timer(struct loop_timer *timer);
static void run_drain_work(struct loop_work *work);

struct queue *queue_new(struct loop *loop, struct records *records, struct store *store, struct metrics *metrics,
                        const struct queue_options *options)
{
    _cleanup_(queue_freep) struct queue *queue = calloc(1, sizeof(*queue));

    if (!queue) {
        return NULL;
    }
    queue->update_timeout_ms = options->update_timeout_ms;
    atomic_store(&queue->queued_max, options->queued_max);
    queue->drain_timer.run = run_drain_timer;
    queue->drain_work.run = run_drain_work;
    queue->sweep_timer.run = run_sweep_timer;
    queue_forget_init(queue);
    queue->shared.loop = loop;
    queue->shared.records = records;
    queue->shared.reconcile_ms = options->reconcile_ms;
    queue->shared.random = random_uniform;
    queue->shared.tally.loop = loop;
    queue->shared.tally.emptied = emptied;
    queue->shared.saver.settled = settled;
    if (saver_init(&queue->shared.saver, loop, records, store) < 0 || queue_metrics_init(queue, metrics) < 0) {
        return NULL;
    }
    return TAKE_PTR(queue);
}

/* Nothing is begun, tried again or answered after this; what is under way at a provider or a store may still come
 * back. Returns how many changes were left. */
static size_t stop(struct queue *queue)
{
    const size_t left = queue->shared.tally.changes;

    if (queue->shared.is_stopped) {
        return 0;
    }
    queue->shared.is_stopped = true;
    loop_timer_cancel(queue->shared.loop, &queue->drain_timer);
    end_sweep(queue);
    queue_forget_stop(queue);
    for (size_t i = 0; i < queue->zone_count; i++) {
        zone_stop(queue->zones[i]);
    }
    saver_stop(&queue->shared.saver);
    return left;
}

void queue_free(struct queue *queue)
{
    if (!queue) {
        return;
    }
    stop(queue);
    for (size_t i = 0; i < queue->zone_count; i++) {
        zone_free(queue->zones[i]);
    }
    free(queue->zones);
    saver_done(&queue->shared.saver);
    free(queue);
}

int queue_add_zone(struct queue *queue, const char *name, const struct provider_ops *ops,
                   struct provider_zone *provider, struct pacer *pacer)
{
    struct zone **zones = reallocarray(queue->zones, queue->zone_count + 1, sizeof(struct zone *));

    if (!zones) {
        return -ENOMEM;
    }
    queue->zones = zones;
    const int r =
        zone_new(&queue->shared, (uint32_t)queue->zone_count, name, ops, provider, pacer, &zones[queue->zone_count]);
    if (r < 0) {
        return r;
    }
    queue_count_from_zero(queue, zones[queue->zone_count]);
    queue->zone_count++;
    return 0;
}

void queue_start(struct queue *queue)
{
    for (size_t i = 0; i < queue->zone_count; i++) {
        zone_watch(queue->zones[i]);
        zone_read_back(queue->zones[i]);
    }
    queue_forget_start(queue);
}

void queue_reconfigure(struct queue *queue, const struct queue_options *options)
{
    const bool is_new_period = options->reconcile_ms != queue->shared.reconcile_ms;

    if (queue->shared.is_stopped) {
        return;
    }
    queue->update_timeout_ms = options->update_timeout_ms;
    queue->shared.reconcile_ms = options->reconcile_ms;
    atomic_store(&queue->queued_max, options->queued_max);
    saver_retry_now(&queue->shared.saver);
    begin_sweep(queue);
    for (size_t i = 0; i < queue->zone_count; i++) {
        if (is_new_period) {
            zone_schedule(queue->zones[i]);
        }
        zone_note_newcomers(queue->zones[i]);
        zone_retry_now(queue->zones[i]);
    }
}

/* ---- records that left ---- */

static void run_sweep_timer(struct loop_timer *timer)
{
    struct queue *queue = CONTAINER_OF(timer, struct queue, sweep_timer);
    const int64_t now_ms = loop_now_ms(queue->shared.loop);

    if (records_sweep(queue->shared.records, &queue->sweep, SWEEP_RECORDS)) {
        (void)loop_timer_set(queue->shared.loop, timer, now_ms + SWEEP_MS);
        return;
    }
    const bool is_again = queue->sweep.left > 0;
    records_sweep_end(&queue->sweep);
    if (is_again) {
        (void)loop_timer_set(queue->shared.loop, timer, now_ms + SWEEP_AGAIN_MS);
    }
}

static void end_sweep(struct queue *queue)
{
    loop_timer_cancel(queue->shared.loop, &queue->sweep_timer);
    records_sweep_end(&queue->sweep);
}

/* A new pass; one that is under way begins anew. */
static void begin_sweep(struct queue *queue)
{
    end_sweep(queue);
    (void)loop_timer_set(queue->shared.loop, &queue->sweep_timer, loop_now_ms(queue->shared.loop) + SWEEP_MS);
}

/* ---- submissions: on the caller's thread ---- */

void waiter_done(struct waiter *waiter)
{
    free(TAKE_PTR(waiter->message));
    rdata_drop(&waiter->request.value);
    rdata_drop(&waiter->request.was);
}

void submission_add(struct submission *submission, struct waiter *waiter)
{
    waiter->submission = submission;
    waiter->next_in_submission = NULL;
    if (submission->last) {
        submission->last->next_in_submission = waiter;
    } else {
        submission->first = waiter;
    }
    submission->last = waiter;
}

static struct zone *zone_of(const struct queue *queue, const struct record *record)
{
    const uint32_t index = record_zone(record);

    return index < queue->zone_count ? queue->zones[index] : NULL;
}

/* A record that is busy already takes no more room. */
static bool is_admitted(struct queue *queue, struct record *record)
{
    struct tally *tally = &queue->shared.tally;

    if (!record_begin(record) || atomic_fetch_add(&tally->busy_records, 1) < atomic_load(&queue->queued_max)) {
        return true;
    }
    tally_release(tally, record, 1);
    return false;
}

static void arrive(struct loop_work *work);
static void time_out(struct loop_timer *timer);

static void admit(struct queue *queue, struct waiter *waiter)
{
    const struct zone *zone = zone_of(queue, waiter->request.record);

    waiter->outcome = OUTCOME_PENDING;
    if (is_admitted(queue, waiter->request.record)) {
        waiter->submission->remaining++;
        return;
    }
    waiter->outcome = OUTCOME_QUEUE_FULL;
    if (zone) {
        backlog_count(&zone->backlog, OUTCOME_QUEUE_FULL);
    }
}

size_t queue_busy_records(const struct queue *queue)
{
    return atomic_load(&queue->shared.tally.busy_records);
}

void queue_submit(struct queue *queue, struct submission *submission)
{
    submission->queue = queue;
    submission->loop = queue->shared.loop;
    submission->work = (struct loop_work){.run = arrive};
    submission->timer = (struct loop_timer){.run = time_out};
    submission->remaining = 0;
    for (struct waiter *waiter = submission->first; waiter; waiter = waiter->next_in_submission) {
        admit(queue, waiter);
    }
    if (submission->remaining == 0) {
        submission->done(submission);
    } else {
        loop_post(queue->shared.loop, &submission->work); /* from here on it is the I/O thread's */
    }
}

/* ---- submissions: on the I/O thread ---- */

static void answer_at_once(struct queue *queue, struct waiter *waiter, const struct zone *zone, enum outcome outcome,
                           const char *message)
{
    tally_release(&queue->shared.tally, waiter->request.record, 1);
    if (zone) {
        backlog_count(&zone->backlog, outcome);
    }
    waiter_answer(waiter, outcome, FOREIGN_NONE, message);
}

/* OUTCOME_PENDING: there is a place for it in the zone, which may be NULL otherwise. */
static enum outcome why_not(const struct queue *queue, const struct waiter *waiter, const struct zone *zone)
{
    if (queue->shared.is_draining || queue->shared.is_stopped) {
        return OUTCOME_STOPPING;
    }
    if (!zone || zone->state == ZONE_GONE) {
        return OUTCOME_NO_ZONE;
    }
    /* without memory for its time-out it would wait for ever */
    return waiter->submission->timer.heap_index ? OUTCOME_PENDING : OUTCOME_QUEUE_FULL;
}

static void enqueue(struct queue *queue, struct waiter *waiter)
{
    struct zone *zone = zone_of(queue, waiter->request.record);
    struct change *newest = record_slot(waiter->request.record);
    struct change *change = NULL;
    const enum outcome refusal = why_not(queue, waiter, zone);

    if (refusal != OUTCOME_PENDING) {
        const char *message = refusal == OUTCOME_NO_ZONE && zone ? zone->read_trouble.message : NULL;
        answer_at_once(queue, waiter, zone, refusal, message);
        return;
    }
    if (newest && change_wants(newest, &waiter->request.value, waiter->request.ttl_s)) {
        newest->begun++;
        change_attach(newest, waiter);
    } else if (newest && (newest->step == STEP_LOOK || newest->step == STEP_READY)) {
        change_supersede(newest, waiter);
    } else if ((change = change_new(&zone->backlog, waiter))) {
        zone_place(zone, change);
    } else {
        answer_at_once(queue, waiter, zone, OUTCOME_QUEUE_FULL, NULL); /* out of memory is as full as it gets */
    }
    zone_kick(zone);
}

static void arrive(struct loop_work *work)
{
    struct submission *submission = CONTAINER_OF(work, struct submission, work);
    struct queue *queue = submission->queue;

    if (!queue->shared.is_draining) {
        (void)loop_timer_set(submission->loop, &submission->timer,
                             loop_now_ms(submission->loop) + queue->update_timeout_ms);
    }
    submission->remaining++; /* keeps it while its waiters are walked */
    for (struct waiter *waiter = submission->first; waiter; waiter = waiter->next_in_submission) {
        if (waiter->outcome == OUTCOME_PENDING) {
            enqueue(queue, waiter);
        }
    }
    submission_drop(submission);
}

static void time_out(struct loop_timer *timer)
{
    struct submission *submission = CONTAINER_OF(timer, struct submission, timer);

    submission->remaining++;
    for (struct waiter *waiter = submission->first; waiter; waiter = waiter->next_in_submission) {
        if (waiter->outcome != OUTCOME_PENDING) {
            continue;
        }
        backlog_count(waiter->change->backlog, OUTCOME_TIMED_OUT);
        waiter_detach(waiter);
        waiter_answer(waiter, OUTCOME_TIMED_OUT, FOREIGN_NONE, NULL);
    }
    submission_drop(submission);
}

void queue_await_sync(struct queue *queue, struct sync_wait *wait)
{
    struct zone *zone = zone_of(queue, wait->record);

    if (queue->shared.is_stopped || !zone) {
        wait->done(wait, -ESHUTDOWN, "the daemon stops");
        return;
    }
    zone_await_sync(zone, wait);
}

/* ---- the end ---- */

static void finish(struct queue *queue)
{
    if (!queue->shared.is_stopped) {
        const size_t left = stop(queue);
        queue->drained(queue->drained_userdata, left);
    }
}

static bool is_over(const struct queue *queue)
{
    return queue->shared.is_draining && !queue->shared.is_stopped &&
           (queue->shared.tally.changes == 0 || queue->is_late) && !saver_is_busy(&queue->shared.saver);
}

static void run_drain_work(struct loop_work *work)
{
    struct queue *queue = CONTAINER_OF(work, struct queue, drain_work);

    if (is_over(queue) && !queue->is_flushed) {
        queue->is_flushed = true; /* once: a disk that fails must not hold up the end */
        saver_touch_now(&queue->shared.saver);
    }
    if (is_over(queue)) {
        finish(queue);
    }
}

static void check_drained(struct queue *queue)
{
    if (is_over(queue)) {
        loop_post(queue->shared.loop, &queue->drain_work);
    }
}

/* The deadline has come. What is unsaved gets one last attempt: a disk that was full may have room by now. */
static void run_drain_timer(struct loop_timer *timer)
{
    struct queue *queue = CONTAINER_OF(timer, struct queue, drain_timer);

    if (queue->is_late) {
        finish(queue);
        return;
    }
    queue->is_late = true;
    saver_retry_now(&queue->shared.saver);
    if (loop_timer_set(queue->shared.loop, timer, loop_now_ms(queue->shared.loop) + LAST_SAVE_MS) < 0) {
        finish(queue);
        return;
    }
    check_drained(queue);
}

void queue_drain(struct queue *queue, int64_t deadline_ms, void (*drained)(void *userdata, size_t left), void *userdata)
{
    if (queue->shared.is_draining) {
        return;
    }
    queue->shared.is_draining = true;
    atomic_store(&queue->is_draining, true);
    queue->shared.saver.is_hurried = true;
    queue->drained = drained;
    queue->drained_userdata = userdata;
    saver_touch_now(&queue->shared.saver);
    if (loop_timer_set(queue->shared.loop, &queue->drain_timer, deadline_ms) < 0) {
        finish(queue); /* without memory for a timer there is no waiting */
        return;
    }
    /* Long waits would outlast the deadline: everything gets its chance now. */
    saver_retry_now(&queue->shared.saver);
    for (size_t i = 0; i < queue->zone_count; i++) {
        zone_retry_now(queue->zones[i]);
    }
    check_drained(queue);
}

/* ---- for others to look at ---- */

size_t queue_report_trouble(struct queue *queue, int64_t failing_ms, struct buffer *buffer)
{
    const int64_t now_ms = loop_now_ms(queue->shared.loop);
    size_t lines = 0;

    for (size_t i = 0; i < queue->zone_count; i++) {
        struct zone *zone = queue->zones[i];
        _cleanup_buffer_ struct buffer what = BUFFER_INIT;
        buffer_printf(&what, "zone %s: has failed", zone->name);
        /* one line a zone: that changes fail says more than that reading does */
        size_t told = trouble_report(&zone->apply_trouble, buffer_text(&what), failing_ms, now_ms, buffer);
        if (told == 0) {
            told = trouble_report(&zone->read_trouble, buffer_text(&what), failing_ms, now_ms, buffer);
        }
        lines += told;
    }
    return lines + trouble_report(&queue->shared.saver.trouble, "state: cannot be written", 0, now_ms, buffer);
}

static void view_zone(struct zone *zone, int64_t now_ms, struct queue_zone_view *ret_view)
{
    const int64_t oldest_ms = atomic_load(&zone->backlog.oldest_ms);

    *ret_view = (struct queue_zone_view){
        .name = zone->name,
        .provider = zone->ops->name,
        .queued = atomic_load(&zone->backlog.depth),
        .oldest_ms = oldest_ms == NO_CHANGE_MS || oldest_ms > now_ms ? 0 : now_ms - oldest_ms,
        .pace = pacer_rate(zone->pacer),
        .is_ready = atomic_load(&zone->is_ready),
        .is_read = atomic_load(&zone->is_read),
    };
    ret_view->failing_ms = trouble_view(&zone->apply_trouble, now_ms, ret_view->trouble, sizeof(ret_view->trouble));
    if (ret_view->failing_ms < 0) {
        ret_view->failing_ms = trouble_view(&zone->read_trouble, now_ms, ret_view->trouble, sizeof(ret_view->trouble));
    }
}

int queue_snapshot(struct queue *queue, struct queue_view *ret_view)
{
    const int64_t now_ms = loop_now_ms(queue->shared.loop);
    struct queue_zone_view *zones = calloc(queue->zone_count ? queue->zone_count : 1, sizeof(*zones));
    char message[1];

    if (!zones) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < queue->zone_count; i++) {
        view_zone(queue->zones[i], now_ms, &zones[i]);
    }
    *ret_view = (struct queue_view){
        .zones = zones,
        .zone_count = queue->zone_count,
        .queued = atomic_load(&queue->shared.tally.busy_records),
        .queued_max = atomic_load(&queue->queued_max),
        .store_failing_ms = trouble_view(&queue->shared.saver.trouble, now_ms, message, sizeof(message)),
        .is_draining = atomic_load(&queue->is_draining),
    };
    return 0;
}

void queue_view_done(struct queue_view *view)
{
    free(TAKE_PTR(view->zones));
    view->zone_count = 0;
}
