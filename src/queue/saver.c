#include "queue/saver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define COMMIT_MAX 1000 /* changes or touches of one transaction */
#define HURRIED_RETRY_MS 1000

/* Nobody else waits for this disk: there is no herd to spread, so no jitter. */
static const struct backoff_limits retry_limits = {.first_ms = 1000, .most_ms = 30000, .floor_percent = 100};

static int64_t now_ms(const struct saver *saver)
{
    return loop_now_ms(saver->loop);
}

static void store_failed(struct saver *saver, int error, const char *message)
{
    const char *words = message && *message ? message : strerrordesc_np(-error);

    trouble_begin(&saver->trouble, words ? words : "unknown error", false, now_ms(saver));
}

static void tell_settled(struct saver *saver)
{
    if (saver->settled && !saver_is_busy(saver)) {
        saver->settled(saver);
    }
}

/* ---- changes ---- */

/* An older one that still waits to be saved goes with it: nobody reads the row that would have been in between. */
static void take_older(struct change *change)
{
    struct change *older = change->older;

    if (older && older->step == STEP_ACCEPTED) {
        rdata_assign(&change->request.was, &older->request.was);
        change_merge(change, older);
    }
}

void saver_add(struct saver *saver, struct change *change)
{
    struct change *newer = change->newer;

    take_older(change);
    if (newer && newer->step != STEP_SENT && change_wants(change, &newer->request.value, newer->request.ttl_s)) {
        change_merge(change, newer);
    }
    change->accepted_s = clock_realtime_s(loop_clock(saver->loop));
    change_move(change, STEP_ACCEPTED, &saver->accepted);
    loop_post(saver->loop,
              &saver->work); /* by then everything else of this turn is there too, and one sync does for all */
}

static void fill_rows(struct saver *saver)
{
    while (saver->accepted.count > 0 && saver->row_count < COMMIT_MAX) {
        struct change *change = change_list_first(&saver->accepted);
        struct change_id *id = change_id_hold(change->id);
        struct store_change *row = &saver->rows[saver->row_count];
        *row = (struct store_change){
            .request = change->request,
            .source = change->source,
            .dialect = change->dialect,
            .change_id = id ? id->text : "",
            .time_s = change->accepted_s,
        };
        row->request.value = rdata_hold(&change->request.value);
        row->request.was = rdata_hold(&change->request.was);
        saver->ids[saver->row_count++] = id;
        change_move(change, STEP_SAVING, &saver->saving);
    }
}

static void drop_rows(struct saver *saver)
{
    for (size_t i = 0; i < saver->row_count; i++) {
        rdata_drop(&saver->rows[i].request.value);
        rdata_drop(&saver->rows[i].request.was);
        change_id_drop(saver->ids[i]);
    }
    saver->row_count = 0;
}

/* Backwards, so that the order is as before. Where a newer change of the record was accepted meanwhile, the older one
 * goes with it. */
static void put_back(struct saver *saver)
{
    struct change *change = NULL;

    while ((change = change_list_last(&saver->saving))) {
        change_move_first(change, STEP_ACCEPTED, &saver->accepted);
        if (change->newer && change->newer->step == STEP_ACCEPTED) {
            take_older(change->newer);
        }
    }
}

static void retry_later(struct saver *saver)
{
    const uint32_t delay_ms =
        saver->is_hurried ? HURRIED_RETRY_MS : backoff_next_ms(&saver->backoff, &retry_limits, random_uniform);

    /* without memory for the timer the next change tries again */
    (void)loop_timer_set(saver->loop, &saver->retry, now_ms(saver) + delay_ms);
}

static void saved(struct saver *saver, struct change *change)
{
    const int64_t took_ms = now_ms(saver) - change->queued_ms;

    record_set_last(change->request.record, &change->request.value, change->request.ttl_s);
    *record_drift_told(change->request.record) = false;
    metric_observe(saver->latency, (double)took_ms / 1000, NULL, NULL, NULL);
    change_finish(change, change->is_already ? OUTCOME_UNCHANGED : OUTCOME_SET, FOREIGN_NONE, NULL);
}

static void commit_next(struct loop_work *work);

