/*
 * A world for the change engine: a clock that stands still until `world_run` moves it, a provider that keeps its
 * zones in memory and fails as it is told, a state that is an array, and submissions that note their answers.
 * Records are named hN.ZONE; each has an A and an AAAA. Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_QUEUE_WORLD_H
#define DDNS53_TESTS_UNIT_QUEUE_WORLD_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "queue/queue_internal.h"

#define WORLD_ZONES_MAX 4
#define WORLD_LOG_SIZE 65536
#define TTL_S 60

enum call_kind { CALL_PREPARE, CALL_APPLY, CALL_LOOK_UP, CALL_LIST, CALL_SYNC };
#define CALL_KINDS 5

struct world;

/* A record as the fake server has it. */
struct entry {
    struct record *record;
    enum record_knowledge knowledge;
    enum record_foreign foreign;
    struct rdata value;
    uint32_t ttl_s;
    bool is_bad;    /* a change of it is refused */
    bool is_edited; /* for the test: somebody else has written it since our last change */
    unsigned applied;
    /* the fake state */
    struct rdata saved;
    struct rdata saved_old;
    char saved_id[32];
    char saved_dialect[16];
    unsigned saves;
    int64_t touched_s;
};

/* What the next calls of a kind answer instead of doing what they should. */
struct fault {
    enum provider_outcome outcome;
    const char *message;
    uint32_t retry_after_ms;
    unsigned times;  /* UINT_MAX: until it is set to 0 */
    bool is_applied; /* the change is made, but the answer is lost */
};

/* A call of the store: one of each kind may be under way. */
struct store_call {
    struct loop_work work;
    struct world *world;
    const struct store_change *changes;
    const struct store_touch *touches;
    size_t count;
    store_done done;
    void *userdata;
    bool is_under_way;
    bool is_posted;
};

struct call {
    struct loop_timer timer;
    struct provider_zone *zone;
    enum call_kind kind;
    bool is_under_way;
    void *userdata;
    union {
        provider_prepared prepared;
        provider_applied applied;
        provider_looked_up looked_up;
        provider_listed listed;
        provider_synced synced;
    } done;
    provider_each each;
    struct provider_found *page; /* what the server saw when the call came: it may be old when it is answered */
    size_t page_count;
    size_t page_end;
    const struct change_request *const *changes;
    size_t count;
};

struct provider_zone {
    struct world *world;
    struct provider_ops ops;
    char name[64];
    struct entry *entries;
    size_t entry_count; /* two for each host */
    struct call calls[CALL_KINDS];
    unsigned counts[CALL_KINDS];
    struct fault faults[CALL_KINDS];
    uint32_t latency_ms;
    bool is_held;          /* calls are not answered until it is false and the clock moves on */
    bool names_culprit;    /* in its refusals */
    uint64_t record_count; /* what prepare says; 0: as many as there are */
    unsigned prepares;     /* calls until it is ready; 0 counts as 1 */
    size_t list_position;
    size_t characters; /* of the last batch, as counted */
    size_t batch_sizes[4096];
    size_t batch_count;
    int64_t call_times_ms[4096]; /* of all kinds */
    size_t call_count;
    uint32_t rest_ms;                                 /* that a batch asks for */
    bool is_outdated;                                 /* a refusal says that the culprit is not what it was */
    void (*before_apply)(struct provider_zone *zone); /* when the call arrives */
    struct provider_watcher watcher;
    unsigned syncs; /* calls of in_sync that say no before one says yes */
    char synced_id[64];
};

struct asked {
    struct submission submission; /* first member */
    struct waiter *items;
    size_t count;
    struct world *world;
    struct asked *next;
    int64_t asked_ms;
    int64_t answered_ms;
    unsigned answers;
};

struct world {
    struct clock clock;
    struct loop *loop;
    struct records *records;
    struct metrics *metrics;
    struct pacer *pacer;
    struct queue *queue;
    struct queue_options options;
    struct provider_zone *zones[WORLD_ZONES_MAX];
    size_t zone_count;
    struct asked *asked;
    unsigned answered;
    unsigned submitted;
    struct store store;
    struct store_call commit_call;
    struct store_call touch_call;
    bool is_store_held; /* its calls are not answered until store_release */
    int commit_error;
    unsigned commits;
    unsigned failed_commits;
    size_t last_commit_rows;
    uint64_t seed;
    char log[WORLD_LOG_SIZE];
    size_t log_length;
    bool is_drained;
    size_t left;
    void (*on_answer)(struct asked *asked);
};

