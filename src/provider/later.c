#include "provider/later.h"

#include <stdint.h>

static void run_timer(struct loop_timer *timer)
{
    struct later *later = CONTAINER_OF(timer, struct later, timer);

    /* The heap has just lost this very timer, so there is room for it. */
    (void)loop_timer_set(later->loop, timer, INT64_MAX);
    later->run(later);
}

int later_init(struct later *later, struct loop *loop, void (*run)(struct later *later))
{
    int r = 0;

    *later = (struct later){.run = run, .timer = {.run = run_timer}};
    r = loop_timer_set(loop, &later->timer, INT64_MAX);
    if (r == 0) {
        later->loop = loop;
    }
    return r;
}

void later_call(struct later *later)
{
    /* Moving a timer that is in the heap cannot fail. */
    (void)loop_timer_set(later->loop, &later->timer, loop_now_ms(later->loop));
}

void later_done(struct later *later)
{
    if (later->loop) {
        loop_timer_cancel(later->loop, &later->timer);
        later->loop = NULL;
    }
}
