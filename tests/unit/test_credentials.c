#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>

#include "aws/credentials.h"
#include "base/log.h"

#include "environment.h"
#include "http_server.h"

/* 2015-08-30T12:36:00Z, and the Date header of that moment */
#define NOW_S 1440938160
#define NOW_DATE "Sun, 30 Aug 2015 12:36:00 GMT"
#define HOUR_LATER "2015-08-30T13:36:00Z"

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct http_client *client;
    struct credentials *credentials;
    struct http_server server;
    char folder[64];
    unsigned keys_found;      /* lines of the log that say so */
    unsigned renewals_failed; /* the same */
    bool leaked;              /* a key into the log */

    /* the server's: under its lock */
    struct buffer log; /* "METHOD TARGET" and what matters of each request, a line each */
    unsigned failing;  /* this many requests are answered with `failing_status` */
    unsigned failing_status;
    char expiration[32];
    char date[64];
    unsigned handed_out; /* keys, numbered */
    const char *role;
    const char *error_code; /* what STS says instead of keys; once */
    enum server_action action;
};

/* ---- the services: instance metadata, a container endpoint and STS in one ---- */

static void answer_json_keys(struct fixture *fixture, struct buffer *answer)
{
    char headers[128];
    char body[512];
    const unsigned number = ++fixture->handed_out;

    (void)snprintf(headers, sizeof(headers), "%s%s%s", fixture->date[0] ? "Date: " : "", fixture->date,
                   fixture->date[0] ? "\r\n" : "");
    (void)snprintf(body, sizeof(body),
                   "{\"Code\": \"Success\", \"AccessKeyId\": \"AKID%u\", \"SecretAccessKey\": \"secret%u\", "
                   "\"Token\": \"token%u\", \"Expiration\": \"%s\"}",
                   number, number, number, fixture->expiration);
    server_answer(answer, 200, headers, body);
}

static void answer_sts(struct fixture *fixture, const struct server_request *request, struct buffer *answer)
{
    const bool is_web = strstr(request->body, "AssumeRoleWithWebIdentity") != NULL;
    const char *action = is_web ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    char headers[128];
    char body[1024];

    (void)snprintf(headers, sizeof(headers), "Date: %s\r\n", fixture->date[0] ? fixture->date : NOW_DATE);
    if (fixture->error_code) {
        (void)snprintf(body, sizeof(body),
                       "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
                       "<Code>%s</Code><Message>words of STS</Message></Error></ErrorResponse>",
                       fixture->error_code);
        fixture->error_code = NULL;
        server_answer(answer, 403, headers, body);
        return;
    }
    const unsigned number = ++fixture->handed_out;
    (void)snprintf(body, sizeof(body),
                   "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult><Credentials>"
                   "<AccessKeyId>AKID%u</AccessKeyId><SecretAccessKey>secret%u</SecretAccessKey>"
                   "<SessionToken>token%u</SessionToken><Expiration>%s</Expiration></Credentials></%sResult>"
                   "</%sResponse>",
                   action, action, number, number, number, fixture->expiration, action, action);
    server_answer(answer, 200, headers, body);
}

static void answer_instance(struct fixture *fixture, const struct server_request *request, struct buffer *answer)
{
    static const char roles[] = "/latest/meta-data/iam/security-credentials/";
    char value[64];

    if (strcmp(request->target, "/latest/api/token") == 0) {
        const bool is_right =
            strcmp(request->method, "PUT") == 0 && request->body_length == 0 &&
            strcmp(server_header(request, "X-aws-ec2-metadata-token-ttl-seconds", value, sizeof(value)), "21600") == 0;
        server_answer(answer, is_right ? 200 : 400, "", is_right ? "session-token" : "");
    } else if (strcmp(server_header(request, "X-aws-ec2-metadata-token", value, sizeof(value)), "session-token") != 0) {
        server_answer(answer, 401, "", "");
    } else if (strcmp(request->target, roles) == 0) {
        server_answer(answer, fixture->role ? 200 : 404, "", fixture->role ? fixture->role : "");
    } else if (strncmp(request->target, roles, strlen(roles)) == 0) {
        answer_json_keys(fixture, answer);
    } else {
        server_answer(answer, 404, "", "");
    }
}

static enum server_action answer_request(const struct server_request *request, struct buffer *answer, void *userdata)
{
    struct fixture *fixture = userdata;
    char authorization[512];

