#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "requests.h"
#include "store/state_internal.h"
#include "temporary.h"

struct fixture {
    char *folder;
    char *path; /* of state.db */
    struct state *state;
    struct buffer message;
};

static int setup(void **data)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->folder = temporary_folder_make();
    fixture->path = path_join(fixture->folder, "state.db");
    assert_non_null(fixture->path);
    *data = fixture;
    return 0;
}

static int teardown(void **data)
{
    struct fixture *fixture = *data;

    state_close(fixture->state);
    buffer_done(&fixture->message);
    temporary_folder_remove(fixture->folder);
    free(fixture->path);
    free(fixture);
    return 0;
}

static int open_state(struct fixture *fixture)
{
    buffer_clear(&fixture->message);
    return state_open(fixture->folder, &fixture->message, &fixture->state);
}

static void close_state(struct fixture *fixture)
{
    state_close(TAKE_PTR(fixture->state));
}

static void assert_refused(struct fixture *fixture, int expected, const char *words)
{
    assert_int_equal(open_state(fixture), expected);
    assert_null(fixture->state);
    if (!strstr(buffer_text(&fixture->message), words)) {
        fail_msg("\"%s\" is not in: %s", words, buffer_text(&fixture->message));
    }
}

static struct address address(const char *text)
{
    struct address parsed = {.family = ADDRESS_NONE};

    if (text[0]) {
        assert_int_equal(address_parse(text, strlen(text), &parsed), 0);
    }
    return parsed;
}

/* Texts are for a TXT record; "": nothing. */
static struct store_change stored(const char *hostname, const char *old, const char *new, int64_t time_s)
{
    const struct rdata was = rdata_made(old);
    const struct rdata value = rdata_made(new);
    const struct rdata *shown = rdata_is_empty(&value) ? &was : &value;

    return (struct store_change){
        .request =
            {
                .record = record_made(hostname, shown->texts ? RECORD_TXT : record_type_of(&shown->address)),
                .was = was,
                .value = value,
                .ttl_s = 60,
            },
        .source = address("203.0.113.9"),
        .dialect = "query",
        .change_id = "/change/C1",
        .time_s = time_s,
    };
}

static void stored_done(struct store_change *change)
{
    rdata_drop(&change->request.was);
    rdata_drop(&change->request.value);
}

static void append_address(struct buffer *buffer, const struct address *printed)
{
    char text[ADDRESS_TEXT_SIZE] = "-";

    if (printed->family != ADDRESS_NONE) {
        address_print(printed, text);
    }
    buffer_printf(buffer, " %s", text);
}

static int print_record(const struct store_record *record, void *userdata)
{
    struct buffer *buffer = userdata;

    buffer_printf(buffer, "%s %s ", record->record.hostname, record_type_text(record->record.type));
    if (rdata_is_empty(&record->value)) {
        buffer_append_char(buffer, '-');
    }
    rdata_print(&record->value, buffer);
    buffer_printf(buffer, " %u %lld %lld", record->ttl_s, (long long)record->last_updated_s,
                  (long long)record->last_checked_s);
    append_address(buffer, &record->last_accessed);
    buffer_append_char(buffer, '\n');
    return 0;
}

static void assert_records(struct state *state, const char *expected)
{
    _cleanup_buffer_ struct buffer printed = BUFFER_INIT;

    assert_int_equal(state_each_record(state, print_record, &printed), 0);
    assert_string_equal(buffer_text(&printed), expected);
}

