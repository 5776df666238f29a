/* How long to wait before the next try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/cleanup.h"

static uint32_t shortest(uint32_t upper_bound)
{
    assert_true(upper_bound > 0);
    return 0;
}

static uint32_t longest(uint32_t upper_bound)
{
    assert_true(upper_bound > 0);
    return upper_bound - 1;
}

static void test_waits(void **state)
{
    static const struct {
        struct backoff_limits limits;
        unsigned attempt; /* failures before */
        uint32_t from_ms;
        uint32_t to_ms;
    } rows[] = {
        /* full jitter */
        {{1000, 60000, 0}, 0, 0, 1000},
        {{1000, 60000, 0}, 1, 0, 2000},
        {{1000, 60000, 0}, 5, 0, 32000},
        {{1000, 60000, 0}, 6, 0, 60000},
        {{1000, 60000, 0}, 7, 0, 60000},
        /* a part is certain */
        {{1000, 60000, 50}, 0, 500, 1000},
        {{1000, 60000, 50}, 3, 4000, 8000},
        {{1000, 60000, 50}, 20, 30000, 60000},
        {{1000, 60000, 75}, 1, 1500, 2000},
        /* none */
        {{1000, 60000, 100}, 0, 1000, 1000},
        {{1000, 60000, 100}, 2, 4000, 4000},
        {{1000, 60000, 100}, 9, 60000, 60000},
        /* the first is the most already */
        {{5000, 5000, 0}, 0, 0, 5000},
        {{5000, 1000, 0}, 0, 0, 1000},
        /* where doubling would overflow */
        {{1000, 60000, 100}, 31, 60000, 60000},
        {{1000, 60000, 100}, 32, 60000, 60000},
        {{1000, 60000, 100}, 64, 60000, 60000},
        {{1, 4000000000, 100}, 31, 2147483648, 2147483648},
        {{1, 4000000000, 100}, 32, 4000000000, 4000000000},
        {{4000000000, 4000000000, 50}, 33, 2000000000, 4000000000},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct backoff backoff = {.attempt = rows[i].attempt};
        const uint32_t from_ms = backoff_next_ms(&backoff, &rows[i].limits, shortest);
        backoff.attempt = rows[i].attempt;
        const uint32_t to_ms = backoff_next_ms(&backoff, &rows[i].limits, longest);
        if (from_ms != rows[i].from_ms || to_ms != rows[i].to_ms) {
            fail_msg("row %zu: from %u to %u ms", i, from_ms, to_ms);
        }
    }
}

static void test_failures_are_counted(void **state)
{
    static const struct backoff_limits limits = {100, 1000, 100};
    static const uint32_t expected_ms[] = {100, 200, 400, 800, 1000, 1000};
    struct backoff backoff = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(expected_ms); i++) {
        assert_int_equal(backoff_next_ms(&backoff, &limits, shortest), expected_ms[i]);
        assert_int_equal(backoff.attempt, i + 1);
    }
    backoff.attempt = 0; /* a success */
    assert_int_equal(backoff_next_ms(&backoff, &limits, shortest), 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_failures_are_counted),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