/* ---- small things ---- */

static struct world *the_world; /* for functions that get no userdata */

static inline uint32_t world_random(uint32_t upper_bound)
{
    the_world->seed = the_world->seed * 6364136223846793005U + 1442695040888963407U;
    return upper_bound ? (uint32_t)(the_world->seed >> 33) % upper_bound : 0;
}

static inline struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static inline int64_t now_ms(const struct world *world)
{
    return world->clock.test_monotonic_ms;
}

static inline struct entry *entry_of(struct provider_zone *zone, unsigned host, enum record_type type)
{
    return &zone->entries[2 * (size_t)host + (type == RECORD_AAAA)];
}

static inline struct entry *entry_named(struct provider_zone *zone, const char *hostname, enum record_type type)
{
    return entry_of(zone, (unsigned)strtoul(hostname + 1, NULL, 10), type);
}

static inline struct record *record_of(struct world *world, size_t zone, unsigned host)
{
    return entry_of(world->zones[zone], host, RECORD_A)->record;
}

static inline unsigned log_count(const struct world *world, const char *text)
{
    unsigned count = 0;
    for (const char *at = strstr(world->log, text); at; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

static inline void world_log(enum log_level level, const char *line, void *userdata)
{
    struct world *world = userdata;
    const size_t length = strlen(line);
    (void)level;
    if (world->log_length + length + 2 < sizeof(world->log)) {
        memcpy(world->log + world->log_length, line, length);
        world->log_length += length;
        world->log[world->log_length++] = '\n';
        world->log[world->log_length] = '\0';
    }
}

/* ---- the provider ---- */

static inline void call_end(struct loop_timer *timer);

static inline struct call *call_begin(struct provider_zone *zone, enum call_kind kind, void *userdata)
{
    struct call *call = &zone->calls[kind];

    assert_false(call->is_under_way); /* one call of each kind at a time */
    call->is_under_way = true;
    call->zone = zone;
    call->kind = kind;
    call->userdata = userdata;
    call->timer.run = call_end;
    zone->counts[kind]++;
    if (zone->call_count < ELEMENTS(zone->call_times_ms)) {
        zone->call_times_ms[zone->call_count++] = now_ms(zone->world);
    }
    assert_int_equal(loop_timer_set(zone->world->loop, &call->timer, now_ms(zone->world) + zone->latency_ms), 0);
    return call;
}

static inline void fake_prepare(struct provider_zone *zone, provider_prepared done, void *userdata)
{
    call_begin(zone, CALL_PREPARE, userdata)->done.prepared = done;
}

static inline void fake_apply(struct provider_zone *zone, const struct change_request *const *changes, size_t count,
                              provider_applied done, void *userdata)
{
    struct call *call = call_begin(zone, CALL_APPLY, userdata);

    assert_true(count > 0);
    assert_true(!zone->ops.changes_max || count <= zone->ops.changes_max);
    zone->characters = 0;
    for (size_t i = 0; i < count; i++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        rdata_print(rdata_is_empty(&changes[i]->value) ? &changes[i]->was : &changes[i]->value, &text);
        zone->characters += text.length * zone->ops.value_characters_factor;
        for (size_t k = 0; k < i && count <= 20; k++) { /* no record twice in a batch */
            assert_ptr_not_equal(changes[i]->record, changes[k]->record);
        }
    }
    assert_true(count == 1 || !zone->ops.value_characters_max || zone->characters <= zone->ops.value_characters_max);
    if (zone->batch_count < ELEMENTS(zone->batch_sizes)) {
        zone->batch_sizes[zone->batch_count++] = count;
    }
    call->changes = changes;
    call->count = count;
    call->done.applied = done;
    if (zone->before_apply) {
        zone->before_apply(zone);
    }
}

static inline struct provider_found found_of(const struct entry *entry)
{
    return (struct provider_found){
        .hostname = entry->record->hostname,
        .type = entry->record->type,
        .knowledge = entry->knowledge == RECORD_UNKNOWN ? RECORD_ABSENT : entry->knowledge,
        .foreign = entry->foreign,
        .value = entry->value,
        .ttl_s = entry->ttl_s,
    };
}

static inline void fake_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up done,
                                void *userdata)
{
    struct call *call = call_begin(zone, CALL_LOOK_UP, userdata);

    call->page = calloc(1, sizeof(*call->page));
    assert_non_null(call->page);
    call->page[0] = found_of(entry_named(zone, record->hostname, record->type));
    call->done.looked_up = done;
}

static inline void fake_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                                  void *userdata)
{
    struct call *call = call_begin(zone, CALL_LIST, userdata);
    const size_t max = zone->ops.page_records ? zone->ops.page_records : zone->entry_count;

    call->each = each;
    call->done.listed = done;
    call->page = calloc(max, sizeof(*call->page));
    assert_non_null(call->page);
    call->page_count = 0;
    call->page_end = restart ? 0 : zone->list_position;
    for (; call->page_end < zone->entry_count; call->page_end++) {
        if (zone->entries[call->page_end].knowledge < RECORD_PLAIN) {
            continue;
        }
        if (call->page_count == max) {
            break;
        }
        call->page[call->page_count++] = found_of(&zone->entries[call->page_end]);
    }
}

