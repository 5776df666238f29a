/* The calls that read, and what was read. */
#include "queue/zone_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

/* Each slice takes some 0.2 ms; between them others have their turn. */
#define MEETING_RECORDS 2000
#define MEETING_SLICE_MS 1

/* ---- what was read ---- */

/* Somebody else changed what we had set: noted once, until it is right again; told at the end of the read-back. */
static void note_drift(struct zone *zone, struct record *record)
{
    bool *is_told = record_drift_told(record);
    struct record_view view;

    record_view(record, &view);
    if (!rdata_is_empty(&view.last_set) && !record_slot(record) && record_is_configured(record)) {
        const bool is_right = view.knowledge == RECORD_PLAIN && rdata_equal(&view.value, &view.last_set) &&
                              view.ttl_s == view.last_set_ttl_s;
        if (!is_right && !*is_told) {
            metric_add(zone->shared->metrics.drift, 1, zone->name, NULL, NULL);
            drift_note(&zone->drift, record);
        }
        *is_told = !is_right;
    }
    record_view_done(&view);
}

static void note_found(struct zone *zone, struct record *record, const struct provider_found *found)
{
    struct change *change = record_slot(record);
    const struct knowledge knowledge = {found->knowledge, found->foreign, &found->value, found->ttl_s};

    *record_listing(record) = zone->reader.listing;
    record_know(record, &knowledge, zone_now_ms(zone));
    note_drift(zone, record);
    if (change && change->step == STEP_LOOK) {
        zone_place(zone, change);
    } else if (change && change->step == STEP_READY && found->knowledge == RECORD_FOREIGN) {
        change_finish(change, OUTCOME_CONFLICT, found->foreign, NULL);
    }
}

static struct record *next_configured(const struct zone *zone, const struct record *after)
{
    struct record *record = records_next(zone->shared->records, zone->index, after);

    while (record && !record_is_configured(record)) {
        record = records_next(zone->shared->records, zone->index, record);
    }
    return record;
}

void zone_schedule(struct zone *zone)
{
    struct zone_shared *shared = zone->shared;
    const uint32_t period_ms = shared->reconcile_ms;

    if (zone->reader.phase != READER_IDLE) {
        return; /* it is scheduled when it ends */
    }
    if (period_ms == 0) {
        loop_timer_cancel(shared->loop, &zone->reconcile);
        return;
    }
    /* within a tenth around it, so that zones spread */
    const uint32_t spread_ms = period_ms / 5;
    const int64_t delay_ms = (int64_t)period_ms - spread_ms / 2 + shared->random(spread_ms + 1);
    (void)loop_timer_set(shared->loop, &zone->reconcile, zone_now_ms(zone) + delay_ms);
}

/* ---- records that a reload brought ---- */

static bool is_newcomer(const struct record *record)
{
    struct record_view view;

    record_view(record, &view);
    record_view_done(&view);
    return view.knowledge == RECORD_UNKNOWN && record_is_configured(record);
}

static struct record *next_newcomer(const struct zone *zone, struct record *after)
{
    struct record *record = after;

    do {
        record = records_next(zone->shared->records, zone->index, record);
    } while (record && !is_newcomer(record));
    return record;
}

void zone_meet_anew(struct zone *zone)
{
    struct meeting *meeting = &zone->meeting;

    reader_point_at(&meeting->at, NULL);
    reader_point_at(&meeting->first, NULL);
    meeting->count = 0;
}

/* Some more records of the walk; true: it is at its end. */
static bool walk(struct zone *zone)
{
    struct meeting *meeting = &zone->meeting;
    struct record *record = meeting->at ? meeting->at : records_next(zone->shared->records, zone->index, NULL);

    for (unsigned i = 0; record && i < MEETING_RECORDS; i++) {
        if (is_newcomer(record) && meeting->count++ == 0) {
            reader_point_at(&meeting->first, record);
        }
        record = records_next(zone->shared->records, zone->index, record);
    }
    reader_point_at(&meeting->at, record);
    return !record;
}

void zone_meet(struct zone *zone)
{
    struct zone_shared *shared = zone->shared;
    struct meeting *meeting = &zone->meeting;
    struct reader *reader = &zone->reader;

    if (!meeting->is_wanted || reader->phase != READER_IDLE || !reader->is_found || shared->is_draining) {
        zone_meet_anew(zone);
        return;
    }
    if (!walk(zone)) {
        (void)loop_timer_set(shared->loop, &meeting->timer, zone_now_ms(zone) + MEETING_SLICE_MS);
        return;
    }
    meeting->is_wanted = false;
    if (!reader_meet(reader, meeting->count, meeting->first)) {
        zone_read_back(zone);
    }
    zone_meet_anew(zone);
    zone_kick(zone);
}

/* ---- the end of a read-back ---- */

/* Shows after a start that keys, permissions and zone ids are right, and after trouble that it is over. */
static void announce(struct zone *zone)
{
    char records[24];
    char took[24];

    if (zone->is_announced) {
        return;
    }
    zone->is_announced = true;
    (void)snprintf(records, sizeof(records), "%zu", records_each(zone->shared->records, zone->index, NULL, NULL));
    (void)snprintf(took, sizeof(took), "%" PRId64, zone_now_ms(zone) - zone->read_began_ms);
    log_event(LOG_LEVEL_NOTICE, "zone_ready", "zone", zone->name, "records", records, "ms", took, NULL);
}

static void complete(struct zone *zone)
{
    announce(zone);
    drift_tell(&zone->drift, zone->name);
    zone->read_began_ms = zone_now_ms(zone); /* another one may follow at once */
    atomic_store(&zone->is_read, true);
    zone_schedule(zone);
    zone_meet(zone);
}

/* ---- the calls ---- */

