#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/loop.h"

struct fixture {
    struct clock clock;
    struct loop *loop;
    char order[128]; /* one letter for each timer or work that ran */
};

static void note(struct fixture *fixture, char letter)
{
    const size_t length = strlen(fixture->order);
    assert_true(length + 1 < sizeof(fixture->order));
    fixture->order[length] = letter;
    fixture->order[length + 1] = '\0';
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    clock_init_test(&fixture->clock, 1000, 0);
    fixture->loop = loop_new(&fixture->clock);
    *state = fixture;
    return fixture->loop ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

struct lettered_timer {
    struct loop_timer timer;
    struct fixture *fixture;
    char letter;
    struct lettered_timer *cancels;
    unsigned repeats;
    int64_t every_ms;
};

static void run_lettered_timer(struct loop_timer *timer)
{
    struct lettered_timer *lettered = CONTAINER_OF(timer, struct lettered_timer, timer);
    struct loop *loop = lettered->fixture->loop;

    note(lettered->fixture, lettered->letter);
    if (lettered->cancels) {
        loop_timer_cancel(loop, &lettered->cancels->timer);
    }
    if (lettered->repeats) {
        lettered->repeats--;
        assert_int_equal(loop_timer_set(loop, timer, loop_now_ms(loop) + lettered->every_ms), 0);
    }
}

static struct lettered_timer timer_of(struct fixture *fixture, char letter)
{
    return (struct lettered_timer){.timer = {.run = run_lettered_timer}, .fixture = fixture, .letter = letter};
}

static void test_timers_run_by_time_then_by_setting(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_timer a = timer_of(fixture, 'a');
    struct lettered_timer b = timer_of(fixture, 'b');
    struct lettered_timer c = timer_of(fixture, 'c');
    struct lettered_timer d = timer_of(fixture, 'd');

    loop_timer_set(fixture->loop, &c.timer, 1010);
    loop_timer_set(fixture->loop, &a.timer, 1010);
    loop_timer_set(fixture->loop, &b.timer, 1005);
    loop_timer_set(fixture->loop, &d.timer, 1010);
    loop_timer_set(fixture->loop, &c.timer, 1010); /* set again: now the last of the three */

    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "");
    fixture->clock.test_monotonic_ms = 1009;
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "b");
    fixture->clock.test_monotonic_ms = 1010;
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "badc");
    assert_int_equal(a.timer.heap_index, 0);
}

static void test_timer_moves_and_is_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_timer a = timer_of(fixture, 'a');
    struct lettered_timer b = timer_of(fixture, 'b');
    struct lettered_timer c = timer_of(fixture, 'c');

    loop_timer_set(fixture->loop, &a.timer, 1010);
    loop_timer_set(fixture->loop, &b.timer, 1020);
    loop_timer_set(fixture->loop, &c.timer, 1030);
    loop_timer_set(fixture->loop, &c.timer, 1001); /* earlier */
    loop_timer_set(fixture->loop, &a.timer, 1025); /* later */
    assert_int_equal(a.timer.at_ms, 1025);
    loop_timer_cancel(fixture->loop, &b.timer);
    loop_timer_cancel(fixture->loop, &b.timer); /* an inactive one: nothing happens */

    fixture->clock.test_monotonic_ms = 2000;
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "ca");
}

static void test_timer_sets_itself_and_cancels_others(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_timer a = timer_of(fixture, 'a');
    struct lettered_timer b = timer_of(fixture, 'b');
    struct lettered_timer c = timer_of(fixture, 'c');

    a.repeats = 2;
    a.every_ms = 10;
    a.cancels = &b;
    loop_timer_set(fixture->loop, &a.timer, 1000);
    loop_timer_set(fixture->loop, &b.timer, 1000); /* due as well, but cancelled by the one before it */
    loop_timer_set(fixture->loop, &c.timer, 1000);

    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "ac");
    fixture->clock.test_monotonic_ms = 1010;
    loop_turn(fixture->loop, 0);
    fixture->clock.test_monotonic_ms = 1020;
    loop_turn(fixture->loop, 0);
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "acaa");
}

static unsigned polls;

