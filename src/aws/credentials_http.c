#include "aws/credentials_http.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "aws/credentials_keys.h"
#include "base/file.h"

#define TRIES 3
#define CONNECT_TIMEOUT_MS 1000
#define INSTANCE_TIMEOUT_MS 1000
#define CONTAINER_TIMEOUT_MS 5000 /* the agent may have to ask STS first */
#define RESPONSE_MAX_BYTES (64 * 1024)
#define TOKEN_MAX_BYTES 16384
#define ROLE_MAX_LENGTH 64

#define INSTANCE_TOKEN_PATH "/latest/api/token"
#define INSTANCE_TOKEN_TTL "X-aws-ec2-metadata-token-ttl-seconds: 21600"
#define INSTANCE_ROLE_PATH "/latest/meta-data/iam/security-credentials/"

enum step { STEP_CONTAINER, STEP_TOKEN, STEP_ROLE, STEP_KEYS };

struct metadata_fetch {
    struct loop *loop;
    struct http_client *client;
    const struct credentials_plan *plan;
    credentials_done done;
    void *userdata;
    struct http_call *call;
    enum step step;
    unsigned tries_left;
    struct buffer header; /* "Authorization: ..." or "X-aws-ec2-metadata-token: ..." */
    char role[ROLE_MAX_LENGTH + 1];
};

static void on_response(const struct http_response *response, void *userdata);

void metadata_fetch_cancel(struct metadata_fetch *fetch)
{
    if (!fetch) {
        return;
    }
    http_call_cancel(fetch->call);
    buffer_wipe(&fetch->header);
    free(fetch);
}

static void cancel_fetchp(struct metadata_fetch **fetch)
{
    metadata_fetch_cancel(*fetch);
}

/* Ends the fetch: it is gone after this. */
static void finish(struct metadata_fetch *fetch, struct aws_keys *keys, const char *reason)
{
    fetch->done(keys, reason, fetch->userdata);
    metadata_fetch_cancel(fetch);
}

/* ---- asking ---- */

static int send_step(struct metadata_fetch *fetch)
{
    static const char *const paths[] = {[STEP_CONTAINER] = "",
                                        [STEP_TOKEN] = INSTANCE_TOKEN_PATH,
                                        [STEP_ROLE] = INSTANCE_ROLE_PATH,
                                        [STEP_KEYS] = INSTANCE_ROLE_PATH};
    _cleanup_buffer_ struct buffer url = BUFFER_INIT;
    const char *headers[] = {NULL, NULL};

    if (fetch->step == STEP_TOKEN) {
        headers[0] = INSTANCE_TOKEN_TTL;
    } else if (fetch->header.length) {
        headers[0] = buffer_text(&fetch->header);
    }
    buffer_printf(&url, "%s%s%s", fetch->plan->url, paths[fetch->step], fetch->step == STEP_KEYS ? fetch->role : "");
    if (buffer_status(&url) < 0) {
        return -ENOMEM;
    }
    const struct http_request request = {
        .method = fetch->step == STEP_TOKEN ? "PUT" : "GET",
        .url = buffer_text(&url),
        .headers = headers,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = fetch->step == STEP_CONTAINER ? CONTAINER_TIMEOUT_MS : INSTANCE_TIMEOUT_MS,
        .response_max_bytes = RESPONSE_MAX_BYTES,
    };
    return http_client_send(fetch->client, &request, on_response, fetch, &fetch->call);
}

static void go_to(struct metadata_fetch *fetch, enum step step)
{
    if (step != fetch->step) {
        fetch->step = step;
        fetch->tries_left = TRIES;
    }
    fetch->tries_left--;
    if (send_step(fetch) < 0) {
        finish(fetch, NULL, "no memory for a request");
    }
}

/* ---- the answers ---- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void jsonp(json_t **json)
{
    json_decref(*json);
}

/* {"Code": "Success", "AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": …}; a container's has no Code. */
static void read_keys(struct metadata_fetch *fetch, const struct http_response *response)
{
    _cleanup_(jsonp) json_t *json = json_loadb(response->body, response->length, 0, NULL);
    _cleanup_(aws_keys_unrefp) struct aws_keys *keys = NULL;
    _cleanup_buffer_ struct buffer reason = BUFFER_INIT;
    const char *code = text_of(json, "Code");

    if (code && strcmp(code, "Success") != 0) {
        const char *message = text_of(json, "Message");
        buffer_printf(&reason, "%s says %s%s%s", fetch->plan->url, code, message ? ": " : "", message ? message : "");
        finish(fetch, NULL, buffer_text(&reason));
        return;
    }
    const int r =
        aws_keys_new_temporary(text_of(json, "AccessKeyId"), text_of(json, "SecretAccessKey"), text_of(json, "Token"),
                               text_of(json, "Expiration"), http_response_header(response, "Date"),
                               clock_realtime_s(loop_clock(fetch->loop)), fetch->plan->origin, &keys);
    if (r < 0) {
        buffer_printf(&reason, "%s: the answer is not the JSON of credentials", fetch->plan->url);
        finish(fetch, NULL, buffer_text(&reason));
        return;
    }
    finish(fetch, keys, "");
}