static inline void fake_in_sync(struct provider_zone *zone, const struct record *record, const struct rdata *value,
                                const char *change_id, provider_synced done, void *userdata)
{
    assert_true(rdata_equal(value, &entry_named(zone, record->hostname, record->type)->value));
    (void)snprintf(zone->synced_id, sizeof(zone->synced_id), "%s", change_id);
    call_begin(zone, CALL_SYNC, userdata)->done.synced = done;
}

static inline int fake_watch(struct provider_zone *zone, const struct provider_watcher *watcher)
{
    zone->watcher = *watcher;
    return 0;
}

static inline void fake_free(struct provider_zone *zone)
{
    for (unsigned i = 0; zone && i < CALL_KINDS; i++) {
        loop_timer_cancel(zone->world->loop, &zone->calls[i].timer);
        free(zone->calls[i].page);
    }
}

static inline void apply_all(struct provider_zone *zone, const struct call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        struct entry *entry = entry_named(zone, call->changes[i]->record->hostname, call->changes[i]->record->type);
        assert_int_not_equal(entry->knowledge, RECORD_FOREIGN);
        entry->knowledge = rdata_is_empty(&call->changes[i]->value) ? RECORD_ABSENT : RECORD_PLAIN;
        rdata_assign(&entry->value, &call->changes[i]->value);
        entry->ttl_s = call->changes[i]->ttl_s;
        entry->applied++;
        entry->is_edited = false;
    }
}

static inline struct provider_result apply_result(struct provider_zone *zone, const struct call *call)
{
    static char change_id[32];
    struct provider_result result = {.outcome = PROVIDER_DONE, .message = "", .change_id = "", .culprit = SIZE_MAX};

    for (size_t i = 0; i < call->count; i++) {
        const struct entry *entry =
            entry_named(zone, call->changes[i]->record->hostname, call->changes[i]->record->type);
        if (entry->is_bad) {
            result.outcome = PROVIDER_REFUSED;
            result.message = "this one is bad";
            result.culprit = zone->names_culprit ? i : PROVIDER_NO_CULPRIT;
            return result;
        }
    }
    apply_all(zone, call);
    (void)snprintf(change_id, sizeof(change_id), "C%u", zone->counts[CALL_APPLY]);
    result.change_id = change_id;
    result.rest_ms = zone->rest_ms;
    return result;
}

static inline uint64_t entries_there(const struct provider_zone *zone)
{
    uint64_t count = 0;
    for (size_t i = 0; i < zone->entry_count; i++) {
        count += zone->entries[i].knowledge >= RECORD_PLAIN;
    }
    return count;
}

static inline void end_list(struct provider_zone *zone, const struct call *call, const struct provider_result *result)
{
    if (result->outcome != PROVIDER_DONE) {
        call->done.listed(result, false, call->userdata);
        return;
    }
    for (size_t i = 0; i < call->page_count; i++) {
        call->each(&call->page[i], call->userdata);
    }
    zone->list_position = call->page_end;
    call->done.listed(result, call->page_end < zone->entry_count, call->userdata);
}

