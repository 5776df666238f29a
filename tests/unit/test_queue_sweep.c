/* Records that left the configuration leave memory, but not before whoever needs them is done, and later the state. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue_world.h"
#include "some_hosts.h"

/* After a reload that leaves these pairs of names and types. */
static void reload(struct world *world, const char *const *pairs)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = some_hosts(pairs);

    assert_int_equal(records_configure(world->records, hosts), 0);
    queue_reconfigure(world->queue, &world->options);
}

static const char *const nobody[] = {NULL};

static void test_all_leave(void **state)
{
    struct world *world = world_new(1000);

    (void)state;
    (void)world_add_zone(world, "a.test.", 2000);
    world_start(world);
    assert_int_equal(records_count(world->records), 4000);
    reload(world, nobody);
    world_turn(world);
    world->clock.test_monotonic_ms += 1;
    world_turn(world);
    /* In slices, so that nobody waits for the whole of it. */
    assert_in_range(records_count(world->records), 2000, 3999);
    world_run(world, 20);
    assert_int_equal(records_count(world->records), 0);
    assert_true(records_have_shrunk(world->records));
    assert_false(records_have_shrunk(world->records));
    world_free(world);
}

static void test_who_stays_stays(void **state)
{
    static const char *const one[] = {"h1.a.test.", "A", "new.a.test.", "AAAA", NULL};
    struct world *world = world_new(1000);

    (void)state;
    (void)world_add_zone(world, "a.test.", 3);
    world_start(world);
    struct record *kept = record_of(world, 0, 1);
    reload(world, one);
    world_run(world, 20);
    assert_int_equal(records_count(world->records), 2);
    assert_ptr_equal(records_find(world->records, "h1.a.test.", RECORD_A), kept);
    assert_null(records_find(world->records, "h0.a.test.", RECORD_A));
    assert_int_equal(records_each(world->records, 0, NULL, NULL), 2);
    world_free(world);
}

/* The host has left while its change is at the provider: it is carried out, then the record goes. */
static void test_a_change_under_way(void **state)
{
    struct world *world = world_new(1000);
    (void)world_add_zone(world, "a.test.", 3);

    (void)state;
    world_start(world);
    world->zones[0]->latency_ms = 30000;
    const struct asked *asked = ask(world, 0, 1, "192.0.2.1");
    world_run(world, 100);
    reload(world, nobody);
    world_run(world, 25000);
    assert_int_equal(result_of(asked), OUTCOME_TIMED_OUT);
    assert_int_equal(records_count(world->records), 1);
    world_run(world, 20000);
    assert_true(holds(world, 0, 1, "192.0.2.1"));
    assert_int_equal(records_count(world->records), 0);
    assert_empty(world);
    world_free(world);
}

/* A record comes back while its old change is still under way: it is the same one, so that the newest wins. */
static void test_back_again_while_a_change_is_under_way(void **state)
{
    static const char *const back[] = {"h1.a.test.", "A", NULL};
    struct world *world = world_new(1000);
    (void)world_add_zone(world, "a.test.", 3);

    (void)state;
    world_start(world);
    world->zones[0]->latency_ms = 30000;
    (void)ask(world, 0, 1, "192.0.2.1");
    world_run(world, 100);
    struct record *record = record_of(world, 0, 1);
    reload(world, nobody);
    world_run(world, 1000);
    reload(world, back);
    world_run(world, 1000);
    assert_ptr_equal(records_find(world->records, "h1.a.test.", RECORD_A), record);
    record_release(record);
    world->zones[0]->latency_ms = 150;
    (void)ask(world, 0, 1, "192.0.2.2");
    world_run(world, 60000);
    assert_true(holds(world, 0, 1, "192.0.2.2"));
    assert_int_equal(records_count(world->records), 1);
    world_free(world);
}

