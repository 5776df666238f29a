#include "dns/zonefile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "dns/later.h"
#include "dns/zonefile_text.h"

/* Each batch writes the whole file, so the larger the better; the state's commit of one must not take long either. */
#define CHANGES_MAX 5000
#define FILE_MAX_BYTES ((size_t)512 << 20)
#define FOLDER_MODE 0755 /* name servers read it as another user */
#define FILE_MODE 0644

struct provider_zone {
    struct loop *loop;
    char *folder;
    char *path;
    struct name name;
    uint32_t default_ttl_s;

    struct zone_text *text; /* NULL: to be read; else what the file with this identity holds */
    struct stat identity;
    bool was_seen;

    struct later prepare;
    provider_prepared prepared;
    void *prepare_userdata;

    struct later apply;
    provider_applied applied;
    void *apply_userdata;
    struct provider_result apply_result;
    struct buffer apply_message;
    char change_id[32];

    struct later look_up;
    provider_looked_up looked_up;
    void *look_up_userdata;
    struct name looked_up_name;
    enum record_type looked_up_type;

    struct later list;
    provider_each each;
    provider_listed listed;
    void *list_userdata;
};

/* ---- the file ---- */

static void forget(struct provider_zone *zone)
{
    zone_text_free(TAKE_PTR(zone->text));
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int explain(const struct provider_zone *zone, int error, struct buffer *message)
{
    const char *advice = file_advice(error);

    switch (error) {
    case -EFBIG: advice = "a zone file has at most 512 MiB"; break;
    case -EISDIR:
    case -EINVAL: advice = "put a regular file there"; break;
    case -ENOENT: advice = "it was there before: put it back, or start ddns53d again for a new one"; break;
    case -ENOMEM:
    case -EIO: advice = "it is tried again"; break;
    default: break;
    }
    buffer_printf(message, "%s: %s: %s", zone->path, strerror(-error), advice ? advice : file_advice(-EACCES));
    return error;
}

static int64_t now_s(const struct provider_zone *zone)
{
    return clock_realtime_s(loop_clock(zone->loop));
}

static int make_file(struct provider_zone *zone, struct buffer *message)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    int r = folder_make(zone->folder, FOLDER_MODE);

    zone_text_make(zone->name.text, zone->default_ttl_s, zone_serial_next(0, now_s(zone)), &content);
    r = r < 0 ? r : buffer_status(&content);
    r = r < 0 ? r : file_replace(zone->path, content.data, content.length, FILE_MODE);
    if (r < 0) {
        return explain(zone, r, message);
    }
    log_event(LOG_LEVEL_NOTICE, "zone_file_made", "file", zone->path, NULL);
    return 0;
}

/* `FILE:LINE: words`, or `FILE: words` where the words begin with no line. */
static void say(const struct provider_zone *zone, const struct buffer *words, struct buffer *message)
{
    const char *text = buffer_text(words);

    buffer_printf(message, "%s:%s%s", zone->path, text[0] >= '0' && text[0] <= '9' ? "" : " ", text);
}

static int read_file(struct provider_zone *zone, struct buffer *message)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    int r = file_read(zone->path, FILE_MAX_BYTES, &content, &zone->identity);

    if (r < 0) {
        return explain(zone, r, message);
    }
    zone->was_seen = true;
    r = zone_text_read(buffer_text(&content), content.length, zone->name.text, &words, &zone->text);
    if (r == -EBADMSG) {
        say(zone, &words, message);
    } else if (r < 0) {
        return explain(zone, r, message);
    }
    return r;
}

/* Afterwards zone->text is what the file holds. */
static int load(struct provider_zone *zone, struct buffer *message)
{
    struct stat current;

    if (stat(zone->path, &current) == 0) {
        if (zone->text && is_same_file(&current, &zone->identity)) {
            return 0;
        }
    } else if (errno == ENOENT && !zone->was_seen) {
        int r = make_file(zone, message);
        if (r < 0) {
            return r;
        }
    }
    forget(zone);
    return read_file(zone, message);
}

static int read_serial(const struct provider_zone *zone, struct buffer *message, uint32_t *ret_serial)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    int r = zone_text_serial(zone->text, &words, ret_serial);

    if (r < 0) {
        say(zone, &words, message);
    }
    return r;
}