static void count_wait(void *userdata, int timeout_ms, int watched_fd)
{
    (void)userdata;
    (void)watched_fd;
    check_expected(timeout_ms);
    polls++;
}

static void no_wake(void *userdata)
{
    (void)userdata;
}

/* A timer that is always due must leave sockets their turn. */
static void test_timer_set_to_now_does_not_starve_the_poller(void **state)
{
    struct fixture *fixture = *state;
    const struct loop_poller poller = {.wait = count_wait, .wake = no_wake};
    struct lettered_timer a = timer_of(fixture, 'a');

    a.repeats = 100;
    loop_set_poller(fixture->loop, &poller);
    loop_timer_set(fixture->loop, &a.timer, 1000);
    polls = 0;
    expect_value(count_wait, timeout_ms, 0);
    loop_turn(fixture->loop, -1);
    assert_int_equal(polls, 1);
    assert_true(a.repeats > 0);
    expect_value(count_wait, timeout_ms, -1);
    loop_turn(fixture->loop, -1);
    assert_int_equal(a.repeats, 0);
}

static void test_wait_is_bounded_by_next_timer(void **state)
{
    struct fixture *fixture = *state;
    const struct loop_poller poller = {.wait = count_wait, .wake = no_wake};
    struct lettered_timer a = timer_of(fixture, 'a');

    loop_set_poller(fixture->loop, &poller);
    expect_value(count_wait, timeout_ms, -1);
    loop_turn(fixture->loop, -1);
    loop_timer_set(fixture->loop, &a.timer, 1250);
    expect_value(count_wait, timeout_ms, 250);
    loop_turn(fixture->loop, -1);
    expect_value(count_wait, timeout_ms, 100);
    loop_turn(fixture->loop, 100);
    expect_value(count_wait, timeout_ms, 250);
    loop_turn(fixture->loop, 1000);
    loop_timer_set(fixture->loop, &a.timer, INT64_MAX);
    expect_value(count_wait, timeout_ms, INT32_MAX);
    loop_turn(fixture->loop, -1);
    fixture->clock.test_monotonic_ms = -5; /* INT64_MAX - -5 does not fit */
    expect_value(count_wait, timeout_ms, INT32_MAX);
    loop_turn(fixture->loop, -1);
}

struct lettered_work {
    struct loop_work work;
    struct fixture *fixture;
    char letter;
    unsigned repeats;
    struct lettered_timer *timer; /* set to now */
};

static void run_lettered_work(struct loop_work *work)
{
    struct lettered_work *lettered = CONTAINER_OF(work, struct lettered_work, work);

    note(lettered->fixture, lettered->letter);
    if (lettered->timer) {
        loop_timer_set(lettered->fixture->loop, &lettered->timer->timer, loop_now_ms(lettered->fixture->loop));
    }
    if (lettered->repeats) {
        lettered->repeats--;
        loop_post(lettered->fixture->loop, work);
    }
}

static void test_posted_work_runs_in_order_and_to_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_timer t = timer_of(fixture, 't');
    struct lettered_work a = {{.run = run_lettered_work}, fixture, 'a', 2, NULL};
    struct lettered_work b = {{.run = run_lettered_work}, fixture, 'b', 0, &t};

    loop_post(fixture->loop, &a.work);
    loop_post(fixture->loop, &b.work);
    loop_turn(fixture->loop, 0); /* also what they posted and set, before it waits */
    assert_string_equal(fixture->order, "abtaa");
}

/* A model that is too simple to be wrong, against the heap. */
/* Also from its own run; whoever posts need not know whether it is posted already. */
static void test_work_posted_twice_runs_once(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_work a = {.work.run = run_lettered_work, .fixture = fixture, .letter = 'a', .repeats = 1};
    struct lettered_work b = {.work.run = run_lettered_work, .fixture = fixture, .letter = 'b'};

    loop_post(fixture->loop, &a.work);
    loop_post(fixture->loop, &b.work);
    loop_post(fixture->loop, &a.work);
    loop_post(fixture->loop, &a.work);
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "aba");
    loop_post(fixture->loop, &b.work);
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "abab");
}

