/* What the queue carries besides addresses: texts, and withdrawals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

static int setup(void **state)
{
    struct world *world = world_new(5);

    world_add_zone(world, "a.test.", 20);
    world_start(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static struct asked *withdraw(struct world *world, unsigned host)
{
    struct asked *asked = ask_new(world, 1);

    asked->items[0] = (struct waiter){.request = {.record = record_of(world, 0, host)}};
    ask_submit(asked);
    return asked;
}

static struct entry *first_entry(struct world *world, unsigned host)
{
    return entry_of(world->zones[0], host, RECORD_A);
}

static void test_withdrawal(void **state)
{
    struct world *world = *state;
    const struct address before = address_of("198.18.0.1");
    struct record_view view;

    ask(world, 0, 1, "198.18.0.1");
    world_run(world, 400);
    const struct asked *asked = withdraw(world, 1);
    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(first_entry(world, 1)->knowledge, RECORD_ABSENT);
    assert_true(rdata_is_empty(&first_entry(world, 1)->saved));
    assert_true(address_equal(&first_entry(world, 1)->saved_old.address, &before));
    record_view(record_of(world, 0, 1), &view);
    assert_int_equal(view.knowledge, RECORD_ABSENT);
    assert_true(rdata_is_empty(&view.last_set));
    record_view_done(&view);
    assert_empty(world);
}

/* The provider is given what it has to name. */
static void note_requests(struct provider_zone *zone)
{
    const struct call *call = &zone->calls[CALL_APPLY];
    const struct address before = address_of("192.0.2.9");

    for (size_t i = 0; i < call->count; i++) {
        assert_true(address_equal(&call->changes[i]->was.address, &before));
        assert_int_equal(call->changes[i]->was_ttl_s, TTL_S);
    }
}

static void test_withdrawal_names_what_is_there(void **state)
{
    struct world *world = world_new(5);
    struct provider_zone *zone = world_add_zone(world, "a.test.", 2);
    (void)state;

    put(world, 0, 1, "192.0.2.9"); /* not ours, but one plain value */
    world_start(world);
    zone->before_apply = note_requests;
    const struct asked *asked = withdraw(world, 1);
    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(first_entry(world, 1)->knowledge, RECORD_ABSENT);
    world_free(world);
}

static void test_what_is_not_there_needs_no_call(void **state)
{
    struct world *world = *state;
    const unsigned calls = world->zones[0]->counts[CALL_APPLY];
    const struct asked *asked = withdraw(world, 2);

    world_run(world, 400);
    assert_int_equal(result_of(asked), OUTCOME_UNCHANGED);
    assert_int_equal(world->zones[0]->counts[CALL_APPLY], calls);
}

static void test_newest_wins_either_way(void **state)
{
    struct world *world = *state;

    world->zones[0]->is_held = true;
    ask(world, 0, 3, "198.18.0.1");
    world_run(world, 10);
    const struct asked *set = ask(world, 0, 3, "198.18.0.2");
    const struct asked *withdrawn = withdraw(world, 3);
    world->zones[0]->is_held = false;
    world_run(world, 1000);
    assert_int_equal(result_of(set), OUTCOME_SET); /* as if it had come just before */
    assert_int_equal(result_of(withdrawn), OUTCOME_SET);
    assert_int_equal(first_entry(world, 3)->knowledge, RECORD_ABSENT);

    world->zones[0]->is_held = true;
    ask(world, 0, 4, "198.18.0.1");
    world_run(world, 10);
    withdraw(world, 4);
    ask(world, 0, 4, "198.18.0.3");
    world->zones[0]->is_held = false;
    world_run(world, 1000);
    assert_true(holds(world, 0, 4, "198.18.0.3"));
    assert_empty(world);
}

/* Somebody changed the record between our look and our change: the provider refuses, we look again. */
static void test_outdated(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    ask(world, 0, 5, "198.18.0.1");
    world_run(world, 400);
    zone->is_outdated = true; /* the next refusal says so */
    zone->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_REFUSED, .times = 1};
    first_entry(world, 5)->knowledge = RECORD_ABSENT;
    const struct asked *asked = withdraw(world, 5);
    world_run(world, 1000);
    assert_int_equal(result_of(asked), OUTCOME_UNCHANGED);
    assert_true(rdata_is_empty(&first_entry(world, 5)->saved));
    assert_empty(world);
}

/* What DNS holds may have a form that the provider never recognises: that ends, and says so. */
static void test_outdated_for_ever(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    ask(world, 0, 5, "198.18.0.1");
    world_run(world, 400);
    zone->is_outdated = true;
    zone->faults[CALL_APPLY] = (struct fault){.outcome = PROVIDER_REFUSED, .times = UINT_MAX};
    const struct asked *asked = withdraw(world, 5);
    world_run(world, 10000);
    assert_int_equal(result_of(asked), OUTCOME_REFUSED);
    assert_string_equal(asked->items[0].message, "as the test wants it");
    assert_empty(world);
}

