#include "queue/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- lists ---- */

static void leave_list(struct change *change)
{
    struct change_list *list = TAKE_PTR(change->list);

    if (list) {
        list_remove(&list->changes, &change->in_list);
        list->count--;
    }
}

static void enter_list(struct change *change, enum change_step step, struct change_list *list)
{
    change->step = (uint8_t)step;
    change->list = list;
    if (list) {
        list->count++;
    }
}

void change_move(struct change *change, enum change_step step, struct change_list *list)
{
    leave_list(change);
    enter_list(change, step, list);
    if (list) {
        list_append(&list->changes, &change->in_list);
    }
}

void change_move_first(struct change *change, enum change_step step, struct change_list *list)
{
    leave_list(change);
    enter_list(change, step, list);
    list_prepend(&list->changes, &change->in_list);
}

/* ---- the backlog ---- */

void backlog_init(struct backlog *backlog, struct tally *tally, const char *zone)
{
    backlog->tally = tally;
    backlog->zone = zone;
    atomic_init(&backlog->oldest_ms, NO_CHANGE_MS);
}

void backlog_count(const struct backlog *backlog, enum outcome outcome)
{
    const char *result = outcome == OUTCOME_PENDING     ? "superseded"
                         : outcome == OUTCOME_SET       ? "set"
                         : outcome == OUTCOME_UNCHANGED ? "already"
                                                        : outcome_word(outcome);

    metric_add(backlog->tally->ended, 1, backlog->zone, result, NULL);
}

static void publish_oldest(struct backlog *backlog)
{
    const struct change *oldest = backlog_oldest(backlog);

    atomic_store(&backlog->oldest_ms, oldest ? oldest->queued_ms : NO_CHANGE_MS);
}

static void enter_backlog(struct change *change)
{
    struct backlog *backlog = change->backlog;

    list_append(&backlog->changes, &change->in_backlog);
    publish_oldest(backlog);
    atomic_fetch_add(&backlog->depth, 1);
    backlog->tally->changes++;
}

static void leave_backlog(struct change *change)
{
    struct backlog *backlog = change->backlog;

    list_remove(&backlog->changes, &change->in_backlog);
    publish_oldest(backlog);
    atomic_fetch_sub(&backlog->depth, 1);
    backlog->tally->changes--;
}

void tally_release(struct tally *tally, struct record *record, uint32_t count)
{
    if (record_end(record, count)) {
        atomic_fetch_sub(&tally->busy_records, 1);
    }
}

/* ---- who waits ---- */

void submission_drop(struct submission *submission)
{
    if (--submission->remaining > 0) {
        return;
    }
    loop_timer_cancel(submission->loop, &submission->timer);
    submission->done(submission);
}

void waiter_answer(struct waiter *waiter, enum outcome outcome, enum record_foreign foreign, const char *message)
{
    waiter->outcome = outcome;
    waiter->foreign = foreign;
    if (message && *message) {
        waiter->message = strdup(message); /* without memory the outcome has to do */
    }
    submission_drop(waiter->submission);
}

static struct waiter *first_waiter(const struct change *change)
{
    return LIST_ITEM(change->waiters.first, struct waiter, in_change);
}

void change_attach(struct change *change, struct waiter *waiter)
{
    waiter->change = change;
    list_append(&change->waiters, &waiter->in_change);
}

void waiter_detach(struct waiter *waiter)
{
    list_remove(&waiter->change->waiters, &waiter->in_change);
    waiter->change = NULL;
}

/* ---- the provider's ids ---- */

struct change_id *change_id_new(const char *text)
{
    const size_t size = strlen(text) + 1;
    struct change_id *id = size > 1 ? malloc(sizeof(*id) + size) : NULL;

    if (id) {
        id->users = 1;
        memcpy(id->text, text, size);
    }
    return id;
}

struct change_id *change_id_hold(struct change_id *id)
{
    if (id) {
        id->users++;
    }
    return id;
}

void change_id_drop(struct change_id *id)
{
    if (id && --id->users == 0) {
        free(id);
    }
}

/* ---- changes ---- */

bool change_wants(const struct change *change, const struct rdata *value, uint32_t ttl_s)
{
    if (!rdata_equal(&change->request.value, value)) {
        return false;
    }
    return change->request.ttl_s == ttl_s || rdata_is_empty(value); /* what is withdrawn has no TTL */
}

