#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue_world.h"

/* Batches: their limits, failures that pass, bisection. */

#define HOSTS 1200

static int setup_at(uint32_t requests_per_second, void **state)
{
    struct world *world = world_new(requests_per_second);
    world_add_zone(world, "a.test.", HOSTS);
    world_add_zone(world, "b.test.", 20);
    world_start(world);
    *state = world;
    return 0;
}

static int setup(void **state)
{
    return setup_at(5, state);
}

static int setup_unpaced(void **state)
{
    return setup_at(0, state);
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void ask_many(struct world *world, unsigned first, unsigned count, const struct asked **ret_asked)
{
    for (unsigned i = 0; i < count; i++) {
        const struct asked *asked = ask_address(world, 0, first + i, numbered(first + i));
        if (ret_asked) {
            ret_asked[i] = asked;
        }
    }
}

static void run_until_empty(struct world *world)
{
    world_turn(world);
    for (unsigned i = 0; world->queue->shared.tally.changes > 0; i++) {
        assert_true(i < 600);
        world_run_by(world, 1000, 5);
    }
    assert_empty(world);
}

static unsigned count_results(const struct world *world, enum outcome result)
{
    unsigned count = 0;
    for (const struct asked *asked = world->asked; asked; asked = asked->next) {
        count += asked->answers > 0 && result_of(asked) == result;
    }
    return count;
}

static void fail_with(struct provider_zone *zone, enum call_kind kind, enum provider_outcome outcome, unsigned times)
{
    zone->faults[kind] = (struct fault){.outcome = outcome, .times = times};
}

/* ---- limits ---- */

static void test_batch_of_five_hundred(void **state)
{
    struct world *world = *state;

    ask_many(world, 0, 1200, NULL);
    run_until_empty(world);
    assert_int_equal(world->zones[0]->batch_count, 3);
    assert_int_equal(world->zones[0]->batch_sizes[0], 500);
    assert_int_equal(world->zones[0]->batch_sizes[1], 500);
    assert_int_equal(world->zones[0]->batch_sizes[2], 200);
    assert_int_equal(count_results(world, OUTCOME_SET), 1200);
}

static void test_batch_of_so_many_characters(void **state)
{
    struct world *world = *state;
    const struct address longest = address_of("2001:db8:1111:2222:3333:4444:5555:6666"); /* 38, twice */

    for (unsigned i = 0; i < 500; i++) {
        struct address address = longest;
        address.bytes[14] = (uint8_t)(0x50 + i / 200);
        address.bytes[15] = (uint8_t)(i % 200);
        ask_address(world, 0, i, address);
    }
    run_until_empty(world);
    assert_int_equal(world->zones[0]->batch_count, 2);
    assert_true(world->zones[0]->batch_sizes[0] > 420); /* the fake provider has checked that they fit */
    assert_int_equal(count_results(world, OUTCOME_SET), 500);
}

/* ---- failures that pass ---- */

/* Where a batch costs much, the next one waits and takes in what comes meanwhile; nobody is answered early, and another
 * zone does not wait. */
static void test_rest_after_a_batch(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];
    const unsigned calls = zone->counts[CALL_APPLY];

    zone->rest_ms = 200;
    zone->latency_ms = world->zones[1]->latency_ms = 5;
    const struct asked *lone = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 20);
    assert_int_equal(result_of(lone), OUTCOME_SET); /* at once */
    assert_int_equal(zone->counts[CALL_APPLY], calls + 1);

    const struct asked *waiting[10];
    for (unsigned i = 0; i < ELEMENTS(waiting); i++) {
        waiting[i] = ask(world, 0, 2 + i, "198.18.0.2");
        world_run_by(world, 15, 1);
        assert_int_equal(waiting[i]->answers, 0);
    }
    const struct asked *other = ask(world, 1, 1, "198.18.0.3");
    world_run_by(world, 20, 1);
    assert_int_equal(result_of(other), OUTCOME_SET);
    assert_int_equal(zone->counts[CALL_APPLY], calls + 1);
    world_run_by(world, 40, 1);
    assert_int_equal(zone->counts[CALL_APPLY], calls + 2);
    for (unsigned i = 0; i < ELEMENTS(waiting); i++) {
        assert_int_equal(result_of(waiting[i]), OUTCOME_SET);
        assert_true(holds(world, 0, 2 + i, "198.18.0.2"));
        assert_true(waiting[i]->answered_ms - lone->answered_ms >= 200);
    }

    world_run(world, 1000); /* nothing was due: the next one is lone again */
    const struct asked *last = ask(world, 0, 1, "198.18.0.4");
    world_run(world, 20);
    assert_int_equal(result_of(last), OUTCOME_SET);
    assert_int_equal(zone->counts[CALL_APPLY], calls + 3);
}

