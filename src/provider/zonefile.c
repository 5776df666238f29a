#include "provider/zonefile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "provider/zonefile_file.h"

/* A page ends with as many records, or after so many names: the loop's part of it takes well below a millisecond, the
 * worker's about 20. */
#define PAGE_RECORDS 500
#define PAGE_NAMES 20000
#define PAGE_STEP 100
#define LOOK_PERIOD_MS 1000
/* A large file is written so often at most: each time costs as much for one change as for thousands. */
#define LARGE_REST_MS 200
/* Somebody edits the file at this moment: how soon it is tried again, and how often before that is told. */
#define BUSY_RETRY_MS 50
#define BUSY_TURNS_MAX 40

enum call_kind { CALL_PREPARE, CALL_APPLY, CALL_LOOK_UP, CALL_LIST, CALL_NOTICE, CALL_KINDS };

/* One of each kind at a time; the worker has one of a zone at a time. */
struct call {
    bool is_wanted;
    struct call *next;
    void *userdata;
    union {
        provider_prepared prepared;
        provider_applied applied;
        provider_looked_up looked_up;
        provider_listed listed;
    } done;
};

/* A record of a page on its way to the loop; holds its value. */
struct page_entry {
    struct name hostname;
    struct provider_found found;
};

struct provider_zone {
    struct loop *loop;
    struct zonefile_options options;
    struct name name;
    struct zone_file *file; /* the worker's while the job is posted, as all from `now` to `has_changed` */

    struct call calls[CALL_KINDS];
    struct call *first; /* in the order of asking; the first one is the job's */
    struct call **end;
    struct worker_job job;
    struct loop_timer busy_timer;
    unsigned busy_turns;
    struct loop_timer look_timer;
    struct provider_watcher watcher;

    struct zone_now now;
    int r;
    struct buffer message;
    bool is_written;
    bool is_passed_on; /* to the worker of large files */
    /* CALL_APPLY */
    const struct change_request *const *changes;
    size_t count;
    size_t culprit;
    uint32_t serial;
    /* CALL_LOOK_UP */
    const struct record *looked_up;
    struct provider_found found; /* holds its value */
    /* CALL_LIST */
    bool is_restart;
    provider_each each;
    struct zone_cursor cursor;
    struct page_entry *page;
    size_t page_count;
    bool has_more;
    /* CALL_NOTICE */
    bool has_changed;
};

/* ---- on the worker's thread ---- */

static void keep_found(const struct provider_found *found, void *userdata)
{
    struct provider_zone *zone = userdata;
    const struct provider_watcher *watcher = &zone->watcher;

    if (watcher->knows && !watcher->knows(found->hostname, found->type, watcher->userdata)) {
        return;
    }
    struct page_entry *entry = &zone->page[zone->page_count++];
    (void)snprintf(entry->hostname.text, sizeof(entry->hostname.text), "%s", found->hostname);
    entry->found = *found;
    entry->found.value = rdata_hold(&found->value);
    entry->found.hostname = entry->hostname.text;
}

static void drop_page(struct provider_zone *zone)
{
    while (zone->page_count > 0) {
        rdata_drop(&zone->page[--zone->page_count].found.value);
    }
}

static int list(struct provider_zone *zone)
{
    struct zone_cursor cursor = {0};

    if (!zone->is_restart) {
        cursor = zone->cursor;
    }
    if (!zone->page) {
        zone->page = calloc(PAGE_RECORDS + (size_t)PAGE_STEP * RECORD_TYPE_COUNT, sizeof(*zone->page));
    }
    if (!zone->page) {
        buffer_append_text(&zone->message, "out of memory");
        return -ENOMEM;
    }
    drop_page(zone); /* of a call that was dropped */
    zone->has_more = true;
    for (unsigned i = 0; i < PAGE_NAMES / PAGE_STEP && zone->has_more && zone->page_count < PAGE_RECORDS; i++) {
        zone->has_more = zone_file_page(zone->file, &cursor, PAGE_STEP, keep_found, zone);
    }
    zone->cursor = cursor;
    return 0;
}

static int run_call(struct provider_zone *zone, enum call_kind kind)
{
    int r;

    if (kind == CALL_NOTICE) {
        zone->has_changed = zone_file_has_changed(zone->file);
        return 0;
    }
    if (kind == CALL_APPLY) {
        return zone_file_set(zone->file, zone->changes, zone->count, zone->now, &zone->message, &zone->culprit,
                             &zone->serial);
    }
    r = zone_file_load(zone->file, zone->now, &zone->message);
    if (r < 0) {
        return r;
    }
    switch (kind) {
    case CALL_PREPARE: /* tells at once, not at the first change, that the serial cannot be raised */
        return zone_file_check_serial(zone->file, &zone->message);
    case CALL_LOOK_UP:
        zone_file_find(zone->file, zone->looked_up->hostname, zone->looked_up->type, &zone->found);
        zone->found.value = rdata_hold(&zone->found.value);
        return 0;
    default: return list(zone);
    }
}

