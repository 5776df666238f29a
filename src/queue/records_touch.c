#include <stdlib.h>

#include "queue/records_internal.h"

static void touched_append(struct records *records, struct touch *touch)
{
    pthread_mutex_lock(&records->touched_lock);
    if (records->touched_last) {
        records->touched_last->next = touch;
    } else {
        records->touched_first = touch;
    }
    records->touched_last = touch;
    pthread_mutex_unlock(&records->touched_lock);
}

/* Returns the touch where it is a new one, which is to be listed. Without memory it is lost. */
static struct touch *note_touch(struct entry *entry, const struct address *source, int64_t now_s)
{
    struct touch *made = NULL;

    entry_lock(entry);
    struct touch *touch = entry->touch;
    if (!touch) {
        made = touch = entry->touch = calloc(1, sizeof(*touch));
        if (touch) {
            touch->entry = entry;
        }
    }
    if (touch && now_s >= touch->time_s) { /* one that is put back must not hide a newer one */
        touch->from = *source;
        touch->time_s = now_s;
    }
    entry_unlock(entry);
    return made;
}

void record_touch(struct record *record, const struct address *source, int64_t now_s)
{
    struct entry *entry = entry_of(record);
    struct touch *touch = note_touch(entry, source, now_s);

    if (touch) {
        touched_append(entry_chunk(entry)->records, touch);
    }
}

/* Cuts the first `count` off the list; they are the caller's. */
static struct touch *touched_cut(struct records *records, size_t count)
{
    pthread_mutex_lock(&records->touched_lock);
    struct touch *first = records->touched_first;
    struct touch *last = NULL;
    for (size_t i = 0; i < count && records->touched_first; i++) {
        last = records->touched_first;
        records->touched_first = last->next;
    }
    if (last) {
        last->next = NULL;
    }
    if (!records->touched_first) {
        records->touched_last = NULL;
    }
    pthread_mutex_unlock(&records->touched_lock);
    return last ? first : NULL;
}

static void take_touch(struct touch *touch, struct store_touch *ret_touch)
{
    struct entry *entry = touch->entry;

    entry_lock(entry);
    *ret_touch = (struct store_touch){
        .record = &entry->record,
        .source = touch->from,
        .time_s = touch->time_s,
    };
    record_hold(&entry->record); /* the touch that was taken holds the record from here on, and its mark does no more */
    entry->touch = NULL;
    entry_unlock(entry);
    free(touch);
}

size_t records_take_touches(struct records *records, struct store_touch *ret_touches, size_t count)
{
    size_t taken = 0;
    struct touch *touch = touched_cut(records, count);

    while (touch) {
        struct touch *next = touch->next;
        take_touch(touch, &ret_touches[taken++]);
        touch = next;
    }
    return taken;
}

void records_touches_done(const struct store_touch *touches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        record_release((struct record *)(uintptr_t)touches[i].record);
    }
}
