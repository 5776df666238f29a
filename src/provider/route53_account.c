#include "provider/route53_account.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

#define TURN_MS 1000
#define CLOCK_TIMEOUT_MS 10000

/* ---- calls ---- */

struct waited {
    const struct account_call *call;
    struct account_answer *answer;
    bool has_ended;
};

void account_answer_done(struct account_answer *answer)
{
    buffer_done(&answer->code);
    buffer_done(&answer->message);
}

static void on_answer(const struct aws_result *result, void *userdata)
{
    struct waited *waited = userdata;
    const struct account_call *call = waited->call;
    struct account_answer *answer = waited->answer;

    answer->outcome = result->outcome;
    answer->status = result->status;
    buffer_append_text(&answer->code, result->code);
    buffer_append_text(&answer->message, result->message);
    if (result->outcome == AWS_OK && call->read && call->read(xml_root(result->document), call->userdata) < 0) {
        answer->outcome = AWS_TRANSIENT;
        buffer_append_text(&answer->message, "Route 53's answer cannot be understood");
    }
    waited->has_ended = true;
}

static void wait_until(const struct provider_means *means, const bool *has_ended)
{
    while (!*has_ended) {
        loop_turn(means->loop, TURN_MS);
    }
}

void account_call(const struct provider_means *means, struct route53_shared *shared, const struct account_call *call,
                  struct account_answer *answer)
{
    struct waited waited = {call, answer, false};
    struct aws_call *begun;

    buffer_clear(&answer->code);
    buffer_clear(&answer->message);
    answer->status = 0;
    int r = aws_call(shared->service, call->operation, call->method, call->path, call->query, call->body,
                     call->body ? strlen(call->body) : 0, on_answer, &waited, &begun);
    if (r < 0) {
        answer->outcome = AWS_TRANSIENT;
        buffer_append_text(&answer->message, strerror(-r));
        return;
    }
    wait_until(means, &waited.has_ended);
}

/* ---- credentials and the clock ---- */

struct key_wait {
    struct buffer *words;
    int result;
    bool has_ended;
};

static void on_keys(struct aws_keys *keys, const char *message, void *userdata)
{
    struct key_wait *wait = userdata;

    buffer_append_text(wait->words, keys ? keys->origin : message);
    wait->result = keys ? 0 : -ENOENT;
    wait->has_ended = true;
}

int account_credentials(const struct provider_means *means, struct route53_shared *shared, struct buffer *words)
{
    struct key_wait wait = {words, 0, false};
    struct credentials_wait *begun;
    int r = credentials_get(shared->credentials, on_keys, &wait, &begun);

    if (r < 0) {
        buffer_append_text(words, strerror(-r));
        return r;
    }
    wait_until(means, &wait.has_ended);
    return wait.result;
}

struct date_wait {
    struct buffer *message;
    int64_t ahead_s;
    int result;
    bool has_ended;
};

static void on_date(const struct http_response *response, void *userdata)
{
    struct date_wait *wait = userdata;
    const char *date = response->error == 0 ? http_response_header(response, "Date") : NULL;
    int64_t time_s;

    wait->has_ended = true;
    wait->result = -EIO;
    if (date && parse_http_date(date, &time_s) == 0) {
        wait->ahead_s = time_s - clock_realtime_s(clock_system());
        wait->result = 0;
    } else {
        buffer_append_text(wait->message, response->error != 0 ? response->reason : "its answer has no Date");
    }
}

int account_clock(const struct provider_means *means, struct route53_shared *shared, int64_t *ret_ahead_s,
                  struct buffer *message)
{
    struct date_wait wait = {.message = message};
    struct http_call *begun;
    _cleanup_buffer_ struct buffer url = BUFFER_INIT;

    buffer_printf(&url, "%s/", shared->endpoint);
    const struct http_request request = {
        .method = "GET",
        .url = buffer_text(&url),
        .connect_timeout_ms = CLOCK_TIMEOUT_MS,
        .timeout_ms = CLOCK_TIMEOUT_MS,
        .response_max_bytes = 1U << 20,
    };
    int r = http_client_send(means->client, &request, on_date, &wait, &begun);
    if (r == 0) {
        wait_until(means, &wait.has_ended);
        r = wait.result;
    } else {
        buffer_append_text(message, strerror(-r));
    }
    if (r < 0) {
        buffer_printf(message, " (%s)", shared->endpoint);
        return -EIO;
    }
    *ret_ahead_s = wait.ahead_s;
    return 0;
}
