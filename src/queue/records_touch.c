#include "queue/records_internal.h"

static void touched_append(struct records *records, struct entry *entry)
{
    pthread_mutex_lock(&records->touched_lock);
    entry->next_touched = NULL;
    if (records->touched_last) {
        records->touched_last->next_touched = entry;
    } else {
        records->touched_first = entry;
    }
    records->touched_last = entry;
    pthread_mutex_unlock(&records->touched_lock);
}

static bool note_touch(struct entry *entry, const struct address *source, int64_t now_s)
{
    entry_lock(entry);
    const bool is_listed = entry->is_touched;
    if (!is_listed || now_s >= entry->touched_s) { /* one that is put back must not hide a newer one */
        entry->touched_from = *source;
        entry->touched_s = now_s;
    }
    entry->is_touched = true;
    entry_unlock(entry);
    return !is_listed;
}

void record_touch(struct record *record, const struct address *source, int64_t now_s)
{
    struct entry *entry = entry_of(record);

    if (note_touch(entry, source, now_s)) {
        touched_append(entry->records, entry);
    }
}

/* Cuts the first `count` off the list; they are the caller's until it clears their mark. */
static struct entry *touched_cut(struct records *records, size_t count)
{
    pthread_mutex_lock(&records->touched_lock);
    struct entry *first = records->touched_first;
    struct entry *last = NULL;
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

static void take_touch(struct entry *entry, struct store_touch *ret_touch)
{
    entry_lock(entry);
    *ret_touch = (struct store_touch){
        .record = &entry->record,
        .source = entry->touched_from,
        .time_s = entry->touched_s,
    };
    record_hold(&entry->record); /* the touch that was taken holds the record from here on, and its mark does no more */
    entry->is_touched = false;
    entry_unlock(entry);
}

size_t records_take_touches(struct records *records, struct store_touch *ret_touches, size_t count)
{
    size_t taken = 0;
    struct entry *entry = touched_cut(records, count);

    while (entry) {
        struct entry *next = entry->next_touched; /* once its mark is off, it may be listed anew */
        take_touch(entry, &ret_touches[taken++]);
        entry = next;
    }
    return taken;
}

void records_touches_done(const struct store_touch *touches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        record_release((struct record *)(uintptr_t)touches[i].record);
    }
}
