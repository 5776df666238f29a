#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"
#include "some_hosts.h"

/* Reading zones back, looking records up, drift, and what must never be overwritten. */

#define HOSTS 2000

static int setup(void **state)
{
    struct world *world = world_new(5);
    world_add_zone(world, "a.test.", HOSTS);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static struct record_view view_of(struct world *world, unsigned host)
{
    struct record_view view;
    record_view(record_of(world, 0, host), &view);
    return view;
}

static void put_foreign(struct world *world, unsigned host, enum record_foreign foreign)
{
    struct entry *entry = entry_of(world->zones[0], host, RECORD_A);
    entry->knowledge = RECORD_FOREIGN;
    entry->foreign = foreign;
}

static void put_many(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        put(world, 0, i, "192.0.2.1");
    }
}

static void set_reconcile(struct world *world, uint32_t reconcile_ms)
{
    world->options.reconcile_ms = reconcile_ms;
    queue_reconfigure(world->queue, &world->options);
}

/* ---- reading back ---- */

static void test_listing(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 1000);
    put_foreign(world, 3, FOREIGN_ALIAS);
    zone->prepares = 2;
    world_start(world);
    assert_int_equal(zone->counts[CALL_PREPARE], 2);
    assert_int_equal(zone->counts[CALL_LIST], 4);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 0);
    assert_int_equal(view_of(world, 0).knowledge, RECORD_PLAIN);
    assert_int_equal(view_of(world, 0).ttl_s, TTL_S);
    assert_int_equal(view_of(world, 3).knowledge, RECORD_FOREIGN);
    assert_int_equal(view_of(world, 3).foreign, FOREIGN_ALIAS);
    assert_int_equal(view_of(world, 999).knowledge, RECORD_PLAIN);
    assert_int_equal(view_of(world, 1000).knowledge, RECORD_ABSENT);
}

static void test_giant_zone_is_asked_for_single_records(void **state)
{
    struct world *world = world_new(5);
    (void)state;
    struct provider_zone *zone = world_add_zone(world, "a.test.", 10);

    put(world, 0, 3, "192.0.2.1");
    zone->record_count = 1000000;
    world_start(world);
    assert_int_equal(zone->counts[CALL_LIST], 0);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 20);
    assert_int_equal(view_of(world, 3).knowledge, RECORD_PLAIN);
    assert_int_equal(view_of(world, 9).knowledge, RECORD_ABSENT);
    world_free(world);
}

/* What a provider may do is found out by prepare: how the zone is read must not be stuck with what it said before. */
static void test_a_listing_that_is_not_permitted_any_more(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put(world, 0, 3, "192.0.2.1");
    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_CREDENTIALS, .message = "no", .times = 1};
    queue_start(world->queue);
    world_run(world, 1000);
    assert_int_equal(zone->counts[CALL_PREPARE], 1);
    assert_int_equal(zone->counts[CALL_LIST], 1);
    zone->record_count = UINT32_MAX; /* it may not be listed */
    world_run(world, 60000);
    assert_int_equal(zone->counts[CALL_PREPARE], 2);
    assert_int_equal(zone->counts[CALL_LIST], 1);
    world_run(world, 3600000);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 2 * HOSTS);
    assert_int_equal(view_of(world, 3).knowledge, RECORD_PLAIN);
}

static void test_reconcile_comes_again(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    set_reconcile(world, 100000);
    world_start(world);
    assert_int_equal(zone->counts[CALL_LIST], 1);
    world_run(world, 85000);
    assert_int_equal(zone->counts[CALL_LIST], 1);
    world_run(world, 26000);
    assert_int_equal(zone->counts[CALL_LIST], 2);
    world_run(world, 880000);
    assert_in_range(zone->counts[CALL_LIST], 9, 12);
    assert_int_equal(zone->counts[CALL_PREPARE], zone->counts[CALL_LIST]);
}

static void test_failing_readback_is_logged_once(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 1000);
    zone->faults[CALL_PREPARE] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 4, .message = "no route"};
    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 6, .message = "no route"};
    world_start(world);
    assert_int_equal(zone->counts[CALL_LIST], 10);
    assert_int_equal(log_count(world, "event=zone_trouble"), 2); /* two spells */
    assert_int_equal(log_count(world, "event=zone_recovered"), 2);
    assert_int_equal(view_of(world, 999).knowledge, RECORD_PLAIN);
}

