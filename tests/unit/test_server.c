/* Unit tests of web/server: who may connect, for how long, and how it ends. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/un.h>

#include "log_lines.h"
#include "temporary.h"
#include "web_fixture.h"

/* ---- how many, and how long ---- */

static void expect_rejected(uint16_t port, const char *source)
{
    int fd = client_connect_from(port, source);

    client_expect_end(fd);
    close(fd);
}

static void test_connection_limit(void **state)
{
    struct fixture fixture;
    int fds[3];

    (void)state;
    fixture_init(&fixture, "");
    struct server_options options = fixture_options(&fixture, find);
    options.connections = ELEMENTS(fds);
    options.threads = 1;
    fixture_start(&fixture, &options);
    uint16_t port = server_port(fixture.server, 0);
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        fds[i] = client_connect(&fixture);
    }
    wait_for_connections(&fixture, ELEMENTS(fds));
    expect_rejected(port, "127.0.0.9"); /* its network waits as well, and nobody has waited for long */
    close(fds[0]);
    wait_for_connections(&fixture, ELEMENTS(fds) - 1);
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
    wait_for_connections(&fixture, ELEMENTS(fds) - 1); /* its place is free again */
    fds[0] = client_connect(&fixture);
    wait_for_connections(&fixture, ELEMENTS(fds));
    /* who comes from another network displaces who has waited longest; 127.0.0.1 may not wait on, it has to ask */
    int other = client_connect_from(port, "127.0.9.9");
    client_exchange(other, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|127.0.9.9|");
    client_expect_end(fds[1]);
    close(other);
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        close(fds[i]);
    }
    fixture_done(&fixture);
}

static void test_connection_limit_per_address(void **state)
{
    struct fixture fixture;
    int fds[4];

    (void)state;
    fixture_init(&fixture, "  trusted_proxies: [127.0.0.2]\n");
    struct server_options options = fixture_options(&fixture, find);
    options.connections_per_address = 2;
    fixture_start(&fixture, &options);
    uint16_t port = server_port(fixture.server, 0);
    fds[0] = client_connect_from(port, "127.0.0.1");
    fds[1] = client_connect_from(port, "127.0.0.1");
    wait_for_connections(&fixture, 2);
    expect_rejected(port, "127.0.0.1");
    /* another address; and a proxy of ours, which stands for many */
    fds[2] = client_connect_from(port, "127.0.0.3");
    client_exchange(fds[2], "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|127.0.0.3|");
    close(fds[2]);
    for (size_t i = 2; i < ELEMENTS(fds); i++) {
        fds[i] = client_connect_from(port, "127.0.0.2");
    }
    client_exchange(fds[3], "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|127.0.0.2|");
    int third = client_connect_from(port, "127.0.0.2");
    client_exchange(third, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|127.0.0.2|");
    close(third);
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        close(fds[i]);
    }
    fixture_done(&fixture);
}

