#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue/pacer.h"

#define GRANTS_SIZE 4096

struct fixture;

struct asker {
    struct pacer_ask ask;
    struct fixture *fixture;
    char letter;
    bool again; /* asks anew when it is granted */
    bool gives_back;
    enum pacer_priority priority;
};

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct pacer *pacer;
    char letters[GRANTS_SIZE];
    int64_t times_ms[GRANTS_SIZE];
    size_t count;
};

static void granted(struct pacer_ask *ask)
{
    struct asker *asker = CONTAINER_OF(ask, struct asker, ask);
    struct fixture *fixture = asker->fixture;

    if (asker->gives_back) {
        pacer_give_back(fixture->pacer);
        return;
    }
    assert_true(fixture->count < GRANTS_SIZE);
    fixture->letters[fixture->count] = asker->letter;
    fixture->times_ms[fixture->count++] = fixture->clock.test_monotonic_ms;
    if (asker->again) {
        pacer_ask(fixture->pacer, ask, asker->priority);
    }
}

static struct asker asker_of(struct fixture *fixture, char letter, enum pacer_priority priority, bool again)
{
    return (struct asker){
        .ask.granted = granted, .fixture = fixture, .letter = letter, .again = again, .priority = priority};
}

static void make(struct fixture *fixture, uint32_t requests_per_second)
{
    *fixture = (struct fixture){0};
    clock_init_test(&fixture->clock, 5000, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->pacer = pacer_new(fixture->loop, requests_per_second);
    assert_non_null(fixture->pacer);
}

static void unmake(struct fixture *fixture)
{
    pacer_free(fixture->pacer);
    loop_free(fixture->loop);
}

static void run(struct fixture *fixture, int64_t ms)
{
    loop_turn(fixture->loop, 0);
    while (ms-- > 0) {
        fixture->clock.test_monotonic_ms++;
        loop_turn(fixture->loop, 0);
    }
}

static void start(struct fixture *fixture, struct asker *asker)
{
    pacer_ask(fixture->pacer, &asker->ask, asker->priority);
}

/* The most grants that any span of a second holds. */
static size_t most_in_a_second(const struct fixture *fixture)
{
    size_t most = 0;
    for (size_t i = 0; i < fixture->count; i++) {
        size_t count = 0;
        for (size_t k = i; k < fixture->count && fixture->times_ms[k] <= fixture->times_ms[i] + 1000; k++) {
            count++;
        }
        most = count > most ? count : most;
    }
    return most;
}

static void test_no_second_holds_more_than_the_pace(void **state)
{
    static const uint32_t paces[] = {1, 2, 5, 10, 37};
    (void)state;

    for (size_t i = 0; i < ELEMENTS(paces); i++) {
        struct fixture fixture;
        make(&fixture, paces[i]);
        struct asker asker = asker_of(&fixture, 'a', PACER_CHANGE, true);
        start(&fixture, &asker);
        run(&fixture, 21000);
        assert_int_equal(most_in_a_second(&fixture), paces[i]);
        assert_in_range(fixture.count, paces[i] * 19, paces[i] * 21); /* and it is nearly reached */
        unmake(&fixture);
    }
}

static void test_burst_is_granted_at_once(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    struct asker asker = asker_of(&fixture, 'a', PACER_CHANGE, true);
    start(&fixture, &asker);
    assert_int_equal(fixture.count, 0); /* never inside pacer_ask */
    run(&fixture, 0);
    assert_int_equal(fixture.count, 5);
    run(&fixture, 1000);
    assert_int_equal(fixture.count, 5); /* a little over a second */
    run(&fixture, 100);
    assert_int_equal(fixture.count, 10);
    unmake(&fixture);
}

static void test_no_pace(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct asker asker = asker_of(&fixture, 'a', PACER_READ, false);
        start(&fixture, &asker);
        run(&fixture, 0);
    }
    assert_int_equal(fixture.count, 1000);
    pacer_throttled(fixture.pacer);
    assert_true(pacer_rate(fixture.pacer) == 0);
    unmake(&fixture);
}

