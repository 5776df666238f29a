#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"

/* The end, in every phase that a change can be in. */

static int setup(void **state)
{
    struct world *world = world_new(5);
    world_add_zone(world, "a.test.", 1000);
    world_add_zone(world, "b.test.", 10);
    world_start(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void drain(struct world *world)
{
    queue_drain(world->queue, now_ms(world) + 10000, note_drained, world);
}

static void test_nothing_to_do(void **state)
{
    struct world *world = *state;

    drain(world);
    assert_false(world->is_drained); /* never inside the call */
    world_turn(world);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 0);
    world_run(world, 11000);
}

static void test_queued_and_under_way_are_finished(void **state)
{
    struct world *world = *state;

    const struct asked *under_way = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 50);
    const struct asked *queued = ask(world, 0, 1, "198.18.0.1");
    const struct asked *newer = ask(world, 0, 0, "198.18.0.2");
    world_turn(world);
    drain(world);
    const struct asked *late = ask(world, 0, 2, "198.18.0.1");
    world_turn(world);
    assert_int_equal(result_of(late), OUTCOME_STOPPING);
    world_run(world, 400);
    assert_int_equal(result_of(under_way), OUTCOME_SET);
    assert_int_equal(result_of(queued), OUTCOME_SET);
    assert_int_equal(result_of(newer), OUTCOME_SET);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 0);
    assert_empty(world);
    assert_int_equal(result_of(ask(world, 0, 3, "198.18.0.1")), OUTCOME_PENDING);
    world_turn(world); /* also after the end */
    assert_int_equal(result_of(world->asked), OUTCOME_STOPPING);
}

static void test_posted_before_the_drain_is_finished(void **state)
{
    struct world *world = *state;

    const struct asked *asked = ask(world, 0, 0, "198.18.0.1"); /* posted, not yet run */
    world_turn(world);
    drain(world);
    world_run(world, 200);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(world->left, 0);
}

static void test_deadline(void **state)
{
    struct world *world = *state;

    world->zones[0]->is_held = true;
    const struct asked *under_way = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 5000);
    const struct asked *queued = ask(world, 0, 1, "198.18.0.1");
    const struct asked *newer = ask(world, 0, 0, "198.18.0.2");
    world_run(world, 4000);
    drain(world);
    world_run(world, 1001);
    assert_int_equal(result_of(under_way), OUTCOME_TIMED_OUT);
    world_run(world, 5000);
    assert_int_equal(queued->answers, 1);
    world_run(world, 4000);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 3);
    assert_int_not_equal(result_of(newer), OUTCOME_SET);
    assert_empty(world);
    world->zones[0]->is_held = false; /* the answer that comes too late harms nobody */
    world_run(world, 1000);
    assert_empty(world);
}

static void test_waiters_at_the_deadline(void **state)
{
    struct world *world = *state;

    world->options.update_timeout_ms = 60000;
    queue_reconfigure(world->queue, &world->options);
    world->zones[0]->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_CREDENTIALS, .times = UINT_MAX};
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 1000);
    drain(world);
    world_run(world, 9999);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 2); /* one more chance */
    assert_int_equal(asked->answers, 0);
    world_run(world, 1);
    assert_int_equal(result_of(asked), OUTCOME_STOPPING);
    assert_int_equal(world->left, 1);
    world_run(world, 100000);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 2);
}

static void test_during_back_off(void **state)
{
    struct world *world = *state;

    world->zones[0]->faults[CALL_APPLY] =
        (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 1, .retry_after_ms = 200000};
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 1000);
    drain(world);
    world_run(world, 200);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_true(world->is_drained);
}

static void test_during_bisection(void **state)
{
    struct world *world = *state;

    entry_of(world->zones[0], 3, RECORD_A)->is_bad = true;
    for (unsigned i = 0; i < 16; i++) {
        ask_address(world, 0, i, numbered(i));
    }
    world_run(world, 250);
    drain(world);
    world_run(world, 9000);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 0);
    unsigned set = 0;
    for (const struct asked *asked = world->asked; asked; asked = asked->next) {
        set += result_of(asked) == OUTCOME_SET;
    }
    assert_int_equal(set, 15);
}

