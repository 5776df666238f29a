#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/name.h"

static void test_accepted(void **state)
{
    static const struct {
        const char *text;
        const char *normalised;
    } rows[] = {
        {"home.example.com", "home.example.com."},
        {"home.example.com.", "home.example.com."},
        {"HOME.Example.COM", "home.example.com."},
        {"a", "a."},
        {"a.", "a."},
        {"*.example.com", "*.example.com."},
        {"_acme-challenge.example.com", "_acme-challenge.example.com."},
        {"a_b.example.com", "a_b.example.com."},
        {"xn--bcher-kva.example", "xn--bcher-kva.example."},
        {"-a-.example", "-a-.example."},
        {"192.0.2.1", "192.0.2.1."},
        {"123456789012345678901234567890123456789012345678901234567890123.example",
         "123456789012345678901234567890123456789012345678901234567890123.example."},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct name name;
        assert_int_equal(name_parse(rows[i].text, strlen(rows[i].text), &name, NULL), 0);
        assert_string_equal(name.text, rows[i].normalised);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"", "empty"},
        {".", "only a dot"},
        {"..", "begins with a dot"},
        {".example.com", "begins with a dot"},
        {"a..b", "empty label"},
        {"a.b..", "empty label"},
        {"*", "without a domain"},
        {"*.", "without a domain"},
        {"a.*.example.com", "'*' other than"},
        {"*a.example.com", "'*' other than"},
        {"a*.example.com", "'*' other than"},
        {"**.example.com", "'*' other than"},
        {"a b.example.com", "character other than"},
        {"a/b.example.com", "character other than"},
        {"a\\.b.example.com", "character other than"},
        {"b\xc3\xbc"
         "cher.example",
         "punycode"},
        {"a.example.com\n", "character other than"},
        {"1234567890123456789012345678901234567890123456789012345678901234.example", "longer than 63"},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct name name = {"untouched"};
        const char *reason = NULL;
        assert_int_equal(name_parse(rows[i].text, strlen(rows[i].text), &name, &reason), -EINVAL);
        if (reason == NULL || strstr(reason, rows[i].reason) == NULL) {
            fail_msg("\"%s\": %s", rows[i].text, reason != NULL ? reason : "no reason");
        }
        assert_string_equal(name.text, "untouched");
        assert_int_equal(name_parse(rows[i].text, strlen(rows[i].text), &name, NULL), -EINVAL);
    }
    struct name name;
    assert_int_equal(name_parse("a\0b", 3, &name, NULL), -EINVAL);
}

/* 255 octets on the wire are 254 characters with the final dot. */
static void test_length(void **state)
{
    (void)state;
    char text[300];
    struct name name;
    const char *reason = NULL;
    memset(text, 'a', sizeof(text));
    for (size_t i = 49; i < sizeof(text); i += 50) {
        text[i] = '.';
    }
    assert_int_equal(name_parse(text, 253, &name, NULL), 0);
    assert_int_equal(strlen(name.text), 254);
    text[253] = '.';
    assert_int_equal(name_parse(text, 254, &name, NULL), 0);
    assert_int_equal(strlen(name.text), 254);
    text[253] = 'a';
    assert_int_equal(name_parse(text, 254, &name, &reason), -EINVAL);
    assert_non_null(strstr(reason, "longer than 253"));
    assert_int_equal(name_parse(text, 255, &name, NULL), -EINVAL);
    assert_int_equal(name_parse(text, 300, &name, NULL), -EINVAL);
}

static void test_within(void **state)
{
    static const struct {
        const char *name;
        const char *zone;
        bool within;
    } rows[] = {
        {"example.com.", "example.com.", true},      {"a.example.com.", "example.com.", true},
        {"a.b.example.com.", "example.com.", true},  {"*.example.com.", "example.com.", true},
        {"aexample.com.", "example.com.", false},    {"com.", "example.com.", false},
        {"example.com.", "a.example.com.", false},   {"example.org.", "example.com.", false},
        {"example.com.org.", "example.com.", false},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (name_is_within(rows[i].name, rows[i].zone) != rows[i].within) {
            fail_msg("%s in %s", rows[i].name, rows[i].zone);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
