#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/name.h"
#include "base/table.h"
#include "queue/records_internal.h"

#define STRIPE_SHIFT 58 /* the upper six bits of the hash */

/* ---- locks ---- */

void entry_lock(const struct entry *entry)
{
    pthread_mutex_lock(&entry_chunk(entry)->stripe->lock);
}

void entry_unlock(const struct entry *entry)
{
    pthread_mutex_unlock(&entry_chunk(entry)->stripe->lock);
}

/* ---- the table ---- */

static struct bytes no_key(const void *value)
{
    return (struct bytes){value, 0};
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
    int r = 0;
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        r |= stripe_init(&records->stripes[i]);
    }
    r |= touches_init(records);
    records->striping = table_new(no_key);
    records->names = names_new();
    return r < 0 || !records->striping || !records->names ? NULL : TAKE_PTR(records);
}

void records_free(struct records *records)
{
    if (!records) {
        return;
    }
    touches_done(records);
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        stripe_done(&records->stripes[i]);
    }
    table_free(records->striping);
    names_unref(records->names);
    pthread_mutex_destroy(&records->zones_lock);
    free(records->zones);
    free(records);
}

/* NULL: the hostname is no name of ours. */
static struct stripe *stripe_of(struct records *records, const char *hostname)
{
    const size_t length = strnlen(hostname, NAME_SIZE);

    return length == NAME_SIZE ? NULL
                               : &records->stripes[table_hash(records->striping, hostname, length) >> STRIPE_SHIFT];
}

static struct entry *find(struct records *records, const char *hostname, enum record_type type)
{
    struct stripe *stripe = stripe_of(records, hostname);

    if (!stripe) {
        return NULL;
    }
    pthread_mutex_lock(&stripe->lock);
    struct entry *entry = stripe_find(stripe, hostname, type);
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

bool entry_is_configured_at(const struct entry *entry, uint32_t generation)
{
    return atomic_load(&entry->generation) >= generation;
}

/* The record, not held: zones_lock keeps it from being swept. A new one holds the name. */
static struct entry *find_or_make(struct records *records, const char *name, enum record_type type, uint32_t zone,
                                  bool *ret_is_new)
{
    struct stripe *stripe = stripe_of(records, name);

    if (!stripe) {
        return NULL;
    }
    pthread_mutex_lock(&stripe->lock);
    struct entry *entry = stripe_find(stripe, name, type);
    *ret_is_new = !entry;
    if (!entry) {
        entry = stripe_add(records, stripe, name, type);
        if (entry) {
            entry->zone = (uint16_t)zone;
            records->count++;
        }
    }
    pthread_mutex_unlock(&stripe->lock);
    return entry;
}

/* With zones_lock. */
static struct entry *add(struct records *records, const char *name, enum record_type type, uint32_t zone,
                         uint32_t generation)
{
    bool is_new;

    if (zones_reserve(records, zone) < 0) {
        return NULL;
    }
    struct entry *entry = find_or_make(records, name, type, zone, &is_new);
    if (!entry) {
        return NULL;
    }
    if (!entry_is_configured_at(entry, atomic_load(&records->generation))) {
        record_forget(&entry->record); /* it was not kept up while nobody was asked about it */
        atomic_store(&entry->since, generation);
        records->zones[zone].since = generation;
    }
    if (is_new) {
        zone_append(records, entry);
    }
    atomic_store(&entry->generation, generation);
    return entry;
}

struct record *records_add(struct records *records, const char *hostname, enum record_type type, uint32_t zone)
{
    struct entry *entry = NULL;

    pthread_mutex_lock(&records->zones_lock);
    const char *name = strnlen(hostname, NAME_SIZE) < NAME_SIZE ? names_add(records->names, hostname) : NULL;
    if (name) {
        entry = add(records, name, type, zone, atomic_load(&records->generation));
        name_release(name);
    }
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
    const struct record_values values = entry_values(entry);
    *ret_view = (struct record_view){
        .knowledge = entry->knowledge,
        .foreign = entry->foreign,
        .value = rdata_hold(&values.value),
        .ttl_s = values.ttl_s,
        .looked_at_ms = (int64_t)entry->looked_at_s * 1000,
        .busy = is_busy,
        .last_set = rdata_hold(&values.last_set),
        .last_set_ttl_s = values.last_set_ttl_s,
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

uint32_t records_zone_since(struct records *records, uint32_t zone)
{
    pthread_mutex_lock(&records->zones_lock);
    const uint32_t since = zone < records->zone_count ? records->zones[zone].since : 0;
    const uint32_t in_force = atomic_load(&records->generation);
    pthread_mutex_unlock(&records->zones_lock);
    return since < in_force ? since : in_force;
}

bool record_is_configured(const struct record *record)
{
    const struct entry *entry = entry_of(record);

    return entry_is_configured_at(entry, atomic_load(&entry_chunk(entry)->records->generation));
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
    struct entry *entry = entry_of(record);

    entry_lock(entry);
    struct record_values values = entry_values(entry);
    values.value = knowledge->value ? *knowledge->value : (struct rdata){0};
    values.ttl_s = knowledge->ttl_s;
    entry_keep(entry, &values);
    entry->knowledge = (uint8_t)knowledge->knowledge;
    entry->foreign = (uint8_t)knowledge->foreign;
    entry->looked_at_s = (uint32_t)(now_ms / 1000);
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
    struct record_values values = entry_values(entry);
    values.last_set = *value;
    values.last_set_ttl_s = ttl_s;
    entry_keep(entry, &values);
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

uint32_t *record_listing(struct record *record)
{
    return &entry_of(record)->listing;
}

bool *record_drift_told(struct record *record)
{
    return &entry_of(record)->is_drifted;
}