static void test_turns_are_fair(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    struct asker a = asker_of(&fixture, 'a', PACER_CHANGE, true);
    struct asker b = asker_of(&fixture, 'b', PACER_CHANGE, true);
    struct asker c = asker_of(&fixture, 'c', PACER_CHANGE, true);
    start(&fixture, &a);
    start(&fixture, &b);
    start(&fixture, &c);
    run(&fixture, 3000);
    assert_memory_equal(fixture.letters, "abcabcabcabc", 12);
    unmake(&fixture);
}

/* A zone with a backlog takes four of five tokens; a lone change elsewhere finds the fifth whenever it comes. */
static void test_a_backlog_leaves_a_token_to_others(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    struct asker backlog = asker_of(&fixture, 'b', PACER_CHANGE, true);
    struct asker lone = asker_of(&fixture, 'l', PACER_CHANGE, false);
    start(&fixture, &lone);
    run(&fixture, 5000);
    start(&fixture, &backlog);
    for (int i = 0; i < 20; i++) {
        run(&fixture, 1203 + 17 * i);
        const int64_t asked_ms = fixture.clock.test_monotonic_ms;
        start(&fixture, &lone);
        run(&fixture, 1);
        assert_int_equal(fixture.letters[fixture.count - 1], 'l');
        assert_true(fixture.times_ms[fixture.count - 1] - asked_ms <= 1);
    }
    assert_int_equal(most_in_a_second(&fixture), 5);
    unmake(&fixture);
}

static void test_asking_twice_is_asking_once(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    struct asker a = asker_of(&fixture, 'a', PACER_CHANGE, false);
    start(&fixture, &a);
    start(&fixture, &a);
    pacer_ask(fixture.pacer, &a.ask, PACER_READ); /* lowers nothing */
    run(&fixture, 3000);
    assert_int_equal(fixture.count, 1);
    unmake(&fixture);
}

static void test_changes_come_before_reads(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    struct asker reader = asker_of(&fixture, 'r', PACER_READ, true);
    struct asker changer = asker_of(&fixture, 'c', PACER_CHANGE, false);
    start(&fixture, &reader);
    run(&fixture, 100);
    assert_int_equal(fixture.count, 4); /* one is left for a lone change... */
    start(&fixture, &changer);
    run(&fixture, 0);
    assert_int_equal(fixture.letters[4], 'c'); /* ...which doesn't wait */

    changer.again = true;
    start(&fixture, &changer);
    run(&fixture, 5000);
    for (size_t i = 5; i < fixture.count; i++) {
        assert_int_equal(fixture.letters[i], 'c');
    }
    changer.again = false;
    run(&fixture, 3000);
    assert_int_equal(fixture.letters[fixture.count - 1], 'r'); /* with what is left */
    unmake(&fixture);
}

static void test_read_becomes_urgent(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 1);
    struct asker first = asker_of(&fixture, '1', PACER_CHANGE, false);
    struct asker other = asker_of(&fixture, 'o', PACER_READ, false);
    struct asker urgent = asker_of(&fixture, 'u', PACER_READ, false);
    start(&fixture, &first);
    start(&fixture, &other);
    start(&fixture, &urgent);
    pacer_ask(fixture.pacer, &urgent.ask, PACER_CHANGE);
    run(&fixture, 3000);
    assert_memory_equal(fixture.letters, "1uo", 3);
    unmake(&fixture);
}

static void test_cancel_and_give_back(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 1);
    struct asker a = asker_of(&fixture, 'a', PACER_CHANGE, false);
    struct asker b = asker_of(&fixture, 'b', PACER_CHANGE, false);
    struct asker c = asker_of(&fixture, 'c', PACER_CHANGE, false);
    start(&fixture, &a);
    start(&fixture, &b);
    start(&fixture, &c);
    pacer_ask_cancel(fixture.pacer, &c.ask);
    pacer_ask_cancel(fixture.pacer, &a.ask);
    pacer_ask_cancel(fixture.pacer, &a.ask);
    a.gives_back = true;
    start(&fixture, &a);
    run(&fixture, 1100);
    assert_int_equal(fixture.count, 1);
    assert_int_equal(fixture.letters[0], 'b');
    /* what `a` gave back is there for the next at once */
    a.gives_back = true;
    run(&fixture, 2000);
    start(&fixture, &a);
    start(&fixture, &c);
    run(&fixture, 0);
    assert_int_equal(fixture.count, 2);
    assert_int_equal(fixture.letters[1], 'c');
    unmake(&fixture);
}