static int append_row(void *userdata, int columns, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < columns; i++) {
        buffer_printf(userdata, "%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    }
    buffer_append_char(userdata, '\n');
    return 0;
}

/* What another process sees, or does, with a connection of its own. */
static void by_others(const char *path, const char *sql, const char *expected)
{
    _cleanup_buffer_ struct buffer rows = BUFFER_INIT;
    sqlite3 *database = NULL;
    char *error = NULL;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, append_row, &rows, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_string_equal(buffer_text(&rows), expected);
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    assert_int_equal(file_replace(path, bytes, length, 0600), 0);
}

static mode_t mode_of(const char *folder, const char *name)
{
    _cleanup_free_ char *path = path_join(folder, name);
    struct stat stat_of;

    assert_int_equal(stat(path, &stat_of), 0);
    return stat_of.st_mode & 07777;
}

static void missing_is_made(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_free_ char *inner = path_join(fixture->folder, "a/b");
    struct state *state = NULL;

    assert_int_equal(state_open(inner, &fixture->message, &state), 0);
    assert_int_equal(fixture->message.length, 0);
    assert_records(state, "");
    assert_int_equal(mode_of(inner, ".") & 0007, 0);
    assert_int_equal(mode_of(inner, "state.db") & 0117, 0);
    assert_int_equal(mode_of(inner, "state.db-wal") & 0117, 0);
    assert_int_equal(mode_of(inner, "lock"), 0600);
    state_close(state);
}

static void commit_survives(void **data)
{
    struct fixture *fixture = *data;
    struct store_change changes[] = {
        stored("a.example.com.", "", "198.51.100.1", 100),
        stored("a.example.com.", "", "2001:db8::1", 100),
        stored("*.example.com.", "198.51.100.7", "198.51.100.2", 101),
    };
    const char *expected = "*.example.com. A 198.51.100.2 60 101 101 203.0.113.9\n"
                           "a.example.com. A 198.51.100.1 60 100 100 203.0.113.9\n"
                           "a.example.com. AAAA 2001:db8::1 60 100 100 203.0.113.9\n";
    _cleanup_free_ char *log = path_join(fixture->folder, "state.db-wal");

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(state_commit(fixture->state, changes, ELEMENTS(changes), NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, NULL, 0, NULL, 0), 0);
    assert_records(fixture->state, expected);
    by_others(fixture->path,
              "SELECT time_s, hostname, type, old_address, new_address, ttl_s, source, dialect, change_id FROM history",
              "100|a.example.com.|A||198.51.100.1|60|203.0.113.9|query|/change/C1\n"
              "100|a.example.com.|AAAA||2001:db8::1|60|203.0.113.9|query|/change/C1\n"
              "101|*.example.com.|A|198.51.100.7|198.51.100.2|60|203.0.113.9|query|/change/C1\n");
    close_state(fixture);
    assert_int_equal(access(log, F_OK), -1);
    assert_int_equal(open_state(fixture), 0);
    assert_records(fixture->state, expected);
}

static void texts_survive(void **data)
{
    struct fixture *fixture = *data;
    struct store_change changes[] = {
        stored("_acme-challenge.a.example.com.", "", "\"one\"\n\"two \\\"2\\\" \\010\"", 100),
        stored("_acme-challenge.b.example.com.", "\"old\"", "\"new\"", 100),
        stored("b.example.com.", "", "198.51.100.1", 100),
    };
    const char *expected =
        "_acme-challenge.a.example.com. TXT \"one\"\n\"two \\0342\\034 \\010\" 60 100 100 203.0.113.9\n"
        "_acme-challenge.b.example.com. TXT \"new\" 60 100 100 203.0.113.9\n"
        "b.example.com. A 198.51.100.1 60 100 100 203.0.113.9\n";

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(state_commit(fixture->state, changes, ELEMENTS(changes), NULL, 0), 0);
    assert_records(fixture->state, expected);
    by_others(fixture->path, "SELECT hostname, type, old_address, new_address FROM history WHERE id = 2",
              "_acme-challenge.b.example.com.|TXT|\"old\"|\"new\"\n");
    close_state(fixture);
    assert_int_equal(open_state(fixture), 0);
    assert_records(fixture->state, expected);
    for (size_t i = 0; i < ELEMENTS(changes); i++) {
        stored_done(&changes[i]);
    }
}

/* A record that was withdrawn: its row stays, for who asked last and when, and has no value. */
static void withdrawals_survive(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set[] = {
        stored("a.example.com.", "", "198.51.100.1", 100),
        stored("_acme-challenge.a.example.com.", "", "\"token\"", 100),
    };
    struct store_change withdrawn[] = {
        stored("a.example.com.", "198.51.100.1", "", 200),
        stored("_acme-challenge.a.example.com.", "\"token\"", "", 201),
    };
    const char *expected = "_acme-challenge.a.example.com. TXT - 0 201 201 203.0.113.9\n"
                           "a.example.com. A - 0 200 200 203.0.113.9\n";

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(state_commit(fixture->state, set, ELEMENTS(set), NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, withdrawn, ELEMENTS(withdrawn), NULL, 0), 0);
    assert_records(fixture->state, expected);
    by_others(fixture->path, "SELECT hostname, type, old_address, new_address, ttl_s FROM history WHERE id > 2",
              "a.example.com.|A|198.51.100.1||0\n"
              "_acme-challenge.a.example.com.|TXT|\"token\"||0\n");
    close_state(fixture);
    assert_int_equal(open_state(fixture), 0);
    assert_records(fixture->state, expected);
    assert_int_equal(state_commit(fixture->state, set, 1, NULL, 0), 0); /* and it may be set again */
    by_others(fixture->path, "SELECT address, ttl_s FROM record WHERE type = 'A'", "198.51.100.1|60\n");
    for (size_t i = 0; i < 2; i++) {
        stored_done(&set[i]);
        stored_done(&withdrawn[i]);
    }
}

/* The file of the first release, as it made it: rows and history stay, and the new version holds every type. */
static void version_1_is_migrated(void **data)
{
    static const char version_1[] =
        "PRAGMA journal_mode = WAL;"
        "CREATE TABLE record (hostname TEXT NOT NULL, type TEXT NOT NULL CHECK (type IN ('A', 'AAAA')),"
        " address TEXT NOT NULL, ttl_s INTEGER NOT NULL, last_updated_s INTEGER NOT NULL,"
        " last_checked_s INTEGER NOT NULL, last_accessed TEXT NOT NULL, PRIMARY KEY (hostname, type)) WITHOUT ROWID;"
        "CREATE TABLE history (id INTEGER PRIMARY KEY, time_s INTEGER NOT NULL, hostname TEXT NOT NULL,"
        " type TEXT NOT NULL, old_address TEXT NOT NULL, new_address TEXT NOT NULL, ttl_s INTEGER NOT NULL,"
        " source TEXT NOT NULL, dialect TEXT NOT NULL, change_id TEXT NOT NULL);"
        "CREATE INDEX history_by_record ON history (hostname, type);"
        "INSERT INTO record VALUES ('a.example.com.', 'A', '198.51.100.1', 60, 100, 200, '203.0.113.9');"
        "INSERT INTO record VALUES ('a.example.com.', 'AAAA', '2001:db8::1', 300, 101, 101, '2001:db8::9');"
        "INSERT INTO record VALUES ('b.example.com.', 'A', '', 0, 0, 400, '203.0.113.9');"
        "INSERT INTO history VALUES (7, 100, 'a.example.com.', 'A', '', '198.51.100.1', 60, '203.0.113.9', 'query',"
        " '/change/C1');"
        "PRAGMA application_id = 1681208164; PRAGMA user_version = 1;";
    const char *rows = "a.example.com. A 198.51.100.1 60 100 200 203.0.113.9\n"
                       "a.example.com. AAAA 2001:db8::1 300 101 101 2001:db8::9\n"
                       "b.example.com. A - 0 0 400 203.0.113.9\n";
    struct fixture *fixture = *data;
    struct store_change text = stored("_acme-challenge.a.example.com.", "", "\"token\"", 500);
    char expected[512];

    by_others(fixture->path, version_1, "wal\n");
    assert_int_equal(open_state(fixture), 0);
    assert_records(fixture->state, rows);
    by_others(fixture->path, "PRAGMA user_version; SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
              "2\nhistory\nrecord\n");
    by_others(fixture->path, "SELECT * FROM history",
              "7|100|a.example.com.|A||198.51.100.1|60|203.0.113.9|query|/change/C1\n");
    assert_int_equal(state_commit(fixture->state, &text, 1, NULL, 0), 0);
    close_state(fixture);
    assert_int_equal(open_state(fixture), 0); /* nothing to do the second time */
    (void)snprintf(expected, sizeof(expected),
                   "_acme-challenge.a.example.com. TXT \"token\" 60 500 500 203.0.113.9\n%s", rows);
    assert_records(fixture->state, expected);
    stored_done(&text);
}

static void changing_again_replaces(void **data)
{
    struct fixture *fixture = *data;
    struct store_change first = stored("a.example.com.", "", "198.51.100.1", 100);
    struct store_change second = stored("a.example.com.", "198.51.100.1", "198.51.100.2", 200);
    struct store_touch touch = {record_made("a.example.com.", RECORD_A), address("192.0.2.1"), 300};
    struct store_change late = stored("a.example.com.", "198.51.100.2", "198.51.100.3", 250);

    second.request.ttl_s = 300;
    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(state_commit(fixture->state, &first, 1, NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, &second, 1, NULL, 0), 0);
    assert_records(fixture->state, "a.example.com. A 198.51.100.2 300 200 200 203.0.113.9\n");
    assert_int_equal(state_commit(fixture->state, NULL, 0, &touch, 1), 0);
    /* A change that was asked for before the last touch, and applied after it. */
    assert_int_equal(state_commit(fixture->state, &late, 1, NULL, 0), 0);
    assert_records(fixture->state, "a.example.com. A 198.51.100.3 60 250 300 192.0.2.1\n");
    by_others(fixture->path, "SELECT count(*) FROM history", "3\n");
}

static void touches(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    struct store_touch several[] = {
        {record_made("a.example.com.", RECORD_A), address("192.0.2.1"), 300},
        {record_made("a.example.com.", RECORD_A), address("192.0.2.2"), 200}, /* older: no effect */
        {record_made("b.example.com.", RECORD_AAAA), address("2001:db8::9"), 400},
    };

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, NULL, 0, several, ELEMENTS(several)), 0);
    assert_int_equal(state_commit(fixture->state, NULL, 0, NULL, 0), 0);
    assert_records(fixture->state, "a.example.com. A 198.51.100.1 60 100 300 192.0.2.1\n"
                                   "b.example.com. AAAA - 0 0 400 2001:db8::9\n");
    by_others(fixture->path, "SELECT count(*) FROM history", "1\n");
}