static int write_file(struct provider_zone *zone, uint32_t serial, struct buffer *message)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    int r;

    zone_text_write(zone->text, serial, &content);
    r = buffer_status(&content);
    r = r < 0 ? r : file_replace(zone->path, content.data, content.length, zone->identity.st_mode & 0777);
    if (r < 0) {
        return explain(zone, r, message);
    }
    zone_text_keep_serial(zone->text, serial);
    if (stat(zone->path, &zone->identity) < 0 || zone->identity.st_size != (off_t)content.length) {
        forget(zone); /* somebody was faster */
    }
    return 0;
}

/* ---- prepare ---- */

static struct provider_result result_of(int r, const struct buffer *message)
{
    return (struct provider_result){
        .outcome = r < 0 ? PROVIDER_TRANSIENT : PROVIDER_DONE,
        .message = r < 0 ? buffer_text(message) : "",
        .change_id = "",
        .culprit = PROVIDER_NO_CULPRIT,
    };
}

/* Tells at once, not at the first change, that the serial cannot be raised. */
static void on_prepare(struct later *later)
{
    struct provider_zone *zone = CONTAINER_OF(later, struct provider_zone, prepare);
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct provider_result result;
    uint32_t serial;
    int r = load(zone, &message);

    r = r < 0 ? r : read_serial(zone, &message, &serial);
    result = result_of(r, &message);
    zone->prepared(&result, false, 0, zone->prepare_userdata);
}

static void zonefile_prepare(struct provider_zone *zone, provider_prepared done, void *userdata)
{
    zone->prepared = done;
    zone->prepare_userdata = userdata;
    later_call(&zone->prepare);
}

/* ---- apply ---- */

/* The index of the first change that the owner's records stand in the way of. */
static size_t find_conflict(const struct provider_zone *zone, const struct provider_change *changes, size_t count,
                            struct buffer *message)
{
    for (size_t i = 0; i < count; i++) {
        unsigned line = zone_text_owners_line(zone->text, changes[i].hostname, changes[i].type);

        if (line != 0) {
            buffer_printf(
                message,
                "%s:%u: %s has a CNAME or %s record outside of the ddns53 markers: delete it there, or take the "
                "record out of the hosts file",
                zone->path, line, changes[i].hostname, record_type_text(changes[i].type));
            return i;
        }
    }
    return PROVIDER_NO_CULPRIT;
}

static int set_and_write(struct provider_zone *zone, const struct provider_change *changes, size_t count,
                         struct buffer *message)
{
    uint32_t serial = 0;
    bool is_changed = false;
    int r = read_serial(zone, message, &serial);

    if (r < 0) {
        return r;
    }
    r = zone_text_set(zone->text, changes, count, &is_changed);
    if (r < 0) {
        return explain(zone, r, message);
    }
    if (!is_changed) {
        return 0;
    }
    serial = zone_serial_next(serial, now_s(zone));
    (void)snprintf(zone->change_id, sizeof(zone->change_id), "serial %u", serial);
    return write_file(zone, serial, message);
}

static void apply_now(struct provider_zone *zone, const struct provider_change *changes, size_t count)
{
    struct buffer *message = &zone->apply_message;
    struct provider_result *result = &zone->apply_result;
    int r;

    buffer_clear(message);
    zone->change_id[0] = '\0';
    r = load(zone, message);
    if (r == 0) {
        size_t culprit = find_conflict(zone, changes, count, message);
        if (culprit != PROVIDER_NO_CULPRIT) {
            *result = result_of(-EEXIST, message);
            result->outcome = PROVIDER_REFUSED;
            result->culprit = culprit;
            result->foreign = FOREIGN_SEVERAL_VALUES;
            return;
        }
        r = set_and_write(zone, changes, count, message);
    }
    if (r < 0) {
        forget(zone); /* it may be ahead of the file */
    }
    *result = result_of(r, message);
    result->change_id = r < 0 ? "" : zone->change_id;
}

static void on_apply(struct later *later)
{
    struct provider_zone *zone = CONTAINER_OF(later, struct provider_zone, apply);
    _cleanup_free_ char *message = NULL;
    struct provider_result result = zone->apply_result;
    char change_id[sizeof(zone->change_id)];

    /* The callback may well ask for the next batch, and that overwrites the zone's. */
    memcpy(change_id, zone->change_id, sizeof(change_id));
    result.change_id = change_id;
    if (result.outcome != PROVIDER_DONE) {
        message = buffer_take(&zone->apply_message);
        result.message = message ? message : "out of memory";
        result.change_id = "";
    }
    zone->applied(&result, zone->apply_userdata);
}

