#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "ctl/when.h"

#define NOW 1795000000

static void what_was_and_what_will_be(void **state)
{
    (void)state;
    static const struct {
        int64_t time_s;
        const char *text;
    } rows[] = {
        {0, "never"},
        {NOW, "now"},
        {NOW - 1, "now"},
        {NOW + 1, "now"},
        {NOW - 2, "2 s ago"},
        {NOW - 89, "89 s ago"},
        {NOW - 90, "1 min ago"},
        {NOW - 180, "3 min ago"},
        {NOW - 90 * 60 + 1, "89 min ago"},
        {NOW - 90 * 60, "1 h ago"},
        {NOW - 48 * 3600 + 1, "47 h ago"},
        {NOW - 48 * 3600, "2 days ago"},
        {NOW - 400 * 86400, "400 days ago"},
        {NOW + 200, "in 3 min"},
        {INT64_MAX, "in 106751991146"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char text[WHEN_SIZE];
        when_print(rows[i].time_s, NOW, text);
        assert_memory_equal(text, rows[i].text, strlen(rows[i].text));
    }
}

static void spans_and_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t time_s; /* -1: refused */
    } rows[] = {
        {"0s", NOW},
        {"90s", NOW - 90},
        {"15m", NOW - 900},
        {"2h", NOW - 7200},
        {"3d", NOW - 3 * 86400},
        {"2w", NOW - 14 * 86400},
        {"1970-01-02", 86400},
        {"1970-01-01T00:00:10Z", 10},
        {"", -1},
        {"h", -1},
        {"2", -1},
        {"2 h", -1},
        {"-2h", -1},
        {"2y", -1},
        {"02h", -1},
        {"9999999999d", -1},
        {"yesterday", -1},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int64_t time_s = -1;
        assert_int_equal(when_parse_past(rows[i].text, NOW, &time_s), rows[i].time_s < 0 ? -EINVAL : 0);
        assert_int_equal(time_s, rows[i].time_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_and_what_will_be),
        cmocka_unit_test(spans_and_dates),
    };

    return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