    server_header(request, "Authorization", authorization, sizeof(authorization));
    buffer_printf(&fixture->log, "%s %s", request->method, request->target);
    if (authorization[0]) { /* what it is signed with, without the signature */
        buffer_printf(&fixture->log, " [%.*s]", (int)strcspn(authorization, ","), authorization);
    }
    buffer_printf(&fixture->log, "%s%s\n", *request->body ? " " : "", request->body);

    if (fixture->failing > 0) {
        fixture->failing--;
        server_answer(answer, fixture->failing_status, "", "not now");
        return fixture->action;
    }
    if (strcmp(request->target, "/container") == 0) {
        if (strcmp(authorization, "container-token") == 0) {
            answer_json_keys(fixture, answer);
        } else {
            server_answer(answer, 403, "", "{\"code\": \"AccessDenied\"}");
        }
    } else if (strncmp(request->target, "/latest/", 8) == 0) {
        answer_instance(fixture, request, answer);
    } else {
        answer_sts(fixture, request, answer);
    }
    return fixture->action;
}

/* ---- the fixture ---- */

#define PATIENCE_FACTOR 20

typedef CURLcode (*setopt_function)(CURL *easy, CURLoption option, ...);

/* In place of curl's: metadata have a second, and the test's server may be late. */
CURLcode(curl_easy_setopt)(CURL *easy, CURLoption option, ...)
{
    static setopt_function real;
    va_list arguments;

    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "curl_easy_setopt");
        assert_non_null(real);
    }
    va_start(arguments, option);
    long value = va_arg(arguments, long); /* or a pointer, which is as large */
    va_end(arguments);
    if (option == CURLOPT_TIMEOUT_MS || option == CURLOPT_CONNECTTIMEOUT_MS) {
        value *= PATIENCE_FACTOR;
    }
    return real(easy, option, value);
}

static void read_log(enum log_level level, const char *line, void *userdata)
{
    struct fixture *fixture = userdata;
    (void)level;
    fixture->keys_found += strstr(line, "event=credentials ") != NULL;
    fixture->renewals_failed += strstr(line, "event=credentials_renewal_failed") != NULL;
    fixture->leaked |= strstr(line, "secret1") || strstr(line, "secret2") || strstr(line, "token1");
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char path[128];

    clock_init_test(&fixture->clock, 5000, NOW_S * INT64_C(1000));
    fixture->loop = loop_new(&fixture->clock);
    fixture->client = http_client_new(fixture->loop);
    fixture->credentials = credentials_new(fixture->loop, fixture->client, "", "eu-west-1", environment_get);
    fixture->role = "ddns53-role";
    (void)snprintf(fixture->expiration, sizeof(fixture->expiration), HOUR_LATER);
    server_start(&fixture->server, answer_request, fixture);
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/ddns53-credentials-XXXXXX");
    if (!mkdtemp(fixture->folder)) {
        return -1;
    }
    environment_clear();
    (void)snprintf(path, sizeof(path), "%s/credentials", fixture->folder);
    environment_set("AWS_SHARED_CREDENTIALS_FILE", path);
    environment_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", fixture->server.url);
    environment_set("AWS_ENDPOINT_URL_STS", fixture->server.url);
    log_set_sink(read_log, fixture);
    *state = fixture;
    return crypto_init();
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    log_set_sink(NULL, NULL);
    credentials_free(fixture->credentials);
    http_client_free(fixture->client);
    loop_free(fixture->loop);
    server_stop(&fixture->server);
    environment_remove(fixture->folder, "credentials");
    environment_remove(fixture->folder, "token");
    remove(fixture->folder);
    buffer_done(&fixture->log);
    const bool leaked = fixture->leaked;
    free(fixture);
    environment_clear();
    return leaked ? -1 : 0;
}

static void advance(struct fixture *fixture, int64_t seconds)
{
    fixture->clock.test_monotonic_ms += 1000 * seconds;
    fixture->clock.test_realtime_ms += 1000 * seconds;
}

/* What one waiter was told, copied. */
struct told {
    unsigned times;
    struct aws_keys *keys; /* a reference */
    char message[1024];
};

static void on_told(struct aws_keys *keys, const char *message, void *userdata)
{
    struct told *told = userdata;
    told->times++;
    told->keys = keys ? aws_keys_ref(keys) : NULL;
    (void)snprintf(told->message, sizeof(told->message), "%s", message);
}

