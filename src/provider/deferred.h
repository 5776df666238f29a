/*
 * Answers a call from the loop, never from inside the call. Unlike posted work it can be called off,
 * so that a zone may be freed with an answer on its way; unlike a plain timer it cannot fail for lack of memory,
 * because its timer always sits in the loop's heap and is only moved. I/O thread only.
 */
#ifndef DDNS53_PROVIDER_DEFERRED_H
#define DDNS53_PROVIDER_DEFERRED_H

#include "io/loop.h"

struct deferred {
    struct loop *loop; /* NULL: not set up */
    struct loop_timer timer;
    void (*run)(struct deferred *deferred);
};

/* Borrows the loop. -ENOMEM. The struct must stay where it is until deferred_done. */
int deferred_init(struct deferred *deferred, struct loop *loop, void (*run)(struct deferred *deferred));
/* `run` is called once, at the loop's next turn; it may free the struct, or call this again. */
void deferred_call(struct deferred *deferred);
/* Nothing comes any more. A zeroed struct is fine. */
void deferred_done(struct deferred *deferred);

#endif
