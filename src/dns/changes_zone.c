#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dns/changes_internal.h"

/* ---- asking the account ---- */

void zone_kick(struct zone *zone)
{
    if (zone->changes->is_stopped) {
        return;
    }
    if (batch_is_wanted(zone) || readback_for_changes(zone) != LEARN_NOTHING) {
        account_ask(zone->account, &zone->change_ask, ACCOUNT_CHANGE);
    }
    if (readback_for_itself(zone) != LEARN_NOTHING) {
        account_ask(zone->account, &zone->read_ask, ACCOUNT_READ);
    }
}

/* What is done with a grant is decided only now, so that a batch takes in what came while it waited. */
static void change_granted(struct account_ask *ask)
{
    struct zone *zone = CONTAINER_OF(ask, struct zone, change_ask);
    const enum learning learning = readback_for_changes(zone);

    if (batch_is_wanted(zone) && (learning == LEARN_NOTHING || zone->learned_last)) {
        zone->learned_last = false;
        batch_run(zone);
    } else if (learning != LEARN_NOTHING) {
        zone->learned_last = true;
        readback_run(zone, learning);
    } else {
        account_give_back(zone->account);
    }
    zone_kick(zone);
}

static void read_granted(struct account_ask *ask)
{
    struct zone *zone = CONTAINER_OF(ask, struct zone, read_ask);
    const enum learning learning = readback_for_itself(zone);

    if (learning != LEARN_NOTHING) {
        readback_run(zone, learning);
    } else {
        account_give_back(zone->account);
    }
    zone_kick(zone);
}

/* ---- where a change goes ---- */

/* DNS is right as it is. When the state doesn't say so (it was lost, or we were killed between the provider's answer
 * and the commit), it is put right before anybody is told. */
static void find_already(struct change *change, const struct record_view *view)
{
    if (view->last_set_ttl_s == change->ttl_s && address_equal(&view->last_set, &change->address)) {
        change_finish(change, CHANGE_ALREADY, FOREIGN_NONE, NULL);
        return;
    }
    change->is_already = true;
    change->old_address = view->last_set;
    save_change(change);
}

void change_place(struct change *change)
{
    const int64_t now_ms = loop_now_ms(change->zone->changes->loop);
    struct record_view view;

    record_view(change->record, &view);
    const bool is_stale = view.knowledge == RECORD_FOREIGN && now_ms - view.looked_at_ms >= RECORD_FOREIGN_FRESH_MS;
    const bool is_first = !change->is_superseding && !change->is_uncertain && !change_is_sent(change);

    if (view.knowledge == RECORD_UNKNOWN || is_stale) {
        change_move(change, STEP_LOOK);
    } else if (view.knowledge == RECORD_FOREIGN) {
        change_finish(change, CHANGE_CONFLICT, view.foreign, NULL);
    } else if (is_first && view.knowledge == RECORD_PLAIN && change_wants(change, &view.address, view.ttl_s)) {
        find_already(change, &view);
    } else {
        change_move(change, STEP_READY);
    }
}

/* ---- waiting after a failure ---- */

static void set_backoff(struct zone *zone, struct backoff *backoff, int64_t delay_ms)
{
    struct loop *loop = zone->changes->loop;

    /* without memory for the timer the pace alone has to slow us down */
    backoff->is_waiting = loop_timer_set(loop, &backoff->timer, loop_now_ms(loop) + delay_ms) == 0;
}

static int64_t next_delay_ms(const struct zone *zone, struct backoff *backoff, uint32_t retry_after_ms)
{
    uint32_t ceiling_ms = BACKOFF_CAP_MS;

    if (backoff->attempt < 16 && (BACKOFF_BASE_MS << backoff->attempt) < BACKOFF_CAP_MS) {
        ceiling_ms = (uint32_t)BACKOFF_BASE_MS << backoff->attempt;
    }
    backoff->attempt++;
    const uint32_t delay_ms = zone->changes->random(ceiling_ms + 1);
    const uint32_t least_ms = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
    return delay_ms > least_ms ? delay_ms : least_ms;
}

static void stop_waiting(struct zone *zone, struct backoff *backoff)
{
    loop_timer_cancel(zone->changes->loop, &backoff->timer);
    backoff->is_waiting = false;
    backoff->attempt = 0;
}

static void run_apply_backoff(struct loop_timer *timer)
{
    struct zone *zone = CONTAINER_OF(timer, struct zone, apply_backoff.timer);

    zone->apply_backoff.is_waiting = false;
    zone_kick(zone);
}

static void run_learn_backoff(struct loop_timer *timer)
{
    struct zone *zone = CONTAINER_OF(timer, struct zone, learn_backoff.timer);

    zone->learn_backoff.is_waiting = false;
    zone_kick(zone);
}