static void turn_until(struct fixture *fixture, const unsigned *counter, unsigned value)
{
    for (unsigned turns = 0; *counter < value; turns++) {
        assert_true(turns < 200);
        loop_turn(fixture->loop, 100);
    }
}

static struct told get(struct fixture *fixture)
{
    struct told told = {0};
    struct credentials_wait *wait = NULL;

    assert_int_equal(credentials_get(fixture->credentials, on_told, &told, &wait), 0);
    assert_int_equal(told.times, 0); /* never from inside */
    turn_until(fixture, &told.times, 1);
    return told;
}

static void expect_key(struct fixture *fixture, const char *access_key_id)
{
    const struct told told = get(fixture);
    if (!told.keys) {
        fail_msg("%s", told.message);
    }
    assert_string_equal(told.keys->access_key_id, access_key_id);
    assert_string_equal(told.message, "");
    aws_keys_unref(told.keys);
}

static void expect_failure(struct fixture *fixture, const char *words)
{
    const struct told told = get(fixture);
    assert_null(told.keys);
    if (!strstr(told.message, words)) {
        fail_msg("'%s' does not have '%s'", told.message, words);
    }
}

static void expect_log(struct fixture *fixture, const char *expected)
{
    pthread_mutex_lock(&fixture->server.lock);
    char *log = strdup(buffer_text(&fixture->log));
    buffer_clear(&fixture->log);
    pthread_mutex_unlock(&fixture->server.lock);
    assert_string_equal(log, expected);
    free(log);
}

static void fail_next(struct fixture *fixture, unsigned count, unsigned status)
{
    pthread_mutex_lock(&fixture->server.lock);
    fixture->failing = count;
    fixture->failing_status = status;
    pthread_mutex_unlock(&fixture->server.lock);
}

/* ---- sources ---- */

#define INSTANCE_LOG                                    \
    "PUT /latest/api/token\n"                           \
    "GET /latest/meta-data/iam/security-credentials/\n" \
    "GET /latest/meta-data/iam/security-credentials/ddns53-role\n"

static void test_environment_and_files(void **state)
{
    struct fixture *fixture = *state;
    environment_write(fixture->folder, "credentials", "[default]\naws_access_key_id = F\naws_secret_access_key = f\n");
    expect_key(fixture, "F");
    environment_set("AWS_ACCESS_KEY_ID", "E");
    environment_set("AWS_SECRET_ACCESS_KEY", "e");
    expect_key(fixture, "F"); /* cached */
    credentials_refresh(fixture->credentials, NULL);
    expect_key(fixture, "E");
    assert_int_equal(server_count_requests(&fixture->server), 0);
}

static void test_instance_metadata(void **state)
{
    struct fixture *fixture = *state;
    const struct told told = get(fixture);

    assert_non_null(told.keys);
    assert_string_equal(told.keys->access_key_id, "AKID1");
    assert_true(secret_equals(told.keys->secret_access_key, "secret1", 7));
    assert_true(secret_equals(told.keys->session_token, "token1", 6));
    assert_true(told.keys->expires_s == NOW_S + 3600);
    assert_string_equal(told.keys->origin, "instance metadata");
    aws_keys_unref(told.keys);
    expect_log(fixture, INSTANCE_LOG);
}

static void test_instance_metadata_is_tried_three_times(void **state)
{
    struct fixture *fixture = *state;

    fail_next(fixture, 2, 503);
    expect_key(fixture, "AKID1");
    expect_log(fixture, "PUT /latest/api/token\nPUT /latest/api/token\n" INSTANCE_LOG);

    credentials_refresh(fixture->credentials, NULL);
    fail_next(fixture, 3, 500);
    expect_failure(fixture, "instance metadata gave none: http://127.0.0.1");
    expect_log(fixture, "PUT /latest/api/token\nPUT /latest/api/token\nPUT /latest/api/token\n");
}

static void test_instance_metadata_that_is_odd(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *role;
        const char *words;
    } rows[] = {
        {NULL, "the instance has no role; attach one"},
        {"", "no proper name"},
        {"a/../../x", "no proper name"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789", "no proper name"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        fixture->role = rows[i].role;
        credentials_refresh(fixture->credentials, NULL);
        expect_failure(fixture, rows[i].words);
    }
    fixture->role = "ddns53-role\nsecond";
    (void)snprintf(fixture->expiration, sizeof(fixture->expiration), "tomorrow");
    credentials_refresh(fixture->credentials, NULL);
    expect_failure(fixture, "the answer is not the JSON of credentials");
    fail_next(fixture, 1, 403); /* turned off for this instance: no use to try again */
    credentials_refresh(fixture->credentials, NULL);
    expect_failure(fixture, "HTTP status 403; set AWS_ACCESS_KEY_ID");
}