static void test_during_a_look_up(void **state)
{
    struct world *world = *state;

    record_forget(record_of(world, 0, 5));
    const struct asked *asked = ask(world, 0, 5, "198.18.0.1");
    world_run(world, 50);
    assert_true(world->zones[0]->calls[CALL_LOOK_UP].is_under_way);
    drain(world);
    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_true(world->is_drained);
}

static void test_during_a_readback(void **state)
{
    struct world *world = world_new(5);
    struct provider_zone *zone = world_add_zone(world, "a.test.", 1000);
    (void)state;

    for (unsigned i = 0; i < 1000; i++) {
        put(world, 0, i, "192.0.2.1");
    }
    queue_start(world->queue);
    world_run(world, 200);
    assert_true(zone->calls[CALL_LIST].is_under_way);
    drain(world);
    world_turn(world);
    assert_true(world->is_drained); /* nobody waits for it */
    const unsigned before = zone->counts[CALL_LIST];
    world_run(world, 30000);
    assert_int_equal(zone->counts[CALL_LIST], before);
    world_free(world);
}

static void test_unsaved(void **state)
{
    struct world *world = *state;

    world->commit_error = -ENOSPC;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 8000);
    drain(world);
    world_run(world, 900);
    assert_false(world->is_drained);
    world->commit_error = 0;
    world_run(world, 100);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 0);
}

static void test_unsaved_at_the_deadline(void **state)
{
    struct world *world = *state;

    world->options.update_timeout_ms = 60000;
    queue_reconfigure(world->queue, &world->options);
    world->commit_error = -ENOSPC;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 200);
    drain(world);
    world_run(world, 10000);
    assert_int_equal(result_of(asked), OUTCOME_STOPPING); /* not saved: no success */
    assert_int_equal(world->left, 1);
}

static void test_during_a_commit(void **state)
{
    struct world *world = *state;

    world->is_store_held = true;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 300);
    drain(world);
    world_run(world, 5000);
    assert_false(world->is_drained);
    store_release(world);
    world_turn(world);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 0);
}

/* The deadline finds it in the store: it has half a second more, and after that nobody is told of a success. */
static void test_commit_at_the_deadline(void **state)
{
    for (unsigned is_in_time = 0; is_in_time < 2; is_in_time++) {
        struct world *world = world_new(5);
        world_add_zone(world, "a.test.", 10);
        world_start(world);
        world->options.update_timeout_ms = 60000;
        queue_reconfigure(world->queue, &world->options);
        world->is_store_held = true;
        const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
        world_run(world, 300);
        drain(world);
        world_run_by(world, 10400, 1);
        assert_false(world->is_drained);
        if (is_in_time) {
            store_release(world);
        }
        world_run(world, 100);
        assert_true(world->is_drained);
        assert_int_equal(result_of(asked), is_in_time ? OUTCOME_SET : OUTCOME_STOPPING);
        assert_int_equal(world->left, is_in_time ? 0 : 1);
        store_release(world); /* the answer that comes too late harms nobody */
        world_run(world, 2000);
        assert_empty(world);
        world_free(world);
    }
    (void)state;
}

static void test_drain_twice(void **state)
{
    struct world *world = *state;

    drain(world);
    drain(world);
    world_run(world, 11000);
    assert_true(world->is_drained); /* once: note_drained checks */
    queue_reconfigure(world->queue, &world->options);
    world_run(world, 1000);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nothing_to_do),
        WORLD_TEST(test_queued_and_under_way_are_finished),
        WORLD_TEST(test_posted_before_the_drain_is_finished),
        WORLD_TEST(test_deadline),
        WORLD_TEST(test_waiters_at_the_deadline),
        WORLD_TEST(test_during_back_off),
        WORLD_TEST(test_during_bisection),
        WORLD_TEST(test_during_a_look_up),
        cmocka_unit_test(test_during_a_readback),
        WORLD_TEST(test_unsaved),
        WORLD_TEST(test_unsaved_at_the_deadline),
        WORLD_TEST(test_during_a_commit),
        cmocka_unit_test(test_commit_at_the_deadline),
        WORLD_TEST(test_drain_twice),
    };
    return cmocka_run_group_tests_name("queue_drain", tests, NULL, NULL);
}
