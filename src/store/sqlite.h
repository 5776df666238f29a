/*
 * The store in a file, state_dir/state.db (store/state.h): its calls are jobs of a worker.
 */
#ifndef DDNS53_STORE_SQLITE_H
#define DDNS53_STORE_SQLITE_H

#include "io/worker.h"
#include "store/state.h"
#include "store/store.h"

/* Takes the state, unless it returns NULL (no memory), and uses it on the worker's thread; borrows the worker, which
 * must have been stopped when the store is freed. From now on nobody else may use the state, but for each_record before
 * the worker has been started. */
struct store *sqlite_store_new(struct state *state, struct worker *worker);

#endif
