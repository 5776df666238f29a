/*
 * A hash table from byte-string keys to pointers, for keys that strangers choose: SipHash with a random
 * key per table (libsodium's crypto_shorthash), open addressing, grows by doubling. It stores the value only;
 * the key is read back from the value through `key_of`. Owns neither. Not thread-safe.
 */
#ifndef DDNS53_BASE_TABLE_H
#define DDNS53_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/secret.h"

struct table;

/* Returns the key of a value, borrowed. */
typedef struct bytes (*table_key_of)(const void *value);

struct table *table_new(table_key_of key_of);
void table_free(struct table *table);
DEFINE_CLEANUP(struct table *, table_free)

void *table_get(const struct table *table, const void *key, size_t length); /* NULL: none */
/* 0, -EEXIST (the key is there, nothing changed) or -ENOMEM. */
int table_put(struct table *table, void *value);
void *table_remove(struct table *table, const void *key, size_t length); /* the value, or NULL */
size_t table_count(const struct table *table);
/* Walks in no order: start with *position = 0; NULL at the end. Do not change the table meanwhile. */
void *table_next(const struct table *table, size_t *position);
/* The keyed hash itself, for striping. */
uint64_t table_hash(const struct table *table, const void *key, size_t length);

#endif
