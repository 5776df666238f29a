#include "aws/credentials_sts.h"

#include <errno.h>
#include <string.h>

#include "aws/aws_request.h"
#include "aws/credentials_keys.h"
#include "base/file.h"
#include "base/xml.h"

#define TRIES 3
#define RETRY_MS 200 /* doubled each time, and a random part of it */
#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS 15000
#define RESPONSE_MAX_BYTES (64 * 1024)
#define TOKEN_MAX_BYTES 20000 /* STS's own limit */

struct sts_call {
    struct loop *loop;
    struct http_client *client;
    const struct credentials_plan *plan;
    const struct plan_role *role;
    struct aws_keys *keys; /* NULL: web identity */
    credentials_done done;
    void *userdata;
    struct buffer endpoint;
    struct buffer body;
    struct http_call *http;
    struct loop_timer retry;
    unsigned tries;
    int64_t clock_offset_s;
    bool is_clock_corrected;
};

void sts_call_cancel(struct sts_call *call)
{
    if (!call) {
        return;
    }
    http_call_cancel(call->http);
    loop_timer_cancel(call->loop, &call->retry);
    aws_keys_unref(call->keys);
    buffer_done(&call->endpoint);
    buffer_wipe(&call->body);
    free(call);
}

static void cancel_callp(struct sts_call **call)
{
    sts_call_cancel(*call);
}

/* Ends the call: it is gone after this. */
static void finish(struct sts_call *call, struct aws_keys *keys, const char *reason)
{
    call->done(keys, reason, call->userdata);
    sts_call_cancel(call);
}

/* ---- asking ---- */

static void append_field(struct buffer *body, const char *name, const char *value)
{
    buffer_printf(body, "&%s=", name);
    for (; *value; value++) {
        const bool is_plain = (*value >= '0' && *value <= '9') || (*value >= 'A' && *value <= 'Z') ||
                              (*value >= 'a' && *value <= 'z') || strchr("-._~", *value);
        buffer_printf(body, is_plain ? "%c" : "%%%02X", (unsigned char)*value);
    }
}

static int append_token(struct sts_call *call, struct buffer *message)
{
    _cleanup_(buffer_wipe) struct buffer token = BUFFER_INIT;
    const int r = file_read(call->role->token_file, TOKEN_MAX_BYTES, &token, NULL);

    if (r < 0) {
        buffer_printf(message, "%s: %s; it is the web identity token", call->role->token_file, strerror(-r));
        return r;
    }
    while (token.length > 0 && strchr(" \t\r\n", token.data[token.length - 1])) {
        token.data[--token.length] = '\0';
    }
    if (token.length == 0) {
        buffer_printf(message, "%s: empty; it should hold the web identity token", call->role->token_file);
        return -EINVAL;
    }
    buffer_reserve(&call->body, 3 * token.length + 64);
    append_field(&call->body, "WebIdentityToken", buffer_text(&token));
    return 0;
}

