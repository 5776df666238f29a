/* Opening state.db: one daemon a folder, the schema and its version, and what to do about a file that is no good. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "store/state_internal.h"

/* quick_check reads the whole file: about half a second for this much on a slow disk. */
#define CHECK_ALWAYS_MAX_BYTES (64LL * 1024 * 1024)
/* Who updates waits for it; only a foreign writer can hold the file. */
#define BUSY_TIMEOUT_MS 250
#define LOCK_TRIES 10
#define LOCK_PAUSE_NS 10000000
#define WAL_KEPT_MAX_BYTES "16777216"

#define WHAT_TO_DO_IF_BAD                                                                                      \
    "restore it from a backup, or move it and its -wal and -shm files away to begin with an empty state (DNS " \
    "itself is read back; only the history and who set what are lost)"

/* Entry n takes a file from version n to n + 1. Text throughout, so that people can read it with sqlite3(1). */
static const char *const migrations[STATE_VERSION] = {
    "CREATE TABLE record ("
    " hostname TEXT NOT NULL,"
    " type TEXT NOT NULL CHECK (type IN ('A', 'AAAA')),"
    " address TEXT NOT NULL," /* '': never set by us */
    " ttl_s INTEGER NOT NULL,"
    " last_updated_s INTEGER NOT NULL,"
    " last_checked_s INTEGER NOT NULL,"
    " last_accessed TEXT NOT NULL,"
    " PRIMARY KEY (hostname, type)) WITHOUT ROWID;"
    "CREATE TABLE history ("
    " id INTEGER PRIMARY KEY,"
    " time_s INTEGER NOT NULL,"
    " hostname TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " old_address TEXT NOT NULL,"
    " new_address TEXT NOT NULL,"
    " ttl_s INTEGER NOT NULL,"
    " source TEXT NOT NULL,"
    " dialect TEXT NOT NULL,"
    " change_id TEXT NOT NULL);"
    "CREATE INDEX history_by_record ON history (hostname, type);",
    /* 2: records of any type */
    "ALTER TABLE record RENAME TO record_1;"
    "CREATE TABLE record ("
    " hostname TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " address TEXT NOT NULL," /* '': never set by us, or withdrawn; a value a line where it is texts */
    " ttl_s INTEGER NOT NULL,"
    " last_updated_s INTEGER NOT NULL,"
    " last_checked_s INTEGER NOT NULL,"
    " last_accessed TEXT NOT NULL,"
    " PRIMARY KEY (hostname, type)) WITHOUT ROWID;"
    "INSERT INTO record SELECT * FROM record_1;"
    "DROP TABLE record_1;",
};

static void pid_of_lock(int fd, char *ret_text, size_t size)
{
    ssize_t length = pread(fd, ret_text, size - 1, 0);

    ret_text[length > 0 ? length : 0] = '\0';
    ret_text[strspn(ret_text, "0123456789")] = '\0';
}

static void explain_errno(const char *path, int error, struct buffer *message)
{
    const char *advice = file_advice(-error);

    buffer_printf(message, "%s: %s: %s", path, strerror(error), advice ? advice : file_advice(-EACCES));
}

/* ddns53ctl looks whether somebody has it, by having it itself for a moment. */
static int lock_exclusively(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return 0;
        }
        if (errno != EWOULDBLOCK) {
            return -errno;
        }
        (void)nanosleep(&pause, NULL);
    }
    return -EWOULDBLOCK;
}

/* The lock goes with the process, so that one that was killed leaves nothing behind; the file stays for ever. */
static int take_lock(struct state *state, const char *folder, struct buffer *message)
{
    _cleanup_free_ char *path = path_join(folder, "lock");
    char pid[24];

    if (!path) {
        return -ENOMEM;
    }
    state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state->lock_fd < 0) {
        int error = errno;

        explain_errno(path, error, message);
        return -error;
    }
    const int r = lock_exclusively(state->lock_fd);
    if (r < 0) {
        int error = -r;

        if (error != EWOULDBLOCK) {
            buffer_printf(message, "%s: cannot be locked: %s: put state_dir on a file system with locks", path,
                          strerror(error));
            return -error;
        }
        pid_of_lock(state->lock_fd, pid, sizeof(pid));
        buffer_printf(message,
                      "%s: another ddns53d%s%s works with this folder: stop it, or give this one its own state_dir",
                      folder, pid[0] ? ", process " : "", pid);
        return -EBUSY;
    }
    /* Only for the message above: a full disk must not matter. */
    if (ftruncate(state->lock_fd, 0) == 0) {
        (void)dprintf(state->lock_fd, "%jd\n", (intmax_t)getpid());
    }
    return 0;
}