static void test_ready_is_told_once(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 1000);
    set_reconcile(world, 100000);
    assert_int_equal(log_count(world, "event=zone_ready"), 0);
    world_start(world);
    /* h0 to h1999 have two records each */
    assert_int_equal(log_count(world, "event=zone_ready zone=a.test. records=4000 ms="), 1);
    world_run(world, 300000);
    assert_in_range(zone->counts[CALL_PREPARE], 2, 5);
    assert_int_equal(log_count(world, "event=zone_ready"), 1);
}

static void test_ready_is_told_after_trouble(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    set_reconcile(world, 100000);
    zone->faults[CALL_PREPARE] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 2, .message = "no route"};
    world_start(world);
    assert_int_equal(log_count(world, "event=zone_ready"), 1);

    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 1, .message = "no route"};
    world_run(world, 150000);
    assert_int_equal(log_count(world, "event=zone_recovered"), 2);
    assert_int_equal(log_count(world, "event=zone_ready"), 2);

    /* slowing down is no trouble */
    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_THROTTLED, .times = 1, .message = "slower"};
    world_run(world, 110000);
    assert_int_equal(log_count(world, "event=zone_ready"), 2);

    zone->faults[CALL_PREPARE] = (struct fault){.outcome = PROVIDER_NO_ZONE, .times = 1, .message = "gone"};
    world_run(world, 200000);
    assert_int_equal(log_count(world, "event=zone_ready"), 3);
}

static void test_ready_without_hosts(void **state)
{
    struct world *world = world_new(5);

    (void)state;
    world_add_zone(world, "b.test.", 0);
    world_start(world);
    assert_int_equal(log_count(world, "event=zone_ready zone=b.test. records=0 ms="), 1);
    world_free(world);
}

static void test_readback_leaves_changes_their_turn(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 2000);
    zone->latency_ms = 10;
    queue_start(world->queue);
    world_run(world, 100); /* the tokens of this second are spent, but one */
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 30);
    assert_int_equal(result_of(asked), OUTCOME_SET);
}

/* ---- looking up for a change ---- */

static void test_unknown_record_is_looked_up(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    /* Nobody has read the zone back: it is prepared first, for the change's sake. */
    put_many(world, 2000);
    put_foreign(world, 7, FOREIGN_SEVERAL_VALUES);
    queue_start(world->queue);
    const struct asked *set = ask(world, 0, 1900, "198.18.0.1");
    const struct asked *already = ask(world, 0, 1901, "192.0.2.1");
    const struct asked *foreign = ask(world, 0, 1907, "198.18.0.1");
    entry_of(zone, 1907, RECORD_A)->knowledge = RECORD_FOREIGN;
    entry_of(zone, 1907, RECORD_A)->foreign = FOREIGN_ROUTING_POLICY;
    world_run(world, 1500);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 3);
    assert_int_equal(world->queue->zones[0]->reader.phase, READER_LISTING); /* not so far yet */
    assert_int_equal(result_of(set), OUTCOME_SET);
    assert_int_equal(result_of(already), OUTCOME_UNCHANGED);
    assert_int_equal(result_of(foreign), OUTCOME_CONFLICT);
    assert_int_equal(foreign->items[0].foreign, FOREIGN_ROUTING_POLICY);
}

static void test_change_without_start(void **state)
{
    struct world *world = *state;

    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 600);
    assert_int_equal(result_of(asked), OUTCOME_SET);
}

static void test_listing_answers_what_waits(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 100);
    queue_start(world->queue);
    world_run(world, 151);
    assert_int_equal(zone->counts[CALL_LIST], 1);
    zone->faults[CALL_LOOK_UP] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = UINT_MAX};
    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 1);
}

static void test_look_up_fails_and_is_tried_again(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world_start(world);
    record_forget(record_of(world, 0, 5));
    zone->faults[CALL_LOOK_UP] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 3};
    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 8000);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 4);
    assert_int_equal(log_count(world, "event=zone_trouble"), 1);
}