static bool is_not_gone(const char *hostname, enum record_type type, void *userdata)
{
    (void)userdata;
    return strncmp(hostname, "gone", 4) != 0 && type == RECORD_A;
}

/* By the time that is handed in: old rows of hosts that left go, young ones and those of configured hosts stay. */
static void old_rows_are_forgotten(void **data)
{
    struct fixture *fixture = *data;
    size_t deleted = 0;

    assert_int_equal(open_state(fixture), 0);
    for (int i = 0; i < 3 * STATE_FORGET_ROWS; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s%03d.example.com.", i % 3 == 0 ? "stays" : "gone", i);
        struct store_change row = stored(name, "", "192.0.2.1", i % 3 == 1 ? 100 : 1000);
        struct store_touch touch = {row.request.record, address("192.0.2.1"), i % 9 == 1 ? 1000 : 50};
        assert_int_equal(state_commit(fixture->state, &row, 1, NULL, 0), 0);
        assert_int_equal(state_commit(fixture->state, NULL, 0, &touch, 1), 0);
    }
    unsigned calls = 1;
    while (state_forget(fixture->state, 1000, is_not_gone, NULL, &deleted) == 1) {
        calls++;
    }
    assert_int_equal(calls, 4); /* the last one finds nothing more */
    /* Of the 200 that left and were set at 100, a third was asked for since. */
    assert_int_equal(deleted, STATE_FORGET_ROWS * 2 / 3);
    by_others(fixture->path, "SELECT count(*) FROM record", "467\n");
    by_others(fixture->path, "SELECT count(*) FROM history", "600\n");
    assert_int_equal(state_forget(fixture->state, 1000, is_not_gone, NULL, &deleted), 1);
    assert_int_equal(deleted, STATE_FORGET_ROWS * 2 / 3);
    close_state(fixture);
}

