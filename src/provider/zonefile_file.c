#include "provider/zonefile_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/file_update.h"
#include "base/log.h"

#define FILE_MAX_BYTES ((size_t)512 << 20)
#define LARGE_BYTES (1 << 20) /* about 10 ms to read and write */
#define FOLDER_MODE 0755      /* name servers read it as another user */
#define FILE_MODE 0644
#define ATTEMPTS_MAX 10 /* when the file is replaced while we make the next version */
/* An edit that was made from an older copy of the file brings back old addresses. What was changed this long ago, or
 * before so many changes, is then left to the next update of its host. */
#define RECENT_MS (60 * 60 * 1000)
#define RECENT_MAX 20000

/* What a record was before we changed it. */
struct recent_change {
    struct name hostname;
    enum record_type type;
    enum record_knowledge old_knowledge;
    struct rdata old_value; /* owns a reference, as the next */
    struct rdata value;
    uint32_t old_ttl_s;
    uint32_t ttl_s;
    uint32_t serial; /* of the file with the new address */
    int64_t at_ms;
};

struct zone_file {
    char *folder;
    char *path;
    struct name name;
    uint32_t default_ttl_s;

    struct zone_text *text; /* NULL: to be read; else what `version` of the file holds */
    struct stat version;
    struct file_spare *spare; /* stamps are those of `text` */
    struct stat noticed;      /* by zone_file_has_changed; inode 0: no file */
    bool was_seen;
    bool is_written;
    uint32_t serial;        /* of what the current call has written, 0: nothing */
    uint32_t latest_serial; /* that we have written or read, 0: none */

    struct recent_change *recent; /* oldest first */
    size_t recent_first;          /* before it they have been dropped */
    size_t recent_count;          /* those included */
    size_t recent_size;
};

/* ---- words ---- */

static int explain(const struct zone_file *file, int error, struct buffer *message)
{
    const char *advice = file_advice(error);

    switch (error) {
    case -EFBIG: advice = "a zone file has at most 512 MiB"; break;
    case -EISDIR:
    case -EINVAL: advice = "put a regular file there"; break;
    case -ENOENT: advice = "it was there before: put it back, or start ddns53d again for a new one"; break;
    case -EXDEV: advice = "mount its folder, not the file alone"; break;
    case -EBUSY:
        buffer_printf(message,
                      "%s: another program has it open for writing, has locked its folder, or replaces it "
                      "all the time: let that program end",
                      file->path);
        return error;
    case -ENOMEM:
    case -EIO: advice = "it is tried again"; break;
    default: break;
    }
    buffer_printf(message, "%s: %s: %s", file->path, strerror(-error), advice ? advice : file_advice(-EACCES));
    return error;
}

/* `FILE:LINE: words`, or `FILE: words` where the words begin with no line. */
static void say(const struct zone_file *file, const struct buffer *words, struct buffer *message)
{
    const char *text = buffer_text(words);

    buffer_printf(message, "%s:%s%s", file->path, text[0] >= '0' && text[0] <= '9' ? "" : " ", text);
}

/* ---- reading ---- */

static void forget(struct zone_file *file)
{
    zone_text_free(TAKE_PTR(file->text));
    file_spare_drop(file->spare);
}

static int make_file(struct zone_file *file, struct zone_now now, struct buffer *message)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    int r = folder_make(file->folder, FOLDER_MODE);

    zone_text_make(file->name.text, file->default_ttl_s, zone_serial_next(0, now.realtime_s), &content);
    r = r < 0 ? r : buffer_status(&content);
    r = r < 0 ? r : file_replace(file->path, content.data, content.length, FILE_MODE);
    if (r < 0) {
        return explain(file, r, message);
    }
    file->is_written = true;
    log_event(LOG_LEVEL_NOTICE, "zone_file_made", "file", file->path, NULL);
    return 0;
}

