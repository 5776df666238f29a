/* Unit tests of web/connections: who makes room, deadlines, and what is told of it (web/admission has the rules). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "web/connections.h"

static struct address address(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static struct clock test_clock;

static struct connections *connections_of(uint32_t limit, uint32_t per_address)
{
    clock_init_test(&test_clock, 1000000, 1700000000000);
    return connections_new(&(struct connections_options){
        .server = "test", .limit = limit, .per_address = per_address, .clock = &test_clock});
}

static void test_limit_per_address(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_of(100, 2);
    const struct address peer = address("2001:db8:1:2::1");
    const struct address same_64 = address("2001:db8:1:2::2");
    const struct address other = address("2001:db8:1:3::1");
    const struct address nobody = {.family = ADDRESS_NONE};
    struct connection *open[5];

    (void)state;
    open[0] = connections_open(connections, &peer, false, -1, 0);
    open[1] = connections_open(connections, &same_64, false, -1, 0);
    assert_false(connections_admit(connections, &peer, false));
    assert_true(connections_admit(connections, &peer, true));
    assert_true(connections_admit(connections, &other, false));
    for (size_t i = 2; i < ELEMENTS(open); i++) {
        assert_true(connections_admit(connections, &nobody, false));
        open[i] = connections_open(connections, &nobody, false, -1, 0);
    }
    assert_true(address_equal(connection_peer(open[1]), &same_64));
    connections_close(connections, open[0]);
    assert_true(connections_admit(connections, &peer, false));
    for (size_t i = 1; i < ELEMENTS(open); i++) {
        connections_close(connections, open[i]);
    }
    assert_int_equal(connections_count(connections), 0);
}

/* The other end sees the end of input. */
static bool is_shut_down(int other_end)
{
    struct pollfd polled = {other_end, POLLIN, 0};
    char byte = 0;

    return poll(&polled, 1, 0) == 1 && recv(other_end, &byte, 1, 0) == 0;
}

/* ---- who makes room ---- */

struct recorded {
    char lines[8][512];
    size_t count;
};

static void record(enum log_level level, const char *line, void *userdata)
{
    struct recorded *recorded = userdata;

    (void)level;
    if (recorded->count < ELEMENTS(recorded->lines)) {
        (void)snprintf(recorded->lines[recorded->count++], sizeof(recorded->lines[0]), "%s", line);
    }
}

static void test_the_longest_waiting_makes_room(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_of(3, 0);
    const char *const peers[] = {"198.18.1.1", "198.18.2.1", "198.18.3.1", "198.18.4.1"};
    struct connection *open[4];
    struct recorded recorded = {.count = 0};
    int pairs[4][2];

    (void)state;
    log_set_sink(record, &recorded);
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        const struct address peer = address(peers[i]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        if (i == 3) {
            assert_false(connections_admit(connections, &peer, false)); /* nobody has waited for long */
            test_clock.test_monotonic_ms += ADMISSION_GRACE_MS;
        }
        assert_true(connections_admit(connections, &peer, false));
        open[i] = connections_open(connections, &peer, false, pairs[i][0], INT64_MAX);
        if (i == 0) {
            connections_request_complete(connections, open[0]);
        }
    }
    assert_false(is_shut_down(pairs[0][1])); /* it is being answered */
    assert_true(is_shut_down(pairs[1][1]));
    assert_false(is_shut_down(pairs[2][1]));
    assert_int_equal(connections_count(connections), 4); /* its owner has not closed it yet */
    connections_close(connections, open[1]);
    assert_int_equal(connections_count(connections), 3);
    connections_close(connections, open[0]);
    connections_close(connections, open[2]);
    connections_close(connections, open[3]);
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    log_set_sink(NULL, NULL);
    assert_int_equal(recorded.count, 2);
    assert_non_null(strstr(recorded.lines[0], "event=connection_limit server=test limit=connections refused=1 "
                                              "last=198.18.4.1 message="));
    assert_non_null(strstr(recorded.lines[1], "event=connection_limit server=test limit=connections closed=1 "
                                              "last=198.18.2.1 message="));
}

static void test_who_has_logged_in_comes_in(void **state)
{
    _cleanup_(logins_freep) struct logins *logins = logins_new(10);
    const struct address peer = address("198.18.1.1");
    const struct address regular = address("198.18.2.1");

    (void)state;
    clock_init_test(&test_clock, 1000000, 1700000000000);
    _cleanup_(connections_freep) struct connections *connections = connections_new(
        &(struct connections_options){.server = "test", .limit = 1, .clock = &test_clock, .logins = logins});
    struct connection *open = connections_open(connections, &peer, false, -1, INT64_MAX);
    assert_false(connections_admit(connections, &regular, false));
    logins_note(logins, &regular, test_clock.test_monotonic_ms);
    assert_true(connections_admit(connections, &regular, false));
    connections_close(connections, open);
}

