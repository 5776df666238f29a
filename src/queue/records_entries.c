/* The entries of a stripe: found by name, and in chunks, whose memory goes back when none of their entries is left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/records_internal.h"

static struct entry *entry_at(const struct stripe *stripe, uint32_t number)
{
    return &stripe->chunks[number / CHUNK_ENTRIES]->entries[number % CHUNK_ENTRIES];
}

static uint32_t number_of(const struct entry *entry)
{
    const struct chunk *chunk = entry_chunk(entry);

    return chunk->index * CHUNK_ENTRIES + (uint32_t)(entry - chunk->entries);
}

static struct bytes name_of(const void *stripe, uint32_t number)
{
    const char *hostname = entry_at(stripe, number)->record.hostname;

    return (struct bytes){hostname, strlen(hostname)};
}

int stripe_init(struct stripe *stripe)
{
    pthread_mutex_init(&stripe->lock, NULL);
    stripe->by_name = hash_index_new(name_of, stripe);
    return stripe->by_name ? 0 : -ENOMEM;
}

/* ---- chunks ---- */

/* The place of one that was freed, or a new one at the end. */
static int make_room(struct stripe *stripe, uint32_t *ret_index)
{
    uint32_t index = 0;

    while (index < stripe->chunk_count && stripe->chunks[index]) {
        index++;
    }
    if (index == stripe->chunk_count) {
        struct chunk **chunks = reallocarray(stripe->chunks, (size_t)index + 1, sizeof(struct chunk *));
        if (!chunks) {
            return -ENOMEM;
        }
        stripe->chunks = chunks;
        stripe->chunks[index] = NULL;
        stripe->chunk_count++;
    }
    *ret_index = index;
    return 0;
}

static struct chunk *chunk_new(struct records *records, struct stripe *stripe)
{
    uint32_t index = 0;
    void *memory = NULL;

    if (make_room(stripe, &index) < 0 || posix_memalign(&memory, CHUNK_ALIGNMENT, CHUNK_BYTES) != 0) {
        return NULL;
    }
    struct chunk *chunk = memory;
    *chunk = (struct chunk){.records = records, .stripe = stripe, .index = index};
    stripe->chunks[index] = chunk;
    return chunk;
}

/* NULL: no memory. */
static struct chunk *chunk_with_room(struct records *records, struct stripe *stripe)
{
    for (uint32_t i = stripe->chunk_count; i-- > 0;) {
        if (stripe->chunks[i] && stripe->chunks[i]->used < CHUNK_ENTRIES) {
            return stripe->chunks[i];
        }
    }
    return chunk_new(records, stripe);
}

static struct entry *entry_new(struct chunk *chunk)
{
    struct entry *entry = chunk->free;

    if (entry) {
        chunk->free = entry->next_in_zone;
    } else {
        entry = &chunk->entries[chunk->begun++];
    }
    chunk->used++;
    memset(entry, 0, sizeof(*entry));
    return entry;
}

static void entry_free(struct entry *entry)
{
    struct chunk *chunk = entry_chunk(entry);

    entry_keep(entry, &(struct record_values){.ttl_s = 0});
    name_release(entry->record.hostname);
    entry->record.hostname = NULL;
    entry->next_in_zone = chunk->free;
    chunk->free = entry;
    if (--chunk->used == 0) {
        chunk->stripe->chunks[chunk->index] = NULL;
        free(chunk);
    }
}

void stripe_done(struct stripe *stripe)
{
    for (uint32_t i = 0; i < stripe->chunk_count; i++) {
        /* The chunk goes with its last entry. */
        for (uint32_t j = 0; stripe->chunks[i] && j < stripe->chunks[i]->begun; j++) {
            struct entry *entry = &stripe->chunks[i]->entries[j];
            if (entry->record.hostname) {
                stripe_remove(stripe, entry);
            }
        }
    }
    hash_index_free(stripe->by_name);
    free(stripe->chunks);
    pthread_mutex_destroy(&stripe->lock);
}

/* ---- names ---- */

static struct entry *next_type(const struct stripe *stripe, const struct entry *entry)
{
    return entry->next_type == 0 ? NULL : entry_at(stripe, entry->next_type - 1);
}

static struct entry *first_of_name(const struct stripe *stripe, const char *hostname)
{
    const uint32_t number = hash_index_get(stripe->by_name, hostname, strlen(hostname));

    return number == HASH_INDEX_NONE ? NULL : entry_at(stripe, number);
}

struct entry *stripe_find(const struct stripe *stripe, const char *hostname, enum record_type type)
{
    struct entry *entry = first_of_name(stripe, hostname);

    while (entry && entry->record.type != type) {
        entry = next_type(stripe, entry);
    }
    return entry;
}

/* The first one of its name. */
static int index_entry(struct stripe *stripe, const struct entry *entry)
{
    const char *hostname = entry->record.hostname;
    uint32_t number;

    return hash_index_add(stripe->by_name, hostname, strlen(hostname), number_of(entry), &number);
}

struct entry *stripe_add(struct records *records, struct stripe *stripe, const char *name, enum record_type type)
{
    struct entry *first = first_of_name(stripe, name);
    struct chunk *chunk = chunk_with_room(records, stripe);
    struct entry *entry = chunk ? entry_new(chunk) : NULL;

    if (!entry) {
        return NULL;
    }
    entry->record = (struct record){.hostname = name_hold(first ? first->record.hostname : name), .type = type};
    if (!first && index_entry(stripe, entry) < 0) {
        entry_free(entry);
        return NULL;
    }
    if (first) {
        entry->next_type = first->next_type;
        first->next_type = number_of(entry) + 1;
    }
    return entry;
}

/* Its place in the index goes to the next type of the name. That takes no memory: a slot was just freed. */
static void remove_first(struct stripe *stripe, const struct entry *entry)
{
    const char *hostname = entry->record.hostname;

    (void)hash_index_remove(stripe->by_name, hostname, strlen(hostname));
    if (entry->next_type != 0) {
        (void)index_entry(stripe, next_type(stripe, entry));
    }
}

void stripe_remove(struct stripe *stripe, struct entry *entry)
{
    struct entry *before = first_of_name(stripe, entry->record.hostname);

    if (before == entry) {
        remove_first(stripe, entry);
    } else {
        while (next_type(stripe, before) != entry) {
            before = next_type(stripe, before);
        }
        before->next_type = entry->next_type;
    }
    entry_free(entry);
}
