/*
 * Rows of one size by number, which never move once they are added: a table of millions that grows without a copy and
 * without much room to spare. The struct is in its owner's; rows_done wipes and frees the rows. Not thread-safe, but rows
 * may be read while others are added by who has the lock.
 */
#ifndef DDNS53_BASE_ROWS_H
#define DDNS53_BASE_ROWS_H

#include <stddef.h>

#define ROWS_PER_CHUNK 4096

struct rows {
    size_t row_size; /* sizeof one, a multiple of its alignment */
    size_t count;
    char **chunks;
    size_t chunk_count;
};

/* Adds one, zeroed; its number is the count before. NULL: no memory. */
void *rows_add(struct rows *rows);
void rows_done(struct rows *rows);

static inline void *rows_at(const struct rows *rows, size_t number)
{
    return rows->chunks[number / ROWS_PER_CHUNK] + number % ROWS_PER_CHUNK * rows->row_size;
}

#endif
