#include "base/table.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define SLOTS_MIN 16

/* Linear probing; a removal closes the gap behind it, so that no tombstones pile up. The hash is kept beside the
 * value, so that growing and closing gaps never hash again and a look-up seldom reads a wrong key. */
struct slot {
    uint64_t hash;
    void *value; /* NULL: free */
};

struct table {
    table_key_of key_of;
    struct slot *slots;
    size_t slot_count; /* a power of two, or 0 before the first value */
    size_t count;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
};

struct table *table_new(table_key_of key_of)
{
    struct table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return NULL;
    }
    table->key_of = key_of;
    random_bytes(table->hash_key, sizeof(table->hash_key));
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL) {
        return;
    }
    free(table->slots);
    free(table);
}

uint64_t table_hash(const struct table *table, const void *key, size_t length)
{
    unsigned char digest[crypto_shorthash_BYTES];
    uint64_t hash = 0;
    (void)crypto_shorthash(digest, key, length, table->hash_key);
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

static size_t next_slot(const struct table *table, size_t index)
{
    return (index + 1) & (table->slot_count - 1);
}

static bool slot_has_key(const struct table *table, const struct slot *slot, uint64_t hash, struct bytes key)
{
    if (slot->hash != hash) {
        return false;
    }
    struct bytes own = table->key_of(slot->value);
    return own.length == key.length && (key.length == 0 || memcmp(own.data, key.data, key.length) == 0);
}

/* The slot that holds the key, or the free one where it would go. There always is a free one. */
static size_t find_slot(const struct table *table, uint64_t hash, struct bytes key)
{
    size_t index = (size_t)hash & (table->slot_count - 1);
    while (table->slots[index].value != NULL && !slot_has_key(table, &table->slots[index], hash, key)) {
        index = next_slot(table, index);
    }
    return index;
}

void *table_get(const struct table *table, const void *key, size_t length)
{
    if (table->count == 0) {
        return NULL;
    }
    size_t index = find_slot(table, table_hash(table, key, length), (struct bytes){key, length});
    return table->slots[index].value;
}

static int grow(struct table *table)
{
    if (table->slot_count > SIZE_MAX / sizeof(struct slot) / 2) {
        return -ENOMEM;
    }
    size_t slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2;
    struct slot *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].value == NULL) {
            continue;
        }
        size_t index = (size_t)table->slots[i].hash & (slot_count - 1);
        while (slots[index].value != NULL) {
            index = (index + 1) & (slot_count - 1);
        }
        slots[index] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    return 0;
}

int table_put(struct table *table, void *value)
{
    struct bytes key = table->key_of(value);
    uint64_t hash = table_hash(table, key.data, key.length);

    if (table->count > 0 && table->slots[find_slot(table, hash, key)].value != NULL) {
        return -EEXIST;
    }
    /* At most three quarters full. */
    if (table->count >= table->slot_count / 4 * 3) {
        int r = grow(table);
        if (r < 0) {
            return r;
        }
    }
    table->slots[find_slot(table, hash, key)] = (struct slot){hash, value};
    table->count++;
    return 0;
}

/* Moves back whatever may stand nearer to where its hash points (Knuth, volume 3, section 6.4, algorithm R). */
static void close_gap(struct table *table, size_t gap)
{
    for (size_t i = next_slot(table, gap); table->slots[i].value != NULL; i = next_slot(table, i)) {
        size_t home = (size_t)table->slots[i].hash;
        size_t mask = table->slot_count - 1;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap] = (struct slot){0, NULL};
}

void *table_remove(struct table *table, const void *key, size_t length)
{
    if (table->count == 0) {
        return NULL;
    }
    size_t index = find_slot(table, table_hash(table, key, length), (struct bytes){key, length});
    void *value = table->slots[index].value;
    if (value != NULL) {
        close_gap(table, index);
        table->count--;
    }
    return value;
}

size_t table_count(const struct table *table)
{
    return table->count;
}

void *table_next(const struct table *table, size_t *position)
{
    while (*position < table->slot_count) {
        void *value = table->slots[(*position)++].value;
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}
