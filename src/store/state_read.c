#include "store/state_read.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/state_internal.h"

#define BUSY_TIMEOUT_MS 2000 /* nobody waits for us: the daemon writes beside readers */

struct state_reader {
    sqlite3 *database;
    sqlite3_stmt *record;
};

void state_reader_close(struct state_reader *reader)
{
    if (reader) {
        (void)sqlite3_finalize(reader->record);
        (void)sqlite3_close(reader->database);
        free(reader);
    }
}

static int fail(const struct state_reader *reader, const char *path, struct buffer *message)
{
    const int code = sqlite3_errcode(reader->database) & 0xff;

    if (code == SQLITE_CANTOPEN || code == SQLITE_PERM || code == SQLITE_READONLY || code == SQLITE_AUTH) {
        buffer_printf(message, "%s: cannot be read (%s): run this as root or as the daemon's user", path,
                      sqlite3_errmsg(reader->database));
        return -EACCES;
    }
    buffer_printf(message, "%s: %s: see whether the daemon starts with it", path, sqlite3_errmsg(reader->database));
    return -EIO;
}

/* 1: it is a file of this version; -ENOENT where the schema is not there yet. */
static int check_version(struct state_reader *reader, const char *path, struct buffer *message)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(reader->database, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        version = sqlite3_column_int(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    if (version < 0) {
        return fail(reader, path, message);
    }
    if (version != STATE_VERSION) {
        buffer_printf(message, "%s: is of version %d, and this program reads %d: start the daemon of this version once",
                      path, version, STATE_VERSION);
        return -EOPNOTSUPP;
    }
    return 0;
}

static int prepare(struct state_reader *reader, const char *path, struct buffer *message)
{
    static const char text[] = "SELECT address, ttl_s, last_updated_s, last_checked_s, last_accessed FROM record"
                               " WHERE hostname = ?1 AND type = ?2";

    int r = check_version(reader, path, message);
    if (r == 0 &&
        sqlite3_prepare_v3(reader->database, text, -1, SQLITE_PREPARE_PERSISTENT, &reader->record, NULL) != SQLITE_OK) {
        r = fail(reader, path, message);
    }
    return r;
}

/* Does a daemon have the folder? It holds the lock for as long as it lives. Who may not look takes it that one does. */
static bool has_daemon(const char *folder)
{
    _cleanup_free_ char *path = path_join(folder, "lock");
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;

    return fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0;
}

static bool has_log(const char *path)
{
    _cleanup_buffer_ struct buffer log = BUFFER_INIT;
    struct stat info;

    buffer_printf(&log, "%s-wal", path);
    return stat(buffer_text(&log), &info) == 0 && info.st_size > 0;
}

/* https://www.sqlite.org/uri.html. Where nobody writes, SQLite is told so, and leaves no files of its own behind. */
static void append_uri(const char *path, bool is_immutable, struct buffer *uri)
{
    buffer_append_text(uri, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        if (strchr("%?# ", *c)) {
            buffer_printf(uri, "%%%02X", (unsigned)(unsigned char)*c);
        } else {
            buffer_append_char(uri, *c);
        }
    }
    buffer_append_text(uri, is_immutable ? "?immutable=1" : "");
}

int state_reader_open(const char *folder, struct buffer *message, struct state_reader **ret_reader)
{
    _cleanup_(state_reader_closep) struct state_reader *reader = calloc(1, sizeof(*reader));
    _cleanup_free_ char *path = path_join(folder, "state.db");
    struct stat info;

    if (!reader || !path) {
        return -ENOMEM;
    }
    if (stat(path, &info) < 0) {
        const int error = errno;
        buffer_printf(message, "%s: %s%s", path, strerror(error),
                      error == EACCES ? ": run this as root or as the daemon's user" : "");
        return -error;
    }
    /* The lock of a reader is a file of its own, which a later daemon must be able to open. */
    int r = state_become_owner(&info);
    if (r < 0) {
        return r;
    }
    _cleanup_buffer_ struct buffer uri = BUFFER_INIT;
    append_uri(path, !has_daemon(folder) && !has_log(path), &uri);
    const int code =
        sqlite3_open_v2(buffer_text(&uri), &reader->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    if (!reader->database) {
        return -ENOMEM;
    }
    if (code != SQLITE_OK) {
        return fail(reader, path, message);
    }
    (void)sqlite3_busy_timeout(reader->database, BUSY_TIMEOUT_MS);
    r = prepare(reader, path, message);
    if (r == 0) {
        *ret_reader = TAKE_PTR(reader);
    }
    return r;
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text ? text : "";
}

static int read_record(sqlite3_stmt *statement, struct store_record *record)
{
    const char *accessed = column_text(statement, 4);
    const char *value = column_text(statement, 0);
    const int64_t ttl_s = sqlite3_column_int64(statement, 1);

    record->last_updated_s = sqlite3_column_int64(statement, 2);
    record->last_checked_s = sqlite3_column_int64(statement, 3);
    if (ttl_s < 0 || ttl_s > UINT32_MAX ||
        (accessed[0] != '\0' && address_parse(accessed, strlen(accessed), &record->last_accessed) < 0)) {
        return -EBADMSG;
    }
    record->ttl_s = (uint32_t)ttl_s;
    return rdata_parse(value, strlen(value), &record->value);
}

int state_reader_record(struct state_reader *reader, const char *hostname, enum record_type type,
                        struct store_record *ret_record)
{
    sqlite3_stmt *statement = reader->record;
    struct store_record record = {.record = {.hostname = hostname, .type = type}};
    int r = 0;

    if (sqlite3_bind_text(statement, 1, hostname, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(statement, 2, record_type_text(type), -1, SQLITE_STATIC) != SQLITE_OK) {
        r = -EIO;
    } else {
        const int code = sqlite3_step(statement);
        r = code == SQLITE_DONE ? 0 : code != SQLITE_ROW ? -EIO : read_record(statement, &record) < 0 ? -EBADMSG : 1;
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (r == 1) {
        *ret_record = record;
    }
    return r;
}

/* ---- history ---- */

static int give_change(sqlite3_stmt *statement, int (*each)(const struct state_change *change, void *userdata),
                       void *userdata)
{
    const struct state_change change = {
        .id = sqlite3_column_int64(statement, 0),
        .time_s = sqlite3_column_int64(statement, 1),
        .hostname = column_text(statement, 2),
        .type = column_text(statement, 3),
        .before = column_text(statement, 4),
        .after = column_text(statement, 5),
        .ttl_s = sqlite3_column_int64(statement, 6),
        .source = column_text(statement, 7),
        .dialect = column_text(statement, 8),
        .change_id = column_text(statement, 9),
    };

    return each(&change, userdata);
}

int state_reader_history(struct state_reader *reader, const char *hostname, int64_t since_s, size_t limit,
                         int (*each)(const struct state_change *change, void *userdata), void *userdata)
{
    sqlite3_stmt *statement = NULL;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    int code = SQLITE_ERROR;
    int r = 0;

    buffer_printf(&text,
                  "SELECT id, time_s, hostname, type, old_address, new_address, ttl_s, source, dialect, change_id"
                  " FROM history WHERE time_s >= ?1%s ORDER BY id DESC LIMIT ?2",
                  hostname ? " AND hostname = ?3" : "");
    if (sqlite3_prepare_v2(reader->database, buffer_text(&text), -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_bind_int64(statement, 1, since_s) == SQLITE_OK &&
        sqlite3_bind_int64(statement, 2, (int64_t)limit) == SQLITE_OK &&
        (!hostname || sqlite3_bind_text(statement, 3, hostname, -1, SQLITE_STATIC) == SQLITE_OK)) {
        while (r == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
            r = give_change(statement, each, userdata);
        }
    }
    (void)sqlite3_finalize(statement);
    return r != 0 ? r : code == SQLITE_DONE ? 0 : -EIO;
}
