#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/http_client.h"

#include "http_server.h"

/* In the place of libssh2's: what the client starts it with. */
static int libssh2_flags[2];
static size_t libssh2_starts;

int libssh2_init(int flags);
int libssh2_init(int flags)
{
    if (libssh2_starts < ELEMENTS(libssh2_flags)) {
        libssh2_flags[libssh2_starts++] = flags;
    }
    return 0;
}

/* What the server is to do is in the path: one row each. */
struct fixture {
    struct http_server server;
    struct clock clock;
    struct loop *loop;
    struct http_client *client;
    struct buffer seen; /* head and body of the last request; under the server's lock */
};

static enum server_action answer_request(const struct server_request *request, struct buffer *answer, void *userdata)
{
    struct fixture *fixture = userdata;

    buffer_clear(&fixture->seen);
    buffer_append_text(&fixture->seen, request->head);
    buffer_append_text(&fixture->seen, "\r\n");
    buffer_append_text(&fixture->seen, request->body);

    if (strcmp(request->target, "/stall") == 0) {
        return SERVER_SILENT;
    }
    if (strcmp(request->target, "/half") == 0) {
        buffer_append_text(answer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return SERVER_CLOSE;
    }
    if (strcmp(request->target, "/nothing") == 0) {
        return SERVER_CLOSE;
    }
    if (strcmp(request->target, "/reset") == 0) {
        return SERVER_RESET;
    }
    if (strcmp(request->target, "/garbage") == 0) {
        buffer_append_text(answer, "certainly not HTTP\r\n\r\n");
        return SERVER_CLOSE;
    }
    if (strncmp(request->target, "/bytes/", 7) == 0) {
        char *body = malloc(1000001);
        const size_t length = strtoul(request->target + 7, NULL, 10);
        memset(body, 'x', length);
        body[length] = '\0';
        server_answer(answer, 200, "", body);
        free(body);
        return SERVER_KEEP;
    }
    if (strcmp(request->target, "/endless") == 0) { /* no length announced */
        buffer_append_text(answer, "HTTP/1.1 200 OK\r\n\r\n");
        for (unsigned i = 0; i < 100000; i++) {
            buffer_append_text(answer, "and so on ");
        }
        return SERVER_CLOSE;
    }
    if (strcmp(request->target, "/headers") == 0) {
        buffer_append_text(answer, "HTTP/1.1 200 OK\r\n");
        for (unsigned i = 0; i < 2000; i++) {
            buffer_printf(answer, "X-Header-%u: and so on and so on and so on\r\n", i);
        }
        buffer_append_text(answer, "Content-Length: 0\r\n\r\n");
        return SERVER_KEEP;
    }
    if (strcmp(request->target, "/redirect") == 0) {
        server_answer(answer, 302, "Location: /elsewhere\r\n", "moved");
        return SERVER_KEEP;
    }
    server_answer(answer, 200, "X-Word: hello\r\nRetry-After: 7\r\n", "fine");
    return SERVER_KEEP;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->loop = loop_new(clock_system());
    fixture->client = http_client_new(fixture->loop);
    server_start(&fixture->server, answer_request, fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    http_client_free(fixture->client);
    loop_free(fixture->loop);
    server_stop(&fixture->server);
    buffer_done(&fixture->seen);
    free(fixture);
    return 0;
}

/* What came of a call, copied. */
struct outcome {
    unsigned calls;
    int error;
    unsigned status;
    size_t length;
    char body[64];
    char reason[256];
    char word[32];
    bool has_missing_header;
};

static void on_done(const struct http_response *response, void *userdata)
{
    struct outcome *outcome = userdata;
    const char *word = http_response_header(response, "x-wORD");

    outcome->calls++;
    outcome->error = response->error;
    outcome->status = response->status;
    outcome->length = response->length;
    assert_int_equal(strlen(response->body), response->length);
    (void)snprintf(outcome->body, sizeof(outcome->body), "%.60s", response->body);
    (void)snprintf(outcome->reason, sizeof(outcome->reason), "%s", response->reason);
    (void)snprintf(outcome->word, sizeof(outcome->word), "%s", word ? word : "");
    outcome->has_missing_header = http_response_header(response, "x-missing") != NULL;
}

static struct http_request request_of(const char *url)
{
    return (struct http_request){
        .method = "GET", .url = url, .connect_timeout_ms = 5000, .timeout_ms = 10000, .response_max_bytes = 1000};
}

static struct outcome run(struct fixture *fixture, const struct http_request *request)
{
    struct outcome outcome = {0};
    struct http_call *call = NULL;

    assert_int_equal(http_client_send(fixture->client, request, on_done, &outcome, &call), 0);
    assert_non_null(call);
    assert_int_equal(outcome.calls, 0); /* never from inside */
    for (unsigned turns = 0; !outcome.calls; turns++) {
        assert_true(turns < 1000);
        loop_turn(fixture->loop, 10000);
    }
    loop_turn(fixture->loop, 0);
    assert_int_equal(outcome.calls, 1);
    return outcome;
}

static struct outcome get(struct fixture *fixture, const char *path)
{
    char url[256];
    (void)snprintf(url, sizeof(url), "%s%s", fixture->server.url, path);
    const struct http_request request = request_of(url);
    return run(fixture, &request);
}

static void test_answer_is_handed_over(void **state)
{
    const struct outcome outcome = get(*state, "/");

    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.reason, "");
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "fine");
    assert_string_equal(outcome.word, "hello");
    assert_false(outcome.has_missing_header);
}

