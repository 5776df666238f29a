#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/secret.h"
#include "update/replay.h"

#define STARTED_S 1790000000
#define NOW_S (STARTED_S + 10000)
#define HOUR_S 3600
#define DAY_S 86400
#define A "a.example.com."
#define NONCE "0123456789abcdef"
/* Nonces are remembered a little longer than requests are good for. */
#define FORGOTTEN_S (REPLAY_WINDOW_S + 10)

static struct clock test_clock;

static int init(void **state)
{
    (void)state;
    return crypto_init();
}

/* Started at that time by its own clock. */
static struct replay *replay_of(int64_t started_s, size_t per_host, size_t in_all)
{
    clock_init_test(&test_clock, 5000000, started_s * 1000);
    return replay_new(&test_clock, per_host, in_all);
}

static int64_t wall_s(void)
{
    return clock_realtime_s(&test_clock);
}

static void pass(int64_t seconds)
{
    test_clock.test_monotonic_ms += seconds * 1000;
    test_clock.test_realtime_ms += seconds * 1000;
}

static void set_clock(int64_t by_s)
{
    test_clock.test_realtime_ms += by_s * 1000;
}

/* As a request goes: its time, then its nonce. */
static enum replay_verdict ask(struct replay *replay, const char *hostname, const char *nonce, int64_t signed_s)
{
    enum replay_verdict verdict = replay_check_time(replay, signed_s);

    return verdict == REPLAY_NEW ? replay_use(replay, hostname, nonce, signed_s) : verdict;
}

/* One with a nonce of its own. */
static enum replay_verdict ask_new(struct replay *replay, int64_t signed_s)
{
    static unsigned number;
    char nonce[32];

    (void)snprintf(nonce, sizeof(nonce), "a-new-nonce-%08u", number++);
    return ask(replay, A, nonce, signed_s);
}

static void test_time_window(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 4, 16);

    (void)state;
    /* nobody remembers what was used before the start */
    pass(5);
    assert_int_equal(replay_check_time(replay, STARTED_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, STARTED_S - 1), REPLAY_STALE);
    pass(9995);
    assert_int_equal(replay_check_time(replay, NOW_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, NOW_S - REPLAY_SKEW_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, NOW_S - REPLAY_SKEW_S - 1), REPLAY_STALE);
    assert_int_equal(replay_check_time(replay, NOW_S + REPLAY_SKEW_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, NOW_S + REPLAY_SKEW_S + 1), REPLAY_STALE);
}

static void test_a_nonce_is_taken_once(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 4, 16);

    (void)state;
    assert_int_equal(replay_use(replay, A, NONCE, wall_s()), REPLAY_NEW);
    assert_int_equal(replay_use(replay, A, NONCE, wall_s()), REPLAY_SEEN);
    assert_int_equal(replay_use(replay, "b.example.com.", NONCE, wall_s()), REPLAY_NEW);
    assert_int_equal(replay_use(replay, A, "0123456789abcdeg", wall_s()), REPLAY_NEW);
    pass(REPLAY_WINDOW_S);
    assert_int_equal(replay_use(replay, A, NONCE, wall_s()), REPLAY_SEEN);
    pass(10);
    assert_int_equal(replay_use(replay, A, NONCE, wall_s()), REPLAY_NEW);
}

static void test_full_is_shut(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 4, 6);
    char nonce[32];

    (void)state;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(nonce, sizeof(nonce), "nonce-number-%04d", i);
        assert_int_equal(replay_use(replay, A, nonce, wall_s()), i < 4 ? REPLAY_NEW : REPLAY_HOST_FULL);
    }
    /* what was not remembered is not "seen": it is taken when there is room again */
    pass(1);
    assert_int_equal(replay_use(replay, "b.example.com.", "nonce-number-0000", wall_s()), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "c.example.com.", "nonce-number-0000", wall_s()), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "d.example.com.", "nonce-number-0000", wall_s()), REPLAY_FULL);
    pass(FORGOTTEN_S);
    assert_int_equal(replay_use(replay, "d.example.com.", "nonce-number-0000", wall_s()), REPLAY_NEW);
    assert_int_equal(replay_use(replay, A, "nonce-number-0004", wall_s()), REPLAY_NEW);
}

/* More hosts than are remembered: those that signed longest ago make room. */
static void test_many_hosts(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 4, 3);
    char name[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "h%d.example.com.", i);
        assert_int_equal(replay_use(replay, name, NONCE, wall_s()), REPLAY_NEW);
        assert_int_equal(replay_use(replay, name, NONCE, wall_s()), REPLAY_SEEN);
        pass(FORGOTTEN_S);
    }
}

/* ---- a wall clock that is set ---- */

