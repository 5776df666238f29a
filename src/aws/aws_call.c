#include "aws/aws_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_request.h"
#include "aws/credentials_keys.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"

#define CLOCK_RIGHT_S 5        /* a Date header has whole seconds and comes late */
#define RETRY_AFTER_MAX_S 3600 /* whoever asks for more is asked again after this */

struct aws_service {
    struct loop *loop;
    struct http_client *client;
    struct credentials *credentials;
    char *service;
    char *region;
    char *endpoint;
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms;
    size_t response_max_bytes;
    struct metric *calls_total;
    struct metric *call_seconds;
    int64_t clock_offset_s;
    struct sigv4_key key;
    struct list calls;
};

struct aws_call {
    struct aws_service *service;
    struct list_link link;
    const char *operation;
    char *method;
    char *path;
    char *query;
    char *body; /* NULL: none */
    size_t body_length;
    aws_done done;
    void *userdata;
    struct credentials_wait *wait;
    struct http_call *http;
    struct aws_keys *keys; /* it was signed with */
    bool is_clock_corrected;
    bool is_refreshed;
};

static const double seconds_buckets[] = {0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8};
static const struct metric_row calls_row = {
    .name = "ddns53_provider_calls_total",
    .help = "Calls of the provider's API by operation and result",
    .type = METRIC_COUNTER,
    .labels = {"operation", "result"},
};
static const struct metric_row seconds_row = {
    .name = "ddns53_provider_call_seconds",
    .help = "Time from sending a call of the provider's API to the end of its answer",
    .type = METRIC_HISTOGRAM,
    .labels = {"operation"},
    .buckets = seconds_buckets,
    .bucket_count = ELEMENTS(seconds_buckets),
};

/* ---- endpoints ---- */

const char *aws_route53_endpoint(const char *region, const char **ret_signing_region)
{
    static const struct {
        const char *region_prefix;
        const char *endpoint;
        const char *signing_region;
    } partitions[] = {
        {"cn-", "https://route53.amazonaws.com.cn", "cn-northwest-1"},
        {"us-gov-", "https://route53.us-gov.amazonaws.com", "us-gov-west-1"},
        {"", "https://route53.amazonaws.com", "us-east-1"},
    };
    size_t i = 0;

    while (strncmp(region, partitions[i].region_prefix, strlen(partitions[i].region_prefix)) != 0) {
        i++;
    }
    *ret_signing_region = partitions[i].signing_region;
    return partitions[i].endpoint;
}

/* ---- the service ---- */

struct aws_service *aws_service_new(struct loop *loop, struct http_client *client, struct credentials *credentials,
                                    struct metrics *metrics, const struct aws_service_options *options)
{
    _cleanup_(aws_service_freep) struct aws_service *service = calloc(1, sizeof(*service));

    if (!service) {
        return NULL;
    }
    service->loop = loop;
    service->client = client;
    service->credentials = credentials;
    service->connect_timeout_ms = options->connect_timeout_ms;
    service->timeout_ms = options->timeout_ms;
    service->response_max_bytes = options->response_max_bytes;
    service->service = strdup(options->service);
    service->region = strdup(options->region);
    service->endpoint = strdup(options->endpoint);
    if (!service->service || !service->region || !service->endpoint) {
        return NULL;
    }
    if (metrics) {
        service->calls_total = metrics_family(metrics, &calls_row);
        service->call_seconds = metrics_family(metrics, &seconds_row);
    }
    return TAKE_PTR(service);
}

void aws_service_free(struct aws_service *service)
{
    if (!service) {
        return;
    }
    while (service->calls.first) {
        aws_call_cancel(LIST_ITEM(service->calls.first, struct aws_call, link));
    }
    wipe(&service->key, sizeof(service->key));
    free(service->service);
    free(service->region);
    free(service->endpoint);
    free(service);
}

int64_t aws_service_clock_offset_s(const struct aws_service *service)
{
    return service->clock_offset_s;
}

static int64_t our_time_s(const struct aws_service *service)
{
    return clock_realtime_s(loop_clock(service->loop));
}

/* ---- a call ---- */

static void call_free(struct aws_call *call)
{
    if (!call) {
        return;
    }
    aws_keys_unref(call->keys);
    free(call->method);
    free(call->path);
    free(call->query);
    free(call->body);
    free(call);
}
DEFINE_CLEANUP(struct aws_call *, call_free)

void aws_call_cancel(struct aws_call *call)
{
    if (!call) {
        return;
    }
    credentials_wait_cancel(call->wait);
    http_call_cancel(call->http);
    list_remove(&call->service->calls, &call->link);
    call_free(call);
}

static const char *outcome_text(enum aws_outcome outcome)
{
    static const char *const texts[] = {
        [AWS_OK] = "ok",
        [AWS_THROTTLED] = "throttled",
        [AWS_TRANSIENT] = "transient",
        [AWS_CREDENTIALS] = "credentials",
        [AWS_REFUSED] = "refused",
    };
    return texts[outcome];
}