static const char *seen(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->server.lock);
    const char *text = buffer_text(&fixture->seen); /* stays: the server waits for the next request */
    pthread_mutex_unlock(&fixture->server.lock);
    return text;
}

static void test_headers_go_out_exactly_as_given(void **state)
{
    struct fixture *fixture = *state;
    char url[128];
    char expected[256];
    (void)snprintf(url, sizeof(url), "%s/a/./b/../c//%%7e?x=1&x=0&%%41", fixture->server.url);
    const char *const headers[] = {"Host: route53.example", "X-Amz-Date: 20150830T123600Z", "x-empty:", "X-Two: a  b",
                                   NULL};
    struct http_request request = request_of(url);
    request.headers = headers;

    assert_int_equal(run(fixture, &request).status, 200);
    (void)snprintf(expected, sizeof(expected),
                   "GET /a/./b/../c//%%7e?x=1&x=0&%%41 HTTP/1.1\r\n"
                   "Host: route53.example\r\nX-Amz-Date: 20150830T123600Z\r\nx-empty:\r\nX-Two: a  b\r\n\r\n");
    assert_string_equal(seen(fixture), expected);
}

static void test_body_of_post_and_put(void **state)
{
    struct fixture *fixture = *state;
    char *large = calloc(1, 20001);
    memset(large, 'y', 20000);
    struct http_request request = request_of(fixture->server.url);
    const struct {
        const char *method;
        const char *body;
        const char *content_type;
    } rows[] = {
        {"POST", "<a/>", "Content-Type: text/xml"},
        {"POST", large, "Content-Type: text/xml"}, /* curl would ask 100-continue first */
        {"PUT", NULL, NULL},
        {"POST", "", NULL},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct buffer expected = BUFFER_INIT;
        const size_t length = rows[i].body ? strlen(rows[i].body) : 0;
        const char *const headers[] = {rows[i].content_type, NULL};
        request.method = rows[i].method;
        request.headers = headers;
        request.body = rows[i].body;
        request.body_length = length;
        assert_int_equal(run(fixture, &request).status, 200);
        buffer_printf(&expected, "%s / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                      rows[i].method, fixture->server.port, rows[i].content_type ? rows[i].content_type : "",
                      rows[i].content_type ? "\r\n" : "", length, rows[i].body ? rows[i].body : "");
        assert_string_equal(seen(fixture), buffer_text(&expected));
        buffer_done(&expected);
    }
    free(large);
}

static void test_connection_is_used_again(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(get(fixture, "/").status, 200);
    }
    assert_int_equal(server_count_requests(&fixture->server), 10);
    assert_int_equal(server_count_connections(&fixture->server), 1);
}

/* A loop and a client whose time the test moves. */
static void stop_the_clock(struct fixture *fixture)
{
    http_client_free(fixture->client);
    loop_free(fixture->loop);
    clock_init_test(&fixture->clock, 0, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->client = http_client_new(fixture->loop);
}

static void pass(struct fixture *fixture, int64_t ms)
{
    fixture->clock.test_monotonic_ms += ms;
    loop_turn(fixture->loop, 0);
}

static void test_connections_are_closed_after_a_minute_without_a_call(void **state)
{
    struct fixture *fixture = *state;

    stop_the_clock(fixture);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(get(fixture, "/").status, 200);
        pass(fixture, 59999);
    }
    assert_int_equal(server_count_connections(&fixture->server), 1);
    pass(fixture, 1);
    assert_int_equal(get(fixture, "/").status, 200);
    assert_int_equal(server_count_connections(&fixture->server), 2);
}

