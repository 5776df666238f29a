/*
 * Who gets a seat when there are not enough for all: the policy behind web/connections, without sockets, locks or
 * clocks. A seat is a connection that was accepted. It waits for a request (fresh: it has not completed one yet; kept:
 * it has) or it is busy, while its request is answered. These are the rules, in the order in which they are asked:
 *
 * 1. One address (IPv4 address or IPv6 /64) has at most per_address_max seats. One more is refused.
 * 2. A network has a share: an IPv4 /24 and an IPv6 /56 a quarter of the seats, an IPv6 /48 half, and none less than
 *    per_address_max. A newcomer past it takes the place of the seat of that network that has waited longest, fresh
 *    ones first. Without per_address_max there are no shares.
 * 3. Strangers have all seats but an eighth. Past that, a newcomer takes the place of the stranger who has waited longest
 *    in the network (/24 or /48) where the most wait. Fresh and kept seats are weighed apart, and where both weigh the
 *    same the fresh one goes, unless the fresh fill less than a quarter of the seats.
 * 4. Known visitors have logged in lately, or are proxies of ours or unix sockets, which stand for many. They count for
 *    no network, may take all seats, and displace any stranger who waits, else the known one who has waited longest.
 *    A stranger displaces one of them only while they have more than their eighth.
 *
 * By 2 and 3 nobody is displaced before ADMISSION_GRACE_MS, but by a newcomer whose network has fewer seats that wait. So
 * whoever is let in has the time for a request, a flood from few networks has no use of trying again, and one from
 * many networks loses its oldest. Where nobody may be displaced, the newcomer is refused.
 *
 * A seat that was displaced counts no more, although its connection takes a moment to close. There are at most
 * ADMISSION_LEAVING_MAX of those: the last quarter of them is for known visitors to displace, the quarter before for
 * networks with fewer seats, so that a flood cannot use up all. Every call takes constant time.
 * Not thread-safe; whose clock it is does not matter, as long as it is always the same and never goes back.
 */
#ifndef DDNS53_WEB_ADMISSION_H
#define DDNS53_WEB_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

#define ADMISSION_LEAVING_MAX 128
#define ADMISSION_GRACE_MS 2000

struct admission;
struct seat;

/* Who asks for a seat. */
struct visitor {
    struct address address; /* family NONE: a unix socket, which is exempt */
    bool is_known;          /* by rule 4 */
    bool is_exempt;         /* from rule 1, and known */
};

enum admission_rule { RULE_NONE, RULE_ADDRESS, RULE_NETWORK, RULE_TABLE };

struct decision {
    bool is_admitted;
    enum admission_rule rule; /* what refuses, or what displaces; RULE_NONE: there is room */
    struct seat *displaced;   /* who has to go before the visitor enters; NULL: nobody */
};

/* per_address_max 0: no limit. NULL: no memory. */
struct admission *admission_new(uint32_t seats_max, uint32_t per_address_max);
void admission_free(struct admission *admission); /* all seats must have been left */
DEFINE_CLEANUP(struct admission *, admission_free)

/* May that visitor enter? Changes nothing. Past several rules at once, one decision follows another: displace, and ask
 * again. */
struct decision admission_ask(const struct admission *admission, const struct visitor *who, int64_t now_ms);
/* The seat counts no more, and waits for admission_leave. */
void admission_displace(struct admission *admission, struct seat *seat);

/* Takes a fresh seat, whatever admission_ask would say. `owner` is handed back by seat_owner. NULL: no memory. */
struct seat *admission_enter(struct admission *admission, const struct visitor *who, int64_t now_ms, void *owner);
void admission_leave(struct admission *admission, struct seat *seat); /* frees it */
void *seat_owner(const struct seat *seat);

/* Its request is complete, and is answered from now on. */
void admission_busy(struct admission *admission, struct seat *seat);
/* Its answer is out: it waits for another request. Does nothing to a seat that is not busy. */
void admission_waits(struct admission *admission, struct seat *seat, int64_t now_ms);

/* Seats that count: without the displaced ones. */
size_t admission_count(const struct admission *admission);

#endif
