/*
 * A hash index from byte-string keys to numbers, for tables with millions of rows: as base/table, but 8 bytes a slot.
 * It stores the number and half of the hash; the key is read back from the owner's rows through `key_of`. SipHash with a
 * random key per index, since strangers choose the keys; open addressing, grows by doubling. Not thread-safe.
 */
#ifndef DDNS53_BASE_HASH_INDEX_H
#define DDNS53_BASE_HASH_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/secret.h"

struct hash_index;

#define HASH_INDEX_NONE UINT32_MAX /* no number that can be put in */

/* Returns the key of a number that was put in, borrowed. */
typedef struct bytes (*hash_index_key_of)(const void *rows, uint32_t number);

/* Borrows `rows`. NULL: no memory. */
struct hash_index *hash_index_new(hash_index_key_of key_of, const void *rows);
void hash_index_free(struct hash_index *index);
DEFINE_CLEANUP(struct hash_index *, hash_index_free)

uint32_t hash_index_get(const struct hash_index *index, const void *key, size_t length); /* HASH_INDEX_NONE: none */
/* The number that has the key: one that was there, or else `number`, which was put in and whose row has the key by the
 * next call. -ENOMEM. */
int hash_index_add(struct hash_index *index, const void *key, size_t length, uint32_t number, uint32_t *ret_number);
/* Returns the number, HASH_INDEX_NONE: there was none. */
uint32_t hash_index_remove(struct hash_index *index, const void *key, size_t length);

#endif