/* For who waits already as well, and for who comes later; neither direction takes what was before. */
static void test_another_limit_is_in_force_at_once(void **state)
{
    const struct fixture *fixture = *state;
    int before = client_connect(fixture);

    client_send(before, "GET / HT");
    wait_for_connections(fixture, 1);
    server_set_request_ms(fixture->server, 60000);
    server_reap(fixture->server, START_MS + 60000);
    client_exchange(before, "TP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
    int silent = client_connect(fixture);
    wait_for_connections(fixture, 2);
    server_set_request_ms(fixture->server, 1000);
    reap_until(fixture, START_MS + 1001, 0);
    client_expect_end(before);
    client_expect_end(silent);
    close(before);
    close(silent);
}

static void test_slow_clients_are_reaped(void **state)
{
    const struct fixture *fixture = *state;
    int silent = client_connect(fixture);
    int slow_line = client_connect(fixture);
    int slow_body = client_connect(fixture);
    int waiting = client_connect(fixture);
    int idle = client_connect(fixture);

    client_send(slow_line, "GET / HT");
    client_send(slow_body, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\na");
    client_send(waiting, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    client_exchange(idle, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
    wait_for(&later_count, 1);
    wait_for_connections(fixture, 5);

    server_reap(fixture->server, START_MS + 10000); /* just in time */
    client_exchange(slow_body, "bc", "200", "|3|abc|");
    reap_until(fixture, START_MS + 10001, 1);
    client_expect_end(silent);
    client_expect_end(slow_line);
    client_expect_end(idle);
    client_expect_end(slow_body); /* idle as well by now */

    /* whose answer is not there yet has all the time */
    server_reap(fixture->server, START_MS + 1000000);
    answer_later("it took long");
    char *answer = client_receive(waiting);
    assert_non_null(strstr(answer, "it took long"));
    free(answer);
    close(silent);
    close(slow_line);
    close(slow_body);
    close(waiting);
    close(idle);
}

/* ---- the end ---- */

static void test_stop(void **state)
{
    struct fixture fixture;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    fixture_init(&fixture, "");
    const struct server_options options = fixture_options(&fixture, find);
    fixture_start(&fixture, &options);
    later_count = 0;
    in.sin_port = htons(server_port(fixture.server, 0));
    int waiting = client_connect(&fixture);
    int idle = client_connect(&fixture);
    client_exchange(idle, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
    client_send(waiting, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);

    server_stop_accepting(fixture.server);
    server_stop_accepting(fixture.server); /* twice is fine */
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(refused, (struct sockaddr *)&in, sizeof(in)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(refused);
    /* those that are open go on, and are told that it ends */
    client_exchange(idle, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "\r\nConnection: close\r\n");
    client_expect_end(idle);
    answer_later("the last one");
    assert_int_equal(server_free(fixture.server, PATIENCE_MS), 0);
    fixture.server = NULL;
    char *answer = client_receive(waiting);
    assert_non_null(strstr(answer, "the last one"));
    free(answer);
    client_expect_end(waiting);
    close(waiting);
    close(idle);
    fixture_done(&fixture);
}

/* Again and again until it ends: a connection begins to wait for its next request a moment after its answer has come. */
static void refuse_until_end(const struct fixture *fixture, int fd)
{
    struct pollfd polled = {fd, POLLIN, 0};

    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        server_refuse(fixture->server);
        if (poll(&polled, 1, 10) != 0) {
            break;
        }
    }
    client_expect_end(fd);
}

/* What comes after the stop began is answered by the server itself; those between two requests see a clean end. */
static void test_refuse(void **state)
{
    const struct fixture *fixture = *state;
    int waiting = client_connect(fixture);
    int idle = client_connect(fixture);
    int late = client_connect(fixture);

    client_exchange(idle, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|");
    client_send(waiting, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);
    wait_for_connections(fixture, 3);
    assert_true(server_has_kept(fixture->server));
    server_stop_accepting(fixture->server);
    refuse_until_end(fixture, idle);
    client_exchange(late, "GET /later HTTP/1.1\r\n" HEADERS "\r\n", "503", "\r\nRetry-After: 5\r\n");
    client_expect_end(late);
    assert_int_equal(later_count, 1); /* no handler has seen it */
    assert_int_equal(metric_value(fixture->service.requests, "server", "stopping", NULL), 1);
    wait_for_connections(fixture, 1);
    assert_false(server_has_kept(fixture->server));
    answer_later("as if nothing were");
    char *answer = client_receive(waiting);
    assert_non_null(strstr(answer, "as if nothing were"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    free(answer);
    client_expect_end(waiting);
    close(waiting);
    close(idle);
    close(late);
}

/* A server whose handler does not answer stays whole: libmicrohttpd would abort over it. */
static void test_free_while_a_handler_works(void **state)
{
    struct fixture *fixture = *state;
    int waiting = client_connect(fixture);

    client_send(waiting, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);
    assert_int_equal(server_free(fixture->server, 10), -EBUSY);
    assert_int_equal(server_requests_pending(fixture->server), 1);
    answer_later("at last");
    assert_int_equal(server_free(fixture->server, PATIENCE_MS), 0);
    fixture->server = NULL;
    char *answer = client_receive(waiting);
    assert_non_null(strstr(answer, "at last"));
    free(answer);
    close(waiting);
}

static void test_free_before_accepting(void **state)
{
    struct fixture fixture;
    struct buffer message = BUFFER_INIT;

    (void)state;
    fixture_init(&fixture, "");
    const struct server_options options = fixture_options(&fixture, find);
    assert_int_equal(server_start(&fixture.service, &options, &message, &fixture.server), 0);
    int waiting = client_connect(&fixture);
    client_send(waiting, "GET / HTTP/1.1\r\n" HEADERS "\r\n");
    struct pollfd polled = {waiting, POLLIN, 0};
    assert_int_equal(poll(&polled, 1, 100), 0); /* nobody takes it */
    assert_int_equal(metric_value(fixture.service.requests, "test", "echo", NULL), 0);
    fixture_done(&fixture);
    close(waiting);
    buffer_done(&message);
}

#define STOPS 20
#define CLIENTS 4

/* Asks on one kept connection after the other until nobody listens any more. */
static void *ask_until_the_end(void *userdata)
{
    const uint16_t *port = userdata;
    const char request[] = "GET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n";
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(*port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool listens = true;

    while (listens) {
        char answer[1024];
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        listens = connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
        while (listens && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 &&
               recv(fd, answer, sizeof(answer), 0) > 0) {}
        close(fd);
    }
    return NULL;
}

/* Requests come until the last moment, and their connections are suspended: libmicrohttpd must not find one of them. */
static void test_stop_while_requests_come(void **state)
{
    (void)state;
    for (int i = 0; i < STOPS; i++) {
        struct fixture fixture;
        pthread_t threads[CLIENTS];
        fixture_init(&fixture, "");
        const struct server_options options = fixture_options(&fixture, find);
        fixture_start(&fixture, &options);
        uint16_t port = server_port(fixture.server, 0);
        for (size_t j = 0; j < CLIENTS; j++) {
            assert_int_equal(pthread_create(&threads[j], NULL, ask_until_the_end, &port), 0);
        }
        while (metric_value(fixture.service.requests, "test", "later", NULL) < 20) {
            sched_yield();
        }
        assert_int_equal(server_free(fixture.server, PATIENCE_MS), 0);
        fixture.server = NULL;
        for (size_t j = 0; j < CLIENTS; j++) {
            assert_int_equal(pthread_join(threads[j], NULL), 0);
        }
        fixture_done(&fixture);
    }
}

static void test_free_without_server(void **state)
{
    (void)state;
    assert_int_equal(server_free(NULL, 1000), 0);
}

/* ---- listeners ---- */

static void test_listening_is_logged(void **state)
{
    struct fixture fixture;
    struct buffer lines = BUFFER_INIT;
    char wanted[128];

    (void)state;
    fixture_init(&fixture, "");
    const struct server_options options = fixture_options(&fixture, find);
    log_set_sink(log_lines_keep, &lines);
    fixture_start(&fixture, &options);
    log_set_sink(NULL, NULL);
    assert_true(server_port(fixture.server, 0) > 0);
    assert_int_equal(server_port(fixture.server, 1), 0);
    (void)snprintf(wanted, sizeof(wanted), "event=listening what=test address=127.0.0.1:%u tls=no\n",
                   server_port(fixture.server, 0));
    assert_string_equal(buffer_text(&lines), wanted);
    buffer_done(&lines);
    fixture_done(&fixture);
}

static void test_unix_socket(void **state)
{
    char *folder = temporary_folder_make();
    struct fixture fixture;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat info;

    (void)state;
    fixture_init(&fixture, "");
    endpoint_done(&fixture.endpoint);
    (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/api.sock", folder);
    char text[sizeof(un.sun_path) + 8];
    (void)snprintf(text, sizeof(text), "unix:%s", un.sun_path);
    assert_int_equal(endpoint_parse(text, &fixture.endpoint), 0);
    const struct server_options options = fixture_options(&fixture, find);
    fixture_start(&fixture, &options);
    assert_int_equal(server_port(fixture.server, 0), 0);
    assert_int_equal(stat(un.sun_path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0660);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|none|");
    client_exchange(fd, "GET / HTTP/1.1\r\n" HEADERS "X-Forwarded-For: 198.18.7.9\r\n\r\n", "200", "|198.18.7.9|");
    close(fd);

    /* a second daemon does not take it away */
    struct server *second = NULL;
    struct buffer message = BUFFER_INIT;
    assert_int_equal(server_start(&fixture.service, &options, &message, &second), -EADDRINUSE);
    assert_non_null(strstr(buffer_text(&message), un.sun_path));
    buffer_done(&message);
    fixture_done(&fixture);
    assert_int_equal(stat(un.sun_path, &info), -1);
    temporary_folder_remove(folder);
}

static void test_sockets_from_systemd(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct fixture fixture;
    int sockets[] = {socket(AF_INET, SOCK_STREAM, 0)};

    (void)state;
    assert_int_equal(bind(sockets[0], (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(sockets[0], 5), 0);
    int systemd = dup(sockets[0]); /* systemd keeps it open */
    fixture_init(&fixture, "");
    struct server_options options = fixture_options(&fixture, find);
    options.sockets = sockets;
    options.socket_count = 1;
    fixture_start(&fixture, &options);
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "200", "|127.0.0.1|");
    uint16_t port = server_port(fixture.server, 0);
    fixture_done(&fixture);
    /* who comes between two daemons waits for the next one */
    int fd = client_connect_from(port, "127.0.0.1");
    close(fd);
    close(systemd);
}

static void test_socket_from_systemd_that_does_not_listen(void **state)
{
    struct fixture fixture;
    struct buffer message = BUFFER_INIT;
    int sockets[] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0)};

    (void)state;
    fixture_init(&fixture, "");
    struct server_options options = fixture_options(&fixture, find);
    options.sockets = sockets;
    options.socket_count = ELEMENTS(sockets);
    assert_int_equal(server_start(&fixture.service, &options, &message, &fixture.server), -EINVAL);
    assert_non_null(strstr(buffer_text(&message), "ListenStream="));
    assert_int_equal(fcntl(sockets[0], F_GETFD), -1); /* taken all the same */
    assert_int_equal(fcntl(sockets[1], F_GETFD), -1);
    buffer_done(&message);
    fixture_done(&fixture);
}

static void test_port_that_is_taken(void **state)
{
    const struct fixture *fixture = *state;
    struct server_options options = fixture_options(fixture, find);
    struct buffer message = BUFFER_INIT;
    struct server *second = NULL;
    struct endpoint endpoint;
    char text[32];

    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", server_port(fixture->server, 0));
    assert_int_equal(endpoint_parse(text, &endpoint), 0);
    options.listen = &endpoint;
    assert_int_equal(server_start(&fixture->service, &options, &message, &second), -EADDRINUSE);
    assert_non_null(strstr(buffer_text(&message), text));
    assert_non_null(strstr(buffer_text(&message), "choose another port"));
    assert_null(second);
    buffer_done(&message);
    endpoint_done(&endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_connection_limit_per_address),
        cmocka_unit_test_setup_teardown(test_another_limit_is_in_force_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_clients_are_reaped, set_up, tear_down),
        cmocka_unit_test(test_stop),
        cmocka_unit_test_setup_teardown(test_refuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_free_while_a_handler_works, set_up, tear_down),
        cmocka_unit_test(test_free_before_accepting),
        cmocka_unit_test(test_stop_while_requests_come),
        cmocka_unit_test(test_free_without_server),
        cmocka_unit_test(test_listening_is_logged),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_sockets_from_systemd),
        cmocka_unit_test(test_socket_from_systemd_that_does_not_listen),
        cmocka_unit_test_setup_teardown(test_port_that_is_taken, set_up, tear_down),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
