/*
 * Writes the lines of the log for everybody: a ring in memory and a thread that empties it into a file descriptor, so
 * that a pipe that nobody reads never holds up who logs. Lines that find no room are dropped and counted, until half of
 * the ring is free again; then one line, made by `tell`, stands where they are missing. The order is kept. A line is
 * one write(2). Any thread may put.
 */
#ifndef DDNS53_BASE_LOG_WRITER_H
#define DDNS53_BASE_LOG_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define LOG_LINE_SIZE 4096 /* PIPE_BUF: a write of no more than this to a pipe is never split */

struct log_writer;

/* Writes the line that says how many are missing, newline included; returns its length. */
typedef size_t (*log_writer_tell)(uint64_t lines, char ret_line[LOG_LINE_SIZE]);

/* Borrows `fd`, which stays as it is: other processes may share it. `ring_bytes` is at least four lines' worth.
 * Negative errno: no memory, no thread. */
int log_writer_start(int fd, size_t ring_bytes, log_writer_tell tell, struct log_writer **ret_writer);

/* `line` ends with its only newline and has at most LOG_LINE_SIZE bytes. Never waits for the reader. After
 * log_writer_stop the line is written where that is possible at once. */
void log_writer_put(struct log_writer *writer, const char *line, size_t length);

/* Writes what the ring holds, for at most `max_ms`, and ends the thread. 0, or -ETIMEDOUT: some of it was not written.
 * Once only. */
int log_writer_stop(struct log_writer *writer, uint32_t max_ms);

/* After log_writer_stop, when nobody puts any more. Frees nothing where the thread hangs in a write. */
void log_writer_free(struct log_writer *writer);

/* Lines that were dropped since the start. */
uint64_t log_writer_lost(const struct log_writer *writer);

#endif
