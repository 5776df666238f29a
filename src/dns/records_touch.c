#include "dns/records_internal.h"

static void touched_append(struct records *records, struct record *record)
{
    pthread_mutex_lock(&records->touched_lock);
    record->next_touched = NULL;
    if (records->touched_last) {
        records->touched_last->next_touched = record;
    } else {
        records->touched_first = record;
    }
    records->touched_last = record;
    pthread_mutex_unlock(&records->touched_lock);
}

static bool note_touch(struct record *record, const struct address *source, int64_t now_s)
{
    record_lock(record);
    const bool is_listed = record->is_touched;
    if (!is_listed || now_s >= record->touched_s) { /* one that is put back must not hide a newer one */
        record->touched_from = *source;
        record->touched_s = now_s;
    }
    record->is_touched = true;
    record_unlock(record);
    return !is_listed;
}

void record_touch(struct record *record, const struct address *source, int64_t now_s)
{
    if (note_touch(record, source, now_s)) {
        touched_append(record->records, record);
    }
}

/* Cuts the first `count` off the list; they are the caller's until it clears their mark. */
static struct record *touched_cut(struct records *records, size_t count)
{
    pthread_mutex_lock(&records->touched_lock);
    struct record *first = records->touched_first;
    struct record *last = NULL;
    for (size_t i = 0; i < count && records->touched_first; i++) {
        last = records->touched_first;
        records->touched_first = last->next_touched;
    }
    if (last) {
        last->next_touched = NULL;
    }
    if (!records->touched_first) {
        records->touched_last = NULL;
    }
    pthread_mutex_unlock(&records->touched_lock);
    return last ? first : NULL;
}

static void take_touch(struct record *record, struct state_touch *ret_touch)
{
    record_lock(record);
    *ret_touch = (struct state_touch){
        .hostname = record_hostname(record),
        .type = record_type(record),
        .source = record->touched_from,
        .time_s = record->touched_s,
    };
    record_hold(record); /* from here on that holds it, no longer the touch */
    record->is_touched = false;
    record_unlock(record);
}

size_t records_take_touches(struct records *records, struct state_touch *ret_touches, size_t count)
{
    size_t taken = 0;
    struct record *record = touched_cut(records, count);

    while (record) {
        struct record *next = record->next_touched; /* once its mark is off, it may be listed anew */
        take_touch(record, &ret_touches[taken++]);
        record = next;
    }
    return taken;
}

void records_touches_done(struct records *records, const struct state_touch *touches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct record *record = records_find(records, touches[i].hostname, touches[i].type);
        record_release(record); /* what was just found */
        record_release(record); /* what records_take_touches left */
    }
}