static void explain_denied(int system_error, const char *path, const char *words, struct buffer *message)
{
    bool is_read_only = system_error == EROFS;

    buffer_printf(message, "%s: %s: %s", path, is_read_only ? strerror(EROFS) : words,
                  file_advice(is_read_only ? -EROFS : -EACCES));
}

/* Our words for what SQLite says about the file as a whole. */
static int explain(struct state *state, const char *path, struct buffer *message)
{
    int code = sqlite3_extended_errcode(state->database);
    const char *words = sqlite3_errmsg(state->database);

    switch (code & 0xff) {
    case SQLITE_NOTADB: buffer_printf(message, "%s: not a database: " WHAT_TO_DO_IF_BAD, path); return -EBADMSG;
    case SQLITE_CORRUPT: buffer_printf(message, "%s: damaged (%s): " WHAT_TO_DO_IF_BAD, path, words); return -EBADMSG;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: explain_denied(sqlite3_system_errno(state->database), path, words, message); return -EACCES;
    case SQLITE_BUSY:
        buffer_printf(message, "%s: another program has it locked: end that program", path);
        return -EBUSY;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_FULL: buffer_printf(message, "%s: the disk is full: make room", path); return -ENOSPC;
    default:
        buffer_printf(message, "%s: %s (SQLite code %d): see that the disk has room and is healthy", path, words, code);
        return -EIO;
    }
}

