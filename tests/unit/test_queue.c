#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"

/* The queue itself: coalescing, joining, answering, time-outs, limits, fairness. */

static int setup(void **state)
{
    struct world *world = world_new(5);
    world_add_zone(world, "a.test.", 20);
    world_add_zone(world, "b.test.", 20);
    put(world, 0, 1, "192.0.2.1");
    world_start(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void test_lone_change_waits_for_nothing(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_turn(world);
    assert_int_equal(zone->counts[CALL_APPLY], 1); /* at once, in the same turn */
    world_run(world, 149);
    assert_int_equal(asked->answers, 0);
    world_run(world, 1);
    assert_int_equal(asked->answers, 1);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_true(holds(world, 0, 0, "198.18.0.1"));

    const struct entry *entry = entry_of(zone, 0, RECORD_A);
    const struct address address = address_of("198.18.0.1");
    assert_true(address_equal(&entry->saved.address, &address));
    assert_int_equal(entry->saved_old.address.family, ADDRESS_NONE);
    assert_string_equal(entry->saved_id, "C1");
    struct record_view view;
    record_view(entry->record, &view);
    assert_int_equal(view.knowledge, RECORD_PLAIN);
    assert_true(address_equal(&view.value.address, &address));
    assert_true(address_equal(&view.last_set.address, &address));
    assert_false(view.busy);
    assert_empty(world);
}

static void test_old_address_is_in_the_history(void **state)
{
    struct world *world = *state;
    const struct address old = address_of("192.0.2.1");

    ask(world, 0, 1, "198.18.0.1");
    world_run(world, 200);
    assert_true(address_equal(&entry_of(world->zones[0], 1, RECORD_A)->saved_old.address, &old));
}

static void test_one_submission_is_one_batch(void **state)
{
    struct world *world = *state;
    struct asked *asked = ask_new(world, 12);

    for (unsigned i = 0; i < 12; i++) {
        ask_item(asked, i, entry_of(world->zones[0], i / 2, i % 2 ? RECORD_AAAA : RECORD_A)->record,
                 i % 2 ? address_of("2001:db8::7") : numbered(i));
    }
    ask_submit(asked);
    world_run(world, 200);
    assert_int_equal(asked->answers, 1);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 1);
    assert_int_equal(world->zones[0]->batch_sizes[0], 12);
    assert_int_equal(world->commits, 1);
}

static void test_one_turn_is_one_batch(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < 10; i++) {
        ask(world, 0, i, "198.18.0.1");
    }
    world_run(world, 200);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 1);
    assert_int_equal(world->zones[0]->batch_sizes[0], 10);
}

static void test_next_batch_collects_while_one_is_under_way(void **state)
{
    struct world *world = *state;

    ask(world, 0, 0, "198.18.0.1");
    for (unsigned i = 1; i < 10; i++) {
        world_run(world, 10);
        ask(world, 0, i, "198.18.0.1");
    }
    world_run(world, 300);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 2);
    assert_int_equal(world->zones[0]->batch_sizes[0], 1);
    assert_int_equal(world->zones[0]->batch_sizes[1], 9);
    assert_int_equal(world->answered, 10);
}

static void test_already_so_costs_no_call(void **state)
{
    struct world *world = *state;

    /* The state knows nothing of it: it is put right first. */
    const struct asked *asked = ask(world, 0, 1, "192.0.2.1");
    world_turn(world);
    assert_int_equal(result_of(asked), OUTCOME_UNCHANGED);
    assert_int_equal(entry_of(world->zones[0], 1, RECORD_A)->saves, 1);

    asked = ask(world, 0, 1, "192.0.2.1");
    world_turn(world);
    assert_int_equal(result_of(asked), OUTCOME_UNCHANGED);
    assert_int_equal(entry_of(world->zones[0], 1, RECORD_A)->saves, 1);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 0);
    assert_empty(world);
}

static void test_already_so_waits_for_the_state(void **state)
{
    struct world *world = *state;

    world->commit_error = -ENOSPC;
    const struct asked *asked = ask(world, 0, 1, "192.0.2.1");
    world_run(world, 500);
    assert_int_equal(asked->answers, 0);
    world->commit_error = 0;
    world_run(world, 1000);
    assert_int_equal(result_of(asked), OUTCOME_UNCHANGED);
}

static void test_ttl_counts(void **state)
{
    struct world *world = *state;
    struct asked *asked = ask_new(world, 1);

    ask_item(asked, 0, record_of(world, 0, 1), address_of("192.0.2.1"));
    asked->items[0].request.ttl_s = 300;
    ask_submit(asked);
    world_run(world, 200);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(entry_of(world->zones[0], 1, RECORD_A)->ttl_s, 300);
}

