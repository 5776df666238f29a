#include "dns/records.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/name.h"
#include "base/table.h"

#define STRIPE_COUNT 64
#define STRIPE_SHIFT 58 /* the upper six bits of the hash */

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

    pthread_mutex_t zones_lock; /* taken before a stripe's */
    struct zone_records *zones;
    size_t zone_count;

    pthread_mutex_t touched_lock; /* taken alone */
    struct record *touched_first;
    struct record *touched_last;
};

/* ---- the table ---- */

static struct bytes key_of(const void *value)
{
    const struct record *record = value;

    return (struct bytes){record->key, 1 + strlen(record->key + 1)};
}

static struct stripe *stripe_of(const struct record *record)
{
    return &record->records->stripes[record->stripe];
}

/* A record that is borrowed const is locked all the same. */
static void lock(const struct record *record)
{
    pthread_mutex_lock(&stripe_of(record)->lock);
}

static void unlock(const struct record *record)
{
    pthread_mutex_unlock(&stripe_of(record)->lock);
}

struct records *records_new(void)
{
    _cleanup_(records_freep) struct records *records = calloc(1, sizeof(*records));

    if (!records) {
        return NULL;
    }
    atomic_store(&records->generation, 1); /* so that 0 means never */
    pthread_mutex_init(&records->zones_lock, NULL);
    pthread_mutex_init(&records->touched_lock, NULL);
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        pthread_mutex_init(&records->stripes[i].lock, NULL);
    }
    records->striping = table_new(key_of);
    if (!records->striping) {
        return NULL;
    }
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        records->stripes[i].table = table_new(key_of);
        if (!records->stripes[i].table) {
            return NULL;
        }
    }
    return TAKE_PTR(records);
}

static void stripe_done(struct stripe *stripe)
{
    size_t position = 0;

    if (stripe->table) {
        for (void *record = table_next(stripe->table, &position); record;
             record = table_next(stripe->table, &position)) {
            free(record);
        }
    }
    table_free(stripe->table);
    pthread_mutex_destroy(&stripe->lock);
}

void records_free(struct records *records)
{
    if (!records) {
        return;
    }
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        stripe_done(&records->stripes[i]);
    }
    table_free(records->striping);
    pthread_mutex_destroy(&records->zones_lock);
    pthread_mutex_destroy(&records->touched_lock);
    free(records->zones);
    free(records);
}

/* Returns the key's length; 0: the hostname is no name of ours. */
static size_t make_key(const char *hostname, enum record_type type, char ret_key[1 + NAME_SIZE])
{
    const size_t length = strnlen(hostname, NAME_SIZE);

    if (length == NAME_SIZE) {
        return 0;
    }
    ret_key[0] = (char)type;
    memcpy(ret_key + 1, hostname, length + 1);
    return 1 + length;
}

static uint8_t stripe_index(const struct records *records, const char *key, size_t length)
{
    return (uint8_t)(table_hash(records->striping, key, length) >> STRIPE_SHIFT);
}

struct record *records_find(struct records *records, const char *hostname, enum record_type type)
{
    char key[1 + NAME_SIZE];
    const size_t length = make_key(hostname, type, key);

    if (!length) {
        return NULL;
    }
    struct stripe *stripe = &records->stripes[stripe_index(records, key, length)];
    pthread_mutex_lock(&stripe->lock);
    struct record *record = table_get(stripe->table, key, length);
    pthread_mutex_unlock(&stripe->lock);
    return record;
}

/* ---- configuring ---- */

static void zone_append(struct records *records, struct record *record)
{
    struct zone_records *zone = &records->zones[atomic_load(&record->zone)];

    record->next_in_zone = NULL;
    if (zone->last) {
        zone->last->next_in_zone = record;
    } else {
        zone->first = record;
    }
    zone->last = record;
}

/* Takes the record out of a zone's list. Hosts move between zones only when the settings' zones change. */
static void zone_remove(struct records *records, struct record *record)
{
    struct zone_records *zone = &records->zones[atomic_load(&record->zone)];
    struct record *before = NULL;

    for (struct record *at = zone->first; at && at != record; at = at->next_in_zone) {
        before = at;
    }
    if (before) {
        before->next_in_zone = record->next_in_zone;
    } else {
        zone->first = record->next_in_zone;
    }
    if (zone->last == record) {
        zone->last = before;
    }
}