static int stop_at_second(const struct store_record *record, void *userdata)
{
    int *calls = userdata;

    (void)record;
    return ++*calls == 2 ? 7 : 0;
}

static void each_record_stops(void **data)
{
    struct fixture *fixture = *data;
    struct store_change changes[] = {
        stored("a.example.com.", "", "198.51.100.1", 1),
        stored("b.example.com.", "", "198.51.100.1", 1),
        stored("c.example.com.", "", "198.51.100.1", 1),
    };
    int calls = 0;

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(state_commit(fixture->state, changes, ELEMENTS(changes), NULL, 0), 0);
    assert_int_equal(state_each_record(fixture->state, stop_at_second, &calls), 7);
    assert_int_equal(calls, 2);
    assert_int_equal(state_commit(fixture->state, changes, ELEMENTS(changes), NULL, 0), 0);
}

static void killed_process_loses_nothing(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    _cleanup_free_ char *log = path_join(fixture->folder, "state.db-wal");
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int r = open_state(fixture);

        r = r < 0 ? r : state_commit(fixture->state, &set, 1, NULL, 0);
        if (r == 0) {
            (void)raise(SIGKILL);
        }
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(log, F_OK), 0);
    assert_int_equal(open_state(fixture), 0);
    assert_records(fixture->state, "a.example.com. A 198.51.100.1 60 100 100 203.0.113.9\n");
}