static void test_random_timers_against_a_sorted_list(void **state)
{
    enum { COUNT = 300 };
    struct fixture *fixture = *state;
    struct lettered_timer *timers = calloc(COUNT, sizeof(*timers));
    unsigned expected_count = 0;
    uint32_t seed = 53;

    for (unsigned round = 0; round < 4000; round++) {
        seed = seed * 1103515245 + 12345;
        const unsigned which = (seed >> 16) % COUNT;
        seed = seed * 1103515245 + 12345;
        timers[which].fixture = fixture;
        timers[which].timer.run = run_lettered_timer;
        timers[which].letter = 'x';
        if ((seed >> 16) % 5 == 0) {
            loop_timer_cancel(fixture->loop, &timers[which].timer);
        } else {
            loop_timer_set(fixture->loop, &timers[which].timer, 1001 + (seed >> 16) % 97);
        }
    }
    for (int64_t now_ms = 1000; now_ms < 1100; now_ms++) {
        fixture->clock.test_monotonic_ms = now_ms;
        unsigned due = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            due += timers[i].timer.heap_index && timers[i].timer.at_ms <= now_ms;
        }
        fixture->order[0] = '\0';
        loop_turn(fixture->loop, 0);
        assert_int_equal(strlen(fixture->order), due);
        expected_count += due;
        for (unsigned i = 0; i < COUNT; i++) {
            assert_false(timers[i].timer.heap_index && timers[i].timer.at_ms <= now_ms);
        }
    }
    assert_true(expected_count > COUNT / 2);
    free(timers);
}

/* ---- threads ---- */

enum { POSTERS = 4, POSTS_EACH = 20000 };

struct poster {
    struct loop *loop;
    struct counted_work *works;
    pthread_t thread;
    unsigned last_seen; /* loop thread */
};

struct counted_work {
    struct loop_work work;
    struct poster *poster;
    unsigned number;
    unsigned *left; /* loop thread */
};

static void run_counted(struct loop_work *work)
{
    struct counted_work *counted = CONTAINER_OF(work, struct counted_work, work);

    assert_int_equal(counted->number, counted->poster->last_seen + 1);
    counted->poster->last_seen = counted->number;
    if (--*counted->left == 0) {
        loop_stop(counted->poster->loop);
    }
}

static void *post_all(void *userdata)
{
    struct poster *poster = userdata;
    for (unsigned i = 0; i < POSTS_EACH; i++) {
        loop_post(poster->loop, &poster->works[i].work);
    }
    return NULL;
}

/* A lost wake-up would leave the loop waiting for ever. */
static void test_many_threads_post(void **state)
{
    (void)state;
    struct loop *loop = loop_new(clock_system());
    struct poster posters[POSTERS] = {0};
    unsigned left = POSTERS * POSTS_EACH;

    for (unsigned p = 0; p < POSTERS; p++) {
        posters[p].loop = loop;
        posters[p].works = calloc(POSTS_EACH, sizeof(struct counted_work));
        for (unsigned i = 0; i < POSTS_EACH; i++) {
            posters[p].works[i] = (struct counted_work){{.run = run_counted}, &posters[p], i + 1, &left};
        }
        assert_int_equal(pthread_create(&posters[p].thread, NULL, post_all, &posters[p]), 0);
    }
    assert_int_equal(loop_start_thread(loop), 0);
    loop_join_thread(loop);
    assert_int_equal(left, 0);
    for (unsigned p = 0; p < POSTERS; p++) {
        pthread_join(posters[p].thread, NULL);
        free(posters[p].works);
    }
    loop_free(loop);
}

struct ping {
    struct loop_work work;
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned answered;
    bool signals_blocked;
    char name[16];
};

static void run_ping(struct loop_work *work)
{
    struct ping *ping = CONTAINER_OF(work, struct ping, work);
    sigset_t mask;

    pthread_mutex_lock(&ping->lock);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ping->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP);
    pthread_getname_np(pthread_self(), ping->name, sizeof(ping->name));
    ping->answered++;
    pthread_cond_signal(&ping->changed);
    pthread_mutex_unlock(&ping->lock);
}