static void test_started_an_hour_ahead_and_put_right(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S + HOUR_S, 8, 16);

    (void)state;
    pass(60);
    assert_int_equal(ask_new(replay, STARTED_S + 60), REPLAY_STALE); /* whose clock is right has to wait for ours */
    set_clock(-HOUR_S);
    assert_int_equal(ask(replay, A, NONCE, wall_s()), REPLAY_NEW);
    assert_int_equal(ask(replay, A, NONCE, wall_s()), REPLAY_SEEN);
    assert_int_equal(ask_new(replay, STARTED_S), REPLAY_NEW);
    assert_int_equal(ask_new(replay, STARTED_S - 1), REPLAY_STALE); /* before the start, by the clock that is right */
    for (int i = 0; i < HOUR_S; i += 300) {
        assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
        pass(300);
    }
}

static void test_started_an_hour_behind_and_put_right(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S - HOUR_S, 4, 16);

    (void)state;
    pass(60);
    set_clock(HOUR_S);
    assert_int_equal(ask_new(replay, STARTED_S + 60), REPLAY_NEW);
    assert_int_equal(ask_new(replay, STARTED_S - 1), REPLAY_STALE);
}

/* The clock is a day ahead for `ahead_s`, and back. */
static void go_ahead_and_back(struct replay *replay, int64_t ahead_s, bool is_host_ahead)
{
    set_clock(DAY_S);
    for (int64_t i = 0; i < ahead_s; i += 200) {
        assert_int_equal(ask_new(replay, is_host_ahead ? wall_s() : wall_s() - DAY_S),
                         is_host_ahead ? REPLAY_NEW : REPLAY_STALE);
        pass(200);
    }
    set_clock(-DAY_S);
}

static void test_a_day_ahead_and_back(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 8, 16);

    (void)state;
    pass(1000);
    int64_t signed_s = wall_s();
    assert_int_equal(ask(replay, A, NONCE, signed_s), REPLAY_NEW);
    go_ahead_and_back(replay, 200, true);
    assert_int_equal(ask(replay, A, NONCE, signed_s), REPLAY_SEEN);
    /* and the host is served, however often this happens, and for the whole day after */
    go_ahead_and_back(replay, 200, true);
    for (int i = 0; i < DAY_S - 2 * HOUR_S; i += 300) {
        assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
        pass(300);
    }
}

/* The times at which it was ahead come again a day later, when nobody remembers their nonces. */
static void test_what_was_signed_a_day_ahead(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 8, 16);

    (void)state;
    pass(1000);
    assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
    int64_t ahead_s = wall_s() + DAY_S;
    set_clock(DAY_S);
    assert_int_equal(ask(replay, A, NONCE, ahead_s), REPLAY_NEW);
    set_clock(-DAY_S);
    go_ahead_and_back(replay, 2 * HOUR_S, true); /* long enough for all to be forgotten while it lasts */
    assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
    pass(DAY_S - 2 * HOUR_S);
    assert_int_equal(wall_s(), ahead_s);
    assert_int_equal(ask(replay, A, NONCE, ahead_s), REPLAY_STALE);
    assert_int_equal(replay_use(replay, "b.example.com.", NONCE, ahead_s), REPLAY_NEW); /* it never was ahead */
    pass(2 * HOUR_S + 600);
    assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
}

/* A host whose clock was right is refused while ours is ahead, and at no time after. */
static void test_a_right_host_is_refused_only_while_we_are_wrong(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 8, 16);

    (void)state;
    for (int i = 0; i < HOUR_S; i += 300) {
        pass(300);
        assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
    }
    go_ahead_and_back(replay, 2 * HOUR_S, false);
    for (int i = 0; i < 2 * DAY_S; i += 300) {
        assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
        pass(300);
    }
}

/* A few seconds back, as a time server does it: nothing that is asked for now is doubtful. */
static void test_a_little_back(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_of(STARTED_S, 8, 16);

    (void)state;
    for (int i = 0; i < 2 * HOUR_S; i += 100) {
        pass(100);
        set_clock(-5);
        assert_int_equal(ask_new(replay, wall_s()), REPLAY_NEW);
    }
    int64_t signed_s = wall_s();
    assert_int_equal(ask(replay, A, NONCE, signed_s), REPLAY_NEW);
    for (int i = 0; i < 600; i += 100) {
        pass(100);
        set_clock(-5);
        assert_int_not_equal(ask(replay, A, NONCE, signed_s), REPLAY_NEW);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_window),
        cmocka_unit_test(test_a_nonce_is_taken_once),
        cmocka_unit_test(test_full_is_shut),
        cmocka_unit_test(test_many_hosts),
        cmocka_unit_test(test_started_an_hour_ahead_and_put_right),
        cmocka_unit_test(test_started_an_hour_behind_and_put_right),
        cmocka_unit_test(test_a_day_ahead_and_back),
        cmocka_unit_test(test_what_was_signed_a_day_ahead),
        cmocka_unit_test(test_a_right_host_is_refused_only_while_we_are_wrong),
        cmocka_unit_test(test_a_little_back),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