/* What is left at a stop has no time for that. */
static void test_no_rest_while_draining(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    zone->rest_ms = 60000;
    zone->latency_ms = 5;
    ask_many(world, 0, 1200, NULL);
    world_run(world, 1);
    queue_drain(world->queue, now_ms(world) + 10000, note_drained, world);
    world_run(world, 1000);
    assert_true(world->is_drained);
    assert_int_equal(world->left, 0);
    assert_int_equal(count_results(world, OUTCOME_SET), 1200);
}

static void test_throttled_for_a_minute(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_THROTTLED, UINT_MAX);
    ask_many(world, 0, 1000, NULL);
    world_run(world, 60000);
    assert_in_range(zone->counts[CALL_APPLY], 4, 40);
    assert_true(pacer_rate(world->pacer) < 5);
    assert_int_equal(count_results(world, OUTCOME_TIMED_OUT), 1000);
    assert_true(metric(world, world->queue->shared.metrics.throttles, 0, NULL) == zone->counts[CALL_APPLY]);
    assert_int_equal(log_count(world, "event=zone_trouble"), 1);

    zone->faults[CALL_APPLY].times = 0;
    world_run(world, 60000);
    for (unsigned i = 0; i < 1000; i++) {
        const struct address address = numbered(i);
        assert_true(address_equal(&entry_of(zone, i, RECORD_A)->value.address, &address));
        assert_int_equal(entry_of(zone, i, RECORD_A)->applied, 1);
    }
    assert_int_equal(log_count(world, "event=zone_recovered"), 1);
    assert_true(pacer_rate(world->pacer) > 4.99);
    assert_empty(world);
}

static void test_short_throttling_is_no_trouble(void **state)
{
    struct world *world = *state;

    fail_with(world->zones[0], CALL_APPLY, PROVIDER_THROTTLED, 2);
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 5000);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(log_count(world, "event=zone_trouble"), 0);
    assert_int_equal(log_count(world, "event=zone_recovered"), 0);
}

static void test_server_errors(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 3);
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    run_until_empty(world);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(zone->counts[CALL_APPLY], 4);
    assert_int_equal((int)metric(world, world->queue->shared.metrics.retries, 0, NULL), 3);
    assert_int_equal(log_count(world, "event=zone_trouble zone=a.test. message=\"as the test wants it\""), 1);
    assert_int_equal(log_count(world, "event=zone_recovered zone=a.test."), 1);
}

static void test_answer_is_lost(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 1);
    zone->faults[CALL_APPLY].is_applied = true;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    run_until_empty(world);
    assert_int_equal(result_of(asked), OUTCOME_SET);
    assert_int_equal(entry_of(zone, 0, RECORD_A)->applied, 2); /* again, which does no harm */
    assert_int_equal(entry_of(zone, 0, RECORD_A)->saves, 1);
}

static void test_newer_address_goes_with_the_retry(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 1);
    zone->faults[CALL_APPLY].is_applied = true;
    const struct asked *first = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 50);
    const struct asked *second = ask(world, 0, 0, "198.18.0.2");
    ask(world, 0, 1, "198.18.0.2");
    run_until_empty(world);
    assert_int_equal(result_of(first), OUTCOME_SET);
    assert_int_equal(result_of(second), OUTCOME_SET);
    assert_true(holds(world, 0, 0, "198.18.0.2"));
    assert_int_equal(zone->counts[CALL_APPLY], 2);
    assert_int_equal(zone->batch_sizes[1], 2);
}

