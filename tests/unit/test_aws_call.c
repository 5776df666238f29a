#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/aws_call.h"
#include "base/log.h"

#include "environment.h"
#include "http_server.h"

/* 2015-08-30T12:36:00Z */
#define NOW_S 1440938160
#define NAMESPACE "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\""
#define EXCHANGES_MAX 4

/* What the service says to one request after the other; the last one is repeated. */
struct exchange {
    unsigned status;
    const char *headers; /* "\r\n" after each */
    const char *body;
    enum server_action action;
};

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct http_client *client;
    struct credentials *credentials;
    struct metrics *metrics;
    struct aws_service *service;
    struct http_server server;
    unsigned skews_logged;
    const char *key_of_second_look; /* NULL: the same */

    /* under the server's lock */
    struct exchange exchanges[EXCHANGES_MAX];
    char heads[EXCHANGES_MAX][2048]; /* of the requests */
    char body[256];                  /* of the last one */
};

static enum server_action answer_request(const struct server_request *request, struct buffer *answer, void *userdata)
{
    struct fixture *fixture = userdata;
    const size_t index = request->number <= EXCHANGES_MAX ? request->number - 1 : EXCHANGES_MAX - 1;
    const struct exchange *exchange = &fixture->exchanges[index];

    (void)snprintf(fixture->heads[index], sizeof(fixture->heads[index]), "%s", request->head);
    (void)snprintf(fixture->body, sizeof(fixture->body), "%s", request->body);
    server_answer(answer, exchange->status, exchange->headers ? exchange->headers : "",
                  exchange->body ? exchange->body : "");
    return exchange->action;
}

static void read_log(enum log_level level, const char *line, void *userdata)
{
    struct fixture *fixture = userdata;
    (void)level;
    fixture->skews_logged += strstr(line, "event=clock_skew") != NULL;
    if (fixture->key_of_second_look && strstr(line, "event=credentials ")) {
        environment_set("AWS_ACCESS_KEY_ID", TAKE_PTR(fixture->key_of_second_look));
    }
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    environment_clear();
    environment_set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    environment_set("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI");
    environment_set("AWS_EC2_METADATA_DISABLED", "true");
    clock_init_test(&fixture->clock, 5000, NOW_S * INT64_C(1000));
    fixture->loop = loop_new(&fixture->clock);
    fixture->client = http_client_new(fixture->loop);
    fixture->credentials = credentials_new(fixture->loop, fixture->client, "", "us-east-1", environment_get);
    fixture->metrics = metrics_new();
    server_start(&fixture->server, answer_request, fixture);
    const struct aws_service_options options = {
        .service = "route53",
        .region = "us-east-1",
        .endpoint = fixture->server.url,
        .connect_timeout_ms = 5000,
        .timeout_ms = 10000,
        .response_max_bytes = 4096,
    };
    fixture->service =
        aws_service_new(fixture->loop, fixture->client, fixture->credentials, fixture->metrics, &options);
    log_set_sink(read_log, fixture);
    *state = fixture;
    return crypto_init();
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    log_set_sink(NULL, NULL);
    aws_service_free(fixture->service);
    credentials_free(fixture->credentials);
    http_client_free(fixture->client);
    loop_free(fixture->loop);
    metrics_free(fixture->metrics);
    server_stop(&fixture->server);
    free(fixture);
    environment_clear();
    return 0;
}

/* What came of a call, copied. */
struct outcome {
    unsigned times;
    enum aws_outcome outcome;
    unsigned status;
    char code[64];
    char message[512];
    char root[64]; /* name of the document's; "" without one */
    uint32_t retry_after_ms;
};

static void on_done(const struct aws_result *result, void *userdata)
{
    struct outcome *outcome = userdata;

    outcome->times++;
    outcome->outcome = result->outcome;
    outcome->status = result->status;
    outcome->retry_after_ms = result->retry_after_ms;
    (void)snprintf(outcome->code, sizeof(outcome->code), "%s", result->code);
    (void)snprintf(outcome->message, sizeof(outcome->message), "%s", result->message);
    (void)snprintf(outcome->root, sizeof(outcome->root), "%s",
                   result->document ? xml_root(result->document)->name : "");
}

