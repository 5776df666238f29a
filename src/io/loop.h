/*
 * The I/O thread's loop: timers in a heap, work posted from other threads, watched descriptors, and one poller that
 * waits (the HTTP client for its sockets; without one the loop waits on an eventfd of its own). Everything but loop_post and
 * loop_stop belongs to the thread that runs the loop. Time comes from the clock that was handed in: a test
 * moves its clock and calls loop_turn, and never sleeps.
 */
#ifndef DDNS53_IO_LOOP_H
#define DDNS53_IO_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct loop;

struct loop *loop_new(const struct clock *clock); /* borrows the clock; NULL: no memory or no eventfd */
void loop_free(struct loop *loop);                /* posted work that never ran is dropped */
DEFINE_CLEANUP(struct loop *, loop_free)

int64_t loop_now_ms(const struct loop *loop); /* monotonic, read afresh */
const struct clock *loop_clock(const struct loop *loop);

/* A posted piece of work; embedded in what it works on, so that posting never allocates and never fails. */
struct loop_work {
    void (*run)(struct loop_work *work);
    struct loop_work *next; /* the loop's, as all below */
    atomic_bool is_posted;
};
/* Any thread, never blocks for longer than a short lock; in order of posting. Does nothing where the work is posted
 * already and its `run` has not been entered: that run sees all that was written before this call. */
void loop_post(struct loop *loop, struct loop_work *work);

/* A timer is embedded in its owner and inactive when zeroed. */
struct loop_timer {
    void (*run)(struct loop_timer *timer);
    int64_t at_ms;
    size_t heap_index; /* the loop's; 0: inactive */
};
/* Sets or moves. -ENOMEM only when the heap must grow and cannot. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* A descriptor that somebody waits for; embedded in its owner and inactive when zeroed. */
struct loop_watch {
    void (*run)(struct loop_watch *watch, uint32_t events); /* of epoll(7) */
    int fd;                                                 /* set while it is active */
};
/* Watches `fd` for `events`, level-triggered, or changes what it is watched for. Negative errno of epoll_ctl(2). */
int loop_watch_set(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events);
/* Before the descriptor is closed. `run` is not called any more, not even in this turn. */
void loop_watch_cancel(struct loop *loop, struct loop_watch *watch);

/* What waits for sockets: `wait` returns after at most timeout_ms (-1: for ever), when `wake` was called, or when
 * `watched_fd` can be read, and runs what is ready of its own. `wake` is called from any thread. */
struct loop_poller {
    void (*wait)(void *userdata, int timeout_ms, int watched_fd);
    void (*wake)(void *userdata);
    void *userdata;
};
void loop_set_poller(struct loop *loop, const struct loop_poller *poller); /* NULL: the loop's own */

/* Runs due timers and posted work until there is none left, then waits once, at most max_wait_ms. */
void loop_turn(struct loop *loop, int max_wait_ms);
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop); /* any thread */

/* loop_run in a thread of its own, signals blocked, named "io". */
int loop_start_thread(struct loop *loop);
void loop_join_thread(struct loop *loop); /* after loop_stop */

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