/* The name goes into a URL: only what IAM allows in one. */
static bool take_role(struct metadata_fetch *fetch, const char *body)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-";
    const size_t length = strspn(body, allowed);

    if (length == 0 || length > ROLE_MAX_LENGTH || !strchr("\r\n", body[length])) { /* or the end of the text */
        return false;
    }
    memcpy(fetch->role, body, length);
    fetch->role[length] = '\0';
    return true;
}

static void take_answer(struct metadata_fetch *fetch, const struct http_response *response)
{
    switch (fetch->step) {
    case STEP_TOKEN:
        buffer_wipe(&fetch->header);
        buffer_printf(&fetch->header, "X-aws-ec2-metadata-token: %.*s", (int)strcspn(response->body, "\r\n"),
                      response->body);
        go_to(fetch, STEP_ROLE);
        return;
    case STEP_ROLE:
        if (!take_role(fetch, response->body)) {
            finish(fetch, NULL, "the instance's role has no proper name");
            return;
        }
        go_to(fetch, STEP_KEYS);
        return;
    case STEP_CONTAINER:
    case STEP_KEYS: read_keys(fetch, response); return;
    }
}

static void refuse(struct metadata_fetch *fetch, const struct http_response *response)
{
    _cleanup_buffer_ struct buffer reason = BUFFER_INIT;

    if (response->error) {
        buffer_printf(&reason, "%s: %s", fetch->plan->url, response->reason);
    } else if (fetch->step == STEP_ROLE && response->status == 404) {
        buffer_printf(&reason, "%s: the instance has no role; attach one", fetch->plan->url);
    } else {
        buffer_printf(&reason, "%s: HTTP status %u", fetch->plan->url, response->status);
    }
    finish(fetch, NULL, buffer_text(&reason));
}

static void on_response(const struct http_response *response, void *userdata)
{
    struct metadata_fetch *fetch = userdata;
    const bool may_pass = response->error || response->status >= 500 || response->status == 429;

    fetch->call = NULL;
    if (may_pass && fetch->tries_left > 0) {
        go_to(fetch, fetch->step);
    } else if (response->error || response->status != 200) {
        refuse(fetch, response);
    } else {
        take_answer(fetch, response);
    }
}

/* ---- beginning ---- */

static int read_authorization(struct metadata_fetch *fetch, struct buffer *message)
{
    const struct credentials_plan *plan = fetch->plan;
    _cleanup_(buffer_wipe) struct buffer token = BUFFER_INIT;

    if (plan->authorization_file) {
        const int r = file_read(plan->authorization_file, TOKEN_MAX_BYTES, &token, NULL);
        if (r < 0) {
            buffer_printf(message, "%s: %s; it is what AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names",
                          plan->authorization_file, strerror(-r));
            return r;
        }
        while (token.length > 0 && strchr(" \t\r\n", token.data[token.length - 1])) {
            token.data[--token.length] = '\0';
        }
    } else if (plan->authorization) {
        buffer_append_text(&token, plan->authorization);
    }
    if (token.length == 0) {
        return 0;
    }
    if (strpbrk(buffer_text(&token), "\r\n")) {
        buffer_append_text(message, "the container's authorization token has a line break in it; correct it");
        return -EINVAL;
    }
    buffer_printf(&fetch->header, "Authorization: %s", buffer_text(&token));
    return buffer_status(&fetch->header);
}

int metadata_fetch_start(struct loop *loop, struct http_client *client, const struct credentials_plan *plan,
                         credentials_done done, void *userdata, struct buffer *message,
                         struct metadata_fetch **ret_fetch)
{
    _cleanup_(cancel_fetchp) struct metadata_fetch *fetch = calloc(1, sizeof(*fetch));

    if (!fetch) {
        return -ENOMEM;
    }
    fetch->loop = loop;
    fetch->client = client;
    fetch->plan = plan;
    fetch->done = done;
    fetch->userdata = userdata;
    fetch->tries_left = TRIES - 1;
    fetch->step = plan->base == PLAN_CONTAINER ? STEP_CONTAINER : STEP_TOKEN;
    int r = plan->base == PLAN_CONTAINER ? read_authorization(fetch, message) : 0;
    if (r < 0) {
        return r;
    }
    r = send_step(fetch);
    if (r < 0) {
        if (r == -EINVAL) {
            buffer_printf(message, "%s: not a URL; correct the variable that names it", plan->url);
        }
        return r;
    }
    *ret_fetch = TAKE_PTR(fetch);
    return 0;
}
