/*
 * What is wrong with a file, collected so that all is told in one go. Errors and warnings are kept apart; a line
 * says where, what is wrong and what to do. Text from the file is escaped. Not thread-safe.
 */
#ifndef DDNS53_BASE_PROBLEMS_H
#define DDNS53_BASE_PROBLEMS_H

#include <stddef.h>

#include "base/cleanup.h"

struct problems;

struct problems *problems_new(const char *file); /* copies the name; NULL: no memory */
/* An empty one, of the same file. */
struct problems *problems_like(const struct problems *problems);
void problems_free(struct problems *problems);
DEFINE_CLEANUP(struct problems *, problems_free)

/* `FILE:LINE:COLUMN: message`; line 0 leaves the position out. They are told in the order of the file; the first 100 are kept, the rest is counted. */
void problems_add(struct problems *problems, unsigned line, unsigned column, const char *format, ...) _printf_(4, 5);
void problems_warn(struct problems *problems, unsigned line, unsigned column, const char *format, ...) _printf_(4, 5);

/* Adds what is in `from` and empties it. Both are of the same file. */
void problems_move(struct problems *problems, struct problems *from);

size_t problems_count(const struct problems *problems); /* errors, those not kept included */
size_t problems_warning_count(const struct problems *problems);

/* One line, borrowed; NULL past the end. After the 100th comes one that says how many more there are. */
const char *problems_text(const struct problems *problems, size_t index);
const char *problems_warning_text(const struct problems *problems, size_t index);

#endif