static void one_daemon_a_folder(void **data)
{
    struct fixture *fixture = *data;
    struct state *second = NULL;
    char process[32];

    assert_int_equal(open_state(fixture), 0);
    buffer_clear(&fixture->message);
    assert_int_equal(state_open(fixture->folder, &fixture->message, &second), -EBUSY);
    assert_null(second);
    (void)snprintf(process, sizeof(process), "process %d ", (int)getpid());
    assert_non_null(strstr(buffer_text(&fixture->message), process));
    assert_non_null(strstr(buffer_text(&fixture->message), "stop it"));
    close_state(fixture);
    assert_int_equal(open_state(fixture), 0);
}

static void newer_version_is_refused(void **data)
{
    struct fixture *fixture = *data;

    assert_int_equal(open_state(fixture), 0);
    close_state(fixture);
    by_others(fixture->path, "PRAGMA user_version = 3", "");
    assert_refused(fixture, -EOPNOTSUPP, "version 3, written by a newer ddns53d; this one knows versions up to 2: run");
    by_others(fixture->path, "PRAGMA user_version", "3\n");
    by_others(fixture->path, "PRAGMA user_version = 2", "");
    assert_int_equal(open_state(fixture), 0);
}

static void no_database_is_refused(void **data)
{
    struct fixture *fixture = *data;
    const char text[] = "this is a letter to my aunt, and by no means a database";
    _cleanup_buffer_ struct buffer after = BUFFER_INIT;

    write_file(fixture->path, text, strlen(text));
    assert_refused(fixture, -EBADMSG, "not a database: restore it from a backup, or move it");
    assert_int_equal(file_read(fixture->path, 1000, &after, NULL), 0);
    assert_string_equal(buffer_text(&after), text);
}

static void foreign_database_is_refused(void **data)
{
    struct fixture *fixture = *data;

    by_others(fixture->path, "CREATE TABLE mine (x)", "");
    assert_refused(fixture, -EBADMSG, "not one of ddns53d: move it away");
    by_others(fixture->path, "SELECT name FROM sqlite_schema", "mine\n");
}

static void folder_in_its_place_is_refused(void **data)
{
    struct fixture *fixture = *data;

    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_refused(fixture, -EISDIR, "state.db: ");
}

static void empty_file_counts_as_missing(void **data)
{
    struct fixture *fixture = *data;

    write_file(fixture->path, "", 0);
    assert_int_equal(open_state(fixture), 0);
    assert_records(fixture->state, "");
}

