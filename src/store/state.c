/* Reading and writing state.db. */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "store/state_internal.h"

static const char *const statement_texts[STATE_STATEMENTS] = {
    [STATE_BEGIN] = "BEGIN IMMEDIATE",
    [STATE_COMMIT] = "COMMIT",
    [STATE_ROLLBACK] = "ROLLBACK",
    [STATE_PUT_RECORD] =
        "INSERT INTO record (hostname, type, address, ttl_s, last_updated_s, last_checked_s, last_accessed)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)"
        " ON CONFLICT (hostname, type) DO UPDATE SET address = excluded.address, ttl_s = excluded.ttl_s,"
        " last_updated_s = excluded.last_updated_s,"
        " last_accessed = iif(excluded.last_checked_s < last_checked_s, last_accessed, excluded.last_accessed),"
        " last_checked_s = max(last_checked_s, excluded.last_checked_s)",
    [STATE_PUT_HISTORY] =
        "INSERT INTO history (hostname, type, new_address, ttl_s, time_s, source, old_address, dialect,"
        " change_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    /* Ids follow each other without gaps, since a new one is the highest and one, and only the oldest are deleted. So
     * the highest id tells which ones are too many. */
    [STATE_PRUNE_HISTORY] = "DELETE FROM history WHERE id IN (SELECT id FROM history"
                            " WHERE id <= (SELECT max(id) FROM history) - ?1 ORDER BY id LIMIT ?2)",
    [STATE_PUT_TOUCH] =
        "INSERT INTO record (hostname, type, address, ttl_s, last_updated_s, last_checked_s, last_accessed)"
        " VALUES (?1, ?2, '', 0, 0, ?3, ?4)"
        " ON CONFLICT (hostname, type) DO UPDATE SET last_checked_s = excluded.last_checked_s,"
        " last_accessed = excluded.last_accessed WHERE excluded.last_checked_s >= last_checked_s",
    [STATE_EACH_RECORD] =
        "SELECT hostname, type, address, ttl_s, last_updated_s, last_checked_s, last_accessed FROM record",
    /* In the order of the primary key, whatever their age: the work is the same for a table of any size. */
    [STATE_NEXT_RECORDS] = "SELECT hostname, type, max(last_updated_s, last_checked_s) FROM record"
                           " WHERE (hostname, type) > (?1, ?2) ORDER BY hostname, type LIMIT ?3",
    [STATE_DELETE_RECORD] = "DELETE FROM record WHERE hostname = ?1 AND type = ?2",
};

