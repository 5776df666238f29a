#include <errno.h>
#include <string.h>

#include "dns/changes_internal.h"

/* ---- what is wrong with the state ---- */

/* In the state's own words, which say what to do. */
static void state_failed(struct changes *changes, int error)
{
    const char *words = changes->state_error ? changes->state_error(changes->state) : "";
    const char *message = words[0] != '\0' ? words : strerrordesc_np(-error);

    trouble_begin(changes, &changes->state_trouble, "state_trouble", NULL, message ? message : "unknown error", false);
}

static void state_worked(struct changes *changes)
{
    trouble_end(changes, &changes->state_trouble, "state_recovered", NULL);
}

/* ---- changes ---- */

static void post(struct changes *changes)
{
    if (!changes->is_commit_posted) {
        changes->is_commit_posted = true;
        loop_post(changes->loop, &changes->commit_work);
    }
}

/* An older one that still waits to be saved goes with it: nobody reads the row that would have been in between. */
void save_change(struct change *change)
{
    struct changes *changes = change->zone->changes;
    struct change *older = change->older;
    struct change *newer = change->newer;

    if (older && older->step == STEP_UNSAVED) {
        change->old_address = older->old_address;
        change_merge(change, older);
    }
    if (newer && newer->step != STEP_SENT && change_wants(change, &newer->address, newer->ttl_s)) {
        change_merge(change, newer);
    }
    change->accepted_s = clock_realtime_s(loop_clock(changes->loop));
    change_move(change, STEP_UNSAVED);
    post(changes); /* by then everything else of this turn is there too, and one sync does for all */
}

static size_t fill_rows(struct changes *changes)
{
    size_t count = 0;

    for (const struct change *change = changes->unsaved.first; change && count < COMMIT_MAX; change = change->next) {
        changes->commit_rows[count++] = (struct state_change){
            .hostname = record_hostname(change->record),
            .type = record_type(change->record),
            .old_address = change->old_address,
            .new_address = change->address,
            .ttl_s = change->ttl_s,
            .source = change->source,
            .dialect = change->dialect,
            .change_id = change->id ? change->id->text : "",
            .time_s = change->accepted_s,
        };
    }
    return count;
}

static void saved(struct change *change)
{
    struct changes *changes = change->zone->changes;
    const int64_t took_ms = loop_now_ms(changes->loop) - change->queued_ms;

    record_set_last(change->record, &change->address, change->ttl_s);
    record_mark(change->record)->is_drifted = false;
    metric_observe(changes->families.latency, (double)took_ms / 1000, NULL, NULL, NULL);
    change_finish(change, change->is_already ? CHANGE_ALREADY : CHANGE_SET, FOREIGN_NONE, NULL);
}

static void retry_later(struct changes *changes)
{
    int64_t delay_ms = changes->commit_retry_ms ? changes->commit_retry_ms : COMMIT_RETRY_MIN_MS;

    if (changes->is_draining) {
        delay_ms = COMMIT_RETRY_MIN_MS; /* there is not much time left */
    }
    changes->commit_retry_ms = 2 * delay_ms < COMMIT_RETRY_MAX_MS ? 2 * delay_ms : COMMIT_RETRY_MAX_MS;
    /* without memory for the timer the next change tries again */
    (void)loop_timer_set(changes->loop, &changes->commit_timer, loop_now_ms(changes->loop) + delay_ms);
}

static void commit_all(struct changes *changes)
{
    loop_timer_cancel(changes->loop, &changes->commit_timer);
    while (changes->unsaved.first) {
        const size_t count = fill_rows(changes);
        const int r = changes->commit ? changes->commit(changes->state, changes->commit_rows, count) : 0;
        if (r < 0) {
            state_failed(changes, r);
            retry_later(changes);
            return;
        }
        changes->commit_retry_ms = 0;
        state_worked(changes);
        for (size_t i = 0; i < count; i++) {
            saved(changes->unsaved.first);
        }
    }
}

static void run_work(struct loop_work *work)
{
    struct changes *changes = CONTAINER_OF(work, struct changes, commit_work);

    changes->is_commit_posted = false;
    if (!changes->commit_timer.heap_index) { /* it has failed, and the time to try again hasn't come */
        commit_all(changes);
    }
}

static void run_commit_timer(struct loop_timer *timer)
{
    commit_all(CONTAINER_OF(timer, struct changes, commit_timer));
}

void save_retry_now(struct changes *changes)
{
    changes->commit_retry_ms = 0;
    commit_all(changes);
}

/* ---- touches ---- */

static void put_back(struct changes *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct state_touch *touch = &changes->touch_rows[i];
        struct record *record = records_find(changes->records, touch->hostname, touch->type);
        if (record) {
            record_touch(record, &touch->source, touch->time_s);
            record_release(record);
        }
    }
}

void save_touches(struct changes *changes)
{
    size_t count = 0;

    if (!changes->commit_touches) {
        return;
    }
    while ((count = records_take_touches(changes->records, changes->touch_rows, COMMIT_MAX)) > 0) {
        const int r = changes->commit_touches(changes->state, changes->touch_rows, count);
        if (r < 0) {
            put_back(changes, count);
        }
        records_touches_done(changes->records, changes->touch_rows, count);
        if (r < 0) {
            state_failed(changes, r);
            return;
        }
        if (!changes->unsaved.first) {
            state_worked(changes);
        }
    }
}

static void run_touch_timer(struct loop_timer *timer)
{
    struct changes *changes = CONTAINER_OF(timer, struct changes, touch_timer);

    save_touches(changes);
    (void)loop_timer_set(changes->loop, timer, loop_now_ms(changes->loop) + TOUCH_PERIOD_MS);
}

/* ---- making and freeing ---- */

int save_init(struct changes *changes, struct state *state)
{
    changes->state = state;
    changes->commit = state ? state_commit : NULL;
    changes->commit_touches = state ? state_commit_touches : NULL;
    changes->state_error = state ? state_error : NULL;
    changes->commit_work.run = run_work;
    changes->commit_timer.run = run_commit_timer;
    changes->touch_timer.run = run_touch_timer;
    changes->commit_rows = calloc(COMMIT_MAX, sizeof(*changes->commit_rows));
    changes->touch_rows = calloc(COMMIT_MAX, sizeof(*changes->touch_rows));
    if (!changes->commit_rows || !changes->touch_rows) {
        return -ENOMEM;
    }
    return loop_timer_set(changes->loop, &changes->touch_timer, loop_now_ms(changes->loop) + TOUCH_PERIOD_MS);
}

void save_stop(struct changes *changes)
{
    loop_timer_cancel(changes->loop, &changes->commit_timer);
    loop_timer_cancel(changes->loop, &changes->touch_timer);
}

void save_done(struct changes *changes)
{
    free(changes->commit_rows);
    free(changes->touch_rows);
    trouble_done(&changes->state_trouble);
}
