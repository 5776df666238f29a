#include "aws/credentials_fetch.h"

#include <errno.h>

#include "aws/credentials_http.h"
#include "aws/credentials_keys.h"
#include "aws/credentials_plan.h"
#include "aws/credentials_sts.h"

struct credentials_fetch {
    struct loop *loop;
    struct http_client *client;
    credentials_done done;
    void *userdata;
    struct credentials_plan *plan; /* NULL: none could be made, see `message` */
    size_t roles_assumed;
    struct aws_keys *keys; /* so far */
    struct metadata_fetch *metadata;
    struct sts_call *sts;
    struct loop_timer end; /* ends a fetch that is over at once from the loop's next turn, never from inside the call */
    struct buffer message;
};

void credentials_fetch_cancel(struct credentials_fetch *fetch)
{
    if (!fetch) {
        return;
    }
    metadata_fetch_cancel(fetch->metadata);
    sts_call_cancel(fetch->sts);
    loop_timer_cancel(fetch->loop, &fetch->end);
    credentials_plan_free(fetch->plan);
    aws_keys_unref(fetch->keys);
    buffer_done(&fetch->message);
    free(fetch);
}

static void cancel_fetchp(struct credentials_fetch **fetch)
{
    credentials_fetch_cancel(*fetch);
}

/* With the message that is there, or the keys if there is none. */
static void finish(struct credentials_fetch *fetch)
{
    const bool failed = fetch->message.length > 0 || buffer_status(&fetch->message) < 0 || !fetch->keys;

    fetch->done(failed ? NULL : fetch->keys, failed ? buffer_text(&fetch->message) : "", fetch->userdata);
    credentials_fetch_cancel(fetch);
}

static void on_end(struct loop_timer *timer)
{
    finish(CONTAINER_OF(timer, struct credentials_fetch, end));
}

static void set_failure(struct credentials_fetch *fetch, const char *reason)
{
    const struct credentials_plan *plan = fetch->plan;

    if (plan->failure_prefix) {
        buffer_printf(&fetch->message, "%s%s%s", plan->failure_prefix, reason, plan->failure_advice);
    } else {
        buffer_printf(&fetch->message, "%s: %s", plan->origin, reason);
    }
}

static void on_keys(struct aws_keys *keys, const char *reason, void *userdata);

/* Begins the next role, if there is one: 1; 0: all are assumed; negative errno with the reason. */
static int assume_next(struct credentials_fetch *fetch, struct buffer *reason)
{
    const struct credentials_plan *plan = fetch->plan;

    if (fetch->roles_assumed == plan->role_count) {
        return 0;
    }
    const struct plan_role *role = &plan->roles[fetch->roles_assumed++];
    const int r =
        sts_assume_role(fetch->loop, fetch->client, plan, role, fetch->keys, on_keys, fetch, reason, &fetch->sts);
    return r < 0 ? r : 1;
}

static void on_keys(struct aws_keys *keys, const char *reason, void *userdata)
{
    struct credentials_fetch *fetch = userdata;
    _cleanup_buffer_ struct buffer failure = BUFFER_INIT;

    fetch->metadata = NULL;
    fetch->sts = NULL;
    if (!keys) {
        set_failure(fetch, reason);
        finish(fetch);
        return;
    }
    aws_keys_unref(fetch->keys);
    fetch->keys = aws_keys_ref(keys);
    const int r = assume_next(fetch, &failure);
    if (r < 0) {
        set_failure(fetch, failure.length ? buffer_text(&failure) : "no memory");
    }
    if (r <= 0) {
        finish(fetch);
    }
}

/* 1: something is under way; 0: the keys are there; negative errno with the reason. */
static int begin(struct credentials_fetch *fetch, struct buffer *reason)
{
    const struct credentials_plan *plan = fetch->plan;

    if (plan->base == PLAN_CONTAINER || plan->base == PLAN_INSTANCE) {
        const int r = metadata_fetch_start(fetch->loop, fetch->client, plan, on_keys, fetch, reason, &fetch->metadata);
        return r < 0 ? r : 1;
    }
    if (plan->keys) {
        fetch->keys = aws_keys_ref(plan->keys);
    }
    return assume_next(fetch, reason);
}

int credentials_fetch_start(struct loop *loop, struct http_client *client, const char *profile, const char *region,
                            environment getenv_like, credentials_done done, void *userdata,
                            struct credentials_fetch **ret_fetch)
{
    _cleanup_(cancel_fetchp) struct credentials_fetch *fetch = calloc(1, sizeof(*fetch));
    _cleanup_buffer_ struct buffer reason = BUFFER_INIT;

    if (!fetch) {
        return -ENOMEM;
    }
    fetch->loop = loop;
    fetch->client = client;
    fetch->done = done;
    fetch->userdata = userdata;
    fetch->end.run = on_end;
    int r = credentials_plan_make(getenv_like, profile, region, &fetch->message, &fetch->plan);
    if (r == 0) {
        r = begin(fetch, &reason);
        if (r < 0 && r != -ENOMEM) {
            set_failure(fetch, buffer_text(&reason));
        }
    }
    if (r == -ENOMEM) {
        return r;
    }
    if (r <= 0) {
        r = loop_timer_set(loop, &fetch->end, loop_now_ms(loop));
        if (r < 0) {
            return r;
        }
    }
    *ret_fetch = TAKE_PTR(fetch);
    return 0;
}
