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

static int init(void **state)
{
    (void)state;
    return crypto_init();
}

static void test_time_window(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_new(STARTED_S, 4, 16);

    (void)state;
    assert_int_equal(replay_check_time(replay, NOW_S, NOW_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, NOW_S - REPLAY_SKEW_S, NOW_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, NOW_S - REPLAY_SKEW_S - 1, NOW_S), REPLAY_STALE);
    assert_int_equal(replay_check_time(replay, NOW_S + REPLAY_SKEW_S, NOW_S), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, NOW_S + REPLAY_SKEW_S + 1, NOW_S), REPLAY_STALE);
    /* nobody remembers what was used before the start */
    assert_int_equal(replay_check_time(replay, STARTED_S, STARTED_S + 5), REPLAY_NEW);
    assert_int_equal(replay_check_time(replay, STARTED_S - 1, STARTED_S + 5), REPLAY_STALE);
}

static void test_a_nonce_is_taken_once(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_new(STARTED_S, 4, 16);

    (void)state;
    assert_int_equal(replay_use(replay, "a.example.com.", "0123456789abcdef", NOW_S), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "a.example.com.", "0123456789abcdef", NOW_S), REPLAY_SEEN);
    assert_int_equal(replay_use(replay, "b.example.com.", "0123456789abcdef", NOW_S), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "a.example.com.", "0123456789abcdeg", NOW_S), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "a.example.com.", "0123456789abcdef", NOW_S + REPLAY_WINDOW_S), REPLAY_SEEN);
    assert_int_equal(replay_use(replay, "a.example.com.", "0123456789abcdef", NOW_S + REPLAY_WINDOW_S + 1), REPLAY_NEW);
}

static void test_full_is_shut(void **state)
{
    _cleanup_(replay_freep) struct replay *replay = replay_new(STARTED_S, 4, 6);
    char nonce[32];

    (void)state;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(nonce, sizeof(nonce), "nonce-number-%04d", i);
        assert_int_equal(replay_use(replay, "a.example.com.", nonce, NOW_S), i < 4 ? REPLAY_NEW : REPLAY_HOST_FULL);
    }
    /* what was not remembered is not "seen": it is taken when there is room again */
    assert_int_equal(replay_use(replay, "b.example.com.", "nonce-number-0000", NOW_S + 1), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "c.example.com.", "nonce-number-0000", NOW_S + 1), REPLAY_NEW);
    assert_int_equal(replay_use(replay, "d.example.com.", "nonce-number-0000", NOW_S + 1), REPLAY_FULL);
    assert_int_equal(replay_use(replay, "d.example.com.", "nonce-number-0000", NOW_S + REPLAY_WINDOW_S + 1),
                     REPLAY_NEW);
    assert_int_equal(replay_use(replay, "a.example.com.", "nonce-number-0004", NOW_S + REPLAY_WINDOW_S + 1),
                     REPLAY_NEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_window),
        cmocka_unit_test(test_a_nonce_is_taken_once),
        cmocka_unit_test(test_full_is_shut),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