static void test_container(void **state)
{
    struct fixture *fixture = *state;
    char text[128];

    (void)snprintf(text, sizeof(text), "%s/container", fixture->server.url);
    environment_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", text);
    environment_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong");
    expect_failure(fixture, "container: http://127.0.0.1");
    credentials_refresh(fixture->credentials, NULL);
    (void)snprintf(text, sizeof(text), "%s/token", fixture->folder);
    environment_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", text);
    expect_failure(fixture, "No such file or directory; it is what AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names");
    credentials_refresh(fixture->credentials, NULL);
    environment_write(fixture->folder, "token", "container\ntoken");
    expect_failure(fixture, "line break");
    credentials_refresh(fixture->credentials, NULL);
    environment_write(fixture->folder, "token", "container-token\n");
    expect_key(fixture, "AKID1");
    expect_log(fixture, "GET /container [wrong]\nGET /container [container-token]\n");
}

static void test_assumed_roles(void **state)
{
    struct fixture *fixture = *state;
    environment_set("AWS_PROFILE", "dns");
    environment_write(fixture->folder, "credentials",
                      "[base]\naws_access_key_id = B\naws_secret_access_key = b\n"
                      "[middle]\nrole_arn = arn:aws:iam::1:role/middle\nsource_profile = base\n"
                      "[dns]\nrole_arn = arn:aws:iam::1:role/a b\nsource_profile = middle\nexternal_id = x&y\n"
                      "duration_seconds = 900\nrole_session_name = me\nregion = eu-west-2\n");
    const struct told told = get(fixture);

    assert_string_equal(told.keys->access_key_id, "AKID2");
    assert_non_null(strstr(told.keys->origin, "profile dns of "));
    assert_true(told.keys->expires_s == NOW_S + 3600);
    aws_keys_unref(told.keys);
    expect_log(fixture, "POST / [AWS4-HMAC-SHA256 Credential=B/20150830/eu-west-1/sts/aws4_request] "
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fmiddle"
                        "&RoleSessionName=ddns53d\n"
                        "POST / [AWS4-HMAC-SHA256 Credential=AKID1/20150830/eu-west-2/sts/aws4_request] "
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b"
                        "&RoleSessionName=me&DurationSeconds=900&ExternalId=x%26y\n");
}

static void test_web_identity(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/token", fixture->folder);
    environment_set("AWS_WEB_IDENTITY_TOKEN_FILE", path);
    environment_set("AWS_ROLE_ARN", "arn:role");

    expect_failure(fixture, "web identity: ");
    credentials_refresh(fixture->credentials, NULL);
    environment_write(fixture->folder, "token", "\n");
    expect_failure(fixture, "empty; it should hold the web identity token");
    credentials_refresh(fixture->credentials, NULL);
    environment_write(fixture->folder, "token", "ey.J+/=\n");
    expect_key(fixture, "AKID1");
    expect_log(fixture, "POST / Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Arole"
                        "&RoleSessionName=ddns53d&WebIdentityToken=ey.J%2B%2F%3D\n");
}

static void set_role(struct fixture *fixture)
{
    environment_write(fixture->folder, "credentials",
                      "[default]\nrole_arn = arn:role\nsource_profile = default\n"
                      "aws_access_key_id = B\naws_secret_access_key = b\n");
}

static void test_role_that_is_refused(void **state)
{
    struct fixture *fixture = *state;
    set_role(fixture);
    fixture->error_code = "AccessDenied";
    expect_failure(fixture, "AccessDenied: words of STS");
    assert_int_equal(server_count_requests(&fixture->server), 1); /* no use to try again */
}

/* STS is 2 hours ahead: the call is signed once more with its time, and the expiry is told in ours. */
static void test_role_with_a_clock_that_is_off(void **state)
{
    struct fixture *fixture = *state;
    set_role(fixture);
    fixture->error_code = "SignatureDoesNotMatch";
    (void)snprintf(fixture->date, sizeof(fixture->date), "Sun, 30 Aug 2015 14:36:00 GMT");
    (void)snprintf(fixture->expiration, sizeof(fixture->expiration), "2015-08-30T15:36:00Z");
    const struct told told = get(fixture);
    assert_non_null(told.keys);
    assert_true(told.keys->expires_s == NOW_S + 3600);
    aws_keys_unref(told.keys);
    assert_int_equal(server_count_requests(&fixture->server), 2);
}