/* A line a minute for each limit, with what came together; the metric counts each. */
static void test_one_line_a_minute(void **state)
{
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    struct metric *refused = metrics_family(metrics, &connections_refused_row);
    struct metric *opened = metrics_family(metrics, &connections_open_row);
    const struct address peer = address("198.18.1.1");
    struct recorded recorded = {.count = 0};

    (void)state;
    clock_init_test(&test_clock, 1000000, 1700000000000);
    _cleanup_(connections_freep) struct connections *connections = connections_new(&(struct connections_options){
        .server = "test", .limit = 10, .per_address = 1, .clock = &test_clock, .open = opened, .refused = refused});
    struct connection *open = connections_open(connections, &peer, false, -1, INT64_MAX);
    assert_true(metric_value(opened, "test", NULL, NULL) == 1);
    log_set_sink(record, &recorded);
    for (int i = 0; i < 100; i++) {
        assert_false(connections_admit(connections, &peer, false));
    }
    assert_int_equal(recorded.count, 1);
    test_clock.test_monotonic_ms += 60000;
    assert_false(connections_admit(connections, &peer, false));
    log_set_sink(NULL, NULL);
    assert_int_equal(recorded.count, 2);
    assert_non_null(strstr(recorded.lines[0], "limit=connections_per_address refused=1 last=198.18.1.1 "));
    assert_non_null(strstr(recorded.lines[1], "limit=connections_per_address refused=100 last=198.18.1.1 "));
    assert_true(metric_value(refused, "test", "connections_per_address", NULL) == 101);
    connections_close(connections, open);
    assert_true(metric_value(opened, "test", NULL, NULL) == 0);
}

/* ---- deadlines ---- */

static void test_reap(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_of(100, 0);
    const struct address peer = address("198.18.7.9");
    struct connection *open[3];
    int pairs[3][2];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        open[i] = connections_open(connections, &peer, false, pairs[i][0], 1000 + (int64_t)i);
        assert_int_equal(connection_fd(open[i]), pairs[i][0]);
    }
    connections_request_complete(connections, open[2]);
    assert_int_equal(connections_reap(connections, 1000, 0), 0);
    assert_int_equal(connections_reap(connections, 1001, 0), 1);
    assert_true(is_shut_down(pairs[0][1]));
    assert_false(is_shut_down(pairs[1][1]));
    assert_int_equal(connections_reap(connections, 1001, 0), 0);    /* once */
    assert_int_equal(connections_reap(connections, 2001, 1000), 0); /* by the limit of now */
    assert_int_equal(connections_reap(connections, INT64_MAX - 1, 0), 1);
    assert_true(is_shut_down(pairs[1][1]));
    assert_false(is_shut_down(pairs[2][1]));
    connections_request_over(connections, open[2], 5000);
    assert_int_equal(connections_reap(connections, 5000, 0), 0);
    assert_int_equal(connections_reap(connections, 5001, 0), 1);
    assert_true(is_shut_down(pairs[2][1]));
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
        struct connection *connection = connections_open(connections, &peer, false, -1, INT64_MAX);
        connections_request_complete(connections, connection);
        connections_request_over(connections, connection, i % 2 == 0 ? 5 : INT64_MAX);
        connections_close(connections, connection);
    }
    return NULL;
}

static void test_threads(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_of(100, 10);
    pthread_t threads[3];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, connections), 0);
    }
    for (int i = 0; i < 200; i++) {
        (void)connections_reap(connections, 10, 0);
    }
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(connections_count(connections), 0);
}

/* What an idle one has been sent is still read, and then it ends; others are left alone. */
static void test_end_idle(void **state)
{
    _cleanup_(connections_freep) struct connections *connections = connections_of(100, 0);
    const struct address nobody = {.family = ADDRESS_NONE};
    struct connection *open[2];
    int pairs[2][2];
    char bytes[8];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        open[i] = connections_open(connections, &nobody, false, pairs[i][0], INT64_MAX);
        connection_set_idle(open[i], true);
        assert_int_equal(send(pairs[i][1], "late", 4, 0), 4);
    }
    connection_set_idle(open[1], false);
    connections_end_idle(connections);
    assert_int_equal(recv(pairs[0][0], bytes, sizeof(bytes), MSG_DONTWAIT), 4);
    assert_int_equal(recv(pairs[0][0], bytes, sizeof(bytes), MSG_DONTWAIT), 0);
    assert_int_equal(send(pairs[0][0], "answer", 6, MSG_NOSIGNAL), 6);
    assert_int_equal(recv(pairs[1][0], bytes, sizeof(bytes), MSG_DONTWAIT), 4);
    assert_int_equal(recv(pairs[1][0], bytes, sizeof(bytes), MSG_DONTWAIT), -1);
    for (size_t i = 0; i < ELEMENTS(open); i++) {
        connections_close(connections, open[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_per_address),
        cmocka_unit_test(test_the_longest_waiting_makes_room),
        cmocka_unit_test(test_who_has_logged_in_comes_in),
        cmocka_unit_test(test_one_line_a_minute),
        cmocka_unit_test(test_reap),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_end_idle),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
