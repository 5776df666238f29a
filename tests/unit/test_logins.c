/* Unit tests of web/logins: who is remembered, for how long, and how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "web/logins.h"

#define NOW_MS 1000000

static struct address address(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static void note(struct logins *logins, const char *text, int64_t now_ms)
{
    const struct address from = address(text);

    logins_note(logins, &from, now_ms);
}

static bool has(struct logins *logins, const char *text, int64_t now_ms)
{
    const struct address from = address(text);

    return logins_has(logins, &from, now_ms);
}

static void test_who_and_how_long(void **state)
{
    _cleanup_(logins_freep) struct logins *logins = logins_new(10);
    const struct address nobody = {.family = ADDRESS_NONE};

    (void)state;
    assert_false(has(logins, "198.18.0.1", NOW_MS));
    note(logins, "198.18.0.1", NOW_MS);
    note(logins, "2001:db8:1:2::1", NOW_MS + 1);
    logins_note(logins, &nobody, NOW_MS);
    logins_note(NULL, &nobody, NOW_MS);
    assert_true(has(logins, "198.18.0.1", NOW_MS));
    assert_false(has(logins, "198.18.0.2", NOW_MS));
    assert_true(has(logins, "2001:db8:1:2:3::9", NOW_MS)); /* the same /64 */
    assert_false(has(logins, "2001:db8:1:3::1", NOW_MS));
    assert_false(logins_has(logins, &nobody, NOW_MS));
    assert_false(has(NULL, "198.18.0.1", NOW_MS));
    assert_true(has(logins, "198.18.0.1", NOW_MS + LOGINS_KEPT_MS));
    assert_false(has(logins, "198.18.0.1", NOW_MS + LOGINS_KEPT_MS + 1));
    note(logins, "198.18.0.1", NOW_MS + 5000);
    assert_true(has(logins, "198.18.0.1", NOW_MS + LOGINS_KEPT_MS + 1));
}

static void test_the_oldest_is_forgotten(void **state)
{
    _cleanup_(logins_freep) struct logins *logins = logins_new(3);

    (void)state;
    note(logins, "198.18.0.1", NOW_MS);
    note(logins, "198.18.0.2", NOW_MS);
    note(logins, "198.18.0.3", NOW_MS);
    note(logins, "198.18.0.1", NOW_MS + 1); /* again */
    note(logins, "198.18.0.4", NOW_MS + 1);
    assert_true(has(logins, "198.18.0.1", NOW_MS + 1));
    assert_false(has(logins, "198.18.0.2", NOW_MS + 1));
    assert_true(has(logins, "198.18.0.3", NOW_MS + 1));
    assert_true(has(logins, "198.18.0.4", NOW_MS + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_and_how_long),
        cmocka_unit_test(test_the_oldest_is_forgotten),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("logins", tests, NULL, NULL);
}