void zone_failed(struct zone *zone, struct backoff *backoff, struct trouble *trouble,
                 const struct provider_result *result)
{
    struct changes *changes = zone->changes;
    const bool is_throttle = result->outcome == PROVIDER_THROTTLED;

    metric_add(changes->families.retries, 1, zone->name, NULL, NULL);
    trouble_begin(changes, trouble, "zone_trouble", zone->name, result->message, is_throttle);
    readback_troubled(zone);
    if (is_throttle) {
        metric_add(changes->families.throttles, 1, zone->name, NULL, NULL);
        account_throttled(zone->account);
    }
    if (result->outcome == PROVIDER_THROTTLED || result->outcome == PROVIDER_TRANSIENT) {
        set_backoff(zone, backoff, next_delay_ms(zone, backoff, result->retry_after_ms));
    } else {
        set_backoff(zone, backoff, UNHEALTHY_RETRY_MS);
    }
}

void zone_worked(struct zone *zone, struct backoff *backoff, struct trouble *trouble)
{
    stop_waiting(zone, backoff);
    trouble_end(zone->changes, trouble, "zone_recovered", zone->name);
}

void zone_retry_now(struct zone *zone)
{
    stop_waiting(zone, &zone->apply_backoff);
    stop_waiting(zone, &zone->learn_backoff);
    zone_kick(zone);
}

/* ---- a zone that is not there ---- */

static void forget_records(struct zone *zone)
{
    struct records *records = zone->changes->records;

    for (struct record *record = records_next(records, zone->index, NULL); record;
         record = records_next(records, zone->index, record)) {
        record_know(record, RECORD_UNKNOWN, FOREIGN_NONE, NULL, 0, 0);
    }
}

static void drop_waiting(struct change_list *list, const char *message)
{
    while (list->first) {
        change_finish(list->first, CHANGE_NO_ZONE, FOREIGN_NONE, message);
    }
}

/* If it comes back, it may be another one: nothing that we knew counts any more. */
void zone_gone(struct zone *zone, const char *message)
{
    trouble_begin(zone->changes, &zone->learn_trouble, "zone_trouble", zone->name, message, false);
    zone->is_gone = true;
    readback_reset(zone);
    readback_troubled(zone);
    forget_records(zone);
    batch_drop(zone, CHANGE_NO_ZONE, message);
    drop_waiting(&zone->looking, message);
    drop_waiting(&zone->ready, message);
    stop_waiting(zone, &zone->apply_backoff);
    trouble_end(zone->changes, &zone->apply_trouble, "zone_recovered", zone->name);
    set_backoff(zone, &zone->learn_backoff, UNHEALTHY_RETRY_MS);
}

/* ---- making and freeing ---- */

int zone_new(struct changes *changes, const char *name, const struct provider_ops *ops, struct provider_zone *provider,
             struct account *account, struct zone **ret_zone)
{
    struct zone *zone = calloc(1, sizeof(*zone));

    if (!zone) {
        return -ENOMEM;
    }
    zone->name = strdup(name);
    if (batch_init(&zone->batch, ops) < 0 || !zone->name) {
        batch_done(&zone->batch);
        free(zone->name);
        free(zone);
        return -ENOMEM;
    }
    zone->changes = changes;
    zone->ops = ops;
    zone->provider = provider;
    zone->account = account;
    zone->change_ask.granted = change_granted;
    zone->read_ask.granted = read_granted;
    zone->apply_backoff.timer.run = run_apply_backoff;
    zone->learn_backoff.timer.run = run_learn_backoff;
    readback_init(zone);
    atomic_store(&zone->oldest_ms, NO_CHANGE_MS);
    *ret_zone = zone;
    return 0;
}

static void zone_changed(void *userdata)
{
    struct zone *zone = userdata;

    if (!zone->changes->is_stopped && !zone->changes->is_draining) {
        readback_renew(zone);
        zone_retry_now(zone); /* what was wrong with it may be right now */
    }
}

static bool knows(const char *hostname, enum record_type type, void *userdata)
{
    const struct zone *zone = userdata;
    struct record *record = records_find(zone->changes->records, hostname, type);

    if (record) {
        record_release(record);
    }
    return record != NULL;
}

void zone_watch(struct zone *zone)
{
    const struct provider_watcher watcher = {.changed = zone_changed, .knows = knows, .userdata = zone};

    if (zone->ops->watch) {
        (void)zone->ops->watch(zone->provider, &watcher); /* without memory the read-back in time has to do */
    }
}

void zone_stop(struct zone *zone)
{
    account_ask_cancel(zone->account, &zone->change_ask);
    account_ask_cancel(zone->account, &zone->read_ask);
    stop_waiting(zone, &zone->apply_backoff);
    stop_waiting(zone, &zone->learn_backoff);
    loop_timer_cancel(zone->changes->loop, &zone->readback.timer);
}

void zone_free(struct zone *zone)
{
    if (!zone) {
        return;
    }
    zone_stop(zone);
    zone->ops->free(zone->provider);
    batch_done(&zone->batch);
    trouble_done(&zone->apply_trouble);
    trouble_done(&zone->learn_trouble);
    free(zone->name);
    free(zone);
}