static enum call_kind kind_of(const struct provider_zone *zone, const struct call *call)
{
    return (enum call_kind)(call - zone->calls);
}

/* A large file is another worker's: a small one must not wait for it. */
static bool run_job(struct worker_job *job)
{
    struct provider_zone *zone = CONTAINER_OF(job, struct provider_zone, job);
    const enum call_kind kind = kind_of(zone, zone->first);

    if (!zone->is_passed_on && kind != CALL_NOTICE && zone_file_is_large(zone->file)) {
        zone->is_passed_on = true;
        worker_post(zone->options.large_worker, job);
        return false;
    }
    buffer_clear(&zone->message);
    zone->r = run_call(zone, kind);
    zone->is_written = zone_file_take_written(zone->file);
    return true;
}

/* ---- calls, on the loop ---- */

static void post(struct provider_zone *zone)
{
    zone->now = (struct zone_now){
        .monotonic_ms = loop_now_ms(zone->loop),
        .realtime_s = clock_realtime_s(loop_clock(zone->loop)),
    };
    zone->is_passed_on = false;
    worker_post(zone->options.worker, &zone->job);
}

static struct call *ask(struct provider_zone *zone, enum call_kind kind, void *userdata)
{
    struct call *call = &zone->calls[kind];

    *call = (struct call){.is_wanted = true, .userdata = userdata};
    *zone->end = call;
    zone->end = &call->next;
    if (zone->first == call) {
        post(zone);
    }
    return call;
}

static struct provider_result result_of(int r, const char *message)
{
    return (struct provider_result){
        .outcome = r < 0 ? PROVIDER_TRANSIENT : PROVIDER_DONE,
        .message = message,
        .change_id = "",
        .culprit = PROVIDER_NO_CULPRIT,
    };
}

static void answer_apply(struct provider_zone *zone, const struct call *call, const char *message)
{
    struct provider_result result = result_of(zone->r, message);
    char change_id[32];

    if (zone->r == 0 && zone->serial != 0) {
        (void)snprintf(change_id, sizeof(change_id), "serial %u", zone->serial);
        result.change_id = change_id;
        result.rest_ms = zone->is_passed_on ? LARGE_REST_MS : 0;
    } else if (zone->r == -EEXIST) {
        result.outcome = PROVIDER_REFUSED;
        result.culprit = zone->culprit;
        result.foreign = FOREIGN_SEVERAL_VALUES;
    }
    call->done.applied(&result, call->userdata);
}

static void answer_look_up(struct provider_zone *zone, const struct call *call, const char *message)
{
    const struct provider_result result = result_of(zone->r, message);
    struct provider_found found = zone->found; /* the callback may ask for the next one */

    zone->found = (struct provider_found){0};
    call->done.looked_up(&result, zone->r == 0 ? &found : NULL, call->userdata);
    rdata_drop(&found.value);
}

static void answer_list(struct provider_zone *zone, const struct call *call, const char *message)
{
    const struct provider_result result = result_of(zone->r, message);

    for (size_t i = 0; zone->r == 0 && i < zone->page_count; i++) {
        zone->each(&zone->page[i].found, call->userdata);
    }
    drop_page(zone);
    if (!zone->has_more) {
        free(TAKE_PTR(zone->page));
    }
    call->done.listed(&result, zone->r == 0 && zone->has_more, call->userdata);
}

static void answer_prepare(struct provider_zone *zone, const struct call *call, const char *message)
{
    const struct provider_result result = result_of(zone->r, message);

    call->done.prepared(&result, false, 0, call->userdata);
}

static void answer_notice(struct provider_zone *zone, const struct call *call, const char *message)
{
    (void)call;
    (void)message;
    if (zone->has_changed) {
        zone->watcher.changed(zone->watcher.userdata);
    }
}

static void (*const answers[CALL_KINDS])(struct provider_zone *zone, const struct call *call, const char *message) = {
    [CALL_PREPARE] = answer_prepare, [CALL_APPLY] = answer_apply,   [CALL_LOOK_UP] = answer_look_up,
    [CALL_LIST] = answer_list,       [CALL_NOTICE] = answer_notice,
};

static bool is_tried_again(struct provider_zone *zone)
{
    return zone->r == -EBUSY && ++zone->busy_turns < BUSY_TURNS_MAX &&
           loop_timer_set(zone->loop, &zone->busy_timer, loop_now_ms(zone->loop) + BUSY_RETRY_MS) == 0;
}

