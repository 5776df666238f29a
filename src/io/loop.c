#include "io/loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How often a turn looks for more ready work before sockets get their chance: work that posts itself, or a timer
 * that sets itself to now, must not starve them. */
#define ROUNDS_MAX 64

#define HEAP_SIZE_MIN 64
/* Descriptors get so many callbacks in one turn, and so much time: one that is always ready must not keep timers,
 * posted work and the poller's sockets waiting. */
#define WATCHES_MAX 64
#define WATCHES_MS 4

struct heap_entry {
    struct loop_timer *timer;
    int64_t at_ms;
    uint64_t sequence; /* of the setting: equal times run in that order */
};

struct loop {
    const struct clock *clock;
    int eventfd;
    int epoll; /* the watched descriptors */
    size_t watch_count;

    struct heap_entry *heap; /* from 1, so that index 0 can mean inactive */
    size_t heap_count;
    size_t heap_size; /* entries that fit, without the unused first */
    uint64_t sequence;

    pthread_mutex_t lock; /* over all below; `wake` is called with it held, so that a poller can be taken away */
    struct loop_work *posted_first;
    struct loop_work **posted_end;
    struct loop_poller poller;
    bool is_stopping;

    pthread_t thread;
    bool has_thread;
};

static void eventfd_wait(void *userdata, int timeout_ms, int watched_fd)
{
    const struct loop *loop = userdata;
    struct pollfd polled[] = {{loop->eventfd, POLLIN, 0}, {watched_fd, POLLIN, 0}};
    uint64_t count = 0;

    if (poll(polled, 2, timeout_ms) > 0 && polled[0].revents) {
        (void)!read(loop->eventfd, &count, sizeof(count));
    }
}

static void eventfd_wake(void *userdata)
{
    const struct loop *loop = userdata;
    const uint64_t one = 1;

    /* it fails only when the counter is full, which wakes just as well */
    (void)!write(loop->eventfd, &one, sizeof(one));
}

static struct loop_poller eventfd_poller(struct loop *loop)
{
    return (struct loop_poller){.wait = eventfd_wait, .wake = eventfd_wake, .userdata = loop};
}

struct loop *loop_new(const struct clock *clock)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        return NULL;
    }
    loop->clock = clock;
    loop->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->eventfd < 0 || loop->epoll < 0) {
        closep(&loop->eventfd);
        closep(&loop->epoll);
        free(loop);
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    loop->posted_end = &loop->posted_first;
    loop->poller = eventfd_poller(loop);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop) {
        return;
    }
    pthread_mutex_destroy(&loop->lock);
    close(loop->eventfd);
    close(loop->epoll);
    free(loop->heap);
    free(loop);
}

int64_t loop_now_ms(const struct loop *loop)
{
    return clock_monotonic_ms(loop->clock);
}

const struct clock *loop_clock(const struct loop *loop)
{
    return loop->clock;
}

/* ---- posted work ---- */

void loop_post(struct loop *loop, struct loop_work *work)
{
    if (atomic_exchange(&work->is_posted, true)) {
        return;
    }
    work->next = NULL;
    pthread_mutex_lock(&loop->lock);
    /* Whoever found the list empty has woken the loop, and it takes the whole list before it waits again. */
    const bool was_empty = !loop->posted_first;
    *loop->posted_end = work;
    loop->posted_end = &work->next;
    if (was_empty) {
        loop->poller.wake(loop->poller.userdata);
    }
    pthread_mutex_unlock(&loop->lock);
}

static bool run_posted(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct loop_work *work = loop->posted_first;
    loop->posted_first = NULL;
    loop->posted_end = &loop->posted_first;
    pthread_mutex_unlock(&loop->lock);

    const bool found = work != NULL;
    while (work) {
        struct loop_work *next = work->next; /* from here on it may be freed or posted again */
        work->next = NULL;
        atomic_store(&work->is_posted, false);
        work->run(work);
        work = next;
    }
    return found;
}

/* ---- timers: a binary heap, ordered by time and then by the order of setting ---- */

static bool is_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->sequence < b->sequence);
}

static void heap_place(struct loop *loop, size_t index, struct heap_entry entry)
{
    loop->heap[index] = entry;
    entry.timer->heap_index = index;
}

static void heap_sift(struct loop *loop, size_t index, struct heap_entry entry)
{
    while (index > 1 && is_before(&entry, &loop->heap[index / 2])) {
        heap_place(loop, index, loop->heap[index / 2]);
        index /= 2;
    }
    for (;;) {
        size_t child = 2 * index;
        if (child > loop->heap_count) {
            break;
        }
        if (child < loop->heap_count && is_before(&loop->heap[child + 1], &loop->heap[child])) {
            child++;
        }
        if (!is_before(&loop->heap[child], &entry)) {
            break;
        }
        heap_place(loop, index, loop->heap[child]);
        index = child;
    }
    heap_place(loop, index, entry);
}

