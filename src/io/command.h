/*
 * Runs a program and waits for its end: no shell, nothing on standard input, none of our descriptors, signals or
 * environment, a process group of its own that is killed when it takes too long. Blocks: for a worker's thread.
 */
#ifndef DDNS53_IO_COMMAND_H
#define DDNS53_IO_COMMAND_H

#include <stdint.h>

#include "base/buffer.h"

/* argv[0] is a path. 0: it ended with status 0. Else a negative errno, -EIO for a program that ran and failed, and
 * `message` says what happened, with the last line that it printed. As soon as `stop_fd` (-1: none) is readable, it has
 * at most another second. */
int command_run(char *const argv[], int64_t timeout_ms, int stop_fd, struct buffer *message);

struct command_options {
    char *const *environment; /* besides PATH, `NAME=VALUE` each, NULL at the end; NULL: nothing */
    struct buffer *output;    /* gets the end of what it prints, some kilobytes; NULL: not wanted */
    int64_t timeout_ms;
    int stop_fd;
};
/* The same with more to say. */
int command_run_with(char *const argv[], const struct command_options *options, struct buffer *message);

#endif