static void test_a_look_up_under_way(void **state)
{
    struct world *world = world_new(1000);
    struct provider_zone *zone = world_add_zone(world, "a.test.", 20);

    (void)state;
    zone->record_count = 100000; /* so many that each of ours is looked up by itself */
    zone->latency_ms = 500;
    queue_start(world->queue);
    while (zone->counts[CALL_LOOK_UP] < 5) {
        world_run(world, 100);
    }
    reload(world, nobody);
    world_run(world, 50);
    assert_int_equal(records_count(world->records), 1); /* the one that is looked up */
    world_run(world, 30000);
    assert_int_equal(records_count(world->records), 0);
    world_free(world);
}

static void test_a_touch_that_is_not_saved_yet(void **state)
{
    struct world *world = world_new(1000);
    const struct address source = address_of("192.0.2.9");

    (void)state;
    (void)world_add_zone(world, "a.test.", 2);
    world_start(world);
    record_touch(record_of(world, 0, 0), &source, 1);
    world->commit_error = -EIO;
    reload(world, nobody);
    world_run(world, 30000);
    assert_int_equal(records_count(world->records), 1);
    world->commit_error = 0;
    world_run(world, 30000);
    assert_int_equal(records_count(world->records), 0);
    world_free(world);
}

static int64_t forget_times_s[8];
static unsigned forget_calls;

static struct {
    struct loop_work work;
    store_done done;
    void *userdata;
} forget_call;

static void answer_forget(struct loop_work *work)
{
    (void)work;
    forget_call.done(forget_calls % 3 != 0, "", forget_call.userdata);
}

/* Three slices a day; the record of h1 is no longer configured. */
static void forget_in_slices(struct store *store, int64_t before_s,
                             bool (*is_kept)(const char *hostname, enum record_type type, void *userdata),
                             void *is_kept_userdata, size_t *deleted, store_done done, void *userdata)
{
    assert_true(is_kept("h0.a.test.", RECORD_A, is_kept_userdata));
    assert_false(is_kept("h1.a.test.", RECORD_A, is_kept_userdata));
    assert_false(is_kept("never.a.test.", RECORD_A, is_kept_userdata));
    assert_true(forget_calls < ELEMENTS(forget_times_s));
    forget_times_s[forget_calls++] = before_s;
    *deleted += 1;
    forget_call.work.run = answer_forget;
    forget_call.done = done;
    forget_call.userdata = userdata;
    loop_post(CONTAINER_OF(store, struct world, store)->loop, &forget_call.work);
}

static void test_rows_are_forgotten_each_day(void **state)
{
    static const char *const one[] = {"h0.a.test.", "A", NULL};
    struct world *world = world_new(1000);

    (void)state;
    (void)world_add_zone(world, "a.test.", 2);
    struct store_ops ops = *world->store.ops;
    ops.forget = forget_in_slices;
    world->store.ops = &ops;
    reload(world, one);
    const int64_t start_s = clock_realtime_s(&world->clock);
    world_start(world);
    assert_int_equal(forget_calls, 3);
    assert_in_range(forget_times_s[0], start_s - 30 * 86400, start_s - 30 * 86400 + 5);
    assert_int_equal(log_count(world, "event=forgotten rows=3"), 1);
    world_run_by(world, (int64_t)(86400 + 5) * 1000, 1000);
    assert_int_equal(forget_calls, 6);
    assert_in_range(forget_times_s[3], start_s - 29 * 86400, start_s - 29 * 86400 + 5);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_leave),
        cmocka_unit_test(test_who_stays_stays),
        cmocka_unit_test(test_a_change_under_way),
        cmocka_unit_test(test_back_again_while_a_change_is_under_way),
        cmocka_unit_test(test_a_look_up_under_way),
        cmocka_unit_test(test_a_touch_that_is_not_saved_yet),
        cmocka_unit_test(test_rows_are_forgotten_each_day),
    };
    return cmocka_run_group_tests_name("queue_sweep", tests, NULL, NULL);
}
