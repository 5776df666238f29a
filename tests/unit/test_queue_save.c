#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"

/* The state: nothing is a success before it is saved, and a disk that was full is no reason to forget. */

static int setup(void **state)
{
    struct world *world = world_new(5);
    world_add_zone(world, "a.test.", 3000);
    world_start(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void test_success_waits_for_the_state(void **state)
{
    struct world *world = *state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    world->commit_error = -ENOSPC;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 5000);
    assert_int_equal(asked->answers, 0);
    assert_true(holds(world, 0, 0, "198.18.0.1"));
    assert_int_equal(queue_report_trouble(world->queue, 300000, &buffer), 1);
    assert_string_equal(buffer_text(&buffer), "state: cannot be written for 4 s: No space left on device\n");
    struct record_view view;
    record_view(record_of(world, 0, 0), &view);
    assert_true(view.busy);
    assert_int_equal(view.last_set.address.family, ADDRESS_NONE);

    world->commit_error = 0;
    world_run(world, 4900);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(queue_report_trouble(world->queue, 0, &buffer), 0);
    assert_int_equal(log_count(world, "event=state_trouble message=\"No space left on device\""), 1);
    assert_int_equal(log_count(world, "event=state_recovered"), 1);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 1); /* the provider isn't asked again */
    assert_empty(world);
}

static void test_time_out_while_the_disk_is_full(void **state)
{
    struct world *world = *state;

    world->commit_error = -ENOSPC;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 10001);
    assert_int_equal(result_of(asked), OUTCOME_TIMED_OUT);
    world_run(world, 300000);
    assert_int_equal(world->queue->shared.tally.changes, 1);
    world->commit_error = 0;
    world_run(world, 30000); /* tried twice a minute at least */
    assert_int_equal(entry_of(world->zones[0], 0, RECORD_A)->saves, 1);
    assert_int_equal(log_count(world, "event=state_trouble"), 1);
    assert_empty(world);
}

static void test_newer_change_supersedes_an_unsaved_one(void **state)
{
    struct world *world = *state;
    const struct address first_address = address_of("198.18.0.1");
    const struct address third_address = address_of("198.18.0.3");

    ask(world, 0, 0, "198.18.0.1");
    world_run(world, 200);
    world->commit_error = -EIO;
    const struct asked *second = ask(world, 0, 0, "198.18.0.2");
    world_run(world, 200);
    const struct asked *third = ask(world, 0, 0, "198.18.0.3");
    world_run(world, 200);
    assert_true(holds(world, 0, 0, "198.18.0.3"));
    assert_int_equal(world->queue->shared.tally.changes, 1);
    world->commit_error = 0;
    world_run(world, 3000);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_int_equal(result_of(third), OUTCOME_SET);
    const struct entry *entry = entry_of(world->zones[0], 0, RECORD_A);
    assert_true(address_equal(&entry->saved.address, &third_address));
    assert_true(address_equal(&entry->saved_old.address, &first_address)); /* the history has no gap */
    assert_empty(world);
}

static void test_full_disk_is_left_in_peace(void **state)
{
    struct world *world = *state;

    world->commit_error = -ENOSPC;
    for (unsigned i = 0; i < 60; i++) {
        ask_address(world, 0, i, numbered(i));
        world_run(world, 1000);
    }
    assert_in_range(world->failed_commits, 5, 7); /* after 1, 2, 4, 8, 16 s, then each 30 s */
    world->commit_error = 0;
    world_run(world, 30000);
    assert_empty(world);
}

static void test_many_commits_are_few(void **state)
{
    struct world *world = *state;

    world->commit_error = -EIO;
    for (unsigned i = 0; i < 2500; i++) {
        ask_address(world, 0, i, numbered(i));
    }
    world_run(world, 9000);
    assert_int_equal(world->answered, 0);
    world->commit_error = 0;
    queue_reconfigure(world->queue, &world->options); /* tries at once */
    world_turn(world);
    assert_int_equal(world->answered, 2500);
    assert_int_equal(world->commits, 3);
    assert_empty(world);
}

static void test_touches(void **state)
{
    struct world *world = *state;
    const struct address source = address_of("192.0.2.1");
    const struct entry *entry = entry_of(world->zones[0], 2999, RECORD_A);

    for (unsigned i = 0; i < 3000; i++) {
        record_touch(record_of(world, 0, i), &source, 1000 + i);
    }
    world_run(world, 10000);
    assert_int_equal(entry->touched_s, 3999);

    world->commit_error = -ENOSPC;
    record_touch(entry->record, &source, 5000);
    world_run(world, 10000);
    assert_int_equal(entry->touched_s, 3999);
    assert_int_equal(log_count(world, "event=state_trouble"), 1);
    world->commit_error = 0;
    world_run(world, 10000);
    assert_int_equal(entry->touched_s, 5000);
    assert_int_equal(log_count(world, "event=state_recovered"), 1);
}

static void test_touches_at_the_end(void **state)
{
    struct world *world = world_new(5);
    const struct address source = address_of("192.0.2.1");
    (void)state;

    world_add_zone(world, "a.test.", 1);
    world->is_store_held = true;
    record_touch(record_of(world, 0, 0), &source, 1000);
    queue_drain(world->queue, now_ms(world) + 1000, note_drained, world);
    assert_true(world->touch_call.is_under_way);
    record_touch(record_of(world, 0, 0), &source, 1001); /* one that came while they were being saved */
    world_run(world, 1);
    assert_false(world->is_drained);
    store_release(world);
    world_run(world, 1);
    assert_true(world->is_drained);
    assert_int_equal(entry_of(world->zones[0], 0, RECORD_A)->touched_s, 1001);
    world_free(world);
}