/* Each post finds the loop waiting, or about to: every one must get through, and the same work is used again. */
static void test_ping_from_another_thread(void **state)
{
    (void)state;
    struct ping ping = {.work = {.run = run_ping}, .loop = loop_new(clock_system())};
    pthread_mutex_init(&ping.lock, NULL);
    pthread_cond_init(&ping.changed, NULL);

    assert_int_equal(loop_start_thread(ping.loop), 0);
    for (unsigned i = 1; i <= 5000; i++) {
        loop_post(ping.loop, &ping.work);
        pthread_mutex_lock(&ping.lock);
        while (ping.answered < i) {
            pthread_cond_wait(&ping.changed, &ping.lock);
        }
        pthread_mutex_unlock(&ping.lock);
    }
    loop_stop(ping.loop);
    loop_join_thread(ping.loop);
    assert_string_equal(ping.name, "io");
    assert_true(ping.signals_blocked);

    /* stopped before it starts: it ends at once, but runs what was posted before; and it can run again */
    loop_post(ping.loop, &ping.work);
    loop_stop(ping.loop);
    assert_int_equal(loop_start_thread(ping.loop), 0);
    loop_join_thread(ping.loop);
    assert_int_equal(ping.answered, 5001);

    pthread_cond_destroy(&ping.changed);
    pthread_mutex_destroy(&ping.lock);
    loop_free(ping.loop);
}

static void test_free_accepts_null_and_drops_posted_work(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_work a = {{.run = run_lettered_work}, fixture, 'a', 0, NULL};

    loop_free(NULL);
    loop_post(fixture->loop, &a.work);
    loop_free(fixture->loop);
    fixture->loop = NULL;
    assert_string_equal(fixture->order, "");
}

struct lettered_watch {
    struct loop_watch watch;
    struct fixture *fixture;
    char letter;
    struct lettered_watch *cancels;
};

static void run_lettered_watch(struct loop_watch *watch, uint32_t events)
{
    struct lettered_watch *lettered = CONTAINER_OF(watch, struct lettered_watch, watch);
    char byte;

    assert_true(events & EPOLLIN);
    assert_int_equal(read(watch->fd, &byte, 1), 1);
    note(lettered->fixture, lettered->letter);
    if (lettered->cancels) {
        loop_watch_cancel(lettered->fixture->loop, &lettered->cancels->watch);
    }
}

static void test_watched_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_watch watches[2];
    int pairs[2][2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
        watches[i] = (struct lettered_watch){{.run = run_lettered_watch}, fixture, (char)('a' + i), NULL};
        assert_int_equal(loop_watch_set(fixture->loop, &watches[i].watch, pairs[i][0], EPOLLIN), 0);
    }
    loop_turn(fixture->loop, 0);
    assert_string_equal(fixture->order, "");
    assert_int_equal(write(pairs[0][1], "xy", 2), 2);
    loop_turn(fixture->loop, -1); /* waits until it can be read; level-triggered, so both bytes come */
    assert_string_equal(fixture->order, "aa");

    /* Who is cancelled in a turn is not called any more in it. */
    watches[0].cancels = &watches[1];
    watches[1].cancels = &watches[0];
    assert_int_equal(write(pairs[0][1], "x", 1), 1);
    assert_int_equal(write(pairs[1][1], "x", 1), 1);
    loop_turn(fixture->loop, -1);
    assert_int_equal(strlen(fixture->order), 3);

    for (int i = 0; i < 2; i++) {
        loop_watch_cancel(fixture->loop, &watches[i].watch);
        loop_watch_cancel(fixture->loop, &watches[i].watch); /* once more is fine */
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    assert_int_equal(loop_watch_set(fixture->loop, &watches[0].watch, pairs[0][0], EPOLLIN), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timers_run_by_time_then_by_setting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_moves_and_is_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_sets_itself_and_cancels_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_set_to_now_does_not_starve_the_poller, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watched_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait_is_bounded_by_next_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_posted_work_runs_in_order_and_to_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_posted_twice_runs_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_timers_against_a_sorted_list, setup, teardown),
        cmocka_unit_test(test_many_threads_post),
        cmocka_unit_test(test_ping_from_another_thread),
        cmocka_unit_test_setup_teardown(test_free_accepts_null_and_drops_posted_work, setup, teardown),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
