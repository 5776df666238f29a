/*
 * Tells the name server that zone files were written: runs a command, at most once a second. Where an argument holds
 * `{zone}` (the name without its final dot) or `{file}` (the path) it is run for each zone, otherwise for all at once.
 * A command that fails is tried again, after one second at first and a minute at last. I/O thread only, unless said
 * otherwise; the command itself runs on a worker of its own.
 */
#ifndef DDNS53_PROVIDER_ON_CHANGE_H
#define DDNS53_PROVIDER_ON_CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "io/loop.h"
#include "io/worker.h"

struct on_change;

/* Borrows loop and worker, copies the words; there is one at least, and the first is an absolute path. NULL: no memory,
 * or no descriptor. */
struct on_change *on_change_new(struct loop *loop, struct worker *worker, char *const *words, size_t word_count);
/* What runs has to have ended: stop the worker before. NULL is fine. */
void on_change_free(struct on_change *on_change);
DEFINE_CLEANUP(struct on_change *, on_change_free)

/* For struct zonefile_options; `userdata` is the struct on_change. */
void on_change_written(const char *zone, const char *path, void *userdata);

/* Runs what waits without waiting any longer, tries nothing again, and calls `done` once when all has ended, or at the
 * deadline: what still runs then is told to end. */
void on_change_drain(struct on_change *on_change, int64_t deadline_ms, void (*done)(void *userdata), void *userdata);

/* Any thread: a line for each command that fails. Returns their number. */
size_t on_change_report_trouble(struct on_change *on_change, struct buffer *buffer);

#endif
