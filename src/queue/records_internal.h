/*
 * The inside of queue/records, shared by its files, nobody else:
 *   records.c         the table, configuring, reading, what is known
 *   records_touch.c   who asked for a record last, until that is saved
 *   records_sweep.c   records that left the configuration leave memory
 */
#ifndef DDNS53_QUEUE_RECORDS_INTERNAL_H
#define DDNS53_QUEUE_RECORDS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/table.h"
#include "queue/records.h"

#define STRIPE_COUNT 64

/* A record and what is known of it. Ordered so that a million of them stay small: see the assertion below. */
struct entry {
    struct record record; /* first member; its hostname is in `key` */
    struct records *records;
    void *slot;                 /* I/O thread */
    struct entry *next_in_zone; /* zones_lock */
    struct entry *next_touched; /* touched_lock */
    struct record_mark mark;    /* I/O thread */
    atomic_uint changes;        /* on their way */
    atomic_uint generation;     /* the last records_configure that named it */
    atomic_uint since;
    uint32_t zone;     /* never another: zones need a restart */
    atomic_uint holds; /* raised with the stripe's lock, or by who has one */
    /* the stripe's lock is over all below but `stripe` and `key` */
    int64_t looked_at_ms;
    int64_t touched_s;
    struct rdata value;
    struct rdata last_set;
    uint32_t ttl_s;
    uint32_t last_set_ttl_s;
    struct address touched_from;
    uint8_t knowledge;
    uint8_t foreign;
    bool is_touched;
    uint8_t stripe;
    char key[]; /* one byte of type, then the hostname */
};
_Static_assert(sizeof(struct entry) <= 208, "a million hosts must fit");

struct stripe {
    pthread_mutex_t lock;
    struct table *table;
};

struct zone_records {
    struct entry *first;
    struct entry *last;
};

struct records {
    struct stripe stripes[STRIPE_COUNT];
    /* Stays empty. Its hash chooses the stripe, and differs from the hashes of the stripes' own tables. */
    struct table *striping;
    atomic_uint generation;
    uint32_t attempts; /* generations begun; only for records_configure */
    atomic_bool have_shrunk;

    pthread_mutex_t zones_lock; /* taken before a stripe's */
    struct zone_records *zones;
    size_t zone_count;
    size_t count;      /* of all records */
    size_t configured; /* at least so many of them are */

    pthread_mutex_t touched_lock; /* taken alone */
    struct entry *touched_first;
    struct entry *touched_last;
};

static inline struct entry *entry_of(const struct record *record)
{
    return (struct entry *)(uintptr_t)record;
}

/* Frees the entry with its values. It has left its table before. */
void entry_free(struct entry *entry);

/* The lock of the entry's stripe, also for an entry that is borrowed const. */
void entry_lock(const struct entry *entry);
void entry_unlock(const struct entry *entry);
struct stripe *entry_stripe(const struct entry *entry);
struct bytes entry_key(const void *value); /* an entry */
bool entry_is_configured_at(const struct entry *entry, uint32_t generation);

#endif