static int read_file(struct zone_file *file, struct buffer *message)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    int r = file_read_version(file->path, FILE_MAX_BYTES, &content, &file->version);

    if (r < 0) {
        return explain(file, r, message);
    }
    file->was_seen = true;
    file->noticed = file->version;
    r = zone_text_read(buffer_text(&content), content.length, file->name.text, &words, &file->text);
    if (r == -EBADMSG) {
        say(file, &words, message);
    } else if (r < 0) {
        return explain(file, r, message);
    }
    return r;
}

/* ---- what we changed of late ---- */

/* Lets go of what `count` of them hold, from `first` on. */
static void drop_recent(struct zone_file *file, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        rdata_drop(&file->recent[i].old_value);
        rdata_drop(&file->recent[i].value);
    }
}

/* They are moved to the front only when that many have been dropped as are left. */
static void drop_old(struct zone_file *file, int64_t now_ms)
{
    const size_t first = file->recent_first;

    while (file->recent_first < file->recent_count && (file->recent_count - file->recent_first > RECENT_MAX ||
                                                       now_ms - file->recent[file->recent_first].at_ms >= RECENT_MS)) {
        file->recent_first++;
    }
    drop_recent(file, first, file->recent_first - first);
    if (file->recent_first > 0 && file->recent_first >= file->recent_count - file->recent_first) {
        file->recent_count -= file->recent_first;
        memmove(file->recent, file->recent + file->recent_first, file->recent_count * sizeof(*file->recent));
        file->recent_first = 0;
    }
}

static bool is_as_before(const struct recent_change *recent, const struct provider_found *found)
{
    if (found->knowledge != recent->old_knowledge) {
        return false;
    }
    return found->knowledge == RECORD_ABSENT ||
           (found->ttl_s == recent->old_ttl_s && rdata_equal(&found->value, &recent->old_value));
}

/* The serial tells whether an edit was made from the latest version: then it means what it says. Otherwise the changes
 * since that version are put in again where the edit has the address before, in their order, so that the copy may be
 * older than several of them. One whose serial was raised by hand looks newer by one than it is. */
static int redo(struct zone_file *file, bool *ret_changed)
{
    _cleanup_buffer_ struct buffer unused = BUFFER_INIT;
    uint32_t serial = 0;
    bool is_changed = false;

    if (zone_text_serial(file->text, &unused, &serial) < 0 || !zone_serial_is_later(file->latest_serial, serial)) {
        return 0;
    }
    for (size_t i = file->recent_first; i < file->recent_count; i++) {
        const struct recent_change *recent = &file->recent[i];
        if (zone_serial_is_later(serial, recent->serial)) {
            continue;
        }
        struct record record = {recent->hostname.text, recent->type};
        const struct change_request change = {.record = &record, .value = recent->value, .ttl_s = recent->ttl_s};
        const struct change_request *const changes[] = {&change};
        struct provider_found found;
        bool is_set = false;

        zone_text_find(file->text, recent->hostname.text, recent->type, &found);
        if (is_as_before(recent, &found)) {
            int r = zone_text_set(file->text, changes, 1, &is_set);
            if (r < 0) {
                return r;
            }
            is_changed |= is_set;
        }
    }
    *ret_changed = is_changed;
    return 0;
}

static void remember(struct zone_file *file, const struct change_request *change, int64_t now_ms)
{
    struct provider_found found;

    zone_text_find(file->text, change->record->hostname, change->record->type, &found);
    if (found.knowledge == (rdata_is_empty(&change->value) ? RECORD_ABSENT : RECORD_PLAIN) &&
        found.ttl_s == change->ttl_s && rdata_equal(&found.value, &change->value)) {
        return;
    }
    if (file->recent_count == file->recent_size) {
        const size_t size = file->recent_size ? 2 * file->recent_size : 16;
        struct recent_change *recent = reallocarray(file->recent, size, sizeof(*recent));
        if (!recent) {
            return; /* the next update of the host has to do */
        }
        file->recent = recent;
        file->recent_size = size;
    }
    struct recent_change *recent = &file->recent[file->recent_count++];
    *recent = (struct recent_change){
        .type = change->record->type,
        .old_knowledge = found.knowledge,
        .old_value = rdata_hold(&found.value),
        .old_ttl_s = found.ttl_s,
        .value = rdata_hold(&change->value),
        .ttl_s = change->ttl_s,
        .at_ms = now_ms,
    };
    (void)snprintf(recent->hostname.text, sizeof(recent->hostname.text), "%s", change->record->hostname);
}

