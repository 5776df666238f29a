/* Exchanges with a server in the same thread, over loopback sockets; time is the test's. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/dns_client.h"

#define TURNS_MAX 2000
#define NOT_ENDED 1

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct dns_exchange exchange;
    int listener; /* TCP, or the server's UDP socket */
    int peer;
    struct dns_server server;
    uint8_t request[DNS_MESSAGE_MAX];
    size_t request_length;
    unsigned wanted; /* messages until the receiver has had enough */
    unsigned received;
    size_t lengths[8];
    uint8_t last[DNS_MESSAGE_MAX];
    int error; /* NOT_ENDED, then what `ended` was told */
    bool was_connected;
};

static bool on_received(const uint8_t *message, size_t length, void *userdata)
{
    struct fixture *fixture = userdata;

    fixture->lengths[fixture->received % ELEMENTS(fixture->lengths)] = length;
    memcpy(fixture->last, message, length);
    return ++fixture->received < fixture->wanted;
}

static void on_ended(int error, bool was_connected, void *userdata)
{
    struct fixture *fixture = userdata;

    assert_int_equal(fixture->error, NOT_ENDED);
    fixture->error = error;
    fixture->was_connected = was_connected;
}

static void bind_server(struct fixture *fixture, int type)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(name);

    fixture->listener = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fixture->listener >= 0);
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&name, length), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&name, &length), 0);
    fixture->server = (struct dns_server){.port = ntohs(name.sin_port)};
    assert_int_equal(address_parse("127.0.0.1", 9, &fixture->server.address), 0);
}

