#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "log_lines.h"
#include "provider/on_change.h"
#include "temporary.h"

struct fixture {
    char *folder;
    char *output;  /* the command appends a line of its arguments */
    char *failing; /* the command fails as long as this exists */
    char *words[8];
    size_t word_count;
    struct clock clock;
    struct loop *loop;
    struct worker *worker;
    struct on_change *on_change;
    struct buffer log;
    unsigned drained;
};

static void add_word(struct fixture *fixture, const char *word)
{
    fixture->words[fixture->word_count] = strdup(word);
    assert_non_null(fixture->words[fixture->word_count++]);
}

static void make(struct fixture *fixture, const char *first, const char *second)
{
    _cleanup_buffer_ struct buffer script = BUFFER_INIT;

    buffer_printf(&script, "echo \"$@\" >>'%s'; test ! -e '%s' || { echo no server; exit 2; }", fixture->output,
                  fixture->failing);
    add_word(fixture, "/bin/sh");
    add_word(fixture, "-c");
    add_word(fixture, buffer_text(&script));
    add_word(fixture, "-");
    add_word(fixture, first);
    add_word(fixture, second);
    fixture->on_change = on_change_new(fixture->loop, fixture->worker, fixture->words, fixture->word_count);
    assert_non_null(fixture->on_change);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->folder = temporary_folder_make();
    fixture->output = path_join(fixture->folder, "output");
    fixture->failing = path_join(fixture->folder, "failing");
    clock_init_test(&fixture->clock, 1000, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->worker = worker_new(fixture->loop, "on change");
    log_set_sink(log_lines_keep, &fixture->log);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    log_set_sink(NULL, NULL);
    on_change_free(fixture->on_change);
    worker_free(fixture->worker);
    loop_free(fixture->loop);
    for (size_t i = 0; i < fixture->word_count; i++) {
        free(fixture->words[i]);
    }
    temporary_folder_remove(fixture->folder);
    free(fixture->output);
    free(fixture->failing);
    buffer_done(&fixture->log);
    free(fixture);
    return 0;
}

/* Until nobody has anything to do; the clock moves in the end. */
static void run(struct fixture *fixture, int64_t ms)
{
    bool is_busy = true;

    while (is_busy) {
        loop_turn(fixture->loop, 0);
        is_busy = worker_turn(fixture->worker);
    }
    fixture->clock.test_monotonic_ms += ms;
    loop_turn(fixture->loop, 0);
    while (worker_turn(fixture->worker)) {
        loop_turn(fixture->loop, 0);
    }
}

static void assert_ran(struct fixture *fixture, const char *lines)
{
    _cleanup_buffer_ struct buffer output = BUFFER_INIT;

    (void)file_read(fixture->output, 10000, &output, NULL);
    assert_string_equal(buffer_text(&output), lines);
}

static void written(struct fixture *fixture, const char *zone)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/zones/%szone", zone);
    on_change_written(zone, path, fixture->on_change);
}

static void once_a_second(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "reload", "all");
    written(fixture, "a.test.");
    assert_ran(fixture, ""); /* never on the caller's thread */
    run(fixture, 0);
    assert_ran(fixture, "reload all\n"); /* the first one at once */
    written(fixture, "a.test.");
    written(fixture, "b.test.");
    written(fixture, "a.test.");
    run(fixture, 999);
    assert_ran(fixture, "reload all\n");
    run(fixture, 1);
    assert_ran(fixture, "reload all\nreload all\n");
    run(fixture, 60000);
    assert_ran(fixture, "reload all\nreload all\n");
    written(fixture, "b.test.");
    written(fixture, "b.test."); /* while it is under way */
    run(fixture, 1000);
    assert_ran(fixture, "reload all\nreload all\nreload all\nreload all\n");
}

static void for_each_zone(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "zone={zone}{zone}", "{file}");
    written(fixture, "a.test.");
    written(fixture, "b.test.");
    run(fixture, 0);
    assert_ran(fixture, "zone=a.testa.test /zones/a.test.zone\nzone=b.testb.test /zones/b.test.zone\n");
    written(fixture, "b.test.");
    run(fixture, 1000);
    assert_ran(fixture, "zone=a.testa.test /zones/a.test.zone\nzone=b.testb.test /zones/b.test.zone\n"
                        "zone=b.testb.test /zones/b.test.zone\n");
}

