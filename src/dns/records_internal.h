/*
 * The inside of dns/records, shared by its files, nobody else:
 *   records.c         the table, configuring, reading, what is known
 *   records_touch.c   who asked for a record last, until that is saved
 *   records_sweep.c   records that left the configuration leave memory
 */
#ifndef DDNS53_DNS_RECORDS_INTERNAL_H
#define DDNS53_DNS_RECORDS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/table.h"
#include "dns/records.h"

#define STRIPE_COUNT 64

/* Ordered so that a million of them stay small: see the assertion below. */
struct record {
    struct records *records;
    void *slot;                  /* I/O thread */
    struct record *next_in_zone; /* zones_lock */
    struct record *next_touched; /* touched_lock */
    struct record_mark mark;     /* I/O thread */
    atomic_uint changes;         /* on their way */
    atomic_uint generation;      /* the last records_configure that named it */
    atomic_uint since;
    atomic_uint zone;
    atomic_uint holds; /* raised with the stripe's lock, or by who has one */
    /* the stripe's lock is over all below but `stripe` and `key` */
    int64_t looked_at_ms;
    int64_t touched_s;
    uint32_t ttl_s;
    uint32_t last_set_ttl_s;
    struct address address;
    struct address last_set;
    struct address touched_from;
    uint8_t knowledge;
    uint8_t foreign;
    bool is_touched;
    uint8_t stripe;
    char key[]; /* one byte of type, then the hostname */
};
_Static_assert(sizeof(struct record) <= 160, "a million hosts must fit");

struct stripe {
    pthread_mutex_t lock;
    struct table *table;
};

struct zone_records {
    struct record *first;
    struct record *last;
};

struct records {
    struct stripe stripes[STRIPE_COUNT];
    struct table *striping; /* stays empty: a hash of its own, so that a stripe's table doesn't get equal bits */
    atomic_uint generation;
    uint32_t attempts; /* generations begun; only for records_configure */
    atomic_bool have_shrunk;

    pthread_mutex_t zones_lock; /* taken before a stripe's */
    struct zone_records *zones;
    size_t zone_count;
    size_t count;      /* of all records */
    size_t configured; /* at least so many of them are */

    pthread_mutex_t touched_lock; /* taken alone */
    struct record *touched_first;
    struct record *touched_last;
};

/* Of the record's stripe. A record that is borrowed const is locked all the same. */
void record_lock(const struct record *record);
void record_unlock(const struct record *record);
struct stripe *record_stripe(const struct record *record);
struct bytes record_key(const void *value); /* a record */
bool record_is_configured_at(const struct record *record, uint32_t generation);

#endif
