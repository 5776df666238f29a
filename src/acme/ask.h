/*
 * Asks name servers, one after another, until each of them answers with the texts that a name is to have, by UDP and where an
 * answer is cut short by TCP. I/O thread only.
 */
#ifndef DDNS53_ACME_ASK_H
#define DDNS53_ACME_ASK_H

#include "acme/question.h"
#include "base/buffer.h"
#include "io/dns_client.h"

#define ASK_SERVERS_MAX 32

/* Embedded in its owner; zeroed is inactive. */
struct ask {
    struct loop *loop;
    struct dns_exchange exchange;
    struct loop_timer timer;
    struct dns_server servers[ASK_SERVERS_MAX];
    size_t server_count;
    size_t index; /* of the one that is asked */
    uint8_t message[QUESTION_MAX];
    size_t length;
    struct rdata texts;
    int64_t deadline_ms;
    uint32_t period_ms;
    enum question_answer answer; /* the last one */
    bool has_answered;
    void (*done)(struct ask *ask, int error, const char *message);
};

/* Fill in servers and server_count before. `done` is called once and never from inside: 0, or -ETIMEDOUT when the deadline
 * (monotonic) has come, with what the server says by then; it may end the ask. Holds the texts. -ENOMEM. */
int ask_start(struct ask *ask, struct loop *loop, const struct name *name, const struct rdata *texts,
              int64_t deadline_ms, void (*done)(struct ask *ask, int error, const char *message));
/* Nothing comes any more. Inactive is fine. */
void ask_done(struct ask *ask);

#endif
