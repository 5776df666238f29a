/*
 * The TXT records by which an authority sees that names are ours: values are set through the queue, as a client's are, and
 * each is answered for once the name servers have it. Names are those of server.acme, and those whose challenge stands in
 * hosts.yaml, for other ACME clients. The values of a name stay together, for a name and its wildcard, until they are taken
 * away.
 */
#ifndef DDNS53_ACME_CHALLENGES_H
#define DDNS53_ACME_CHALLENGES_H

#include "base/cleanup.h"
#include "config/current.h"
#include "io/worker.h"
#include "queue/queue.h"

struct challenges;

/* All borrowed. */
struct challenges_means {
    struct loop *loop;
    struct worker *resolver; /* for what the machine's resolver is asked */
    struct queue *queue;
    struct records *records;
    struct current *current;
};

/* NULL: no memory. */
struct challenges *challenges_new(const struct challenges_means *means);
/* Once loop and worker have ended. NULL is fine. */
void challenges_free(struct challenges *challenges);
DEFINE_CLEANUP(struct challenges *, challenges_free)

/* On the loop, once. 0: all name servers have it; -EPERM: no name of ours; -EINVAL: no value; -EIO: it cannot be set;
 * -ETIMEDOUT: the name servers do not have it yet; -ECANCELED: it was taken away meanwhile; -ESHUTDOWN; -ENOMEM. `message`
 * says what is wrong. */
typedef void (*challenge_done)(int error, const char *message, void *userdata);
/* Any thread: adds a value to those of a name, that of the certificate without its wildcard. -ENOMEM. */
int challenges_set(struct challenges *challenges, const struct name *name, const char *value, challenge_done done,
                   void *userdata);

/* Any thread: takes the values of a name away, and tells when that has begun. -ENOMEM. */
int challenges_remove(struct challenges *challenges, const struct name *name, challenge_done done, void *userdata);

/* I/O thread: takes all values of server.acme's names away again, also those that a daemon before us has left behind. */
void challenges_clear(struct challenges *challenges);
/* I/O thread: answers what waits with -ESHUTDOWN; nothing is begun any more. */
void challenges_stop(struct challenges *challenges);

#endif
