/*
 * The certificate while the daemon runs: obtained and renewed by ACME where that is on (acme/acme.h), and loaded again within
 * seconds when its files change, whoever has written them.
 */
#ifndef DDNS53_DAEMON_CERTIFICATE_H
#define DDNS53_DAEMON_CERTIFICATE_H

#include "acme/acme.h"
#include "web/tls.h"

struct certificate {
    struct current *current;
    struct tls *tls;
    struct loop *loop;
    struct worker *client; /* runs the ACME client, for minutes */
    struct worker *files;  /* looks at the files, and asks the resolver */
    struct worker_job look;
    struct loop_timer timer;
    char *hook;
    struct challenges *challenges;
    struct acme *acme;
};

/* All borrowed. */
struct certificate_means {
    struct loop *loop;
    struct queue *queue;
    struct records *records;
    struct current *current;
    struct metrics *metrics;
    struct tls *tls;
    const char *(*environment)(const char *name);
};

/* NULL: no memory. */
struct certificate *certificate_new(const struct certificate_means *means);
/* Once the queue is freed and before the loop is. NULL is fine. */
void certificate_free(struct certificate *certificate);
DEFINE_CLEANUP(struct certificate *, certificate_free)

/* Its threads. stop: -ETIMEDOUT: one hangs. NULL is fine there. */
int certificate_start(struct certificate *certificate);
int certificate_stop(struct certificate *certificate, int64_t timeout_ms);

/* I/O thread. */
void certificate_begin(struct certificate *certificate);
void certificate_reload(struct certificate *certificate);
void certificate_drain(struct certificate *certificate);
/* Any thread: a client that runs is to end at once. */
void certificate_hurry(struct certificate *certificate);

/* Any thread: lines for /healthz. Returns their number. */
size_t certificate_report_trouble(const struct certificate *certificate, int64_t now_s, struct buffer *buffer);

#endif