static void test_a_call_of_more_than_a_minute_keeps_its_connection(void **state)
{
    struct fixture *fixture = *state;
    struct outcome stalled = {0};
    char url[128];

    stop_the_clock(fixture);
    assert_int_equal(get(fixture, "/").status, 200);
    (void)snprintf(url, sizeof(url), "%s/stall", fixture->server.url);
    const struct http_request request = request_of(url);
    struct http_call *call = NULL;
    assert_int_equal(http_client_send(fixture->client, &request, on_done, &stalled, &call), 0);
    pass(fixture, 3600 * 1000);
    assert_int_equal(stalled.calls, 0);
    http_call_cancel(call);
}

struct poster {
    struct loop *loop;
    struct loop_work work;
    atomic_bool posts;
    atomic_bool is_over;
    unsigned runs;
};

static void count_run(struct loop_work *work)
{
    CONTAINER_OF(work, struct poster, work)->runs++;
}

static void *post_while_wanted(void *userdata)
{
    struct poster *poster = userdata;

    while (!atomic_load(&poster->is_over)) {
        if (atomic_load(&poster->posts)) {
            loop_post(poster->loop, &poster->work);
        }
    }
    return NULL;
}

/* Nobody wakes a handle that is gone, and what is posted at that moment runs. */
static void test_work_is_posted_while_connections_are_closed(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    stop_the_clock(fixture);
    struct poster poster = {.loop = fixture->loop, .work.run = count_run};
    assert_int_equal(pthread_create(&thread, NULL, post_while_wanted, &poster), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(get(fixture, "/").status, 200);
        atomic_store(&poster.posts, true);
        pass(fixture, 60000);
        atomic_store(&poster.posts, false);
    }
    atomic_store(&poster.is_over, true);
    pthread_join(thread, NULL);
    const unsigned before = poster.runs;
    loop_post(fixture->loop, &poster.work);
    loop_turn(fixture->loop, 0);
    assert_true(poster.runs > before);
    assert_int_equal(server_count_connections(&fixture->server), 20);
}

static void test_failures_become_errno(void **state)
{
    static const struct {
        const char *path;
        int error;
    } rows[] = {
        {"/half", -ECONNRESET}, {"/nothing", -ECONNRESET}, {"/reset", -ECONNRESET},
        {"/garbage", -EPROTO},  {"/endless", -EFBIG},      {"/headers", -EFBIG},
        {"/bytes/1000", 0},     {"/bytes/1001", -EFBIG},   {"/bytes/1000000", -EFBIG},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct outcome outcome = get(*state, rows[i].path);
        if (outcome.error != rows[i].error) {
            fail_msg("%s: %s (%s)", rows[i].path, strerror(-outcome.error), outcome.reason);
        }
        assert_int_equal(outcome.error ? outcome.reason[0] != '\0' : outcome.length == 1000, 1);
        assert_true(outcome.error == 0 || outcome.length == 0);
    }
}

static void test_time_out(void **state)
{
    struct fixture *fixture = *state;
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/stall", fixture->server.url);
    struct http_request request = request_of(url);
    request.timeout_ms = 20;

    const struct outcome outcome = run(fixture, &request);
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_int_equal(outcome.status, 0);
}

static void test_nobody_listens(void **state)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(name);
    int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* so that nobody else gets the port */
    char url[64];

    assert_int_equal(bind(bound, (struct sockaddr *)&name, length), 0);
    assert_int_equal(getsockname(bound, (struct sockaddr *)&name, &length), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(name.sin_port));
    const struct http_request request = request_of(url);
    assert_int_equal(run(*state, &request).error, -ECONNREFUSED);
    close(bound);
}

static void test_tls_is_insisted_on(void **state)
{
    struct fixture *fixture = *state;
    char url[128];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", fixture->server.port); /* it speaks plain HTTP */
    const struct http_request request = request_of(url);

    assert_int_equal(run(fixture, &request).error, -EPROTO);
    assert_int_equal(server_count_requests(&fixture->server), 0);
}

static void test_redirect_is_not_followed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(get(fixture, "/redirect").status, 302);
    assert_int_equal(server_count_requests(&fixture->server), 1);
}