int state_prepare(struct state *state)
{
    for (size_t i = 0; i < STATE_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(state->database, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &state->statements[i], NULL);

        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

void state_close(struct state *state)
{
    if (!state) {
        return;
    }
    for (size_t i = 0; i < STATE_STATEMENTS; i++) {
        (void)sqlite3_finalize(state->statements[i]);
    }
    if (state->database) {
        /* Closing does it too, but not while another process reads. Failing costs nothing: the log is read at the
         * next start. */
        (void)sqlite3_wal_checkpoint_v2(state->database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        (void)sqlite3_close(state->database);
    }
    if (state->lock_fd >= 0) {
        close(state->lock_fd);
    }
    buffer_done(&state->error);
    buffer_done(&state->forget_after);
    free(state);
}

const char *state_error(const struct state *state)
{
    return buffer_text(&state->error);
}

/* Linux makes a file system read-only when its disk has errors, also below a file that is open. */
static bool is_read_only(int code, int system_error)
{
    int kind = code & 0xff;

    return system_error == EROFS && (kind == SQLITE_IOERR || kind == SQLITE_READONLY || kind == SQLITE_CANTOPEN);
}

/* No room shows as SQLITE_FULL, or as a failed write, growth of the log's index, or truncation. */
static bool is_out_of_room(int code, int system_error)
{
    return code == SQLITE_FULL || code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMSIZE ||
           ((code & 0xff) == SQLITE_IOERR &&
            (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG));
}

static int keep_error(struct state *state)
{
    int left_error = errno;
    int code = sqlite3_extended_errcode(state->database);
    int system_error = sqlite3_system_errno(state->database);

    if (code == SQLITE_IOERR_WRITE && system_error == 0) {
        system_error = left_error; /* SQLite keeps none when writing to its log fails */
    }
    buffer_clear(&state->error);
    if (is_read_only(code, system_error)) {
        buffer_printf(&state->error, "state.db cannot be written (%s): %s", sqlite3_errmsg(state->database),
                      file_advice(-EROFS));
        return -EROFS;
    }
    if (is_out_of_room(code, system_error)) {
        buffer_printf(&state->error, "no room to write the state (%s): make room on the disk of state_dir",
                      sqlite3_errmsg(state->database));
        return -ENOSPC;
    }
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
        buffer_append_text(&state->error, "another program has state.db locked: end that program");
        return -EAGAIN;
    }
    buffer_printf(&state->error,
                  "the state cannot be written or read (%s, SQLite code %d): see that the disk of "
                  "state_dir is healthy",
                  sqlite3_errmsg(state->database), code);
    return -EIO;
}

/* Runs a statement that returns no rows. What was bound is borrowed, so it is let go of at once. */
static int run(struct state *state, enum state_statement which)
{
    sqlite3_stmt *statement = state->statements[which];
    int r = sqlite3_step(statement) == SQLITE_DONE ? 0 : keep_error(state);

    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return r;
}

static int finish(struct state *state, int r)
{
    r = r < 0 ? r : run(state, STATE_COMMIT);
    if (r < 0 && !sqlite3_get_autocommit(state->database)) {
        sqlite3_stmt *rollback = state->statements[STATE_ROLLBACK];

        /* Not through run(): the error to tell is the first one. */
        (void)sqlite3_step(rollback);
        (void)sqlite3_reset(rollback);
    }
    return r;
}

static int bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    return sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

/* Family NONE is the empty string. */
static int bind_address(sqlite3_stmt *statement, int index, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE] = "";

    if (address->family != ADDRESS_NONE) {
        address_print(address, text);
    }
    return sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);
}

/* Nothing is the empty string. */
static int bind_value(sqlite3_stmt *statement, int index, const struct rdata *value)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    if (!value->texts) {
        return bind_address(statement, index, &value->address);
    }
    rdata_print(value, &text);
    return buffer_status(&text) < 0 ? SQLITE_NOMEM
                                    : sqlite3_bind_text(statement, index, buffer_text(&text), -1, SQLITE_TRANSIENT);
}

/* Columns 1 to 6 are the same in both tables. */
static int bind_change(sqlite3_stmt *statement, const struct store_change *change)
{
    const struct change_request *request = &change->request;
    int code = bind_text(statement, 1, request->record->hostname);

    code = code ? code : bind_text(statement, 2, record_type_text(request->record->type));
    code = code ? code : bind_value(statement, 3, &request->value);
    code = code ? code : sqlite3_bind_int64(statement, 4, rdata_is_empty(&request->value) ? 0 : request->ttl_s);
    code = code ? code : sqlite3_bind_int64(statement, 5, change->time_s);
    code = code ? code : bind_address(statement, 6, &change->source);
    return code;
}

static int put_change(struct state *state, const struct store_change *change)
{
    sqlite3_stmt *history = state->statements[STATE_PUT_HISTORY];
    int r;

    if (bind_change(state->statements[STATE_PUT_RECORD], change) != SQLITE_OK) {
        return keep_error(state);
    }
    r = run(state, STATE_PUT_RECORD);
    if (r < 0) {
        return r;
    }
    if (bind_change(history, change) != SQLITE_OK || bind_value(history, 7, &change->request.was) != SQLITE_OK ||
        bind_text(history, 8, change->dialect) != SQLITE_OK || bind_text(history, 9, change->change_id) != SQLITE_OK) {
        return keep_error(state);
    }
    return run(state, STATE_PUT_HISTORY);
}

