#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "requests.h"
#include "store/state.h"
#include "store/state_read.h"
#include "temporary.h"

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = temporary_folder_make();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static struct store_change changed(const char *hostname, const char *value, int64_t time_s)
{
    struct store_change made = {
        .request = *change(hostname, value, 60), .dialect = "query", .change_id = "C1", .time_s = time_s};

    assert_int_equal(address_parse("203.0.113.9", 11, &made.source), 0);
    return made;
}

static struct state *write_some(void)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct state *state = NULL;
    const struct store_change changes[] = {
        changed("a.example.com.", "198.51.100.1", 100),
        changed("b.example.com.", "2001:db8::1", 200),
        changed("a.example.com.", "198.51.100.2", 300),
        changed("t.example.com.", "\"one\"", 400),
    };

    assert_int_equal(state_open(folder, &message, &state), 0);
    assert_int_equal(state_commit(state, changes, ELEMENTS(changes), NULL, 0), 0);
    return state;
}

static struct state_reader *open_reader(void)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct state_reader *reader = NULL;

    if (state_reader_open(folder, &message, &reader) < 0) {
        fail_msg("%s", buffer_text(&message));
    }
    return reader;
}

static int append_change(const struct state_change *one, void *userdata)
{
    buffer_printf(userdata, "%lld %s %s %s>%s %s %s %s\n", (long long)one->time_s, one->hostname, one->type,
                  one->before, one->after, one->source, one->dialect, one->change_id);
    return 0;
}

static void expect_history(struct state_reader *reader, const char *hostname, int64_t since_s, size_t limit,
                           const char *expected)
{
    _cleanup_buffer_ struct buffer lines = BUFFER_INIT;

    assert_int_equal(state_reader_history(reader, hostname, since_s, limit, append_change, &lines), 0);
    assert_string_equal(buffer_text(&lines), expected);
}

static void look(struct state_reader *reader)
{
    struct store_record record;
    char text[ADDRESS_TEXT_SIZE];

    assert_int_equal(state_reader_record(reader, "a.example.com.", RECORD_A, &record), 1);
    address_print(&record.value.address, text);
    assert_string_equal(text, "198.51.100.2");
    assert_int_equal(record.last_updated_s, 300);
    assert_int_equal(record.ttl_s, 60);
    assert_int_equal(state_reader_record(reader, "a.example.com.", RECORD_AAAA, &record), 0);
    assert_int_equal(state_reader_record(reader, "t.example.com.", RECORD_TXT, &record), 1);
    assert_int_equal(rdata_count(&record.value), 1);
    rdata_drop(&record.value);
    expect_history(reader, "a.example.com.", INT64_MIN, 10,
                   "300 a.example.com. A >198.51.100.2 203.0.113.9 query C1\n"
                   "100 a.example.com. A >198.51.100.1 203.0.113.9 query C1\n");
    expect_history(reader, NULL, 200, 2,
                   "400 t.example.com. TXT >\"one\" 203.0.113.9 query C1\n"
                   "300 a.example.com. A >198.51.100.2 203.0.113.9 query C1\n");
    expect_history(reader, NULL, 401, 10, "");
}

static void beside_the_daemon(void **data)
{
    (void)data;
    struct state *state = write_some();
    struct state_reader *reader = open_reader();
    const struct store_change later = changed("a.example.com.", "198.51.100.3", 500);

    look(reader);
    assert_int_equal(state_commit(state, &later, 1, NULL, 0), 0);
    expect_history(reader, NULL, 500, 10, "500 a.example.com. A >198.51.100.3 203.0.113.9 query C1\n");
    state_reader_close(reader);
    state_close(state);
}

static void without_it_nothing_is_left_behind(void **data)
{
    (void)data;
    state_close(write_some());
    struct state_reader *reader = open_reader();
    look(reader);
    state_reader_close(reader);
    assert_int_equal(access(temporary_path(folder, "state.db-shm"), F_OK), -1);
    assert_int_equal(access(temporary_path(folder, "state.db-wal"), F_OK), -1);
}

static void what_cannot_be_read(void **data)
{
    (void)data;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct state_reader *reader = NULL;
    sqlite3 *database = NULL;

    assert_int_equal(state_reader_open(folder, &message, &reader), -ENOENT);
    assert_int_equal(sqlite3_open(temporary_path(folder, "state.db"), &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    buffer_clear(&message);
    assert_int_equal(state_reader_open(folder, &message, &reader), -EOPNOTSUPP);
    assert_non_null(strstr(buffer_text(&message), "version 99"));
    (void)temporary_file(folder, "state.db", "no database at all, but long enough to look like one", 52, 0600);
    buffer_clear(&message);
    assert_int_equal(state_reader_open(folder, &message, &reader), -EIO);
    assert_true(message.length > 0);
    assert_null(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(beside_the_daemon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_it_nothing_is_left_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("state_read", tests, NULL, NULL);
}