/* Every exchange counts, also one that is repeated with a better clock or other keys. */
static void count(const struct aws_call *call, const char *result, const struct http_response *response)
{
    metric_add(call->service->calls_total, 1, call->operation, result, NULL);
    if (response) {
        metric_observe(call->service->call_seconds, response->duration_ms / 1000.0, call->operation, NULL, NULL);
    }
}

/* Ends the call: it is gone after this. */
static void finish(struct aws_call *call, const struct aws_result *result, const struct http_response *response)
{
    count(call, outcome_text(result->outcome), response);
    list_remove(&call->service->calls, &call->link);
    call->done(result, call->userdata);
    call_free(call);
}

static void fail(struct aws_call *call, enum aws_outcome outcome, const char *message)
{
    finish(call, &(struct aws_result){.outcome = outcome, .code = "", .message = message}, NULL);
}

/* ---- sending ---- */

static void on_response(const struct http_response *response, void *userdata);

static int send_signed(struct aws_call *call)
{
    struct aws_service *service = call->service;
    struct signed_request output;
    const struct aws_request request = {
        .endpoint = service->endpoint,
        .method = call->method,
        .path = call->path,
        .query = call->query,
        .body = call->body,
        .body_length = call->body_length,
        .content_type = "text/xml",
        .service = service->service,
        .region = service->region,
        .keys = call->keys,
        .time_s = our_time_s(service) + service->clock_offset_s,
        .key = &service->key,
    };
    int r = aws_request_sign(&request, &output);
    if (r == 0) {
        const struct http_request http = {
            .method = call->method,
            .url = buffer_text(&output.url),
            .headers = output.headers,
            .body = call->body,
            .body_length = call->body_length,
            .connect_timeout_ms = service->connect_timeout_ms,
            .timeout_ms = service->timeout_ms,
            .response_max_bytes = service->response_max_bytes,
        };
        r = http_client_send(service->client, &http, on_response, call, &call->http);
    }
    signed_request_done(&output);
    return r;
}

static void send_call(struct aws_call *call)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    const int r = send_signed(call);

    if (r < 0) {
        buffer_printf(&message, "%s%s: %s", call->service->endpoint, call->path,
                      r == -EINVAL ? "not a URL that can be signed; correct the endpoint" : strerror(-r));
        fail(call, AWS_TRANSIENT, buffer_text(&message));
    }
}

static void on_credentials(struct aws_keys *keys, const char *message, void *userdata)
{
    struct aws_call *call = userdata;

    call->wait = NULL;
    if (!keys) {
        fail(call, AWS_CREDENTIALS, message);
        return;
    }
    aws_keys_unref(call->keys);
    call->keys = aws_keys_ref(keys);
    send_call(call);
}

/* ---- the answer ---- */

struct answer {
    const struct http_response *response;
    struct xml_document *document; /* NULL: not well-formed */
    struct buffer code;
    struct buffer message;
};

static void answer_read(const struct http_response *response, struct answer *ret_answer)
{
    *ret_answer = (struct answer){.response = response};
    if (!response->error) {
        (void)xml_parse(response->body, response->length, &ret_answer->document);
    }
    const bool is_success = response->status >= 200 && response->status <= 299;
    if (ret_answer->document && !is_success) {
        aws_error_read(xml_root(ret_answer->document), &ret_answer->code, &ret_answer->message);
    }
}

static void answer_done(struct answer *answer)
{
    xml_document_free(answer->document);
    buffer_done(&answer->code);
    buffer_done(&answer->message);
}

static enum aws_outcome classify(const struct answer *answer)
{
    const struct http_response *response = answer->response;
    const char *code = buffer_text(&answer->code);

    if (response->error) {
        return AWS_TRANSIENT;
    }
    if (aws_is_throttling_code(code, buffer_text(&answer->message)) || response->status == 429) {
        return AWS_THROTTLED;
    }
    if (!answer->document || response->status < 200 || response->status >= 500) {
        return AWS_TRANSIENT;
    }
    if (response->status <= 299) {
        return AWS_OK;
    }
    if (aws_is_credentials_code(code)) {
        return AWS_CREDENTIALS;
    }
    if (strcmp(code, "RequestTimeTooSkewed") == 0 || strcmp(code, "RequestExpired") == 0 ||
        strcmp(code, "RequestTimeout") == 0) {
        return AWS_TRANSIENT; /* the clock is no fault of the request */
    }
    return response->status >= 400 && *code ? AWS_REFUSED : AWS_TRANSIENT;
}

static uint32_t retry_after_ms(const struct aws_service *service, const struct http_response *response)
{
    const char *text = response->error ? NULL : http_response_header(response, "Retry-After");
    uint64_t delay_s = 0;
    int64_t time_s = 0;

    if (!text) {
        return 0;
    }
    if (parse_http_date(text, &time_s) == 0) {
        const int64_t left_s = time_s - (our_time_s(service) + service->clock_offset_s);
        delay_s = left_s > 0 ? (uint64_t)left_s : 0;
    } else if (parse_uint(text, strlen(text), 0, UINT32_MAX, &delay_s) < 0) {
        return 0;
    }
    return (uint32_t)(delay_s < RETRY_AFTER_MAX_S ? delay_s : RETRY_AFTER_MAX_S) * 1000;
}