static void log_without_its_file_is_refused(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_free_ char *log = path_join(fixture->folder, "state.db-wal");

    write_file(log, "log", 3);
    assert_refused(fixture, -EBADMSG, "empty or missing, but its log");
    assert_int_equal(access(log, F_OK), 0);
}

static void damage_is_refused(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    _cleanup_buffer_ struct buffer bytes = BUFFER_INIT;

    assert_int_equal(open_state(fixture), 0);
    for (int i = 0; i < 500; i++) {
        set.time_s++;
        assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), 0);
    }
    close_state(fixture);
    assert_int_equal(file_read(fixture->path, 1 << 24, &bytes, NULL), 0);
    assert_true(bytes.length > 5 * 4096);
    memset(bytes.data + bytes.length - 4096, 0x55, 4096);
    write_file(fixture->path, bytes.data, bytes.length);
    assert_refused(fixture, -EBADMSG, "damaged (");
    /* Cut short. */
    write_file(fixture->path, bytes.data, 2 * 4096 + 17);
    assert_refused(fixture, -EBADMSG, "restore it from a backup, or move it");
}

static void senseless_row_is_told(void **data)
{
    struct fixture *fixture = *data;
    _cleanup_buffer_ struct buffer printed = BUFFER_INIT;

    assert_int_equal(open_state(fixture), 0);
    by_others(fixture->path, "INSERT INTO record VALUES ('a.example.com.', 'A', 'nonsense', 60, 1, 1, '')", "");
    assert_int_equal(state_each_record(fixture->state, print_record, &printed), -EBADMSG);
    assert_non_null(strstr(state_error(fixture->state), "\"a.example.com.\" in table record makes no sense: correct"));
    by_others(fixture->path, "UPDATE record SET address = '2001:db8::1'", ""); /* an A record with such an address */
    assert_int_equal(state_each_record(fixture->state, print_record, &printed), -EBADMSG);
    by_others(fixture->path, "UPDATE record SET address = '\"a text\"'", "");
    assert_int_equal(state_each_record(fixture->state, print_record, &printed), -EBADMSG);
    by_others(fixture->path, "UPDATE record SET address = '192.0.2.1', type = 'MX'", "");
    assert_int_equal(state_each_record(fixture->state, print_record, &printed), -EBADMSG);
    by_others(fixture->path, "UPDATE record SET type = 'A', ttl_s = -1", "");
    assert_int_equal(state_each_record(fixture->state, print_record, &printed), -EBADMSG);
    by_others(fixture->path, "UPDATE record SET ttl_s = 5", "");
    assert_records(fixture->state, "a.example.com. A 192.0.2.1 5 1 1 -\n");
}

static void history_is_bounded(void **data)
{
    struct fixture *fixture = *data;
    struct store_change several[10];

    for (size_t i = 0; i < ELEMENTS(several); i++) {
        several[i] = stored("a.example.com.", "", "198.51.100.1", (int64_t)i);
    }
    assert_int_equal(open_state(fixture), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(state_commit(fixture->state, several, 10, NULL, 0), 0);
    }
    /* A limit that was lowered is reached in steps of twice what is added. */
    fixture->state->history_max = 20;
    assert_int_equal(state_commit(fixture->state, several, 10, NULL, 0), 0);
    by_others(fixture->path, "SELECT count(*), min(id), max(id) FROM history", "40|21|60\n");
    assert_int_equal(state_commit(fixture->state, several, 10, NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, several, 10, NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, several, 10, NULL, 0), 0);
    by_others(fixture->path, "SELECT count(*), min(id), max(id) FROM history", "20|71|90\n");
}

/* ---- a file system that becomes read-only ---- */

/* Writing fails with EROFS from now on, for this thread alone. */
static void forbid_writing(void)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EROFS),
    };
    const struct sock_fprog program = {.len = sizeof(rows) / sizeof(rows[0]), .filter = rows};

    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

struct read_only {
    struct fixture *fixture;
    int committed, touched;
};

static void *commit_read_only(void *userdata)
{
    struct read_only *read_only = userdata;
    struct state *state = read_only->fixture->state;
    const struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    const struct store_touch touch = {record_made("b.example.com.", RECORD_A), address("192.0.2.1"), 300};

    forbid_writing();
    read_only->committed = state_commit(state, &set, 1, NULL, 0);
    read_only->touched = state_commit(state, NULL, 0, &touch, 1);
    return NULL;
}