/* Blocks zone 0 with a change of host 19, so that what comes stays queued. */
static void block(struct world *world)
{
    ask(world, 0, 19, "198.18.9.9");
    world_run(world, 10);
}

static void test_newest_wins(void **state)
{
    struct world *world = *state;

    block(world);
    const struct asked *first = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 10);
    struct asked *second = ask_new(world, 1);
    ask_item(second, 0, record_of(world, 0, 0), address_of("198.18.0.2"));
    second->submission.dialect = "dyndns2";
    ask_submit(second);
    world_run(world, 400);

    const struct entry *entry = entry_of(world->zones[0], 0, RECORD_A);
    assert_int_equal(entry->applied, 1);
    assert_int_equal(entry->saves, 1);
    assert_string_equal(entry->saved_dialect, "dyndns2");
    assert_true(holds(world, 0, 0, "198.18.0.2"));
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_int_equal((int)metric(world, world->queue->shared.tally.ended, 0, "superseded"), 1);
    assert_empty(world);
}

static void test_newer_waits_while_older_is_under_way(void **state)
{
    struct world *world = *state;

    const struct asked *first = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 50);
    const struct asked *second = ask(world, 0, 0, "198.18.0.2");
    world_run(world, 10);
    const struct asked *third = ask(world, 0, 0, "198.18.0.3");
    world_run(world, 90);
    assert_int_equal(first->answers, 1);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_true(holds(world, 0, 0, "198.18.0.1"));
    assert_int_equal(second->answers, 0);
    world_run(world, 200);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_int_equal(result_of(third), OUTCOME_SET);
    assert_true(holds(world, 0, 0, "198.18.0.3"));
    assert_int_equal(entry_of(world->zones[0], 0, RECORD_A)->applied, 2);
    assert_empty(world);
}

static void test_back_to_what_is_under_way(void **state)
{
    struct world *world = *state;

    ask(world, 0, 0, "198.18.0.1");
    world_run(world, 50);
    const struct asked *away = ask(world, 0, 0, "198.18.0.2");
    const struct asked *back = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 100);
    assert_int_equal(result_of(away), OUTCOME_SET);
    assert_int_equal(result_of(back), OUTCOME_SET);
    assert_int_equal(entry_of(world->zones[0], 0, RECORD_A)->applied, 1);
    assert_empty(world);
}

static void test_same_address_joins(void **state)
{
    struct world *world = *state;
    const struct asked *asked[4];

    block(world);
    asked[0] = ask(world, 0, 0, "198.18.0.1"); /* queued */
    asked[1] = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 150);
    asked[2] = ask(world, 0, 0, "198.18.0.1"); /* under way */
    world_run(world, 100);
    world->commit_error = -EIO;
    world_run(world, 50);
    asked[3] = ask(world, 0, 0, "198.18.0.1"); /* accepted, not saved */
    world_run(world, 50);
    assert_int_equal(asked[0]->answers, 0);
    world->commit_error = 0;
    world_run(world, 2000);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(asked[i]->answers, 1);
        assert_int_equal(result_of(asked[i]), OUTCOME_SET);
    }
    assert_int_equal(entry_of(world->zones[0], 0, RECORD_A)->applied, 1);
    assert_empty(world);
}

static void test_two_hundred_waiters_on_one_record(void **state)
{
    struct world *world = *state;
    const struct asked *asked[200];

    for (unsigned i = 0; i < 200; i++) {
        asked[i] = ask_address(world, 0, 0, numbered(i % 7));
        if (i % 20 == 0) {
            world_run(world, 1);
        }
    }
    world_run(world, 500);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(result_of(asked[i]), OUTCOME_SET);
    }
    assert_true(world->zones[0]->counts[CALL_APPLY] <= 2);
    const struct address last = numbered(199 % 7);
    assert_true(address_equal(&entry_of(world->zones[0], 0, RECORD_A)->value.address, &last));
    assert_empty(world);
}

static void test_time_out_then_set(void **state)
{
    struct world *world = *state;

    world->zones[0]->is_held = true;
    struct asked *asked = ask_new(world, 2);
    ask_item(asked, 0, record_of(world, 0, 0), address_of("198.18.0.1"));
    ask_item(asked, 1, record_of(world, 0, 1), address_of("192.0.2.1")); /* already so, answered with the other */
    ask_submit(asked);
    world_run(world, 9999);
    assert_int_equal(asked->answers, 0);
    world_run(world, 1);
    assert_int_equal(asked->answers, 1);
    assert_int_equal(asked->items[0].outcome, OUTCOME_TIMED_OUT);
    assert_int_equal(asked->items[1].outcome, OUTCOME_UNCHANGED);

    /* It stays queued, and is set when the provider can. */
    world->zones[0]->is_held = false;
    world_run(world, 200);
    assert_true(holds(world, 0, 0, "198.18.0.1"));
    assert_int_equal(log_count(world, "event=late_change"), 1);
    assert_int_equal((int)metric(world, world->queue->shared.tally.ended, 0, "timed_out"), 1);
    assert_empty(world);
}

