/*
 * The program's log: one line per event to standard error, key=value, with a `<N>` syslog priority in
 * front when standard error is the journal's (JOURNAL_STREAM names it). A line is one write(2), so that
 * lines of several threads never mix. Control characters in a value are escaped, a value with a space,
 * a quote or an equals sign is quoted. A function either logs or returns an error, never both.
 * From log_start to log_stop nobody waits for the reader: a thread writes, see base/log_writer.h.
 * Never pass a secret, a token, an Authorization header or a query string.
 */
#ifndef DDNS53_BASE_LOG_H
#define DDNS53_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* Call once at start, before any thread; looks at JOURNAL_STREAM. Before it lines go out without priority. */
void log_init(enum log_level maximum);

/* The memory for lines that nobody has read yet. */
#define LOG_RING_BYTES ((size_t)1 << 20)

/* From here on lines are written by a thread of the log's own, and dropped where the reader is too slow. Once in a
 * process; before it whoever logs writes. Negative errno: as before. */
int log_start(void);
/* Writes what there is, for at most `max_ms`, and ends the thread. Later lines are written where that is possible
 * at once. Does nothing without log_start. */
void log_stop(uint32_t max_ms);
/* Lines that were dropped; `event=log_lost` tells of them too, as soon as it can. */
uint64_t log_lines_lost(void);

/* Are lines of this level written? */
bool log_is_on(enum log_level level);

/* Tests: lines go to this function instead (NULL: standard error again). `line` has no newline. */
typedef void (*log_sink)(enum log_level level, const char *line, void *userdata);
void log_set_sink(log_sink sink, void *userdata);

/* A sentence: `event=EVENT message="..."`. */
void log_message(enum log_level level, const char *event, const char *format, ...) _printf_(3, 4);

#define log_error(event, ...) log_message(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) log_message(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_notice(event, ...) log_message(LOG_LEVEL_NOTICE, event, __VA_ARGS__)
#define log_info(event, ...) log_message(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_message(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

/* Pairs in order: log_event(level, "listening", "address", text, "tls", "yes", NULL). A pair whose value is
 * NULL is left out. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

#endif