static void test_look_up_is_refused(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world_start(world);
    record_forget(record_of(world, 0, 5));
    zone->faults[CALL_LOOK_UP] =
        (struct fault){.outcome = PROVIDER_REFUSED, .times = 1, .message = "not with that name"};
    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 500);
    assert_int_equal(result_of(asked), OUTCOME_REFUSED);
    assert_string_equal(asked->items[0].message, "not with that name");
    assert_empty(world);
}

static void test_newer_address_while_looking(void **state)
{
    struct world *world = *state;

    const struct asked *first = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 100);
    const struct asked *second = ask(world, 0, 5, "198.18.0.2");
    world_run(world, 600);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_int_equal(entry_of(world->zones[0], 5, RECORD_A)->applied, 1);
    assert_true(holds(world, 0, 5, "198.18.0.2"));
}

static void test_storm_at_start_ends_in_pages(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 2000);
    queue_start(world->queue);
    for (unsigned i = 0; i < 2000; i++) {
        ask_address(world, 0, i, numbered(i));
    }
    world_run(world, 9000);
    assert_int_equal(world->answered, 2000);
    assert_true(zone->counts[CALL_LOOK_UP] <= 2);
    assert_int_equal(zone->counts[CALL_LIST], 7);
    assert_true(zone->counts[CALL_APPLY] <= 8);
    for (const struct asked *asked = world->asked; asked; asked = asked->next) {
        assert_int_equal(result_of(asked), OUTCOME_SET);
    }
}

static void test_storm_of_unknown_in_a_giant_zone(void **state)
{
    struct world *world = world_new(5);
    (void)state;
    struct provider_zone *zone = world_add_zone(world, "a.test.", 100);

    zone->record_count = 61 * 300;
    zone->ops.page_records = 300;
    world->options.update_timeout_ms = 60000;
    queue_reconfigure(world->queue, &world->options);
    for (unsigned i = 0; i < 100; i++) { /* 61 pages are fewer than 100 look-ups */
        ask_address(world, 0, i, numbered(i));
    }
    world_run(world, 25000);
    assert_int_equal(world->answered, 100);
    assert_true(zone->counts[CALL_LOOK_UP] == 0);
    assert_int_equal(zone->counts[CALL_LIST], 1); /* the fake zone says so much, and has so little */
    world_free(world);
}

/* ---- what must not be overwritten ---- */

static void test_foreign_is_never_overwritten(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_foreign(world, 1, FOREIGN_SEVERAL_VALUES);
    world_start(world);
    const struct asked *asked = ask(world, 0, 1, "198.18.0.1");
    world_turn(world);
    assert_int_equal(result_of(asked), OUTCOME_CONFLICT); /* fresh: at once */
    assert_int_equal(asked->items[0].foreign, FOREIGN_SEVERAL_VALUES);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 0);

    world_run(world, 61000); /* stale: looked up afresh, still so */
    asked = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 160);
    assert_int_equal(result_of(asked), OUTCOME_CONFLICT);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 1);

    world_run(world, 61000); /* the owner has made room */
    entry_of(zone, 1, RECORD_A)->knowledge = RECORD_ABSENT;
    asked = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 2);
    assert_empty(world);
}

static void test_foreign_found_while_queued(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    set_reconcile(world, 100000);
    world_start(world);
    world->options.update_timeout_ms = 600000;
    queue_reconfigure(world->queue, &world->options);
    zone->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_CREDENTIALS, .times = 1};
    const struct asked *asked = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 86000);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    zone->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_CREDENTIALS, .times = UINT_MAX};
    asked = ask(world, 0, 2, "198.18.0.1");
    world_run(world, 200);
    put_foreign(world, 2, FOREIGN_ALIAS);
    world_run(world, 120000);
    assert_int_equal(result_of(asked), OUTCOME_CONFLICT);
    assert_empty(world);
}

