/*
 * What each record was last set to, by whom and when, and the history of changes: a table of functions, one file per
 * store (sqlite.h is the one that there is). each_record is for main, before the I/O thread runs; the rest is called on
 * the I/O thread, never blocks, and answers later through the callback that it was given, on that thread and never from
 * inside the call. What a call is given by pointer stays as it is until then.
 */
#ifndef DDNS53_STORE_STORE_H
#define DDNS53_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/record.h"

struct store_record {
    struct record record; /* its hostname is borrowed for the call */
    struct rdata value;   /* last set, borrowed for the call; empty: never set by us, or withdrawn */
    uint32_t ttl_s;
    int64_t last_updated_s;       /* Unix time; 0: never */
    int64_t last_checked_s;       /* last set request that was authenticated, changed or not */
    struct address last_accessed; /* its source address */
};

struct store_change {
    struct change_request request; /* `was`: the old value, empty where there was none or it was not known */
    struct address source;
    const char *dialect;
    const char *change_id; /* "" where the provider has none */
    int64_t time_s;
};

struct store_touch {
    const struct record *record;
    struct address source;
    int64_t time_s;
};

/* `r` 0: it is on disk. Else nothing was written: -ENOSPC (no room; works again when there is), -EROFS (its file system
 * is read-only), -EAGAIN (another program holds a lock), -EIO; `message` says it in words, borrowed for the call. */
typedef void (*store_done)(int r, const char *message, void *userdata);

struct store;

struct store_ops {
    const char *name;
    /* Stops and returns what `each` returns when that is not 0. -EBADMSG: a row makes no sense; `message` says which. */
    int (*each_record)(struct store *store, int (*each)(const struct store_record *record, void *userdata),
                       void *userdata, struct buffer *message);
    /* All in one transaction; updates the records and adds a history row each. One at a time. */
    void (*commit)(struct store *store, const struct store_change *changes, size_t count, store_done done,
                   void *userdata);
    /* One at a time, beside a commit. */
    void (*commit_touches)(struct store *store, const struct store_touch *touches, size_t count, store_done done,
                           void *userdata);
    /* Deletes the rows that were last set and last asked for before before_s and that `is_kept`, which is called on
     * another thread, does not want; the history stays. A slice of them at a time: `r` 1 says that there are more. Adds
     * the number to `deleted`. One at a time. NULL: nothing is forgotten. */
    void (*forget)(struct store *store, int64_t before_s,
                   bool (*is_kept)(const char *hostname, enum record_type type, void *userdata), void *is_kept_userdata,
                   size_t *deleted, store_done done, void *userdata);
    /* What was not answered is dropped. */
    void (*free)(struct store *store);
};

/* First member of every store. */
struct store {
    const struct store_ops *ops;
};

#endif