static struct outcome call(struct fixture *fixture, const char *method, const char *query, const char *body)
{
    struct outcome outcome = {0};
    struct aws_call *under_way = NULL;

    assert_int_equal(aws_call(fixture->service, "Operation", method, "/2013-04-01/hostedzone", query, body,
                              body ? strlen(body) : 0, on_done, &outcome, &under_way),
                     0);
    assert_int_equal(outcome.times, 0); /* never from inside */
    for (unsigned turns = 0; outcome.times == 0; turns++) {
        assert_true(turns < 1000);
        loop_turn(fixture->loop, 100);
    }
    return outcome;
}

static struct outcome get(struct fixture *fixture)
{
    return call(fixture, "GET", NULL, NULL);
}

static double counted(struct fixture *fixture, const char *result)
{
    struct buffer text = BUFFER_INIT;
    char line[128];
    double value = 0;

    metrics_render(fixture->metrics, &text);
    (void)snprintf(line, sizeof(line), "\nddns53_provider_calls_total{operation=\"Operation\",result=\"%s\"} ", result);
    const char *found = strstr(buffer_text(&text), line);
    if (found) {
        value = strtod(found + strlen(line), NULL);
    }
    buffer_done(&text);
    return value;
}

static void expect_head(const struct fixture *fixture, size_t index, const char *words)
{
    if (!strstr(fixture->heads[index], words)) {
        fail_msg("request %zu\n%sdoes not have %s", index + 1, fixture->heads[index], words);
    }
}

#define ERROR_XML(code, message)                                                                  \
    "<?xml version=\"1.0\"?>\n<ErrorResponse " NAMESPACE "><Error><Type>Sender</Type><Code>" code \
    "</Code><Message>" message "</Message></Error><RequestId>1</RequestId></ErrorResponse>"

/* ---- what is sent ---- */

static void test_request_is_signed(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){.status = 200, .body = "<Root " NAMESPACE "/>"};
    environment_set("AWS_SESSION_TOKEN", "IQoJb3==");
    const struct outcome outcome = call(fixture, "POST", "b=2&a=%2F", "<Change/>");

    assert_int_equal(outcome.outcome, AWS_OK);
    assert_string_equal(outcome.root, "Root");
    assert_string_equal(outcome.message, "");
    expect_head(fixture, 0, "POST /2013-04-01/hostedzone?b=2&a=%2F HTTP/1.1\r\n");
    expect_head(fixture, 0, "\r\nContent-Type: text/xml\r\n");
    expect_head(fixture, 0, "\r\nX-Amz-Date: 20150830T123600Z\r\n");
    expect_head(fixture, 0, "\r\nX-Amz-Security-Token: IQoJb3==\r\n");
    expect_head(fixture, 0, "\r\nContent-Length: 9\r\n");
    expect_head(fixture, 0,
                "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/route53/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=");
    assert_string_equal(fixture->body, "<Change/>");
    assert_true(counted(fixture, "ok") == 1);
}

/* ---- what comes back ---- */

