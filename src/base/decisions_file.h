/*
 * The files of decisions: of each family NAME.jsonl, which is appended to, and NAME.1.jsonl, the one before it. When
 * the first is full it takes the place of the second. Nothing is synced: what a crash of the machine takes is no promise.
 * Writing is for one thread; reading is for other processes, at any time.
 */
#ifndef DDNS53_BASE_DECISIONS_FILE_H
#define DDNS53_BASE_DECISIONS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define DECISIONS_FOLDER "decisions"

enum decisions_family { DECISIONS_HOSTS, DECISIONS_OTHERS };
#define DECISIONS_FAMILIES 2

/* ---- writing ---- */

struct decisions_file {
    char *folder;
    char *path;
    char *path_before; /* NAME.1.jsonl */
    size_t max_bytes;
    size_t size; /* of the file that is open */
    int fd;      /* -1: not open */
};

/* -ENOMEM; end it with decisions_file_done all the same. Touches no disk. */
int decisions_file_init(struct decisions_file *file, const char *state_dir, enum decisions_family family,
                        size_t max_bytes);
void decisions_file_done(struct decisions_file *file);
/* Whole lines, all or none of them. Makes folder and file where they are missing. Negative errno. */
int decisions_file_append(struct decisions_file *file, const char *lines, size_t length);

/* ---- reading ---- */

/* A line without its newline, borrowed. Whatever is not 0 ends the walk. */
typedef int (*decisions_line)(const char *line, size_t length, void *userdata);

/* Newest first. 0, what `each` returned, or a negative errno; files that are not there are empty. */
int decisions_read(const char *state_dir, enum decisions_family family, decisions_line each, void *userdata);

/* Lines as they come, from the end on. */
struct decisions_tail;
/* NULL: no memory. */
struct decisions_tail *decisions_tail_new(const char *state_dir, enum decisions_family family);
void decisions_tail_free(struct decisions_tail *tail);
DEFINE_CLEANUP(struct decisions_tail *, decisions_tail_free)
/* What came since the last call, oldest first; the first call looks where the end is. As decisions_read. */
int decisions_tail_read(struct decisions_tail *tail, decisions_line each, void *userdata);

#endif
