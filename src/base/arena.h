/*
 * Memory for many small things that are freed together: a document's tree. Freeing wipes it, since a tree may
 * hold secrets. The struct is in its owner's; arena_done frees what was handed out. Not thread-safe.
 */
#ifndef DDNS53_BASE_ARENA_H
#define DDNS53_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
};

#define ARENA_INIT \
    {              \
        NULL       \
    }

/* Zeroed, aligned for pointers, size_t and what is smaller. NULL: no memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* Not aligned: a copy with a NUL after it. */
char *arena_copy_text(struct arena *arena, const char *text, size_t length);
/* Wipes and forgets all that was handed out, and keeps memory for what comes next. */
void arena_reset(struct arena *arena);
void arena_done(struct arena *arena);

#endif
