#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

struct heard {
    enum log_level level;
    char line[8192];
    unsigned count;
};

static void hear(enum log_level level, const char *line, void *userdata)
{
    struct heard *heard = userdata;
    heard->level = level;
    heard->count++;
    (void)snprintf(heard->line, sizeof(heard->line), "%s", line);
}

static int silence(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    log_init(LOG_LEVEL_INFO);
    return 0;
}

static void test_message(void **state)
{
    (void)state;
    struct heard heard = {0};
    log_set_sink(hear, &heard);
    log_warning("started", "version %d of \"%s\"", 3, "it");
    assert_string_equal(heard.line, "event=started message=\"version 3 of \\\"it\\\"\"");
    assert_int_equal(heard.level, LOG_LEVEL_WARNING);
    log_error("started", "word");
    assert_string_equal(heard.line, "event=started message=\"word\"");
    log_notice("started", "%s", "");
    assert_string_equal(heard.line, "event=started message=\"\"");
}

static void test_values(void **state)
{
    static const struct {
        const char *value;
        const char *printed;
    } rows[] = {
        {"198.18.7.9", "198.18.7.9"},
        {"home.example.com.", "home.example.com."},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"x\nevent=auth_failure source=1.2.3.4", "\"x\\x0aevent=auth_failure source=1.2.3.4\""},
        {"\r", "\"\\x0d\""},
        {"\x1b[31m", "\"\\x1b[31m\""},
        {"\x7f", "\"\\x7f\""},
        {"\xff\xfe", "\"\\xff\\xfe\""},
        {"\\x0a", "\"\\\\x0a\""},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""},
    };
    (void)state;
    struct heard heard = {0};
    log_set_sink(hear, &heard);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[256];
        log_event(LOG_LEVEL_INFO, "update", "key", rows[i].value, "next", "1", NULL);
        (void)snprintf(expected, sizeof(expected), "event=update key=%s next=1", rows[i].printed);
        assert_string_equal(heard.line, expected);
    }
    log_event(LOG_LEVEL_INFO, "update", "key", NULL, "next", "1", NULL);
    assert_string_equal(heard.line, "event=update next=1");
    log_event(LOG_LEVEL_INFO, "update", NULL);
    assert_string_equal(heard.line, "event=update");
}

static void test_levels(void **state)
{
    (void)state;
    struct heard heard = {0};
    log_set_sink(hear, &heard);
    log_debug("detail", "not said");
    log_event(LOG_LEVEL_DEBUG, "detail", "key", "value", NULL);
    assert_int_equal(heard.count, 0);
    log_init(LOG_LEVEL_DEBUG);
    log_debug("detail", "said");
    assert_int_equal(heard.count, 1);
    log_init(LOG_LEVEL_ERROR);
    log_warning("detail", "not said");
    log_error("detail", "said");
    assert_int_equal(heard.count, 2);
}

static void test_errno_stays(void **state)
{
    (void)state;
    struct heard heard = {0};
    log_set_sink(hear, &heard);
    errno = EXDEV;
    log_info("a", "b");
    log_event(LOG_LEVEL_INFO, "a", "b", "c", NULL);
    assert_int_equal(errno, EXDEV);
}

