/*
 * Which decisions are written in a minute, and how many were only counted: so many about one host, so many from one
 * source (IPv4 address or IPv6 /64), so many in all. The memory is fixed: who had no line in this minute is not
 * remembered. A lock of its own; any thread.
 */
#ifndef DDNS53_BASE_DECISIONS_LIMIT_H
#define DDNS53_BASE_DECISIONS_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/decisions.h"

#define DECISIONS_MINUTE_MS 60000

struct decisions_limits {
    uint32_t per_host;
    uint32_t per_source;
    uint32_t in_all;
    uint32_t unchanged_in_all; /* of those that changed nothing */
};

struct decisions_limit;

/* NULL: no memory. */
struct decisions_limit *decisions_limit_new(const struct decisions_limits *limits);
void decisions_limit_free(struct decisions_limit *limit);

/* Shall it be written? Counts it where not. */
bool decisions_limit_take(struct decisions_limit *limit, const struct kept_decision *decision, int64_t now_ms);

/* One host or source of which some were only counted; both NULL: all that are not remembered. */
struct decisions_left_out {
    const char *host;
    const struct address *source;
    uint64_t count;
};
/* Ends the minute where it is over, and tells each of them with the lock held. */
void decisions_limit_tick(struct decisions_limit *limit, int64_t now_ms,
                          void (*tell)(const struct decisions_left_out *left_out, void *userdata), void *userdata);

#endif
