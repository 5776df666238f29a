#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "dns/changes_internal.h"

/* ---- what was found ---- */

/* Somebody else changed what we had set: told once, until it is right again. */
static void note_drift(struct zone *zone, struct record *record)
{
    struct record_mark *mark = record_mark(record);
    struct record_view view;

    record_view(record, &view);
    if (view.last_set.family == ADDRESS_NONE || record_slot(record) || !record_is_configured(record)) {
        return;
    }
    const bool is_right = view.knowledge == RECORD_PLAIN && address_equal(&view.address, &view.last_set) &&
                          view.ttl_s == view.last_set_ttl_s;
    if (!is_right && !mark->is_drifted) {
        metric_add(zone->changes->families.drift, 1, zone->name, NULL, NULL);
        log_event(LOG_LEVEL_WARNING, "drift", "host", record_hostname(record), "type",
                  record_type_text(record_type(record)), NULL);
    }
    mark->is_drifted = !is_right;
}

static void learn(struct zone *zone, struct record *record, const struct provider_found *found)
{
    struct change *change = record_slot(record);

    record_know(record, found->knowledge, found->foreign, &found->address, found->ttl_s,
                loop_now_ms(zone->changes->loop));
    note_drift(zone, record);
    if (change && change->step == STEP_LOOK) {
        change_place(change);
    } else if (change && change->step == STEP_READY && found->knowledge == RECORD_FOREIGN) {
        change_finish(change, CHANGE_CONFLICT, found->foreign, NULL);
    }
}

void readback_accepted(struct zone *zone, struct record *record)
{
    record_mark(record)->listing = zone->readback.listing;
    if (zone->readback.looked_up == record) {
        zone->readback.is_overtaken = true;
    }
}

/* ---- which call is next ---- */

static uint64_t pages_in_all(const struct zone *zone)
{
    const uint64_t count = zone->readback.record_count;
    const uint64_t page = zone->ops->page_records;

    return count == 0 || page == 0 ? 1 : (count + page - 1) / page;
}

static uint64_t pages_left(const struct zone *zone)
{
    const uint64_t all = pages_in_all(zone);

    if (zone->readback.step != READBACK_LIST) {
        return all;
    }
    return all > zone->readback.pages_done ? all - zone->readback.pages_done : 1;
}

/* The oldest change that a look-up would help. One whose record is in a call will know by that. */
static struct change *first_to_look_up(const struct zone *zone)
{
    struct change *change = zone->looking.first;

    while (change && change_is_sent(change)) {
        change = change->next;
    }
    return change;
}

enum learning readback_for_changes(const struct zone *zone)
{
    const struct readback *readback = &zone->readback;

    if (zone->learn_backoff.is_waiting) {
        return LEARN_NOTHING;
    }
    if (!readback->is_prepared) {
        return !readback->is_preparing && (zone->is_gone || zone->all_first) ? LEARN_PREPARE : LEARN_NOTHING;
    }
    if (zone->looking.count > pages_left(zone)) {
        return readback->is_listing ? LEARN_NOTHING : LEARN_PAGE;
    }
    return !readback->is_looking_up && first_to_look_up(zone) ? LEARN_CHANGE : LEARN_NOTHING;
}

enum learning readback_for_itself(const struct zone *zone)
{
    const struct readback *readback = &zone->readback;

    if (zone->learn_backoff.is_waiting || zone->is_gone || zone->changes->is_draining) {
        return LEARN_NOTHING;
    }
    switch (readback->step) {
    case READBACK_IDLE: break;
    case READBACK_PREPARE: return readback->is_preparing ? LEARN_NOTHING : LEARN_PREPARE;
    case READBACK_LIST: return readback->is_listing ? LEARN_NOTHING : LEARN_PAGE;
    case READBACK_SINGLES: return readback->is_looking_up ? LEARN_NOTHING : LEARN_SINGLE;
    }
    return LEARN_NOTHING;
}

/* ---- beginning and ending ---- */

void readback_schedule(struct zone *zone)
{
    struct changes *changes = zone->changes;
    const uint32_t period_ms = changes->options.reconcile_ms;

    if (period_ms == 0) {
        loop_timer_cancel(changes->loop, &zone->readback.timer);
        return;
    }
    /* within a tenth around it, so that zones spread */
    const uint32_t spread_ms = period_ms / 5;
    const int64_t delay_ms = (int64_t)period_ms - spread_ms / 2 + changes->random(spread_ms + 1);
    (void)loop_timer_set(changes->loop, &zone->readback.timer, loop_now_ms(changes->loop) + delay_ms);
}

void readback_begin(struct zone *zone)
{
    if (zone->readback.step == READBACK_IDLE) {
        zone->readback.step = READBACK_PREPARE;
        zone->readback.began_ms = loop_now_ms(zone->changes->loop);
    }
    zone_kick(zone);
}