static void committed(int r, const char *message, void *userdata)
{
    struct saver *saver = userdata;

    saver->is_committing = false;
    drop_rows(saver);
    if (saver->is_stopped) {
        return; /* those who waited have been answered */
    }
    if (r == 0) {
        saver->backoff.attempt = 0;
        trouble_end(&saver->trouble);
        while (saver->saving.count > 0) {
            saved(saver, change_list_first(&saver->saving));
        }
        commit_next(&saver->work);
    } else {
        store_failed(saver, r, message);
        put_back(saver);
        retry_later(saver);
    }
    tell_settled(saver);
}

static void commit_next(struct loop_work *work)
{
    struct saver *saver = CONTAINER_OF(work, struct saver, work);
    const bool is_waiting = saver->retry.heap_index != 0; /* it has failed, and the time to try again hasn't come */

    if (is_waiting || saver->is_committing || saver->is_stopped || saver->accepted.count == 0) {
        return;
    }
    fill_rows(saver);
    if (!saver->store) {
        committed(0, "", saver);
        return;
    }
    saver->is_committing = true;
    saver->store->ops->commit(saver->store, saver->rows, saver->row_count, committed, saver);
}

static void run_retry(struct loop_timer *timer)
{
    commit_next(&CONTAINER_OF(timer, struct saver, retry)->work);
}

void saver_retry_now(struct saver *saver)
{
    saver->backoff.attempt = 0;
    loop_timer_cancel(saver->loop, &saver->retry);
    commit_next(&saver->work);
}

/* ---- touches ---- */

static void drop_touches(struct saver *saver)
{
    records_touches_done(saver->touches, saver->touch_count);
    saver->touch_count = 0;
}

static void touched(int r, const char *message, void *userdata)
{
    struct saver *saver = userdata;

    saver->is_touching = false;
    for (size_t i = 0; r < 0 && i < saver->touch_count; i++) { /* another time */
        const struct store_touch *touch = &saver->touches[i];
        record_touch((struct record *)(uintptr_t)touch->record, &touch->source, touch->time_s);
    }
    drop_touches(saver);
    if (r < 0) {
        store_failed(saver, r, message);
    } else {
        if (saver->accepted.count == 0) {
            trouble_end(&saver->trouble);
        }
        saver_touch_now(saver);
    }
    tell_settled(saver);
}

void saver_touch_now(struct saver *saver)
{
    if (!saver->store || saver->is_touching || saver->is_stopped) {
        return;
    }
    saver->touch_count = records_take_touches(saver->records, saver->touches, COMMIT_MAX);
    if (saver->touch_count > 0) {
        saver->is_touching = true;
        saver->store->ops->commit_touches(saver->store, saver->touches, saver->touch_count, touched, saver);
    }
}

static void run_touch_timer(struct loop_timer *timer)
{
    struct saver *saver = CONTAINER_OF(timer, struct saver, touch_timer);

    saver_touch_now(saver);
    (void)loop_timer_set(saver->loop, timer, now_ms(saver) + SAVER_TOUCH_PERIOD_MS);
}

/* ---- making and freeing ---- */

int saver_init(struct saver *saver, struct loop *loop, struct records *records, struct store *store)
{
    saver->loop = loop;
    saver->records = records;
    saver->store = store;
    saver->work.run = commit_next;
    saver->retry.run = run_retry;
    saver->touch_timer.run = run_touch_timer;
    trouble_init(&saver->trouble, "state_trouble", "state_recovered", NULL);
    saver->rows = calloc(COMMIT_MAX, sizeof(*saver->rows));
    saver->ids = calloc(COMMIT_MAX, sizeof(*saver->ids));
    saver->touches = calloc(COMMIT_MAX, sizeof(*saver->touches));
    if (!saver->rows || !saver->ids || !saver->touches) {
        return -ENOMEM;
    }
    return loop_timer_set(loop, &saver->touch_timer, now_ms(saver) + SAVER_TOUCH_PERIOD_MS);
}

void saver_stop(struct saver *saver)
{
    saver->is_stopped = true;
    loop_timer_cancel(saver->loop, &saver->retry);
    loop_timer_cancel(saver->loop, &saver->touch_timer);
}

bool saver_is_busy(const struct saver *saver)
{
    return saver->is_committing || saver->is_touching;
}

void saver_done(struct saver *saver)
{
    if (saver->rows && saver->ids) {
        drop_rows(saver);
    }
    if (saver->touches) {
        drop_touches(saver);
    }
    free(saver->rows);
    free(saver->ids);
    free(saver->touches);
    trouble_done(&saver->trouble);
}
