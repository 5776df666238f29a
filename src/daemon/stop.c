/* The end, from the door inward: no new connection, then no new request, then nothing that is queued; then the parts. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service_manager.h"
#include "base/thread.h"
#include "daemon/daemon.h"
#include "daemon/reload.h"
#include "daemon/work.h"

/* Kept connections may send one more request, which is answered as ever, and learn from its answer that it is their last.
 * Closing them at once would cut off the request that is on its way. */
#define GRACE_MS 500
#define GRACE_STEP_MS 10
/* The drain's own limit and some more, past which the I/O thread counts as stuck. */
#define DRAIN_MAX_MS 12000
/* From the signal on, for a reload that is under way: a million hosts take a few seconds. */
#define RELOAD_MAX_MS 10000
/* For taking everything apart: twice the servers' linger, what the disk's threads get, and some more. Together with the
 * grace and the drain less than TimeoutStopSec= of the unit. */
#define TEARDOWN_MAX_MS 10000

enum ending { FINISHED, SECOND_SIGNAL, STUCK };

static int64_t monotonic_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

static bool ends(int signal_number)
{
    return signal_number == SIGTERM || signal_number == SIGINT;
}

static enum ending let_kept_connections_go(struct daemon *daemon)
{
    int64_t until_ms = monotonic_ms() + GRACE_MS;
    bool is_drained;

    while (server_has_kept(daemon->api) && monotonic_ms() < until_ms) {
        if (ends(daemon_wait_signal(daemon, GRACE_STEP_MS, daemon->drained, &is_drained))) {
            return SECOND_SIGNAL;
        }
    }
    return FINISHED;
}

static enum ending drain(struct daemon *daemon)
{
    int64_t until_ms = monotonic_ms() + DRAIN_MAX_MS;
    bool drained = false;

    work_post_drain(daemon);
    while (!drained) {
        int64_t left_ms = until_ms - monotonic_ms();
        if (ends(daemon_wait_signal(daemon, left_ms < 0 ? 0 : (int)left_ms, daemon->drained, &drained))) {
            return SECOND_SIGNAL;
        }
        if (left_ms < 0 && !drained) {
            return STUCK;
        }
    }
    return FINISHED;
}

static enum ending finish_requests(struct daemon *daemon)
{
    service_manager_stopping();
    server_stop_accepting(daemon->api);
    certificate_hurry(daemon->certificate);
    log_event(LOG_LEVEL_NOTICE, "stopping", NULL); /* and every answer from now on says Connection: close */
    enum ending ending = let_kept_connections_go(daemon);
    if (ending != FINISHED) {
        return ending;
    }
    server_refuse(daemon->api);
    return drain(daemon);
}

static size_t count_unanswered(const struct server *server)
{
    return server ? server_requests_pending(server) : 0;
}

/* The process ends without anything being freed: what hangs may still use it. */
static _Noreturn void give_up(const struct daemon *daemon, const char *what)
{
    log_error("stop_failed",
              "%s; %zu requests were never answered and changes of %zu records are lost, though nobody was told that "
              "they are done; this is a bug, please report it",
              what,
              count_unanswered(daemon->api) + count_unanswered(daemon->admin_server) +
                  count_unanswered(daemon->control_server),
              queue_busy_records(daemon->queue));
    log_stop(DAEMON_LOG_MS);
    _exit(EX_SOFTWARE);
}

/* ---- taking it apart ---- */

struct guard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void *wait_for_end(void *userdata)
{
    struct guard *guard = userdata;
    struct timespec until;
    int r = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TEARDOWN_MAX_MS / 1000;
    pthread_mutex_lock(&guard->lock);
    while (!guard->done && r != ETIMEDOUT) {
        r = pthread_cond_timedwait(&guard->changed, &guard->lock, &until);
    }
    bool done = guard->done;
    pthread_mutex_unlock(&guard->lock);
    if (!done) {
        log_error(
            "stop_failed",
            "a thread does not end; every request was answered and nothing is lost; this is a bug, please report it");
        log_stop(DAEMON_LOG_MS);
        _exit(EX_SOFTWARE);
    }
    return NULL;
}

/* daemon_free, which waits for every thread; another thread ends the process when that takes too long. */
static int free_within_time(struct daemon *daemon)
{
    struct guard guard = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t attributes;
    pthread_t thread;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&guard.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    bool guarded = thread_start("guard", wait_for_end, &guard, &thread) == 0;
    int r = daemon_free(daemon);
    if (r == 0 && guarded) {
        pthread_mutex_lock(&guard.lock);
        guard.done = true;
        pthread_cond_signal(&guard.changed);
        pthread_mutex_unlock(&guard.lock);
        pthread_join(thread, NULL);
        pthread_cond_destroy(&guard.changed);
    }
    return r;
}

int daemon_stop(struct daemon *daemon)
{
    int64_t reloaded_ms = monotonic_ms() + RELOAD_MAX_MS;

    switch (finish_requests(daemon)) {
    case SECOND_SIGNAL:
        log_warning("stopped", "a second signal came while changes were being finished");
        log_limit_flush(daemon->log_limit);
        log_stop(DAEMON_LOG_MS);
        _exit(EXIT_SUCCESS); /* nothing may wait any more; what is queued was never acknowledged */
    case STUCK: give_up(daemon, "the I/O thread does not answer");
    case FINISHED: break;
    }
    int64_t left_ms = reloaded_ms - monotonic_ms();
    if (!reload_stop(daemon, left_ms > 0 ? (int)left_ms : 0)) {
        give_up(daemon, "the files of a reload cannot be read to their end");
    }
    if (free_within_time(daemon) < 0) {
        give_up(daemon, "a request is still being handled");
    }
    log_event(LOG_LEVEL_NOTICE, "stopped", NULL);
    return EXIT_SUCCESS;
}