static int zones_reserve(struct records *records, uint32_t zone)
{
    if (zone < records->zone_count) {
        return 0;
    }
    struct zone_records *zones = reallocarray(records->zones, (size_t)zone + 1, sizeof(*zones));
    if (!zones) {
        return -ENOMEM;
    }
    memset(zones + records->zone_count, 0, ((size_t)zone + 1 - records->zone_count) * sizeof(*zones));
    records->zones = zones;
    records->zone_count = (size_t)zone + 1;
    return 0;
}

static struct record *record_new(struct records *records, const char *key, size_t length, uint32_t zone)
{
    struct record *record = calloc(1, sizeof(*record) + length + 1);

    if (!record) {
        return NULL;
    }
    record->records = records;
    record->stripe = stripe_index(records, key, length);
    memcpy(record->key, key, length + 1);
    atomic_store(&record->zone, zone);

    lock(record);
    const int r = table_put(stripe_of(record)->table, record);
    unlock(record);
    if (r < 0) {
        free(record);
        return NULL;
    }
    return record;
}

/* What was known was not kept up while nobody was asked about it. */
static void forget(struct record *record)
{
    lock(record);
    record->knowledge = RECORD_UNKNOWN;
    record->foreign = FOREIGN_NONE;
    unlock(record);
}

static bool is_configured_at(const struct record *record, uint32_t generation)
{
    return atomic_load(&record->generation) >= generation;
}

static struct record *add(struct records *records, const char *hostname, enum record_type type, uint32_t zone,
                          uint32_t generation)
{
    char key[1 + NAME_SIZE];
    const size_t length = make_key(hostname, type, key);
    struct record *record = records_find(records, hostname, type);
    const bool is_new = !record;

    if (!length || zones_reserve(records, zone) < 0) {
        return NULL;
    }
    if (is_new) {
        record = record_new(records, key, length, zone);
    }
    if (!record) {
        return NULL;
    }
    const bool has_moved = atomic_load(&record->zone) != zone;
    if (has_moved) {
        zone_remove(records, record);
        atomic_store(&record->zone, zone);
    }
    if (has_moved || !is_configured_at(record, atomic_load(&records->generation))) {
        forget(record);
        atomic_store(&record->since, generation);
    }
    if (is_new || has_moved) {
        zone_append(records, record);
    }
    atomic_store(&record->generation, generation);
    return record;
}

struct record *records_add(struct records *records, const char *hostname, enum record_type type, uint32_t zone)
{
    pthread_mutex_lock(&records->zones_lock);
    struct record *record = add(records, hostname, type, zone, atomic_load(&records->generation));
    pthread_mutex_unlock(&records->zones_lock);
    return record;
}

static int add_host(struct records *records, const struct host *host, uint32_t generation)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (!host_has_type(host, (enum record_type)type)) {
            continue;
        }
        pthread_mutex_lock(&records->zones_lock);
        const struct record *record = add(records, host->hostname, (enum record_type)type, host->zone, generation);
        pthread_mutex_unlock(&records->zones_lock);
        if (!record) {
            return -ENOMEM;
        }
    }
    return 0;
}

int records_configure(struct records *records, const struct hosts *hosts)
{
    /* Until the new generation is published, a record of either counts as configured. */
    const uint32_t generation = atomic_load(&records->generation) + 1;

    for (size_t i = 0; i < hosts_count(hosts); i++) {
        if (add_host(records, hosts_at(hosts, i), generation) < 0) {
            return -ENOMEM;
        }
    }
    atomic_store(&records->generation, generation);
    return 0;
}

void records_remember(struct records *records, const struct state_record *remembered)
{
    struct record *record = records_find(records, remembered->hostname, remembered->type);

    if (record && record_is_configured(record)) {
        record_set_last(record, &remembered->address, remembered->ttl_s);
    }
}

uint32_t records_generation(const struct records *records)
{
    return atomic_load(&records->generation);
}

/* ---- reading ---- */

void record_view(const struct record *record, struct record_view *ret_view)
{
    /* In this order: a change that ends in between makes the view look busy, never falsely fresh. */
    const bool is_busy = atomic_load(&record->changes) != 0;

    lock(record);
    *ret_view = (struct record_view){
        .knowledge = record->knowledge,
        .foreign = record->foreign,
        .address = record->address,
        .ttl_s = record->ttl_s,
        .looked_at_ms = record->looked_at_ms,
        .busy = is_busy,
        .last_set = record->last_set,
        .last_set_ttl_s = record->last_set_ttl_s,
    };
    unlock(record);
}

const char *record_hostname(const struct record *record)
{
    return record->key + 1;
}

enum record_type record_type(const struct record *record)
{
    return (enum record_type)record->key[0];
}