static inline void call_answer(struct provider_zone *zone, const struct call *call, struct provider_result result)
{
    switch (call->kind) {
    case CALL_PREPARE: {
        const bool more = result.outcome == PROVIDER_DONE && zone->prepares > 1;
        zone->prepares -= more;
        call->done.prepared(&result, more, zone->record_count ? zone->record_count : entries_there(zone),
                            call->userdata);
        break;
    }
    case CALL_APPLY: call->done.applied(&result, call->userdata); break;
    case CALL_LOOK_UP:
        call->done.looked_up(&result, result.outcome == PROVIDER_DONE ? call->page : NULL, call->userdata);
        break;
    case CALL_LIST: end_list(zone, call, &result); break;
    case CALL_SYNC: {
        const bool is_in_sync = result.outcome == PROVIDER_DONE && zone->syncs == 0;
        zone->syncs -= result.outcome == PROVIDER_DONE && zone->syncs > 0;
        call->done.synced(&result, is_in_sync, call->userdata);
        break;
    }
    }
}

static inline void call_end(struct loop_timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    struct provider_zone *zone = call->zone;
    struct fault *fault = &zone->faults[call->kind];
    struct provider_result result = {.message = "", .change_id = "", .culprit = PROVIDER_NO_CULPRIT};

    if (zone->is_held) {
        assert_int_equal(loop_timer_set(zone->world->loop, timer, now_ms(zone->world) + 1), 0);
        return;
    }
    if (fault->times > 0) {
        fault->times -= fault->times != UINT_MAX;
        if (fault->is_applied && call->kind == CALL_APPLY) {
            apply_all(zone, call);
        }
        result.outcome = fault->outcome;
        result.message = fault->message ? fault->message : "as the test wants it";
        result.retry_after_ms = fault->retry_after_ms;
        result.is_outdated = zone->is_outdated;
    } else if (call->kind == CALL_APPLY) {
        result = apply_result(zone, call);
    }
    struct call ended = *call;
    call->is_under_way = false;
    call->page = NULL;
    call_answer(zone, &ended, result);
    free(ended.page);
}

/* ---- the state ---- */

static inline int save_changes(struct world *world, const struct store_change *changes, size_t count)
{
    if (world->commit_error) {
        world->failed_commits++;
        return world->commit_error;
    }
    world->commits++;
    world->last_commit_rows = count;
    for (size_t i = 0; i < count; i++) {
        const struct record *record = changes[i].request.record;
        struct entry *entry = entry_named(world->zones[record_zone(record)], record->hostname, record->type);
        rdata_assign(&entry->saved, &changes[i].request.value);
        rdata_assign(&entry->saved_old, &changes[i].request.was);
        entry->saves++;
        (void)snprintf(entry->saved_id, sizeof(entry->saved_id), "%s", changes[i].change_id);
        (void)snprintf(entry->saved_dialect, sizeof(entry->saved_dialect), "%s", changes[i].dialect);
    }
    return 0;
}

static inline int save_some_touches(struct world *world, const struct store_touch *touches, size_t count)
{
    if (world->commit_error) {
        return world->commit_error;
    }
    for (size_t i = 0; i < count; i++) {
        const struct record *record = touches[i].record;
        entry_named(world->zones[record_zone(record)], record->hostname, record->type)->touched_s = touches[i].time_s;
    }
    return 0;
}

/* The rows are looked at only now, as another thread would: they must still be there. */
static inline void store_call_end(struct loop_work *work)
{
    struct store_call *call = CONTAINER_OF(work, struct store_call, work);
    struct world *world = call->world;

    call->is_posted = false;
    if (world->is_store_held) {
        return;
    }
    const int r = call->changes ? save_changes(world, call->changes, call->count)
                                : save_some_touches(world, call->touches, call->count);
    call->is_under_way = false;
    call->done(r, "", call->userdata);
}

static inline void store_call_post(struct store_call *call)
{
    if (call->is_under_way && !call->is_posted) {
        call->is_posted = true;
        loop_post(call->world->loop, &call->work);
    }
}

static inline void store_call_begin(struct store_call *call, struct world *world, size_t count, store_done done,
                                    void *userdata)
{
    assert_false(call->is_under_way); /* one call of each kind at a time */
    assert_true(count > 0);
    call->is_under_way = true;
    call->world = world;
    call->count = count;
    call->done = done;
    call->userdata = userdata;
    call->work.run = store_call_end;
    store_call_post(call);
}

static inline void fake_commit(struct store *store, const struct store_change *changes, size_t count, store_done done,
                               void *userdata)
{
    struct world *world = CONTAINER_OF(store, struct world, store);

    world->commit_call.changes = changes;
    store_call_begin(&world->commit_call, world, count, done, userdata);
}

