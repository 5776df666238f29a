#include "web/server_worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define EVENTS_MAX 64
/* Connections that a worker takes before it looks after those it has. */
#define ACCEPT_MAX 8
/* After accept() failed, out of descriptors say. */
#define PAUSE_MS 100
#define LOG_MS 60000
/* Turns that libmicrohttpd gets at once though nothing comes in and no request comes further, and the pause before each of
 * those that follow: some request is stuck (server_stuck.h), and would take the whole core. */
#define IDLE_TURNS_MAX 200
#define IDLE_PAUSE_MS 10
/* For the workers to take who waits in the backlog at the end. */
#define BACKLOG_MS 250
#define BACKLOG_STEP_MS 2

enum door { DOOR_NOT_YET, DOOR_OPEN, DOOR_CLOSED };

struct server_worker {
    struct server_workers *workers;
    struct MHD_Daemon *mhd;
    int epoll;
    struct watch *listening; /* one per listener */
    struct watch library;    /* libmicrohttpd's own epoll set */
    struct watch wake;       /* eventfd */
    atomic_bool woken;       /* the eventfd has been written to */
    struct watch *waiting;   /* server_worker_wait */
    unsigned idle_turns;     /* more of them than of turns with progress */
    bool has_progress;       /* in this turn */
    int64_t paused_until_ms; /* its listeners are not in the set; 0: they are */
    bool has_thread;
    pthread_t thread;
};

struct server_workers {
    struct server_workers_options options;
    atomic_bool ending;
    _Atomic int64_t logged_ms; /* LLONG_MIN: never */
    struct server_worker *all;
    /* The door: accept() is called with it held and `open`. */
    pthread_mutex_t door;
    pthread_cond_t changed;
    enum door state;
};

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* ---- what a worker waits for ---- */

static int add(const struct server_worker *worker, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0 ? -errno : 0;
}

static void forget(const struct server_worker *worker, const struct watch *watch)
{
    (void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
}

int server_worker_wait(struct server_worker *worker, struct watch *watch)
{
    int r = watch->link ? 0 : add(worker, watch, EPOLLIN | EPOLLRDHUP);

    if (r == 0 && !watch->link) {
        watch->next = worker->waiting;
        watch->link = &worker->waiting;
        if (watch->next) {
            watch->next->link = &watch->next;
        }
        worker->waiting = watch;
    }
    return r;
}

/* The descriptor leaves the set at once: soon it may be closed, and its number be another connection's. */
static void stop_waiting(const struct server_worker *worker, struct watch *watch)
{
    forget(worker, watch);
    *watch->link = watch->next;
    if (watch->next) {
        watch->next->link = watch->link;
    }
    watch->link = NULL;
}

void *server_worker_userdata(const struct server_worker *worker)
{
    return worker->workers->options.userdata;
}

static void wake(struct server_worker *worker)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&worker->woken, true)) {
        (void)!write(worker->wake.fd, &one, sizeof(one));
    }
}

void server_worker_resume(struct server_worker *worker, struct MHD_Connection *mhd)
{
    MHD_resume_connection(mhd);
    wake(worker);
}

/* ---- accepting ---- */

/* Errors of the connection that would have come, see accept(2). The next connection may be fine. */
static bool is_of_connection(int error)
{
    static const int errors[] = {ECONNABORTED, EINTR, ENETDOWN,     EPROTO,     ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,       EPERM, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT};

    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        if (errors[i] == error) {
            return true;
        }
    }
    return false;
}

static void log_failure(struct server_workers *workers, int error)
{
    int64_t logged_ms = atomic_load(&workers->logged_ms);
    int64_t at_ms = now_ms();

    if ((logged_ms == INT64_MIN || at_ms - logged_ms >= LOG_MS) &&
        atomic_compare_exchange_strong(&workers->logged_ms, &logged_ms, at_ms)) {
        log_warning("accept_failed", "cannot take a connection: %s; raise LimitNOFILE or lower limits.connections",
                    strerror(error));
    }
}

/* Holds the door. */
static void leave_listeners(struct server_worker *worker)
{
    for (size_t i = 0; worker->listening && i < worker->workers->options.listener_count; i++) {
        forget(worker, &worker->listening[i]);
    }
}

/* Several workers may be woken for one connection: EPOLLEXCLUSIVE makes that rare. Holds the door. */
static int join_listeners(struct server_worker *worker)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < worker->workers->options.listener_count; i++) {
        r = add(worker, &worker->listening[i], EPOLLIN | EPOLLEXCLUSIVE);
    }
    return r;
}

static void pause_accepting(struct server_worker *worker, int error)
{
    struct server_workers *workers = worker->workers;

    log_failure(workers, error);
    pthread_mutex_lock(&workers->door);
    if (workers->state == DOOR_OPEN) {
        leave_listeners(worker);
        worker->paused_until_ms = now_ms() + PAUSE_MS;
    }
    pthread_mutex_unlock(&workers->door);
}