/* A host that becomes ours while a listing is under way, after its page: the listing says nothing about it. */
static void test_record_configured_during_a_listing(void **state)
{
    static const char *const before[] = {"h0.a.test.", "A",          "h2.a.test.", "A",          "h1400.a.test.",
                                         "A",          "h3.a.test.", "A",          "h4.a.test.", "A",
                                         "h5.a.test.", "A",          NULL};
    static const char *const after[] = {"h0.a.test.", "A", "h1.a.test.", "A", "h1400.a.test.", "A", NULL};
    struct world *world = *state;
    _cleanup_(hosts_unrefp) struct hosts *some = some_hosts(before);
    _cleanup_(hosts_unrefp) struct hosts *others = some_hosts(after);

    assert_int_equal(records_configure(world->records, some), 0);
    put_many(world, 1300);
    put_foreign(world, 1, FOREIGN_ALIAS);
    queue_start(world->queue);
    world_run(world, 350);
    assert_true(world->zones[0]->counts[CALL_LIST] >= 2); /* its page has come */
    assert_int_equal(records_configure(world->records, others), 0);
    *record_listing(record_of(world, 0, 1)) = 0; /* as if it had not been in the table before */
    world_start(world);
    assert_int_equal(view_of(world, 1).knowledge, RECORD_UNKNOWN); /* not absent */
    assert_int_equal(view_of(world, 1400).knowledge, RECORD_ABSENT);
    const struct asked *asked = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 200);
    assert_int_equal(result_of(asked), OUTCOME_CONFLICT);
}

/* ---- listings and changes ---- */

/* Applied after the listing began: the page is older. */
static void test_change_wins_over_the_listing(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 1000);
    world_start(world);
    set_reconcile(world, 10000);
    world_run(world, 8900);
    while (world->queue->zones[0]->reader.phase != READER_LISTING) {
        world_run(world, 1);
    }
    const struct asked *asked = ask(world, 0, 900, "198.18.0.1");
    world_run(world, 160);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    /* the last page comes, as it would have been before */
    put(world, 0, 900, "192.0.2.1");
    while (world->queue->zones[0]->reader.phase == READER_LISTING) {
        world_run(world, 1);
    }
    const struct address address = address_of("198.18.0.1");
    const struct address known = view_of(world, 900).value.address;
    assert_true(address_equal(&known, &address));
    assert_int_equal(log_count(world, "event=drift"), 0);
    assert_true(zone->counts[CALL_LIST] > 4);

    /* and so does an absence: the record was made after its page */
    const struct asked *made = ask(world, 0, 1500, "198.18.0.1");
    world_run(world, 8000);
    while (world->queue->zones[0]->reader.phase != READER_LISTING) {
        world_run(world, 1);
    }
    assert_int_equal(result_of(made), OUTCOME_SET);
}

static void test_change_under_way_wins_over_the_listing(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 10);
    world_start(world);
    set_reconcile(world, 10000);
    while (!zone->calls[CALL_LIST].is_under_way) {
        world_run(world, 1);
    }
    zone->latency_ms = 1000; /* the change ends after the listing */
    const struct asked *set = ask(world, 0, 5, "198.18.0.1");
    const struct asked *made = ask(world, 0, 50, "198.18.0.1");
    world_run(world, 160);
    assert_int_equal(world->queue->zones[0]->reader.phase, READER_IDLE);
    const struct asked *joins = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 1000);
    assert_int_equal(result_of(set), OUTCOME_SET);
    assert_int_equal(result_of(made), OUTCOME_SET);
    assert_int_equal(result_of(joins), OUTCOME_SET);
    const struct address address = address_of("198.18.0.1");
    struct record_view view = view_of(world, 5);
    assert_true(address_equal(&view.value.address, &address));
    view = view_of(world, 50);
    assert_int_equal(view.knowledge, RECORD_PLAIN);
    const struct address before = address_of("192.0.2.1");
    assert_true(
        address_equal(&entry_of(zone, 5, RECORD_A)->saved_old.address, &before)); /* it was never thought absent */
}

static void test_look_up_has_its_turn_beside_a_backlog(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world_start(world);
    zone->ops.value_characters_max = 100; /* hundreds of batches */
    for (unsigned i = 0; i < 1900; i++) {
        ask_address(world, 0, i, numbered(i));
    }
    world_run(world, 2000);
    record_forget(record_of(world, 0, 1950));
    ask(world, 0, 1950, "198.18.0.1");
    world_run(world, 600);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 1);
}