uint32_t record_zone(const struct record *record)
{
    return atomic_load(&record->zone);
}

uint32_t record_since(const struct record *record)
{
    return atomic_load(&record->since);
}

bool record_is_configured(const struct record *record)
{
    return is_configured_at(record, atomic_load(&record->records->generation));
}

struct record *records_next(struct records *records, uint32_t zone, const struct record *after)
{
    struct record *next = NULL;

    pthread_mutex_lock(&records->zones_lock);
    if (after) {
        next = after->next_in_zone;
    } else if (zone < records->zone_count) {
        next = records->zones[zone].first;
    }
    pthread_mutex_unlock(&records->zones_lock);
    return next;
}

size_t records_each(struct records *records, uint32_t zone, void (*each)(struct record *record, void *userdata),
                    void *userdata)
{
    size_t count = 0;

    for (struct record *record = records_next(records, zone, NULL); record;
         record = records_next(records, zone, record)) {
        if (!record_is_configured(record)) {
            continue;
        }
        count++;
        if (each) {
            each(record, userdata);
        }
    }
    return count;
}

/* ---- the I/O thread's side ---- */

bool record_begin(struct record *record)
{
    return atomic_fetch_add(&record->changes, 1) == 0;
}

bool record_end(struct record *record, uint32_t count)
{
    return count > 0 && atomic_fetch_sub(&record->changes, count) == count;
}

void record_know(struct record *record, enum record_knowledge knowledge, enum record_foreign foreign,
                 const struct address *address, uint32_t ttl_s, int64_t now_ms)
{
    lock(record);
    record->knowledge = (uint8_t)knowledge;
    record->foreign = (uint8_t)foreign;
    record->address = address ? *address : (struct address){0};
    record->ttl_s = ttl_s;
    record->looked_at_ms = now_ms;
    unlock(record);
}

void record_set_last(struct record *record, const struct address *address, uint32_t ttl_s)
{
    lock(record);
    record->last_set = *address;
    record->last_set_ttl_s = ttl_s;
    unlock(record);
}

void *record_slot(const struct record *record)
{
    return record->slot;
}

void record_set_slot(struct record *record, void *slot)
{
    record->slot = slot;
}

struct record_mark *record_mark(struct record *record)
{
    return &record->mark;
}

/* ---- touches ---- */

static void touched_append(struct records *records, struct record *record)
{
    pthread_mutex_lock(&records->touched_lock);
    record->next_touched = NULL;
    if (records->touched_last) {
        records->touched_last->next_touched = record;
    } else {
        records->touched_first = record;
    }
    records->touched_last = record;
    pthread_mutex_unlock(&records->touched_lock);
}

static bool note_touch(struct record *record, const struct address *source, int64_t now_s)
{
    lock(record);
    const bool is_listed = record->is_touched;
    if (!is_listed || now_s >= record->touched_s) { /* one that is put back must not hide a newer one */
        record->touched_from = *source;
        record->touched_s = now_s;
    }
    record->is_touched = true;
    unlock(record);
    return !is_listed;
}

void record_touch(struct record *record, const struct address *source, int64_t now_s)
{
    if (note_touch(record, source, now_s)) {
        touched_append(record->records, record);
    }
}

/* Cuts the first `count` off the list; they are the caller's until it clears their mark. */
static struct record *touched_cut(struct records *records, size_t count)
{
    pthread_mutex_lock(&records->touched_lock);
    struct record *first = records->touched_first;
    struct record *last = NULL;
    for (size_t i = 0; i < count && records->touched_first; i++) {
        last = records->touched_first;
        records->touched_first = last->next_touched;
    }
    if (last) {
        last->next_touched = NULL;
    }
    if (!records->touched_first) {
        records->touched_last = NULL;
    }
    pthread_mutex_unlock(&records->touched_lock);
    return last ? first : NULL;
}

static void take_touch(struct record *record, struct state_touch *ret_touch)
{
    lock(record);
    *ret_touch = (struct state_touch){
        .hostname = record_hostname(record),
        .type = record_type(record),
        .source = record->touched_from,
        .time_s = record->touched_s,
    };
    record->is_touched = false;
    unlock(record);
}

size_t records_take_touches(struct records *records, struct state_touch *ret_touches, size_t count)
{
    size_t taken = 0;
    struct record *record = touched_cut(records, count);

    while (record) {
        struct record *next = record->next_touched; /* once its mark is off, it may be listed anew */
        take_touch(record, &ret_touches[taken++]);
        record = next;
    }
    return taken;
}
