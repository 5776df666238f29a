#include "ctl/import_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/table.h"
#include "store/state.h"

#define DIALECT "import"
#define BATCH_MAX 500

struct writing {
    const struct hosts *hosts;
    struct table *known;
    struct state *state;
    size_t count;
};

/* ---- what is there ---- */

/* Records that state.db knows are kept as texts: the hostname, and the type as one more character. */
static struct bytes key_of_known(const void *value)
{
    return (struct bytes){value, strlen(value)};
}

static int make_key(const char *hostname, enum record_type type, char ret_key[NAME_SIZE + 2])
{
    return snprintf(ret_key, NAME_SIZE + 2, "%s%c", hostname, (char)('0' + (int)type));
}

static int note_known(const struct store_record *record, void *userdata)
{
    struct writing *writing = userdata;
    char key[NAME_SIZE + 2];
    int length = make_key(record->record.hostname, record->record.type, key);
    char *known = strndup(key, (size_t)length);

    if (!known) {
        return -ENOMEM;
    }
    int r = table_put(writing->known, known);
    if (r < 0) {
        free(known);
    }
    return r == -EEXIST ? 0 : r;
}

static void forget_known(struct table *known)
{
    size_t position = 0;

    for (void *value; known && (value = table_next(known, &position));) {
        free(value);
    }
    table_free(known);
}

static bool is_known(const struct writing *writing, const char *hostname, enum record_type type)
{
    char key[NAME_SIZE + 2];
    int length = make_key(hostname, type, key);

    return table_get(writing->known, key, (size_t)length) != NULL;
}

/* ---- what is new ---- */

static bool says_something(const struct import_state *state, enum record_type type)
{
    return state->address.family != ADDRESS_NONE && record_type_of(&state->address) == type &&
           state->last_updated_s > 0;
}

static bool is_wanted(const struct import_row *row, enum record_type type, const struct hosts *hosts)
{
    return row->action != IMPORT_SKIP && (row->types & (1U << type)) != 0 && says_something(&row->state[type], type) &&
           (!hosts || hosts_find_record(hosts, row->hostname.text, type));
}

/* Synced once for many. */
struct batch {
    struct record records[BATCH_MAX];
    struct store_change changes[BATCH_MAX];
    struct store_touch touches[BATCH_MAX];
    size_t count;
    size_t touch_count;
};

static int flush(struct writing *writing, struct batch *batch)
{
    int r = batch->count > 0
                ? state_commit(writing->state, batch->changes, batch->count, batch->touches, batch->touch_count)
                : 0;

    writing->count += r == 0 ? batch->count : 0;
    batch->count = 0;
    batch->touch_count = 0;
    return r;
}

static int add_record(struct writing *writing, struct batch *batch, const struct import_row *row, enum record_type type)
{
    const struct import_state *state = &row->state[type];
    const struct host *host = hosts_find_record(writing->hosts, row->hostname.text, type);
    struct record *record = &batch->records[batch->count];

    *record = (struct record){row->hostname.text, type};
    batch->changes[batch->count++] = (struct store_change){
        .request = {.record = record, .value = rdata_of_address(&state->address), .ttl_s = host->ttl_s},
        .source = state->last_accessed,
        .dialect = DIALECT,
        .change_id = "",
        .time_s = state->last_updated_s,
    };
    if (state->last_checked_s > state->last_updated_s && state->last_accessed.family != ADDRESS_NONE) {
        batch->touches[batch->touch_count++] =
            (struct store_touch){record, state->last_accessed, state->last_checked_s};
    }
    return batch->count == BATCH_MAX ? flush(writing, batch) : 0;
}

static int write_all(struct writing *writing, const struct import *import)
{
    _cleanup_free_ struct batch *batch = calloc(1, sizeof(*batch));
    int r = batch ? state_each_record(writing->state, note_known, writing) : -ENOMEM;

    for (size_t i = 0; i < import->count; i++) {
        const struct import_row *row = import->rows[i];
        for (enum record_type type = RECORD_A; r == 0 && type <= RECORD_AAAA; type++) {
            if (is_wanted(row, type, writing->hosts) && !is_known(writing, row->hostname.text, type)) {
                r = add_record(writing, batch, row, type);
            }
        }
    }
    return r == 0 ? flush(writing, batch) : r;
}

int import_state(const struct import *import, const struct settings *settings, const struct hosts *hosts,
                 struct buffer *message, size_t *ret_count)
{
    _cleanup_(state_closep) struct state *state = NULL;
    struct stat info;
    int r = stat(settings->state_dir, &info) < 0 ? -errno : state_become_owner(&info);

    if (r < 0) {
        buffer_printf(message, "%s: %s", settings->state_dir, strerror(-r));
        return r;
    }
    r = state_open(settings->state_dir, message, &state);
    if (r < 0) {
        return r;
    }
    struct writing writing = {.hosts = hosts, .state = state, .known = table_new(key_of_known)};
    r = writing.known ? write_all(&writing, import) : -ENOMEM;
    forget_known(writing.known);
    if (r < 0) {
        buffer_append_text(message, state_error(state));
    }
    *ret_count = writing.count;
    return r;
}

size_t import_state_count(const struct import *import, const struct hosts *hosts)
{
    size_t count = 0;

    for (size_t i = 0; i < import->count; i++) {
        for (enum record_type type = RECORD_A; type <= RECORD_AAAA; type++) {
            count += is_wanted(import->rows[i], type, hosts) ? 1 : 0;
        }
    }
    return count;
}