static void test_queue_full(void **state)
{
    struct world *world = *state;
    struct asked *asked = ask_new(world, 5);
    struct queue_options options = world->options;

    options.queued_max = 3;
    queue_reconfigure(world->queue, &options);
    for (unsigned i = 0; i < 5; i++) {
        ask_item(asked, i, record_of(world, 0, i), address_of("198.18.0.1"));
    }
    ask_submit(asked);
    world_turn(world);
    const struct asked *late = ask(world, 0, 6, "198.18.0.1");
    assert_int_equal(late->answers, 1); /* inside queue_submit */
    assert_int_equal(result_of(late), OUTCOME_QUEUE_FULL);
    const struct asked *joins = ask(world, 0, 0, "198.18.0.1"); /* takes no room */
    const struct asked *newer = ask(world, 0, 1, "198.18.0.2");
    world_run(world, 400);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(asked->items[i].outcome, i < 3 ? OUTCOME_SET : OUTCOME_QUEUE_FULL);
    }
    assert_int_equal(result_of(joins), OUTCOME_SET);
    assert_int_equal(result_of(newer), OUTCOME_SET);
    assert_empty(world);
    assert_int_equal(result_of(ask(world, 0, 6, "198.18.0.1")), OUTCOME_PENDING);
    world_run(world, 400);
    assert_true(holds(world, 0, 6, "198.18.0.1"));
}

static void test_record_twice_in_a_submission(void **state)
{
    struct world *world = *state;
    struct asked *asked = ask_new(world, 2);

    ask_item(asked, 0, record_of(world, 0, 0), address_of("198.18.0.1"));
    ask_item(asked, 1, record_of(world, 0, 0), address_of("198.18.0.2"));
    ask_submit(asked);
    world_run(world, 200);
    assert_int_equal(asked->items[0].outcome, OUTCOME_SET);
    assert_int_equal(asked->items[1].outcome, OUTCOME_SET);
    assert_true(holds(world, 0, 0, "198.18.0.2"));
}

static void test_record_of_no_zone(void **state)
{
    struct world *world = *state;
    struct record *record = records_add(world->records, "h1.elsewhere.test.", RECORD_A, 7);
    struct asked *asked = ask_new(world, 1);

    ask_item(asked, 0, record, address_of("198.18.0.1"));
    ask_submit(asked);
    world_turn(world);
    assert_int_equal(result_of(asked), OUTCOME_NO_ZONE);
    assert_empty(world);
}

static void test_metrics(void **state)
{
    struct world *world = *state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    world->zones[0]->is_held = true;
    ask(world, 0, 0, "198.18.0.1");
    ask(world, 0, 2, "198.18.0.1");
    world_run(world, 3000);
    metrics_render(world->metrics, &buffer);
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_queue_depth{zone=\"a.test.\"} 2\n"));
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_queue_depth{zone=\"b.test.\"} 0\n"));
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_queue_oldest_seconds{zone=\"a.test.\"} 3\n"));
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_queue_oldest_seconds{zone=\"b.test.\"} 0\n"));
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_pace_requests_per_second 5\n"));
    world->zones[0]->is_held = false;
    world_run(world, 10);
    buffer_clear(&buffer);
    metrics_render(world->metrics, &buffer);
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_changes_total{zone=\"a.test.\",result=\"set\"} 2\n"));
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_batch_changes_bucket{zone=\"a.test.\",le=\"2\"} 1\n"));
    assert_non_null(strstr(buffer_text(&buffer), "ddns53_update_seconds_count 2\n"));
}

static void test_backlog_elsewhere_delays_by_one_call(void **state)
{
    struct world *world = world_new(5);
    (void)state;
    world_add_zone(world, "a.test.", 100000);
    world_add_zone(world, "b.test.", 2);
    world_start(world);

    for (unsigned i = 0; i < 100000; i++) {
        ask_address(world, 0, i, numbered(i));
    }
    world_run(world, 3330); /* in the midst of it, at no special moment */
    assert_true(world->zones[0]->counts[CALL_APPLY] > 10);
    const unsigned before = world->zones[0]->counts[CALL_APPLY];
    const struct asked *lone = ask(world, 1, 0, "198.18.0.1");
    while (world->zones[1]->counts[CALL_APPLY] == 0) {
        world_run(world, 1);
    }
    assert_true(world->zones[0]->counts[CALL_APPLY] <= before + 1);
    world_run(world, 160);
    assert_int_equal(result_of(lone), OUTCOME_SET);

    world_run_by(world, 60000, 10);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], 200); /* each as great as can be */
    assert_empty(world);
    world_free(world);
}