static inline void fake_commit_touches(struct store *store, const struct store_touch *touches, size_t count,
                                       store_done done, void *userdata)
{
    struct world *world = CONTAINER_OF(store, struct world, store);

    world->touch_call.touches = touches;
    store_call_begin(&world->touch_call, world, count, done, userdata);
}

static inline void store_release(struct world *world)
{
    world->is_store_held = false;
    store_call_post(&world->commit_call);
    store_call_post(&world->touch_call);
}

/* ---- the world ---- */

static inline struct world *world_new(uint32_t requests_per_second)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_int_equal(crypto_init(), 0);
    the_world = world;
    world->seed = 1;
    clock_init_test(&world->clock, 1000000, 1800000000000);
    log_set_sink(world_log, world);
    world->loop = loop_new(&world->clock);
    world->records = records_new();
    world->metrics = metrics_new();
    world->pacer = pacer_new(world->loop, requests_per_second);
    world->options = (struct queue_options){.update_timeout_ms = 10000, .reconcile_ms = 0, .queued_max = 200000};
    static const struct store_ops ops = {.name = "fake", .commit = fake_commit, .commit_touches = fake_commit_touches};
    world->store.ops = &ops;
    world->queue = queue_new(world->loop, world->records, &world->store, world->metrics, &world->options);
    assert_non_null(world->queue);
    world->queue->shared.random = world_random;
    return world;
}

static inline struct provider_zone *world_add_zone(struct world *world, const char *name, size_t hosts)
{
    struct provider_zone *zone = calloc(1, sizeof(*zone));
    const uint32_t index = (uint32_t)world->zone_count;

    assert_non_null(zone);
    zone->world = world;
    zone->ops = (struct provider_ops){
        .name = "fake",
        .changes_max = 500,
        .value_characters_max = 32000,
        .value_characters_factor = 2,
        .page_records = 300,
        .prepare = fake_prepare,
        .apply = fake_apply,
        .look_up = fake_look_up,
        .list_page = fake_list_page,
        .in_sync = fake_in_sync,
        .watch = fake_watch,
        .free = fake_free,
    };
    zone->latency_ms = 150;
    (void)snprintf(zone->name, sizeof(zone->name), "%s", name);
    zone->entry_count = 2 * hosts;
    zone->entries = calloc(zone->entry_count, sizeof(*zone->entries));
    assert_non_null(zone->entries);
    for (size_t i = 0; i < zone->entry_count; i++) {
        char hostname[NAME_SIZE];
        (void)snprintf(hostname, sizeof(hostname), "h%zu.%s", i / 2, name);
        zone->entries[i].record = records_add(world->records, hostname, i % 2 ? RECORD_AAAA : RECORD_A, index);
        assert_non_null(zone->entries[i].record);
    }
    assert_int_equal(queue_add_zone(world->queue, zone->name, &zone->ops, zone, world->pacer), 0);
    world->zones[world->zone_count++] = zone;
    return zone;
}

/* What is posted and due now, without moving the clock. */
static inline void world_turn(struct world *world)
{
    loop_turn(world->loop, 0);
}

static inline void world_run_by(struct world *world, int64_t ms, int64_t step_ms)
{
    world_turn(world);
    for (int64_t end_ms = now_ms(world) + ms; now_ms(world) < end_ms;) {
        world->clock.test_monotonic_ms += step_ms;
        world->clock.test_realtime_ms += step_ms;
        world_turn(world);
    }
}

static inline void world_run(struct world *world, int64_t ms)
{
    world_run_by(world, ms, ms > 20000 ? 10 : 1);
}

/* Reads the zones back, so that every record is known. */
static inline void world_start(struct world *world)
{
    queue_start(world->queue);
    for (unsigned i = 0; i < 100000; i++) {
        bool is_idle = true;
        for (size_t k = 0; k < world->zone_count; k++) {
            is_idle &= world->queue->zones[k]->reader.phase == READER_IDLE;
        }
        if (is_idle) {
            world_run(world, 2000); /* the pace has recovered from it */
            return;
        }
        world_run(world, 50);
    }
    fail_msg("the read-back does not end");
}

