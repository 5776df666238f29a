/*
 * A log that is kept: log_set_sink(log_lines_keep, &buffer) appends each line, with its end, to the struct buffer.
 */
#ifndef DDNS53_TESTS_UNIT_LOG_LINES_H
#define DDNS53_TESTS_UNIT_LOG_LINES_H

#include "base/buffer.h"
#include "base/log.h"

static inline void log_lines_keep(enum log_level level, const char *line, void *userdata)
{
    (void)level;
    buffer_append_text(userdata, line);
    buffer_append_char(userdata, '\n');
}

#endif