static int run(struct state *state, const char *path, const char *sql, struct buffer *message)
{
    return sqlite3_exec(state->database, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : explain(state, path, message);
}

static int keep_first_text(void *userdata, int columns, char **values, char **names)
{
    char **first = userdata;

    (void)names;
    if (columns < 1 || !values[0]) {
        return 0;
    }
    if (!*first) {
        *first = strdup(values[0]);
    }
    return *first ? 0 : 1;
}

/* The first column of the first row, owned. */
static int query(struct state *state, const char *path, const char *sql, struct buffer *message, char **ret_text)
{
    char *text = NULL;

    if (sqlite3_exec(state->database, sql, keep_first_text, &text, NULL) != SQLITE_OK) {
        free(text);
        return explain(state, path, message);
    }
    if (!text) {
        return -ENOMEM;
    }
    *ret_text = text;
    return 0;
}

static int query_number(struct state *state, const char *path, const char *sql, struct buffer *message,
                        long long *ret_number)
{
    _cleanup_free_ char *text = NULL;
    int r = query(state, path, sql, message, &text);

    if (r == 0) {
        *ret_number = text ? strtoll(text, NULL, 10) : 0;
    }
    return r;
}

static int check_integrity(struct state *state, const char *path, struct buffer *message)
{
    _cleanup_free_ char *verdict = NULL;
    int r = query(state, path, "PRAGMA quick_check(1)", message, &verdict);

    if (r < 0) {
        return r;
    }
    if (strcmp(verdict, "ok") != 0) {
        verdict[strcspn(verdict, "\n")] = '\0';
        buffer_printf(message, "%s: damaged (%s): " WHAT_TO_DO_IF_BAD, path, verdict);
        return -EBADMSG;
    }
    return 0;
}

/* `ret_version` 0: a new, empty file. Nothing is written before this has agreed. */
static int check_version(struct state *state, const char *path, bool is_empty, struct buffer *message,
                         long long *ret_version)
{
    long long application_id = 0, version = 0;
    int r = query_number(state, path, "PRAGMA application_id", message, &application_id);

    r = r < 0 ? r : query_number(state, path, "PRAGMA user_version", message, &version);
    if (r < 0) {
        return r;
    }
    if (is_empty) {
        *ret_version = 0;
        return 0;
    }
    if (application_id != STATE_APPLICATION_ID || version < 1) {
        buffer_printf(message, "%s: a database, but not one of ddns53d: move it away, or set another state_dir", path);
        return -EBADMSG;
    }
    if (version > STATE_VERSION) {
        buffer_printf(
            message,
            "%s: of version %lld, written by a newer ddns53d; this one knows versions up to %d: run the newer "
            "ddns53d again, or restore the file from a backup made before the upgrade",
            path, version, STATE_VERSION);
        return -EOPNOTSUPP;
    }
    *ret_version = version;
    return 0;
}

/* One transaction, still with a rollback journal when the file is new: a crash leaves the old version or the new
 * one (an empty file counts as none), never a half. */
static int migrate(struct state *state, const char *path, long long version, struct buffer *message)
{
    _cleanup_buffer_ struct buffer sql = BUFFER_INIT;

    if (version == STATE_VERSION) {
        return 0;
    }
    buffer_append_text(&sql, "BEGIN IMMEDIATE;");
    for (long long i = version; i < STATE_VERSION; i++) {
        buffer_append_text(&sql, migrations[i]);
    }
    buffer_printf(&sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", STATE_APPLICATION_ID,
                  STATE_VERSION);
    return buffer_status(&sql) < 0 ? -ENOMEM : run(state, path, buffer_text(&sql), message);
}

struct left_behind {
    bool is_empty;
    bool was_unclean; /* a clean end leaves no write-ahead log */
    int64_t size_bytes;
};

/* Makes the file, so that its mode is ours and not the umask's alone; the log and its index take it over. */
static int look_at_files(const char *path, struct buffer *message, struct left_behind *ret_left)
{
    _cleanup_buffer_ struct buffer log_path = BUFFER_INIT;
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    struct stat file, log_file;
    bool has_log;

    if (fd < 0 || fstat(fd, &file) < 0) {
        int error = errno;

        explain_errno(path, error, message);
        return -error;
    }
    if (!S_ISREG(file.st_mode)) {
        buffer_printf(message, "%s: not a regular file: move it away", path);
        return -EBADMSG;
    }
    buffer_printf(&log_path, "%s-wal", path);
    if (buffer_status(&log_path) < 0) {
        return -ENOMEM;
    }
    has_log = stat(buffer_text(&log_path), &log_file) == 0 && log_file.st_size > 0;
    if (file.st_size == 0 && has_log) {
        /* SQLite would throw the log away: it has changes of a file that somebody took away. */
        buffer_printf(message, "%s: empty or missing, but its log %s is there: " WHAT_TO_DO_IF_BAD, path,
                      buffer_text(&log_path));
        return -EBADMSG;
    }
    ret_left->is_empty = file.st_size == 0;
    ret_left->was_unclean = has_log;
    ret_left->size_bytes = file.st_size;
    return 0;
}

static int open_database(struct state *state, const char *path, struct buffer *message)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    if (sqlite3_open_v2(path, &state->database, flags, NULL) != SQLITE_OK) {
        return state->database ? explain(state, path, message) : -ENOMEM;
    }
    (void)sqlite3_busy_timeout(state->database, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(state->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(state->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return run(state, path, "PRAGMA synchronous = FULL", message);
}

/* Also finds out now, not at the first change, that the file cannot be written. */
static int enter_wal(struct state *state, const char *path, struct buffer *message)
{
    _cleanup_free_ char *mode = NULL;
    int r = query(state, path, "PRAGMA journal_mode = WAL", message, &mode);

    if (r < 0) {
        return r;
    }
    if (strcmp(mode, "wal") != 0) {
        buffer_printf(message,
                      "%s: the file system cannot share memory between processes (journal mode %s): put "
                      "state_dir on a local disk",
                      path, mode);
        return -EOPNOTSUPP;
    }
    return run(state, path, "PRAGMA journal_size_limit = " WAL_KEPT_MAX_BYTES "; BEGIN IMMEDIATE; ROLLBACK", message);
}

static int open_file(struct state *state, const char *path, struct buffer *message)
{
    struct left_behind left = {0};
    long long version = 0;
    int r = look_at_files(path, message, &left);

    r = r < 0 ? r : open_database(state, path, message);
    r = r < 0 ? r : check_version(state, path, left.is_empty, message, &version);
    if (r == 0 && !left.is_empty && (left.was_unclean || left.size_bytes <= CHECK_ALWAYS_MAX_BYTES)) {
        r = check_integrity(state, path, message);
    }
    r = r < 0 ? r : migrate(state, path, version, message);
    r = r < 0 ? r : enter_wal(state, path, message);
    if (r == 0 && state_prepare(state) != SQLITE_OK) {
        r = explain(state, path, message);
    }
    return r;
}

int state_become_owner(const struct stat *info)
{
    if (geteuid() == 0 && info->st_uid != 0 && (setegid(info->st_gid) < 0 || seteuid(info->st_uid) < 0)) {
        return -errno;
    }
    return 0;
}

int state_open(const char *folder, struct buffer *message, struct state **ret_state)
{
    _cleanup_(state_closep) struct state *state = calloc(1, sizeof(*state));
    _cleanup_free_ char *path = path_join(folder, "state.db");
    int r;

    if (!state || !path) {
        free(TAKE_PTR(state));
        buffer_append_text(message, "out of memory");
        return -ENOMEM;
    }
    state->lock_fd = -1;
    state->history_max = STATE_HISTORY_MAX;
    r = folder_make(folder, 0750);
    if (r < 0) {
        buffer_printf(message, "%s: cannot be made: %s: %s", folder, strerror(-r),
                      r == -EROFS ? file_advice(r) : "make it, and let the user that ddns53d runs as write in it");
        return r;
    }
    r = take_lock(state, folder, message);
    r = r < 0 ? r : open_file(state, path, message);
    if (r < 0) {
        if (message->length == 0) {
            buffer_printf(message, "%s: %s", path, strerror(-r));
        }
        return r;
    }
    *ret_state = TAKE_PTR(state);
    return 0;
}