static void test_oldest_first_also_after_a_failure(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];
    const struct asked *asked[9];

    zone->ops.value_characters_max = 3 * 2 * 8; /* three of 10.0.0.N */
    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 1);
    ask_many(world, 1, 9, asked);
    world_run(world, 10);
    zone->ops.value_characters_max = 1; /* one by one from now on */
    run_until_empty(world);
    assert_int_equal(zone->batch_count, 1 + 9);
    for (unsigned i = 1; i < 9; i++) {
        assert_true(asked[i]->answered_ms >= asked[i - 1]->answered_ms);
    }
}

/* The first address may be there by a lost answer: what is known is no reason to do nothing. */
static void test_back_to_the_old_address_after_a_lost_answer(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    ask(world, 0, 0, "198.18.0.1");
    run_until_empty(world);
    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 1);
    zone->faults[CALL_APPLY].is_applied = true;
    ask(world, 0, 0, "198.18.0.2");
    world_run(world, 200);
    const struct asked *back = ask(world, 0, 0, "198.18.0.1");
    run_until_empty(world);
    assert_int_equal(result_of(back), OUTCOME_SET);
    assert_true(holds(world, 0, 0, "198.18.0.1"));
}

static void test_retry_after(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 1);
    zone->faults[CALL_APPLY].retry_after_ms = 7000;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 7149);
    assert_int_equal(zone->counts[CALL_APPLY], 1);
    world_run(world, 500);
    assert_int_equal(zone->counts[CALL_APPLY], 2);
    assert_int_equal(result_of(asked), OUTCOME_SET);
}

static void test_back_off_grows_and_is_capped(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];
    int64_t longest_ms = 0;

    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, UINT_MAX);
    ask(world, 0, 0, "198.18.0.1");
    zone->call_count = 0;
    world_run(world, 1200000);
    for (size_t i = 1; i < zone->call_count; i++) {
        const int64_t wait_ms = zone->call_times_ms[i] - zone->call_times_ms[i - 1];
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
        assert_true(wait_ms <= 30000 + 160);
        assert_true(i > 4 || wait_ms <= (200 << i) + 160);
    }
    assert_true(longest_ms > 15000);
    assert_in_range(zone->call_count, 60, 160); /* 15 s each on average */

    queue_reconfigure(world->queue, &world->options); /* tries at once */
    zone->faults[CALL_APPLY].times = 0;
    world_run(world, 200);
    assert_true(holds(world, 0, 0, "198.18.0.1"));
}

static void test_trouble_of_one_zone_is_its_own(void **state)
{
    struct world *world = *state;

    fail_with(world->zones[0], CALL_APPLY, PROVIDER_TRANSIENT, UINT_MAX);
    ask_many(world, 0, 1000, NULL);
    world_run(world, 10000);
    for (unsigned i = 0; i < 10; i++) {
        const struct asked *asked = ask(world, 1, i, "198.18.0.1");
        world_run(world, 1000);
        assert_int_equal(result_of(asked), OUTCOME_SET);
        assert_true(asked->answered_ms - asked->asked_ms <= 160);
    }
    world->zones[0]->faults[CALL_APPLY].times = 0;
    run_until_empty(world);
}

static void test_credentials(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_CREDENTIALS, UINT_MAX);
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 200);
    world_run(world, 59900);
    assert_int_equal(zone->counts[CALL_APPLY], 1);
    assert_int_equal(result_of(asked), OUTCOME_TIMED_OUT);
    world_run(world, 30000);
    assert_int_equal(zone->counts[CALL_APPLY], 2); /* once a minute */

    zone->faults[CALL_APPLY].times = 0;
    const struct asked *joined = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 1000);
    assert_int_equal(joined->answers, 0);
    queue_reconfigure(world->queue, &world->options);
    world_run(world, 200);
    assert_int_equal(result_of(joined), OUTCOME_SET);
    assert_int_equal(log_count(world, "event=zone_trouble"), 1);
    assert_int_equal(log_count(world, "event=zone_recovered"), 1);
    assert_empty(world);
}