static void test_answers_are_classified(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct exchange exchange;
        enum aws_outcome outcome;
        const char *code;
        const char *message; /* a part of it */
        const char *root;
    } rows[] = {
        {{200, NULL, "<A><B>1</B></A>", SERVER_KEEP}, AWS_OK, "", "", "A"},
        {{201, NULL, "<A/>", SERVER_KEEP}, AWS_OK, "", "", "A"},
        {{200, NULL, "<A><B>1</A>", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 200 with an answer that is not", ""},
        {{200, NULL, "", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 200", ""},
        {{200, NULL, "<!DOCTYPE a><A/>", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 200", ""},
        {{400, NULL, ERROR_XML("Throttling", "Rate exceeded"), SERVER_KEEP},
         AWS_THROTTLED,
         "Throttling",
         "Rate exceeded",
         "ErrorResponse"},
        {{400, NULL, ERROR_XML("ThrottlingException", "slow"), SERVER_KEEP},
         AWS_THROTTLED,
         "ThrottlingException",
         "slow",
         "ErrorResponse"},
        {{400, NULL, ERROR_XML("Odd", "Rate exceeded"), SERVER_KEEP}, AWS_THROTTLED, "Odd", "", "ErrorResponse"},
        {{400, NULL, ERROR_XML("PriorRequestNotComplete", "wait"), SERVER_KEEP},
         AWS_THROTTLED,
         "PriorRequestNotComplete",
         "wait",
         "ErrorResponse"},
        {{429, NULL, "", SERVER_KEEP}, AWS_THROTTLED, "", "HTTP status 429", ""},
        {{503, NULL, ERROR_XML("SlowDown", "slow"), SERVER_KEEP}, AWS_THROTTLED, "SlowDown", "slow", "ErrorResponse"},
        {{503, NULL, ERROR_XML("ServiceUnavailable", "later"), SERVER_KEEP},
         AWS_TRANSIENT,
         "ServiceUnavailable",
         "later",
         "ErrorResponse"},
        {{500, NULL, "oops", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 500", ""},
        {{400, NULL, "<html>", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 400", ""},
        {{403, NULL, "<html><p>a proxy</p></html>", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 403", "html"},
        {{302, "Location: /\r\n", "<A/>", SERVER_KEEP}, AWS_TRANSIENT, "", "HTTP status 302", "A"},
        {{404, NULL, ERROR_XML("NoSuchHostedZone", "No hosted zone"), SERVER_KEEP},
         AWS_REFUSED,
         "NoSuchHostedZone",
         "No hosted zone",
         "ErrorResponse"},
        {{400, NULL, ERROR_XML("InvalidInput", ""), SERVER_KEEP},
         AWS_REFUSED,
         "InvalidInput",
         "InvalidInput without a message",
         "ErrorResponse"},
        {{400, NULL,
          "<InvalidChangeBatch " NAMESPACE "><Messages><Message>first &amp; bad</Message>"
          "<Message>second</Message></Messages></InvalidChangeBatch>",
          SERVER_KEEP},
         AWS_REFUSED,
         "InvalidChangeBatch",
         "first & bad\nsecond",
         "InvalidChangeBatch"},
        {{200, NULL, "<A/>", SERVER_RESET}, AWS_OK, "", "", "A"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        pthread_mutex_lock(&fixture->server.lock);
        for (size_t e = 0; e < EXCHANGES_MAX; e++) {
            fixture->exchanges[e] = rows[i].exchange;
        }
        pthread_mutex_unlock(&fixture->server.lock);
        const struct outcome outcome = get(fixture);
        if (outcome.outcome != rows[i].outcome || strcmp(outcome.code, rows[i].code) != 0 ||
            !strstr(outcome.message, rows[i].message) || strcmp(outcome.root, rows[i].root) != 0 ||
            outcome.status != rows[i].exchange.status) {
            /* a reset may overtake the answer: then it is as if it had never come */
            if (rows[i].exchange.action != SERVER_RESET || outcome.outcome != AWS_TRANSIENT) {
                fail_msg("row %zu: outcome %d, status %u, code %s, message %s, root %s", i, (int)outcome.outcome,
                         outcome.status, outcome.code, outcome.message, outcome.root);
            }
        }
    }
}

static void test_retry_after(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *header;
        uint32_t expected_ms;
    } rows[] = {
        {"", 0},
        {"Retry-After: 7\r\n", 7000},
        {"Retry-After: 0\r\n", 0},
        {"Retry-After: soon\r\n", 0},
        {"Retry-After: -1\r\n", 0},
        {"Retry-After: 99999999999999999999\r\n", 0},
        {"Retry-After: 86400\r\n", 3600000},
        {"Retry-After: Sun, 30 Aug 2015 12:36:30 GMT\r\n", 30000},
        {"Retry-After: Sun, 30 Aug 2015 12:35:00 GMT\r\n", 0},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        pthread_mutex_lock(&fixture->server.lock);
        for (size_t e = 0; e < EXCHANGES_MAX; e++) {
            fixture->exchanges[e] = (struct exchange){503, rows[i].header, "", SERVER_KEEP};
        }
        pthread_mutex_unlock(&fixture->server.lock);
        assert_int_equal(get(fixture).retry_after_ms, rows[i].expected_ms);
    }
}

static void test_no_connection_and_endless_answer(void **state)
{
    struct fixture *fixture = *state;
    char *large = calloc(1, 6000);
    memset(large, ' ', 5999);
    fixture->exchanges[0] = (struct exchange){200, NULL, large, SERVER_KEEP};
    struct outcome outcome = get(fixture);
    free(large);
    assert_int_equal(outcome.outcome, AWS_TRANSIENT);
    assert_non_null(strstr(outcome.message, "larger than it may be"));

    server_stop(&fixture->server);
    outcome = get(fixture);
    assert_int_equal(outcome.outcome, AWS_TRANSIENT);
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.message, fixture->server.url));
    assert_true(counted(fixture, "transient") == 2);
    server_start(&fixture->server, answer_request, fixture);
}

/* ---- the clock ---- */

static void test_clock_is_corrected_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){403, "Date: Sun, 30 Aug 2015 14:36:00 GMT\r\n",
                                              ERROR_XML("SignatureDoesNotMatch", "Signature expired"), SERVER_KEEP};
    fixture->exchanges[1] = (struct exchange){200, NULL, "<A/>", SERVER_KEEP};
    fixture->exchanges[2] = fixture->exchanges[1];

    assert_int_equal(get(fixture).outcome, AWS_OK);
    expect_head(fixture, 0, "X-Amz-Date: 20150830T123600Z");
    expect_head(fixture, 1, "X-Amz-Date: 20150830T143600Z");
    assert_int_equal(aws_service_clock_offset_s(fixture->service), 7200);
    assert_int_equal(fixture->skews_logged, 1);
    assert_true(counted(fixture, "clock_skew") == 1);
    assert_true(counted(fixture, "ok") == 1);
    assert_int_equal(get(fixture).outcome, AWS_OK); /* the next call is right at once */
    expect_head(fixture, 2, "X-Amz-Date: 20150830T143600Z");
}

static void test_clock_that_is_set_right(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){403, "Date: Sun, 30 Aug 2015 14:36:00 GMT\r\n",
                                              ERROR_XML("SignatureDoesNotMatch", "Signature expired"), SERVER_KEEP};
    fixture->exchanges[1] = (struct exchange){200, NULL, "<A/>", SERVER_KEEP};
    fixture->exchanges[2] = fixture->exchanges[0];
    fixture->exchanges[3] = fixture->exchanges[1];

    assert_int_equal(get(fixture).outcome, AWS_OK);
    fixture->clock.test_realtime_ms += 7200 * INT64_C(1000); /* somebody has set it */
    assert_int_equal(get(fixture).outcome, AWS_OK);
    expect_head(fixture, 2, "X-Amz-Date: 20150830T163600Z");
    expect_head(fixture, 3, "X-Amz-Date: 20150830T143600Z");
    assert_int_equal(aws_service_clock_offset_s(fixture->service), 0);
    assert_int_equal(fixture->skews_logged, 2);
}

/* The clock is off and that is known: a signature that fails now fails for another reason. */
static void test_wrong_keys_with_a_corrected_clock(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){403, "Date: Sun, 30 Aug 2015 14:36:00 GMT\r\n",
                                              ERROR_XML("SignatureDoesNotMatch", "Signature expired"), SERVER_KEEP};
    fixture->exchanges[1] = (struct exchange){200, NULL, "<A/>", SERVER_KEEP};
    fixture->exchanges[2] = fixture->exchanges[0];
    fixture->exchanges[3] = fixture->exchanges[1];

    assert_int_equal(get(fixture).outcome, AWS_OK);
    environment_set("AWS_ACCESS_KEY_ID", "AKIDOTHER");
    assert_int_equal(get(fixture).outcome, AWS_OK);
    expect_head(fixture, 3, "Credential=AKIDOTHER/");
    assert_int_equal(fixture->skews_logged, 1);
    assert_true(counted(fixture, "credentials") == 1);
}

static void test_clock_behind_and_code_about_time(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){403, "Date: Sun, 30 Aug 2015 12:33:00 GMT\r\n",
                                              ERROR_XML("RequestTimeTooSkewed", "too far"), SERVER_KEEP};
    fixture->exchanges[1] = fixture->exchanges[0];

    const struct outcome outcome = get(fixture);
    assert_int_equal(outcome.outcome, AWS_TRANSIENT); /* a second time: no use, but not the request's fault */
    assert_string_equal(outcome.code, "RequestTimeTooSkewed");
    assert_int_equal(server_count_requests(&fixture->server), 2);
    expect_head(fixture, 1, "X-Amz-Date: 20150830T123300Z");
    assert_int_equal(aws_service_clock_offset_s(fixture->service), -180);
}

/* ---- credentials ---- */

static void test_refused_keys_are_looked_up_again_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){403, "Date: Sun, 30 Aug 2015 12:38:00 GMT\r\n",
                                              ERROR_XML("SignatureDoesNotMatch", "wrong key"), SERVER_KEEP};
    fixture->exchanges[1] = (struct exchange){200, NULL, "<A/>", SERVER_KEEP};

    fixture->key_of_second_look = "AKIDOTHER";
    assert_int_equal(get(fixture).outcome, AWS_OK);
    expect_head(fixture, 0, "Credential=AKIDEXAMPLE/");
    expect_head(fixture, 1, "Credential=AKIDOTHER/");
    assert_int_equal(aws_service_clock_offset_s(fixture->service), 0); /* two minutes are no reason */
    assert_true(counted(fixture, "credentials") == 1);
}

static void test_keys_that_stay_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const codes[] = {
        ERROR_XML("ExpiredToken", "old"),
        ERROR_XML("ExpiredTokenException", "old"),
        ERROR_XML("InvalidClientTokenId", "unknown"),
        ERROR_XML("UnrecognizedClientException", "unknown"),
        ERROR_XML("InvalidSignatureException", "wrong"),
        ERROR_XML("SignatureDoesNotMatch", "does not match.\n\nThe Canonical String\nx-amz-security-token:hush"),
        ERROR_XML("IncompleteSignature", "in Authorization header: 'AWS4-HMAC-SHA256 hush'"),
        ERROR_XML("AccessDenied", "User: x is not authorized to perform: route53:ChangeResourceRecordSets"),
    };

    for (size_t i = 0; i < ELEMENTS(codes); i++) {
        pthread_mutex_lock(&fixture->server.lock);
        for (size_t e = 0; e < EXCHANGES_MAX; e++) {
            fixture->exchanges[e] = (struct exchange){403, NULL, codes[i], SERVER_KEEP};
        }
        pthread_mutex_unlock(&fixture->server.lock);
        const struct outcome outcome = get(fixture);
        assert_int_equal(outcome.outcome, AWS_CREDENTIALS);
        assert_int_equal(outcome.status, 403);
        assert_int_equal(server_count_requests(&fixture->server), 2 * (i + 1)); /* once more, always */
        assert_null(strstr(outcome.message, "hush"));
        if (i + 1 == ELEMENTS(codes)) {
            assert_non_null(strstr(outcome.message, "not authorized to perform: route53:Change"));
        }
    }
}

static void test_skew_and_refused_keys_in_one_call(void **state)
{
    struct fixture *fixture = *state;
    fixture->exchanges[0] = (struct exchange){403, "Date: Sun, 30 Aug 2015 14:36:00 GMT\r\n",
                                              ERROR_XML("SignatureDoesNotMatch", "Signature expired"), SERVER_KEEP};
    fixture->exchanges[1] = (struct exchange){403, NULL, ERROR_XML("ExpiredToken", "old"), SERVER_KEEP};
    fixture->exchanges[2] = (struct exchange){200, NULL, "<A/>", SERVER_KEEP};

    assert_int_equal(get(fixture).outcome, AWS_OK);
    assert_int_equal(server_count_requests(&fixture->server), 3);
}

static void test_no_credentials(void **state)
{
    struct fixture *fixture = *state;
    environment_set("AWS_ACCESS_KEY_ID", "");
    environment_set("AWS_SECRET_ACCESS_KEY", "");
    const struct outcome outcome = get(fixture);

    assert_int_equal(outcome.outcome, AWS_CREDENTIALS);
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.message, "no AWS credentials"));
    assert_int_equal(server_count_requests(&fixture->server), 0);
    assert_true(counted(fixture, "credentials") == 1);
}

