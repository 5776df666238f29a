/*
 * The pace at which one provider account may be called: a bucket of tokens, each of which comes back a little over
 * a second after it was taken, so that no second ever holds more calls than the pace. Throttling halves the pace, quiet
 * seconds raise it again by steps up to the ceiling. Who wants to call asks and is granted in turn: changes (and
 * look-ups that a change waits for) first, then the read-back with what is left. One ask per zone and kind makes
 * the turn fair between zones, and who has just called leaves the last token to the others: a zone with a backlog
 * does not make a lone change elsewhere wait. I/O thread only, but for account_pace.
 */
#ifndef DDNS53_DNS_ACCOUNT_H
#define DDNS53_DNS_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

enum account_priority { ACCOUNT_CHANGE, ACCOUNT_READ };

struct account;

/* Embedded in the asker, zeroed at first. `granted` runs on the loop, never inside account_ask, and uses up the
 * token: make the call, or hand it back with account_give_back. */
struct account_ask {
    void (*granted)(struct account_ask *ask);
    struct account_ask *next;
    bool waiting;
    enum account_priority priority;
    bool is_counted;    /* has asked for a change before */
    int64_t granted_ms; /* when it was granted last, 0: never */
};

/* requests_per_second 0: no pace (asks are granted at once). Borrows the loop, which must not turn once the account
 * is freed. NULL: no memory. */
struct account *account_new(struct loop *loop, uint32_t requests_per_second);
void account_free(struct account *account);
DEFINE_CLEANUP(struct account *, account_free)

/* Does nothing when it waits already (but a higher priority counts). */
void account_ask(struct account *account, struct account_ask *ask, enum account_priority priority);
void account_ask_cancel(struct account *account, struct account_ask *ask);
void account_give_back(struct account *account);

void account_throttled(struct account *account);
void account_set_ceiling(struct account *account, uint32_t requests_per_second);
double account_pace(const struct account *account); /* requests a second now; 0: none. Any thread */

#endif
