/* Unit tests of web/server with web/tls: the same server behind TLS. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "temporary.h"
#include "tls_peer.h"
#include "web_fixture.h"

struct secure {
    struct fixture fixture;
    struct tls *tls;
    struct settings *settings; /* with a state_dir */
    char *folder;
    char certificate[TEMPORARY_PATH_SIZE];
};

static void load_certificate(struct secure *secure)
{
    struct buffer message = BUFFER_INIT;

    if (tls_load(secure->tls, secure->settings, time(NULL), &message) < 0) {
        fail_msg("%s", buffer_text(&message));
    }
    buffer_done(&message);
}

static int set_up_secure(void **state)
{
    struct secure *secure = calloc(1, sizeof(*secure));
    struct problems *problems = problems_new("ddns53d.yaml");
    struct buffer text = BUFFER_INIT;

    assert_non_null(secure);
    secure->folder = temporary_folder_make();
    (void)snprintf(secure->certificate, sizeof(secure->certificate), "%s/certificate.pem", secure->folder);
    buffer_printf(&text, "state_dir: \"%s\"\nzones:\n  - {name: example.com., provider: zonefile}\n", secure->folder);
    assert_int_equal(
        settings_load_text(buffer_text(&text), text.length, "/nowhere/d.yaml", problems, &secure->settings), 0);
    buffer_done(&text);
    problems_free(problems);
    secure->tls = tls_new();
    load_certificate(secure);
    fixture_init(&secure->fixture, "");
    struct server_options options = fixture_options(&secure->fixture, find);
    options.tls = secure->tls;
    fixture_start(&secure->fixture, &options);
    later_count = 0;
    freed_count = 0;
    *state = secure;
    return 0;
}

static int tear_down_secure(void **state)
{
    struct secure *secure = *state;

    fixture_done(&secure->fixture);
    tls_free(secure->tls);
    settings_unref(secure->settings);
    temporary_folder_remove(secure->folder);
    free(secure);
    return 0;
}

/* ---- a client over TLS ---- */

struct secure_client {
    int fd;
    struct tls_peer peer;
};

static void wait_for_socket(const struct secure_client *client)
{
    bool writes = gnutls_record_get_direction(client->peer.session) == 1;
    struct pollfd polled = {client->fd, writes ? POLLOUT : POLLIN, 0};

    assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
}

static void secure_connect(const struct secure *secure, struct secure_client *client)
{
    int r = GNUTLS_E_AGAIN;

    client->fd = client_connect(&secure->fixture);
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
    tls_peer_init(&client->peer, client->fd, TLS_PEER_DEFAULT, secure->certificate, "localhost");
    while ((r = gnutls_handshake(client->peer.session)) != 0) {
        assert_false(gnutls_error_is_fatal(r));
        wait_for_socket(client);
    }
}

static void secure_close(struct secure_client *client)
{
    tls_peer_done(&client->peer);
    close(client->fd);
}

static void secure_send(struct secure_client *client, const char *text)
{
    for (size_t sent = 0, length = strlen(text); sent < length;) {
        ssize_t n = gnutls_record_send(client->peer.session, text + sent, length - sent);
        if (n > 0) {
            sent += (size_t)n;
        } else {
            assert_false(gnutls_error_is_fatal((int)n));
            wait_for_socket(client);
        }
    }
}

/* False: the end. */
static bool secure_receive_some(struct secure_client *client, struct buffer *buffer)
{
    char bytes[4096];
    ssize_t n = GNUTLS_E_AGAIN;

    while ((n = gnutls_record_recv(client->peer.session, bytes, sizeof(bytes))) < 0 && !gnutls_error_is_fatal((int)n)) {
        wait_for_socket(client);
    }
    if (n > 0) {
        buffer_append(buffer, bytes, (size_t)n);
    }
    return n > 0;
}

static void secure_exchange(struct secure_client *client, const char *request, const char *status, const char *contains)
{
    struct buffer answer = BUFFER_INIT;

    secure_send(client, request);
    while (answer_length(&answer) == 0) {
        assert_true(secure_receive_some(client, &answer));
    }
    if (strstr(answer.data, status) != answer.data + 9 || strstr(answer.data, contains) == NULL) {
        fail_msg("wanted %s and %s: %s", status, contains, answer.data);
    }
    buffer_done(&answer);
}

static void secure_expect_end(struct secure_client *client)
{
    struct buffer buffer = BUFFER_INIT;

    assert_false(secure_receive_some(client, &buffer));
    buffer_done(&buffer);
}

/* ---- tests ---- */