static void end_pause(struct server_worker *worker)
{
    struct server_workers *workers = worker->workers;

    if (worker->paused_until_ms == 0 || now_ms() < worker->paused_until_ms) {
        return;
    }
    pthread_mutex_lock(&workers->door);
    worker->paused_until_ms = 0;
    if (workers->state == DOOR_OPEN && join_listeners(worker) < 0) {
        leave_listeners(worker);
        worker->paused_until_ms = now_ms() + PAUSE_MS;
    }
    pthread_mutex_unlock(&workers->door);
}

/* The descriptor, or a negative errno. */
static int accept_one(struct server_workers *workers, int listening, struct sockaddr_storage *peer, socklen_t *length)
{
    int fd = -EAGAIN;

    if (pthread_mutex_trylock(&workers->door) != 0) {
        return fd; /* another worker is at it, or it is being closed */
    }
    if (workers->state == DOOR_OPEN) {
        fd = accept4(listening, (struct sockaddr *)peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        fd = fd < 0 ? -errno : fd;
    }
    pthread_mutex_unlock(&workers->door);
    return fd;
}

static void accept_some(struct server_worker *worker, int listening)
{
    const struct server_workers_options *options = &worker->workers->options;

    for (int i = 0; i < ACCEPT_MAX; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        int fd = accept_one(worker->workers, listening, &peer, &length);
        if (fd == -EAGAIN) {
            return;
        }
        if (fd < 0 && !is_of_connection(-fd)) {
            pause_accepting(worker, -fd);
            return;
        }
        if (fd < 0) {
            continue;
        }
        if (options->admit(options->userdata, (const struct sockaddr *)&peer)) {
            (void)MHD_add_connection(worker->mhd, fd, (const struct sockaddr *)&peer,
                                     length); /* closes it if it fails */
        } else {
            close(fd);
        }
    }
}

/* ---- the thread ---- */

static bool is_listening(const struct server_worker *worker, const struct watch *watch)
{
    return watch >= worker->listening && watch < worker->listening + worker->workers->options.listener_count;
}

static void look_after(struct server_worker *worker, struct watch *watch)
{
    uint64_t wakes;

    if (is_listening(worker, watch)) {
        accept_some(worker, watch->fd);
    } else if (watch == &worker->wake) {
        (void)!read(watch->fd, &wakes, sizeof(wakes));
        atomic_store(&worker->woken, false); /* before MHD_run: what is resumed later wakes again */
    } else if (watch != &worker->library) {
        stop_waiting(worker, watch);
        watch->ready(watch);
    }
}

/* `ret_is_asked`: libmicrohttpd wants to be run at once. */
static int timeout_ms(const struct server_worker *worker, bool *ret_is_asked)
{
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    int ms = -1;

    if (MHD_get_timeout(worker->mhd, &library_ms) == MHD_YES) {
        ms = library_ms > INT32_MAX ? INT32_MAX : (int)library_ms;
    }
    *ret_is_asked = ms == 0;
    if (ms == 0 && worker->idle_turns >= IDLE_TURNS_MAX) {
        return IDLE_PAUSE_MS;
    }
    return worker->paused_until_ms != 0 && (ms < 0 || ms > PAUSE_MS) ? PAUSE_MS : ms;
}

static void wait_for_door(struct server_workers *workers)
{
    pthread_mutex_lock(&workers->door);
    while (workers->state == DOOR_NOT_YET) {
        pthread_cond_wait(&workers->changed, &workers->door);
    }
    pthread_mutex_unlock(&workers->door);
}

void server_worker_note_progress(struct server_worker *worker)
{
    worker->has_progress = true;
}

/* The turn before has asked for this one. */
static void note_turn(struct server_worker *worker, int event_count, bool is_asked)
{
    const struct server_workers_options *options = &worker->workers->options;

    if (!is_asked) {
        worker->idle_turns = 0;
    } else if (worker->has_progress) {
        worker->idle_turns -= worker->idle_turns > 0;
    } else if (event_count == 0) {
        worker->idle_turns += worker->idle_turns < IDLE_TURNS_MAX;
    }
    worker->has_progress = false;
    if (worker->idle_turns >= IDLE_TURNS_MAX) {
        options->idle(options->userdata, worker);
    }
}

static void *work(void *userdata)
{
    struct server_worker *worker = userdata;
    struct epoll_event events[EVENTS_MAX];

    wait_for_door(worker->workers);
    while (!atomic_load(&worker->workers->ending)) {
        bool is_asked = false;
        int wait_ms = timeout_ms(worker, &is_asked);
        int count = epoll_wait(worker->epoll, events, EVENTS_MAX, wait_ms);
        note_turn(worker, count, is_asked);
        for (int i = 0; i < count; i++) {
            look_after(worker, events[i].data.ptr);
        }
        end_pause(worker);
        (void)MHD_run(worker->mhd);
    }
    return NULL;
}

/* ---- start ---- */

static int worker_init(struct server_worker *worker, struct server_workers *workers)
{
    const struct server_workers_options *options = &workers->options;

    worker->listening = calloc(options->listener_count, sizeof(*worker->listening));
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->mhd = options->start(options->userdata, worker);
    const union MHD_DaemonInfo *info = worker->mhd ? MHD_get_daemon_info(worker->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!worker->listening || worker->epoll < 0 || worker->wake.fd < 0 || !info) {
        return -EIO;
    }
    worker->library.fd = info->epoll_fd;
    for (size_t i = 0; i < options->listener_count; i++) {
        worker->listening[i].fd = options->listeners[i].fd;
    }
    int r = add(worker, &worker->wake, EPOLLIN);
    if (r == 0) {
        r = add(worker, &worker->library, EPOLLIN);
    }
    if (r == 0) {
        r = join_listeners(worker); /* nobody looks before the door opens */
    }
    if (r == 0) {
        r = thread_start("web", work, worker, &worker->thread);
    }
    worker->has_thread = r == 0;
    return r;
}

struct server_workers *server_workers_new(const struct server_workers_options *options)
{
    struct server_workers *workers = calloc(1, sizeof(*workers));
    int r = 0;

    if (!workers) {
        return NULL;
    }
    workers->options = *options;
    atomic_init(&workers->logged_ms, INT64_MIN);
    pthread_mutex_init(&workers->door, NULL);
    pthread_cond_init(&workers->changed, NULL);
    workers->all = calloc(options->count, sizeof(*workers->all));
    workers->options.count = 0; /* those that have been begun */
    while (workers->all && r == 0 && workers->options.count < options->count) {
        struct server_worker *worker = &workers->all[workers->options.count++];
        *worker = (struct server_worker){.workers = workers, .epoll = -1, .wake.fd = -1};
        r = worker_init(worker, workers);
    }
    if (!workers->all || r < 0) {
        server_workers_free(workers);
        return NULL;
    }
    return workers;
}

static void move_door(struct server_workers *workers, enum door state)
{
    pthread_mutex_lock(&workers->door);
    workers->state = state;
    pthread_cond_broadcast(&workers->changed);
    for (unsigned i = 0; state == DOOR_CLOSED && i < workers->options.count; i++) {
        leave_listeners(&workers->all[i]);
    }
    pthread_mutex_unlock(&workers->door);
}

void server_workers_accept(struct server_workers *workers)
{
    move_door(workers, DOOR_OPEN);
}

/* ---- stop ---- */

/* Do connections wait at a socket that will be closed? */
static bool has_backlog(const struct server_workers *workers)
{
    for (size_t i = 0; i < workers->options.listener_count; i++) {
        const struct listener *listener = &workers->options.listeners[i];
        struct pollfd polled = {listener->fd, POLLIN, 0};
        if (!listener->inherited && poll(&polled, 1, 0) == 1 && (polled.revents & POLLIN)) {
            return true;
        }
    }
    return false;
}

void server_workers_stop_accepting(struct server_workers *workers)
{
    int64_t until_ms = now_ms() + BACKLOG_MS;

    if (workers->state == DOOR_OPEN) { /* only this thread changes it */
        while (has_backlog(workers) && now_ms() < until_ms) {
            (void)poll(NULL, 0, BACKLOG_STEP_MS);
        }
    }
    if (workers->state != DOOR_CLOSED) {
        move_door(workers, DOOR_CLOSED);
    }
}

static void worker_done(struct server_worker *worker)
{
    while (worker->waiting) {
        struct watch *watch = worker->waiting;
        stop_waiting(worker, watch);
        watch->ready(watch);
    }
    if (worker->mhd) {
        MHD_stop_daemon(worker->mhd);
    }
    if (worker->epoll >= 0) {
        close(worker->epoll);
    }
    if (worker->wake.fd >= 0) {
        close(worker->wake.fd);
    }
    free(worker->listening);
}

void server_workers_free(struct server_workers *workers)
{
    if (!workers) {
        return;
    }
    atomic_store(&workers->ending, true);
    server_workers_stop_accepting(workers);
    for (unsigned i = 0; i < workers->options.count; i++) {
        struct server_worker *worker = &workers->all[i];
        if (worker->has_thread) {
            wake(worker);
            pthread_join(worker->thread, NULL);
        }
    }
    for (unsigned i = 0; i < workers->options.count; i++) {
        worker_done(&workers->all[i]);
    }
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->door);
    free(workers->all);
    free(workers);
}
