#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/process_metrics.h"

/* The value of a series without labels; -1: it is not there. */
static double value_of(const char *text, const char *name)
{
    char line[128];
    double value = -1;

    (void)snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(text, line);
    if (found) {
        value = strtod(found + strlen(line), NULL);
    }
    return value;
}

static void test_figures_are_ours(void **state)
{
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    (void)state;
    assert_int_equal(process_metrics_add(metrics), 0);
    metrics_render(metrics, &buffer);
    const char *text = buffer_text(&buffer);
    assert_true(value_of(text, "process_cpu_seconds_total") >= 0);
    assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(text, "process_virtual_memory_bytes") >= value_of(text, "process_resident_memory_bytes"));
    assert_true(value_of(text, "process_threads") >= 1); /* a sanitizer may have its own */
    assert_true(value_of(text, "process_max_fds") >= 20);

    const double open_fds = value_of(text, "process_open_fds");
    FILE *file = fopen("/dev/null", "re");
    assert_non_null(file);
    buffer_clear(&buffer);
    metrics_render(metrics, &buffer);
    assert_true(value_of(buffer_text(&buffer), "process_open_fds") == open_fds + 1);
    assert_int_equal(fclose(file), 0);

    const double age_s = (double)time(NULL) - value_of(text, "process_start_time_seconds");
    assert_true(age_s > -2 && age_s < 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_figures_are_ours)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