static inline void world_free(struct world *world)
{
    /* Nothing may be lost: freeing answers what is left. */
    queue_free(world->queue);
    for (struct asked *asked = world->asked; asked;) {
        struct asked *next = asked->next;
        assert_int_equal(asked->answers, 1);
        for (size_t i = 0; i < asked->count; i++) {
            waiter_done(&asked->items[i]);
        }
        free(asked->items);
        free(asked);
        asked = next;
    }
    pacer_free(world->pacer);
    loop_free(world->loop);
    records_free(world->records);
    metrics_free(world->metrics);
    for (size_t i = 0; i < world->zone_count; i++) {
        for (size_t k = 0; k < world->zones[i]->entry_count; k++) {
            struct entry *entry = &world->zones[i]->entries[k];
            rdata_drop(&entry->value);
            rdata_drop(&entry->saved);
            rdata_drop(&entry->saved_old);
        }
        free(world->zones[i]->entries);
        free(world->zones[i]);
    }
    log_set_sink(NULL, NULL);
    free(world);
}

/* ---- asking ---- */

static inline void note_answer(struct submission *submission)
{
    struct asked *asked = (struct asked *)submission;

    asked->answers++;
    asked->answered_ms = now_ms(asked->world);
    asked->world->answered++;
    for (size_t i = 0; i < asked->count; i++) {
        assert_int_not_equal(asked->items[i].outcome, OUTCOME_PENDING);
    }
    if (asked->world->on_answer) {
        asked->world->on_answer(asked);
    }
}

/* Not submitted yet: fill the items, then ask_submit. */
static inline struct asked *ask_new(struct world *world, size_t count)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    assert_non_null(asked);
    asked->items = calloc(count, sizeof(*asked->items));
    assert_non_null(asked->items);
    asked->count = count;
    asked->world = world;
    asked->next = world->asked;
    world->asked = asked;
    asked->submission = (struct submission){
        .done = note_answer,
        .source = address_of("198.51.100.1"),
        .dialect = "query",
    };
    return asked;
}

static inline void ask_submit(struct asked *asked)
{
    asked->asked_ms = now_ms(asked->world);
    asked->world->submitted++;
    for (size_t i = 0; i < asked->count; i++) {
        submission_add(&asked->submission, &asked->items[i]);
    }
    queue_submit(asked->world->queue, &asked->submission);
}

static inline void ask_item(struct asked *asked, size_t index, struct record *record, struct address address)
{
    asked->items[index] = (struct waiter){
        .request = {.record = record, .value = rdata_of_address(&address), .ttl_s = TTL_S},
    };
}

static inline struct asked *ask_address(struct world *world, size_t zone, unsigned host, struct address address)
{
    struct asked *asked = ask_new(world, 1);

    ask_item(asked, 0, entry_of(world->zones[zone], host, record_type_of(&address))->record, address);
    ask_submit(asked);
    return asked;
}

static inline struct asked *ask(struct world *world, size_t zone, unsigned host, const char *address)
{
    return ask_address(world, zone, host, address_of(address));
}

/* 10.x.y.z, from a number. */
static inline struct address numbered(uint32_t number)
{
    return (struct address){
        .family = ADDRESS_IPV4,
        .bytes = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number},
    };
}

static inline enum outcome result_of(const struct asked *asked)
{
    return asked->items[0].outcome;
}

static inline bool holds(struct world *world, size_t zone, unsigned host, const char *text)
{
    const struct address address = address_of(text);
    const struct entry *entry = entry_of(world->zones[zone], host, record_type_of(&address));
    return entry->knowledge == RECORD_PLAIN && address_equal(&entry->value.address, &address);
}

static inline void put(struct world *world, size_t zone, unsigned host, const char *text)
{
    const struct address address = address_of(text);
    struct entry *entry = entry_of(world->zones[zone], host, record_type_of(&address));
    entry->knowledge = RECORD_PLAIN;
    entry->value = rdata_of_address(&address);
    entry->ttl_s = TTL_S;
}

static inline void note_drained(void *userdata, size_t left)
{
    struct world *world = userdata;

    assert_false(world->is_drained);
    world->is_drained = true;
    world->left = left;
}

static inline void assert_empty(const struct world *world)
{
    assert_int_equal(world->queue->shared.tally.changes, 0);
    assert_int_equal(atomic_load(&world->queue->shared.tally.busy_records), 0);
    for (size_t i = 0; i < world->zone_count; i++) {
        assert_int_equal(atomic_load(&world->queue->zones[i]->backlog.depth), 0);
        assert_null(backlog_oldest(&world->queue->zones[i]->backlog));
    }
}

static inline double metric(const struct world *world, struct metric *family, size_t zone, const char *label)
{
    return metric_value(family, world->zones[zone]->name, label, NULL);
}

#endif
