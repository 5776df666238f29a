#include "queue/zone_internal.h"

#define RETRY_AFTER_MAX_MS 300000 /* more than that is no answer of a server but a fault */
#define UNHEALTHY_RETRY_MS 60000  /* wrong credentials, no zone */

static const struct backoff_limits retry_limits = {.first_ms = 200, .most_ms = 30000, .floor_percent = 0};

/* ---- what it could do now ---- */

bool zone_may_apply(const struct zone *zone)
{
    if (zone->state != ZONE_READY || zone->is_applying || zone->apply_retry.is_waiting) {
        return false;
    }
    return !batch_is_empty(&zone->batch) || zone->backlog.ready.count > 0;
}

/* A change whose record is in a call needs no look-up: the call's end says what the record is. */
struct change *zone_first_to_look_up(const struct zone *zone)
{
    struct change *change = change_list_first(&zone->backlog.looking);

    while (change && change_is_sent(change)) {
        change = change_list_next(change);
    }
    return change;
}

enum reading zone_reading_for_changes(const struct zone *zone)
{
    const struct reader_wants wants = {
        .looking = zone->backlog.looking.count,
        .has_changes = backlog_oldest(&zone->backlog) || zone->state == ZONE_GONE,
        .has_look_up = zone_first_to_look_up(zone) != NULL,
    };

    return zone->read_retry.is_waiting ? READ_NOTHING : reader_for_changes(&zone->reader, &wants);
}

enum reading zone_reading_for_itself(const struct zone *zone)
{
    if (zone->read_retry.is_waiting || zone->state == ZONE_GONE || zone->shared->is_draining) {
        return READ_NOTHING;
    }
    return reader_for_itself(&zone->reader);
}

void zone_kick(struct zone *zone)
{
    if (zone->shared->is_stopped) {
        return;
    }
    if (zone_may_apply(zone) || zone_reading_for_changes(zone) != READ_NOTHING) {
        pacer_ask(zone->pacer, &zone->change_ask, PACER_CHANGE);
    }
    if (zone_reading_for_itself(zone) != READ_NOTHING) {
        pacer_ask(zone->pacer, &zone->read_ask, PACER_READ);
    }
}

/* ---- where a change goes ---- */

static bool is_value_in_dns(const struct change *change, const struct record_view *view)
{
    if (rdata_is_empty(&change->request.value)) {
        return view->knowledge == RECORD_ABSENT;
    }
    return view->knowledge == RECORD_PLAIN && change_wants(change, &view->value, view->ttl_s);
}

/* DNS is right as it is. When the store doesn't say so (it was lost, or we were killed between the provider's answer
 * and the commit), it is put right before anybody is told. */
static void find_already(struct zone *zone, struct change *change, const struct record_view *view)
{
    if (change_wants(change, &view->last_set, view->last_set_ttl_s)) {
        change_finish(change, change->is_superseding ? OUTCOME_SET : OUTCOME_UNCHANGED, FOREIGN_NONE, NULL);
        return;
    }
    change->is_already = !change->is_superseding;
    rdata_assign(&change->request.was, &view->last_set);
    saver_add(&zone->shared->saver, change);
}

/* Nothing is there that could be withdrawn. A call that failed may have put it there after all, so the record is looked
 * up once. */
static void place_needless(struct zone *zone, struct change *change, const struct record_view *view)
{
    if (change->is_uncertain) {
        change->is_uncertain = false;
        record_forget(change->request.record);
        change_move(change, STEP_LOOK, &zone->backlog.looking);
    } else {
        find_already(zone, change, view);
    }
}

void zone_place(struct zone *zone, struct change *change)
{
    struct backlog *backlog = &zone->backlog;
    struct record_view view;

    record_view(change->request.record, &view);
    const bool is_stale =
        view.knowledge == RECORD_FOREIGN && zone_now_ms(zone) - view.looked_at_ms >= RECORD_FOREIGN_FRESH_MS;
    const bool is_first = !change->is_superseding && !change->is_uncertain && !change_is_sent(change);

    if (view.knowledge == RECORD_UNKNOWN || is_stale) {
        change_move(change, STEP_LOOK, &backlog->looking);
    } else if (view.knowledge == RECORD_FOREIGN) {
        change_finish(change, OUTCOME_CONFLICT, view.foreign, NULL);
    } else if (rdata_is_empty(&change->request.value) && view.knowledge == RECORD_ABSENT && !change_is_sent(change)) {
        place_needless(zone, change, &view);
    } else if (is_first && is_value_in_dns(change, &view)) {
        find_already(zone, change, &view);
    } else {
        rdata_assign(&change->request.was, &view.value); /* a withdrawal names it, and a batch counts it */
        change_move(change, STEP_READY, &backlog->ready);
    }
    record_view_done(&view);
}