static void test_change_wins_over_a_look_up(void **state)
{
    struct world *world = world_new(5);
    struct provider_zone *zone = world_add_zone(world, "a.test.", 1);
    const struct address address = address_of("198.18.0.1");
    (void)state;

    zone->record_count = 1000000; /* read back by single look-ups */
    put(world, 0, 0, "192.0.2.1");
    world_start(world);
    set_reconcile(world, 10000);
    while (!zone->calls[CALL_LOOK_UP].is_under_way) {
        world_run(world, 1);
    }
    world_run(world, 10);
    zone->latency_ms = 10; /* the change is faster than the look-up that has seen the old address */
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 20);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_true(zone->calls[CALL_LOOK_UP].is_under_way);
    world_run(world, 200);
    const struct address known = view_of(world, 0).value.address;
    assert_true(address_equal(&known, &address));
    assert_int_equal(log_count(world, "event=drift"), 0);
    world_free(world);
}

/* ---- drift ---- */

static void reconcile(struct world *world)
{
    const unsigned before = world->zones[0]->counts[CALL_PREPARE];

    while (world->zones[0]->counts[CALL_PREPARE] == before) {
        world_run(world, 100);
    }
    while (world->queue->zones[0]->reader.phase != READER_IDLE) {
        world_run(world, 10);
    }
}

static void test_drift_is_told_once_and_repaired(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world_start(world);
    set_reconcile(world, 10000);
    ask(world, 0, 1, "198.18.0.1");
    ask(world, 0, 2, "198.18.0.2");
    world_run(world, 300);
    reconcile(world);
    assert_int_equal(log_count(world, "event=drift"), 0);

    put(world, 0, 1, "203.0.113.9");                        /* somebody edits it */
    entry_of(zone, 2, RECORD_A)->knowledge = RECORD_ABSENT; /* or deletes it in the console */
    reconcile(world);
    reconcile(world);
    assert_int_equal(log_count(world, "event=drift"), 1);
    assert_int_equal(log_count(world, "event=drift zone=a.test. count=2 records=\"h1.a.test. A, h2.a.test. A\""), 1);
    assert_int_equal((int)metric(world, world->queue->shared.metrics.drift, 0, NULL), 2);

    /* the next update sets it again, also to what we had last set */
    const struct asked *first = ask(world, 0, 1, "198.18.0.1");
    const struct asked *second = ask(world, 0, 2, "198.18.0.2");
    world_run(world, 500);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_true(holds(world, 0, 1, "198.18.0.1"));
    assert_true(holds(world, 0, 2, "198.18.0.2"));
    reconcile(world);
    put(world, 0, 1, "203.0.113.9"); /* another time is told again */
    reconcile(world);
    assert_int_equal(log_count(world, "event=drift"), 2);
    assert_int_equal(log_count(world, "event=drift zone=a.test. count=1 records=\"h1.a.test. A\""), 1);
}

/* A zone file that is lost must not fill the log. */
static void test_many_drifts_are_one_line(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world_start(world);
    set_reconcile(world, 10000);
    for (unsigned host = 0; host < 25; host++) {
        ask(world, 0, host, "198.18.0.1");
    }
    world_run(world, 3000);
    for (unsigned host = 0; host < 25; host++) {
        assert_true(holds(world, 0, host, "198.18.0.1"));
        entry_of(zone, host, RECORD_A)->knowledge = RECORD_ABSENT;
    }
    reconcile(world);
    reconcile(world);
    assert_int_equal(log_count(world, "event=drift"), 1);
    assert_int_equal(log_count(world, "event=drift zone=a.test. count=25 records=\"h"), 1);
    assert_int_equal(log_count(world, ".a.test. A"), 10);
    assert_int_equal((int)metric(world, world->queue->shared.metrics.drift, 0, NULL), 25);
}