/* A withdrawal takes the place of what would have put the record there: nothing has to be sent, nor could be named. */
static void test_overtaken(void **state)
{
    struct world *world = *state;

    world->zones[0]->is_held = true;
    ask(world, 0, 6, "198.18.0.1"); /* under way */
    world_run(world, 10);
    const struct asked *set = ask(world, 0, 7, "198.18.0.2");
    const struct asked *withdrawn = withdraw(world, 7);
    ask(world, 0, 8, "198.18.0.3");
    world->zones[0]->is_held = false;
    world_run(world, 1000);
    assert_int_equal(result_of(set), OUTCOME_SET);
    assert_int_equal(result_of(withdrawn), OUTCOME_SET);
    assert_int_equal(first_entry(world, 7)->applied, 0);
    assert_true(holds(world, 0, 8, "198.18.0.3"));
    assert_empty(world);
}

static void assert_named(struct provider_zone *zone)
{
    const struct call *call = &zone->calls[CALL_APPLY];

    for (size_t i = 0; i < call->count; i++) {
        assert_false(rdata_is_empty(&call->changes[i]->value) && rdata_is_empty(&call->changes[i]->was));
    }
}

/* The answer to a set was lost: it may have been made or not, so the record is looked at before it is withdrawn. */
static void test_uncertain(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    for (int is_applied = 0; is_applied < 2; is_applied++) {
        const unsigned host = is_applied ? 10 : 9;
        zone->before_apply = assert_named;
        zone->is_held = true;
        zone->faults[CALL_APPLY] =
            (struct fault){.outcome = PROVIDER_TRANSIENT, .times = 1, .is_applied = is_applied != 0};
        ask(world, 0, host, "198.18.0.1");
        world_run(world, 10);
        const struct asked *withdrawn = withdraw(world, host);
        zone->is_held = false;
        world_run(world, 5000);
        assert_int_equal(result_of(withdrawn), OUTCOME_SET);
        assert_int_not_equal(first_entry(world, host)->knowledge, RECORD_PLAIN);
        assert_true(rdata_is_empty(&first_entry(world, host)->saved));
        assert_empty(world);
    }
}

static void test_texts(void **state)
{
    struct world *world = *state;
    struct rdata texts = {0};
    struct record_view view;

    assert_int_equal(rdata_add_bytes(&texts, "one", 3), 0);
    assert_int_equal(rdata_add_bytes(&texts, "two", 3), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct asked *asked = ask_new(world, 1);
        asked->items[0] = (struct waiter){
            .request = {.record = record_of(world, 0, 6), .value = rdata_hold(&texts), .ttl_s = TTL_S},
        };
        ask_submit(asked);
        world_run(world, 400);
        assert_int_equal(result_of(asked), i == 0 ? OUTCOME_SET : OUTCOME_UNCHANGED);
    }
    assert_true(rdata_equal(&first_entry(world, 6)->value, &texts));
    assert_true(rdata_equal(&first_entry(world, 6)->saved, &texts));
    queue_start(world->queue); /* and what is read back is the same */
    world_run(world, 2000);
    record_view(record_of(world, 0, 6), &view);
    assert_true(rdata_equal(&view.value, &texts));
    record_view_done(&view);
    assert_int_equal(log_count(world, "event=drift"), 0);
    rdata_drop(&texts);
}

/* What a provider borrows outlives the end of the queue. */
static void test_stop_with_a_batch_under_way(void **state)
{
    struct world *world = *state;
    struct rdata texts = {0};
    struct asked *asked = ask_new(world, 1);

    assert_int_equal(rdata_add_bytes(&texts, "one", 3), 0);
    asked->items[0] = (struct waiter){.request = {.record = record_of(world, 0, 7), .value = texts, .ttl_s = TTL_S}};
    ask_submit(asked);
    world->zones[0]->is_held = true;
    world_run(world, 100);
    queue_drain(world->queue, now_ms(world) + 100, note_drained, world);
    world_run(world, 1000);
    assert_true(world->is_drained);
    assert_int_equal(result_of(asked), OUTCOME_STOPPING);
    world->zones[0]->is_held = false;
    world_run(world, 1000); /* the provider's answer comes, and reads what it was given */
    assert_true(rdata_count(&first_entry(world, 7)->value) == 1);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_withdrawal),
        cmocka_unit_test(test_withdrawal_names_what_is_there),
        WORLD_TEST(test_what_is_not_there_needs_no_call),
        WORLD_TEST(test_newest_wins_either_way),
        WORLD_TEST(test_outdated),
        WORLD_TEST(test_outdated_for_ever),
        WORLD_TEST(test_overtaken),
        WORLD_TEST(test_uncertain),
        WORLD_TEST(test_texts),
        WORLD_TEST(test_stop_with_a_batch_under_way),
    };

    return cmocka_run_group_tests_name("queue_values", tests, NULL, NULL);
}
