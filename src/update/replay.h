/*
 * The nonces of signed requests, so that none is taken twice: remembered per host for REPLAY_WINDOW_S, bounded per
 * host and in all, and shut when full: what cannot be remembered is refused. What was signed before this process
 * began is refused as well, since nobody remembers its nonces. Any thread.
 */
#ifndef DDNS53_UPDATE_REPLAY_H
#define DDNS53_UPDATE_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define REPLAY_SKEW_S 300   /* how far a request's time may be from ours */
#define REPLAY_WINDOW_S 600 /* twice the skew: the longest that a request can be good for */

struct replay;

enum replay_verdict {
    REPLAY_NEW,
    REPLAY_SEEN,      /* used before */
    REPLAY_STALE,     /* signed too long ago, too far ahead, or before this process began */
    REPLAY_HOST_FULL, /* too many nonces of this host are remembered */
    REPLAY_FULL,      /* too many in all */
};

/* `per_host` and `in_all`: how many nonces are remembered at most. NULL: no memory. */
struct replay *replay_new(int64_t started_s, size_t per_host, size_t in_all);
void replay_free(struct replay *replay);
DEFINE_CLEANUP(struct replay *, replay_free)

/* Is the time that a client signed near enough? Asked before the signature is checked; tells nothing about a host. */
enum replay_verdict replay_check_time(const struct replay *replay, int64_t signed_s, int64_t now_s);

/* Only for a request whose signature is right: remembers its nonce unless the verdict is another than REPLAY_NEW. */
enum replay_verdict replay_use(struct replay *replay, const char *hostname, const char *nonce, int64_t now_s);

#endif
