/* Records that a reload brings into a zone are looked at soon, not only with the next read-back in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"
#include "some_hosts.h"

#define HOSTS 1000
#define PAGES 4 /* of 300 records, for HOSTS that have one each */
#define SOON_MS 3000

/* h(first) to h(end - 1), with a record each. */
static void configure(struct world *world, unsigned first, unsigned end)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_append_text(&text, "hosts:\n");
    for (unsigned i = first; i < end; i++) {
        buffer_printf(&text, "  - {hostname: h%u.a.test., record_type: A, shared_secret: a secret of the tests}\n", i);
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = hosts_of(buffer_text(&text));
    assert_int_equal(records_configure(world->records, hosts), 0);
}

static void reload_from(struct world *world, unsigned first, unsigned end)
{
    configure(world, first, end);
    queue_reconfigure(world->queue, &world->options);
}

static void reload(struct world *world, unsigned count)
{
    reload_from(world, 0, count);
}

/* A zone that was read back when it had `count` hosts; the server has records of all. */
static struct world *world_with(unsigned count)
{
    struct world *world = world_new(5);
    struct provider_zone *zone = world_add_zone(world, "a.test.", HOSTS);

    for (unsigned i = 0; i < HOSTS; i++) {
        put(world, 0, i, "192.0.2.1");
        /* The fake server borrows them, also those that leave the configuration. */
        record_hold(entry_of(zone, i, RECORD_A)->record);
        record_hold(entry_of(zone, i, RECORD_AAAA)->record);
    }
    world->options.reconcile_ms = 3600000;
    reload(world, count);
    world_start(world);
    return world;
}

static void forget_counts(struct world *world)
{
    memset(world->zones[0]->counts, 0, sizeof(world->zones[0]->counts));
    world->zones[0]->call_count = 0;
}

static enum record_knowledge knowledge_of(struct world *world, unsigned host)
{
    struct record_view view;

    record_view(record_of(world, 0, host), &view);
    record_view_done(&view);
    return view.knowledge;
}

static void assert_all_known(struct world *world, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(knowledge_of(world, i), RECORD_PLAIN);
    }
}

static void assert_one_read_back(const struct provider_zone *zone)
{
    assert_int_equal(zone->counts[CALL_PREPARE], 1);
    assert_int_equal(zone->counts[CALL_LIST], PAGES);
}

static void test_few_are_looked_up(void **state)
{
    struct world *world = world_with(900);
    const struct provider_zone *zone = world->zones[0];

    (void)state;
    forget_counts(world);
    reload(world, 903);
    assert_int_equal(knowledge_of(world, 902), RECORD_UNKNOWN);
    world_run(world, SOON_MS);
    assert_all_known(world, 903);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 3);
    assert_int_equal(zone->counts[CALL_LIST] + zone->counts[CALL_PREPARE], 0);
    world_free(world);
}

static void test_many_are_read_with_the_zone(void **state)
{
    struct world *world = world_with(100);
    const struct provider_zone *zone = world->zones[0];

    (void)state;
    forget_counts(world);
    reload(world, HOSTS);
    world_run(world, SOON_MS);
    assert_all_known(world, HOSTS);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 0);
    assert_one_read_back(zone);
    world_free(world);
}

static void test_a_burst_of_reloads_makes_one(void **state)
{
    struct world *world = world_with(100);
    const struct provider_zone *zone = world->zones[0];

    (void)state;
    forget_counts(world);
    for (unsigned i = 1; i <= 4; i++) {
        reload(world, 100 + 200 * i);
        world_run(world, 50);
    }
    world_run(world, SOON_MS);
    assert_all_known(world, 900);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 0);
    assert_one_read_back(zone);
    world_free(world);
}

static void test_none_that_is_new(void **state)
{
    struct world *world = world_with(100);
    const struct provider_zone *zone = world->zones[0];

    (void)state;
    forget_counts(world);
    reload(world, 100);
    world_run(world, SOON_MS);
    reload(world, 50);
    world_run(world, SOON_MS);
    assert_int_equal(zone->call_count, 0);
    world_free(world);
}

/* Records come before the queue, as in the daemon. The read-back of the start has them all: a walk over a million would
 * be in vain. */
