/*
 * The nonces of signed requests, so that none is taken twice: remembered per host for as long as the request can be good
 * for, bounded per host and in all, and shut when full: what cannot be remembered is refused.
 *
 * How long that is, and how long this process runs, is told by the monotonic clock; the wall clock says only whether
 * the time that a client signed is near. So a wall clock that is set changes nothing but that:
 * - What was signed before this process began is refused, since nobody remembers its nonces. "Before" is reckoned back from
 *   now by the time that the process has run: a clock that was wrong at the start and is right now does no harm.
 * - When the clock is set back, times come again for which nonces were used and forgotten. Each host has a note of the
 *   first and the last of those, and what is signed for a time between them is refused. Only hosts that had signed for
 *   such times, whose own clocks were as wrong as ours, have one.
 *
 * Any thread.
 */
#ifndef DDNS53_UPDATE_REPLAY_H
#define DDNS53_UPDATE_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define REPLAY_SKEW_S 300   /* how far a request's time may be from ours */
#define REPLAY_WINDOW_S 600 /* twice the skew: the longest that a request can be good for */

struct replay;

enum replay_verdict {
    REPLAY_NEW,
    REPLAY_SEEN,      /* used before */
    REPLAY_STALE,     /* signed too long ago, too far ahead, before this process began, or for a time that came twice */
    REPLAY_HOST_FULL, /* too many nonces of this host are remembered */
    REPLAY_FULL,      /* too many in all */
};

/* `clock` is borrowed. `per_host` and `in_all`: how many nonces are remembered at most. NULL: no memory. */
struct replay *replay_new(const struct clock *clock, size_t per_host, size_t in_all);
void replay_free(struct replay *replay);
DEFINE_CLEANUP(struct replay *, replay_free)

/* Is the time that a client signed near enough? Asked before the signature is checked; tells nothing about a host. */
enum replay_verdict replay_check_time(const struct replay *replay, int64_t signed_s);

/* Only for a request whose signature is right, and whose time was near: remembers its nonce unless the verdict is another
 * than REPLAY_NEW. */
enum replay_verdict replay_use(struct replay *replay, const char *hostname, const char *nonce, int64_t signed_s);

#endif
