#include "queue/records_internal.h"

/* Unless somebody needs it. Nobody can begin to: finding it takes the same lock. */
static bool is_removable(const struct entry *entry)
{
    /* `holds` is read first: whoever drops a hold for a change has begun the change before that. */
    return atomic_load(&entry->holds) == 0 && atomic_load(&entry->changes) == 0;
}

/* `before` is the entry in front of it, NULL: it is the first. */
static void unlink_entry(struct zone_records *zone, struct entry *before, const struct entry *entry)
{
    if (before) {
        before->next_in_zone = entry->next_in_zone;
    } else {
        zone->first = entry->next_in_zone;
    }
    if (zone->last == entry) {
        zone->last = before;
    }
}

static bool remove_entry(struct records *records, struct zone_records *zone, struct entry *before, struct entry *entry)
{
    struct stripe *stripe = entry_chunk(entry)->stripe;

    pthread_mutex_lock(&stripe->lock);
    const bool is_removed = is_removable(entry);
    if (is_removed) {
        unlink_entry(zone, before, entry);
        stripe_remove(stripe, entry);
        records->count--;
    }
    pthread_mutex_unlock(&stripe->lock);
    return is_removed;
}

/* One step of the pass, with zones_lock. */
static void sweep_one(struct records *records, struct records_sweep *sweep, uint32_t generation)
{
    struct zone_records *zone = &records->zones[sweep->zone];
    struct entry *entry = sweep->after ? sweep->after->next_in_zone : zone->first;

    if (!entry) {
        sweep->zone++;
        sweep->after = NULL;
    } else if (!entry_is_configured_at(entry, generation) && remove_entry(records, zone, sweep->after, entry)) {
        sweep->removed++;
    } else {
        sweep->left += entry_is_configured_at(entry, generation) ? 0 : 1;
        sweep->after = entry;
    }
}

bool records_sweep(struct records *records, struct records_sweep *sweep, size_t count)
{
    pthread_mutex_lock(&records->zones_lock);
    const uint32_t generation = atomic_load(&records->generation);
    if (sweep->after) {
        record_release(&sweep->after->record);
    }
    /* When all are configured, there is no need to look at each. */
    for (size_t i = 0; i < count && records->count > records->configured && sweep->zone < records->zone_count; i++) {
        sweep_one(records, sweep, generation);
    }
    const bool is_over = records->count <= records->configured || sweep->zone >= records->zone_count;
    if (is_over) {
        sweep->after = NULL;
    } else if (sweep->after) {
        record_hold(&sweep->after->record);
    }
    pthread_mutex_unlock(&records->zones_lock);
    if (is_over && sweep->removed > 0) {
        atomic_store(&records->have_shrunk, true);
    }
    return !is_over;
}

void records_sweep_end(struct records_sweep *sweep)
{
    if (sweep->after) {
        record_release(&sweep->after->record);
    }
    *sweep = (struct records_sweep){0};
}

bool records_have_shrunk(struct records *records)
{
    return atomic_exchange(&records->have_shrunk, false);
}

size_t records_count(struct records *records)
{
    pthread_mutex_lock(&records->zones_lock);
    const size_t count = records->count;
    pthread_mutex_unlock(&records->zones_lock);
    return count;
}
