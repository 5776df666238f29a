/*
 * A growing byte string, always terminated by a NUL that does not count. The struct is on the caller's
 * stack or in its struct; buffer_done frees what it holds. Appending never fails half-way: when memory
 * runs out the buffer is marked failed, keeps what it had, and ignores
 * further appends; look once at the end with buffer_status. Not thread-safe.
 */
#ifndef DDNS53_BASE_BUFFER_H
#define DDNS53_BASE_BUFFER_H

#include <stddef.h>

#include "base/cleanup.h"

struct buffer {
    char *data;      /* NULL while empty; use buffer_text for a string */
    size_t length;   /* bytes, without the NUL */
    size_t capacity; /* bytes allocated */
    int error;       /* 0, or why it failed: see buffer_status */
};

#define BUFFER_INIT   \
    {                 \
        NULL, 0, 0, 0 \
    }

void buffer_done(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* empties, keeps the memory, forgives a failure */

/* As buffer_done, for what held a secret: overwritten before it is freed. */
void buffer_wipe(struct buffer *buffer);
/* Makes room for `length` more bytes in one go, so that no copies of a secret are left behind by growing. */
void buffer_reserve(struct buffer *buffer, size_t length);

void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...) _printf_(2, 3);

/* The content as a string, "" while empty. Borrowed, good until the next change. */
const char *buffer_text(const struct buffer *buffer);

/* 0 or -ENOMEM. */
int buffer_status(const struct buffer *buffer);

/* Returns the content as an owned string and empties the buffer; NULL when it failed. */
char *buffer_take(struct buffer *buffer);

#define _cleanup_buffer_ _cleanup_(buffer_done)

#endif