/* The callback may ask for the next call of its kind at once: the one that ends has left the list by then, and the job
 * is posted only after it, because that overwrites what is told. */
static void job_done(struct worker_job *job)
{
    struct provider_zone *zone = CONTAINER_OF(job, struct provider_zone, job);
    struct call *call = zone->first;
    const struct call ended = *call;
    const enum call_kind kind = kind_of(zone, call);

    if (zone->is_written && zone->options.written) {
        zone->options.written(zone->name.text, zone_file_path(zone->file), zone->options.userdata);
    }
    if (is_tried_again(zone)) {
        return;
    }
    zone->busy_turns = 0;
    _cleanup_free_ char *message = zone->r < 0 ? buffer_take(&zone->message) : NULL;
    struct call marker = {.next = ended.next};
    zone->first = &marker; /* as long as something stands here, nothing is posted */
    if (zone->end == &call->next) {
        zone->end = &marker.next;
    }
    call->is_wanted = false;
    answers[kind](zone, &ended, zone->r == 0 ? "" : message ? message : "out of memory");
    zone->first = marker.next;
    if (!zone->first) {
        zone->end = &zone->first;
    } else {
        post(zone);
    }
}

static void run_busy_timer(struct loop_timer *timer)
{
    post(CONTAINER_OF(timer, struct provider_zone, busy_timer));
}

/* ---- what the queue asks for ---- */

static void zonefile_prepare(struct provider_zone *zone, provider_prepared done, void *userdata)
{
    ask(zone, CALL_PREPARE, userdata)->done.prepared = done;
}

static void zonefile_apply(struct provider_zone *zone, const struct change_request *const *changes, size_t count,
                           provider_applied done, void *userdata)
{
    zone->changes = changes;
    zone->count = count;
    ask(zone, CALL_APPLY, userdata)->done.applied = done;
}

static void zonefile_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up done,
                             void *userdata)
{
    zone->looked_up = record;
    ask(zone, CALL_LOOK_UP, userdata)->done.looked_up = done;
}

static void zonefile_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                               void *userdata)
{
    zone->is_restart = restart;
    zone->each = each;
    ask(zone, CALL_LIST, userdata)->done.listed = done;
}

static void run_look_timer(struct loop_timer *timer)
{
    struct provider_zone *zone = CONTAINER_OF(timer, struct provider_zone, look_timer);

    (void)loop_timer_set(zone->loop, timer, loop_now_ms(zone->loop) + LOOK_PERIOD_MS);
    if (!zone->calls[CALL_NOTICE].is_wanted) {
        (void)ask(zone, CALL_NOTICE, NULL);
    }
}

static int zonefile_watch(struct provider_zone *zone, const struct provider_watcher *watcher)
{
    zone->watcher = *watcher;
    return loop_timer_set(zone->loop, &zone->look_timer, loop_now_ms(zone->loop) + LOOK_PERIOD_MS);
}

/* ---- the zone ---- */

static void zonefile_free(struct provider_zone *zone)
{
    if (!zone) {
        return;
    }
    worker_cancel(zone->options.worker, &zone->job); /* first: it may hand the job on */
    worker_cancel(zone->options.large_worker, &zone->job);
    loop_timer_cancel(zone->loop, &zone->busy_timer);
    loop_timer_cancel(zone->loop, &zone->look_timer);
    zone_file_free(zone->file);
    buffer_done(&zone->message);
    rdata_drop(&zone->found.value);
    drop_page(zone);
    free(zone->page);
    free(zone);
}

struct provider_zone *zonefile_zone_new(struct loop *loop, const struct zonefile_options *options, const char *name,
                                        uint32_t default_ttl_s)
{
    struct zone_file *file = zone_file_new(options->folder, name, default_ttl_s);
    struct provider_zone *zone = file ? calloc(1, sizeof(*zone)) : NULL;

    if (!zone) {
        zone_file_free(file);
        return NULL;
    }
    zone->loop = loop;
    zone->options = *options;
    zone->options.folder = NULL;
    zone->file = file;
    (void)snprintf(zone->name.text, sizeof(zone->name.text), "%s", name);
    zone->end = &zone->first;
    zone->job = (struct worker_job){.run = run_job, .done = job_done};
    zone->busy_timer.run = run_busy_timer;
    zone->look_timer.run = run_look_timer;
    return zone;
}

const struct provider_ops zonefile_ops = {
    .name = "zonefile",
    .value_characters_max = SIZE_MAX,
    .value_characters_factor = 1,
    .page_records = 0,
    .prepare = zonefile_prepare,
    .apply = zonefile_apply,
    .look_up = zonefile_look_up,
    .list_page = zonefile_list_page,
    .watch = zonefile_watch,
    .free = zonefile_free,
};
