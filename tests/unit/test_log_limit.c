/* Unit tests of base/log_limit: what is let through in a minute, and the sums of the rest. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/log_limit.h"

#define PER_SOURCE 20
#define IN_ALL 600 /* of LOG_LIMITED_REFUSED */
#define MINUTE_MS LOG_LIMIT_MINUTE_MS

struct heard {
    unsigned count;
    enum log_level level;
    char line[512];
    uint64_t sum;
};

static struct heard heard;

static void hear(enum log_level level, const char *line, void *userdata)
{
    const char *number = strstr(line, " suppressed=");

    (void)userdata;
    assert_non_null(number);
    heard.count++;
    heard.level = level;
    heard.sum += strtoull(number + strlen(" suppressed="), NULL, 10);
    (void)snprintf(heard.line, sizeof(heard.line), "%s", line);
}

static int setup(void **state)
{
    struct log_limit *limit = log_limit_new();

    assert_non_null(limit);
    heard = (struct heard){0};
    log_init(LOG_LEVEL_INFO);
    log_set_sink(hear, NULL);
    *state = limit;
    return 0;
}

static int teardown(void **state)
{
    log_set_sink(NULL, NULL);
    log_limit_free(*state);
    return 0;
}

static struct address address(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

/* How many of so many lines about a source are written. */
static unsigned take(struct log_limit *limit, enum log_limited kind, const struct address *source, unsigned count,
                     int64_t now_ms)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++) {
        taken += log_limit_take(limit, kind, source, now_ms) ? 1 : 0;
    }
    return taken;
}

static void test_the_first_lines_of_a_source_then_their_sum(void **state)
{
    struct log_limit *limit = *state;
    const struct address loud = address("198.18.7.9"), quiet = address("198.18.7.10");

    assert_int_equal(take(limit, LOG_LIMITED_REFUSED, &loud, PER_SOURCE + 4211, 1000), PER_SOURCE);
    assert_int_equal(take(limit, LOG_LIMITED_REFUSED, &quiet, PER_SOURCE, 2000), PER_SOURCE);
    log_limit_tick(limit, 1000 + MINUTE_MS - 1);
    assert_int_equal(heard.count, 0);
    log_limit_tick(limit, 1000 + MINUTE_MS);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.line, "event=refused source=198.18.7.9 suppressed=4211"
                                    " message=\"and 4211 more of this source within a minute\"");
    assert_int_equal(heard.level, LOG_LEVEL_INFO);
    assert_int_equal(log_limit_suppressed(limit, LOG_LIMITED_REFUSED), 4211);
    log_limit_tick(limit, 1000 + 2 * MINUTE_MS);
    log_limit_flush(limit);
    assert_int_equal(heard.count, 1);
}

static void test_the_next_minute_begins_anew(void **state)
{
    struct log_limit *limit = *state;
    const struct address source = address("198.18.7.9");

    for (int64_t minute = 1; minute <= 5; minute++) {
        int64_t now_ms = minute * 10 * MINUTE_MS;
        log_limit_tick(limit, now_ms);
        assert_int_equal(take(limit, LOG_LIMITED_REFUSED, &source, PER_SOURCE + 1, now_ms), PER_SOURCE);
    }
    log_limit_flush(limit);
    assert_int_equal(heard.count, 5);
    assert_int_equal(log_limit_suppressed(limit, LOG_LIMITED_REFUSED), 5);
}

static void test_kinds_do_not_share(void **state)
{
    struct log_limit *limit = *state;
    const struct address source = address("198.18.7.9");

    assert_int_equal(take(limit, LOG_LIMITED_REFUSED, &source, PER_SOURCE + 3, 0), PER_SOURCE);
    assert_int_equal(take(limit, LOG_LIMITED_AUTH_FAILURE, &source, PER_SOURCE + 7, 0), PER_SOURCE);
    log_limit_flush(limit);
    assert_int_equal(heard.count, 2);
    assert_int_equal(heard.sum, 10);
    assert_int_equal(log_limit_suppressed(limit, LOG_LIMITED_AUTH_FAILURE), 7);
}

/* The sum names the address that came last, so that it can be banned. */
static void test_a_64_is_one_source(void **state)
{
    struct log_limit *limit = *state;
    const struct address one = address("2001:db8:0:1::1"), two = address("2001:db8:0:1::2");
    const struct address other = address("2001:db8:0:2::1");

    assert_int_equal(take(limit, LOG_LIMITED_AUTH_FAILURE, &one, PER_SOURCE, 0), PER_SOURCE);
    assert_int_equal(take(limit, LOG_LIMITED_AUTH_FAILURE, &two, 3, 0), 0);
    assert_int_equal(take(limit, LOG_LIMITED_AUTH_FAILURE, &other, 3, 0), 3);
    log_limit_flush(limit);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.line, "event=auth_failure source=2001:db8:0:1::2 suppressed=3"
                                    " message=\"and 3 more of this /64 within a minute\"");
    assert_int_equal(heard.level, LOG_LEVEL_NOTICE);
}

