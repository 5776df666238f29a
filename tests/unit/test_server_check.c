/* Unit tests of web/server_check: what the server itself refuses, on a real one. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/lingering.h"
#include "web_fixture.h"

static void test_requests(void **state)
{
    const struct fixture *fixture = *state;

    client_expect(fixture, "GET /?a=1&b=%20+ HTTP/1.1\r\n" HEADERS "X-Test: yes\r\n\r\n", "200 OK",
                  "\r\n\r\nGET|/|a=1&b=%20+|0||yes|127.0.0.1|");
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/||0||-|127.0.0.1|");
    client_expect(fixture, "POST /?q=1 HTTP/1.1\r\n" HEADERS "Content-Length: 7\r\n\r\na=1&b=2", "200",
                  "POST|/|q=1|7|a=1&b=2|-|");
    client_expect(fixture, "POST / HTTP/1.1\r\n" HEADERS "\r\n", "200", "POST|/||0||-|");
    client_expect(fixture,
                  "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n2\r\n&b\r\n0\r\n\r\n",
                  "200", "POST|/||5|a=1&b|-|");
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\nabc", "200", "GET|/||0||-|");
    /* a proxy's absolute form */
    client_expect(fixture, "GET http://test.example:443/?x HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|x|0|");
    client_expect(fixture, "GET HTTPS://test.example?y HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|y|0|");
    /* the same header twice: only if both agree */
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "X-Test: 1\r\nx-test: 1\r\n\r\n", "200", "|0||1|");
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "X-Test: 1\r\nX-Test: 2\r\n\r\n", "200", "|0||-|");
    assert_true(metric_value(fixture->service.requests, "test", "echo", NULL) > 9);
}

static void test_refusals(void **state)
{
    const struct fixture *fixture = *state;

    client_expect(fixture, "GET /nothing HTTP/1.1\r\n" HEADERS "\r\n", "404", "there is nothing at this path");
    client_expect(fixture, "GET * HTTP/1.1\r\n" HEADERS "\r\n", "404", "there is nothing");
    client_expect(fixture, "GET /%00 HTTP/1.1\r\n" HEADERS "\r\n", "404", "there is nothing");
    client_expect(fixture, "PUT / HTTP/1.1\r\n" HEADERS "Content-Length: 1\r\n\r\nx", "405",
                  "\r\nAllow: GET, POST\r\n");
    client_expect(fixture, "get / HTTP/1.1\r\n" HEADERS "\r\n", "405", "\r\nAllow: GET, POST\r\n");
    client_expect(fixture, "OPTIONS * HTTP/1.1\r\n" HEADERS "\r\n", "405", "only GET and POST");
    assert_int_equal(metric_value(fixture->service.requests, "server", "not_found", NULL), 3);
    assert_int_equal(metric_value(fixture->service.requests, "server", "method", NULL), 3);
}

/* The answer to HEAD never has a body to wait for. */
static void expect_head(const struct fixture *fixture, const char *path, const char *status, const char *header)
{
    int fd = client_connect(fixture);
    struct buffer answer = BUFFER_INIT;
    char request[128];

    (void)snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" HEADERS "Connection: close\r\n\r\n", path);
    client_send(fd, request);
    while (client_receive_some(fd, &answer)) {}
    assert_memory_equal(answer.data, "HTTP/1.1 ", 9);
    assert_memory_equal(answer.data + 9, status, strlen(status));
    assert_non_null(strstr(answer.data, header));
    assert_string_equal(strstr(answer.data, "\r\n\r\n"), "\r\n\r\n");
    buffer_done(&answer);
    close(fd);
}

static void test_head(void **state)
{
    const struct fixture *fixture = *state;

    client_expect(fixture, "GET /reads HTTP/1.1\r\n" HEADERS "\r\n", "200", "\r\nContent-Length: 27\r\n");
    expect_head(fixture, "/reads", "200 ", "\r\nContent-Length: 27\r\n");
    expect_head(fixture, "/", "405 ", "\r\nAllow: GET, POST\r\n"); /* may change something */
    expect_head(fixture, "/nothing", "404 ", "\r\nCache-Control: no-store\r\n");
    assert_int_equal(metric_value(fixture->service.requests, "test", "echo", NULL), 2);
}

