/* state.db as a store: each call is a job of the worker. */
#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite.h"

#define ERROR_SIZE 512

struct sqlite_store;

struct store_call {
    struct worker_job job;
    struct sqlite_store *store;
    const struct store_change *changes;
    size_t change_count;
    const struct store_touch *touches;
    size_t touch_count;
    int64_t before_s; /* in a call that forgets, with the next three */
    bool (*is_kept)(const char *hostname, enum record_type type, void *userdata);
    void *is_kept_userdata;
    size_t *deleted;
    store_done done;
    void *userdata;
    int r;
    char error[ERROR_SIZE]; /* a copy: the next job overwrites the state's own words */
};

struct sqlite_store {
    struct store store; /* first member: a struct store * is also a struct sqlite_store * */
    struct state *state;
    struct worker *worker;
    struct store_call commit;
    struct store_call touches;
    struct store_call forget;
};

static bool run_call(struct worker_job *job)
{
    struct store_call *call = CONTAINER_OF(job, struct store_call, job);
    struct state *state = call->store->state;

    if (call->is_kept) {
        call->r = state_forget(state, call->before_s, call->is_kept, call->is_kept_userdata, call->deleted);
    } else {
        call->r = state_commit(state, call->changes, call->change_count, call->touches, call->touch_count);
    }
    (void)snprintf(call->error, sizeof(call->error), "%s", call->r < 0 ? state_error(state) : "");
    return true;
}

static void answer(struct worker_job *job)
{
    struct store_call *call = CONTAINER_OF(job, struct store_call, job);
    char error[ERROR_SIZE];

    /* The callback may well begin the next call, and that overwrites this one. */
    (void)snprintf(error, sizeof(error), "%s", call->error);
    call->done(call->r, error, call->userdata);
}

static void commit(struct store *store, const struct store_change *changes, size_t count, store_done done,
                   void *userdata)
{
    struct store_call *call = &((struct sqlite_store *)store)->commit;

    call->changes = changes;
    call->change_count = count;
    call->done = done;
    call->userdata = userdata;
    worker_post(call->store->worker, &call->job);
}

static void commit_touches(struct store *store, const struct store_touch *touches, size_t count, store_done done,
                           void *userdata)
{
    struct store_call *call = &((struct sqlite_store *)store)->touches;

    call->touches = touches;
    call->touch_count = count;
    call->done = done;
    call->userdata = userdata;
    worker_post(call->store->worker, &call->job);
}

static void forget(struct store *store, int64_t before_s,
                   bool (*is_kept)(const char *hostname, enum record_type type, void *userdata), void *is_kept_userdata,
                   size_t *deleted, store_done done, void *userdata)
{
    struct store_call *call = &((struct sqlite_store *)store)->forget;

    call->before_s = before_s;
    call->is_kept = is_kept;
    call->is_kept_userdata = is_kept_userdata;
    call->deleted = deleted;
    call->done = done;
    call->userdata = userdata;
    worker_post(call->store->worker, &call->job);
}

static int each_record(struct store *store, int (*each)(const struct store_record *record, void *userdata),
                       void *userdata, struct buffer *message)
{
    const struct sqlite_store *self = (const struct sqlite_store *)store;
    int r = state_each_record(self->state, each, userdata);

    if (r < 0) {
        buffer_append_text(message, state_error(self->state));
    }
    return r;
}

static void sqlite_free(struct store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    worker_cancel(self->worker, &self->commit.job);
    worker_cancel(self->worker, &self->touches.job);
    worker_cancel(self->worker, &self->forget.job);
    state_close(self->state);
    free(self);
}

static const struct store_ops ops = {
    .name = "sqlite",
    .each_record = each_record,
    .commit = commit,
    .commit_touches = commit_touches,
    .forget = forget,
    .free = sqlite_free,
};

struct store *sqlite_store_new(struct state *state, struct worker *worker)
{
    struct sqlite_store *self = calloc(1, sizeof(*self));

    if (!self) {
        return NULL;
    }
    self->store.ops = &ops;
    self->state = state;
    self->worker = worker;
    self->commit.store = self->touches.store = self->forget.store = self;
    self->commit.job = self->touches.job = self->forget.job = (struct worker_job){.run = run_call, .done = answer};
    return &self->store;
}