static void test_report(void **state)
{
    struct world *world = *state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    fail_with(world->zones[0], CALL_APPLY, PROVIDER_TRANSIENT, UINT_MAX);
    world->zones[0]->faults[CALL_APPLY].message = "no\nroute";
    ask(world, 0, 0, "198.18.0.1");
    world_run(world, 299000);
    assert_int_equal(queue_report_trouble(world->queue, 300000, &buffer), 0);
    world_run(world, 1200);
    assert_int_equal(queue_report_trouble(world->queue, 300000, &buffer), 1);
    assert_string_equal(buffer_text(&buffer), "zone a.test.: has failed for 300 s: no route\n");
    world->zones[0]->faults[CALL_APPLY].times = 0;
    run_until_empty(world);
    assert_int_equal(queue_report_trouble(world->queue, 0, &buffer), 0);
}

/* ---- a zone that is not there ---- */

static void test_zone_vanishes_and_returns(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    ask(world, 0, 5, "198.18.0.5");
    run_until_empty(world);
    fail_with(zone, CALL_APPLY, PROVIDER_NO_ZONE, UINT_MAX);
    fail_with(zone, CALL_PREPARE, PROVIDER_NO_ZONE, UINT_MAX);
    zone->faults[CALL_APPLY].message = "no zone of that id";
    const unsigned prepares = zone->counts[CALL_PREPARE];
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 50);
    const struct asked *queued = ask(world, 0, 1, "198.18.0.1");
    world_run(world, 150);
    assert_int_equal(result_of(asked), OUTCOME_NO_ZONE);
    assert_string_equal(asked->items[0].message, "no zone of that id");
    assert_int_equal(result_of(queued), OUTCOME_NO_ZONE);
    const struct asked *late = ask(world, 0, 2, "198.18.0.1");
    world_turn(world);
    assert_int_equal(result_of(late), OUTCOME_NO_ZONE); /* at once */
    const struct asked *other = ask(world, 1, 0, "198.18.0.1");
    world_run(world, 200);
    assert_int_equal(result_of(other), OUTCOME_SET);
    assert_empty(world);

    struct record_view view;
    record_view(record_of(world, 0, 5), &view);
    assert_int_equal(view.knowledge, RECORD_UNKNOWN);
    world_run(world, 302000);
    assert_int_equal(zone->counts[CALL_PREPARE] - prepares, 5); /* once a minute */
    assert_int_equal(queue_report_trouble(world->queue, 300000, &buffer), 1);
    assert_int_equal(log_count(world, "event=zone_trouble"), 1);

    /* Another zone of that name: empty, and that is noticed. */
    for (size_t i = 0; i < zone->entry_count; i++) {
        zone->entries[i].knowledge = RECORD_ABSENT;
    }
    zone->faults[CALL_APPLY].times = 0;
    zone->faults[CALL_PREPARE].times = 0;
    while (log_count(world, "event=zone_recovered") == 0) {
        world_run(world, 1);
    }
    const struct asked *again = ask(world, 0, 5, "198.18.0.5");
    world_run(world, 500);
    assert_int_equal(result_of(again), OUTCOME_SET);
    assert_true(holds(world, 0, 5, "198.18.0.5"));
    assert_empty(world);
}

static void test_zone_vanishes_during_bisection(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    entry_of(zone, 77, RECORD_A)->is_bad = true;
    ask_many(world, 0, 100, NULL);
    while (zone->counts[CALL_APPLY] < 4) {
        world_run(world, 1);
    }
    fail_with(zone, CALL_APPLY, PROVIDER_NO_ZONE, 1);
    world_run(world, 300);
    assert_empty(world);
    assert_int_equal(count_results(world, OUTCOME_PENDING), 0);
    world_run(world, 61000);
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    run_until_empty(world);
    assert_int_equal(result_of(asked), OUTCOME_SET);
}

/* ---- bisection ---- */