/* ---- writing ---- */

static int read_serial(const struct zone_file *file, struct buffer *message, uint32_t *ret_serial)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    int r = zone_text_serial(file->text, &words, ret_serial);

    if (r < 0) {
        say(file, &words, message);
    }
    return r;
}

/* -ESTALE: the file is another version by now. */
static int write_file(struct zone_file *file, struct zone_now now, struct buffer *message)
{
    const bool is_large = file->version.st_size > LARGE_BYTES;
    const struct file_part *parts = NULL;
    size_t count = 0;
    uint32_t serial = 0;
    int r = read_serial(file, message, &serial);

    if (r < 0) {
        return r;
    }
    if (zone_serial_is_later(file->latest_serial, serial)) {
        serial = file->latest_serial; /* an older copy came back, and name servers have seen newer ones */
    }
    serial = zone_serial_next(serial, now.realtime_s);
    if (!is_large) {
        file_spare_drop(file->spare);
    }
    r = zone_text_write(file->text, serial, is_large, &parts, &count);
    r = r < 0 ? r
              : file_update(file->path, &file->version, parts, count, is_large ? file->spare : NULL, &file->version);
    if (r < 0) {
        return r == -ESTALE ? r : explain(file, r, message);
    }
    zone_text_keep_serial(file->text, serial);
    file->serial = file->latest_serial = serial;
    file->noticed = file->version;
    file->is_written = true;
    return 0;
}

/* The index of the first change that the owner's records stand in the way of; `count`: none. */
static size_t find_conflict(const struct zone_file *file, const struct change_request *const *changes, size_t count,
                            struct buffer *message)
{
    for (size_t i = 0; i < count; i++) {
        const struct record *record = changes[i]->record;
        unsigned line = zone_text_owners_line(file->text, record->hostname, record->type);

        if (line != 0) {
            buffer_printf(
                message,
                "%s:%u: %s has a CNAME or %s record outside of the ddns53 markers: delete it there, or take the "
                "record out of the hosts file",
                file->path, line, record->hostname, record_type_text(record->type));
            return i;
        }
    }
    return count;
}

/* Afterwards file->text is what the file holds, but for what `ret_redone` says has to be put in again. */
static int read_if_needed(struct zone_file *file, struct zone_now now, struct buffer *message, bool *ret_redone)
{
    struct stat current;

    *ret_redone = false;
    if (stat(file->path, &current) == 0) {
        if (file->text && file_is_version(&current, &file->version)) {
            return 0;
        }
    } else if (errno == ENOENT && !file->was_seen) {
        int r = make_file(file, now, message);
        if (r < 0) {
            return r;
        }
    }
    forget(file);
    int r = read_file(file, message);
    if (r < 0) {
        return r;
    }
    r = redo(file, ret_redone);
    return r < 0 ? explain(file, r, message) : 0;
}

/* One attempt. -ESTALE: the owner was faster. */
static int set_once(struct zone_file *file, const struct change_request *const *changes, size_t count,
                    struct zone_now now, struct buffer *message, size_t *ret_culprit)
{
    bool is_redone = false, is_changed = false;

    drop_old(file, now.monotonic_ms);
    int r = read_if_needed(file, now, message, &is_redone);
    if (r < 0) {
        return r;
    }
    *ret_culprit = find_conflict(file, changes, count, message);
    if (*ret_culprit < count) {
        return -EEXIST;
    }
    const size_t recent_before = file->recent_count;
    for (size_t i = 0; i < count; i++) {
        remember(file, changes[i], now.monotonic_ms);
    }
    r = count > 0 ? zone_text_set(file->text, changes, count, &is_changed) : 0;
    if (r < 0) {
        r = explain(file, r, message);
    } else if (is_redone || is_changed) {
        r = write_file(file, now, message);
    }
    if (r < 0) {
        drop_recent(file, recent_before, file->recent_count - recent_before);
        file->recent_count = recent_before;
    }
    for (size_t i = recent_before; i < file->recent_count; i++) {
        file->recent[i].serial = file->serial;
    }
    if (r == 0 && is_redone) {
        log_event(LOG_LEVEL_NOTICE, "zone_file_merged", "file", file->path, NULL);
    }
    return r;
}