static void test_sts_is_tried_again_later(void **state)
{
    struct fixture *fixture = *state;
    struct told told = {0};

    set_role(fixture);
    fail_next(fixture, 2, 503);
    assert_int_equal(credentials_get(fixture->credentials, on_told, &told, NULL), 0);
    for (unsigned turns = 0; told.times == 0; turns++) {
        assert_true(turns < 1000);
        fixture->clock.test_monotonic_ms += 10; /* 0.4 and 0.8 s at most */
        loop_turn(fixture->loop, 10);
    }
    assert_int_equal(server_count_requests(&fixture->server), 3);
    assert_true(fixture->clock.test_monotonic_ms >= 5000 + 200 + 400); /* not at once */
    assert_string_equal(told.keys->access_key_id, "AKID1");
    aws_keys_unref(told.keys);
}

/* ---- the cache ---- */

static void test_waiters_share_one_look(void **state)
{
    struct fixture *fixture = *state;
    struct told told[5] = {{0}};
    struct credentials_wait *waits[5];

    credentials_wait_cancel(NULL);
    for (size_t i = 0; i < ELEMENTS(told); i++) {
        assert_int_equal(credentials_get(fixture->credentials, on_told, &told[i], &waits[i]), 0);
    }
    credentials_wait_cancel(waits[0]);
    credentials_wait_cancel(waits[2]);
    credentials_wait_cancel(waits[4]);
    turn_until(fixture, &told[3].times, 1);
    for (size_t i = 0; i < ELEMENTS(told); i++) {
        assert_int_equal(told[i].times, i % 2);
        aws_keys_unref(told[i].keys);
    }
    assert_ptr_equal(told[1].keys, told[3].keys);
    expect_log(fixture, INSTANCE_LOG);
}

static void test_renewal_in_the_background(void **state)
{
    struct fixture *fixture = *state;

    expect_key(fixture, "AKID1");
    advance(fixture, 3600 - 301);
    expect_key(fixture, "AKID1");
    assert_int_equal(server_count_requests(&fixture->server), 3);
    advance(fixture, 1);
    (void)snprintf(fixture->expiration, sizeof(fixture->expiration), "2015-08-30T14:36:00Z");
    expect_key(fixture, "AKID1"); /* serves while the new one is fetched */
    turn_until(fixture, &fixture->keys_found, 2);
    expect_key(fixture, "AKID2");
    assert_int_equal(server_count_requests(&fixture->server), 6);
}

static void wait_for_requests(struct fixture *fixture, unsigned count)
{
    for (unsigned turns = 0; server_count_requests(&fixture->server) < count; turns++) {
        assert_true(turns < 1000);
        loop_turn(fixture->loop, 10);
    }
}

static void test_failed_renewals_are_tried_again_until_expiry(void **state)
{
    struct fixture *fixture = *state;

    expect_key(fixture, "AKID1");
    fail_next(fixture, 1000, 403);
    advance(fixture, 3300);
    for (unsigned failed = 1; failed <= 3; failed++) { /* 1, 2 and 4 seconds later at most */
        turn_until(fixture, &fixture->renewals_failed, failed);
        loop_turn(fixture->loop, 0);
        expect_key(fixture, "AKID1");
        assert_int_equal(server_count_requests(&fixture->server), 3 + failed);
        advance(fixture, INT64_C(1) << (failed - 1));
    }
    fail_next(fixture, 0, 0);
    (void)snprintf(fixture->expiration, sizeof(fixture->expiration), "2015-08-30T14:36:00Z");
    turn_until(fixture, &fixture->keys_found, 2);
    expect_key(fixture, "AKID2");

    /* and when they never succeed, the old ones end with their life */
    fail_next(fixture, 1000, 403);
    advance(fixture, NOW_S + 7200 - 300 - fixture->clock.test_realtime_ms / 1000);
    turn_until(fixture, &fixture->renewals_failed, 4);
    expect_key(fixture, "AKID2");
    advance(fixture, 300);
    expect_failure(fixture, "no AWS credentials");
    assert_int_equal(fixture->renewals_failed, 4);
}