/* However many sources there are: so many lines, then so many sums at most, and every one is counted. */
static void test_many_sources(void **state)
{
    struct log_limit *limit = *state;
    unsigned taken = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 10000; i++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "198.18.%u.%u", i / 250, i % 250);
            const struct address source = address(text);
            taken += take(limit, LOG_LIMITED_REFUSED, &source, 1, 0);
        }
    }
    assert_int_equal(taken, IN_ALL);
    log_limit_flush(limit);
    assert_int_equal(heard.count, IN_ALL + 1); /* all that had a line came again */
    assert_int_equal(heard.sum, 20000 - IN_ALL);
    assert_string_equal(heard.line, "event=refused suppressed=18800"
                                    " message=\"and 18800 more of other sources within a minute\"");
    assert_int_equal(take(limit, LOG_LIMITED_REFUSED, &(struct address){.family = ADDRESS_NONE}, 1, 0), 1);
}

/* Those who spread a search for secrets over many addresses are all seen. */
static void test_failed_logins_of_a_thousand_sources_are_shown(void **state)
{
    struct log_limit *limit = *state;

    for (unsigned i = 0; i < 1000; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "198.18.%u.%u", i / 250, i % 250);
        const struct address source = address(text);
        assert_int_equal(take(limit, LOG_LIMITED_AUTH_FAILURE, &source, 3, 0), 3);
    }
}

static void test_without_a_source(void **state)
{
    struct log_limit *limit = *state;
    const struct address local = {.family = ADDRESS_NONE};

    assert_int_equal(take(limit, LOG_LIMITED_REFUSED, &local, PER_SOURCE + 1, 0), PER_SOURCE);
    log_limit_flush(limit);
    assert_string_equal(heard.line, "event=refused source=local suppressed=1"
                                    " message=\"and 1 more of this source within a minute\"");
    assert_int_equal(take(limit, LOG_LIMITED_REFUSED, NULL, IN_ALL + 2, 0), IN_ALL);
    log_limit_flush(limit);
    assert_string_equal(heard.line,
                        "event=refused suppressed=2 message=\"and 2 more of other sources within a minute\"");
}

static void test_a_level_that_is_off_counts_nothing(void **state)
{
    struct log_limit *limit = *state;

    assert_int_equal(take(limit, LOG_LIMITED_HTTP_LIBRARY, NULL, 2 * IN_ALL, 0), 0);
    assert_int_equal(take(NULL, LOG_LIMITED_HTTP_LIBRARY, NULL, 1, 0), 0);
    log_limit_flush(limit);
    assert_int_equal(heard.count, 0);
    assert_int_equal(log_limit_suppressed(limit, LOG_LIMITED_HTTP_LIBRARY), 0);
    log_init(LOG_LEVEL_DEBUG);
    assert_int_equal(take(limit, LOG_LIMITED_HTTP_LIBRARY, NULL, 2 * IN_ALL, 0), IN_ALL);
    assert_int_equal(take(NULL, LOG_LIMITED_HTTP_LIBRARY, NULL, 2 * IN_ALL, 0), 2 * IN_ALL);
}

/* ---- threads ---- */

#define THREADS 4
#define LINES_OF_THREAD 20000

struct shouter {
    struct log_limit *limit;
    struct address source;
    unsigned taken;
};

static void *shout(void *userdata)
{
    struct shouter *shouter = userdata;

    shouter->taken = take(shouter->limit, LOG_LIMITED_REFUSED, &shouter->source, LINES_OF_THREAD, 0);
    return NULL;
}

static void test_threads(void **state)
{
    struct log_limit *limit = *state;
    struct shouter shouters[THREADS];
    pthread_t threads[THREADS];
    unsigned taken = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        shouters[i] = (struct shouter){limit, address(i % 2 ? "198.18.7.1" : "198.18.7.2"), 0};
        assert_int_equal(pthread_create(&threads[i], NULL, shout, &shouters[i]), 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        log_limit_flush(limit);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        taken += shouters[i].taken;
    }
    log_limit_flush(limit);
    assert_int_equal(taken + heard.sum, THREADS * LINES_OF_THREAD);
    assert_int_equal(log_limit_suppressed(limit, LOG_LIMITED_REFUSED), heard.sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_lines_of_a_source_then_their_sum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_next_minute_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds_do_not_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_64_is_one_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_logins_of_a_thousand_sources_are_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_level_that_is_off_counts_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
