/*
 * How much of the log strangers can fill. Of each kind of event, in each minute, the first lines about a source (IPv4
 * address or IPv6 /64) are written, and the first about all sources together. The others are counted, and when the
 * minute is over one line tells how many there were: one for each source that had lines, one for all other sources.
 * The memory is fixed: only a source that had a line is remembered, until the minute is over. Time is monotonic and
 * comes as an argument. Any thread, where nothing else is said.
 */
#ifndef DDNS53_BASE_LOG_LIMIT_H
#define DDNS53_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

#define LOG_LIMIT_MINUTE_MS 60000

enum log_limited {
    LOG_LIMITED_AUTH_FAILURE,
    LOG_LIMITED_REFUSED,
    LOG_LIMITED_PLAIN_HTTP,
    LOG_LIMITED_HTTP_LIBRARY,
    LOG_LIMITED_KINDS
};

/* One row a kind. */
struct log_limit_row {
    const char *event;
    int level;           /* enum log_level */
    uint32_t per_source; /* lines a minute */
    uint32_t in_all;     /* lines a minute; also how many sources are remembered */
};
extern const struct log_limit_row log_limit_rows[LOG_LIMITED_KINDS];

struct log_limit;

struct log_limit *log_limit_new(void); /* NULL: no memory */
void log_limit_free(struct log_limit *limit);
DEFINE_CLEANUP(struct log_limit *, log_limit_free)

/* Shall a line about it be written? Counts it where not. `source` NULL: not known, it counts with all sources alone.
 * Lines of a level that is off are neither written nor counted. `limit` NULL: all lines are written. */
bool log_limit_take(struct log_limit *limit, enum log_limited which, const struct address *source, int64_t now_ms);

/* Writes the sums of the minutes that are over. Call it once a second. */
void log_limit_tick(struct log_limit *limit, int64_t now_ms);
/* Writes all sums, for the end. NULL: does nothing. */
void log_limit_flush(struct log_limit *limit);

/* Lines that were counted instead of being written, since the start. */
uint64_t log_limit_suppressed(const struct log_limit *limit, enum log_limited which);

#endif