/* ---- waiting after a failure, or a batch that cost much ---- */

static void wait_for(struct zone *zone, struct retry *retry, int64_t delay_ms)
{
    /* without memory for the timer the pace alone has to slow us down */
    retry->is_waiting = loop_timer_set(zone->shared->loop, &retry->timer, zone_now_ms(zone) + delay_ms) == 0;
}

void zone_stop_waiting(struct zone *zone, struct retry *retry)
{
    loop_timer_cancel(zone->shared->loop, &retry->timer);
    retry->is_waiting = false;
    retry->backoff.attempt = 0;
}

void zone_rest(struct zone *zone, uint32_t rest_ms)
{
    if (rest_ms > 0 && !zone->shared->is_draining) {
        wait_for(zone, &zone->apply_retry, rest_ms);
    }
}

/* After trouble with reading that was logged, the end of this read-back is logged too. */
static void note_trouble(struct zone *zone)
{
    if (zone->reader.phase != READER_IDLE && zone->read_trouble.is_logged) {
        zone->is_announced = false;
    }
    drift_tell(&zone->drift, zone->name); /* the read-back may not end soon */
}

/* Not for PROVIDER_DONE, _REFUSED (of a batch) and _NO_ZONE. */
void zone_call_failed(struct zone *zone, struct retry *retry, struct trouble *trouble,
                      const struct provider_result *result)
{
    const bool is_throttle = result->outcome == PROVIDER_THROTTLED;
    int64_t delay_ms = UNHEALTHY_RETRY_MS;

    metric_add(zone->shared->metrics.retries, 1, zone->name, NULL, NULL);
    trouble_begin(trouble, result->message, is_throttle, zone_now_ms(zone));
    note_trouble(zone);
    if (is_throttle) {
        metric_add(zone->shared->metrics.throttles, 1, zone->name, NULL, NULL);
        pacer_throttled(zone->pacer);
    }
    if (is_throttle || result->outcome == PROVIDER_TRANSIENT) {
        const uint32_t least_ms =
            result->retry_after_ms < RETRY_AFTER_MAX_MS ? result->retry_after_ms : RETRY_AFTER_MAX_MS;
        delay_ms = backoff_next_ms(&retry->backoff, &retry_limits, zone->shared->random);
        delay_ms = delay_ms > least_ms ? delay_ms : least_ms;
    }
    wait_for(zone, retry, delay_ms);
}

void zone_call_worked(struct zone *zone, struct retry *retry, struct trouble *trouble)
{
    zone_stop_waiting(zone, retry);
    trouble_end(trouble);
}

/* ---- a zone that is not there ---- */

void zone_note_reading(struct zone *zone)
{
    if (zone->reader.phase == READER_IDLE) {
        zone->read_began_ms = zone_now_ms(zone);
    }
}

void zone_set_state(struct zone *zone, enum zone_state state)
{
    zone->state = state;
    atomic_store(&zone->is_ready, state == ZONE_READY);
}

static void drop_waiting(struct change_list *list, const char *message)
{
    while (list->count > 0) {
        change_finish(change_list_first(list), OUTCOME_NO_ZONE, FOREIGN_NONE, message);
    }
}

static void drop_batch(struct zone *zone, const char *message)
{
    struct change *change = NULL;

    while ((change = batch_pop(&zone->batch))) {
        change_finish(change, OUTCOME_NO_ZONE, FOREIGN_NONE, message);
    }
}

/* If it comes back, it may be another one: nothing that we knew counts any more. */
void zone_lose(struct zone *zone, const char *message)
{
    struct records *records = zone->shared->records;

    trouble_begin(&zone->read_trouble, message, false, zone_now_ms(zone));
    zone_set_state(zone, ZONE_GONE);
    zone_note_reading(zone);
    reader_lost(&zone->reader);
    note_trouble(zone);
    for (struct record *record = records_next(records, zone->index, NULL); record;
         record = records_next(records, zone->index, record)) {
        record_forget(record);
    }
    drop_batch(zone, message);
    drop_waiting(&zone->backlog.looking, message);
    drop_waiting(&zone->backlog.ready, message);
    zone_stop_waiting(zone, &zone->apply_retry);
    trouble_end(&zone->apply_trouble);
    wait_for(zone, &zone->read_retry, UNHEALTHY_RETRY_MS);
}
