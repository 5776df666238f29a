#include "provider/deferred.h"

#include <stdint.h>

static void run_timer(struct loop_timer *timer)
{
    struct deferred *deferred = CONTAINER_OF(timer, struct deferred, timer);

    /* The heap has just lost this very timer, so there is room for it. */
    (void)loop_timer_set(deferred->loop, timer, INT64_MAX);
    deferred->run(deferred);
}

int deferred_init(struct deferred *deferred, struct loop *loop, void (*run)(struct deferred *deferred))
{
    int r = 0;

    *deferred = (struct deferred){.run = run, .timer = {.run = run_timer}};
    r = loop_timer_set(loop, &deferred->timer, INT64_MAX);
    if (r == 0) {
        deferred->loop = loop;
    }
    return r;
}

void deferred_call(struct deferred *deferred)
{
    /* Moving a timer that is in the heap cannot fail. */
    (void)loop_timer_set(deferred->loop, &deferred->timer, loop_now_ms(deferred->loop));
}

void deferred_done(struct deferred *deferred)
{
    if (deferred->loop) {
        loop_timer_cancel(deferred->loop, &deferred->timer);
        deferred->loop = NULL;
    }
}
