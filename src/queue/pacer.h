/*
 * The pace at which one provider account may be called: a bucket of tokens, each of which comes back a little over
 * a second after it was taken, so that no second ever holds more calls than the pace. Throttling halves the pace, quiet
 * seconds raise it again by steps up to the ceiling. Whoever wants to call asks, and is granted in turn: changes first,
 * and the look-ups that they wait for; then the read-back, with what is left. A zone has one ask of each kind, so that
 * zones take turns. A zone that has just called leaves the last token to the others: its backlog does not hold up a lone
 * change elsewhere. I/O thread only, but for pacer_rate.
 */
#ifndef DDNS53_QUEUE_PACER_H
#define DDNS53_QUEUE_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/loop.h"

enum pacer_priority { PACER_CHANGE, PACER_READ };

struct pacer;

/* Embedded in the asker, zeroed at first. `granted` runs on the loop, never inside pacer_ask, and uses up the
 * token: make the call, or hand it back with pacer_give_back. */
struct pacer_ask {
    void (*granted)(struct pacer_ask *ask);
    struct list_link link;
    bool waiting;
    enum pacer_priority priority;
    bool is_counted;    /* has asked for a change before */
    int64_t granted_ms; /* when it was granted last, 0: never */
};

/* requests_per_second 0: no pace (asks are granted at once). Borrows the loop, which must not turn once the pacer
 * is freed. NULL: no memory. */
struct pacer *pacer_new(struct loop *loop, uint32_t requests_per_second);
void pacer_free(struct pacer *pacer);
DEFINE_CLEANUP(struct pacer *, pacer_free)

/* Does nothing where it waits already, except that a higher priority takes the place of a lower one. */
void pacer_ask(struct pacer *pacer, struct pacer_ask *ask, enum pacer_priority priority);
void pacer_ask_cancel(struct pacer *pacer, struct pacer_ask *ask);
void pacer_give_back(struct pacer *pacer);

void pacer_throttled(struct pacer *pacer);
void pacer_set_ceiling(struct pacer *pacer, uint32_t requests_per_second);
double pacer_rate(const struct pacer *pacer); /* requests a second now; 0: none. Any thread */

#endif