void readback_renew(struct zone *zone)
{
    zone->readback.is_again = zone->readback.step != READBACK_IDLE;
    readback_begin(zone);
}

static void run_timer(struct loop_timer *timer)
{
    readback_begin(CONTAINER_OF(timer, struct zone, readback.timer));
}

void readback_init(struct zone *zone)
{
    zone->readback.timer.run = run_timer;
}

void readback_reset(struct zone *zone)
{
    struct readback *readback = &zone->readback;

    if (readback->step == READBACK_IDLE) {
        readback->began_ms = loop_now_ms(zone->changes->loop);
    }
    readback->step = READBACK_PREPARE;
    readback->is_prepared = false;
    readback->is_stale = readback->is_listing;
    readback->is_overtaken = true;
}

void readback_troubled(struct zone *zone)
{
    if (zone->readback.step != READBACK_IDLE && zone->learn_trouble.is_logged) {
        zone->readback.is_announced = false;
    }
}

/* Shows after a start that keys, permissions and zone ids are right, and after trouble that it is over. */
static void announce(struct zone *zone)
{
    char records[24];
    char took[24];

    if (zone->readback.is_announced) {
        return;
    }
    zone->readback.is_announced = true;
    (void)snprintf(records, sizeof(records), "%zu", records_each(zone->changes->records, zone->index, NULL, NULL));
    (void)snprintf(took, sizeof(took), "%" PRId64, loop_now_ms(zone->changes->loop) - zone->readback.began_ms);
    log_event(LOG_LEVEL_NOTICE, "zone_ready", "zone", zone->name, "records", records, "ms", took, NULL);
}

/* Moves a pointer that stays between turns of the loop: it holds what it points at. */
static void point_at(struct record **pointer, struct record *record)
{
    if (record) {
        record_hold(record);
    }
    if (*pointer) {
        record_release(*pointer);
    }
    *pointer = record;
}

static void finish(struct zone *zone)
{
    announce(zone);
    zone->readback.step = zone->readback.is_again ? READBACK_PREPARE : READBACK_IDLE;
    zone->readback.is_again = false;
    zone->readback.began_ms = loop_now_ms(zone->changes->loop);
    point_at(&zone->readback.cursor, NULL);
    readback_schedule(zone);
}

static void begin_listing(struct zone *zone)
{
    struct readback *readback = &zone->readback;

    if (readback->step == READBACK_IDLE) {
        readback->began_ms = loop_now_ms(zone->changes->loop);
    }
    readback->step = READBACK_LIST;
    readback->listing++;
    readback->generation = records_generation(zone->changes->records);
    readback->pages_done = 0;
}

static struct record *next_configured(const struct zone *zone, const struct record *after)
{
    struct record *record = records_next(zone->changes->records, zone->index, after);

    while (record && !record_is_configured(record)) {
        record = records_next(zone->changes->records, zone->index, record);
    }
    return record;
}

/* A page costs as much as a look-up: whichever needs fewer calls. */
static void choose(struct zone *zone)
{
    const size_t ours = records_each(zone->changes->records, zone->index, NULL, NULL);

    if (ours == 0) {
        finish(zone);
    } else if (pages_in_all(zone) > ours) {
        zone->readback.step = READBACK_SINGLES;
        point_at(&zone->readback.cursor, next_configured(zone, NULL));
    } else {
        begin_listing(zone);
    }
}

/* ---- preparing ---- */

static void prepared(const struct provider_result *result, bool more, uint64_t record_count, void *userdata)
{
    struct zone *zone = userdata;
    struct readback *readback = &zone->readback;

    readback->is_preparing = false;
    if (zone->changes->is_stopped) {
        return;
    }
    if (result->outcome == PROVIDER_NO_ZONE) {
        zone_gone(zone, result->message);
    } else if (result->outcome != PROVIDER_DONE) {
        zone_failed(zone, &zone->learn_backoff, &zone->learn_trouble, result);
    } else if (!more) {
        zone_worked(zone, &zone->learn_backoff, &zone->learn_trouble);
        readback->is_prepared = true;
        readback->record_count = record_count;
        zone->is_gone = false;
        if (readback->step == READBACK_PREPARE) {
            choose(zone);
        }
    }
    zone_kick(zone);
}

/* ---- listing ---- */

static void learn_listed(struct zone *zone, struct record *record, const struct provider_found *found)
{
    const struct readback *readback = &zone->readback;

    if (record_zone(record) != zone->index) {
        return; /* a longer zone's, perhaps: what stands here is not what resolvers see */
    }
    if (record_mark(record)->listing == readback->listing || change_is_sent(record_slot(record))) {
        return; /* our own change is newer */
    }
    record_mark(record)->listing = readback->listing;
    learn(zone, record, found);
}