static void assert_pace(const struct fixture *fixture, double pace)
{
    const double now = pacer_rate(fixture->pacer);
    assert_true(now > pace - 0.001 && now < pace + 0.001);
}

static void test_throttling_halves_and_quiet_climbs(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    pacer_throttled(fixture.pacer);
    assert_pace(&fixture, 2.5);
    run(&fixture, 500);
    pacer_throttled(fixture.pacer); /* of the same burst */
    assert_pace(&fixture, 2.5);
    run(&fixture, 999);
    assert_pace(&fixture, 2.5);
    run(&fixture, 1);
    assert_pace(&fixture, 3);
    run(&fixture, 2500);
    assert_pace(&fixture, 4);
    pacer_throttled(fixture.pacer);
    assert_pace(&fixture, 2);
    run(&fixture, 60000);
    assert_pace(&fixture, 5);
    for (unsigned i = 0; i < 20; i++) {
        pacer_throttled(fixture.pacer);
        run(&fixture, 1000);
    }
    pacer_throttled(fixture.pacer);
    assert_true(pacer_rate(fixture.pacer) >= 0.2);
    unmake(&fixture);
}

static void test_slowest_pace_still_moves(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 5);
    struct asker asker = asker_of(&fixture, 'a', PACER_CHANGE, true);
    start(&fixture, &asker);
    for (unsigned i = 0; i < 60; i++) { /* every second says no */
        run(&fixture, 1000);
        pacer_throttled(fixture.pacer);
    }
    assert_in_range(fixture.count, 15, 80);
    const size_t before = fixture.count;
    run(&fixture, 10000); /* free again: it climbs without being asked */
    assert_true(fixture.count > before + 15);
    assert_pace(&fixture, 5);
    unmake(&fixture);
}

static void test_ceiling_changes(void **state)
{
    struct fixture fixture;
    (void)state;

    make(&fixture, 2);
    struct asker asker = asker_of(&fixture, 'a', PACER_CHANGE, true);
    start(&fixture, &asker);
    run(&fixture, 100);
    assert_int_equal(fixture.count, 2);
    pacer_set_ceiling(fixture.pacer, 10);
    assert_pace(&fixture, 10);
    run(&fixture, 10);
    assert_int_equal(fixture.count, 10); /* what was taken before still counts */
    pacer_throttled(fixture.pacer);
    pacer_set_ceiling(fixture.pacer, 20);
    assert_pace(&fixture, 5);
    pacer_set_ceiling(fixture.pacer, 3);
    assert_pace(&fixture, 3);
    run(&fixture, 20000);
    assert_pace(&fixture, 3);
    pacer_set_ceiling(fixture.pacer, 0);
    assert_pace(&fixture, 0);
    unmake(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_second_holds_more_than_the_pace),
        cmocka_unit_test(test_burst_is_granted_at_once),
        cmocka_unit_test(test_no_pace),
        cmocka_unit_test(test_turns_are_fair),
        cmocka_unit_test(test_a_backlog_leaves_a_token_to_others),
        cmocka_unit_test(test_asking_twice_is_asking_once),
        cmocka_unit_test(test_changes_come_before_reads),
        cmocka_unit_test(test_read_becomes_urgent),
        cmocka_unit_test(test_cancel_and_give_back),
        cmocka_unit_test(test_throttling_halves_and_quiet_climbs),
        cmocka_unit_test(test_slowest_pace_still_moves),
        cmocka_unit_test(test_ceiling_changes),
    };
    return cmocka_run_group_tests_name("pacer", tests, NULL, NULL);
}