/* Twice as many go as came, so that a history that is too long shrinks without ever holding up a commit. */
static int prune_history(struct state *state, size_t added)
{
    sqlite3_stmt *prune = state->statements[STATE_PRUNE_HISTORY];

    if (sqlite3_bind_int64(prune, 1, state->history_max) != SQLITE_OK ||
        sqlite3_bind_int64(prune, 2, 2 * (int64_t)added) != SQLITE_OK) {
        return keep_error(state);
    }
    return run(state, STATE_PRUNE_HISTORY);
}

static int put_touch(struct state *state, const struct store_touch *touch)
{
    sqlite3_stmt *statement = state->statements[STATE_PUT_TOUCH];

    if (bind_text(statement, 1, touch->record->hostname) != SQLITE_OK ||
        bind_text(statement, 2, record_type_text(touch->record->type)) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 3, touch->time_s) != SQLITE_OK ||
        bind_address(statement, 4, &touch->source) != SQLITE_OK) {
        return keep_error(state);
    }
    return run(state, STATE_PUT_TOUCH);
}

int state_commit(struct state *state, const struct store_change *changes, size_t change_count,
                 const struct store_touch *touches, size_t touch_count)
{
    int r;

    if (change_count + touch_count == 0) {
        return 0;
    }
    r = run(state, STATE_BEGIN);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && i < change_count; i++) {
        r = put_change(state, &changes[i]);
    }
    for (size_t i = 0; r == 0 && i < touch_count; i++) {
        r = put_touch(state, &touches[i]);
    }
    if (r == 0 && change_count > 0) {
        r = prune_history(state, change_count);
    }
    return finish(state, r);
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text ? text : "";
}

static int read_address(sqlite3_stmt *statement, int column, struct address *ret_address)
{
    const char *text = column_text(statement, column);

    if (text[0] == '\0') {
        *ret_address = (struct address){.family = ADDRESS_NONE};
        return 0;
    }
    return address_parse(text, strlen(text), ret_address);
}

/* Holds the value. */
static int read_value(sqlite3_stmt *statement, int column, enum record_type type, struct rdata *ret_value)
{
    const char *text = column_text(statement, column);
    struct rdata value;
    int r = rdata_parse(text, strlen(text), &value);

    if (r < 0) {
        return r;
    }
    if (!record_value_fits(type, &value)) {
        rdata_drop(&value);
        return -EBADMSG;
    }
    *ret_value = value;
    return 0;
}

static int read_record(sqlite3_stmt *statement, struct store_record *ret_record)
{
    int64_t ttl_s = sqlite3_column_int64(statement, 3);
    struct store_record record = {
        .record = {.hostname = column_text(statement, 0)},
        .ttl_s = (uint32_t)ttl_s,
        .last_updated_s = sqlite3_column_int64(statement, 4),
        .last_checked_s = sqlite3_column_int64(statement, 5),
    };

    if (record_type_parse(column_text(statement, 1), &record.record.type) < 0 || ttl_s < 0 || ttl_s > UINT32_MAX ||
        read_address(statement, 6, &record.last_accessed) < 0 ||
        read_value(statement, 2, record.record.type, &record.value) < 0) {
        return -EBADMSG;
    }
    *ret_record = record;
    return 0;
}

int state_each_record(struct state *state, int (*each)(const struct store_record *record, void *userdata),
                      void *userdata)
{
    sqlite3_stmt *statement = state->statements[STATE_EACH_RECORD];
    int code, r = 0;

    while (r == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE) {
        struct store_record record;

        if (code != SQLITE_ROW) {
            r = keep_error(state);
        } else if (read_record(statement, &record) < 0) {
            buffer_clear(&state->error);
            buffer_printf(&state->error,
                          "state.db: the row of \"%s\" in table record makes no sense: correct or delete it "
                          "with sqlite3(1) while ddns53d does not run",
                          column_text(statement, 0));
            r = -EBADMSG;
        } else {
            r = each(&record, userdata);
            rdata_drop(&record.value);
        }
    }
    (void)sqlite3_reset(statement);
    return r;
}