static void listen_tcp(struct fixture *fixture)
{
    bind_server(fixture, SOCK_STREAM);
    assert_int_equal(listen(fixture->listener, 4), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    clock_init_test(&fixture->clock, 1000, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->listener = -1;
    fixture->peer = -1;
    fixture->wanted = 1;
    fixture->request_length = 40;
    fixture->request[0] = 0x12;
    fixture->request[1] = 0x34;
    *state = fixture;
    return dns_exchange_init(&fixture->exchange, fixture->loop);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    dns_exchange_done(&fixture->exchange);
    closep(&fixture->listener);
    closep(&fixture->peer);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture, enum dns_transport transport)
{
    fixture->error = NOT_ENDED;
    fixture->received = 0;
    dns_exchange_start(&fixture->exchange, &fixture->server, transport, fixture->request, fixture->request_length,
                       on_received, on_ended, fixture);
    assert_int_equal(fixture->error, NOT_ENDED); /* never from inside the call */
}

static void turn_until_ended(struct fixture *fixture)
{
    for (unsigned i = 0; fixture->error == NOT_ENDED && i < TURNS_MAX; i++) {
        loop_turn(fixture->loop, 5);
    }
    assert_int_not_equal(fixture->error, NOT_ENDED);
}

static void turn_until_received(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; fixture->received < count && i < TURNS_MAX; i++) {
        loop_turn(fixture->loop, 5);
    }
    assert_int_equal(fixture->received, count);
}

static void accept_peer(struct fixture *fixture)
{
    for (unsigned i = 0; fixture->peer < 0 && i < TURNS_MAX; i++) {
        loop_turn(fixture->loop, 1);
        fixture->peer = accept4(fixture->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    assert_true(fixture->peer >= 0);
}

/* Reads the whole request as the server has it. */
static void read_request(struct fixture *fixture)
{
    static uint8_t got[2 + DNS_MESSAGE_MAX];
    const size_t wanted = 2 + fixture->request_length;
    size_t length = 0;

    for (unsigned i = 0; length < wanted && i < TURNS_MAX; i++) {
        loop_turn(fixture->loop, 1);
        const ssize_t r = recv(fixture->peer, got + length, sizeof(got) - length, 0);
        length += r > 0 ? (size_t)r : 0;
    }
    assert_int_equal(length, wanted);
    assert_int_equal((size_t)got[0] << 8 | got[1], fixture->request_length);
    assert_memory_equal(got + 2, fixture->request, fixture->request_length);
}

/* A message of the server with its length before it; `bytes` of it are sent. */
static void send_message(struct fixture *fixture, uint16_t id, size_t length, size_t bytes)
{
    uint8_t *message = calloc(1, 2 + length);

    message[0] = (uint8_t)(length >> 8);
    message[1] = (uint8_t)length;
    message[2] = (uint8_t)(id >> 8);
    message[3] = (uint8_t)id;
    for (size_t sent = 0; sent < bytes;) {
        const ssize_t r = send(fixture->peer, message + sent, bytes - sent, MSG_NOSIGNAL);
        assert_true(r > 0 || errno == EAGAIN);
        sent += r > 0 ? (size_t)r : 0;
        loop_turn(fixture->loop, 1);
    }
    free(message);
}

static void begin_tcp(struct fixture *fixture)
{
    listen_tcp(fixture);
    start(fixture, DNS_TCP);
    accept_peer(fixture);
    read_request(fixture);
}

static void test_one_message_by_tcp(void **state)
{
    struct fixture *fixture = *state;

    begin_tcp(fixture);
    send_message(fixture, 0x1234, 100, 102);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, 0);
    assert_true(fixture->was_connected);
    assert_int_equal(fixture->received, 1);
    assert_int_equal(fixture->lengths[0], 100);
}

/* More than the socket's buffers hold: written in parts. */
static void test_the_longest_messages(void **state)
{
    struct fixture *fixture = *state;
    const int small = 4096;

    fixture->request_length = DNS_MESSAGE_MAX;
    for (size_t i = 2; i < fixture->request_length; i++) {
        fixture->request[i] = (uint8_t)(i * 7);
    }
    listen_tcp(fixture);
    assert_int_equal(setsockopt(fixture->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    start(fixture, DNS_TCP);
    accept_peer(fixture);
    read_request(fixture);
    send_message(fixture, 0x1234, DNS_MESSAGE_MAX, 2 + DNS_MESSAGE_MAX);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, 0);
    assert_int_equal(fixture->lengths[0], DNS_MESSAGE_MAX);
}

static void test_several_messages_in_any_pieces(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t together[] = {0,  12,   0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                       13, 0x12, 0x34, 0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    fixture->wanted = 4;
    begin_tcp(fixture);
    for (size_t i = 0; i < sizeof(together); i++) { /* byte by byte */
        assert_int_equal(send(fixture->peer, together + i, 1, MSG_NOSIGNAL), 1);
        loop_turn(fixture->loop, 1);
    }
    turn_until_received(fixture, 2);
    assert_int_equal(send(fixture->peer, together, sizeof(together), MSG_NOSIGNAL), sizeof(together));
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, 0);
    assert_int_equal(fixture->received, 4);
    assert_int_equal(fixture->lengths[2], 12);
    assert_int_equal(fixture->lengths[3], 13);
}

static void test_a_refused_connection(void **state)
{
    struct fixture *fixture = *state;

    bind_server(fixture, SOCK_STREAM); /* and nobody listens */
    start(fixture, DNS_TCP);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -ECONNREFUSED);
    assert_false(fixture->was_connected);
}

static void test_a_reset(void **state)
{
    struct fixture *fixture = *state;
    const struct linger at_once = {.l_onoff = 1};

    begin_tcp(fixture);
    assert_int_equal(setsockopt(fixture->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fixture->peer);
    fixture->peer = -1;
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -ECONNRESET);
    assert_true(fixture->was_connected);
}

static void close_after(struct fixture *fixture, size_t bytes)
{
    begin_tcp(fixture);
    send_message(fixture, 0x1234, 100, bytes);
    close(fixture->peer);
    fixture->peer = -1;
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -ENODATA);
    assert_int_equal(fixture->received, 0);
}

static void test_closed_in_the_middle_of_the_length(void **state)
{
    close_after(*state, 1);
}

static void test_closed_in_the_middle_of_a_message(void **state)
{
    close_after(*state, 60);
}

static void test_another_id(void **state)
{
    struct fixture *fixture = *state;

    begin_tcp(fixture);
    send_message(fixture, 0x1235, 100, 102);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -EBADMSG);
    assert_int_equal(fixture->received, 0);
}

static void test_a_message_that_is_too_short(void **state)
{
    struct fixture *fixture = *state;

    begin_tcp(fixture);
    send_message(fixture, 0x1234, 11, 13);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -EBADMSG);
}

