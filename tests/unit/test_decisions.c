#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/decisions.h"
#include "base/decisions_file.h"
#include "base/file.h"
#include "base/secret.h"
#include "temporary.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = temporary_folder_make();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static int append_line(const char *line, size_t length, void *userdata)
{
    buffer_append(userdata, line, length);
    buffer_append_char(userdata, '\n');
    return 0;
}

/* All lines of a family, newest first. */
static char *lines_of(enum decisions_family family)
{
    struct buffer lines = BUFFER_INIT;

    assert_int_equal(decisions_read(folder, family, append_line, &lines), 0);
    return lines.length > 0 ? buffer_take(&lines) : strdup("");
}

#define PATIENCE_MS 20000

/* The same once there are so many: who stops waits for the disk, but not for long. */
static char *wait_for_lines(enum decisions_family family, size_t count)
{
    const int64_t until_ms = clock_monotonic_ms(clock_system()) + PATIENCE_MS;

    for (;;) {
        char *lines = lines_of(family);
        size_t found = 0;
        for (const char *at = lines; (at = strchr(at, '\n')); at++) {
            found++;
        }
        if (found >= count) {
            return lines;
        }
        free(lines);
        assert_true(clock_monotonic_ms(clock_system()) < until_ms);
        (void)usleep(1000);
    }
}

static struct decisions *start(struct clock *clock, size_t bytes)
{
    clock_init_test(clock, 0, 1000);
    struct decisions *decisions =
        decisions_new(&(struct decisions_options){.state_dir = folder, .bytes = bytes, .clock = clock});

    assert_non_null(decisions);
    assert_int_equal(decisions_start(decisions), 0);
    return decisions;
}

static void a_decision_becomes_a_line(void **state)
{
    (void)state;
    struct clock clock;
    struct decisions *decisions = start(&clock, 1 << 20);
    struct kept_decision decision = {
        .time_ms = 1763771751123,
        .dialect = "query",
        .host = "home.example.com.",
        .type = "TXT",
        .value = "\"a\\b\"\n\x01\xff",
        .verdict = "refused",
        .reason = "r",
        .message = "m\xc3\xa4",
        .change_id = "C1",
        .secret = "previous",
        .status = 403,
        .is_ours = true,
    };

    assert_int_equal(address_parse("198.18.7.9", 10, &decision.source), 0);
    decisions_keep(decisions, &decision);
    decisions_free(decisions);
    _cleanup_free_ char *line = wait_for_lines(DECISIONS_HOSTS, 1);
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    static const char *const texts[][2] = {
        {"source", "198.18.7.9"}, {"dialect", "query"},         {"host", "home.example.com."},
        {"type", "TXT"},          {"value", "\"a\\b\"\n\x01?"}, {"verdict", "refused"},
        {"reason", "r"},          {"message", "m\xc3\xa4"},     {"change_id", "C1"},
        {"secret", "previous"},
    };
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        assert_string_equal(json_string_value(json_object_get(object, texts[i][0])), texts[i][1]);
    }
    assert_int_equal(json_integer_value(json_object_get(object, "time_ms")), 1763771751123);
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 403);
    assert_int_equal(json_object_size(object), ELEMENTS(texts) + 2);
    json_decref(object);
}

/* Whatever a client or a provider sent, the line is whole. */
static void long_texts_are_cut(void **state)
{
    (void)state;
    struct clock clock;
    struct decisions *decisions = start(&clock, 1 << 20);
    char text[5000];

    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    decisions_keep(decisions, &(struct kept_decision){.host = text, .message = text, .value = text, .verdict = "x"});
    memset(text, '\xc3', sizeof(text) - 1);
    for (size_t i = 1; i < sizeof(text) - 1; i += 2) {
        text[i] = '\xa4';
    }
    text[0] = 'a'; /* a cut at any length would be inside of a character */
    decisions_keep(decisions, &(struct kept_decision){.message = text, .verdict = "x"});
    decisions_free(decisions);
    _cleanup_free_ char *lines = wait_for_lines(DECISIONS_OTHERS, 2);
    size_t count = 0;
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        json_decref(object);
        count++;
    }
    assert_int_equal(count, 2);
}

static void a_flood_is_counted_and_told(void **state)
{
    (void)state;
    struct clock clock;
    struct decisions *decisions = start(&clock, 1 << 20);
    const struct kept_decision ours = {.host = "home.example.com.", .verdict = "good", .is_ours = true};
    const struct kept_decision other = {.host = "x.example.com.", .verdict = "badauth", .is_refused = true};

    for (size_t i = 0; i < 100; i++) {
        decisions_keep(decisions, &ours);
        decisions_keep(decisions, &other);
    }
    assert_int_equal(decisions_counted(decisions), 140);
    clock.test_monotonic_ms = 60000;
    decisions_tick(decisions, 60000);
    decisions_free(decisions);
    _cleanup_free_ char *hosts = wait_for_lines(DECISIONS_HOSTS, 31);
    _cleanup_free_ char *others = wait_for_lines(DECISIONS_OTHERS, 31);
    static const char host_sum[] =
        "{\"time_ms\":1000,\"source\":\"local\",\"host\":\"home.example.com.\",\"verdict\":\"more\",\"count\":70}\n";
    static const char source_sum[] = "{\"time_ms\":1000,\"source\":\"local\",\"verdict\":\"more\",\"count\":70}\n";
    assert_memory_equal(hosts, host_sum, strlen(host_sum));
    assert_memory_equal(others, source_sum, strlen(source_sum));
}