static void test_without_a_state(void **state)
{
    struct world *world = world_new(5);
    const struct address source = address_of("192.0.2.1");
    (void)state;

    world_add_zone(world, "a.test.", 1);
    world->queue->shared.saver.store = NULL;
    record_touch(record_of(world, 0, 0), &source, 1000);
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 11000);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    world_free(world);
}

/* The store takes its time: nothing is answered before it has. */

static void test_success_waits_for_the_commit(void **state)
{
    struct world *world = *state;

    world->is_store_held = true;
    const struct asked *first = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 300);
    assert_true(holds(world, 0, 0, "198.18.0.1"));
    assert_true(world->commit_call.is_under_way);
    assert_int_equal(world->commit_call.count, 1);
    /* While it is under way: the same again waits with it, another record for the next one. */
    const struct asked *same = ask(world, 0, 0, "198.18.0.1");
    const struct asked *other = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 300);
    assert_int_equal(world->answered, 0);
    struct record_view view;
    record_view(record_of(world, 0, 0), &view);
    assert_int_equal(view.last_set.address.family, ADDRESS_NONE);

    store_release(world);
    world_turn(world);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(same), OUTCOME_SET);
    assert_int_equal(result_of(other), OUTCOME_SET);
    assert_int_equal(world->commits, 2);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 2);
    assert_empty(world);
}

static void test_newer_change_during_a_commit(void **state)
{
    struct world *world = *state;
    const struct entry *entry = entry_of(world->zones[0], 0, RECORD_A);
    const struct address first_address = address_of("198.18.0.1");
    const struct address second_address = address_of("198.18.0.2");

    world->is_store_held = true;
    const struct asked *first = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 300);
    const struct asked *second = ask(world, 0, 0, "198.18.0.2");
    world_run(world, 300);
    assert_true(holds(world, 0, 0, "198.18.0.2"));
    assert_int_equal(world->answered, 0);
    store_release(world);
    world_turn(world);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_int_equal(entry->saves, 2);
    assert_true(address_equal(&entry->saved.address, &second_address));
    assert_true(address_equal(&entry->saved_old.address, &first_address));
    assert_empty(world);
}

/* The commit fails once a newer address is accepted: one row does for both, and the history has no gap. */
static void test_failed_commit_joins_a_newer_change(void **state)
{
    struct world *world = *state;
    const struct entry *entry = entry_of(world->zones[0], 0, RECORD_A);
    const struct address before = address_of("198.18.0.9");
    const struct address last = address_of("198.18.0.2");

    ask(world, 0, 0, "198.18.0.9");
    world_run(world, 300);
    world->is_store_held = true;
    const struct asked *first = ask(world, 0, 0, "198.18.0.1");
    const struct asked *beside = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 300);
    const struct asked *second = ask(world, 0, 0, "198.18.0.2");
    world_run(world, 300);
    world->commit_error = -EIO;
    store_release(world);
    world_turn(world);
    assert_int_equal(world->answered, 1);
    assert_int_equal(world->queue->shared.saver.accepted.count, 2);
    assert_int_equal(world->queue->shared.tally.changes, 2);
    world->commit_error = 0;
    world_run(world, 3000);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(beside), OUTCOME_SET);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_int_equal(entry->saves, 2);
    assert_true(address_equal(&entry->saved.address, &last));
    assert_true(address_equal(&entry->saved_old.address, &before));
    assert_empty(world);
}

static void test_time_out_during_a_commit(void **state)
{
    struct world *world = *state;

    world->is_store_held = true;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 10001);
    assert_int_equal(result_of(asked), OUTCOME_TIMED_OUT);
    store_release(world);
    world_turn(world);
    assert_int_equal(entry_of(world->zones[0], 0, RECORD_A)->saves, 1);
    assert_empty(world);
}

/* 60,000 touches go in turns with the commits. */
static void test_touches_leave_room_for_commits(void **state)
{
    struct world *world = *state;
    const struct address source = address_of("192.0.2.1");

    for (unsigned i = 0; i < 3000; i++) {
        record_touch(record_of(world, 0, i), &source, 1000);
    }
    world->is_store_held = true;
    saver_touch_now(&world->queue->shared.saver);
    assert_int_equal(world->touch_call.count, 1000);
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 300);
    assert_true(world->commit_call.is_under_way);
    saver_touch_now(&world->queue->shared.saver); /* one that is under way is enough */
    store_release(world);
    world_turn(world);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(entry_of(world->zones[0], 2999, RECORD_A)->touched_s, 1000);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_success_waits_for_the_state),
        WORLD_TEST(test_time_out_while_the_disk_is_full),
        WORLD_TEST(test_newer_change_supersedes_an_unsaved_one),
        WORLD_TEST(test_full_disk_is_left_in_peace),
        WORLD_TEST(test_many_commits_are_few),
        WORLD_TEST(test_touches),
        WORLD_TEST(test_success_waits_for_the_commit),
        WORLD_TEST(test_newer_change_during_a_commit),
        WORLD_TEST(test_failed_commit_joins_a_newer_change),
        WORLD_TEST(test_time_out_during_a_commit),
        WORLD_TEST(test_touches_leave_room_for_commits),
        cmocka_unit_test(test_touches_at_the_end),
        cmocka_unit_test(test_without_a_state),
    };
    return cmocka_run_group_tests_name("queue_save", tests, NULL, NULL);
}
