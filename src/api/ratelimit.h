/*
 * Leaky buckets per source (IPv4 address or IPv6 /64) in a table of fixed size: when it is full, the bucket that is
 * nearest to empty makes room, so a flood of sources never takes more memory. The two that the dialects have: reads, and
 * failed logins, which api/decision.h counts. Any thread.
 */
#ifndef DDNS53_API_RATELIMIT_H
#define DDNS53_API_RATELIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "web/request.h"

struct ratelimit;

/* per_minute: the size of a bucket and what leaks out of it in a minute; 0: no limit. `sources_max` is rounded up. */
struct ratelimit *ratelimit_new(uint32_t per_minute, size_t sources_max);
void ratelimit_free(struct ratelimit *ratelimit);
DEFINE_CLEANUP(struct ratelimit *, ratelimit_free)
void ratelimit_set(struct ratelimit *ratelimit, uint32_t per_minute);

/* Counts one and says whether it still fits. `ret_retry_after_s` (may be NULL): when the next one will. */
bool ratelimit_take(struct ratelimit *ratelimit, const struct address *source, int64_t now_ms,
                    uint32_t *ret_retry_after_s);
/* Does one more fit? Counts nothing. A bucket that has overflowed stays shut until it has drained to half. */
bool ratelimit_allows(struct ratelimit *ratelimit, const struct address *source, int64_t now_ms,
                      uint32_t *ret_retry_after_s);

/* False: too many reads from the request's source in the last minute (limits.reads_per_minute). Counts this one. */
bool ratelimit_may_read(const struct request *request, uint32_t *ret_retry_after_s);
/* False: too many failed logins (limits.auth_failures_per_minute). Counts nothing. */
bool ratelimit_may_try(const struct request *request, uint32_t *ret_retry_after_s);

#endif