static void test_read_only(void **data)
{
    struct fixture *fixture = *data;
    const struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    struct read_only read_only = {.fixture = fixture};
    pthread_t thread;

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(pthread_create(&thread, NULL, commit_read_only, &read_only), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(read_only.committed, -EROFS);
    assert_int_equal(read_only.touched, -EROFS);
    assert_non_null(strstr(state_error(fixture->state), "read-only"));
    assert_non_null(strstr(state_error(fixture->state), "ReadWritePaths="));
    assert_null(strstr(state_error(fixture->state), "room"));
    assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), 0); /* it works again when the file system does */
    by_others(fixture->path, "SELECT count(*) FROM history", "1\n");
}

/* A limit on file sizes stands for a full disk; the other kind (ENOSPC) needs a small file system. */
static void no_room_and_room_again(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    struct store_touch touch = {record_made("b.example.com.", RECORD_A), address("192.0.2.1"), 300};
    struct rlimit before, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    int r, touched, committed = 0;

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 300 * 1024, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    while ((r = state_commit(fixture->state, &set, 1, NULL, 0)) == 0 && committed < 10000) {
        committed++;
        set.time_s++;
    }
    do { /* a smaller transaction may still fit */
        touched = state_commit(fixture->state, NULL, 0, &touch, 1);
        touch.time_s++;
    } while (touched == 0 && touch.time_s < 1000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(r, -ENOSPC);
    assert_int_equal(touched, -ENOSPC);
    assert_true(committed > 0);
    assert_non_null(strstr(state_error(fixture->state), "make room"));

    char expected[32];
    (void)snprintf(expected, sizeof(expected), "%d\n", committed);
    by_others(fixture->path, "SELECT count(*) FROM history", expected);
    assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), 0);
    assert_int_equal(state_commit(fixture->state, NULL, 0, &touch, 1), 0);
    close_state(fixture);
    assert_int_equal(open_state(fixture), 0);
    (void)snprintf(expected, sizeof(expected), "%d\n", committed + 1);
    by_others(fixture->path, "SELECT count(*) FROM history", expected);
}

static void foreign_writer_is_told(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    sqlite3 *other = NULL;

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), -EAGAIN);
    assert_non_null(strstr(state_error(fixture->state), "another program"));
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), 0);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* ddns53ctl looks at the history while the daemon writes. */
static void reader_does_not_block(void **data)
{
    struct fixture *fixture = *data;
    struct store_change set = stored("a.example.com.", "", "198.51.100.1", 100);
    _cleanup_buffer_ struct buffer rows = BUFFER_INIT;
    sqlite3 *other = NULL;

    assert_int_equal(open_state(fixture), 0);
    assert_int_equal(sqlite3_open_v2(fixture->path, &other, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM history", append_row, &rows, NULL), SQLITE_OK);
    assert_int_equal(state_commit(fixture->state, &set, 1, NULL, 0), 0);
    assert_int_equal(sqlite3_exec(other, "SELECT count(*) FROM history; END; SELECT count(*) FROM history", append_row,
                                  &rows, NULL),
                     SQLITE_OK);
    assert_string_equal(buffer_text(&rows), "0\n0\n1\n");
    close_state(fixture);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(open_state(fixture), 0);
    by_others(fixture->path, "SELECT count(*) FROM history", "1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_is_made, setup, teardown),
        cmocka_unit_test_setup_teardown(commit_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(withdrawals_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(version_1_is_migrated, setup, teardown),
        cmocka_unit_test_setup_teardown(changing_again_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(touches, setup, teardown),
        cmocka_unit_test_setup_teardown(old_rows_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(each_record_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_process_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(one_daemon_a_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(newer_version_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_in_its_place_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_file_counts_as_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(log_without_its_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(senseless_row_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(history_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(no_room_and_room_again, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_writer_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_does_not_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
