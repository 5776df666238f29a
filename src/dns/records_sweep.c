#include <stdlib.h>

#include "dns/records_internal.h"

/* Takes it out of its table, unless somebody needs it. Nobody can begin to: finding it takes the same lock. */
static bool leave_table(struct record *record)
{
    const struct bytes key = record_key(record);

    record_lock(record);
    /* In this order: who lets go of a record has begun the change before. */
    const bool is_needed = atomic_load(&record->holds) != 0 || atomic_load(&record->changes) != 0 || record->is_touched;
    if (!is_needed) {
        (void)table_remove(record_stripe(record)->table, key.data, key.length);
    }
    record_unlock(record);
    return !is_needed;
}

static void unlink_after(struct zone_records *zone, struct record *before, const struct record *record)
{
    if (before) {
        before->next_in_zone = record->next_in_zone;
    } else {
        zone->first = record->next_in_zone;
    }
    if (zone->last == record) {
        zone->last = before;
    }
}

/* One step of the pass, with zones_lock. */
static void sweep_one(struct records *records, struct records_sweep *sweep, uint32_t generation)
{
    struct zone_records *zone = &records->zones[sweep->zone];
    struct record *record = sweep->after ? sweep->after->next_in_zone : zone->first;

    if (!record) {
        sweep->zone++;
        sweep->after = NULL;
    } else if (!record_is_configured_at(record, generation) && leave_table(record)) {
        unlink_after(zone, sweep->after, record);
        free(record);
        records->count--;
        sweep->removed++;
    } else {
        sweep->left += record_is_configured_at(record, generation) ? 0 : 1;
        sweep->after = record;
    }
}

bool records_sweep(struct records *records, struct records_sweep *sweep, size_t count)
{
    pthread_mutex_lock(&records->zones_lock);
    const uint32_t generation = atomic_load(&records->generation);
    if (sweep->after) {
        record_release(sweep->after);
    }
    /* When all are configured, there is no need to look at each. */
    for (size_t i = 0; i < count && records->count > records->configured && sweep->zone < records->zone_count; i++) {
        sweep_one(records, sweep, generation);
    }
    const bool is_over = records->count <= records->configured || sweep->zone >= records->zone_count;
    if (is_over) {
        sweep->after = NULL;
    } else if (sweep->after) {
        record_hold(sweep->after);
    }
    pthread_mutex_unlock(&records->zones_lock);
    if (is_over && sweep->removed > 0) {
        atomic_store(&records->have_shrunk, true);
    }
    return !is_over;
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
