#include "base/names.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

/* A chunk begins at a multiple of its size, so that the address of a name tells that of its chunk. What is less than the
 * size is malloc's, so that the next one fits behind it. */
#define CHUNK_ALIGNMENT ((size_t)16384)
#define CHUNK_BYTES (CHUNK_ALIGNMENT - 64)

struct chunk {
    atomic_uint keepers; /* holds of its names, and one of the pool that fills it */
    uint32_t used;
    char texts[];
};
#define CHUNK_TEXT_BYTES (CHUNK_BYTES - sizeof(struct chunk))
_Static_assert(CHUNK_TEXT_BYTES >= NAME_SIZE, "any name fits");

struct names {
    atomic_uint references;
    struct chunk *filling; /* NULL: none yet */
};

struct names *names_new(void)
{
    struct names *names = calloc(1, sizeof(*names));

    if (names) {
        atomic_init(&names->references, 1);
    }
    return names;
}

struct names *names_ref(struct names *names)
{
    atomic_fetch_add_explicit(&names->references, 1, memory_order_relaxed);
    return names;
}

static void chunk_release(struct chunk *chunk)
{
    if (chunk && atomic_fetch_sub_explicit(&chunk->keepers, 1, memory_order_acq_rel) == 1) {
        free(chunk);
    }
}

void names_unref(struct names *names)
{
    if (names && atomic_fetch_sub_explicit(&names->references, 1, memory_order_acq_rel) == 1) {
        chunk_release(names->filling);
        free(names);
    }
}

/* NULL: no memory. */
static struct chunk *chunk_with_room(struct names *names, size_t size)
{
    void *memory = NULL;

    if (names->filling && size <= CHUNK_TEXT_BYTES - names->filling->used) {
        return names->filling;
    }
    if (posix_memalign(&memory, CHUNK_ALIGNMENT, CHUNK_BYTES) != 0) {
        return NULL;
    }
    struct chunk *chunk = memory;
    atomic_init(&chunk->keepers, 1);
    chunk->used = 0;
    chunk_release(names->filling);
    names->filling = chunk;
    return chunk;
}

const char *names_add(struct names *names, const char *text)
{
    const size_t size = strlen(text) + 1;
    struct chunk *chunk = chunk_with_room(names, size);

    if (!chunk) {
        return NULL;
    }
    char *name = chunk->texts + chunk->used;
    memcpy(name, text, size);
    chunk->used += (uint32_t)size;
    return name_hold(name);
}

static struct chunk *chunk_of(const char *name)
{
    return (struct chunk *)((uintptr_t)name & ~(uintptr_t)(CHUNK_ALIGNMENT - 1));
}

const char *name_hold(const char *name)
{
    atomic_fetch_add_explicit(&chunk_of(name)->keepers, 1, memory_order_relaxed);
    return name;
}

void name_release(const char *name)
{
    if (name) {
        chunk_release(chunk_of(name));
    }
}
