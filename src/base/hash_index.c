#include "base/hash_index.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define SLOTS_MIN 16

/* The half of the hash tells where a slot belongs and what it cannot be, so that growing and closing gaps read no key,
 * and a look-up seldom a wrong one. */
struct slot {
    uint32_t hash;
    uint32_t next_number; /* the number and 1; 0: free */
};
_Static_assert(sizeof(struct slot) == 8, "small slots are what it is for");

struct hash_index {
    hash_index_key_of key_of;
    const void *rows;
    struct slot *slots;
    size_t slot_count; /* a power of two, or 0 before the first number */
    size_t count;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
};

struct hash_index *hash_index_new(hash_index_key_of key_of, const void *rows)
{
    struct hash_index *index = calloc(1, sizeof(*index));

    if (index) {
        index->key_of = key_of;
        index->rows = rows;
        random_bytes(index->hash_key, sizeof(index->hash_key));
    }
    return index;
}

void hash_index_free(struct hash_index *index)
{
    if (index) {
        free(index->slots);
        free(index);
    }
}

static uint32_t hash_of(const struct hash_index *index, struct bytes key)
{
    unsigned char digest[crypto_shorthash_BYTES];
    uint32_t hash = 0;

    (void)crypto_shorthash(digest, key.data, key.length, index->hash_key);
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

static bool has_key(const struct hash_index *index, const struct slot *slot, uint32_t hash, struct bytes key)
{
    if (slot->hash != hash) {
        return false;
    }
    const struct bytes own = index->key_of(index->rows, slot->next_number - 1);
    return own.length == key.length && (key.length == 0 || memcmp(own.data, key.data, key.length) == 0);
}

/* The slot that holds the key, or the free one where it would go. There always is a free one. */
static struct slot *find_slot(const struct hash_index *index, uint32_t hash, struct bytes key)
{
    size_t at = hash & (index->slot_count - 1);

    while (index->slots[at].next_number != 0 && !has_key(index, &index->slots[at], hash, key)) {
        at = (at + 1) & (index->slot_count - 1);
    }
    return &index->slots[at];
}

uint32_t hash_index_get(const struct hash_index *index, const void *key, size_t length)
{
    const struct bytes bytes = {key, length};

    /* A free slot's number is 0 less 1, which is HASH_INDEX_NONE. */
    return index->count == 0 ? HASH_INDEX_NONE : find_slot(index, hash_of(index, bytes), bytes)->next_number - 1;
}

static int grow(struct hash_index *index)
{
    const size_t count = index->slot_count == 0 ? SLOTS_MIN : index->slot_count * 2;
    struct slot *slots = calloc(count, sizeof(*slots));

    if (!slots) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < index->slot_count; i++) {
        size_t at = index->slots[i].hash & (count - 1);
        if (index->slots[i].next_number == 0) {
            continue;
        }
        while (slots[at].next_number != 0) {
            at = (at + 1) & (count - 1);
        }
        slots[at] = index->slots[i];
    }
    free(index->slots);
    index->slots = slots;
    index->slot_count = count;
    return 0;
}

int hash_index_add(struct hash_index *index, const void *key, size_t length, uint32_t number, uint32_t *ret_number)
{
    const struct bytes bytes = {key, length};
    const uint32_t hash = hash_of(index, bytes);

    /* At most three quarters full. */
    if (index->count >= index->slot_count / 4 * 3) {
        const int r = grow(index);
        if (r < 0) {
            return r;
        }
    }
    struct slot *slot = find_slot(index, hash, bytes);
    if (slot->next_number == 0) {
        *slot = (struct slot){hash, number + 1};
        index->count++;
    }
    *ret_number = slot->next_number - 1;
    return 0;
}

/* Moves back whatever may stand nearer to where its hash points (Knuth, volume 3, section 6.4, algorithm R). */
static void close_gap(struct hash_index *index, size_t gap)
{
    const size_t mask = index->slot_count - 1;

    for (size_t i = (gap + 1) & mask; index->slots[i].next_number != 0; i = (i + 1) & mask) {
        const size_t home = index->slots[i].hash;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            index->slots[gap] = index->slots[i];
            gap = i;
        }
    }
    index->slots[gap] = (struct slot){0, 0};
}

uint32_t hash_index_remove(struct hash_index *index, const void *key, size_t length)
{
    const struct bytes bytes = {key, length};

    if (index->count == 0) {
        return HASH_INDEX_NONE;
    }
    const struct slot *slot = find_slot(index, hash_of(index, bytes), bytes);
    const uint32_t number = slot->next_number - 1;
    if (number != HASH_INDEX_NONE) {
        close_gap(index, (size_t)(slot - index->slots));
        index->count--;
    }
    return number;
}