/* ---- life and death ---- */

static void test_cancel_and_free(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    struct aws_call *first = NULL;
    struct aws_call *second = NULL;
    fixture->exchanges[0].action = SERVER_SILENT;
    fixture->exchanges[1].action = SERVER_SILENT;

    aws_call_cancel(NULL);
    assert_int_equal(aws_call(fixture->service, "Operation", "GET", "/", NULL, NULL, 0, on_done, &outcome, &first), 0);
    aws_call_cancel(first); /* while it waits for credentials */
    assert_int_equal(aws_call(fixture->service, "Operation", "GET", "/", NULL, NULL, 0, on_done, &outcome, &first), 0);
    assert_int_equal(aws_call(fixture->service, "Operation", "GET", "/", NULL, NULL, 0, on_done, &outcome, &second), 0);
    while (server_count_requests(&fixture->server) < 1) {
        loop_turn(fixture->loop, 10);
    }
    aws_call_cancel(first); /* while it waits for the answer */
    aws_service_free(fixture->service);
    fixture->service = NULL;
    loop_turn(fixture->loop, 0);
    assert_int_equal(outcome.times, 0);
}

static void test_endpoint_that_is_none(void **state)
{
    struct fixture *fixture = *state;
    const struct aws_service_options options = {
        .service = "route53", .region = "us-east-1", .endpoint = "route53.amazonaws.com", .timeout_ms = 1000};
    aws_service_free(fixture->service);
    fixture->service = aws_service_new(fixture->loop, fixture->client, fixture->credentials, NULL, &options);
    const struct outcome outcome = get(fixture);

    assert_int_equal(outcome.outcome, AWS_TRANSIENT);
    assert_non_null(strstr(outcome.message, "correct the endpoint"));
}

