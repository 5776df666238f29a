#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/worker.h"

struct fixture {
    struct clock clock;
    struct loop *loop;
    struct worker *worker;
    struct worker *other;
    char order[64]; /* lower case: a job has run; upper case: it was answered */
};

struct lettered_job {
    struct worker_job job;
    struct fixture *fixture;
    char letter;
    struct worker *passed_to;
    struct lettered_job *cancels; /* when answered */
    bool is_again;                /* posted again when answered */
    bool stops_loop;              /* when answered */
};

static void note(struct fixture *fixture, char letter)
{
    const size_t length = strlen(fixture->order);
    assert_true(length + 1 < sizeof(fixture->order));
    fixture->order[length] = letter;
}

static bool run_lettered(struct worker_job *job)
{
    struct lettered_job *lettered = CONTAINER_OF(job, struct lettered_job, job);
    struct worker *other = lettered->passed_to;

    note(lettered->fixture, lettered->letter);
    if (other) {
        lettered->passed_to = NULL;
        worker_post(other, job);
    }
    return !other;
}

static void answer_lettered(struct worker_job *job)
{
    struct lettered_job *lettered = CONTAINER_OF(job, struct lettered_job, job);

    note(lettered->fixture, (char)(lettered->letter - 'a' + 'A'));
    if (lettered->stops_loop) {
        loop_stop(lettered->fixture->loop);
    }
    if (lettered->cancels) {
        worker_cancel(lettered->fixture->worker, &lettered->cancels->job);
    }
    if (lettered->is_again) {
        lettered->is_again = false;
        worker_post(lettered->fixture->worker, job);
    }
}

static struct lettered_job lettered(struct fixture *fixture, char letter)
{
    return (struct lettered_job){
        .job = {.run = run_lettered, .done = answer_lettered},
        .fixture = fixture,
        .letter = letter,
    };
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    clock_init_test(&fixture->clock, 1000, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->worker = worker_new(fixture->loop, "test");
    fixture->other = worker_new(fixture->loop, "other");
    *state = fixture;
    return fixture->loop && fixture->worker && fixture->other ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    worker_free(fixture->worker);
    worker_free(fixture->other);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void assert_order(const struct fixture *fixture, const char *order)
{
    assert_string_equal(fixture->order, order);
}

static void test_order(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_job a = lettered(fixture, 'a');
    struct lettered_job b = lettered(fixture, 'b');

    assert_false(worker_turn(fixture->worker));
    worker_post(fixture->worker, &a.job);
    worker_post(fixture->worker, &b.job);
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "");
    assert_true(worker_turn(fixture->worker));
    assert_order(fixture, "a"); /* never answered from the worker's thread */
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "aA");
    a.is_again = true;
    worker_post(fixture->worker, &a.job);
    while (worker_turn(fixture->worker)) {}
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "aAbaBA");
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "aAbaBAaA");
    assert_false(worker_turn(fixture->worker));
}

static void test_passed_on(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_job a = lettered(fixture, 'a');

    a.passed_to = fixture->other;
    worker_post(fixture->worker, &a.job);
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "a");
    assert_true(worker_turn(fixture->other));
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "aaA");
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_job a = lettered(fixture, 'a');
    struct lettered_job b = lettered(fixture, 'b');
    struct lettered_job c = lettered(fixture, 'c');

    worker_cancel(fixture->worker, &a.job); /* never posted */
    worker_post(fixture->worker, &a.job);
    worker_post(fixture->worker, &b.job);
    worker_post(fixture->worker, &c.job);
    worker_cancel(fixture->worker, &b.job); /* waits */
    a.cancels = &c;                         /* has run, and waits for its answer */
    while (worker_turn(fixture->worker)) {}
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "acA");
    worker_post(fixture->worker, &b.job);
    worker_post(fixture->worker, &c.job);
    worker_cancel(fixture->worker, &c.job); /* the last of the list */
    worker_post(fixture->worker, &c.job);
    while (worker_turn(fixture->worker)) {}
    loop_turn(fixture->loop, 0);
    assert_order(fixture, "acAbcBC");
}

/* ---- with its thread ---- */

struct slow_job {
    struct worker_job job;
    pthread_barrier_t *begun;
    pthread_barrier_t *may_end;
    atomic_bool has_ended;
    unsigned answers;
};

static bool run_slow(struct worker_job *job)
{
    struct slow_job *slow = CONTAINER_OF(job, struct slow_job, job);

    (void)pthread_barrier_wait(slow->begun);
    (void)pthread_barrier_wait(slow->may_end);
    atomic_store(&slow->has_ended, true);
    return true;
}

static void answer_slow(struct worker_job *job)
{
    CONTAINER_OF(job, struct slow_job, job)->answers++;
}

static void *let_it_end(void *userdata)
{
    (void)pthread_barrier_wait(userdata);
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *fixture = *state;
    struct lettered_job a = lettered(fixture, 'a');
    struct slow_job slow = {.job = {.run = run_slow, .done = answer_slow}};
    pthread_barrier_t begun, may_end;
    pthread_t helper;

    (void)pthread_barrier_init(&begun, NULL, 2);
    (void)pthread_barrier_init(&may_end, NULL, 2);
    slow.begun = &begun;
    slow.may_end = &may_end;
    assert_int_equal(worker_start(fixture->worker, 0), 0);
    worker_post(fixture->worker, &a.job);
    a.stops_loop = true;
    loop_run(fixture->loop); /* the answer wakes it */
    assert_order(fixture, "aA");

    worker_post(fixture->worker, &slow.job);
    (void)pthread_barrier_wait(&begun);
    assert_int_equal(pthread_create(&helper, NULL, let_it_end, &may_end), 0);
    worker_cancel(fixture->worker, &slow.job); /* waits for the end of it */
    assert_true(atomic_load(&slow.has_ended));
    (void)pthread_join(helper, NULL);
    loop_turn(fixture->loop, 0);
    assert_int_equal(slow.answers, 0);

    worker_post(fixture->worker, &slow.job);
    (void)pthread_barrier_wait(&begun);
    worker_post(fixture->worker, &a.job);
    assert_int_equal(worker_stop(fixture->worker, 50), -ETIMEDOUT);
    (void)pthread_barrier_wait(&may_end);
    assert_int_equal(worker_stop(fixture->worker, 60000), 0);
    assert_int_equal(worker_stop(fixture->worker, 0), 0); /* it has stopped */
    loop_turn(fixture->loop, 0);
    assert_int_equal(slow.answers, 1);
    assert_order(fixture, "aA"); /* what waited was dropped */
    (void)pthread_barrier_destroy(&begun);
    (void)pthread_barrier_destroy(&may_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
