#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/changes_internal.h"

/* ---- what is wrong with the state ---- */

/* In the store's own words, which say what to do. */
static void state_failed(struct changes *changes, int error, const char *words)
{
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
    struct saver *saver = &changes->saver;

    if (!saver->is_commit_posted) {
        saver->is_commit_posted = true;
        loop_post(changes->loop, &saver->commit_work);
    }
}

/* An older one that still waits to be saved goes with it: nobody reads the row that would have been in between. */
static void take_older(struct change *change)
{
    struct change *older = change->older;

    if (older && older->step == STEP_UNSAVED) {
        change->old_address = older->old_address;
        change_merge(change, older);
    }
}

void save_change(struct change *change)
{
    struct changes *changes = change->zone->changes;
    struct change *newer = change->newer;

    take_older(change);
    if (newer && newer->step != STEP_SENT && change_wants(change, &newer->address, newer->ttl_s)) {
        change_merge(change, newer);
    }
    change->accepted_s = clock_realtime_s(loop_clock(changes->loop));
    change_move(change, STEP_UNSAVED);
    post(changes); /* by then everything else of this turn is there too, and one sync does for all */
}

static void fill_row(struct saver *saver, const struct change *change)
{
    if (change->id) {
        change->id->users++;
    }
    saver->commit_ids[saver->commit_count] = change->id;
    saver->commit_rows[saver->commit_count++] = (struct state_change){
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

static void drop_rows(struct saver *saver)
{
    while (saver->commit_count > 0) {
        change_id_drop(saver->commit_ids[--saver->commit_count]);
    }
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

/* Backwards, so that the order is as before; what a newer address was accepted for meanwhile goes with that. */
static void put_changes_back(struct saver *saver)
{
    struct change *change = NULL;

    while ((change = saver->saving.last)) {
        change_list_remove(&saver->saving, change);
        change->step = STEP_UNSAVED;
        change_list_prepend(&saver->unsaved, change);
        if (change->newer && change->newer->step == STEP_UNSAVED) {
            take_older(change->newer);
        }
    }
}

static void retry_later(struct changes *changes)
{
    struct saver *saver = &changes->saver;
    int64_t delay_ms = saver->commit_retry_ms ? saver->commit_retry_ms : COMMIT_RETRY_MIN_MS;

    if (changes->is_draining) {
        delay_ms = COMMIT_RETRY_MIN_MS; /* there is not much time left */
    }
    saver->commit_retry_ms = 2 * delay_ms < COMMIT_RETRY_MAX_MS ? 2 * delay_ms : COMMIT_RETRY_MAX_MS;
    /* without memory for the timer the next change tries again */
    (void)loop_timer_set(changes->loop, &saver->commit_timer, loop_now_ms(changes->loop) + delay_ms);
}

static void commit(struct changes *changes);

static void committed(int r, const char *error, void *userdata)
{
    struct changes *changes = userdata;
    struct saver *saver = &changes->saver;

    saver->is_committing = false;
    drop_rows(saver);
    if (changes->is_stopped) {
        return; /* those who waited have been answered */
    }
    if (r < 0) {
        state_failed(changes, r, error);
        put_changes_back(saver);
        retry_later(changes);
        drain_check(changes);
        return;
    }
    saver->commit_retry_ms = 0;
    state_worked(changes);
    while (saver->saving.first) {
        saved(saver->saving.first);
    }
    commit(changes);
    drain_check(changes);
}

/* What waits to be saved, as much as fits into one transaction. */
static void commit(struct changes *changes)
{
    struct saver *saver = &changes->saver;

    if (saver->is_committing || !saver->unsaved.first || changes->is_stopped) {
        return;
    }
    loop_timer_cancel(changes->loop, &saver->commit_timer);
    while (saver->unsaved.first && saver->commit_count < COMMIT_MAX) {
        fill_row(saver, saver->unsaved.first);
        change_move(saver->unsaved.first, STEP_SAVING);
    }
    saver->is_committing = true;
    if (saver->store) {
        saver->store->commit(saver->store, saver->commit_rows, saver->commit_count, committed, changes);
    } else {
        committed(0, "", changes);
    }
}

static void run_work(struct loop_work *work)
{
    struct changes *changes = CONTAINER_OF(work, struct changes, saver.commit_work);

    changes->saver.is_commit_posted = false;
    if (!changes->saver.commit_timer.heap_index) { /* it has failed, and the time to try again hasn't come */
        commit(changes);
    }
}

static void run_commit_timer(struct loop_timer *timer)
{
    commit(CONTAINER_OF(timer, struct changes, saver.commit_timer));
}

void save_retry_now(struct changes *changes)
{
    changes->saver.commit_retry_ms = 0;
    commit(changes);
}

/* ---- touches ---- */

static void put_touches_back(struct changes *changes)
{
    for (size_t i = 0; i < changes->saver.touch_count; i++) {
        const struct state_touch *touch = &changes->saver.touch_rows[i];
        struct record *record = records_find(changes->records, touch->hostname, touch->type);
        if (record) {
            record_touch(record, &touch->source, touch->time_s);
            record_release(record);
        }
    }
}

static void touches_saved(int r, const char *error, void *userdata)
{
    struct changes *changes = userdata;

    changes->saver.is_touching = false;
    if (r < 0) {
        put_touches_back(changes);
    }
    records_touches_done(changes->records, changes->saver.touch_rows, changes->saver.touch_count);
    if (r < 0) {
        state_failed(changes, r, error);
    } else {
        if (!changes->saver.unsaved.first) {
            state_worked(changes);
        }
        save_touches(changes);
    }
    drain_check(changes);
}

void save_touches(struct changes *changes)
{
    struct saver *saver = &changes->saver;

    if (!saver->store || saver->is_touching || changes->is_stopped) {
        return;
    }
    saver->touch_count = records_take_touches(changes->records, saver->touch_rows, COMMIT_MAX);
    if (saver->touch_count > 0) {
        saver->is_touching = true;
        saver->store->commit_touches(saver->store, saver->touch_rows, saver->touch_count, touches_saved, changes);
    }
}

static void run_touch_timer(struct loop_timer *timer)
{
    struct changes *changes = CONTAINER_OF(timer, struct changes, saver.touch_timer);

    save_touches(changes);
    (void)loop_timer_set(changes->loop, timer, loop_now_ms(changes->loop) + TOUCH_PERIOD_MS);
}

bool save_is_under_way(const struct changes *changes)
{
    return changes->saver.is_committing || changes->saver.is_touching;
}

/* ---- making and freeing ---- */

int save_init(struct changes *changes, struct store *store)
{
    struct saver *saver = &changes->saver;

    saver->store = store;
    saver->commit_work.run = run_work;
    saver->commit_timer.run = run_commit_timer;
    saver->touch_timer.run = run_touch_timer;
    saver->commit_rows = calloc(COMMIT_MAX, sizeof(*saver->commit_rows));
    saver->commit_ids = calloc(COMMIT_MAX, sizeof(*saver->commit_ids));
    saver->touch_rows = calloc(COMMIT_MAX, sizeof(*saver->touch_rows));
    if (!saver->commit_rows || !saver->commit_ids || !saver->touch_rows) {
        return -ENOMEM;
    }
    return loop_timer_set(changes->loop, &saver->touch_timer, loop_now_ms(changes->loop) + TOUCH_PERIOD_MS);
}

void save_stop(struct changes *changes)
{
    loop_timer_cancel(changes->loop, &changes->saver.commit_timer);
    loop_timer_cancel(changes->loop, &changes->saver.touch_timer);
}

void save_done(struct changes *changes)
{
    struct saver *saver = &changes->saver;

    drop_rows(saver);
    free(saver->commit_rows);
    free(saver->commit_ids);
    free(saver->touch_rows);
    trouble_done(&changes->state_trouble);
}
