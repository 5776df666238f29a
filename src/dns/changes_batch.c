#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/changes_internal.h"

/*
 * While a batch is whole, a failure that may pass puts its changes back to the head of the queue, and the next one
 * is assembled anew. A batch that was refused is taken apart instead: a stack of segments, each of which goes in one
 * call, split again when it is refused, until what is bad stands alone. Nothing newer joins it meanwhile.
 */

/* ---- making ---- */

int batch_init(struct batch *batch, const struct provider_ops *ops)
{
    batch->max = ops->changes_max && ops->changes_max < BATCH_MAX ? ops->changes_max : BATCH_MAX;
    batch->changes = calloc(batch->max, sizeof(struct change *));
    batch->sent = calloc(batch->max, sizeof(*batch->sent));
    batch->segments = calloc(batch->max, sizeof(*batch->segments));
    return batch->changes && batch->sent && batch->segments ? 0 : -ENOMEM;
}

void batch_done(struct batch *batch)
{
    free(batch->changes);
    free(batch->sent);
    free(batch->segments);
}

bool batch_is_wanted(const struct zone *zone)
{
    if (!zone->readback.is_prepared || zone->batch.is_calling || zone->apply_backoff.is_waiting) {
        return false;
    }
    return zone->batch.segment_count > 0 || zone->ready.count > 0;
}

/* ---- assembling ---- */

static void push(struct batch *batch, struct segment segment)
{
    batch->segments[batch->segment_count++] = segment;
}

static size_t value_characters(const struct zone *zone, const struct change *change)
{
    char text[ADDRESS_TEXT_SIZE];

    address_print(&change->address, text);
    return strlen(text) * (zone->ops->value_characters_factor ? zone->ops->value_characters_factor : 1);
}

/* As many as the limits allow, oldest first; one at least. */
static void assemble(struct zone *zone)
{
    struct batch *batch = &zone->batch;
    const size_t characters_max = zone->ops->value_characters_max ? zone->ops->value_characters_max : SIZE_MAX;
    size_t characters = 0;
    size_t count = 0;

    while (zone->ready.first && count < batch->max) {
        struct change *change = zone->ready.first;
        characters += value_characters(zone, change);
        if (count > 0 && characters > characters_max) {
            break;
        }
        change_move(change, STEP_SENT);
        batch->changes[count++] = change;
    }
    batch->is_bisecting = false;
    push(batch, (struct segment){.count = count});
}

static void split(struct batch *batch, struct segment whole)
{
    const size_t half = whole.count / 2;

    push(batch, (struct segment){.start = whole.start + half, .count = whole.count - half});
    push(batch, (struct segment){.start = whole.start, .count = half, .is_first_half = true});
}

static struct segment next_segment(struct batch *batch)
{
    for (;;) {
        const struct segment segment = batch->segments[--batch->segment_count];
        if (!segment.is_guilty || segment.count == 1) {
            return segment;
        }
        split(batch, segment);
    }
}

static void applied(const struct provider_result *result, void *userdata);

void batch_run(struct zone *zone)
{
    struct batch *batch = &zone->batch;

    if (batch->segment_count == 0) {
        assemble(zone);
    }
    batch->current = next_segment(batch);
    for (size_t i = 0; i < batch->current.count; i++) {
        const struct change *change = batch->changes[batch->current.start + i];
        batch->sent[i] = (struct provider_change){
            .hostname = record_hostname(change->record),
            .type = record_type(change->record),
            .address = change->address,
            .ttl_s = change->ttl_s,
        };
    }
    metric_observe(zone->changes->families.batch_sizes, (double)batch->current.count, zone->name, NULL, NULL);
    batch->is_calling = true;
    zone->ops->apply(zone->provider, batch->sent, batch->current.count, applied, zone);
}

/* ---- what came of it ---- */

static struct change_id *new_id(const char *text)
{
    const size_t size = strlen(text) + 1;
    struct change_id *id = size > 1 ? malloc(sizeof(*id) + size) : NULL;

    if (id) {
        id->users = 1;
        memcpy(id->text, text, size);
    }
    return id;
}

static void change_accepted(struct change *change, struct change_id *id)
{
    struct zone *zone = change->zone;
    struct record_view view;

    record_view(change->record, &view);
    change->old_address = view.knowledge == RECORD_PLAIN ? view.address : (struct address){0};
    record_know(change->record, zone->is_gone ? RECORD_UNKNOWN : RECORD_PLAIN, FOREIGN_NONE, &change->address,
                change->ttl_s, loop_now_ms(zone->changes->loop));
    readback_accepted(zone, change->record);
    if (id) {
        id->users++;
        change->id = id;
    }
    save_change(change);
    if (change->newer && change->newer->step == STEP_LOOK) {
        change_place(change->newer);
    }
}

