#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_MIN_BYTES 1024
#define CHUNK_MAX_BYTES ((size_t)1024 * 1024)
/* From here on a chunk is mapped, and not from the heap, where it would lie between what lives on: a reload of a
 * million hosts gives its memory back. */
#define MAPPED_MIN_BYTES ((size_t)256 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;  /* from the front: what needs alignment */
    size_t texts; /* from the back: what does not */
    alignas(void *) char bytes[];
};

/* Zeroed. */
static struct arena_chunk *chunk_new(size_t size)
{
    struct arena_chunk *chunk = NULL;
    size_t whole = sizeof(*chunk) + size;
    if (size >= MAPPED_MIN_BYTES) {
        chunk = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED) {
            return NULL;
        }
    } else {
        chunk = calloc(1, whole);
        if (chunk == NULL) {
            return NULL;
        }
    }
    chunk->size = size;
    return chunk;
}

static void chunk_free(struct arena_chunk *chunk)
{
    explicit_bzero(chunk->bytes, chunk->size);
    if (chunk->size >= MAPPED_MIN_BYTES) {
        (void)munmap(chunk, sizeof(*chunk) + chunk->size);
    } else {
        free(chunk);
    }
}

static struct arena_chunk *chunk_with_room(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->chunks;
    if (chunk != NULL && size <= chunk->size - chunk->used - chunk->texts) {
        return chunk;
    }
    /* Small for a small document, large for a large one. */
    size_t chunk_size = chunk == NULL ? CHUNK_MIN_BYTES : chunk->size * 2;
    if (chunk_size > CHUNK_MAX_BYTES) {
        chunk_size = CHUNK_MAX_BYTES;
    }
    /* What is large gets a chunk of its own, so that the room left in the current one is not lost. */
    bool own = size > chunk_size / 4;
    if (own) {
        chunk_size = size;
    }
    struct arena_chunk *fresh = chunk_new(chunk_size);
    if (fresh == NULL) {
        return NULL;
    }
    if (own && chunk != NULL) {
        fresh->next = chunk->next;
        chunk->next = fresh;
    } else {
        fresh->next = chunk;
        arena->chunks = fresh;
    }
    return fresh;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t alignment = alignof(void *);
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + alignment - 1) / alignment * alignment;
    struct arena_chunk *chunk = chunk_with_room(arena, size);
    if (chunk == NULL) {
        return NULL;
    }
    void *result = chunk->bytes + chunk->used;
    chunk->used += size;
    return result;
}

char *arena_copy_text(struct arena *arena, const char *text, size_t length)
{
    if (length > SIZE_MAX / 2) {
        return NULL;
    }
    struct arena_chunk *chunk = chunk_with_room(arena, length + 1);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->texts += length + 1;
    char *result = chunk->bytes + chunk->size - chunk->texts;
    memcpy(result, text, length);
    result[length] = '\0';
    return result;
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = arena->chunks;

    if (kept != NULL) {
        struct arena others = {kept->next};
        arena_done(&others);
        kept->next = NULL;
        explicit_bzero(kept->bytes, kept->used);
        explicit_bzero(kept->bytes + kept->size - kept->texts, kept->texts);
        kept->used = kept->texts = 0;
    }
}

void arena_done(struct arena *arena)
{
    struct arena_chunk *next = NULL;
    for (struct arena_chunk *chunk = arena->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_free(chunk);
    }
    arena->chunks = NULL;
}
