#include "ctl/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "provider/registry.h"

#define TURN_MS 1000
#define CLOCK_TIMEOUT_MS 10000
#define ZONES_PAGE "100"

struct account {
    struct loop *loop;
    struct http_client *client;
    void *shared; /* route53_provider's */
    char *endpoint;
};

static const char *environment_of(const char *name)
{
    return getenv(name); // NOLINT(concurrency-mt-unsafe): this program has one thread
}

void account_close(struct account *account)
{
    if (!account) {
        return;
    }
    route53_provider.shared_free(account->shared);
    http_client_free(account->client);
    loop_free(account->loop);
    free(account->endpoint);
    free(account);
}

struct account *account_open(const struct route53_settings *settings)
{
    _cleanup_(account_closep) struct account *account = calloc(1, sizeof(*account));
    const char *region;

    if (!account) {
        return NULL;
    }
    account->loop = loop_new(clock_system());
    account->client = account->loop ? http_client_new(account->loop) : NULL;
    account->endpoint = route53_endpoint(settings, environment_of, &region);
    const struct provider_means means = {account->loop, account->client, NULL, environment_of};
    account->shared = account->client && account->endpoint ? route53_provider.shared_new(&means, settings) : NULL;
    return account->shared ? TAKE_PTR(account) : NULL;
}

/* ---- calls ---- */

struct call {
    struct account_answer *answer;
    account_read read;
    void *userdata;
    bool has_ended;
};

void account_answer_done(struct account_answer *answer)
{
    buffer_done(&answer->code);
    buffer_done(&answer->message);
}

static void on_answer(const struct aws_result *result, void *userdata)
{
    struct call *call = userdata;
    struct account_answer *answer = call->answer;

    answer->outcome = result->outcome;
    answer->status = result->status;
    buffer_append_text(&answer->code, result->code);
    buffer_append_text(&answer->message, result->message);
    if (result->outcome == AWS_OK && call->read && call->read(xml_root(result->document), call->userdata) < 0) {
        answer->outcome = AWS_TRANSIENT;
        buffer_append_text(&answer->message, "Route 53's answer cannot be understood");
    }
    call->has_ended = true;
}

static void wait_until(const struct account *account, const bool *has_ended)
{
    while (!*has_ended) {
        loop_turn(account->loop, TURN_MS);
    }
}

void account_call(struct account *account, const char *operation, const char *method, const char *path,
                  const char *query, const struct buffer *body, account_read read, void *userdata,
                  struct account_answer *answer)
{
    struct call call = {answer, read, userdata, false};
    struct aws_call *begun;

    buffer_clear(&answer->code);
    buffer_clear(&answer->message);
    answer->status = 0;
    int r = aws_call(route53_service(account->shared), operation, method, path, query, body ? buffer_text(body) : NULL,
                     body ? body->length : 0, on_answer, &call, &begun);
    if (r < 0) {
        answer->outcome = AWS_TRANSIENT;
        buffer_append_text(&answer->message, strerror(-r));
        return;
    }
    wait_until(account, &call.has_ended);
}

/* ---- zones ---- */

struct listing {
    route53_each_zone each;
    void *userdata;
    char marker[ROUTE53_ID_SIZE];
};

static int read_page(const struct xml_element *root, void *userdata)
{
    struct listing *listing = userdata;

    return route53_read_zones(root, listing->each, listing->userdata, listing->marker);
}

void account_zones(struct account *account, route53_each_zone each, void *userdata, struct account_answer *answer)
{
    struct listing listing = {.each = each, .userdata = userdata};

    do {
        _cleanup_buffer_ struct buffer query = BUFFER_INIT;
        if (listing.marker[0] != '\0') {
            buffer_printf(&query, "marker=%s&", listing.marker);
        }
        buffer_append_text(&query, "maxitems=" ZONES_PAGE);
        account_call(account, "ListHostedZones", "GET", "/2013-04-01/hostedzone", buffer_text(&query), NULL, read_page,
                     &listing, answer);
    } while (answer->outcome == AWS_OK && listing.marker[0] != '\0');
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

int account_credentials(struct account *account, struct buffer *words)
{
    struct key_wait wait = {words, 0, false};
    struct credentials_wait *begun;
    int r = credentials_get(route53_credentials(account->shared), on_keys, &wait, &begun);

    if (r < 0) {
        buffer_append_text(words, strerror(-r));
        return r;
    }
    wait_until(account, &wait.has_ended);
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

int account_clock(struct account *account, int64_t *ret_ahead_s, struct buffer *message)
{
    struct date_wait wait = {.message = message};
    struct http_call *begun;
    _cleanup_buffer_ struct buffer url = BUFFER_INIT;

    buffer_printf(&url, "%s/", account->endpoint);
    const struct http_request request = {
        .method = "GET",
        .url = buffer_text(&url),
        .connect_timeout_ms = CLOCK_TIMEOUT_MS,
        .timeout_ms = CLOCK_TIMEOUT_MS,
        .response_max_bytes = 1U << 20,
    };
    int r = http_client_send(account->client, &request, on_date, &wait, &begun);
    if (r == 0) {
        wait_until(account, &wait.has_ended);
        r = wait.result;
    } else {
        buffer_append_text(message, strerror(-r));
    }
    if (r < 0) {
        buffer_printf(message, " (%s)", account->endpoint);
        return -EIO;
    }
    *ret_ahead_s = wait.ahead_s;
    return 0;
}