/* Returns the further calls that it took. */
static unsigned bisect(struct world *world, const unsigned *bad, unsigned bad_count)
{
    struct provider_zone *zone = world->zones[0];
    const unsigned before = zone->counts[CALL_APPLY];
    const struct asked *asked[500];
    unsigned refused = 0;

    for (unsigned i = 0; i < bad_count; i++) {
        entry_of(zone, bad[i], RECORD_A)->is_bad = true;
    }
    ask_many(world, 0, 500, asked);
    run_until_empty(world);
    for (unsigned i = 0; i < 500; i++) {
        const struct entry *entry = entry_of(zone, i, RECORD_A);
        const struct address address = numbered(i);
        if (entry->is_bad) {
            refused++;
            assert_int_equal(result_of(asked[i]), OUTCOME_REFUSED);
            assert_string_equal(asked[i]->items[0].message, "this one is bad");
            assert_int_equal(entry->saves, 0);
        } else {
            assert_int_equal(result_of(asked[i]), OUTCOME_SET);
            assert_true(address_equal(&entry->value.address, &address));
            assert_int_equal(entry->applied, 1);
            assert_int_equal(entry->saves, 1);
        }
    }
    assert_int_equal(refused, bad_count);
    assert_int_equal((int)metric(world, world->queue->shared.metrics.bisections, 0, NULL), 1);
    return zone->counts[CALL_APPLY] - before - 1;
}

static void test_one_bad_among_five_hundred(void **state)
{
    static const unsigned places[] = {0, 1, 249, 250, 333, 498, 499};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        struct world *world = world_new(5);
        world_add_zone(world, "a.test.", HOSTS);
        world->options.update_timeout_ms = 60000;
        queue_reconfigure(world->queue, &world->options);
        world_start(world);
        const unsigned calls = bisect(world, &places[i], 1);
        assert_in_range(calls, 9, 18);                /* 2 * log2(500) is 17.9 */
        assert_true(places[i] != 499 || calls <= 10); /* the half beside a good one is not asked whole */
        world_free(world);
    }
}

static void test_three_bad_among_five_hundred(void **state)
{
    struct world *world = *state;
    static const unsigned bad[] = {3, 250, 251};

    world->options.update_timeout_ms = 60000;
    queue_reconfigure(world->queue, &world->options);
    assert_in_range(bisect(world, bad, 3), 10, 3 * 18);
}

static void test_all_bad(void **state)
{
    struct world *world = *state;
    unsigned bad[500];

    for (unsigned i = 0; i < 500; i++) {
        bad[i] = i;
    }
    world->options.update_timeout_ms = 600000;
    queue_reconfigure(world->queue, &world->options);
    assert_true(bisect(world, bad, 500) <= 1000);
}

static void test_named_culprits(void **state)
{
    struct world *world = *state;
    static const unsigned bad[] = {0, 250, 499};

    world->zones[0]->names_culprit = true;
    world->options.update_timeout_ms = 60000;
    queue_reconfigure(world->queue, &world->options);
    assert_int_equal(bisect(world, bad, 3), 6); /* the rest, and the named one alone, three times */
}

static void test_all_bad_and_named(void **state)
{
    struct world *world = *state;
    unsigned bad[500];

    for (unsigned i = 0; i < 500; i++) {
        bad[i] = i;
    }
    world->zones[0]->names_culprit = true;
    world->options.update_timeout_ms = 600000;
    queue_reconfigure(world->queue, &world->options);
    assert_int_equal(bisect(world, bad, 500), 998);
}

static void test_newer_address_during_bisection(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world->options.update_timeout_ms = 60000;
    queue_reconfigure(world->queue, &world->options);
    entry_of(zone, 8, RECORD_A)->is_bad = true;
    ask_many(world, 0, 16, NULL);
    world_run(world, 250); /* refused, the first half is under way */
    assert_int_equal(zone->counts[CALL_APPLY], 2);
    const struct asked *in_half = ask(world, 0, 2, "198.18.0.2");
    const struct asked *pending = ask(world, 0, 12, "198.18.0.12");
    const struct asked *fresh = ask(world, 0, 20, "198.18.0.20");
    run_until_empty(world);
    assert_int_equal(result_of(in_half), OUTCOME_SET);
    assert_int_equal(result_of(pending), OUTCOME_SET);
    assert_int_equal(result_of(fresh), OUTCOME_SET);
    assert_true(holds(world, 0, 2, "198.18.0.2"));
    assert_true(holds(world, 0, 12, "198.18.0.12"));
    assert_int_equal(zone->batch_sizes[zone->batch_count - 1], 3); /* the newer ones came after it all */
    assert_int_equal(count_results(world, OUTCOME_REFUSED), 1);
}