static void failures_are_told_and_tried_again(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_buffer_ struct buffer trouble = BUFFER_INIT;
    const char *words = "zonefile.on_change for a.test.: /bin/sh ended with status 2: no server\n";

    make(fixture, "{zone}", "");
    assert_int_equal(file_replace(fixture->failing, "", 0, 0600), 0);
    written(fixture, "a.test.");
    run(fixture, 0);
    assert_int_equal(on_change_report_trouble(fixture->on_change, &trouble), 1);
    assert_string_equal(buffer_text(&trouble), words);
    run(fixture, 1000);
    run(fixture, 1999);
    assert_ran(fixture, "a.test \na.test \n");
    run(fixture, 1);
    assert_ran(fixture, "a.test \na.test \na.test \n");
    assert_string_equal(buffer_text(&fixture->log), "event=on_change_failed zone=a.test. command=/bin/sh "
                                                    "message=\"ended with status 2: no server\"\n");
    assert_int_equal(unlink(fixture->failing), 0);
    run(fixture, 4000);
    assert_ran(fixture, "a.test \na.test \na.test \na.test \n");
    assert_int_equal(on_change_report_trouble(fixture->on_change, &trouble), 0);
    assert_non_null(strstr(buffer_text(&fixture->log), "event=on_change_recovered zone=a.test.\n"));
    run(fixture, 600000);
    assert_ran(fixture, "a.test \na.test \na.test \na.test \n");
}

static void note_drained(void *userdata)
{
    struct fixture *fixture = userdata;

    fixture->drained++;
}

static void last_changes_are_told_at_the_end(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "{zone}", "");
    written(fixture, "a.test.");
    written(fixture, "b.test.");
    run(fixture, 0);
    written(fixture, "b.test."); /* waits for its second to pass */
    on_change_drain(fixture->on_change, 20000, note_drained, fixture);
    assert_int_equal(fixture->drained, 0);
    run(fixture, 0);
    assert_int_equal(fixture->drained, 1);
    assert_ran(fixture, "a.test \nb.test \nb.test \n");
}

static void failing_command_does_not_hold_up_the_end(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "{zone}", "");
    assert_int_equal(file_replace(fixture->failing, "", 0, 0600), 0);
    written(fixture, "a.test.");
    run(fixture, 0);
    on_change_drain(fixture->on_change, 20000, note_drained, fixture);
    run(fixture, 0);
    assert_int_equal(fixture->drained, 1);
    assert_ran(fixture, "a.test \na.test \n"); /* once more */
}

/* The deadline comes before the command's end: nobody waits any longer, and it is told to end. */
static void slow_command_does_not_hold_up_the_end(void **state)
{
    struct fixture *fixture = *state;

    add_word(fixture, "/bin/sleep");
    add_word(fixture, "600");
    fixture->on_change = on_change_new(fixture->loop, fixture->worker, fixture->words, fixture->word_count);
    written(fixture, "a.test.");
    on_change_drain(fixture->on_change, 20000, note_drained, fixture);
    fixture->clock.test_monotonic_ms += 20000;
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->drained, 1);
    run(fixture, 0);
    assert_int_equal(fixture->drained, 1);
    assert_non_null(strstr(buffer_text(&fixture->log), "took too long and was ended"));
}

static void nothing_to_wait_for(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "x", "y");
    on_change_drain(fixture->on_change, 20000, note_drained, fixture);
    assert_int_equal(fixture->drained, 1);
    run(fixture, 20000);
    assert_int_equal(fixture->drained, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(once_a_second, setup, teardown),
        cmocka_unit_test_setup_teardown(for_each_zone, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_told_and_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(last_changes_are_told_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(failing_command_does_not_hold_up_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_command_does_not_hold_up_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_wait_for, setup, teardown),
    };
    return cmocka_run_group_tests_name("on_change", tests, NULL, NULL);
}
