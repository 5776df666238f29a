/*
 * A file in pieces of whole lines, so that no more than one piece of it is in memory. A piece is wiped when the next one
 * takes its place, since the file may hold secrets. One thread.
 */
#ifndef DDNS53_BASE_FILE_LINES_H
#define DDNS53_BASE_FILE_LINES_H

#include <stddef.h>

#include "base/cleanup.h"

#ifndef FILE_LINES_PIECE_BYTES /* "make fuzz" makes it smaller */
#define FILE_LINES_PIECE_BYTES ((size_t)256 * 1024)
#endif

struct file_lines;

/* From where `fd` stands. Borrows it. NULL: no memory. */
struct file_lines *file_lines_new(int fd, size_t limit_bytes);
void file_lines_free(struct file_lines *lines);
DEFINE_CLEANUP(struct file_lines *, file_lines_free)

/* The next lines, borrowed until the next call; the last one of the file may lack its line feed. `ret_length` 0: the end.
 * -EFBIG: the file goes on past the limit; -EMSGSIZE: a line does not fit into a piece; else errno of read. */
int file_lines_next(struct file_lines *lines, const char **ret_text, size_t *ret_length);
/* What the last call of it returned; 0 before the first. */
int file_lines_status(const struct file_lines *lines);

#endif