int zone_file_set(struct zone_file *file, const struct change_request *const *changes, size_t count,
                  struct zone_now now, struct buffer *message, size_t *ret_culprit, uint32_t *ret_serial)
{
    int r = -ESTALE;

    file->serial = 0;
    for (unsigned attempt = 0; r == -ESTALE && attempt < ATTEMPTS_MAX; attempt++) {
        r = set_once(file, changes, count, now, message, ret_culprit);
        if (r < 0) {
            forget(file); /* it may be ahead of the file */
        }
    }
    if (r == 0) {
        *ret_serial = file->serial;
    }
    return r == -ESTALE ? explain(file, -EBUSY, message) : r;
}

int zone_file_load(struct zone_file *file, struct zone_now now, struct buffer *message)
{
    size_t culprit = 0;
    uint32_t serial = 0;

    return zone_file_set(file, NULL, 0, now, message, &culprit, &serial);
}

int zone_file_check_serial(const struct zone_file *file, struct buffer *message)
{
    uint32_t serial = 0;

    return read_serial(file, message, &serial);
}

/* ---- looking ---- */

const char *zone_file_path(const struct zone_file *file)
{
    return file->path;
}

bool zone_file_is_large(const struct zone_file *file)
{
    struct stat current;

    return stat(file->path, &current) == 0 && current.st_size > LARGE_BYTES;
}

bool zone_file_has_changed(struct zone_file *file)
{
    struct stat current;

    if (stat(file->path, &current) < 0) {
        current = (struct stat){0};
    }
    const bool is_changed = file->was_seen && !file_is_version(&current, &file->noticed);
    file->noticed = current;
    return is_changed;
}

bool zone_file_take_written(struct zone_file *file)
{
    const bool is_written = file->is_written;

    file->is_written = false;
    return is_written;
}

void zone_file_find(const struct zone_file *file, const char *hostname, enum record_type type,
                    struct provider_found *ret_found)
{
    zone_text_find(file->text, hostname, type, ret_found);
}

bool zone_file_page(const struct zone_file *file, struct zone_cursor *cursor, size_t max, provider_each each,
                    void *userdata)
{
    return zone_text_page(file->text, cursor, max, each, userdata);
}

/* ---- making and freeing ---- */

char *zone_file_path_of(const char *folder, const char *name)
{
    char file[NAME_SIZE + sizeof("zone")];

    (void)snprintf(file, sizeof(file), "%szone", name); /* the final dot of the name is the dot between */
    return path_join(folder, file);
}

struct zone_file *zone_file_new(const char *folder, const char *name, uint32_t default_ttl_s)
{
    _cleanup_(zone_file_freep) struct zone_file *file = calloc(1, sizeof(*file));

    if (!file || name_parse(name, strlen(name), &file->name, NULL) < 0) {
        return NULL;
    }
    file->default_ttl_s = default_ttl_s;
    file->folder = strdup(folder);
    file->path = zone_file_path_of(folder, file->name.text);
    if (!file->folder || !file->path) {
        return NULL;
    }
    file->spare = file_spare_new(file->path);
    return file->spare ? TAKE_PTR(file) : NULL;
}

void zone_file_free(struct zone_file *file)
{
    if (!file) {
        return;
    }
    zone_text_free(file->text);
    file_spare_free(file->spare);
    drop_recent(file, file->recent_first, file->recent_count - file->recent_first);
    free(file->recent);
    free(file->path);
    free(file->folder);
    free(file);
}
