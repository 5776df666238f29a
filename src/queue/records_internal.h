/*
 * The inside of queue/records, shared by its files, nobody else:
 *   records.c         configuring, reading, what is known
 *   records_entries.c the table: entries by name, and their memory
 *   records_values.c  what a record holds, in few bytes
 *   records_touch.c   who asked for a record last, until that is saved
 *   records_sweep.c   records that left the configuration leave memory
 */
#ifndef DDNS53_QUEUE_RECORDS_INTERNAL_H
#define DDNS53_QUEUE_RECORDS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash_index.h"
#include "base/list.h"
#include "base/names.h"
#include "base/table.h"
#include "queue/records.h"

#define STRIPE_COUNT 64

/* What DNS holds, as far as we know, and what we last set; either may be nothing. */
struct record_values {
    struct rdata value;
    struct rdata last_set;
    uint32_t ttl_s;
    uint32_t last_set_ttl_s;
};

/* Both are the same nearly always, or only one is known: then one of them is kept in the entry. */
enum kept { KEPT_NOTHING, KEPT_VALUE, KEPT_LAST_SET, KEPT_SAME, KEPT_APART };

/* Who asked for a record last, until that is saved. Few records have one at a time, so they lie apart. */
struct touch {
    struct list_link link; /* in records->touched */
    struct record *record; /* held; the key in the table of touches */
    struct address from;
    int64_t time_s;
};

/* A record and what is known of it. Ordered so that a million of them stay small: see the assertion below. */
struct entry {
    struct record record;       /* first member; holds its hostname, see base/names.h */
    void *slot;                 /* I/O thread */
    struct entry *next_in_zone; /* zones_lock; of a free entry: the next free one, the stripe's lock */
    uint32_t listing;           /* I/O thread */
    atomic_uint changes;        /* on their way */
    atomic_uint generation;     /* the last records_configure that named it */
    atomic_uint since;
    atomic_uint holds; /* raised with the stripe's lock, or by who has one */
    uint16_t zone;     /* never another: zones need a restart */
    bool is_drifted;   /* I/O thread */
    /* the stripe's lock is over all below */
    uint8_t knowledge;
    uint8_t foreign;
    uint8_t kept;         /* enum kept */
    uint8_t family;       /* enum address_family of what is kept; NONE: texts */
    uint32_t next_type;   /* number and 1 of the next entry with that name; 0: none */
    uint32_t ttl_s;       /* of what is kept here */
    uint32_t looked_at_s; /* monotonic */
    union {
        uint8_t address[16];
        struct texts *texts;          /* held */
        struct record_values *values; /* KEPT_APART: owned, and holds them */
    } held;
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct entry) == 88, "a million hosts must fit");

/* Entries lie in chunks, which know what an entry need not: a chunk begins at a multiple of its size, so that the address
 * of an entry tells that of its chunk. What is less than the size is malloc's, so that the next one fits behind it. */
#define CHUNK_ALIGNMENT ((size_t)65536)
#define CHUNK_BYTES (CHUNK_ALIGNMENT - 128)

struct chunk {
    struct records *records;
    struct stripe *stripe;
    struct entry *free; /* those that are free again */
    uint32_t index;     /* of the stripe's chunks */
    uint32_t used;
    uint32_t begun; /* from here on none was used yet */
    struct entry entries[];
};
#define CHUNK_ENTRIES ((uint32_t)((CHUNK_BYTES - sizeof(struct chunk)) / sizeof(struct entry)))

/* The lock is over all else. */
struct stripe {
    pthread_mutex_t lock;
    struct hash_index *by_name; /* -> the first entry of the name */
    struct chunk **chunks;      /* NULL: freed */
    uint32_t chunk_count;
};

struct zone_records {
    struct entry *first;
    struct entry *last;
    uint32_t since; /* the greatest of its entries */
};

struct records {
    struct stripe stripes[STRIPE_COUNT];
    /* Stays empty. Its hash chooses the stripe, and differs from the hashes of the stripes' own indexes. */
    struct table *striping;
    atomic_uint generation;
    uint32_t attempts; /* generations begun; only for records_configure */
    atomic_bool have_shrunk;

    pthread_mutex_t zones_lock; /* taken before a stripe's */
    struct zone_records *zones;
    size_t zone_count;
    struct names *names; /* those that came from nowhere else */
    size_t count;        /* of all records */
    size_t configured;   /* at least so many of them are */

    pthread_mutex_t touched_lock; /* taken alone; over all below */
    struct table *touches;        /* by record */
    struct list touched;          /* the oldest first */
};

static inline struct entry *entry_of(const struct record *record)
{
    return (struct entry *)(uintptr_t)record;
}

static inline struct chunk *entry_chunk(const struct entry *entry)
{
    return (struct chunk *)((uintptr_t)entry & ~(uintptr_t)(CHUNK_ALIGNMENT - 1));
}

/* The lock of the entry's stripe, also for an entry that is borrowed const. */
void entry_lock(const struct entry *entry);
void entry_unlock(const struct entry *entry);
bool entry_is_configured_at(const struct entry *entry, uint32_t generation);

/* records_values.c; with the stripe's lock. Borrowed. */
struct record_values entry_values(const struct entry *entry);
/* Lets go of what was kept, and holds these. Without memory for two that differ, what we last set is forgotten. */
void entry_keep(struct entry *entry, const struct record_values *values);

/* records_touch.c */
int touches_init(struct records *records);
void touches_done(struct records *records);

/* records_entries.c; with the stripe's lock. */
int stripe_init(struct stripe *stripe);
void stripe_done(struct stripe *stripe);
/* NULL: none. */
struct entry *stripe_find(const struct stripe *stripe, const char *hostname, enum record_type type);
/* One that is not there yet. Holds the name, which is one of base/names.h. NULL: no memory. */
struct entry *stripe_add(struct records *records, struct stripe *stripe, const char *name, enum record_type type);
/* Frees it with what it holds. */
void stripe_remove(struct stripe *stripe, struct entry *entry);

#endif
