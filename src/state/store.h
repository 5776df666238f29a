/*
 * Where the queue keeps what was set, as the I/O thread sees it: nothing blocks, every call is answered by a callback.
 * A table of functions, so that another store can take SQLite's place; state_store makes the one over state.db.
 */
#ifndef DDNS53_STATE_STORE_H
#define DDNS53_STATE_STORE_H

#include <stddef.h>

#include "io/worker.h"
#include "state/state.h"

/* On the loop, never from inside the call. `r`: 0, or what state_commit returned, and `error` says why in words for
 * people ("" when it worked), borrowed for the call. */
typedef void (*store_done)(int r, const char *error, void *userdata);

/* One call of each kind at a time. The rows, and what they point to, are borrowed until the answer. */
struct store {
    /* All of it is on disk, or nothing. */
    void (*commit)(struct store *store, const struct state_change *changes, size_t count, store_done done,
                   void *userdata);
    void (*commit_touches)(struct store *store, const struct state_touch *touches, size_t count, store_done done,
                           void *userdata);
    /* A slice of what state_forget does; `is_kept` is called on any thread, `deleted` is borrowed until the answer, whose
     * `r` is 1 when there is more. NULL: this store keeps everything. */
    void (*forget)(struct store *store, int64_t before_s,
                   bool (*is_kept)(const char *hostname, enum record_type type, void *userdata), void *is_kept_userdata,
                   size_t *deleted, store_done done, void *userdata);
};

/* Uses the state on the worker's thread; borrows both. From now on nobody else may use the state until the worker has
 * been stopped. NULL: no memory. */
struct store *state_store_new(struct state *state, struct worker *worker);
/* What was not answered is dropped. NULL is fine. */
void state_store_free(struct store *store);
DEFINE_CLEANUP(struct store *, state_store_free)

#endif
