#include "web/lingering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    int ours;
    int peers;
};

static struct pair connect_pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){fds[0], fds[1]};
}

/* What we do with a connection: it lingers, and then is closed. */
static void part(struct lingering *lingering, struct pair pair, int64_t now_ms)
{
    lingering_add(lingering, pair.ours, now_ms);
    close(pair.ours);
}

/* Sending fails only once the other end is closed. */
static bool can_send(struct pair pair)
{
    return send(pair.peers, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

static void test_a_client_may_go_on_sending_for_a_second(void **state)
{
    struct lingering *lingering = lingering_new();
    struct pair pair = connect_pair();
    char byte;

    (void)state;
    part(lingering, pair, 5000);
    assert_int_equal(recv(pair.peers, &byte, 1, 0), 0);
    lingering_tick(lingering, 5000 + LINGERING_MS - 1);
    assert_true(can_send(pair));
    lingering_tick(lingering, 5000 + LINGERING_MS);
    assert_false(can_send(pair));
    close(pair.peers);
    lingering_free(lingering);
}

static void test_the_oldest_leaves_for_the_next(void **state)
{
    static struct pair pairs[LINGERING_MAX + 1];
    struct lingering *lingering = lingering_new();

    (void)state;
    for (size_t i = 0; i <= LINGERING_MAX; i++) {
        pairs[i] = connect_pair();
        part(lingering, pairs[i], (int64_t)i);
    }
    assert_false(can_send(pairs[0]));
    for (size_t i = 1; i <= LINGERING_MAX; i++) {
        assert_true(can_send(pairs[i]));
    }
    lingering_free(lingering);
    for (size_t i = 0; i <= LINGERING_MAX; i++) {
        assert_false(can_send(pairs[i]));
        close(pairs[i].peers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_may_go_on_sending_for_a_second),
        cmocka_unit_test(test_the_oldest_leaves_for_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