static void test_keys_that_come_expired_serve_a_while(void **state)
{
    struct fixture *fixture = *state;
    (void)snprintf(fixture->expiration, sizeof(fixture->expiration), "2015-08-30T12:00:00Z");
    expect_key(fixture, "AKID1");
    expect_key(fixture, "AKID1");
    advance(fixture, 29);
    expect_key(fixture, "AKID1");
    assert_int_equal(server_count_requests(&fixture->server), 3);
    advance(fixture, 31);
    expect_key(fixture, "AKID2");
}

static void test_failure_is_kept_for_a_second(void **state)
{
    struct fixture *fixture = *state;
    fail_next(fixture, 1, 403);
    expect_failure(fixture, "no AWS credentials: there is no AWS_ACCESS_KEY_ID");
    expect_failure(fixture, "no AWS credentials: there is no AWS_ACCESS_KEY_ID");
    assert_int_equal(server_count_requests(&fixture->server), 1);
    advance(fixture, 1);
    expect_key(fixture, "AKID1");
}

static void test_refresh_of_refused_keys(void **state)
{
    struct fixture *fixture = *state;
    const struct told first = get(fixture);

    credentials_refresh(fixture->credentials, first.keys);
    expect_key(fixture, "AKID2");
    credentials_refresh(fixture->credentials, first.keys); /* they are not what is cached any more */
    expect_key(fixture, "AKID2");
    aws_keys_unref(first.keys);
    assert_int_equal(server_count_requests(&fixture->server), 6);
}

struct refresher {
    struct fixture *fixture;
    unsigned times;
    struct told again;
};

static void refresh_and_get(struct aws_keys *keys, const char *message, void *userdata)
{
    struct refresher *refresher = userdata;
    (void)message;
    refresher->times++;
    credentials_refresh(refresher->fixture->credentials, keys);
    assert_int_equal(credentials_get(refresher->fixture->credentials, on_told, &refresher->again, NULL), 0);
}

/* A waiter that finds its keys refused says so while others are being told of the same ones. */
static void test_refresh_from_inside(void **state)
{
    struct fixture *fixture = *state;
    struct refresher refresher = {.fixture = fixture};
    struct told second = {0};

    assert_int_equal(credentials_get(fixture->credentials, refresh_and_get, &refresher, NULL), 0);
    assert_int_equal(credentials_get(fixture->credentials, on_told, &second, NULL), 0);
    turn_until(fixture, &refresher.again.times, 1);
    assert_string_equal(second.keys->access_key_id, "AKID1");
    assert_string_equal(refresher.again.keys->access_key_id, "AKID2");
    aws_keys_unref(second.keys);
    aws_keys_unref(refresher.again.keys);
}

/* A reload while a look is under way: it may have read the old files, so it begins anew. */
static void test_reload_during_a_look(void **state)
{
    struct fixture *fixture = *state;
    struct told told = {0};

    fixture->action = SERVER_SILENT;
    assert_int_equal(credentials_get(fixture->credentials, on_told, &told, NULL), 0);
    wait_for_requests(fixture, 1);
    environment_set("AWS_ACCESS_KEY_ID", "E");
    environment_set("AWS_SECRET_ACCESS_KEY", "e");
    credentials_refresh(fixture->credentials, NULL);
    turn_until(fixture, &told.times, 1);
    assert_string_equal(told.keys->access_key_id, "E");
    aws_keys_unref(told.keys);
}

static void test_free_with_waiters(void **state)
{
    struct fixture *fixture = *state;
    struct told told = {0};

    credentials_free(NULL);
    assert_int_equal(credentials_get(fixture->credentials, on_told, &told, NULL), 0);
    wait_for_requests(fixture, 1);
    assert_int_equal(credentials_get(fixture->credentials, on_told, &told, NULL), 0);
    credentials_free(fixture->credentials);
    fixture->credentials = NULL;
    loop_turn(fixture->loop, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_environment_and_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_instance_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_instance_metadata_is_tried_three_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_instance_metadata_that_is_odd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_container, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assumed_roles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_web_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_role_that_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_role_with_a_clock_that_is_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sts_is_tried_again_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiters_share_one_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renewal_in_the_background, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_renewals_are_tried_again_until_expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_that_come_expired_serve_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_is_kept_for_a_second, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh_of_refused_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh_from_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_during_a_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_with_waiters, setup, teardown),
    };
    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