/* Makes up a message when the response has none. */
static void complete_message(const struct aws_call *call, struct answer *answer)
{
    const struct http_response *response = answer->response;

    if (answer->message.length) {
        return;
    }
    buffer_printf(&answer->message, "%s%s: ", call->service->endpoint, call->path);
    if (response->error) {
        buffer_append_text(&answer->message, response->reason);
    } else if (answer->code.length) {
        buffer_printf(&answer->message, "%s without a message", buffer_text(&answer->code));
    } else {
        buffer_printf(&answer->message, "HTTP status %u with an answer that is not the API's XML", response->status);
    }
}

/* True: the call goes on, with another time. */
static bool correct_clock(struct aws_call *call, const struct answer *answer)
{
    struct aws_service *service = call->service;
    const struct http_response *response = answer->response;
    int64_t offset_s = 0;
    char text[24];

    if (call->is_clock_corrected || response->error ||
        !aws_clock_skew(buffer_text(&answer->code), http_response_header(response, "Date"), our_time_s(service),
                        service->clock_offset_s, &offset_s)) {
        return false;
    }
    call->is_clock_corrected = true;
    service->clock_offset_s = offset_s;
    (void)snprintf(text, sizeof(text), "%" PRId64, offset_s);
    log_event(LOG_LEVEL_WARNING, "clock_skew", "seconds", text, "endpoint", service->endpoint, "message",
              llabs(offset_s) > CLOCK_RIGHT_S
                  ? "this machine's clock is off by so much; calls are signed with the right time, set the clock"
                  : "this machine's clock is right again",
              NULL);
    count(call, "clock_skew", response);
    send_call(call);
    return true;
}

/* True: the call goes on, once there are keys again. */
static bool refresh_keys(struct aws_call *call, const struct answer *answer)
{
    if (call->is_refreshed) {
        return false;
    }
    call->is_refreshed = true;
    credentials_refresh(call->service->credentials, call->keys);
    if (credentials_get(call->service->credentials, on_credentials, call, &call->wait) < 0) {
        return false;
    }
    count(call, outcome_text(AWS_CREDENTIALS), answer->response);
    return true;
}

static void on_response(const struct http_response *response, void *userdata)
{
    struct aws_call *call = userdata;
    _cleanup_(answer_done) struct answer answer;

    call->http = NULL;
    answer_read(response, &answer);
    const enum aws_outcome outcome = classify(&answer);
    if (outcome != AWS_OK && correct_clock(call, &answer)) {
        return;
    }
    if (outcome == AWS_CREDENTIALS && refresh_keys(call, &answer)) {
        return;
    }
    if (outcome != AWS_OK) {
        complete_message(call, &answer);
    }
    const struct aws_result result = {
        .outcome = outcome,
        .status = response->status,
        .code = buffer_text(&answer.code),
        .message = buffer_text(&answer.message),
        .document = answer.document,
        .retry_after_ms = retry_after_ms(call->service, response),
        .duration_ms = response->duration_ms,
    };
    finish(call, &result, response);
}

/* ---- beginning ---- */

/* NULL: no memory. */
static struct aws_call *call_new(struct aws_service *service, const char *method, const char *path, const char *query,
                                 const char *body, size_t body_length)
{
    _cleanup_(call_freep) struct aws_call *call = calloc(1, sizeof(*call));

    if (!call) {
        return NULL;
    }
    call->service = service;
    call->method = strdup(method);
    call->path = strdup(path);
    call->query = query && *query ? strdup(query) : NULL;
    call->body = body ? malloc(body_length + 1) : NULL;
    call->body_length = body_length;
    if (!call->method || !call->path || (query && *query && !call->query) || (body && !call->body)) {
        return NULL;
    }
    if (body) {
        memcpy(call->body, body, body_length);
    }
    return TAKE_PTR(call);
}

int aws_call(struct aws_service *service, const char *operation, const char *method, const char *path,
             const char *query, const char *body, size_t body_length, aws_done done, void *userdata,
             struct aws_call **ret_call)
{
    _cleanup_(call_freep) struct aws_call *call = call_new(service, method, path, query, body, body_length);

    if (!call) {
        return -ENOMEM;
    }
    call->operation = operation;
    call->done = done;
    call->userdata = userdata;
    struct aws_keys *keys = credentials_cached(service->credentials);
    call->keys = keys ? aws_keys_ref(keys) : NULL;
    /* What cannot be sent fails again from the loop, where `done` is told why. */
    if (!keys || send_signed(call) < 0) {
        const int r = credentials_get(service->credentials, on_credentials, call, &call->wait);
        if (r < 0) {
            return r;
        }
    }
    list_append(&service->calls, &call->link);
    if (ret_call) {
        *ret_call = call;
    }
    (void)TAKE_PTR(call);
    return 0;
}