/* Half a message does not buy more time, a whole one does. */
static void test_silence(void **state)
{
    struct fixture *fixture = *state;

    fixture->wanted = 2;
    begin_tcp(fixture);
    fixture->clock.test_monotonic_ms += 20000;
    send_message(fixture, 0x1234, 100, 102);
    turn_until_received(fixture, 1);
    fixture->clock.test_monotonic_ms += 20000;
    send_message(fixture, 0x1234, 100, 60);
    assert_int_equal(fixture->error, NOT_ENDED);
    fixture->clock.test_monotonic_ms += 10001;
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -ETIMEDOUT);
    assert_true(fixture->was_connected);
}

static void test_cancelled_in_every_state(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 3; i++) {
        listen_tcp(fixture);
        start(fixture, DNS_TCP);
        if (i > 0) {
            accept_peer(fixture);
        }
        if (i > 1) {
            read_request(fixture);
        }
        dns_exchange_done(&fixture->exchange);
        closep(&fixture->peer);
        closep(&fixture->listener);
        fixture->peer = -1;
        fixture->clock.test_monotonic_ms += 100000;
        loop_turn(fixture->loop, 1);
        assert_int_equal(fixture->error, NOT_ENDED);
        assert_int_equal(dns_exchange_init(&fixture->exchange, fixture->loop), 0);
    }
    fixture->listener = -1;
}

/* ---- UDP ---- */

static struct sockaddr_in receive_udp(struct fixture *fixture)
{
    uint8_t got[512];
    struct sockaddr_in from;
    socklen_t length = sizeof(from);
    ssize_t r = -1;

    for (unsigned i = 0; r < 0 && i < TURNS_MAX; i++) {
        loop_turn(fixture->loop, 1);
        r = recvfrom(fixture->listener, got, sizeof(got), 0, (struct sockaddr *)&from, &length);
    }
    assert_int_equal(r, fixture->request_length);
    assert_memory_equal(got, fixture->request, (size_t)r);
    return from;
}

static void send_udp(struct fixture *fixture, const struct sockaddr_in *to, uint16_t id, size_t length)
{
    uint8_t message[512] = {(uint8_t)(id >> 8), (uint8_t)id};

    assert_int_equal(sendto(fixture->listener, message, length, 0, (const struct sockaddr *)to, sizeof(*to)), length);
}

static void test_one_message_by_udp(void **state)
{
    struct fixture *fixture = *state;

    bind_server(fixture, SOCK_DGRAM);
    start(fixture, DNS_UDP);
    const struct sockaddr_in from = receive_udp(fixture);
    send_udp(fixture, &from, 0x1111, 100); /* somebody else's */
    send_udp(fixture, &from, 0x1234, 3);   /* no message */
    send_udp(fixture, &from, 0x1234, 64);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, 0);
    assert_false(fixture->was_connected);
    assert_int_equal(fixture->lengths[0], 64);
}

static void test_a_lost_datagram_is_sent_again(void **state)
{
    struct fixture *fixture = *state;

    bind_server(fixture, SOCK_DGRAM);
    start(fixture, DNS_UDP);
    (void)receive_udp(fixture);
    fixture->clock.test_monotonic_ms += 1000;
    (void)receive_udp(fixture);
    fixture->clock.test_monotonic_ms += 2000;
    const struct sockaddr_in from = receive_udp(fixture);
    send_udp(fixture, &from, 0x1234, 20);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, 0);
}

static void test_nobody_answers_by_udp(void **state)
{
    struct fixture *fixture = *state;

    bind_server(fixture, SOCK_DGRAM);
    start(fixture, DNS_UDP);
    for (unsigned i = 0; i < 3; i++) {
        (void)receive_udp(fixture);
        assert_int_equal(fixture->error, NOT_ENDED);
        fixture->clock.test_monotonic_ms += 1000LL << i;
    }
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -ETIMEDOUT);
}

static void test_udp_refused(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_in name;
    socklen_t length = sizeof(name);

    bind_server(fixture, SOCK_DGRAM);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&name, &length), 0);
    /* A socket that is connected to itself takes datagrams from nobody else. */
    assert_int_equal(connect(fixture->listener, (struct sockaddr *)&name, length), 0);
    start(fixture, DNS_UDP);
    turn_until_ended(fixture);
    assert_int_equal(fixture->error, -ECONNREFUSED);
    assert_false(fixture->was_connected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_message_by_tcp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_longest_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_messages_in_any_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refused_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_in_the_middle_of_the_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_in_the_middle_of_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_that_is_too_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_in_every_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_message_by_udp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_lost_datagram_is_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_answers_by_udp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_udp_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
