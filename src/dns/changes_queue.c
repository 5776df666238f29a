#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dns/changes_internal.h"

/* ---- lists ---- */

void change_list_append(struct change_list *list, struct change *change)
{
    change->next = NULL;
    change->previous = list->last;
    if (list->last) {
        list->last->next = change;
    } else {
        list->first = change;
    }
    list->last = change;
    list->count++;
}

void change_list_prepend(struct change_list *list, struct change *change)
{
    change->previous = NULL;
    change->next = list->first;
    if (list->first) {
        list->first->previous = change;
    } else {
        list->last = change;
    }
    list->first = change;
    list->count++;
}

void change_list_remove(struct change_list *list, struct change *change)
{
    if (change->previous) {
        change->previous->next = change->next;
    } else {
        list->first = change->next;
    }
    if (change->next) {
        change->next->previous = change->previous;
    } else {
        list->last = change->previous;
    }
    change->next = NULL;
    change->previous = NULL;
    list->count--;
}

/* NULL for steps that keep no list: a batch has its array. */
static struct change_list *list_of(const struct change *change)
{
    switch (change->step) {
    case STEP_LOOK: return &change->zone->looking;
    case STEP_READY: return &change->zone->ready;
    case STEP_UNSAVED: return &change->zone->changes->saver.unsaved;
    case STEP_SAVING: return &change->zone->changes->saver.saving;
    default: return NULL;
    }
}

static void leave_list(struct change *change)
{
    struct change_list *list = list_of(change);

    if (list) {
        change_list_remove(list, change);
    }
}

void change_move(struct change *change, enum change_step step)
{
    leave_list(change);
    change->step = (uint8_t)step;

    struct change_list *list = list_of(change);
    if (list) {
        change_list_append(list, change);
    }
}

void change_move_first(struct change *change)
{
    leave_list(change);
    change->step = STEP_READY;
    change_list_prepend(&change->zone->ready, change);
}

/* ---- the zone's list of all changes, oldest first ---- */

static void publish_oldest(struct zone *zone)
{
    atomic_store(&zone->oldest_ms, zone->all_first ? zone->all_first->queued_ms : NO_CHANGE_MS);
}

static void enter_zone(struct change *change)
{
    struct zone *zone = change->zone;

    change->previous_in_zone = zone->all_last;
    if (zone->all_last) {
        zone->all_last->next_in_zone = change;
    } else {
        zone->all_first = change;
    }
    zone->all_last = change;
    publish_oldest(zone);
    atomic_fetch_add(&zone->depth, 1);
    zone->changes->change_count++;
}

static void leave_zone(struct change *change)
{
    struct zone *zone = change->zone;

    if (change->previous_in_zone) {
        change->previous_in_zone->next_in_zone = change->next_in_zone;
    } else {
        zone->all_first = change->next_in_zone;
    }
    if (change->next_in_zone) {
        change->next_in_zone->previous_in_zone = change->previous_in_zone;
    } else {
        zone->all_last = change->previous_in_zone;
    }
    publish_oldest(zone);
    atomic_fetch_sub(&zone->depth, 1);
    zone->changes->change_count--;
}

/* ---- items and submissions ---- */

void submission_drop(struct submission *submission)
{
    if (--submission->remaining > 0) {
        return;
    }
    loop_timer_cancel(submission->changes->loop, &submission->timer);
    submission->done(submission);
}

void item_answer(struct submission_item *item, enum change_result result, enum record_foreign foreign,
                 const char *message)
{
    item->result = result;
    item->foreign = foreign;
    if (message && *message) {
        item->message = strdup(message); /* without memory the result has to do */
    }
    submission_drop(item->submission);
}

void change_attach(struct change *change, struct submission_item *item)
{
    struct waiters *waiters = &change->waiters;

    item->change = change;
    item->next_waiter = NULL;
    item->previous_waiter = waiters->last;
    if (waiters->last) {
        waiters->last->next_waiter = item;
    } else {
        waiters->first = item;
    }
    waiters->last = item;
}

void item_detach(struct submission_item *item)
{
    struct change *change = item->change;

    if (item->previous_waiter) {
        item->previous_waiter->next_waiter = item->next_waiter;
    } else {
        change->waiters.first = item->next_waiter;
    }
    if (item->next_waiter) {
        item->next_waiter->previous_waiter = item->previous_waiter;
    } else {
        change->waiters.last = item->previous_waiter;
    }
    item->change = NULL;
}