static int heap_reserve(struct loop *loop)
{
    if (loop->heap_count < loop->heap_size) {
        return 0;
    }
    const size_t size = loop->heap_size ? 2 * loop->heap_size : HEAP_SIZE_MIN;
    struct heap_entry *heap = reallocarray(loop->heap, size + 1, sizeof(*heap));
    if (!heap) {
        return -ENOMEM;
    }
    loop->heap = heap;
    loop->heap_size = size;
    return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
    if (!timer->heap_index) {
        int r = heap_reserve(loop);
        if (r < 0) {
            return r;
        }
        timer->heap_index = ++loop->heap_count;
    }
    timer->at_ms = at_ms;
    heap_sift(loop, timer->heap_index,
              (struct heap_entry){.timer = timer, .at_ms = at_ms, .sequence = ++loop->sequence});
    return 0;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    const size_t index = timer->heap_index;
    if (!index) {
        return;
    }
    timer->heap_index = 0;
    const struct heap_entry last = loop->heap[loop->heap_count--];
    if (last.timer != timer) {
        heap_sift(loop, index, last);
    }
}

/* Runs what was due and set before the round began: a timer that sets itself to now waits for the next one. */
static bool run_timers(struct loop *loop)
{
    const uint64_t sequence = loop->sequence;
    const int64_t now_ms = loop_now_ms(loop);
    bool found = false;

    while (loop->heap_count && loop->heap[1].at_ms <= now_ms && loop->heap[1].sequence <= sequence) {
        struct loop_timer *timer = loop->heap[1].timer;
        loop_timer_cancel(loop, timer);
        timer->run(timer);
        found = true;
    }
    return found;
}

/* ---- watched descriptors ---- */

int loop_watch_set(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) < 0 &&
        (errno != ENOENT || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)) {
        return -errno;
    }
    loop->watch_count += watch->fd == 0;
    watch->fd = fd;
    return 0;
}

void loop_watch_cancel(struct loop *loop, struct loop_watch *watch)
{
    if (watch->fd > 0) {
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
        watch->fd = 0;
        loop->watch_count--;
    }
}

/* One at a time, since each may cancel any other. The kernel goes through those that are ready in turns. */
static void run_watches(struct loop *loop)
{
    const int64_t until_ms = loop->watch_count > 0 ? loop_now_ms(loop) + WATCHES_MS : 0;
    struct epoll_event event;

    for (unsigned i = 0; i < WATCHES_MAX && loop->watch_count > 0 && epoll_wait(loop->epoll, &event, 1, 0) == 1; i++) {
        struct loop_watch *watch = event.data.ptr;
        watch->run(watch, event.events);
        if (loop_now_ms(loop) >= until_ms) {
            break;
        }
    }
}

/* ---- turning ---- */

void loop_set_poller(struct loop *loop, const struct loop_poller *poller)
{
    pthread_mutex_lock(&loop->lock);
    loop->poller = poller ? *poller : eventfd_poller(loop);
    pthread_mutex_unlock(&loop->lock);
}

static void run_ready(struct loop *loop)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        const bool had_timers = run_timers(loop);
        const bool had_work = run_posted(loop);
        if (!had_timers && !had_work) {
            return;
        }
    }
}

static int wait_ms(struct loop *loop, bool is_idle, int max_wait_ms)
{
    if (!is_idle) {
        return 0;
    }
    if (!loop->heap_count) {
        return max_wait_ms;
    }
    int64_t left_ms = 0;
    if (__builtin_sub_overflow(loop->heap[1].at_ms, loop_now_ms(loop), &left_ms) || left_ms > INT_MAX) {
        left_ms = INT_MAX; /* a timer at INT64_MIN has run already */
    }
    if (left_ms < 0) {
        left_ms = 0;
    }
    return max_wait_ms >= 0 && max_wait_ms < left_ms ? max_wait_ms : (int)left_ms;
}

void loop_turn(struct loop *loop, int max_wait_ms)
{
    run_ready(loop);

    pthread_mutex_lock(&loop->lock);
    const struct loop_poller poller = loop->poller;
    const bool is_idle = !loop->posted_first && !loop->is_stopping;
    pthread_mutex_unlock(&loop->lock);

    /* What is posted from here on wakes the poller, also when it has not begun to wait. */
    poller.wait(poller.userdata, wait_ms(loop, is_idle, max_wait_ms), loop->epoll);
    run_watches(loop);
}

static bool is_stopping(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    const bool stopping = loop->is_stopping;
    pthread_mutex_unlock(&loop->lock);
    return stopping;
}

void loop_run(struct loop *loop)
{
    while (!is_stopping(loop)) {
        loop_turn(loop, -1);
    }
    run_ready(loop); /* what was posted before the stop is not lost */

    pthread_mutex_lock(&loop->lock);
    loop->is_stopping = false; /* it may be run again */
    pthread_mutex_unlock(&loop->lock);
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->is_stopping = true;
    loop->poller.wake(loop->poller.userdata);
    pthread_mutex_unlock(&loop->lock);
}

static void *run_in_thread(void *userdata)
{
    loop_run(userdata);
    return NULL;
}

int loop_start_thread(struct loop *loop)
{
    sigset_t all;
    sigset_t before;

    /* the new thread inherits the mask: signals are main's */
    sigfillset(&all);
    int r = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (r) {
        return -r;
    }
    r = pthread_create(&loop->thread, NULL, run_in_thread, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r) {
        return -r;
    }
    loop->has_thread = true;
    (void)pthread_setname_np(loop->thread, "io");
    return 0;
}

void loop_join_thread(struct loop *loop)
{
    if (loop->has_thread) {
        pthread_join(loop->thread, NULL);
        loop->has_thread = false;
    }
}