static void zonefile_apply(struct provider_zone *zone, const struct provider_change *changes, size_t count,
                           provider_applied done, void *userdata)
{
    zone->applied = done;
    zone->apply_userdata = userdata;
    apply_now(zone, changes, count);
    later_call(&zone->apply);
}

/* ---- look_up, list_page ---- */

static void on_look_up(struct later *later)
{
    struct provider_zone *zone = CONTAINER_OF(later, struct provider_zone, look_up);
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct name name = zone->looked_up_name;
    struct provider_result result;
    struct provider_found found;
    int r = load(zone, &message);

    if (r == 0) {
        zone_text_find(zone->text, name.text, zone->looked_up_type, &found);
    }
    result = result_of(r, &message);
    zone->looked_up(&result, r == 0 ? &found : NULL, zone->look_up_userdata);
}

static void zonefile_look_up(struct provider_zone *zone, const char *hostname, enum record_type type,
                             provider_looked_up done, void *userdata)
{
    zone->looked_up = done;
    zone->look_up_userdata = userdata;
    zone->looked_up_type = type;
    (void)snprintf(zone->looked_up_name.text, sizeof(zone->looked_up_name.text), "%s", hostname);
    later_call(&zone->look_up);
}

static void on_list(struct later *later)
{
    struct provider_zone *zone = CONTAINER_OF(later, struct provider_zone, list);
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct provider_result result;
    int r = load(zone, &message);

    if (r == 0) {
        zone_text_each(zone->text, zone->each, zone->list_userdata);
    }
    result = result_of(r, &message);
    zone->listed(&result, false, zone->list_userdata);
}

/* All in one page, so that there is nothing to begin anew. */
static void zonefile_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                               void *userdata)
{
    (void)restart;
    zone->each = each;
    zone->listed = done;
    zone->list_userdata = userdata;
    later_call(&zone->list);
}

/* ---- the zone ---- */

static void zonefile_free(struct provider_zone *zone)
{
    if (!zone) {
        return;
    }
    later_done(&zone->prepare);
    later_done(&zone->apply);
    later_done(&zone->look_up);
    later_done(&zone->list);
    buffer_done(&zone->apply_message);
    zone_text_free(zone->text);
    free(zone->path);
    free(zone->folder);
    free(zone);
}
DEFINE_CLEANUP(struct provider_zone *, zonefile_free)

char *zonefile_path(const char *folder, const char *name)
{
    char file[NAME_SIZE + sizeof("zone")];

    (void)snprintf(file, sizeof(file), "%szone", name); /* the final dot of the name is the dot between */
    return path_join(folder, file);
}

struct provider_zone *zonefile_zone_new(struct loop *loop, const char *folder, const char *name, uint32_t default_ttl_s)
{
    _cleanup_(zonefile_freep) struct provider_zone *zone = calloc(1, sizeof(*zone));

    if (!zone || name_parse(name, strlen(name), &zone->name, NULL) < 0) {
        return NULL;
    }
    zone->loop = loop;
    zone->default_ttl_s = default_ttl_s;
    zone->folder = strdup(folder);
    zone->path = zonefile_path(folder, zone->name.text);
    if (!zone->folder || !zone->path || later_init(&zone->prepare, loop, on_prepare) < 0 ||
        later_init(&zone->apply, loop, on_apply) < 0 || later_init(&zone->look_up, loop, on_look_up) < 0 ||
        later_init(&zone->list, loop, on_list) < 0) {
        return NULL;
    }
    return TAKE_PTR(zone);
}

const struct provider_ops zonefile_ops = {
    .name = "zonefile",
    .changes_max = CHANGES_MAX,
    .value_characters_max = SIZE_MAX,
    .value_characters_factor = 1,
    .page_records = 0,
    .prepare = zonefile_prepare,
    .apply = zonefile_apply,
    .look_up = zonefile_look_up,
    .list_page = zonefile_list_page,
    .free = zonefile_free,
};
