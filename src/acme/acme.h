/*
 * The certificate that the daemon obtains and renews by itself: looks at the one that is there, has the client (uacme.h)
 * obtain another when it is due. Whoever serves it looks at its files. One try at a time, on a worker; what the settings say counts
 * from try to try. Challenges of the client come back to us by its hook: see challenges.h.
 */
#ifndef DDNS53_ACME_ACME_H
#define DDNS53_ACME_ACME_H

#include "acme/challenges.h"
#include "base/metrics.h"

struct acme;

/* All borrowed. */
struct acme_means {
    struct loop *loop;
    struct worker *worker; /* for the client, which takes minutes */
    struct challenges *challenges;
    struct current *current;
    struct metrics *metrics;
    const char *hook; /* our hook program, absolute */
    const char *(*environment)(const char *name);
};

/* NULL: no memory, or no descriptor. */
struct acme *acme_new(const struct acme_means *means);
/* Once loop and worker have ended. NULL is fine. */
void acme_free(struct acme *acme);
DEFINE_CLEANUP(struct acme *, acme_free)

/* I/O thread: begins, looks again after a reload, and answers what waits at the end. */
void acme_start(struct acme *acme);
void acme_reload(struct acme *acme);
void acme_drain(struct acme *acme);
/* Any thread: a client that runs is to end at once. */
void acme_stop(struct acme *acme);

/* On the loop, once. 0; -ENOENT: server.acme is off; -EAGAIN: not yet, the authority limits us; -EIO: it failed;
 * -ESHUTDOWN. `message` says what there is or what is wrong. */
typedef void (*acme_done)(int error, const char *message, void *userdata);
/* Any thread, for an operator: obtains a certificate now, whatever is there. -ENOMEM. */
int acme_renew(struct acme *acme, acme_done done, void *userdata);
/* The same from another authority, NULL: the staging one of Let's Encrypt, into a folder where nobody looks. */
int acme_test(struct acme *acme, const char *directory, acme_done done, void *userdata);

/* At one moment. */
struct acme_view {
    bool is_on;
    bool is_running;   /* a client is at work */
    int64_t next_s;    /* Unix time of the next look that may lead to a try; 0: not known yet */
    uint32_t failures; /* in a row */
    char *message;     /* why the last try failed, NULL: it did not; owned */
};
/* Any thread. End it by acme_view_done. */
void acme_view(struct acme *acme, struct acme_view *ret_view);
void acme_view_done(struct acme_view *view);

#endif