static void test_storm_of_ten_thousand(void **state)
{
    struct world *world = world_new(5);
    (void)state;
    world_add_zone(world, "a.test.", 10000);
    world_start(world);
    const int64_t start_ms = now_ms(world);

    for (unsigned i = 0; i < 10000; i++) { /* within a second */
        ask_address(world, 0, i, numbered(i));
        if (i % 10 == 9) {
            world_run(world, 1);
        }
    }
    while (world->answered < world->submitted) {
        world_run(world, 1);
    }
    assert_true(now_ms(world) - start_ms < 6000);
    assert_true(world->zones[0]->counts[CALL_APPLY] <= 23);
    for (const struct asked *asked = world->asked; asked; asked = asked->next) {
        assert_int_equal(result_of(asked), OUTCOME_SET);
    }
    world_free(world);
}

/* ---- threads ---- */

#define THREADS 4
#define PER_THREAD 500

struct submitter {
    struct world *world;
    unsigned number;
    struct submission submissions[PER_THREAD];
    struct waiter items[PER_THREAD];
};

static atomic_uint submission_answers;

static void count_answer(struct submission *submission)
{
    (void)submission;
    atomic_fetch_add(&submission_answers, 1);
}

static void *submit_many(void *userdata)
{
    struct submitter *submitter = userdata;
    struct world *world = submitter->world;

    for (unsigned i = 0; i < PER_THREAD; i++) {
        struct submission *submission = &submitter->submissions[i];
        struct record *record = record_of(world, i % 2, (i + submitter->number) % 20);
        const struct address address = numbered(submitter->number * PER_THREAD + i);
        struct record_view view;
        record_view(record, &view);
        record_touch(record, &address, i);
        submitter->items[i] = (struct waiter){
            .request = {.record = record, .value = rdata_of_address(&address), .ttl_s = TTL_S},
        };
        *submission = (struct submission){.done = count_answer, .dialect = "query"};
        submission_add(submission, &submitter->items[i]);
        queue_submit(world->queue, submission);
    }
    return NULL;
}

static void *render(void *userdata)
{
    struct world *world = userdata;

    for (unsigned i = 0; i < 50; i++) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
        metrics_render(world->metrics, &buffer);
        (void)queue_report_trouble(world->queue, 0, &buffer);
        struct queue_view view = {0};
        assert_int_equal(queue_snapshot(world->queue, &view), 0);
        assert_int_equal(view.zone_count, 2);
        assert_int_equal(view.zones[1].failing_ms, -1);
        queue_view_done(&view);
    }
    return NULL;
}

/* The clock stands still, so only what is truly shared is: many submit and read while the loop turns. */
static void test_threads(void **state)
{
    static struct submitter submitters[THREADS];
    struct world *world = world_new(0);
    pthread_t threads[THREADS];
    pthread_t renderer;
    (void)state;

    memset(submitters, 0, sizeof(submitters));
    for (unsigned i = 0; i < 2; i++) {
        world_add_zone(world, i ? "b.test." : "a.test.", 20)->latency_ms = 0;
    }
    queue_start(world->queue);
    world_turn(world);
    for (unsigned i = 0; i < THREADS; i++) {
        submitters[i] = (struct submitter){.world = world, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &submitters[i]), 0);
    }
    assert_int_equal(pthread_create(&renderer, NULL, render, world), 0);
    while (atomic_load(&submission_answers) < THREADS * PER_THREAD) {
        loop_turn(world->loop, 1);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (unsigned k = 0; k < PER_THREAD; k++) {
            assert_int_equal(submitters[i].items[k].outcome, OUTCOME_SET);
        }
    }
    pthread_join(renderer, NULL);
    assert_empty(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lone_change_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_address_is_in_the_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_submission_is_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_turn_is_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_batch_collects_while_one_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_already_so_costs_no_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_already_so_waits_for_the_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newest_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_waits_while_older_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_to_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_address_joins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_hundred_waiters_on_one_record, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_out_then_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_twice_in_a_submission, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_of_no_zone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
        cmocka_unit_test(test_backlog_elsewhere_delays_by_one_call),
        cmocka_unit_test(test_storm_of_ten_thousand),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
