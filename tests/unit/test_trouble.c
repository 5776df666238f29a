/* A spell of failures: told once in the log, and for as long as it lasts in /healthz. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "log_lines.h"
#include "queue/trouble.h"

struct fixture {
    struct trouble trouble;
    struct buffer log;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.log = BUFFER_INIT};
    trouble_init(&fixture.trouble, "zone_trouble", "zone_recovered", "a.test.");
    log_set_sink(log_lines_keep, &fixture.log);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    log_set_sink(NULL, NULL);
    trouble_done(&fixture->trouble);
    buffer_done(&fixture->log);
    return 0;
}

/* Compares what was logged since the last call. */
static void assert_logged(struct fixture *fixture, const char *lines)
{
    assert_string_equal(buffer_text(&fixture->log), lines);
    buffer_clear(&fixture->log);
}

static void assert_reported(struct fixture *fixture, int64_t failing_ms, int64_t now_ms, const char *line)
{
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    assert_int_equal(trouble_report(&fixture->trouble, "a.test.", failing_ms, now_ms, &buffer), *line != '\0');
    assert_string_equal(buffer_text(&buffer), line);
}

static void test_a_spell(void **state)
{
    struct fixture *fixture = *state;
    struct trouble *trouble = &fixture->trouble;
    char message[8];

    trouble_end(trouble); /* there was none */
    assert_reported(fixture, 0, 1000, "");
    assert_int_equal(trouble_view(trouble, 1000, message, sizeof(message)), -1);
    assert_string_equal(message, "");
    assert_logged(fixture, "");

    trouble_begin(trouble, "no connection", false, 1000);
    assert_logged(fixture, "event=zone_trouble zone=a.test. message=\"no connection\"\n");
    trouble_begin(trouble, "no\nanswer", false, 5000); /* once per spell, but the last words count */
    assert_logged(fixture, "");
    assert_reported(fixture, 5000, 5999, "");
    assert_reported(fixture, 5000, 6000, "a.test. for 5 s: no answer\n");
    assert_int_equal(trouble_view(trouble, 6000, message, sizeof(message)), 5000);
    assert_string_equal(message, "no answ");

    trouble_end(trouble);
    assert_logged(fixture, "event=zone_recovered zone=a.test.\n");
    trouble_end(trouble);
    assert_logged(fixture, "");
    assert_reported(fixture, 0, 6000, "");
    trouble_begin(trouble, "again", false, 9000);
    assert_logged(fixture, "event=zone_trouble zone=a.test. message=again\n");
    assert_int_equal(trouble_view(trouble, 9500, message, sizeof(message)), 500);
}

/* Being throttled is no trouble unless it lasts; something else at once is. */
static void test_throttling(void **state)
{
    struct fixture *fixture = *state;
    struct trouble *trouble = &fixture->trouble;
    int64_t now_ms = 0;

    trouble_begin(trouble, "slow down", true, now_ms);
    trouble_end(trouble);
    assert_logged(fixture, ""); /* neither its begin nor its end */
    trouble_begin(trouble, "slow down", true, now_ms);
    assert_reported(fixture, 0, now_ms, "a.test. for 0 s: slow down\n");
    while (fixture->log.length == 0 && now_ms < INT64_C(3600000)) {
        now_ms += 1000;
        trouble_begin(trouble, "slow down", true, now_ms);
    }
    assert_int_equal(now_ms, 30000);
    assert_logged(fixture, "event=zone_trouble zone=a.test. message=\"slow down\"\n");
    trouble_end(trouble);
    assert_logged(fixture, "event=zone_recovered zone=a.test.\n");

    trouble_begin(trouble, "slow down", true, now_ms);
    trouble_begin(trouble, "no connection", false, now_ms);
    assert_logged(fixture, "event=zone_trouble zone=a.test. message=\"no connection\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_spell, setup, teardown),
        cmocka_unit_test_setup_teardown(test_throttling, setup, teardown),
    };

    return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
