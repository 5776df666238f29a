/* Unit tests of web/server_exchange: answers now and later, from this thread and others. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web_fixture.h"

/* ---- answers from elsewhere ---- */

static void test_answer_from_another_thread(void **state)
{
    const struct fixture *fixture = *state;
    int fd = client_connect(fixture);

    for (int i = 0; i < 200; i++) {
        client_exchange(fd, "GET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n", "200", "from another thread");
    }
    close(fd);
    assert_int_equal(metric_value(fixture->service.requests, "test", "later", NULL), 200);
}

static void test_suspended_costs_no_worker(void **state)
{
    const struct fixture *fixture = *state;
    int fds[16];

    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        fds[i] = client_connect(fixture);
        client_send(fds[i], "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    }
    wait_for(&later_count, ELEMENTS(fds));
    assert_int_equal(server_requests_pending(fixture->server), ELEMENTS(fds));
    client_expect(fixture, "GET /?meanwhile HTTP/1.1\r\n" HEADERS "\r\n", "200", "meanwhile");
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        answer_later("at last");
    }
    assert_int_equal(server_requests_pending(fixture->server), 0);
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        char *answer = client_receive(fds[i]);
        assert_non_null(strstr(answer, "\r\nRetry-After: 7\r\n"));
        assert_non_null(strstr(answer, "\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"));
        assert_non_null(strstr(answer, "\r\n\r\nat last"));
        free(answer);
        close(fds[i]);
    }
    wait_for(&freed_count, ELEMENTS(fds));
}

/* Who has sent all may say so. While an answer is awaited libmicrohttpd 0.9.75 takes that for a client that has gone;
 * newer ones answer. Neither that nor one that really has gone does any harm. */
static void test_client_that_leaves(void **state)
{
    const struct fixture *fixture = *state;
    int half = client_connect(fixture);
    int half_waiting = client_connect(fixture);
    int gone = client_connect(fixture);

    client_send(half, "GET /?half HTTP/1.1\r\n" HEADERS "\r\n");
    assert_int_equal(shutdown(half, SHUT_WR), 0);
    char *answer = client_receive(half);
    assert_non_null(strstr(answer, "GET|/|half|"));
    free(answer);
    close(half);

    client_send(half_waiting, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);
    assert_int_equal(shutdown(half_waiting, SHUT_WR), 0);
    client_send(gone, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 2);
    struct linger reset = {1, 0};
    assert_int_equal(setsockopt(gone, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(gone);
    answer_later("to somebody or nobody");
    answer_later("to nobody");
    wait_for(&freed_count, 2);
    close(half_waiting);
    reap_until(fixture, START_MS + 10001, 0); /* what libmicrohttpd did not see leave */
}

/* The next request may come before the answer to the last one. */
static void test_pipelined(void **state)
{
    struct buffer answers = BUFFER_INIT;
    int fd = client_connect(*state);

    client_send(fd, "GET /later HTTP/1.1\r\n" HEADERS "\r\nGET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n"
                    "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);
    client_send(fd, "POST /?last HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\nConnection: close\r\n\r\nabc");
    answer_later("<1>");
    answer_later("<3>");
    while (client_receive_some(fd, &answers)) {}
    const char *first = strstr(buffer_text(&answers), "<1>");
    const char *second = strstr(first != NULL ? first : "", "from another thread");
    const char *third = strstr(second != NULL ? second : "", "<3>");
    assert_non_null(strstr(third != NULL ? third : "", "POST|/|last|3|abc|"));
    buffer_done(&answers);
    close(fd);
}

static void test_second_answer_is_dropped(void **state)
{
    const struct fixture *fixture = *state;
    int fd = client_connect(fixture);

    client_send(fd, "GET /later HTTP/1.1\r\n" HEADERS "\r\n");
    wait_for(&later_count, 1);
    struct request *request = later_requests[0];
    /* The worker cannot free it while this thread holds what freeing it needs. */
    pthread_mutex_lock(&later_lock);
    answer_now(request, "first");
    answer_now(request, "second");
    later_count = 0;
    pthread_mutex_unlock(&later_lock);
    char *answer = client_receive(fd);
    assert_non_null(strstr(answer, "\r\n\r\nfirst"));
    free(answer);
    assert_int_equal(server_requests_pending(fixture->server), 0);
    close(fd);
}

#define CLIENTS 4
#define ROUNDS 100

static void *run_client(void *userdata)
{
    const struct fixture *fixture = userdata;

    for (int i = 0; i < ROUNDS; i++) {
        int fd = client_connect(fixture);
        client_exchange(fd, "GET /elsewhere HTTP/1.1\r\n" HEADERS "\r\n", "200", "another thread");
        client_exchange(fd, "POST / HTTP/1.1\r\n" HEADERS "Content-Length: 3\r\n\r\nabc", "200", "|3|abc|");
        close(fd);
    }
    return NULL;
}

static void test_many_clients(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[CLIENTS];

    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, fixture), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(metric_value(fixture->service.requests, "test", "echo", NULL), CLIENTS * ROUNDS);
    assert_int_equal(metric_value(fixture->service.requests, "test", "later", NULL), CLIENTS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer_from_another_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_suspended_costs_no_worker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_that_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_answer_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_clients, set_up, tear_down),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("server_exchange", tests, NULL, NULL);
}