/* ---- changes ---- */

bool change_wants(const struct change *change, const struct address *address, uint32_t ttl_s)
{
    return change->ttl_s == ttl_s && address_equal(&change->address, address);
}

struct change *change_new(struct zone *zone, struct submission_item *item)
{
    struct change *change = calloc(1, sizeof(*change));

    if (!change) {
        return NULL;
    }
    change->zone = zone;
    change->record = item->record;
    change->address = item->address;
    change->ttl_s = item->ttl_s;
    change->source = item->submission->source;
    change->dialect = item->submission->dialect;
    change->queued_ms = loop_now_ms(zone->changes->loop);
    change->begun = 1;
    change->step = STEP_NEW;
    change->older = record_slot(change->record);
    if (change->older) {
        change->older->newer = change;
    }
    record_set_slot(change->record, change);
    enter_zone(change);
    change_attach(change, item);
    return change;
}

void change_supersede(struct change *change, struct submission_item *item)
{
    changes_count(change->zone, RESULT_SUPERSEDED);
    change->address = item->address;
    change->ttl_s = item->ttl_s;
    change->source = item->submission->source;
    change->dialect = item->submission->dialect;
    change->is_superseding = true;
    change->begun++;
    change_attach(change, item);
}

bool change_is_sent(const struct change *newest)
{
    while (newest && newest->step != STEP_SENT) {
        newest = newest->older;
    }
    return newest != NULL;
}

void changes_release(struct changes *changes, struct record *record, uint32_t count)
{
    if (record_end(record, count)) {
        atomic_fetch_sub(&changes->busy_records, 1);
    }
}

void change_id_drop(struct change_id *id)
{
    if (id && --id->users == 0) {
        free(id);
    }
}

void change_free(struct change *change)
{
    struct changes *changes = change->zone->changes;

    if (change->newer) {
        change->newer->older = change->older;
    } else {
        record_set_slot(change->record, change->older);
    }
    if (change->older) {
        change->older->newer = change->newer;
    }
    leave_list(change);
    leave_zone(change);
    changes_release(changes, change->record, change->begun);
    change_id_drop(change->id);
    free(change);
    drain_check(changes);
}

void change_merge(struct change *into, struct change *from)
{
    struct submission_item *item = NULL;

    while ((item = from->waiters.first)) {
        item_detach(item);
        change_attach(into, item);
    }
    into->begun += from->begun;
    from->begun = 0; /* the record stays busy */
    into->is_uncertain |= from->is_uncertain;
    change_free(from);
}

void change_take_newer(struct change *change)
{
    struct change *newer = change->newer;

    if (!newer) {
        return;
    }
    if (!change_wants(change, &newer->address, newer->ttl_s)) {
        changes_count(change->zone, RESULT_SUPERSEDED);
        change->address = newer->address;
        change->ttl_s = newer->ttl_s;
        change->source = newer->source;
        change->dialect = newer->dialect;
        change->is_superseding = true;
    }
    change_merge(change, newer);
}

/* Whoever asked for it has been told "not yet": the log is where the end can be read. */
static void log_unheard(const struct change *change, enum change_result result, const char *message)
{
    char address[ADDRESS_TEXT_SIZE];

    if (result != CHANGE_SET && result != CHANGE_REFUSED && result != CHANGE_CONFLICT) {
        return;
    }
    address_print(&change->address, address);
    log_event(result == CHANGE_SET ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "late_change", "host",
              record_hostname(change->record), "type", record_type_text(record_type(change->record)), "address",
              address, "result", change_result_word(result), "message", message && *message ? message : NULL, NULL);
}

void change_finish(struct change *change, enum change_result result, enum record_foreign foreign, const char *message)
{
    struct waiters waiters = change->waiters;

    if (!waiters.first) {
        log_unheard(change, result, message);
    }
    changes_count(change->zone, result);
    if (change->is_uncertain && (result == CHANGE_REFUSED || result == CHANGE_NO_ZONE)) {
        record_know(change->record, RECORD_UNKNOWN, FOREIGN_NONE, NULL, 0, 0);
    }
    change_free(change); /* first, so that who is answered finds the record idle */
    while (waiters.first) {
        struct submission_item *item = waiters.first;
        waiters.first = item->next_waiter;
        item->change = NULL;
        item_answer(item, result, foreign, message);
    }
}
