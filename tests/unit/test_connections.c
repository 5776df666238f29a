/* Unit tests of web/connections: counting, limits, deadlines. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>

#include "base/secret.h"
#include "web/connections.h"

static struct address address(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static void test_limit(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_new(2, 0);
    const struct address peer = address("198.18.7.9");

    (void)state;
    assert_int_equal(connections_admit(connections, &peer, false), ADMITTED);
    struct connection *first = connections_open(connections, &peer, -1, 0);
    struct connection *second = connections_open(connections, &peer, -1, 0);
    assert_int_equal(connections_count(connections), 2);
    assert_int_equal(connections_admit(connections, &peer, false), TOO_MANY);
    assert_int_equal(connections_admit(connections, &peer, true), TOO_MANY); /* proxies too */
    connections_close(connections, first);
    assert_int_equal(connections_admit(connections, &peer, false), ADMITTED);
    connections_close(connections, second);
    assert_int_equal(connections_count(connections), 0);
}

static void test_limit_per_address(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_new(100, 2);
    const struct address peer = address("2001:db8:1:2::1");
    const struct address same_64 = address("2001:db8:1:2::2");
    const struct address other = address("2001:db8:1:3::1");
    const struct address nobody = {.family = ADDRESS_NONE};
    struct connection *open[5];

    (void)state;
    open[0] = connections_open(connections, &peer, -1, 0);
    open[1] = connections_open(connections, &same_64, -1, 0);
    assert_int_equal(connections_admit(connections, &peer, false), TOO_MANY_OF_ADDRESS);
    assert_int_equal(connections_admit(connections, &peer, true), ADMITTED);
    assert_int_equal(connections_admit(connections, &other, false), ADMITTED);
    for (size_t i = 2; i < ELEMENTS(open); i++) {
        assert_int_equal(connections_admit(connections, &nobody, false), ADMITTED);
        open[i] = connections_open(connections, &nobody, -1, 0);
    }
    assert_true(address_equal(connection_peer(open[1]), &same_64));
    connections_close(connections, open[0]);
    assert_int_equal(connections_admit(connections, &peer, false), ADMITTED);
    for (size_t i = 1; i < ELEMENTS(open); i++) {
        connections_close(connections, open[i]);
    }
}

/* The other end sees the end of input. */
static bool is_shut_down(int other_end)
{
    struct pollfd polled = {other_end, POLLIN, 0};
    char byte = 0;

    return poll(&polled, 1, 0) == 1 && recv(other_end, &byte, 1, 0) == 0;
}

static void test_reap(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_new(100, 0);
    const struct address peer = address("198.18.7.9");
    struct connection *open[3];
    int pairs[3][2];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        open[i] = connections_open(connections, &peer, pairs[i][0], 1000 + (int64_t)i);
        assert_int_equal(connection_fd(open[i]), pairs[i][0]);
    }
    connection_set_deadline(open[2], INT64_MAX);
    assert_int_equal(connections_reap(connections, 1000), 0);
    assert_int_equal(connections_reap(connections, 1001), 1);
    assert_true(is_shut_down(pairs[0][1]));
    assert_false(is_shut_down(pairs[1][1]));
    assert_int_equal(connections_reap(connections, 1001), 0); /* once */
    assert_int_equal(connections_reap(connections, INT64_MAX - 1), 1);
    assert_true(is_shut_down(pairs[1][1]));
    assert_false(is_shut_down(pairs[2][1]));
    /* in any order */
    connections_close(connections, open[1]);
    connections_close(connections, open[0]);
    connections_close(connections, open[2]);
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

static void *open_and_close(void *userdata)
{
    struct connections *connections = userdata;
    const struct address peer = address("198.18.7.9");

    for (int i = 0; i < 1000; i++) {
        (void)connections_admit(connections, &peer, false);
        struct connection *connection = connections_open(connections, &peer, -1, INT64_MAX);
        connection_set_deadline(connection, 5);
        connection_set_deadline(connection, INT64_MAX);
        connections_close(connections, connection);
    }
    return NULL;
}

static void test_threads(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_new(100, 10);
    pthread_t threads[3];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, connections), 0);
    }
    for (int i = 0; i < 200; i++) {
        (void)connections_reap(connections, 10);
    }
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(connections_count(connections), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_per_address),
        cmocka_unit_test(test_reap),
        cmocka_unit_test(test_threads),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
