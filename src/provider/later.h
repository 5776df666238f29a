/*
 * Answers a call later, from the loop and never from inside the call. Unlike posted work it can be called off,
 * so that a zone may be freed with an answer on its way; unlike a plain timer it cannot fail for lack of memory,
 * because its timer always sits in the loop's heap and is only moved. I/O thread only.
 */
#ifndef DDNS53_PROVIDER_LATER_H
#define DDNS53_PROVIDER_LATER_H

#include "io/loop.h"

struct later {
    struct loop *loop; /* NULL: not set up */
    struct loop_timer timer;
    void (*run)(struct later *later);
};

/* Borrows the loop. -ENOMEM. The struct must stay where it is until later_done. */
int later_init(struct later *later, struct loop *loop, void (*run)(struct later *later));
/* `run` is called once, at the loop's next turn; it may free the struct, or call this again. */
void later_call(struct later *later);
/* Nothing comes any more. A zeroed struct is fine. */
void later_done(struct later *later);

#endif