static void test_endpoint_with_a_path(void **state)
{
    struct fixture *fixture = *state;
    char endpoint[128];
    (void)snprintf(endpoint, sizeof(endpoint), "%s/base/", fixture->server.url);
    const struct aws_service_options options = {.service = "route53",
                                                .region = "us-east-1",
                                                .endpoint = endpoint,
                                                .connect_timeout_ms = 1000,
                                                .timeout_ms = 10000,
                                                .response_max_bytes = 100};
    aws_service_free(fixture->service);
    fixture->service = aws_service_new(fixture->loop, fixture->client, fixture->credentials, NULL, &options);
    fixture->exchanges[0] = (struct exchange){200, NULL, "<A/>", SERVER_KEEP};
    assert_int_equal(get(fixture).outcome, AWS_OK);
    expect_head(fixture, 0, "GET /base/2013-04-01/hostedzone HTTP/1.1\r\n");
}

static void test_endpoints_of_partitions(void **state)
{
    (void)state;
    static const struct {
        const char *region;
        const char *endpoint;
        const char *signing_region;
    } rows[] = {
        {"us-east-1", "https://route53.amazonaws.com", "us-east-1"},
        {"eu-west-1", "https://route53.amazonaws.com", "us-east-1"},
        {"", "https://route53.amazonaws.com", "us-east-1"},
        {"cn-north-1", "https://route53.amazonaws.com.cn", "cn-northwest-1"},
        {"us-gov-east-1", "https://route53.us-gov.amazonaws.com", "us-gov-west-1"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *signing_region = NULL;
        assert_string_equal(aws_route53_endpoint(rows[i].region, &signing_region), rows[i].endpoint);
        assert_string_equal(signing_region, rows[i].signing_region);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_is_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_are_classified, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry_after, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_connection_and_endless_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_is_corrected_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_that_is_set_right, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_keys_with_a_corrected_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_behind_and_code_about_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_keys_are_looked_up_again_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_that_stay_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skew_and_refused_keys_in_one_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_and_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endpoint_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endpoint_with_a_path, setup, teardown),
        cmocka_unit_test(test_endpoints_of_partitions),
    };
    return cmocka_run_group_tests_name("aws_call", tests, NULL, NULL);
}
