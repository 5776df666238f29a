#include <errno.h>
#include <stdlib.h>

#include "queue/records_internal.h"

static struct bytes record_of_touch(const void *touch)
{
    return (struct bytes){&((const struct touch *)touch)->record, sizeof(struct record *)};
}

int touches_init(struct records *records)
{
    pthread_mutex_init(&records->touched_lock, NULL);
    records->touches = table_new(record_of_touch);
    return records->touches ? 0 : -ENOMEM;
}

void touches_done(struct records *records)
{
    while (records->touched.first) {
        struct touch *touch = LIST_ITEM(records->touched.first, struct touch, link);
        list_remove(&records->touched, &touch->link);
        free(touch);
    }
    table_free(records->touches);
    pthread_mutex_destroy(&records->touched_lock);
}

/* The record's last one. NULL: no memory. */
static struct touch *touch_append(struct records *records, struct record *record)
{
    struct touch *touch = calloc(1, sizeof(*touch));

    if (!touch) {
        return NULL;
    }
    touch->record = record;
    if (table_put(records->touches, touch) < 0) {
        free(touch);
        return NULL;
    }
    record_hold(record);
    list_append(&records->touched, &touch->link);
    return touch;
}

void record_touch(struct record *record, const struct address *source, int64_t now_s)
{
    struct records *records = entry_chunk(entry_of(record))->records;

    pthread_mutex_lock(&records->touched_lock);
    struct touch *touch = table_get(records->touches, &record, sizeof(struct record *));
    touch = touch ? touch : touch_append(records, record); /* without memory it is lost */
    if (touch && now_s >= touch->time_s) {                 /* one that is put back must not hide a newer one */
        touch->from = *source;
        touch->time_s = now_s;
    }
    pthread_mutex_unlock(&records->touched_lock);
}

static void touch_take_first(struct records *records, struct store_touch *ret_touch)
{
    struct touch *touch = LIST_ITEM(records->touched.first, struct touch, link);

    *ret_touch = (struct store_touch){
        .record = touch->record,
        .source = touch->from,
        .time_s = touch->time_s,
    };
    (void)table_remove(records->touches, &touch->record, sizeof(struct record *));
    list_remove(&records->touched, &touch->link);
    free(touch);
}

size_t records_take_touches(struct records *records, struct store_touch *ret_touches, size_t count)
{
    size_t taken = 0;

    pthread_mutex_lock(&records->touched_lock);
    while (taken < count && records->touched.first) {
        touch_take_first(records, &ret_touches[taken++]);
    }
    pthread_mutex_unlock(&records->touched_lock);
    return taken;
}

void records_touches_done(const struct store_touch *touches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        record_release((struct record *)(uintptr_t)touches[i].record);
    }
}
