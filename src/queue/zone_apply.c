/* Sending a batch, and what comes of it. */
#include "queue/zone_internal.h"

static void applied(const struct provider_result *result, void *userdata);

/* What DNS holds, for the provider and the history. */
static void note_was(struct change *change)
{
    static const struct rdata nothing;
    struct record_view view;

    record_view(change->request.record, &view);
    const bool is_plain = view.knowledge == RECORD_PLAIN;
    rdata_assign(&change->request.was, is_plain ? &view.value : &nothing);
    change->request.was_ttl_s = is_plain ? view.ttl_s : 0;
    record_view_done(&view);
}

/* Settles withdrawals that would go next and have nothing to withdraw: the record is gone, or it never was there,
 * because the withdrawal took the place of the change that would have made it. */
static void settle_withdrawals(struct zone *zone)
{
    struct change *change = change_list_first(&zone->backlog.ready);

    for (size_t kept = 0; change && kept < zone->batch.max;) {
        struct change *next = change_list_next(change);
        struct record_view view;
        record_view(change->request.record, &view);
        if (rdata_is_empty(&change->request.value) && view.knowledge != RECORD_PLAIN) {
            zone_place(zone, change);
        } else {
            kept++;
        }
        record_view_done(&view);
        change = next;
    }
}

void zone_apply(struct zone *zone)
{
    struct batch *batch = &zone->batch;

    if (batch_is_empty(batch)) {
        settle_withdrawals(zone);
        if (zone->backlog.ready.count == 0) {
            pacer_give_back(zone->pacer);
            return;
        }
        batch_fill(batch, &zone->backlog.ready);
    }
    const size_t count = batch_next(batch);
    for (size_t i = 0; i < count; i++) {
        note_was(batch_change(batch, i));
    }
    metric_observe(zone->shared->metrics.batch_sizes, (double)count, zone->name, NULL, NULL);
    zone->is_applying = true;
    zone->ops->apply(zone->provider, batch->requests, count, applied, zone);
}

/* What our own change makes of a record; the zone may have gone meanwhile. */
static void note_applied(struct zone *zone, const struct change *change)
{
    const struct rdata *value = &change->request.value;
    struct knowledge knowledge = {.knowledge = RECORD_PLAIN, .value = value, .ttl_s = change->request.ttl_s};

    if (zone->state == ZONE_GONE) {
        knowledge = (struct knowledge){.knowledge = RECORD_UNKNOWN};
    } else if (rdata_is_empty(value)) {
        knowledge = (struct knowledge){.knowledge = RECORD_ABSENT};
    }
    record_know(change->request.record, &knowledge, zone_now_ms(zone));
    reader_overtake(&zone->reader, change->request.record);
}

static void accept_segment(struct zone *zone, const char *change_id)
{
    struct batch *batch = &zone->batch;
    struct change_id *id = change_id_new(change_id); /* without memory the history goes without it */

    for (size_t i = 0; i < batch->current.count; i++) {
        struct change *change = batch_change(batch, i);
        note_applied(zone, change);
        change_id_drop(change->id);
        change->id = change_id_hold(id);
        saver_add(&zone->shared->saver, change);
        if (change->newer && change->newer->step == STEP_LOOK) {
            zone_place(zone, change->newer);
        }
    }
    change_id_drop(id);
    batch_accepted(batch);
}

/* A record that somebody has changed is looked at again, but not for ever: the provider may never recognise the form in
 * which DNS holds the value. */
#define OUTDATED_MAX 8

/* One change alone was refused. */
static void refuse_change(struct zone *zone, struct change *change, const struct provider_result *result)
{
    if (result->foreign != FOREIGN_NONE) { /* somebody put it there since we looked */
        record_know(change->request.record,
                    &(struct knowledge){.knowledge = RECORD_FOREIGN, .foreign = result->foreign}, zone_now_ms(zone));
        change_finish(change, OUTCOME_CONFLICT, result->foreign, result->message);
    } else if (result->is_outdated && change->outdated_count < OUTDATED_MAX) { /* somebody changed it since we looked */
        change->outdated_count++;
        record_forget(change->request.record);
        change_take_newer(change);
        zone_place(zone, change);
    } else {
        change_finish(change, OUTCOME_REFUSED, FOREIGN_NONE, result->message);
    }
}

static void refuse_segment(struct zone *zone, const struct provider_result *result)
{
    struct change *only = batch_change(&zone->batch, 0);
    bool has_begun = false;

    if (batch_refused(&zone->batch, result->culprit, &has_begun)) {
        refuse_change(zone, only, result);
    }
    if (has_begun) {
        metric_add(zone->shared->metrics.bisections, 1, zone->name, NULL, NULL);
    }
}

/* Backwards, so that the order is as before. What nobody knows any more is looked up first. */
static void put_back(struct zone *zone)
{
    for (size_t i = zone->batch.current.count; i-- > 0;) {
        struct change *change = batch_change(&zone->batch, i);
        struct record_view view;
        change_take_newer(change);
        change_move_first(change, STEP_READY, &zone->backlog.ready);
        record_view(change->request.record, &view);
        if (view.knowledge == RECORD_UNKNOWN || view.knowledge == RECORD_FOREIGN) {
            zone_place(zone, change);
        }
        record_view_done(&view);
    }
}

static void fail_segment(struct zone *zone, const struct provider_result *result)
{
    struct batch *batch = &zone->batch;

    for (size_t i = 0; result->outcome == PROVIDER_TRANSIENT && i < batch->current.count; i++) {
        batch_change(batch, i)->is_uncertain = true;
    }
    zone_call_failed(zone, &zone->apply_retry, &zone->apply_trouble, result);
    if (!batch_failed(batch)) {
        put_back(zone);
    }
}

static void applied(const struct provider_result *result, void *userdata)
{
    struct zone *zone = userdata;

    if (zone->shared->is_stopped) {
        return; /* zone_free looks after what was sent */
    }
    zone->is_applying = false;
    if (result->outcome == PROVIDER_DONE) {
        zone_call_worked(zone, &zone->apply_retry, &zone->apply_trouble);
        accept_segment(zone, result->change_id);
        zone_rest(zone, result->rest_ms);
    } else if (result->outcome == PROVIDER_REFUSED) {
        zone_call_worked(zone, &zone->apply_retry, &zone->apply_trouble);
        refuse_segment(zone, result);
    } else if (result->outcome == PROVIDER_NO_ZONE || zone->state == ZONE_GONE) {
        for (size_t i = 0; i < zone->batch.current.count; i++) {
            change_finish(batch_change(&zone->batch, i), OUTCOME_NO_ZONE, FOREIGN_NONE, result->message);
        }
        zone_lose(zone, result->message);
    } else {
        fail_segment(zone, result);
    }
    zone_kick(zone);
}