/* What a read-back has found is told though the rest of the zone cannot be read. */
static void test_drift_is_told_when_reading_fails(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 400); /* more than a page */
    world_start(world);
    set_reconcile(world, 10000);
    ask(world, 0, 1, "198.18.0.1");
    world_run(world, 3000);
    put(world, 0, 1, "203.0.113.9");
    while (world->queue->zones[0]->drift.count == 0) {
        world_run(world, 1);
    }
    assert_int_equal(log_count(world, "event=drift"), 0);
    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_TRANSIENT, .message = "down", .times = UINT_MAX};
    world_run(world, 1000);
    assert_int_equal(log_count(world, "event=drift zone=a.test. count=1 records=\"h1.a.test. A\""), 1);
}

static void test_what_we_never_set_does_not_drift(void **state)
{
    struct world *world = *state;

    put_many(world, 10);
    world_start(world);
    set_reconcile(world, 10000);
    put(world, 0, 1, "203.0.113.9");
    reconcile(world);
    assert_int_equal(log_count(world, "event=drift"), 0);
}

/* ---- a zone that goes while it is read ---- */

/* A reconcile finds the zone gone while a change is under way; returns that change. */
static const struct asked *lose_zone_under_a_change(struct world *world)
{
    struct provider_zone *zone = world->zones[0];

    put_many(world, 10);
    world_start(world);
    set_reconcile(world, 10000);
    zone->faults[CALL_PREPARE] = (struct fault){.outcome = PROVIDER_NO_ZONE, .times = 1};
    const unsigned before = zone->counts[CALL_PREPARE];
    while (zone->counts[CALL_PREPARE] == before) {
        world_run(world, 1);
    }
    zone->latency_ms = 300;
    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 160);
    assert_true(zone->calls[CALL_APPLY].is_under_way);
    assert_int_equal(view_of(world, 5).knowledge, RECORD_UNKNOWN);
    assert_int_equal(asked->answers, 0);
    return asked;
}

static void test_zone_goes_and_the_change_fails(void **state)
{
    struct world *world = *state;

    world->zones[0]->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 1};
    const struct asked *asked = lose_zone_under_a_change(world);
    world_run(world, 200);
    assert_int_equal(result_of(asked), OUTCOME_NO_ZONE);
    assert_empty(world);
}

static void test_zone_goes_and_the_change_is_accepted(void **state)
{
    struct world *world = *state;

    const struct asked *asked = lose_zone_under_a_change(world);
    world_run(world, 200);
    assert_int_equal(result_of(asked), OUTCOME_SET);               /* it was, and it is saved... */
    assert_int_equal(view_of(world, 5).knowledge, RECORD_UNKNOWN); /* ...but who knows what it is worth */
}

static void test_zone_goes_and_returns_under_a_change(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    zone->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 1};
    const struct asked *asked = lose_zone_under_a_change(world);
    put_foreign(world, 5, FOREIGN_ALIAS); /* the new zone has an alias there */
    loop_timer_cancel(world->loop, &zone->calls[CALL_APPLY].timer);
    queue_reconfigure(world->queue, &world->options);
    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_CREDENTIALS, .times = 1};
    world_run(world, 310);
    assert_true(world->queue->zones[0]->reader.is_found);
    (void)loop_timer_set(world->loop, &zone->calls[CALL_APPLY].timer, now_ms(world));
    world_run(world, 200);
    assert_int_equal(asked->answers, 0);
    queue_reconfigure(world->queue, &world->options);
    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_CONFLICT); /* not overwritten by the retry */
    assert_empty(world);
}

static void test_zone_goes_during_a_listing(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    put_many(world, 1000);
    queue_start(world->queue);
    world_run(world, 151);
    assert_true(zone->calls[CALL_LIST].is_under_way);
    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    zone->faults[CALL_LIST] = (struct fault){.outcome = PROVIDER_NO_ZONE, .times = 1};
    world_run(world, 160);
    assert_int_equal(result_of(asked), OUTCOME_NO_ZONE);
    assert_int_equal(view_of(world, 5).knowledge, RECORD_UNKNOWN);
    world_run(world, 64000);
    assert_int_equal(view_of(world, 5).knowledge, RECORD_PLAIN);
    assert_int_equal(view_of(world, 1500).knowledge, RECORD_ABSENT);
    assert_empty(world);
}

