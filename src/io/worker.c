#include "io/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct job_list {
    struct worker_job *first;
    struct worker_job **end;
};

struct worker {
    struct loop *loop;
    const char *name;
    struct loop_work report;

    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    struct job_list waiting;
    struct job_list finished; /* the loop has not been told yet */
    struct worker_job *running;
    bool is_stopping;
    bool has_ended; /* there is nothing left but to join the thread */

    pthread_t thread;
    bool has_thread;
    int niceness;
};

/* ---- lists ---- */

static void list_init(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct job_list *list, struct worker_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct worker_job *list_take(struct job_list *list)
{
    struct worker_job *job = list->first;

    if (job) {
        list->first = job->next;
        if (!list->first) {
            list->end = &list->first;
        }
    }
    return job;
}

static void list_remove(struct job_list *list, const struct worker_job *job)
{
    for (struct worker_job **at = &list->first; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            if (!*at) {
                list->end = at;
            }
            return;
        }
    }
}

/* ---- running ---- */

/* The lock is held, and let go of while the job runs. */
static void run_job(struct worker *worker, struct worker_job *job)
{
    worker->running = job;
    pthread_mutex_unlock(&worker->lock);
    const bool is_finished = job->run(job);
    pthread_mutex_lock(&worker->lock);
    worker->running = NULL;
    pthread_cond_broadcast(&worker->changed); /* worker_cancel may wait for it */
    if (!is_finished) {
        return;
    }
    list_append(&worker->finished, job);
    loop_post(worker->loop, &worker->report);
}

static void *run_in_thread(void *userdata)
{
    struct worker *worker = userdata;

    if (worker->niceness != 0) {
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), worker->niceness); /* Linux: of this thread alone */
    }
    pthread_mutex_lock(&worker->lock);
    while (!worker->is_stopping) {
        struct worker_job *job = list_take(&worker->waiting);
        if (job) {
            run_job(worker, job);
        } else {
            pthread_cond_wait(&worker->changed, &worker->lock);
        }
    }
    worker->has_ended = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static struct worker_job *take_finished(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct worker_job *job = list_take(&worker->finished);
    pthread_mutex_unlock(&worker->lock);
    return job;
}

/* One at a time, because an answer may cancel the next one. */
static void report(struct loop_work *work)
{
    struct worker *worker = CONTAINER_OF(work, struct worker, report);
    struct worker_job *job;

    while ((job = take_finished(worker))) {
        job->done(job);
    }
}

bool worker_turn(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct worker_job *job = list_take(&worker->waiting);
    if (job) {
        run_job(worker, job);
    }
    pthread_mutex_unlock(&worker->lock);
    return job != NULL;
}

/* ---- jobs ---- */

void worker_post(struct worker *worker, struct worker_job *job)
{
    pthread_mutex_lock(&worker->lock);
    list_append(&worker->waiting, job);
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

void worker_cancel(struct worker *worker, struct worker_job *job)
{
    pthread_mutex_lock(&worker->lock);
    while (worker->running == job) {
        pthread_cond_wait(&worker->changed, &worker->lock);
    }
    list_remove(&worker->waiting, job);
    list_remove(&worker->finished, job);
    pthread_mutex_unlock(&worker->lock);
}

/* ---- making and freeing ---- */

struct worker *worker_new(struct loop *loop, const char *name)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker) {
        return NULL;
    }
    worker->loop = loop;
    worker->name = name;
    worker->report.run = report;
    list_init(&worker->waiting);
    list_init(&worker->finished);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return worker;
}

void worker_free(struct worker *worker)
{
    if (!worker) {
        return;
    }
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

int worker_start(struct worker *worker, int niceness)
{
    sigset_t all;
    sigset_t before;

    worker->niceness = niceness;
    sigfillset(&all); /* the new thread inherits the mask: signals are main's */
    int r = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (r) {
        return -r;
    }
    r = pthread_create(&worker->thread, NULL, run_in_thread, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r) {
        return -r;
    }
    worker->has_thread = true;
    (void)pthread_setname_np(worker->thread, worker->name);
    return 0;
}

static struct timespec time_in_ms(int64_t ms)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

int worker_stop(struct worker *worker, int64_t timeout_ms)
{
    const struct timespec deadline = time_in_ms(timeout_ms);
    int r = 0;

    if (!worker || !worker->has_thread) {
        return 0;
    }
    pthread_mutex_lock(&worker->lock);
    worker->is_stopping = true;
    pthread_cond_broadcast(&worker->changed);
    while (r == 0 && !worker->has_ended) {
        r = pthread_cond_timedwait(&worker->changed, &worker->lock, &deadline);
    }
    const bool has_ended = worker->has_ended;
    pthread_mutex_unlock(&worker->lock);
    if (!has_ended) {
        return -r;
    }
    worker->has_thread = false;
    return -pthread_join(worker->thread, NULL);
}