/* A refusal does not cost the connection. */
static void test_keep_alive(void **state)
{
    const struct fixture *fixture = *state;
    int fd = client_connect(fixture);

    for (int i = 0; i < 3; i++) {
        client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
        client_exchange(fd, "GET /nothing HTTP/1.1\r\n" HEADERS "\r\n", "404", "nothing");
        client_exchange(fd, "PUT / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\nabc", "405", "GET, POST");
        client_exchange(fd, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\nabc", "200", "|3|abc|");
        client_exchange(fd, "GET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n", "200", "from another thread");
    }
    assert_int_equal(server_connections(fixture->server), 1);
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "Connection: close\r\n\r\n", "200", "\r\nConnection: close\r\n");
    client_expect_end(fd);
    close(fd);
}

static void test_http_1_0(void **state)
{
    int fd = client_connect(*state);

    client_exchange(fd, "GET /?a HTTP/1.0\r\n\r\n", "200", "GET|/|a|");
    client_expect_end(fd);
    close(fd);
    fd = client_connect(*state);
    client_exchange(fd, "GET /?a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200", "GET|/|a|");
    client_exchange(fd, "GET /?b HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200", "GET|/|b|");
    close(fd);
}

static void test_request_line_and_host(void **state)
{
    static const struct {
        const char *request, *contains;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "Host"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Host"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "Host"},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "Host"},
        {"GET /?a b HTTP/1.1\r\n" HEADERS "\r\n", "encode it as %XX"},
        {"GET /?a\tb HTTP/1.1\r\n" HEADERS "\r\n", "encode it as %XX"},
        {"GET /?a\rb HTTP/1.1\r\n" HEADERS "\r\n", "encode it as %XX"},
        {"GET /?a\x7f HTTP/1.1\r\n" HEADERS "\r\n", "encode it as %XX"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int fd = client_connect(*state);
        client_exchange(fd, rows[i].request, "400", rows[i].contains);
        client_expect_end(fd);
        close(fd);
    }
    client_expect(*state, "GET /?\xc3\xa4 HTTP/1.1\r\n" HEADERS "\r\n", "200", "|\xc3\xa4|");
}

/* What libmicrohttpd itself refuses must not reach a handler either. */
static void test_no_http(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\n" HEADERS "Content-Length: x\r\n\r\n", /* no number */
        "GET / HTTP/1.1\r\n" HEADERS "no colon\r\n\r\n",          /* no header */
        "GET / HTTP/3.0\r\n" HEADERS "\r\n",                      /* no such version */
        "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    };

    for (size_t i = 0; i < ELEMENTS(requests); i++) {
        struct buffer answer = BUFFER_INIT;
        int fd = client_connect(*state);
        client_send(fd, requests[i]);
        while (client_receive_some(fd, &answer)) {}
        if (strncmp(buffer_text(&answer), "HTTP/1.1 4", 10) != 0 &&
            strncmp(buffer_text(&answer), "HTTP/1.1 5", 10) != 0) {
            fail_msg("request %zu: %s", i, buffer_text(&answer));
        }
        assert_non_null(strstr(buffer_text(&answer), "\r\nCache-Control: no-store\r\n"));
        assert_null(strstr(buffer_text(&answer) + 1, "HTTP/1.1 ")); /* one answer */
        buffer_done(&answer);
        close(fd);
    }
    assert_int_equal(metric_value(((struct fixture *)*state)->service.requests, "test", "echo", NULL), 0);
}

/* ---- limits ---- */

/* A request with `line_bytes` in its first line, `header_bytes` after it, `body_bytes` of body. */
static char *request_of(size_t line_bytes, size_t header_bytes, size_t body_bytes)
{
    struct buffer buffer = BUFFER_INIT;

    buffer_append_text(&buffer, "POST /?");
    while (buffer.length < line_bytes - strlen(" HTTP/1.1")) {
        buffer_append_char(&buffer, 'a');
    }
    buffer_append_text(&buffer, " HTTP/1.1\r\n");
    size_t start = buffer.length;
    buffer_printf(&buffer, HEADERS "Content-Length: %zu\r\n", body_bytes);
    while (buffer.length - start + strlen("X-Fill: \r\n\r\n") < header_bytes) {
        size_t left = header_bytes - (buffer.length - start) - strlen("X-Fill: \r\n\r\n");
        buffer_append_text(&buffer, "X-Fill: ");
        for (size_t i = 0; i < (left < 1000 + 20 ? left : 1000); i++) {
            buffer_append_char(&buffer, 'b');
        }
        buffer_append_text(&buffer, "\r\n");
    }
    buffer_append_text(&buffer, "\r\n");
    if (header_bytes > 0) {
        assert_int_equal(buffer.length - start, header_bytes);
    }
    for (size_t i = 0; i < body_bytes; i++) {
        buffer_append_char(&buffer, 'c');
    }
    return buffer_take(&buffer);
}

static void test_limits(void **state)
{
    static const struct {
        size_t line_bytes, header_bytes, body_bytes;
        const char *status, *contains;
        bool closes;
    } rows[] = {
        {4096, 0, 0, "200", "POST|/|aaa", false},
        {4097, 0, 0, "414", "request line is longer", true},
        {12000, 0, 0, "414", "request line is longer", true},
        {16, 16384, 0, "200", "POST|/|", false},
        {16, 16385, 0, "431", "headers are larger", true},
        {16, 20000, 0, "431", "headers are larger", true},
        {4096, 16384, 8192, "200", "|8192|ccc", false}, /* everything at its limit at once */
        {4097, 16385, 8193, "414", "request line", true},
        {16, 0, 8192, "200", "|8192|ccc", false},
        {16, 0, 8193, "413", "body is larger", true},
        {16, 0, 300000, "413", "body is larger", true},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char *request = request_of(rows[i].line_bytes, rows[i].header_bytes, rows[i].body_bytes);
        int fd = client_connect(*state);
        if (rows[i].body_bytes > 100000) { /* announced, and not sent: nobody waits for it */
            request[strlen(request) - rows[i].body_bytes] = '\0';
        }
        client_exchange(fd, request, rows[i].status, rows[i].contains);
        if (rows[i].closes) {
            client_expect_end(fd);
        } else {
            client_exchange(fd, "GET /?again HTTP/1.1\r\n" HEADERS "\r\n", "200", "again");
        }
        close(fd);
        free(request);
    }
}

/* Past its own memory libmicrohttpd refuses in its own words; no handler sees any of it. */
static void test_past_all_memory(void **state)
{
    static const struct {
        const char *repeated;
        size_t count;
        const char *before, *after;
    } rows[] = {
        {"a", 40000, "GET /?", " HTTP/1.1\r\n" HEADERS "\r\n"},
        {"a", 200000, "GET /?", " HTTP/1.1\r\n" HEADERS "\r\n"},
        {"a", 40000, "GET / HTTP/1.1\r\n" HEADERS "X-Fill: ", "\r\n\r\n"},
        {"a:\r\n", 3000, "GET / HTTP/1.1\r\n" HEADERS, "\r\n"},
        /* two reasons to refuse at once: 0.9.75 then forgets to end the request */
        {"a", 26000, "GET / HTTP/1.1\r\n" HEADERS "Content-Length: x\r\nCookie: ", "\r\n\r\n"},
        {"a", 200000, "", ""},
    };
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct buffer request = BUFFER_INIT;
        struct buffer answer = BUFFER_INIT;
        buffer_append_text(&request, rows[i].before);
        for (size_t j = 0; j < rows[i].count; j++) {
            buffer_append_text(&request, rows[i].repeated);
        }
        buffer_append_text(&request, rows[i].after);
        int fd = client_connect(fixture);
        (void)!send(fd, request.data, request.length, MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        while (client_receive_some(fd, &answer)) {}
        if (answer.length > 0 && strncmp(answer.data, "HTTP/1.1 4", 10) != 0) {
            fail_msg("row %zu: %s", i, answer.data);
        }
        buffer_done(&request);
        buffer_done(&answer);
        close(fd);
    }
    assert_int_equal(metric_value(fixture->service.requests, "test", "echo", NULL), 0);
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
}

/* Nobody asks for cookies, and libmicrohttpd, which could not hold so many, does not look for them. */
static void test_many_cookies(void **state)
{
    struct buffer request = BUFFER_INIT;
    int fd = client_connect(*state);

    buffer_append_text(&request, "GET / HTTP/1.1\r\n" HEADERS "Cookie: ");
    for (int i = 0; i < 2000; i++) {
        buffer_append_text(&request, "a=b; ");
    }
    buffer_append_text(&request, "\r\nX-Test: yes\r\n\r\n");
    client_exchange(fd, buffer_text(&request), "200", "GET|/||0||yes|");
    client_exchange(fd, buffer_text(&request), "200", "GET|/||0||yes|");
    close(fd);
    buffer_done(&request);
}

/* Any number of parameters that fits the line: libmicrohttpd, which could not hold so many, never sees them. */
static void test_many_parameters(void **state)
{
    struct buffer request = BUFFER_INIT;
    int fd = client_connect(*state);

    buffer_append_text(&request, "GET /?");
    for (int i = 0; i < 2000; i++) {
        buffer_append_text(&request, "a&");
    }
    buffer_append_text(&request, " HTTP/1.1\r\n" HEADERS "\r\n");
    client_exchange(fd, buffer_text(&request), "200", "GET|/|a&a&a&");
    client_exchange(fd, buffer_text(&request), "200", "GET|/|a&a&a&");
    client_exchange(fd, "GET /? HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/||0|");
    client_exchange(fd, "GET /?? HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|?|0|");
    close(fd);
    buffer_done(&request);
}

/* The answer arrives although more is sent than anybody reads. */
static void test_too_large_body_that_is_sent_anyway(void **state)
{
    char *request = request_of(16, 0, 60000);
    int fd = client_connect(*state);

    client_exchange(fd, request, "413", "\r\nConnection: close\r\n");
    close(fd);
    free(request);
}

/* Without Content-Length it shows only on the way. */
static void test_chunked_body_too_large(void **state)
{
    struct buffer request = BUFFER_INIT;

    buffer_append_text(&request, "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 9; i++) {
        buffer_append_text(&request, "400\r\n");
        for (int j = 0; j < 64; j++) {
            buffer_append_text(&request, "0123456789abcdef");
        }
        buffer_append_text(&request, "\r\n");
    }
    buffer_append_text(&request, "0\r\n\r\n");
    client_expect(*state, buffer_text(&request), "413", "body is larger");

    /* and an endless one is cut off, once its client had the time to read the answer */
    const struct fixture *fixture = *state;
    int fd = client_connect(*state);
    struct pollfd polled = {fd, POLLOUT, 0};
    client_send(fd, "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n");
    while (send(fd, buffer_text(&request), request.length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN) {
        server_reap(fixture->server, START_MS + LINGERING_MS);
        (void)poll(&polled, 1, 100);
    }
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
    close(fd);
    buffer_done(&request);
}

/* What two readers of one request could read differently. */
static void test_ambiguous_body(void **state)
{
    static const char *const framings[] = {
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    };
    char request[512];

    for (size_t i = 0; i < ELEMENTS(framings); i++) {
        int fd = client_connect(*state);
        (void)snprintf(request, sizeof(request), "POST / HTTP/1.1\r\n" HEADERS "%s\r\n0\r\n\r\n", framings[i]);
        client_exchange(fd, request, "400", "length of the body is not clear");
        client_expect_end(fd);
        close(fd);
    }
    client_expect(*state, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "200",
                  "|3|abc|");
    client_expect(*state, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 0003\r\n\r\nabc", "200", "|3|abc|");
    client_expect(*state, "POST / HTTP/1.1\r\n" HEADERS "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "200", "|0||");
}

static void test_expect_continue(void **state)
{
    int fd = client_connect(*state);
    struct buffer interim = BUFFER_INIT;

    client_send(fd, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    while (strstr(buffer_text(&interim), "\r\n\r\n") == NULL) {
        assert_true(client_receive_some(fd, &interim));
    }
    assert_string_equal(buffer_text(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
    client_exchange(fd, "abc", "200", "|3|abc|");
    buffer_done(&interim);
    close(fd);
    /* refused before the body is sent */
    client_expect(*state, "PUT / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", "405",
                  "Allow");
    client_expect(*state, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 9000\r\nExpect: 100-continue\r\n\r\n", "413",
                  "larger");
}

/* ---- who asks ---- */

static void test_source_address(void **state)
{
    const struct fixture *fixture = *state;
    uint16_t port = server_port(fixture->server, 0);

    /* 127.0.0.1 is a stranger, 127.0.0.2 a proxy of ours */
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: 1.2.3.4\r\n\r\n", "200", "|127.0.0.1|");
    client_expect(fixture, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: bogus\r\n\r\n", "200", "|127.0.0.1|");
    int fd = client_connect_from(port, "127.0.0.2");
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|127.0.0.2|");
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: 198.18.7.9\r\n\r\n", "200", "|198.18.7.9|");
    client_exchange(fd,
                    "GET / HTTP/1.1\r\n" HEADERS
                    "x-forwarded-for: 6.6.6.6\r\nX-Forwarded-For: 198.18.7.9, 10.1.1.1\r\n\r\n",
                    "200", "|198.18.7.9|");
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "Forwarded: for=\"[2001:db8::1]:80\"\r\n\r\n", "200",
                    "|127.0.0.2|"); /* not the one that is believed */
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: bogus\r\n\r\n", "400", "X-Forwarded-For");
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=198.18.7.9\r\n\r\n",
                    "400", "Forwarded");
    close(fd);
    assert_int_equal(metric_value(fixture->service.requests, "server", "forwarded", NULL), 2);
}

static void test_the_other_proxy_header(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, "  trusted_proxies: [127.0.0.1]\n  proxy_header: Forwarded\n");
    struct server_options options = fixture_options(&fixture, find);
    fixture_start(&fixture, &options);
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "Forwarded: for=\"[2001:db8::1]:80\"\r\n\r\n", "200",
                  "|2001:db8::1|");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: 6.6.6.6\r\n\r\n", "200", "|127.0.0.1|");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "Forwarded: for=\"\r\n\r\n", "400", "Forwarded");
    fixture_done(&fixture);
}

static void test_api_keys(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, "  api_keys: [\"first-key-0123456789\", \"second-key-0123456789\"]\n");
    struct server_options options = fixture_options(&fixture, find);
    options.check_api_keys = true;
    fixture_start(&fixture, &options);
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "403", "x-api-key");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "x-api-key: \r\n\r\n", "403", "x-api-key");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "x-api-key: first-key-012345678\r\n\r\n", "403", "x-api-key");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "x-api-key: first-key-01234567890\r\n\r\n", "403",
                  "x-api-key");
    client_expect(&fixture,
                  "GET / HTTP/1.1\r\n" HEADERS
                  "x-api-key: first-key-0123456789\r\nx-api-key: second-key-0123456789\r\n\r\n",
                  "403", "x-api-key");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "x-api-key: first-key-0123456789\r\n\r\n", "200", "GET|/|");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "X-API-KEY: second-key-0123456789\r\n\r\n", "200", "GET|/|");
    assert_int_equal(metric_value(fixture.service.requests, "server", "api_key", NULL), 5);
    fixture_done(&fixture);

    /* a server that does not look at them */
    fixture_init(&fixture, "  api_keys: [\"first-key-0123456789\"]\n");
    options = fixture_options(&fixture, find);
    fixture_start(&fixture, &options);
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keep_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http_1_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_line_and_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_http, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_past_all_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_cookies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large_body_that_is_sent_anyway, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chunked_body_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ambiguous_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expect_continue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_source_address, set_up, tear_down),
        cmocka_unit_test(test_the_other_proxy_header),
        cmocka_unit_test(test_api_keys),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("server_check", tests, NULL, NULL);
}
