/*
 * A thread for what may block: a disk, a program that is run. Its jobs are embedded in their owners, run on the thread
 * in the order of posting, and are answered on the loop. A worker does one job at a time, so the daemon has one for
 * each kind of work that must not wait for another kind: the store, zone files, large zone files, commands.
 * Everything but worker_post belongs to the thread that runs the loop, or to main once that thread has ended.
 * Without worker_start nothing runs by itself: a unit test calls worker_turn and decides what happens when.
 */
#ifndef DDNS53_IO_WORKER_H
#define DDNS53_IO_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "io/loop.h"

struct worker;

struct worker_job {
    /* On the worker's thread. False: the job was posted to another worker, which answers it; not to be touched. */
    bool (*run)(struct worker_job *job);
    void (*done)(struct worker_job *job); /* on the loop; it may post the job again, or free it */
    struct worker_job *next;              /* the worker's */
};

/* Borrows the loop, which must not turn once the worker is freed, and the name. NULL: no memory. */
struct worker *worker_new(struct loop *loop, const char *name);
/* After worker_stop has worked, or without a thread. Jobs that are left are dropped. */
void worker_free(struct worker *worker);
DEFINE_CLEANUP(struct worker *, worker_free)

/* Starts the thread, signals blocked. `niceness` (setpriority(2)) keeps long computing from slowing the rest; a system
 * that forbids it is not an error. */
int worker_start(struct worker *worker, int niceness);
/* Lets the job that is running end, and drops those that wait. -ETIMEDOUT: it runs still, and nothing that it may use
 * can be freed any more. */
int worker_stop(struct worker *worker, int64_t timeout_ms);

/* Any thread; never blocks for longer than a short lock. The job must not be posted already. */
void worker_post(struct worker *worker, struct worker_job *job);
/* The job is not answered any more. Waits for its end where it is running. A job that was never posted is fine. */
void worker_cancel(struct worker *worker, struct worker_job *job);

/* For tests, without a thread: runs the first job that waits. False: there is none. */
bool worker_turn(struct worker *worker);

#endif