/* True: it worked. So did a look-up that was refused, which says something about its record alone. */
static bool read_worked(struct zone *zone, const struct provider_result *result, bool may_be_refused)
{
    if (result->outcome == PROVIDER_DONE || (may_be_refused && result->outcome == PROVIDER_REFUSED)) {
        zone_call_worked(zone, &zone->read_retry, &zone->read_trouble);
        return true;
    }
    if (result->outcome == PROVIDER_NO_ZONE) {
        zone_lose(zone, result->message);
    } else {
        zone_call_failed(zone, &zone->read_retry, &zone->read_trouble, result);
    }
    return false;
}

static void prepared(const struct provider_result *result, bool more, uint64_t record_count, void *userdata)
{
    struct zone *zone = userdata;
    struct records *records = zone->shared->records;

    zone->reader.is_finding = false;
    if (zone->shared->is_stopped) {
        return;
    }
    if (result->outcome == PROVIDER_DONE && more) {
        zone_kick(zone);
        return;
    }
    if (read_worked(zone, result, false)) {
        zone_set_state(zone, ZONE_READY);
        reader_found(&zone->reader, record_count, records_each(records, zone->index, NULL, NULL),
                     next_configured(zone, NULL), records_generation(records));
        if (zone->reader.phase == READER_IDLE) {
            complete(zone);
        }
    }
    zone_kick(zone);
}

static void note_listed(struct zone *zone, struct record *record, const struct provider_found *found)
{
    if (record_zone(record) != zone->index) {
        return; /* a longer zone's, perhaps: what stands here is not what resolvers see */
    }
    if (*record_listing(record) == zone->reader.listing || change_is_sent(record_slot(record))) {
        return; /* our own change is newer */
    }
    note_found(zone, record, found);
}

static void each_listed(const struct provider_found *found, void *userdata)
{
    struct zone *zone = userdata;

    if (zone->shared->is_stopped || zone->reader.is_stale) {
        return;
    }
    struct record *record = records_find(zone->shared->records, found->hostname, found->type);
    if (record) {
        note_listed(zone, record, found);
        record_release(record);
    }
}

/* What no page had is not there, unless it became ours only after the listing had begun. */
static void note_absent(struct zone *zone)
{
    static const struct provider_found absent = {.knowledge = RECORD_ABSENT};
    struct records *records = zone->shared->records;

    for (struct record *record = records_next(records, zone->index, NULL); record;
         record = records_next(records, zone->index, record)) {
        if (*record_listing(record) != zone->reader.listing && record_since(record) <= zone->reader.generation &&
            !change_is_sent(record_slot(record))) {
            note_found(zone, record, &absent);
        }
    }
}

static void listed(const struct provider_result *result, bool more, void *userdata)
{
    struct zone *zone = userdata;
    struct reader *reader = &zone->reader;
    const bool is_stale = reader->is_stale;

    reader->is_listing = false;
    reader->is_stale = false;
    if (zone->shared->is_stopped) {
        return;
    }
    if (result->outcome == PROVIDER_DONE && is_stale) {
        zone_kick(zone);
        return;
    }
    if (result->outcome == PROVIDER_CREDENTIALS) {
        reader_refused(reader);
    }
    if (read_worked(zone, result, false) && reader_page(reader, more)) {
        note_absent(zone);
        complete(zone);
    }
    zone_kick(zone);
}

static void note_looked_up(struct zone *zone, struct record *record, const struct provider_result *result,
                           const struct provider_found *found)
{
    struct reader *reader = &zone->reader;
    struct change *change = record_slot(record);

    if (!read_worked(zone, result, true)) {
        return;
    }
    if (found && !reader->is_overtaken && !change_is_sent(change)) {
        note_found(zone, record, found);
    } else if (!found && change && change->step == STEP_LOOK) {
        change_finish(change, OUTCOME_REFUSED, FOREIGN_NONE, result->message);
    }
    if (record == reader->newcomer) {
        reader_met(reader, reader->newcomers > 1 ? next_newcomer(zone, record) : NULL);
    }
    if (reader->is_for_cursor && reader_advance(reader, next_configured(zone, record))) {
        complete(zone);
    }
}

static void looked_up(const struct provider_result *result, const struct provider_found *found, void *userdata)
{
    struct zone *zone = userdata;
    struct record *record = TAKE_PTR(zone->reader.looked_up); /* with its hold */

    zone->reader.is_looking_up = false;
    if (!zone->shared->is_stopped) {
        note_looked_up(zone, record, result, found);
        zone_kick(zone);
    }
    record_release(record);
}

static void look_up(struct zone *zone, struct record *record, bool is_for_cursor)
{
    struct reader *reader = &zone->reader;

    reader->is_looking_up = true;
    reader_point_at(&reader->looked_up, record);
    reader->is_overtaken = false;
    reader->is_for_cursor = is_for_cursor;
    zone->ops->look_up(zone->provider, record, looked_up, zone);
}

void zone_read(struct zone *zone, enum reading reading)
{
    struct reader *reader = &zone->reader;

    switch (reading) {
    case READ_NOTHING: break;
    case READ_ZONE:
        reader->is_finding = true;
        zone->ops->prepare(zone->provider, prepared, zone);
        break;
    case READ_PAGE: {
        zone_note_reading(zone);
        const bool is_first = reader_list(reader, records_generation(zone->shared->records));
        reader->is_listing = true;
        zone->ops->list_page(zone->provider, is_first, each_listed, listed, zone);
        break;
    }
    case READ_CHANGE: look_up(zone, zone_first_to_look_up(zone)->request.record, false); break;
    case READ_RECORD: look_up(zone, reader->cursor, true); break;
    case READ_NEWCOMER: look_up(zone, reader->newcomer, false); break;
    }
}
