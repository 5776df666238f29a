/*
 * A server on loopback for tests of src/web: settings from text, a clock that stands still, metrics, and a client of
 * raw sockets. Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_WEB_FIXTURE_H
#define DDNS53_TESTS_UNIT_WEB_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "web/server.h"

#define HEADERS "Host: test\r\n"

/* No test waits that long unless it fails. */
#define PATIENCE_MS 20000
#define START_MS 1000000 /* what the clock says */

struct fixture {
    struct settings *settings;
    struct hosts *hosts;
    struct current *current;
    struct clock clock;
    struct metrics *metrics;
    struct service service;
    struct endpoint endpoint;
    struct server *server;
};

static const struct metric_row fixture_requests_row = {
    .name = "test_requests_total", .help = "requests", .type = METRIC_COUNTER, .labels = {"dialect", "result"}};

/* `server_yaml`: further keys of server:, one line each, indented by two. */
static inline struct settings *fixture_settings(const char *server_yaml)
{
    struct buffer text = BUFFER_INIT;
    struct problems *problems = problems_new("ddns53d.yaml");
    struct settings *settings = NULL;

    buffer_printf(&text,
                  "server:\n%s"
                  "  listen: [\"127.0.0.1:0\"]\n"
                  "zones:\n  - {name: example.com., provider: zonefile}\n",
                  server_yaml);
    int r = settings_load_text(buffer_text(&text), text.length, "/nowhere/ddns53d.yaml", problems, &settings);
    if (r < 0) {
        fail_msg("%s", problems_text(problems, 0));
    }
    problems_free(problems);
    buffer_done(&text);
    return settings;
}

static inline void fixture_init(struct fixture *fixture, const char *server_yaml)
{
    static const char hosts_yaml[] =
        "hosts:\n  - {hostname: a.example.com, record_type: A, shared_secret: \"0123456789abcdef0123456789abcdef\"}\n";
    struct problems *problems = problems_new("hosts.yaml");

    *fixture = (struct fixture){.settings = fixture_settings(server_yaml)};
    assert_int_equal(hosts_load_text(hosts_yaml, sizeof(hosts_yaml) - 1, "/nowhere/hosts.yaml", fixture->settings,
                                     problems, &fixture->hosts),
                     0);
    problems_free(problems);
    fixture->current = current_new(fixture->settings, fixture->hosts);
    fixture->metrics = metrics_new();
    clock_init_test(&fixture->clock, START_MS, 1700000000000);
    fixture->service = (struct service){.current = fixture->current,
                                        .clock = &fixture->clock,
                                        .requests = metrics_family(fixture->metrics, &fixture_requests_row)};
    assert_int_equal(endpoint_parse("127.0.0.1:0", &fixture->endpoint), 0);
}

static inline struct server_options fixture_options(const struct fixture *fixture,
                                                    const struct route *(*find)(const struct request *request))
{
    return (struct server_options){.what = "test",
                                   .listen = &fixture->endpoint,
                                   .listen_count = 1,
                                   .threads = 2,
                                   .connections = 100,
                                   .request_ms = 10000,
                                   .find = find};
}

static inline void fixture_start(struct fixture *fixture, const struct server_options *options)
{
    struct buffer message = BUFFER_INIT;
    int r = server_start(&fixture->service, options, &message, &fixture->server);

    if (r < 0) {
        fail_msg("server_start: %s: %s", strerror(-r), buffer_text(&message));
    }
    server_accept(fixture->server);
    buffer_done(&message);
}

static inline void fixture_done(struct fixture *fixture)
{
    assert_int_equal(server_free(fixture->server, PATIENCE_MS), 0);
    metrics_free(fixture->metrics);
    current_free(fixture->current);
    hosts_unref(fixture->hosts);
    settings_unref(fixture->settings);
    endpoint_done(&fixture->endpoint);
}

/* ---- what is served ---- */

static inline void echo(struct request *request)
{
    struct answer answer = {.status = 200, .content_type = "text/plain", .dialect = "test", .result = "echo"};
    const char *header = request_header(request, "x-test");
    char source[ADDRESS_TEXT_SIZE] = "none";

    if (request->source.family != ADDRESS_NONE) {
        address_print(&request->source, source);
    }
    buffer_printf(&answer.body, "%s|%s|%s|%zu|%s|%s|%s|", request->method == REQUEST_POST ? "POST" : "GET",
                  request->path, request->query, request->body_length, request->body, header != NULL ? header : "-",
                  source);
    request_answer(request, &answer);
}

/* Requests that wait for the test's own thread. */
static pthread_mutex_t later_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t later_changed = PTHREAD_COND_INITIALIZER;
static struct request *later_requests[64];
static size_t later_count;
static size_t freed_count;

static inline void count_freed(void *data)
{
    assert_ptr_equal(data, &freed_count);
    pthread_mutex_lock(&later_lock);
    freed_count++;
    pthread_cond_broadcast(&later_changed);
    pthread_mutex_unlock(&later_lock);
}

static inline void later(struct request *request)
{
    request->dialect_data = &freed_count;
    request->dialect_free = count_freed;
    pthread_mutex_lock(&later_lock);
    later_requests[later_count++] = request;
    pthread_cond_broadcast(&later_changed);
    pthread_mutex_unlock(&later_lock);
}

static inline void wait_for(const size_t *counter, size_t wanted)
{
    pthread_mutex_lock(&later_lock);
    while (*counter < wanted) {
        pthread_cond_wait(&later_changed, &later_lock);
    }
    pthread_mutex_unlock(&later_lock);
}

static inline void answer_now(struct request *request, const char *text)
{
    struct answer answer = {.status = 200,
                            .content_type = "text/plain",
                            .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}},
                            .retry_after_s = 7,
                            .dialect = "test",
                            .result = "later"};
    buffer_append_text(&answer.body, text);
    request_answer(request, &answer);
}

