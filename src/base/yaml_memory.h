/*
 * libyaml's allocator, replaced by one that wipes what it frees: the library's buffers, tokens and events hold the text
 * of the file, secrets included. libyaml calls its four functions by name through the dynamic linker, which finds the
 * program's first. A library that was linked with its own bound inside would go on using those: nothing breaks, for
 * ours are malloc and free underneath, but what it frees is not wiped then; yaml_memory_is_used tells. Any thread.
 */
#ifndef DDNS53_BASE_YAML_MEMORY_H
#define DDNS53_BASE_YAML_MEMORY_H

#include <stdbool.h>

/* Has libyaml asked us for memory? To be called after a parser was initialised. */
bool yaml_memory_is_used(void);

#endif