static int make_body(struct sts_call *call, struct buffer *message)
{
    const struct plan_role *role = call->role;

    buffer_printf(&call->body, "Action=%s&Version=2011-06-15",
                  role->token_file ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    append_field(&call->body, "RoleArn", role->arn);
    append_field(&call->body, "RoleSessionName", role->session_name);
    if (role->duration_s) {
        buffer_printf(&call->body, "&DurationSeconds=%u", role->duration_s);
    }
    if (role->external_id && !role->token_file) {
        append_field(&call->body, "ExternalId", role->external_id);
    }
    if (role->token_file) {
        const int r = append_token(call, message);
        if (r < 0) {
            return r;
        }
    }
    return buffer_status(&call->body);
}

static int make_endpoint(struct sts_call *call)
{
    const char *region = call->role->region;

    if (call->plan->sts_endpoint) {
        buffer_append_text(&call->endpoint, call->plan->sts_endpoint);
    } else {
        buffer_printf(&call->endpoint, "https://sts.%s.amazonaws.com%s", region,
                      strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    }
    return buffer_status(&call->endpoint);
}

static void on_response(const struct http_response *response, void *userdata);

static int send_call(struct sts_call *call)
{
    struct signed_request output;
    const struct aws_request request = {
        .endpoint = buffer_text(&call->endpoint),
        .method = "POST",
        .path = "/",
        .body = buffer_text(&call->body),
        .body_length = call->body.length,
        .content_type = "application/x-www-form-urlencoded; charset=utf-8",
        .service = "sts",
        .region = call->role->region,
        .keys = call->keys,
        .time_s = clock_realtime_s(loop_clock(call->loop)) + call->clock_offset_s,
    };
    int r = aws_request_sign(&request, &output);
    if (r == 0) {
        const struct http_request http = {
            .method = "POST",
            .url = buffer_text(&output.url),
            .headers = output.headers,
            .body = request.body,
            .body_length = request.body_length,
            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
            .timeout_ms = TIMEOUT_MS,
            .response_max_bytes = RESPONSE_MAX_BYTES,
        };
        r = http_client_send(call->client, &http, on_response, call, &call->http);
    }
    signed_request_done(&output);
    call->tries++;
    return r;
}

static void send_again(struct sts_call *call)
{
    if (send_call(call) < 0) {
        finish(call, NULL, "no memory for a request");
    }
}

static void on_retry(struct loop_timer *timer)
{
    send_again(CONTAINER_OF(timer, struct sts_call, retry));
}

/* ---- the answers ---- */

static void take_keys(struct sts_call *call, const struct http_response *response, const struct xml_element *root)
{
    _cleanup_(aws_keys_unrefp) struct aws_keys *keys = NULL;
    _cleanup_buffer_ struct buffer reason = BUFFER_INIT;
    const struct xml_element *result =
        xml_child(root, call->role->token_file ? "AssumeRoleWithWebIdentityResult" : "AssumeRoleResult");
    const struct xml_element *credentials = xml_child(result, "Credentials");

    const int r = aws_keys_new_temporary(
        xml_child_text(credentials, "AccessKeyId"), xml_child_text(credentials, "SecretAccessKey"),
        xml_child_text(credentials, "SessionToken"), xml_child_text(credentials, "Expiration"),
        http_response_header(response, "Date"), clock_realtime_s(loop_clock(call->loop)), call->plan->origin, &keys);
    if (r < 0) {
        buffer_printf(&reason, "%s: the answer has no credentials in it", buffer_text(&call->endpoint));
    }
    finish(call, keys, buffer_text(&reason));
}

static void refuse(struct sts_call *call, const struct http_response *response, const char *code, const char *message)
{
    _cleanup_buffer_ struct buffer reason = BUFFER_INIT;
    const char *action = call->role->token_file ? "AssumeRoleWithWebIdentity" : "AssumeRole";

    buffer_printf(&reason, "%s of %s at %s: ", action, call->role->arn, buffer_text(&call->endpoint));
    if (response->error) {
        buffer_append_text(&reason, response->reason);
    } else if (*code) {
        buffer_printf(&reason, "%s: %s", code, message);
    } else {
        buffer_printf(&reason, "HTTP status %u without an error document", response->status);
    }
    finish(call, NULL, buffer_text(&reason));
}

static bool try_again(struct sts_call *call, const struct http_response *response, const char *code,
                      const char *message)
{
    const int64_t now_s = clock_realtime_s(loop_clock(call->loop));

    if (!call->is_clock_corrected && call->keys &&
        aws_clock_skew(code, http_response_header(response, "Date"), now_s, call->clock_offset_s,
                       &call->clock_offset_s)) {
        call->is_clock_corrected = true;
        send_again(call);
        return true;
    }
    const bool may_pass = response->error || response->status >= 500 || aws_is_throttling_code(code, message) ||
                          strcmp(code, "IDPCommunicationError") == 0;
    if (!may_pass || call->tries >= TRIES) {
        return false;
    }
    const int64_t longest_ms = (int64_t)RETRY_MS << call->tries;
    const int64_t delay_ms = longest_ms / 2 + random_uniform((uint32_t)longest_ms / 2);
    return loop_timer_set(call->loop, &call->retry, loop_now_ms(call->loop) + delay_ms) == 0;
}

static void on_response(const struct http_response *response, void *userdata)
{
    struct sts_call *call = userdata;
    _cleanup_(xml_document_freep) struct xml_document *document = NULL;
    _cleanup_buffer_ struct buffer code = BUFFER_INIT;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    call->http = NULL;
    const bool is_xml = !response->error && xml_parse(response->body, response->length, &document) == 0;
    if (is_xml && response->status == 200) {
        take_keys(call, response, xml_root(document));
        return;
    }
    if (is_xml) {
        aws_error_read(xml_root(document), &code, &message);
    }
    if (!try_again(call, response, buffer_text(&code), buffer_text(&message))) {
        refuse(call, response, buffer_text(&code), buffer_text(&message));
    }
}

int sts_assume_role(struct loop *loop, struct http_client *client, const struct credentials_plan *plan,
                    const struct plan_role *role, struct aws_keys *keys, credentials_done done, void *userdata,
                    struct buffer *message, struct sts_call **ret_call)
{
    _cleanup_(cancel_callp) struct sts_call *call = calloc(1, sizeof(*call));

    if (!call) {
        return -ENOMEM;
    }
    call->loop = loop;
    call->client = client;
    call->plan = plan;
    call->role = role;
    call->keys = keys ? aws_keys_ref(keys) : NULL;
    call->done = done;
    call->userdata = userdata;
    call->retry.run = on_retry;
    int r = make_endpoint(call);
    if (r == 0) {
        r = make_body(call, message);
    }
    if (r < 0) {
        return r;
    }
    r = send_call(call);
    if (r < 0) {
        if (r == -EINVAL) {
            buffer_printf(message, "%s: not a URL; correct AWS_ENDPOINT_URL_STS or the region",
                          buffer_text(&call->endpoint));
        }
        return r;
    }
    *ret_call = TAKE_PTR(call);
    return 0;
}