static void test_requests(void **state)
{
    const struct secure *secure = *state;
    struct secure_client client;

    secure_connect(secure, &client);
    for (int i = 0; i < 3; i++) {
        secure_exchange(&client, "GET /?a=1 HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|a=1|0||-|127.0.0.1|");
        secure_exchange(&client, "GET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n", "200", "from another thread");
        secure_exchange(&client, "GET /nothing HTTP/1.1\r\n" HEADERS "\r\n", "404", "nothing");
    }
    secure_exchange(&client, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 9000\r\n\r\nxxxxxxxx", "413", "larger");
    secure_expect_end(&client);
    secure_close(&client);
}

static void test_answer_later(void **state)
{
    const struct secure *secure = *state;
    struct secure_client client;
    struct buffer answer = BUFFER_INIT;

    secure_connect(secure, &client);
    secure_send(&client, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);
    server_reap(secure->fixture.server, START_MS + 1000000);
    answer_later("in time");
    while (answer_length(&answer) == 0) {
        assert_true(secure_receive_some(&client, &answer));
    }
    assert_non_null(strstr(answer.data, "\r\n\r\nin time"));
    buffer_done(&answer);
    secure_close(&client);
}

static void test_slow_handshakes_are_reaped(void **state)
{
    const struct secure *secure = *state;
    int silent = client_connect(&secure->fixture);
    int slow = client_connect(&secure->fixture);
    struct secure_client idle;

    client_send_bytes(slow, "\x16\x03\x01\x02\x00\x01", 6); /* a ClientHello's first bytes */
    secure_connect(secure, &idle);
    wait_for_connections(&secure->fixture, 3);
    server_reap(secure->fixture.server, START_MS + 10000);
    secure_exchange(&idle, "GET /?a HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|a|");
    reap_until(&secure->fixture, START_MS + 10001, 0);
    client_expect_end(silent);
    client_expect_end(slow);
    secure_expect_end(&idle);
    close(silent);
    close(slow);
    secure_close(&idle);
}

/* One that waits in its handshake is suspended, and libmicrohttpd would abort over it. */
static void test_stop_in_the_middle_of_handshakes(void **state)
{
    struct secure *secure = *state;
    int fds[20];

    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        fds[i] = client_connect(&secure->fixture);
        client_send_bytes(fds[i], "\x16\x03\x01\x02\x00\x01", i % 7);
    }
    wait_for_connections(&secure->fixture, ELEMENTS(fds));
    assert_int_equal(server_free(secure->fixture.server, PATIENCE_MS), 0);
    secure->fixture.server = NULL;
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        client_expect_end(fds[i]);
        close(fds[i]);
    }
}

/* Who speaks plain HTTP here gets nothing, and reaches nobody. */
static void test_plain_http(void **state)
{
    const struct secure *secure = *state;
    struct buffer answer = BUFFER_INIT;
    int fd = client_connect(&secure->fixture);

    client_send(fd, "GET / HTTP/1.1\r\n" HEADERS "\r\n");
    while (client_receive_some(fd, &answer)) {}
    assert_null(strstr(buffer_text(&answer), "HTTP/"));
    buffer_done(&answer);
    close(fd);
    assert_int_equal(metric_value(secure->fixture.service.requests, "test", "echo", NULL), 0);
}

static void test_certificate_is_replaced_while_serving(void **state)
{
    struct secure *secure = *state;
    struct secure_client before;
    struct secure_client after;
    char shown[65];
    char in_force[65];

    secure_connect(secure, &before);
    assert_int_equal(unlink(secure->certificate), 0);
    load_certificate(secure);
    tls_fingerprint(secure->tls, in_force);
    tls_peer_fingerprint(&before.peer, shown);
    assert_string_not_equal(shown, in_force);
    secure_exchange(&before, "GET /?a HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|a|");
    secure_connect(secure, &after);
    tls_peer_fingerprint(&after.peer, shown);
    assert_string_equal(shown, in_force);
    secure_exchange(&after, "GET /?b HTTP/1.1\r\n" HEADERS "\r\n", "200", "GET|/|b|");
    secure_close(&before);
    secure_close(&after);
}

#define CLIENTS 3
#define ROUNDS 10

static void *run_client(void *userdata)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct secure_client client;
        secure_connect(userdata, &client);
        secure_exchange(&client, "GET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n", "200", "another thread");
        secure_exchange(&client, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\nabc", "200", "|3|abc|");
        secure_close(&client);
    }
    return NULL;
}

static void test_many_clients_and_reloads(void **state)
{
    struct secure *secure = *state;
    pthread_t threads[CLIENTS];

    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, secure), 0);
    }
    for (int i = 0; i < 10; i++) {
        load_certificate(secure); /* the same files, read anew */
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(metric_value(secure->fixture.service.requests, "test", "echo", NULL), CLIENTS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, set_up_secure, tear_down_secure),
        cmocka_unit_test_setup_teardown(test_answer_later, set_up_secure, tear_down_secure),
        cmocka_unit_test_setup_teardown(test_slow_handshakes_are_reaped, set_up_secure, tear_down_secure),
        cmocka_unit_test_setup_teardown(test_stop_in_the_middle_of_handshakes, set_up_secure, tear_down_secure),
        cmocka_unit_test_setup_teardown(test_plain_http, set_up_secure, tear_down_secure),
        cmocka_unit_test_setup_teardown(test_certificate_is_replaced_while_serving, set_up_secure, tear_down_secure),
        cmocka_unit_test_setup_teardown(test_many_clients_and_reloads, set_up_secure, tear_down_secure),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("server_tls", tests, NULL, NULL);
}