static void segment_accepted(struct zone *zone, const char *change_id)
{
    struct batch *batch = &zone->batch;
    const struct segment done = batch->current;
    struct change_id *id = new_id(change_id); /* without memory the history goes without it */

    for (size_t i = 0; i < done.count; i++) {
        change_accepted(batch->changes[done.start + i], id);
    }
    change_id_drop(id);
    if (done.is_first_half && batch->segment_count > 0) {
        batch->segments[batch->segment_count - 1].is_guilty = true;
    }
}

/* The named one goes alone, after the others have gone without it. */
static void set_culprit_aside(struct batch *batch, struct segment whole, size_t culprit)
{
    struct change **changes = batch->changes + whole.start;
    struct change *named = changes[culprit];

    memmove(changes + 1, changes, culprit * sizeof(struct change *));
    changes[0] = named;
    push(batch, (struct segment){.start = whole.start, .count = 1});
    push(batch, (struct segment){.start = whole.start + 1, .count = whole.count - 1});
}

/* Somebody put it there since we looked. */
static void found_foreign(struct change *change, const struct provider_result *result)
{
    record_know(change->record, RECORD_FOREIGN, result->foreign, NULL, 0, loop_now_ms(change->zone->changes->loop));
    change_finish(change, CHANGE_CONFLICT, result->foreign, result->message);
}

static void segment_refused(struct zone *zone, const struct provider_result *result)
{
    struct batch *batch = &zone->batch;
    const struct segment whole = batch->current;

    if (whole.count == 1 && result->foreign != FOREIGN_NONE) {
        found_foreign(batch->changes[whole.start], result);
        return;
    }
    if (whole.count == 1) {
        change_finish(batch->changes[whole.start], CHANGE_REFUSED, FOREIGN_NONE, result->message);
        return;
    }
    if (!batch->is_bisecting) {
        batch->is_bisecting = true;
        metric_add(zone->changes->families.bisections, 1, zone->name, NULL, NULL);
    }
    if (result->culprit < whole.count) {
        set_culprit_aside(batch, whole, result->culprit);
    } else {
        split(batch, whole);
    }
}

/* Backwards, so that the order is as before. What nobody knows any more is looked up first. */
static void put_back(struct batch *batch, struct segment segment)
{
    for (size_t i = segment.count; i-- > 0;) {
        struct change *change = batch->changes[segment.start + i];
        struct record_view view;
        change_take_newer(change);
        change_move_first(change);
        record_view(change->record, &view);
        if (view.knowledge == RECORD_UNKNOWN || view.knowledge == RECORD_FOREIGN) {
            change_place(change);
        }
    }
}

/* What is left of a batch that is being taken apart stays as it is, but for newer addresses of the same records. */
static void keep_segments(struct batch *batch)
{
    push(batch, batch->current);
    for (size_t i = 0; i < batch->segment_count; i++) {
        for (size_t k = 0; k < batch->segments[i].count; k++) {
            change_take_newer(batch->changes[batch->segments[i].start + k]);
        }
    }
}

static void segment_failed(struct zone *zone, const struct provider_result *result)
{
    struct batch *batch = &zone->batch;

    if (result->outcome == PROVIDER_TRANSIENT) {
        for (size_t i = 0; i < batch->current.count; i++) {
            batch->changes[batch->current.start + i]->is_uncertain = true;
        }
    }
    zone_failed(zone, &zone->apply_backoff, &zone->apply_trouble, result);
    if (batch->is_bisecting) {
        keep_segments(batch);
    } else {
        put_back(batch, batch->current);
    }
}

static void drop_segment(struct batch *batch, struct segment segment, enum change_result result, const char *message)
{
    for (size_t i = 0; i < segment.count; i++) {
        change_finish(batch->changes[segment.start + i], result, FOREIGN_NONE, message);
    }
}

void batch_drop(struct zone *zone, enum change_result result, const char *message)
{
    struct batch *batch = &zone->batch;

    while (batch->segment_count > 0) {
        drop_segment(batch, batch->segments[--batch->segment_count], result, message);
    }
    batch->is_bisecting = false;
}

static void applied(const struct provider_result *result, void *userdata)
{
    struct zone *zone = userdata;
    struct batch *batch = &zone->batch;

    batch->is_calling = false;
    if (zone->changes->is_stopped) {
        return;
    }
    if (result->outcome == PROVIDER_DONE) {
        zone_worked(zone, &zone->apply_backoff, &zone->apply_trouble);
        segment_accepted(zone, result->change_id);
    } else if (result->outcome == PROVIDER_REFUSED) {
        zone_worked(zone, &zone->apply_backoff, &zone->apply_trouble);
        segment_refused(zone, result);
    } else if (result->outcome == PROVIDER_NO_ZONE || zone->is_gone) {
        drop_segment(batch, batch->current, CHANGE_NO_ZONE, result->message);
        zone_gone(zone, result->message);
    } else {
        segment_failed(zone, result);
    }
    zone_kick(zone);
}