static void take_wish(struct change *change, const struct change_request *request, const struct address *source,
                      const char *dialect)
{
    rdata_assign(&change->request.value, &request->value);
    change->request.ttl_s = request->ttl_s;
    change->source = *source;
    change->dialect = dialect;
}

struct change *change_new(struct backlog *backlog, struct waiter *waiter)
{
    struct record *record = waiter->request.record;
    struct change *change = calloc(1, sizeof(*change));

    if (!change) {
        return NULL;
    }
    change->backlog = backlog;
    change->request.record = record;
    take_wish(change, &waiter->request, &waiter->submission->source, waiter->submission->dialect);
    change->queued_ms = loop_now_ms(backlog->tally->loop);
    change->begun = 1;
    change->step = STEP_NEW;
    change->older = record_slot(record);
    if (change->older) {
        change->older->newer = change;
    }
    record_set_slot(record, change);
    enter_backlog(change);
    change_attach(change, waiter);
    return change;
}

void change_supersede(struct change *change, struct waiter *waiter)
{
    backlog_count(change->backlog, OUTCOME_PENDING);
    take_wish(change, &waiter->request, &waiter->submission->source, waiter->submission->dialect);
    change->is_superseding = true;
    change->begun++;
    change_attach(change, waiter);
}

bool change_is_sent(const struct change *newest)
{
    while (newest && newest->step != STEP_SENT) {
        newest = newest->older;
    }
    return newest != NULL;
}

void change_free(struct change *change)
{
    change_id_drop(change->id);
    rdata_drop(&change->request.value);
    rdata_drop(&change->request.was);
    free(change);
}

/* It is no change of its record any more. */
static void leave_record(struct change *change)
{
    struct tally *tally = change->backlog->tally;
    struct record *record = change->request.record;

    if (change->newer) {
        change->newer->older = change->older;
    } else {
        record_set_slot(record, change->older);
    }
    if (change->older) {
        change->older->newer = change->newer;
    }
    leave_list(change);
    leave_backlog(change);
    tally_release(tally, record, change->begun);
    if (tally->changes == 0) {
        tally->emptied(tally);
    }
}

void change_merge(struct change *into, struct change *from)
{
    struct waiter *waiter = NULL;

    while ((waiter = first_waiter(from))) {
        waiter_detach(waiter);
        change_attach(into, waiter);
    }
    into->begun += from->begun;
    from->begun = 0; /* the record stays busy */
    into->is_uncertain |= from->is_uncertain;
    leave_record(from);
    change_free(from);
}

void change_take_newer(struct change *change)
{
    struct change *newer = change->newer;

    if (!newer) {
        return;
    }
    if (!change_wants(change, &newer->request.value, newer->request.ttl_s)) {
        backlog_count(change->backlog, OUTCOME_PENDING);
        take_wish(change, &newer->request, &newer->source, newer->dialect);
        change->is_superseding = true;
    }
    change_merge(change, newer);
}

/* Whoever asked for it has been told "not yet": the log is where the end can be read. */
static void log_unheard(const struct change *change, enum outcome outcome, const char *message)
{
    const struct record *record = change->request.record;
    _cleanup_buffer_ struct buffer value = BUFFER_INIT;

    if (outcome != OUTCOME_SET && outcome != OUTCOME_REFUSED && outcome != OUTCOME_CONFLICT) {
        return;
    }
    rdata_print(&change->request.value, &value);
    log_event(outcome == OUTCOME_SET ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "late_change", "host", record->hostname,
              "type", record_type_text(record->type), rdata_is_empty(&change->request.value) ? "withdrawn" : "address",
              value.length > 0 ? buffer_text(&value) : "yes", "result",
              outcome == OUTCOME_SET ? "set" : outcome_word(outcome), "message", message && *message ? message : NULL,
              NULL);
}

void change_finish(struct change *change, enum outcome outcome, enum record_foreign foreign, const char *message)
{
    struct waiter *waiter = NULL;

    if (!first_waiter(change)) {
        log_unheard(change, outcome, message);
    }
    backlog_count(change->backlog, outcome);
    if (change->is_uncertain && (outcome == OUTCOME_REFUSED || outcome == OUTCOME_NO_ZONE)) {
        record_forget(change->request.record);
    }
    leave_record(change); /* first, so that who is answered finds the record idle */
    while ((waiter = first_waiter(change))) {
        waiter_detach(waiter);
        waiter_answer(waiter, outcome, foreign, message);
    }
    if (!change->is_borrowed) {
        change_free(change);
    }
}
