/* Unit tests of base/thread. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"

static void *look(void *userdata)
{
    (void)pthread_sigmask(SIG_SETMASK, NULL, userdata);
    return userdata;
}

static void *wait_for_lock(void *userdata)
{
    pthread_mutex_lock(userdata);
    pthread_mutex_unlock(userdata);
    return NULL;
}

static void test_signals_are_the_makers(void **state)
{
    sigset_t blocked;
    sigset_t own;
    pthread_t thread;
    void *returned = NULL;

    (void)state;
    assert_int_equal(thread_start("looker", look, &blocked, &thread), 0);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, &blocked);
    assert_int_equal(sigismember(&blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&blocked, SIGHUP), 1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
    assert_int_equal(sigismember(&own, SIGTERM), 0);
}

static void test_name(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    char name[16];

    (void)state;
    pthread_mutex_lock(&lock);
    assert_int_equal(thread_start("waiter", wait_for_lock, &lock, &thread), 0);
    assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
    assert_string_equal(name, "waiter");
    pthread_mutex_unlock(&lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_are_the_makers),
        cmocka_unit_test(test_name),
    };

    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