static void test_failure_during_bisection(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    world->options.update_timeout_ms = 600000;
    queue_reconfigure(world->queue, &world->options);
    entry_of(zone, 8, RECORD_A)->is_bad = true;
    ask_many(world, 0, 16, NULL);
    world_run(world, 250);
    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 2);
    zone->faults[CALL_APPLY].is_applied = true;
    entry_of(zone, 8, RECORD_A)->is_bad = true;
    const struct asked *newer = ask(world, 0, 12, "198.18.0.12");
    run_until_empty(world);
    assert_int_equal(result_of(newer), OUTCOME_SET);
    assert_true(holds(world, 0, 12, "198.18.0.12"));
    assert_int_equal(entry_of(zone, 12, RECORD_A)->applied, 1); /* the older one never went */
    assert_int_equal(count_results(world, OUTCOME_REFUSED), 1);
    assert_int_equal(count_results(world, OUTCOME_SET), 16);
}

static void test_refused_late_is_logged(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    entry_of(zone, 3, RECORD_A)->is_bad = true;
    zone->is_held = true;
    ask(world, 0, 3, "198.18.0.1");
    world_run(world, 10001);
    zone->is_held = false;
    world_run(world, 10);
    assert_int_equal(log_count(world, "event=late_change host=h3.a.test. type=A address=198.18.0.1 result=refused "
                                      "message=\"this one is bad\""),
                     1);
    assert_empty(world);
}

/* A lost answer may have set the address that is refused now: nobody knows, so it is looked up. */
static void test_refused_after_a_lost_answer(void **state)
{
    struct world *world = *state;
    struct provider_zone *zone = world->zones[0];

    fail_with(zone, CALL_APPLY, PROVIDER_TRANSIENT, 1);
    zone->faults[CALL_APPLY].is_applied = true;
    const struct asked *asked = ask(world, 0, 0, "198.18.0.1");
    world_run(world, 151);
    entry_of(zone, 0, RECORD_A)->is_bad = true;
    run_until_empty(world);
    assert_int_equal(result_of(asked), OUTCOME_REFUSED);
    struct record_view view;
    record_view(record_of(world, 0, 0), &view);
    assert_int_equal(view.knowledge, RECORD_UNKNOWN);
    const struct asked *again = ask(world, 0, 0, "198.18.0.1");
    run_until_empty(world);
    assert_int_equal(result_of(again), OUTCOME_UNCHANGED);
    assert_int_equal(zone->counts[CALL_LOOK_UP], 1);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_batch_of_five_hundred),
        WORLD_TEST(test_batch_of_so_many_characters),
        cmocka_unit_test_setup_teardown(test_rest_after_a_batch, setup_unpaced, teardown),
        cmocka_unit_test_setup_teardown(test_no_rest_while_draining, setup_unpaced, teardown),
        WORLD_TEST(test_throttled_for_a_minute),
        WORLD_TEST(test_short_throttling_is_no_trouble),
        WORLD_TEST(test_server_errors),
        WORLD_TEST(test_answer_is_lost),
        WORLD_TEST(test_newer_address_goes_with_the_retry),
        WORLD_TEST(test_oldest_first_also_after_a_failure),
        WORLD_TEST(test_back_to_the_old_address_after_a_lost_answer),
        WORLD_TEST(test_retry_after),
        WORLD_TEST(test_back_off_grows_and_is_capped),
        WORLD_TEST(test_trouble_of_one_zone_is_its_own),
        WORLD_TEST(test_credentials),
        WORLD_TEST(test_report),
        WORLD_TEST(test_zone_vanishes_and_returns),
        WORLD_TEST(test_zone_vanishes_during_bisection),
        cmocka_unit_test(test_one_bad_among_five_hundred),
        WORLD_TEST(test_three_bad_among_five_hundred),
        WORLD_TEST(test_all_bad),
        WORLD_TEST(test_named_culprits),
        WORLD_TEST(test_all_bad_and_named),
        WORLD_TEST(test_newer_address_during_bisection),
        WORLD_TEST(test_failure_during_bisection),
        WORLD_TEST(test_refused_late_is_logged),
        WORLD_TEST(test_refused_after_a_lost_answer),
    };
    return cmocka_run_group_tests_name("queue_batch", tests, NULL, NULL);
}
