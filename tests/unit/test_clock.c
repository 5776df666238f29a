#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

static void test_system_clock(void **state)
{
    (void)state;
    const struct clock *clock = clock_system();
    int64_t before_s = (int64_t)time(NULL);
    int64_t now_s = clock_realtime_s(clock);
    int64_t after_s = (int64_t)time(NULL);
    /* time() may be a tick behind clock_gettime(). */
    assert_true(now_s >= before_s && now_s <= after_s + 1);

    int64_t first_ms = clock_monotonic_ms(clock);
    int64_t second_ms = clock_monotonic_ms(clock);
    assert_true(second_ms >= first_ms);
}

static void test_test_clock(void **state)
{
    (void)state;
    struct clock clock;
    clock_init_test(&clock, 5, 1795302951999);
    assert_int_equal(clock_monotonic_ms(&clock), 5);
    assert_true(clock_realtime_ms(&clock) == 1795302951999);
    assert_true(clock_realtime_s(&clock) == 1795302951);
    clock.test_monotonic_ms += 1000;
    clock.test_realtime_ms += 1;
    assert_int_equal(clock_monotonic_ms(&clock), 1005);
    assert_true(clock_realtime_s(&clock) == 1795302952);
}

static void test_printing(void **state)
{
    static const struct {
        int64_t time_s;
        const char *text;
        const char *basic;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "19700101T000000Z"},
        {1795302951, "2026-11-21T23:15:51Z", "20261121T231551Z"},
        {951868799, "2000-02-29T23:59:59Z", "20000229T235959Z"},
        {951868800, "2000-03-01T00:00:00Z", "20000301T000000Z"},
        {-1, "1969-12-31T23:59:59Z", "19691231T235959Z"},
        {-2203891201, "1900-02-28T23:59:59Z", "19000228T235959Z"},
        {-2203891200, "1900-03-01T00:00:00Z", "19000301T000000Z"},
        {253402300799, "9999-12-31T23:59:59Z", "99991231T235959Z"},
        {253402300800, "9999-12-31T23:59:59Z", "99991231T235959Z"},
        {INT64_MAX, "9999-12-31T23:59:59Z", "99991231T235959Z"},
        {-62167219200, "0000-01-01T00:00:00Z", "00000101T000000Z"},
        {-62162035201, "0000-02-29T23:59:59Z", "00000229T235959Z"},
        {-62162035200, "0000-03-01T00:00:00Z", "00000301T000000Z"},
        {INT64_MIN, "0000-01-01T00:00:00Z", "00000101T000000Z"},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char text[21];
        char basic[17];
        clock_print_iso8601(rows[i].time_s, text);
        clock_print_basic_iso8601(rows[i].time_s, basic);
        assert_string_equal(text, rows[i].text);
        assert_string_equal(basic, rows[i].basic);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_clock),
        cmocka_unit_test(test_test_clock),
        cmocka_unit_test(test_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
