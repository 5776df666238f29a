#include "queue/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES_MAX 1000 /* where a provider has no limit, or a higher one */

int batch_init(struct batch *batch, const struct provider_ops *ops)
{
    batch->max = ops->changes_max && ops->changes_max < CHANGES_MAX ? ops->changes_max : CHANGES_MAX;
    batch->ops = ops;
    batch->changes = calloc(batch->max, sizeof(*batch->changes));
    batch->requests = calloc(batch->max, sizeof(*batch->requests));
    batch->segments = calloc(batch->max, sizeof(*batch->segments));
    return batch->changes && batch->requests && batch->segments ? 0 : -ENOMEM;
}

void batch_done(struct batch *batch)
{
    free(batch->changes);
    free(batch->requests);
    free(batch->segments);
}

bool batch_is_empty(const struct batch *batch)
{
    return batch->segment_count == 0;
}

struct change *batch_change(const struct batch *batch, size_t index)
{
    return batch->changes[batch->current.start + index];
}

/* ---- assembling ---- */

static void push(struct batch *batch, struct segment segment)
{
    batch->segments[batch->segment_count++] = segment;
}

/* What a withdrawal names is the value that DNS has. */
static size_t value_characters(const struct batch *batch, const struct change *change)
{
    const struct rdata *value = &change->request.value;
    size_t characters = 0;

    if (value->address.family != ADDRESS_NONE) {
        char text[ADDRESS_TEXT_SIZE];
        address_print(&value->address, text);
        characters = strlen(text);
    } else {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        rdata_print(rdata_is_empty(value) ? &change->request.was : value, &text);
        characters = text.length;
    }
    return characters * (batch->ops->value_characters_factor ? batch->ops->value_characters_factor : 1);
}

void batch_fill(struct batch *batch, struct change_list *ready)
{
    const size_t characters_max = batch->ops->value_characters_max ? batch->ops->value_characters_max : SIZE_MAX;
    size_t characters = 0;
    size_t count = 0;

    while (ready->count > 0 && count < batch->max) {
        struct change *change = change_list_first(ready);
        characters += value_characters(batch, change);
        if (count > 0 && characters > characters_max) {
            break;
        }
        change_move(change, STEP_SENT, NULL);
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

size_t batch_next(struct batch *batch)
{
    struct segment segment = batch->segments[--batch->segment_count];

    while (segment.is_guilty && segment.count > 1) {
        split(batch, segment);
        segment = batch->segments[--batch->segment_count];
    }
    batch->current = segment;
    for (size_t i = 0; i < segment.count; i++) {
        batch->requests[i] = &batch_change(batch, i)->request;
    }
    return segment.count;
}

/* ---- what came of it ---- */

void batch_accepted(struct batch *batch)
{
    if (batch->current.is_first_half && batch->segment_count > 0) {
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

bool batch_refused(struct batch *batch, size_t culprit, bool *ret_begun)
{
    const struct segment whole = batch->current;

    *ret_begun = false;
    if (whole.count == 1) {
        return true;
    }
    *ret_begun = !batch->is_bisecting;
    batch->is_bisecting = true;
    if (culprit < whole.count) {
        set_culprit_aside(batch, whole, culprit);
    } else {
        split(batch, whole);
    }
    return false;
}

bool batch_failed(struct batch *batch)
{
    if (!batch->is_bisecting) {
        return false;
    }
    push(batch, batch->current);
    for (size_t i = 0; i < batch->segment_count; i++) {
        for (size_t k = 0; k < batch->segments[i].count; k++) {
            change_take_newer(batch->changes[batch->segments[i].start + k]);
        }
    }
    return true;
}

struct change *batch_pop(struct batch *batch)
{
    while (batch->segment_count > 0) {
        struct segment *segment = &batch->segments[batch->segment_count - 1];
        if (segment->count > 0) {
            return batch->changes[segment->start + --segment->count];
        }
        batch->segment_count--;
    }
    batch->is_bisecting = false;
    return NULL;
}