static void each_listed(const struct provider_found *found, void *userdata)
{
    struct zone *zone = userdata;
    struct record *record = NULL;

    if (zone->changes->is_stopped || zone->readback.is_stale) {
        return;
    }
    record = records_find(zone->changes->records, found->hostname, found->type);
    if (record) {
        learn_listed(zone, record, found);
        record_release(record);
    }
}

/* What no page had is not there, unless it became ours only after the listing had begun. */
static void learn_absent(struct zone *zone)
{
    static const struct provider_found absent = {.knowledge = RECORD_ABSENT};
    const struct readback *readback = &zone->readback;
    struct records *records = zone->changes->records;

    for (struct record *record = records_next(records, zone->index, NULL); record;
         record = records_next(records, zone->index, record)) {
        if (record_mark(record)->listing != readback->listing && record_since(record) <= readback->generation &&
            !change_is_sent(record_slot(record))) {
            record_mark(record)->listing = readback->listing;
            learn(zone, record, &absent);
        }
    }
}

static void listed(const struct provider_result *result, bool more, void *userdata)
{
    struct zone *zone = userdata;
    struct readback *readback = &zone->readback;
    const bool is_stale = readback->is_stale;

    readback->is_listing = false;
    readback->is_stale = false;
    if (zone->changes->is_stopped) {
        return;
    }
    if (result->outcome == PROVIDER_NO_ZONE) {
        zone_gone(zone, result->message);
    } else if (result->outcome != PROVIDER_DONE) {
        zone_failed(zone, &zone->learn_backoff, &zone->learn_trouble, result);
    } else if (!is_stale) {
        zone_worked(zone, &zone->learn_backoff, &zone->learn_trouble);
        readback->pages_done++;
        if (!more) {
            learn_absent(zone);
            finish(zone);
        }
    }
    zone_kick(zone);
}

static void list_page(struct zone *zone)
{
    struct readback *readback = &zone->readback;

    if (readback->step != READBACK_LIST) {
        begin_listing(zone); /* so many wait that all pages are fewer calls than as many look-ups */
    }
    readback->is_listing = true;
    zone->ops->list_page(zone->provider, readback->pages_done == 0, each_listed, listed, zone);
}

/* ---- looking up ---- */

static void advance_single(struct zone *zone)
{
    struct readback *readback = &zone->readback;

    if (readback->step != READBACK_SINGLES) {
        return; /* a listing has taken over */
    }
    point_at(&readback->cursor, next_configured(zone, readback->cursor));
    if (!readback->cursor) {
        finish(zone);
    }
}

static void learn_looked_up(struct zone *zone, struct record *record, const struct provider_result *result,
                            const struct provider_found *found)
{
    struct readback *readback = &zone->readback;
    struct change *change = record_slot(record);

    if (result->outcome == PROVIDER_NO_ZONE) {
        zone_gone(zone, result->message);
    } else if (result->outcome != PROVIDER_DONE && result->outcome != PROVIDER_REFUSED) {
        zone_failed(zone, &zone->learn_backoff, &zone->learn_trouble, result);
    } else {
        zone_worked(zone, &zone->learn_backoff, &zone->learn_trouble);
        if (found && !readback->is_overtaken && !change_is_sent(change)) {
            record_mark(record)->listing = readback->listing;
            learn(zone, record, found);
        } else if (!found && change && change->step == STEP_LOOK) {
            change_finish(change, CHANGE_REFUSED, FOREIGN_NONE, result->message);
        }
        if (readback->is_for_single) {
            advance_single(zone);
        }
    }
}

static void looked_up(const struct provider_result *result, const struct provider_found *found, void *userdata)
{
    struct zone *zone = userdata;
    struct readback *readback = &zone->readback;
    struct record *record = TAKE_PTR(readback->looked_up); /* with its hold */

    readback->is_looking_up = false;
    if (!zone->changes->is_stopped) {
        learn_looked_up(zone, record, result, found);
        zone_kick(zone);
    }
    record_release(record);
}

static void look_up(struct zone *zone, struct record *record, bool is_for_single)
{
    struct readback *readback = &zone->readback;

    readback->is_looking_up = true;
    point_at(&readback->looked_up, record);
    readback->is_overtaken = false;
    readback->is_for_single = is_for_single;
    zone->ops->look_up(zone->provider, record_hostname(record), record_type(record), looked_up, zone);
}

void readback_run(struct zone *zone, enum learning learning)
{
    switch (learning) {
    case LEARN_NOTHING: break;
    case LEARN_PREPARE:
        zone->readback.is_preparing = true;
        zone->ops->prepare(zone->provider, prepared, zone);
        break;
    case LEARN_PAGE: list_page(zone); break;
    case LEARN_CHANGE: look_up(zone, first_to_look_up(zone)->record, false); break;
    case LEARN_SINGLE: look_up(zone, zone->readback.cursor, true); break;
    }
}