/* Takes the oldest that waits. */
static inline void answer_later(const char *text)
{
    wait_for(&later_count, 1);
    pthread_mutex_lock(&later_lock);
    struct request *request = later_requests[0];
    later_count--;
    memmove(later_requests, later_requests + 1, later_count * sizeof(later_requests[0]));
    pthread_mutex_unlock(&later_lock);
    answer_now(request, text);
}

/* Another thread answers at once, often before the handler has returned. */
static inline void *answer_in_thread(void *userdata)
{
    answer_now(userdata, "from another thread");
    return NULL;
}

static inline void elsewhere(struct request *request)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, answer_in_thread, request) != 0) {
        answer_now(request, "no thread");
        return;
    }
    pthread_detach(thread);
}

static inline bool always(const struct request *request)
{
    (void)request;
    return true;
}

static inline const struct route *find(const struct request *request)
{
    static const struct route served[] = {{"/", "test", NULL, echo, NULL},
                                          {"/reads", "test", NULL, echo, always},
                                          {"/later", "test", NULL, later, NULL},
                                          {"/elsewhere", "test", NULL, elsewhere, NULL}};

    for (size_t i = 0; i < ELEMENTS(served); i++) {
        if (strcmp(served[i].path, request->path) == 0) {
            return &served[i];
        }
    }
    return NULL;
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture_init(fixture, "  trusted_proxies: [127.0.0.2, 10.0.0.0/8]\n");
    const struct server_options options = fixture_options(fixture, find);
    fixture_start(fixture, &options);
    later_count = 0;
    freed_count = 0;
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    fixture_done(*state);
    free(*state);
    return 0;
}

static inline void wait_for_connections(const struct fixture *fixture, size_t count)
{
    int64_t until_ms = clock_monotonic_ms(clock_system()) + PATIENCE_MS;

    while (server_connections(fixture->server) != count) {
        if (clock_monotonic_ms(clock_system()) > until_ms) {
            fail_msg("%zu connections, not %zu", server_connections(fixture->server), count);
        }
        sched_yield();
    }
}

/* The reaper at that time, again and again until so many are left: a connection begins to wait for its next request a
 * moment after its answer has come, and the worker closes it a moment after it was shut down. */
static inline void reap_until(const struct fixture *fixture, int64_t now_ms, size_t count)
{
    int64_t until_ms = clock_monotonic_ms(clock_system()) + PATIENCE_MS;

    while (server_connections(fixture->server) != count) {
        if (clock_monotonic_ms(clock_system()) > until_ms) {
            fail_msg("%zu connections, not %zu", server_connections(fixture->server), count);
        }
        server_reap(fixture->server, now_ms);
        sched_yield();
    }
}

/* ---- the client ---- */

static inline int client_connect_from(uint16_t port, const char *source)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, source, &own.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &in.sin_addr), 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static inline int client_connect(const struct fixture *fixture)
{
    return client_connect_from(server_port(fixture->server, 0), "127.0.0.1");
}

static inline void client_send_bytes(int fd, const void *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

static inline void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

/* Appends what comes next; false: the end, or a reset. */
static inline bool client_receive_some(int fd, struct buffer *buffer)
{
    struct pollfd polled = {fd, POLLIN, 0};
    char bytes[4096];

    if (poll(&polled, 1, PATIENCE_MS) != 1) {
        fail_msg("no answer, but \"%s\"", buffer_text(buffer));
    }
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        return false;
    }
    buffer_append(buffer, bytes, (size_t)n);
    return true;
}

/* The length of the first answer in the buffer, 0: not whole yet. */
static inline size_t answer_length(const struct buffer *buffer)
{
    const char *end = strstr(buffer_text(buffer), "\r\n\r\n");
    const char *length = strcasestr(buffer_text(buffer), "\r\nContent-Length: ");

    if (end == NULL) {
        return 0;
    }
    assert_non_null(length);
    assert_true(length < end);
    size_t whole = (size_t)(end - buffer->data) + 4 + strtoul(length + 18, NULL, 10);
    return buffer->length >= whole ? whole : 0;
}

/* One answer, also where others follow; owned. Every answer has what every answer must have. */
static inline char *client_receive(int fd)
{
    struct buffer buffer = BUFFER_INIT;

    while (answer_length(&buffer) == 0) {
        if (!client_receive_some(fd, &buffer)) {
            fail_msg("the connection ended after \"%s\"", buffer_text(&buffer));
        }
    }
    assert_int_equal(answer_length(&buffer), buffer.length);
    assert_non_null(strstr(buffer.data, "\r\nCache-Control: no-store\r\n"));
    assert_null(strcasestr(buffer.data, "\r\nTransfer-Encoding:"));
    return buffer_take(&buffer);
}

static inline void client_expect_end(int fd)
{
    struct buffer buffer = BUFFER_INIT;

    assert_false(client_receive_some(fd, &buffer));
    buffer_done(&buffer);
}

/* Sends, compares the status, looks for a text, leaves the connection open. */
static inline void client_exchange(int fd, const char *request, const char *status, const char *contains)
{
    client_send(fd, request);
    char *answer = client_receive(fd);
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, strlen(status)) != 0 ||
        strstr(answer, contains) == NULL) {
        fail_msg("wanted %s and \"%s\", got: %s", status, contains, answer);
    }
    free(answer);
}

/* The same on a connection of its own. */
static inline void client_expect(const struct fixture *fixture, const char *request, const char *status,
                                 const char *contains)
{
    int fd = client_connect(fixture);

    client_exchange(fd, request, status, contains);
    close(fd);
}

#endif
