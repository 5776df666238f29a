/* Unit tests of web/server_tickets: a client comes back with its session, before and after the key was made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <time.h>

#include "tls_peer.h"
#include "web/server_tickets.h"

#define HOUR_S ((int64_t)3600)
#define TLS_12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS_13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

struct world {
    struct clock clock;
    struct tickets *tickets;
    struct issued pair;
    gnutls_certificate_credentials_t credentials;
};

/* What GnuTLS takes for the time: how old a ticket is. */
static int64_t gnutls_now_s;

static time_t gnutls_now(time_t *ret_time)
{
    if (ret_time) {
        *ret_time = (time_t)gnutls_now_s;
    }
    return (time_t)gnutls_now_s;
}

static void pass(struct world *world, int64_t seconds)
{
    world->clock.test_monotonic_ms += seconds * 1000;
    gnutls_now_s += seconds;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    gnutls_now_s = time(NULL);
    gnutls_global_set_time_function(gnutls_now);
    clock_init_test(&world->clock, 1000, 0);
    world->tickets = tickets_new(&world->clock);
    assert_non_null(world->tickets);
    issue(&world->pair, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL);
    assert_int_equal(gnutls_certificate_allocate_credentials(&world->credentials), 0);
    assert_int_equal(gnutls_certificate_set_x509_key(world->credentials, &world->pair.certificate, 1, world->pair.key),
                     0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    tickets_free(world->tickets);
    gnutls_certificate_free_credentials(world->credentials);
    issued_done(&world->pair);
    gnutls_global_set_time_function(time);
    free(world);
    return 0;
}

static void step(int r)
{
    assert_false(r < 0 && gnutls_error_is_fatal(r));
}

/* A visit with the session of the last one, `session` empty: none yet. Was it resumed? */
static bool visit(struct world *world, const char *priorities, gnutls_datum_t *session)
{
    gnutls_session_t server;
    struct tls_peer client;
    int fds[2];
    int client_status = GNUTLS_E_AGAIN;
    int server_status = GNUTLS_E_AGAIN;
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(gnutls_init(&server, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_set_default_priority(server), 0);
    assert_int_equal(gnutls_credentials_set(server, GNUTLS_CRD_CERTIFICATE, world->credentials), 0);
    gnutls_transport_set_int(server, fds[0]);
    tickets_enable(world->tickets, server);
    tls_peer_init(&client, fds[1], priorities, NULL, NULL);
    if (session->data) {
        assert_int_equal(gnutls_session_set_data(client.session, session->data, session->size), 0);
        gnutls_free(session->data);
        session->data = NULL;
    }
    while (client_status != 0 || server_status != 0) {
        step(client_status = client_status ? gnutls_handshake(client.session) : 0);
        step(server_status = server_status ? gnutls_handshake(server) : 0);
    }
    /* In TLS 1.3 the ticket comes with what the server sends first. */
    assert_int_equal(gnutls_record_send(server, "x", 1), 1);
    while (gnutls_record_recv(client.session, &byte, 1) != 1) {}
    assert_int_equal(gnutls_session_get_data2(client.session, session), 0);
    bool resumed = gnutls_session_is_resumed(server);
    assert_int_equal(resumed, gnutls_session_is_resumed(client.session) != 0);
    tls_peer_done(&client);
    gnutls_deinit(server);
    close(fds[0]);
    close(fds[1]);
    return resumed;
}

static void visit_for_days(struct world *world, const char *priorities)
{
    gnutls_datum_t session = {NULL, 0};

    assert_false(visit(world, priorities, &session));
    assert_true(visit(world, priorities, &session));
    for (int64_t s = 0; s + HOUR_S < TICKETS_RENEW_S; s += HOUR_S) { /* whatever GnuTLS derives from the key */
        gnutls_free(session.data);
        session.data = NULL;
        assert_false(visit(world, priorities, &session));
        pass(world, HOUR_S);
        assert_true(visit(world, priorities, &session));
    }
    pass(world, HOUR_S); /* the session is young, but its key is gone */
    assert_false(visit(world, priorities, &session));
    assert_true(visit(world, priorities, &session));
    gnutls_free(session.data);
}

static void test_tls_12(void **state)
{
    visit_for_days(*state, TLS_12);
}

static void test_tls_13(void **state)
{
    visit_for_days(*state, TLS_13);
}

/* An old session is not resumed, though its key is still there. */
static void test_old_session(void **state)
{
    static const char *const priorities[] = {TLS_12, TLS_13};
    struct world *world = *state;

    for (size_t i = 0; i < ELEMENTS(priorities); i++) {
        gnutls_datum_t session = {NULL, 0};
        assert_false(visit(world, priorities[i], &session));
        pass(world, TICKET_LIFE_S + 1);
        assert_false(visit(world, priorities[i], &session));
        gnutls_free(session.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tls_12, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls_13, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_session, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
