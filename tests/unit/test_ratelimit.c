/* Unit tests of api/ratelimit: buckets that leak, with time as an argument. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/ratelimit.h"
#include "base/cleanup.h"
#include "base/secret.h"

static struct address address(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static void test_burst_then_leak(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(6, 100);
    const struct address source = address("198.18.7.9");
    uint32_t retry_after_s = 0;

    (void)state;
    assert_non_null(ratelimit);
    for (int i = 0; i < 6; i++) {
        assert_true(ratelimit_take(ratelimit, &source, 1000, &retry_after_s));
    }
    assert_false(ratelimit_take(ratelimit, &source, 1000, &retry_after_s));
    assert_int_equal(retry_after_s, 10); /* six a minute: one in ten seconds */
    assert_false(ratelimit_take(ratelimit, &source, 1000 + 9999, &retry_after_s));
    assert_int_equal(retry_after_s, 1);
    assert_true(ratelimit_take(ratelimit, &source, 1000 + 10000, NULL));
    assert_false(ratelimit_take(ratelimit, &source, 1000 + 10000, NULL));
    /* a minute later it is empty */
    for (int i = 0; i < 6; i++) {
        assert_true(ratelimit_take(ratelimit, &source, 1000 + 70000, NULL));
    }
    assert_false(ratelimit_take(ratelimit, &source, 1000 + 70000, NULL));
}

static void test_sources_are_apart(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(1, 1000);
    const struct address first = address("198.18.7.9");
    const struct address second = address("198.18.7.10");
    const struct address v6 = address("2001:db8:1:2::1");
    const struct address v6_same_64 = address("2001:db8:1:2:ffff::9");
    const struct address v6_other = address("2001:db8:1:3::1");

    (void)state;
    assert_true(ratelimit_take(ratelimit, &first, 0, NULL));
    assert_false(ratelimit_take(ratelimit, &first, 0, NULL));
    assert_true(ratelimit_take(ratelimit, &second, 0, NULL));
    assert_true(ratelimit_take(ratelimit, &v6, 0, NULL));
    assert_false(ratelimit_take(ratelimit, &v6_same_64, 0, NULL));
    assert_true(ratelimit_take(ratelimit, &v6_other, 0, NULL));
}

static void test_allows_counts_nothing(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(2, 10);
    const struct address source = address("198.18.7.9");

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(ratelimit_allows(ratelimit, &source, 0, NULL));
    }
    assert_true(ratelimit_take(ratelimit, &source, 0, NULL));
    assert_true(ratelimit_allows(ratelimit, &source, 0, NULL));
    assert_true(ratelimit_take(ratelimit, &source, 0, NULL));
    assert_false(ratelimit_allows(ratelimit, &source, 0, NULL));
}

static void test_overflow_shuts_until_half(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(10, 10);
    const struct address source = address("198.18.7.9");
    uint32_t retry_after_s = 0;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(ratelimit_take(ratelimit, &source, 0, NULL));
    }
    /* full, but not overflowed: open again as soon as one fits */
    assert_false(ratelimit_allows(ratelimit, &source, 0, &retry_after_s));
    assert_int_equal(retry_after_s, 6);
    assert_true(ratelimit_allows(ratelimit, &source, 6000, NULL));
    /* overflowed: from ten down to five takes thirty seconds */
    assert_true(ratelimit_take(ratelimit, &source, 6000, NULL));
    assert_false(ratelimit_take(ratelimit, &source, 6000, NULL));
    assert_false(ratelimit_allows(ratelimit, &source, 6000, &retry_after_s));
    assert_int_equal(retry_after_s, 30);
    assert_false(ratelimit_allows(ratelimit, &source, 35999, &retry_after_s));
    assert_int_equal(retry_after_s, 1);
    assert_true(ratelimit_allows(ratelimit, &source, 36000, NULL));
    assert_true(ratelimit_allows(ratelimit, &source, 36000, NULL));
}

static void test_no_limit(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(0, 10);
    const struct address source = address("198.18.7.9");

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(ratelimit_take(ratelimit, &source, 0, NULL));
    }
    assert_true(ratelimit_allows(ratelimit, &source, 0, NULL));
}