/* ---- forgetting ---- */

struct forgotten {
    struct buffer names; /* one after the other, each with a NUL */
    enum record_type types[STATE_FORGET_ROWS];
    size_t count;
};

static int note_forgotten(struct forgotten *forgotten, const char *hostname, enum record_type type)
{
    buffer_append(&forgotten->names, hostname, strlen(hostname) + 1);
    forgotten->types[forgotten->count++] = type;
    return buffer_status(&forgotten->names);
}

static int keep_place(struct state *state, const char *hostname, enum record_type type)
{
    buffer_clear(&state->forget_after);
    buffer_append_text(&state->forget_after, hostname);
    state->forget_after_type = type;
    return buffer_status(&state->forget_after);
}

/* Returns the number of rows that were looked at. */
static int find_forgotten(struct state *state, int64_t before_s,
                          bool (*is_kept)(const char *hostname, enum record_type type, void *userdata), void *userdata,
                          struct forgotten *forgotten)
{
    sqlite3_stmt *statement = state->statements[STATE_NEXT_RECORDS];
    const char *after_type = state->forget_after.length > 0 ? record_type_text(state->forget_after_type) : "";
    int rows = 0, r = 0, code;

    if (bind_text(statement, 1, buffer_text(&state->forget_after)) != SQLITE_OK ||
        bind_text(statement, 2, after_type) != SQLITE_OK ||
        sqlite3_bind_int(statement, 3, STATE_FORGET_ROWS) != SQLITE_OK) {
        return keep_error(state);
    }
    while (r == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            r = keep_error(state);
            break;
        }
        const char *hostname = column_text(statement, 0);
        enum record_type type = RECORD_A;
        if (record_type_parse(column_text(statement, 1), &type) == 0 && sqlite3_column_int64(statement, 2) < before_s &&
            !is_kept(hostname, type, userdata)) {
            r = note_forgotten(forgotten, hostname, type);
        }
        rows++;
        r = r == 0 && rows == STATE_FORGET_ROWS ? keep_place(state, hostname, type) : r;
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return r < 0 ? r : rows;
}

static int delete_forgotten(struct state *state, const struct forgotten *forgotten)
{
    sqlite3_stmt *statement = state->statements[STATE_DELETE_RECORD];
    const char *name = buffer_text(&forgotten->names);

    if (forgotten->count == 0) {
        return 0;
    }
    int r = run(state, STATE_BEGIN);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && i < forgotten->count; i++) {
        if (bind_text(statement, 1, name) != SQLITE_OK ||
            bind_text(statement, 2, record_type_text(forgotten->types[i])) != SQLITE_OK) {
            r = keep_error(state);
            break;
        }
        r = run(state, STATE_DELETE_RECORD);
        name += strlen(name) + 1;
    }
    return finish(state, r);
}

int state_forget(struct state *state, int64_t before_s,
                 bool (*is_kept)(const char *hostname, enum record_type type, void *userdata), void *userdata,
                 size_t *deleted)
{
    struct forgotten forgotten = {.names = BUFFER_INIT};
    const int rows = find_forgotten(state, before_s, is_kept, userdata, &forgotten);
    int r = rows < 0 ? rows : delete_forgotten(state, &forgotten);

    buffer_done(&forgotten.names);
    if (r == 0) {
        *deleted += forgotten.count;
    }
    if (r < 0 || rows < STATE_FORGET_ROWS) {
        buffer_clear(&state->forget_after);
        return r;
    }
    return 1;
}
