#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/name.h"
#include "queue/records_internal.h"

#define STRIPE_SHIFT 58 /* the upper six bits of the hash */

/* ---- the table ---- */

struct bytes entry_key(const void *value)
{
    const struct entry *entry = value;

    return (struct bytes){entry->key, 1 + strlen(entry->key + 1)};
}

struct stripe *entry_stripe(const struct entry *entry)
{
    return &entry->records->stripes[entry->stripe];
}

void entry_lock(const struct entry *entry)
{
    pthread_mutex_lock(&entry_stripe(entry)->lock);
}

void entry_unlock(const struct entry *entry)
{
    pthread_mutex_unlock(&entry_stripe(entry)->lock);
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
    records->striping = table_new(entry_key);
    if (!records->striping) {
        return NULL;
    }
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        records->stripes[i].table = table_new(entry_key);
        if (!records->stripes[i].table) {
            return NULL;
        }
    }
    return TAKE_PTR(records);
}

void entry_free(struct entry *entry)
{
    rdata_drop(&entry->value);
    rdata_drop(&entry->last_set);
    free(entry);
}

static void stripe_done(struct stripe *stripe)
{
    size_t position = 0;

    if (stripe->table) {
        for (struct entry *entry = table_next(stripe->table, &position); entry;
             entry = table_next(stripe->table, &position)) {
            entry_free(entry);
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

static struct entry *find(struct records *records, const char *hostname, enum record_type type)
{
    char key[1 + NAME_SIZE];
    const size_t length = make_key(hostname, type, key);

    if (!length) {
        return NULL;
    }
    struct stripe *stripe = &records->stripes[stripe_index(records, key, length)];
    pthread_mutex_lock(&stripe->lock);
    struct entry *entry = table_get(stripe->table, key, length);
    if (entry) {
        record_hold(&entry->record);
    }
    pthread_mutex_unlock(&stripe->lock);
    return entry;
}

static struct record *record_of(struct entry *entry)
{
    return entry ? &entry->record : NULL;
}

struct record *records_find(struct records *records, const char *hostname, enum record_type type)
{
    return record_of(find(records, hostname, type));
}

void record_hold(struct record *record)
{
    atomic_fetch_add(&entry_of(record)->holds, 1);
}

void record_release(struct record *record)
{
    atomic_fetch_sub(&entry_of(record)->holds, 1);
}

/* ---- configuring ---- */

static void zone_append(struct records *records, struct entry *entry)
{
    struct zone_records *zone = &records->zones[entry->zone];

    entry->next_in_zone = NULL;
    if (zone->last) {
        zone->last->next_in_zone = entry;
    } else {
        zone->first = entry;
    }
    zone->last = entry;
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

static struct entry *entry_new(struct records *records, const char *key, size_t length, uint32_t zone)
{
    struct entry *entry = calloc(1, sizeof(*entry) + length + 1);

    if (!entry) {
        return NULL;
    }
    entry->records = records;
    entry->stripe = stripe_index(records, key, length);
    memcpy(entry->key, key, length + 1);
    entry->record = (struct record){.hostname = entry->key + 1, .type = (enum record_type)key[0]};
    entry->zone = zone;

    entry_lock(entry);
    const int r = table_put(entry_stripe(entry)->table, entry);
    entry_unlock(entry);
    if (r < 0) {
        free(entry);
        return NULL;
    }
    records->count++;
    return entry;
}

bool entry_is_configured_at(const struct entry *entry, uint32_t generation)
{
    return atomic_load(&entry->generation) >= generation;
}

/* The record, not held: zones_lock keeps it from being swept. */
static struct entry *find_or_make(struct records *records, const char *hostname, enum record_type type, uint32_t zone,
                                  bool *ret_is_new)
{
    char key[1 + NAME_SIZE];
    const size_t length = make_key(hostname, type, key);
    struct entry *entry = find(records, hostname, type);

    *ret_is_new = !entry;
    if (entry) {
        record_release(&entry->record);
        return entry;
    }
    return length ? entry_new(records, key, length, zone) : NULL;
}

/* With zones_lock. */
static struct entry *add(struct records *records, const char *hostname, enum record_type type, uint32_t zone,
                         uint32_t generation)
{
    bool is_new;

    if (zones_reserve(records, zone) < 0) {
        return NULL;
    }
    struct entry *entry = find_or_make(records, hostname, type, zone, &is_new);
    if (!entry) {
        return NULL;
    }
    if (!entry_is_configured_at(entry, atomic_load(&records->generation))) {
        record_forget(&entry->record); /* it was not kept up while nobody was asked about it */
        atomic_store(&entry->since, generation);
    }
    if (is_new) {
        zone_append(records, entry);
    }
    atomic_store(&entry->generation, generation);
    return entry;
}

struct record *records_add(struct records *records, const char *hostname, enum record_type type, uint32_t zone)
{
    pthread_mutex_lock(&records->zones_lock);
    struct entry *entry = add(records, hostname, type, zone, atomic_load(&records->generation));
    pthread_mutex_unlock(&records->zones_lock);
    return record_of(entry);
}

static int add_host(struct records *records, const struct host *host, uint32_t generation)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (!host_has_type(host, (enum record_type)type)) {
            continue;
        }
        pthread_mutex_lock(&records->zones_lock);
        const struct entry *entry = add(records, host->hostname, (enum record_type)type, host->zone, generation);
        pthread_mutex_unlock(&records->zones_lock);
        if (!entry) {
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

void records_remember(struct records *records, const struct store_record *remembered)
{
    struct record *record = records_find(records, remembered->record.hostname, remembered->record.type);

    if (!record) {
        return;
    }
    if (record_is_configured(record)) {
        record_set_last(record, &remembered->value, remembered->ttl_s);
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
    const struct entry *entry = entry_of(record);
    /* In this order: a change that ends in between makes the view look busy, never falsely fresh. */
    const bool is_busy = atomic_load(&entry->changes) != 0;

    entry_lock(entry);
    *ret_view = (struct record_view){
        .knowledge = entry->knowledge,
        .foreign = entry->foreign,
        .value = rdata_hold(&entry->value),
        .ttl_s = entry->ttl_s,
        .looked_at_ms = entry->looked_at_ms,
        .busy = is_busy,
        .last_set = rdata_hold(&entry->last_set),
        .last_set_ttl_s = entry->last_set_ttl_s,
    };
    entry_unlock(entry);
}

void record_view_done(struct record_view *view)
{
    rdata_drop(&view->value);
    rdata_drop(&view->last_set);
}

uint32_t record_zone(const struct record *record)
{
    return entry_of(record)->zone;
}

uint32_t record_since(const struct record *record)
{
    return atomic_load(&entry_of(record)->since);
}

bool record_is_configured(const struct record *record)
{
    const struct entry *entry = entry_of(record);

    return entry_is_configured_at(entry, atomic_load(&entry->records->generation));
}

struct record *records_next(struct records *records, uint32_t zone, const struct record *after)
{
    struct entry *next = NULL;

    pthread_mutex_lock(&records->zones_lock);
    if (after) {
        next = entry_of(after)->next_in_zone;
    } else if (zone < records->zone_count) {
        next = records->zones[zone].first;
    }
    pthread_mutex_unlock(&records->zones_lock);
    return record_of(next);
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
    return atomic_fetch_add(&entry_of(record)->changes, 1) == 0;
}

bool record_end(struct record *record, uint32_t count)
{
    return count > 0 && atomic_fetch_sub(&entry_of(record)->changes, count) == count;
}

void record_know(struct record *record, const struct knowledge *knowledge, int64_t now_ms)
{
    static const struct rdata nothing;
    struct entry *entry = entry_of(record);

    entry_lock(entry);
    entry->knowledge = (uint8_t)knowledge->knowledge;
    entry->foreign = (uint8_t)knowledge->foreign;
    rdata_assign(&entry->value, knowledge->value ? knowledge->value : &nothing);
    entry->ttl_s = knowledge->ttl_s;
    entry->looked_at_ms = now_ms;
    entry_unlock(entry);
}

void record_forget(struct record *record)
{
    record_know(record, &(struct knowledge){.knowledge = RECORD_UNKNOWN}, 0);
}

void record_set_last(struct record *record, const struct rdata *value, uint32_t ttl_s)
{
    struct entry *entry = entry_of(record);

    entry_lock(entry);
    rdata_assign(&entry->last_set, value);
    entry->last_set_ttl_s = ttl_s;
    entry_unlock(entry);
}

void *record_slot(const struct record *record)
{
    return entry_of(record)->slot;
}

void record_set_slot(struct record *record, void *slot)
{
    entry_of(record)->slot = slot;
}

struct record_mark *record_mark(struct record *record)
{
    return &entry_of(record)->mark;
}
