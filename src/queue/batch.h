/*
 * The changes of one zone that go to the provider together, and how a batch that was refused is taken apart. While it
 * is whole, a failure that may pass gives its changes back. A refused one becomes a stack of segments: each goes in one
 * call, and is split again when it is refused, until the bad change stands alone. Nothing newer joins it meanwhile. Says
 * what goes next and what follows from an answer; calls nobody. I/O thread only.
 */
#ifndef DDNS53_QUEUE_BATCH_H
#define DDNS53_QUEUE_BATCH_H

#include "queue/change.h"

/* A part of the batch that goes in one call. */
struct segment {
    size_t start;
    size_t count;
    bool is_first_half; /* the segment below on the stack is the other half */
    bool is_guilty;     /* its other half was fine, so it holds what was refused: split it without asking */
};

struct batch {
    struct change **changes;
    const struct change_request **requests; /* of the current segment, for the provider to borrow */
    const struct provider_ops *ops;         /* for its limits */
    size_t max;
    struct segment *segments; /* a stack; disjoint, so never more than changes */
    size_t segment_count;
    struct segment current;
    bool is_bisecting;
};

/* As many changes as the provider takes, 1,000 at most. -ENOMEM; end it with batch_done all the same. */
int batch_init(struct batch *batch, const struct provider_ops *ops);
void batch_done(struct batch *batch);

/* Nothing waits for a call. */
bool batch_is_empty(const struct batch *batch);
/* Assembles one of those that are ready, oldest first, as many as the limits allow and one at least. */
void batch_fill(struct batch *batch, struct change_list *ready);
/* Takes the next segment off the stack as the current one and sets `requests` to its changes. Returns their number. */
size_t batch_next(struct batch *batch);
/* A change of the current segment. */
struct change *batch_change(const struct batch *batch, size_t index);

/* The current segment was accepted; its changes are the caller's. */
void batch_accepted(struct batch *batch);
/* It was refused because of its `culprit`-th change, or nobody knows which. True: it is one change alone, and the
 * caller's; false: it has been taken apart. `ret_begun`: this is the first refusal of this batch. */
bool batch_refused(struct batch *batch, size_t culprit, bool *ret_begun);
/* The call failed, and its segment goes again later; newer wishes for its records become part of it. False: the batch
 * was whole, and the changes of the current segment are the caller's. */
bool batch_failed(struct batch *batch);
/* The next change of those that wait for a call, which is the caller's; NULL: none are left. */
struct change *batch_pop(struct batch *batch);

#endif