static void test_unix_socket_is_not_limited(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(1, 10);
    const struct address nobody = {.family = ADDRESS_NONE};

    (void)state;
    assert_true(ratelimit_take(ratelimit, &nobody, 0, NULL));
    assert_true(ratelimit_take(ratelimit, &nobody, 0, NULL));
}

static void test_limit_changes_while_running(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(100, 10);
    const struct address source = address("198.18.7.9");
    uint32_t retry_after_s = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(ratelimit_take(ratelimit, &source, 0, NULL));
    }
    ratelimit_set(ratelimit, 2); /* what was counted above the new limit is forgotten */
    assert_false(ratelimit_take(ratelimit, &source, 0, &retry_after_s));
    assert_int_equal(retry_after_s, 30);
    ratelimit_set(ratelimit, 200);
    assert_true(ratelimit_take(ratelimit, &source, 0, NULL));
    ratelimit_set(ratelimit, 0);
    assert_true(ratelimit_allows(ratelimit, &source, 0, NULL));
}

static void test_extremes(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(UINT32_MAX, 10);
    const struct address source = address("198.18.7.9");

    (void)state;
    assert_true(ratelimit_take(ratelimit, &source, INT64_MIN / 2, NULL));
    assert_true(ratelimit_take(ratelimit, &source, INT64_MAX / 4, NULL));
    assert_true(ratelimit_take(ratelimit, &source, 0, NULL)); /* a clock that goes back leaks nothing */
    ratelimit_set(ratelimit, 1);
    assert_false(ratelimit_take(ratelimit, &source, 0, NULL));
}

/* A flood of sources takes no more memory, and who is near the limit is not forgotten for it. */
static void test_full_table_forgets_the_emptiest(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(10, 1); /* one set */
    const struct address bad = address("198.18.7.9");
    char text[32];

    (void)state;
    for (int i = 0; i < 11; i++) {
        (void)ratelimit_take(ratelimit, &bad, 0, NULL);
    }
    assert_false(ratelimit_allows(ratelimit, &bad, 0, NULL));
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(text, sizeof(text), "203.0.%u.%u", i / 256, i % 256);
        const struct address other = address(text);
        assert_true(ratelimit_take(ratelimit, &other, 0, NULL));
    }
    assert_false(ratelimit_allows(ratelimit, &bad, 0, NULL));
    /* The others were forgotten one by one: the first of them starts anew. */
    const struct address first = address("203.0.0.0");
    for (int i = 0; i < 10; i++) {
        assert_true(ratelimit_take(ratelimit, &first, 0, NULL));
    }
}

#define THREADS 4
#define TAKES 500

struct job {
    struct ratelimit *ratelimit;
    unsigned fitted;
};

static void *take_many(void *userdata)
{
    struct job *job = userdata;
    const struct address source = address("198.18.7.9");
    char text[32];

    for (unsigned i = 0; i < TAKES; i++) {
        job->fitted += ratelimit_take(job->ratelimit, &source, 0, NULL);
        (void)snprintf(text, sizeof(text), "203.0.%u.%u", i / 256, i % 256);
        const struct address other = address(text);
        (void)ratelimit_allows(job->ratelimit, &other, 0, NULL);
    }
    return NULL;
}

static void test_threads_count_together(void **state)
{
    _cleanup_(ratelimit_freep) struct ratelimit *ratelimit = ratelimit_new(1000, 100);
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    unsigned fitted = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ratelimit, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &jobs[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        fitted += jobs[i].fitted;
    }
    assert_int_equal(fitted, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_leak),
        cmocka_unit_test(test_sources_are_apart),
        cmocka_unit_test(test_allows_counts_nothing),
        cmocka_unit_test(test_overflow_shuts_until_half),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_unix_socket_is_not_limited),
        cmocka_unit_test(test_limit_changes_while_running),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_full_table_forgets_the_emptiest),
        cmocka_unit_test(test_threads_count_together),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("ratelimit", tests, NULL, NULL);
}