static void test_none_of_those_that_the_start_brought(void **state)
{
    struct world *world = world_new(5);

    (void)state;
    configure(world, 0, HOSTS);
    world_add_zone(world, "a.test.", HOSTS);
    const struct meeting *meeting = &world->queue->zones[0]->meeting;
    world_start(world);
    reload(world, HOSTS);
    assert_false(meeting->is_wanted);
    assert_int_equal(meeting->timer.heap_index, 0);
    reload(world, HOSTS - 1);
    assert_false(meeting->is_wanted);
    reload(world, HOSTS);
    assert_true(meeting->is_wanted);
    world_free(world);
}

/* Those that come during a read-back, behind what it has read, are looked at when it ends. */
static void test_during_a_read_back(void **state)
{
    struct world *world = world_with(900);
    const struct provider_zone *zone = world->zones[0];

    (void)state;
    reload_from(world, 2, 900);
    world_run(world, SOON_MS);
    forget_counts(world);
    zone_read_back(world->queue->zones[0]);
    world_run(world, 400);
    assert_in_range(zone->counts[CALL_LIST], 1, PAGES - 1);
    reload(world, 900);
    world_run(world, SOON_MS);
    assert_all_known(world, 900);
    assert_one_read_back(zone);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 2);
    world_free(world);
}

static void test_before_the_zone_is_found(void **state)
{
    struct world *world = world_with(100);
    struct provider_zone *zone = world->zones[0];

    (void)state;
    zone->faults[CALL_LOOK_UP] = (struct fault){.outcome = PROVIDER_NO_ZONE, .times = 1, .message = "gone"};
    zone->faults[CALL_PREPARE] = (struct fault){.outcome = PROVIDER_NO_ZONE, .times = 2, .message = "gone"};
    reload(world, 101);
    world_run(world, SOON_MS);
    assert_int_equal(world->queue->zones[0]->state, ZONE_GONE);
    reload(world, 102);
    world_run(world, 300000);
    assert_all_known(world, 102);
    world_free(world);
}

/* A failure is tried again; the time of the next read-back stays. */
static void test_failures_and_the_read_back_in_time(void **state)
{
    struct world *world = world_with(900);
    struct provider_zone *zone = world->zones[0];

    (void)state;
    forget_counts(world);
    const int64_t due_ms = world->queue->zones[0]->reconcile.at_ms;
    zone->faults[CALL_LOOK_UP] = (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 2, .message = "no route"};
    reload(world, 902);
    world_run(world, 10000);
    assert_all_known(world, 902);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 4);
    assert_int_equal(world->queue->zones[0]->reconcile.at_ms, due_ms);
    world_run_by(world, due_ms - now_ms(world) + SOON_MS, 100);
    assert_one_read_back(zone);
    world_free(world);
}

/* Five calls a second of the account: a change goes as soon as without them. */
static void test_changes_have_their_turn(void **state)
{
    struct world *world = world_with(980);
    struct provider_zone *zone = world->zones[0];

    (void)state;
    zone->record_count = 1000000; /* so that each of them is looked up */
    zone_read_back(world->queue->zones[0]);
    world_run(world, 200);
    world->queue->zones[0]->reader.phase = READER_IDLE;
    forget_counts(world);
    reload(world, HOSTS);
    world_run(world, 1500);
    assert_in_range(zone->counts[CALL_LOOK_UP], 2, 8);
    const struct asked *asked = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 600);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    for (size_t i = 5; i < zone->call_count; i++) {
        assert_true(zone->call_times_ms[i] - zone->call_times_ms[i - 5] >= 990);
    }
    world_run(world, 10000);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 20);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_are_looked_up),
        cmocka_unit_test(test_many_are_read_with_the_zone),
        cmocka_unit_test(test_a_burst_of_reloads_makes_one),
        cmocka_unit_test(test_none_that_is_new),
        cmocka_unit_test(test_none_of_those_that_the_start_brought),
        cmocka_unit_test(test_during_a_read_back),
        cmocka_unit_test(test_before_the_zone_is_found),
        cmocka_unit_test(test_failures_and_the_read_back_in_time),
        cmocka_unit_test(test_changes_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