/* A line is cut between two characters, its quote is closed, and it says so. Tried at every length around. */
static void test_truncation(void **state)
{
    static const char *const units[] = {"x", "\n", "\"", "\xe2\x82\xac", "x y"};
    (void)state;
    struct heard heard = {0};
    log_set_sink(hear, &heard);
    for (size_t unit = 0; unit < sizeof(units) / sizeof(units[0]); unit++) {
        bool cut = false;
        for (size_t length = 900; length < 4200; length++) {
            char value[4300];
            size_t step = strlen(units[unit]);
            for (size_t i = 0; i + step <= length; i += step) {
                memcpy(value + i, units[unit], step);
            }
            value[length / step * step] = '\0';
            log_event(LOG_LEVEL_INFO, "long", "first", value, "second", "2 2", NULL);
            size_t line_length = strlen(heard.line);
            const char *mark = strstr(heard.line, " truncated=yes");
            assert_true(line_length <= 4096 - 3 - 1); /* prefix, newline */
            if (mark == NULL) {
                assert_false(cut); /* once it is too long, it stays so */
                assert_non_null(strstr(heard.line, " second=\"2 2\""));
                continue;
            }
            cut = true;
            assert_string_equal(mark, " truncated=yes");
            unsigned quotes = 0;
            for (const char *c = heard.line; *c != '\0'; c++) {
                if (*c == '\\') {
                    c++;
                } else {
                    quotes += *c == '"' ? 1 : 0;
                }
            }
            assert_int_equal(quotes % 2, 0);
        }
        assert_true(cut);
    }
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    struct heard heard = {0};
    char text[6000];
    memset(text, 'y', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_set_sink(hear, &heard);
    log_info("long", "%s", text);
    assert_non_null(strstr(heard.line, "y\" truncated=yes"));
    log_event(LOG_LEVEL_INFO, "long", "a", text, "b", text, "c", "d d", NULL);
    assert_non_null(strstr(heard.line, "y truncated=yes"));
    log_event(LOG_LEVEL_INFO, "long", text, "a", "b", "c", NULL);
    assert_non_null(strstr(heard.line, " truncated=yes"));
    log_event(LOG_LEVEL_INFO, text, "a", "b", NULL);
    assert_non_null(strstr(heard.line, "event=yyy"));
}

/* ---- standard error ---- */

struct captured {
    int saved;
    int reader;
};

/* In packet mode a read gives what one write wrote: pipe(2), O_DIRECT. */
static struct captured capture_begin(void)
{
    struct captured captured;
    int ends[2];
    assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
    captured.saved = dup(STDERR_FILENO);
    captured.reader = ends[0];
    assert_true(captured.saved >= 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(ends[1]), 0);
    return captured;
}

static void capture_end(struct captured *captured)
{
    assert_int_equal(dup2(captured->saved, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(captured->saved), 0);
    assert_int_equal(close(captured->reader), 0);
}

static size_t read_packet(const struct captured *captured, char packet[8192])
{
    ssize_t n = read(captured->reader, packet, 8191);
    assert_true(n > 0);
    packet[n] = '\0';
    return (size_t)n;
}

static void test_one_write_per_line(void **state)
{
    (void)state;
    char packet[8192];
    char text[6000];
    struct captured captured = capture_begin();
    memset(text, '\n', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_event(LOG_LEVEL_INFO, "update", "key", "a value", NULL);
    log_info("long", "%s", text);
    (void)read_packet(&captured, packet);
    assert_string_equal(packet, "event=update key=\"a value\"\n");
    size_t length = read_packet(&captured, packet);
    assert_in_range(length, 4000, 4096);
    assert_ptr_equal(strchr(packet, '\n'), packet + length - 1);
    capture_end(&captured);
}

static void test_priority_for_the_journal(void **state)
{
    (void)state;
    char packet[8192];
    char stream[64];
    struct stat info;
    struct captured captured = capture_begin();

    assert_int_equal(fstat(STDERR_FILENO, &info), 0);
    (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_init(LOG_LEVEL_INFO);
    log_event(LOG_LEVEL_ERROR, "a", NULL);
    log_event(LOG_LEVEL_INFO, "a", NULL);
    (void)read_packet(&captured, packet);
    assert_string_equal(packet, "<3>event=a\n");
    (void)read_packet(&captured, packet);
    assert_string_equal(packet, "<6>event=a\n");

    /* Inherited by a process whose standard error was redirected: not the journal's any more. */
    (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino + 1);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_init(LOG_LEVEL_INFO);
    log_event(LOG_LEVEL_ERROR, "a", NULL);
    (void)read_packet(&captured, packet);
    assert_string_equal(packet, "event=a\n");
    capture_end(&captured);
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void *log_often(void *userdata)
{
    for (unsigned i = 0; i < 100; i++) {
        log_event(LOG_LEVEL_INFO, "thread", "name", userdata, NULL);
    }
    return NULL;
}

static void test_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[4][200];
    pthread_t threads[4];
    unsigned counts[4] = {0};
    char packet[8192];
    struct captured captured = capture_begin();
    for (size_t i = 0; i < 4; i++) {
        memset(names[i], 'a' + (int)i, sizeof(names[i]) - 1);
        assert_int_equal(pthread_create(&threads[i], NULL, log_often, names[i]), 0);
    }
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(read_packet(&captured, packet), 18 + 199 + 1);
        assert_int_equal(strspn(packet + 18, (const char[]){packet[18], '\0'}), 199);
        counts[(packet[18] - 'a') & 3]++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(counts[i], 100);
    }
    capture_end(&captured);
}

/* Last of all: from here on the thread writes. */
static void test_with_a_thread_of_its_own(void **state)
{
    (void)state;
    char packet[8192];
    struct heard heard = {0};
    struct captured captured = capture_begin();

    assert_int_equal(log_start(), 0);
    log_event(LOG_LEVEL_INFO, "update", "key", "a value", NULL);
    (void)read_packet(&captured, packet);
    assert_string_equal(packet, "event=update key=\"a value\"\n");
    log_set_sink(hear, &heard); /* heard at once, as without the thread */
    log_info("a", "b");
    assert_string_equal(heard.line, "event=a message=\"b\"");
    log_set_sink(NULL, NULL);

    size_t written = 0;
    while (log_lines_lost() == 0) {
        assert_true(written++ < LOG_RING_BYTES / 10);
        log_info("a", "%zu", written);
    }
    while (read_packet(&captured, packet) > 0 && !strstr(packet, "event=log_lost")) {}
    assert_string_equal(packet,
                        "event=log_lost lines=1 message=\"the reader of the log was too slow for them: see what "
                        "holds it up\"\n");
    log_stop(10000);
    assert_int_equal(log_lines_lost(), 1);
    log_info("a", "after the end");
    (void)read_packet(&captured, packet);
    assert_string_equal(packet, "event=a message=\"after the end\"\n");
    capture_end(&captured);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_message, silence, silence),
        cmocka_unit_test_setup_teardown(test_values, silence, silence),
        cmocka_unit_test_setup_teardown(test_levels, silence, silence),
        cmocka_unit_test_setup_teardown(test_errno_stays, silence, silence),
        cmocka_unit_test_setup_teardown(test_truncation, silence, silence),
        cmocka_unit_test_setup_teardown(test_long_messages_are_cut, silence, silence),
        cmocka_unit_test_setup_teardown(test_one_write_per_line, silence, silence),
        cmocka_unit_test_setup_teardown(test_priority_for_the_journal, silence, silence),
        cmocka_unit_test_setup_teardown(test_threads_do_not_mix, silence, silence),
        cmocka_unit_test_setup_teardown(test_with_a_thread_of_its_own, silence, silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
