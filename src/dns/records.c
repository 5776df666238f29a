#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/name.h"
#include "dns/records_internal.h"

#define STRIPE_SHIFT 58 /* the upper six bits of the hash */

/* ---- the table ---- */

struct bytes record_key(const void *value)
{
    const struct record *record = value;

    return (struct bytes){record->key, 1 + strlen(record->key + 1)};
}

struct stripe *record_stripe(const struct record *record)
{
    return &record->records->stripes[record->stripe];
}

void record_lock(const struct record *record)
{
    pthread_mutex_lock(&record_stripe(record)->lock);
}

void record_unlock(const struct record *record)
{
    pthread_mutex_unlock(&record_stripe(record)->lock);
}

struct records *records_new(void)
{
    _cleanup_(records_freep) struct records *records = calloc(1, sizeof(*records));

    if (!records) {
        return NULL;
    }
    records->attempts = 1;
    atomic_store(&records->generation, records->attempts); /* so that 0 means never */
    pthread_mutex_init(&records->zones_lock, NULL);
    pthread_mutex_init(&records->touched_lock, NULL);
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        pthread_mutex_init(&records->stripes[i].lock, NULL);
    }
    records->striping = table_new(record_key);
    if (!records->striping) {
        return NULL;
    }
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        records->stripes[i].table = table_new(record_key);
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
    if (record) {
        record_hold(record);
    }
    pthread_mutex_unlock(&stripe->lock);
    return record;
}

void record_hold(struct record *record)
{
    atomic_fetch_add(&record->holds, 1);
}

void record_release(struct record *record)
{
    atomic_fetch_sub(&record->holds, 1);
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

    record_lock(record);
    const int r = table_put(record_stripe(record)->table, record);
    record_unlock(record);
    if (r < 0) {
        free(record);
        return NULL;
    }
    records->count++;
    return record;
}

/* What was known was not kept up while nobody was asked about it. */
static void forget(struct record *record)
{
    record_lock(record);
    record->knowledge = RECORD_UNKNOWN;
    record->foreign = FOREIGN_NONE;
    record_unlock(record);
}

bool record_is_configured_at(const struct record *record, uint32_t generation)
{
    return atomic_load(&record->generation) >= generation;
}

/* The record, not held: zones_lock keeps it from being swept. */
static struct record *find_or_make(struct records *records, const char *hostname, enum record_type type, uint32_t zone,
                                   bool *ret_is_new)
{
    char key[1 + NAME_SIZE];
    const size_t length = make_key(hostname, type, key);
    struct record *record = records_find(records, hostname, type);

    *ret_is_new = !record;
    if (record) {
        record_release(record);
        return record;
    }
    return length ? record_new(records, key, length, zone) : NULL;
}

/* With zones_lock. */
static struct record *add(struct records *records, const char *hostname, enum record_type type, uint32_t zone,
                          uint32_t generation)
{
    bool is_new;

    if (zones_reserve(records, zone) < 0) {
        return NULL;
    }
    struct record *record = find_or_make(records, hostname, type, zone, &is_new);
    if (!record) {
        return NULL;
    }
    const bool has_moved = atomic_load(&record->zone) != zone;
    if (has_moved) {
        zone_remove(records, record);
        atomic_store(&record->zone, zone);
    }
    if (has_moved || !record_is_configured_at(record, atomic_load(&records->generation))) {
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
    /* Until the new generation is published, a record of either counts as configured. One that fails half-way is never
     * published, and its number is not used again. */
    const uint32_t generation = ++records->attempts;

    for (size_t i = 0; i < hosts_count(hosts); i++) {
        if (add_host(records, hosts_at(hosts, i), generation) < 0) {
            return -ENOMEM;
        }
    }
    pthread_mutex_lock(&records->zones_lock);
    atomic_store(&records->generation, generation);
    records->configured = hosts_record_count(hosts);
    pthread_mutex_unlock(&records->zones_lock);
    return 0;
}

void records_remember(struct records *records, const struct state_record *remembered)
{
    struct record *record = records_find(records, remembered->hostname, remembered->type);

    if (!record) {
        return;
    }
    if (record_is_configured(record)) {
        record_set_last(record, &remembered->address, remembered->ttl_s);
    }
    record_release(record);
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

    record_lock(record);
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
    record_unlock(record);
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
    return record_is_configured_at(record, atomic_load(&record->records->generation));
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
    record_lock(record);
    record->knowledge = (uint8_t)knowledge;
    record->foreign = (uint8_t)foreign;
    record->address = address ? *address : (struct address){0};
    record->ttl_s = ttl_s;
    record->looked_at_ms = now_ms;
    record_unlock(record);
}

void record_set_last(struct record *record, const struct address *address, uint32_t ttl_s)
{
    record_lock(record);
    record->last_set = *address;
    record->last_set_ttl_s = ttl_s;
    record_unlock(record);
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