/* The provider says that somebody else has changed the zone: it is read back at once, and once more when the change
 * came in the middle of that. */
static void test_changed_by_somebody_else(void **state)
{
    struct world *world = world_new(50);
    struct provider_zone *zone = world_add_zone(world, "a.test.", 1000);
    (void)state;

    for (unsigned i = 0; i < 1000; i++) {
        put(world, 0, i, "192.0.2.1");
    }
    world_start(world);
    const unsigned prepares = zone->counts[CALL_PREPARE];
    const unsigned pages = zone->counts[CALL_LIST];
    put(world, 0, 7, "192.0.2.2");
    assert_true(zone->watcher.knows("h7.a.test.", RECORD_A, zone->watcher.userdata));
    assert_false(zone->watcher.knows("other.a.test.", RECORD_A, zone->watcher.userdata));
    zone->watcher.changed(zone->watcher.userdata);
    world_run(world, 200);
    assert_true(zone->calls[CALL_LIST].is_under_way);
    world_run(world, 150);
    put(world, 0, 7, "192.0.2.3"); /* its page has been read */
    zone->watcher.changed(zone->watcher.userdata);
    zone->watcher.changed(zone->watcher.userdata);
    world_run(world, 5000);
    assert_int_equal(zone->counts[CALL_PREPARE], prepares + 2);
    assert_int_equal(zone->counts[CALL_LIST], 3 * pages);
    const struct address address = address_of("192.0.2.3");
    const struct record_view view = view_of(world, 7);
    assert_true(address_equal(&view.value.address, &address));

    queue_drain(world->queue, now_ms(world) + 1000, note_drained, world);
    zone->watcher.changed(zone->watcher.userdata);
    world_run(world, 2000);
    assert_int_equal(zone->counts[CALL_PREPARE], prepares + 2);
    zone->watcher.changed(zone->watcher.userdata);
    world_free(world);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changed_by_somebody_else),
        WORLD_TEST(test_listing),
        cmocka_unit_test(test_giant_zone_is_asked_for_single_records),
        WORLD_TEST(test_a_listing_that_is_not_permitted_any_more),
        WORLD_TEST(test_reconcile_comes_again),
        WORLD_TEST(test_failing_readback_is_logged_once),
        WORLD_TEST(test_ready_is_told_once),
        WORLD_TEST(test_ready_is_told_after_trouble),
        cmocka_unit_test(test_ready_without_hosts),
        WORLD_TEST(test_readback_leaves_changes_their_turn),
        WORLD_TEST(test_unknown_record_is_looked_up),
        WORLD_TEST(test_change_without_start),
        WORLD_TEST(test_listing_answers_what_waits),
        WORLD_TEST(test_look_up_fails_and_is_tried_again),
        WORLD_TEST(test_look_up_is_refused),
        WORLD_TEST(test_newer_address_while_looking),
        WORLD_TEST(test_storm_at_start_ends_in_pages),
        cmocka_unit_test(test_storm_of_unknown_in_a_giant_zone),
        WORLD_TEST(test_foreign_is_never_overwritten),
        WORLD_TEST(test_foreign_found_while_queued),
        WORLD_TEST(test_record_configured_during_a_listing),
        WORLD_TEST(test_change_wins_over_the_listing),
        WORLD_TEST(test_change_under_way_wins_over_the_listing),
        WORLD_TEST(test_look_up_has_its_turn_beside_a_backlog),
        WORLD_TEST(test_drift_is_told_once_and_repaired),
        WORLD_TEST(test_many_drifts_are_one_line),
        WORLD_TEST(test_drift_is_told_when_reading_fails),
        WORLD_TEST(test_what_we_never_set_does_not_drift),
        WORLD_TEST(test_zone_goes_during_a_listing),
        WORLD_TEST(test_zone_goes_and_the_change_fails),
        WORLD_TEST(test_zone_goes_and_the_change_is_accepted),
        WORLD_TEST(test_zone_goes_and_returns_under_a_change),
        cmocka_unit_test(test_change_wins_over_a_look_up),
    };
    return cmocka_run_group_tests_name("queue_readback", tests, NULL, NULL);
}