static void zero_bytes_keep_nothing(void **state)
{
    (void)state;
    struct clock clock;
    struct decisions *decisions = start(&clock, 0);
    _cleanup_free_ char *path = path_join(folder, DECISIONS_FOLDER);

    decisions_keep(decisions, &(struct kept_decision){.verdict = "x"});
    decisions_free(decisions);
    decisions_keep(NULL, NULL);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_disk_that_fails_costs_only_the_lines(void **state)
{
    (void)state;
    struct clock clock;
    _cleanup_free_ char *path = path_join(folder, DECISIONS_FOLDER);

    assert_int_equal(file_replace(path, "x", 1, 0600), 0); /* a file where the folder should be */
    struct decisions *decisions = start(&clock, 1 << 20);
    decisions_keep(decisions, &(struct kept_decision){.verdict = "x"});
    while (decisions_lost(decisions) == 0) {
        (void)usleep(1000);
    }
    decisions_free(decisions);
}

/* ---- the files ---- */

static void append(struct decisions_file *file, const char *text)
{
    assert_int_equal(decisions_file_append(file, text, strlen(text)), 0);
}

static void files_are_bounded_and_read_newest_first(void **state)
{
    (void)state;
    struct decisions_file file;

    assert_int_equal(decisions_file_init(&file, folder, DECISIONS_HOSTS, 8), 0);
    append(&file, "1\n2\n");
    append(&file, "3\n4\n");
    _cleanup_free_ char *first = lines_of(DECISIONS_HOSTS);
    assert_string_equal(first, "4\n3\n2\n1\n");
    append(&file, "5\n");
    _cleanup_free_ char *second = lines_of(DECISIONS_HOSTS);
    assert_string_equal(second, "5\n4\n3\n2\n1\n");
    append(&file, "6\n7\n8\n");
    append(&file, "9\n");
    _cleanup_free_ char *third = lines_of(DECISIONS_HOSTS);
    assert_string_equal(third, "9\n8\n7\n6\n5\n");
    _cleanup_free_ char *others = lines_of(DECISIONS_OTHERS);
    assert_string_equal(others, "");
    decisions_file_done(&file);
}

static void half_a_line_stays_alone(void **state)
{
    (void)state;
    struct decisions_file file;

    assert_int_equal(decisions_file_init(&file, folder, DECISIONS_HOSTS, 1000), 0);
    append(&file, "1\n2\n{\"ha");
    _cleanup_free_ char *before = lines_of(DECISIONS_HOSTS);
    assert_string_equal(before, "2\n1\n");
    decisions_file_done(&file);
    assert_int_equal(decisions_file_init(&file, folder, DECISIONS_HOSTS, 1000), 0);
    append(&file, "3\n");
    _cleanup_free_ char *after = lines_of(DECISIONS_HOSTS);
    assert_string_equal(after, "3\n{\"ha\n2\n1\n");
    decisions_file_done(&file);
}

static void a_file_that_was_removed_is_made_again(void **state)
{
    (void)state;
    struct decisions_file file;
    struct stat info;

    assert_int_equal(decisions_file_init(&file, folder, DECISIONS_HOSTS, 1000), 0);
    append(&file, "1\n");
    assert_int_equal(stat(file.path, &info), 0);
    assert_int_equal(info.st_mode & 0777 & ~0640U, 0);
    assert_int_equal(unlink(file.path), 0);
    append(&file, "2\n");
    _cleanup_free_ char *lines = lines_of(DECISIONS_HOSTS);
    assert_string_equal(lines, "2\n");
    decisions_file_done(&file);
}

static void expect_tail(struct decisions_tail *tail, const char *expected)
{
    struct buffer lines = BUFFER_INIT;

    assert_int_equal(decisions_tail_read(tail, append_line, &lines), 0);
    assert_string_equal(buffer_text(&lines), expected);
    buffer_done(&lines);
}

static void a_tail_follows_over_the_files(void **state)
{
    (void)state;
    struct decisions_file file;
    struct decisions_tail *tail = decisions_tail_new(folder, DECISIONS_HOSTS);

    expect_tail(tail, ""); /* there is no file yet */
    assert_int_equal(decisions_file_init(&file, folder, DECISIONS_HOSTS, 8), 0);
    append(&file, "1\n2");
    expect_tail(tail, "1\n");
    append(&file, "3\n");
    expect_tail(tail, "23\n");
    append(&file, "4\n");
    append(&file, "5\n"); /* in the next file */
    append(&file, "6\n");
    expect_tail(tail, "4\n5\n6\n");
    expect_tail(tail, "");
    decisions_tail_free(tail);
    tail = decisions_tail_new(folder, DECISIONS_HOSTS);
    expect_tail(tail, ""); /* from the end on */
    append(&file, "7\n");
    expect_tail(tail, "7\n");
    decisions_tail_free(tail);
    decisions_file_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_decision_becomes_a_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(long_texts_are_cut, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_flood_is_counted_and_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(zero_bytes_keep_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_costs_only_the_lines, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_are_bounded_and_read_newest_first, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(half_a_line_stays_alone, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_was_removed_is_made_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_tail_follows_over_the_files, make_folder, remove_folder),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("decisions", tests, NULL, NULL);
}