static void test_refuses_what_cannot_be_sent(void **state)
{
    struct fixture *fixture = *state;
    static const char *const urls[] = {"",
                                       "route53",
                                       "ftp://127.0.0.1/",
                                       "file:///etc/passwd",
                                       "http://user:secret@127.0.0.1/",
                                       "http://",
                                       "http://127.0.0.1/\r\nX: y"};
    static const char *const bad_headers[] = {"no colon", ": no name", "X-A: b\r\nX-C: d", "X-A: b\nc"};
    struct outcome outcome = {0};

    for (size_t i = 0; i < ELEMENTS(urls); i++) {
        const struct http_request request = request_of(urls[i]);
        assert_int_equal(http_client_send(fixture->client, &request, on_done, &outcome, NULL), -EINVAL);
    }
    for (size_t i = 0; i < ELEMENTS(bad_headers); i++) {
        const char *const headers[] = {bad_headers[i], NULL};
        struct http_request request = request_of(fixture->server.url);
        request.headers = headers;
        assert_int_equal(http_client_send(fixture->client, &request, on_done, &outcome, NULL), -EINVAL);
    }
    loop_turn(fixture->loop, 0);
    assert_int_equal(outcome.calls, 0);
    assert_int_equal(server_count_connections(&fixture->server), 0);
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/stall", fixture->server.url);
    const struct http_request request = request_of(url);
    struct outcome cancelled = {0};
    struct http_call *call = NULL;

    http_call_cancel(NULL);
    assert_int_equal(http_client_send(fixture->client, &request, on_done, &cancelled, &call), 0);
    http_call_cancel(call); /* before it began */
    assert_int_equal(http_client_send(fixture->client, &request, on_done, &cancelled, &call), 0);
    while (server_count_requests(&fixture->server) < 1) {
        loop_turn(fixture->loop, 10);
    }
    http_call_cancel(call); /* while it waits */
    assert_int_equal(get(fixture, "/").status, 200);
    assert_int_equal(cancelled.calls, 0);

    /* one still under way goes with the client */
    assert_int_equal(http_client_send(fixture->client, &request, on_done, &cancelled, NULL), 0);
    loop_turn(fixture->loop, 0);
    http_client_free(fixture->client);
    fixture->client = NULL;
    loop_turn(fixture->loop, 0);
    assert_int_equal(cancelled.calls, 0);
}

struct chain {
    struct fixture *fixture;
    struct http_call *victim;
    struct outcome next;
    struct outcome own;
};

static void send_next_and_cancel(const struct http_response *response, void *userdata)
{
    struct chain *chain = userdata;
    const struct http_request request = request_of(chain->fixture->server.url);

    on_done(response, &chain->own);
    http_call_cancel(TAKE_PTR(chain->victim));
    assert_int_equal(http_client_send(chain->fixture->client, &request, on_done, &chain->next, NULL), 0);
}

/* The order in which the two end is not ours to choose: whichever comes first cancels the other. */
static void test_done_may_send_and_cancel(void **state)
{
    struct fixture *fixture = *state;
    const struct http_request request = request_of(fixture->server.url);
    struct chain a = {.fixture = fixture};
    struct chain b = {.fixture = fixture};

    assert_int_equal(http_client_send(fixture->client, &request, send_next_and_cancel, &a, &b.victim), 0);
    assert_int_equal(http_client_send(fixture->client, &request, send_next_and_cancel, &b, &a.victim), 0);
    for (unsigned turns = 0; a.next.calls + b.next.calls == 0; turns++) {
        assert_true(turns < 1000);
        loop_turn(fixture->loop, 10000);
    }
    assert_int_equal(a.own.calls + b.own.calls, 1);
    assert_int_equal(a.next.status + b.next.status, 200);
}

/* A loopback address is reached without the proxy of the environment. */
static void test_no_proxy_for_this_machine(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0);
    assert_int_equal(get(fixture, "/").status, 200);
    assert_int_equal(setenv("http_proxy", fixture->server.url, 1), 0);
    const struct http_request request = request_of("http://route53.invalid/through-proxy");
    assert_int_equal(run(fixture, &request).status, 200);
    assert_non_null(strstr(seen(fixture), "GET http://route53.invalid/through-proxy HTTP/1.1\r\n"));
    unsetenv("http_proxy");
}

static void wake_up(struct loop_work *work)
{
    (void)work;
}

static void test_posted_work_wakes_the_client(void **state)
{
    struct fixture *fixture = *state;
    struct loop_work work = {.run = wake_up};

    loop_post(fixture->loop, &work);
    loop_turn(fixture->loop, 3600 * 1000); /* the wake-up was before the wait, and still ends it */
    loop_stop(fixture->loop);
    loop_run(fixture->loop);
}

static void test_ssh_is_started_without_cryptography(void **state)
{
    (void)state;

    assert_true(libssh2_starts >= 1);
    assert_int_equal(libssh2_flags[0], 1);
}

int main(void)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer_is_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_headers_go_out_exactly_as_given, setup, teardown),
        cmocka_unit_test_setup_teardown(test_body_of_post_and_put, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connection_is_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_closed_after_a_minute_without_a_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_call_of_more_than_a_minute_keeps_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_is_posted_while_connections_are_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_become_errno, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_is_insisted_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirect_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_what_cannot_be_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_done_may_send_and_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_proxy_for_this_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_posted_work_wakes_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ssh_is_started_without_cryptography, setup, teardown),
    };
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
