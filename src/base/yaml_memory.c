#include "base/yaml_memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* As in libyaml's yaml_private.h, which is not installed; its yaml_char_t is an unsigned char. */
void *yaml_malloc(size_t size);
void *yaml_realloc(void *block, size_t size);
void yaml_free(void *block);
unsigned char *yaml_strdup(const unsigned char *text);

static atomic_bool is_used;

bool yaml_memory_is_used(void)
{
    return atomic_load(&is_used);
}

void *yaml_malloc(size_t size)
{
    atomic_store_explicit(&is_used, true, memory_order_relaxed);
    return malloc(size ? size : 1);
}

void yaml_free(void *block)
{
    if (!block) {
        return;
    }
    explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

/* realloc would leave the old block as it was. */
void *yaml_realloc(void *block, size_t size)
{
    void *grown = yaml_malloc(size);
    size_t old_size = block ? malloc_usable_size(block) : 0;

    if (!grown) {
        return NULL;
    }
    if (old_size > 0) {
        memcpy(grown, block, old_size < size ? old_size : size);
    }
    yaml_free(block);
    return grown;
}

unsigned char *yaml_strdup(const unsigned char *text)
{
    return text ? (unsigned char *)strdup((const char *)text) : NULL;
}
