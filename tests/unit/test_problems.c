#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/problems.h"

static void test_lines(void **state)
{
    (void)state;
    char file[] = "hosts.yaml";
    _cleanup_(problems_freep) struct problems *problems = problems_new(file);
    memset(file, 'x', sizeof(file) - 1);
    assert_int_equal(problems_count(problems), 0);
    assert_null(problems_text(problems, 0));
    problems_add(problems, 12, 5, "record_type: \"%s\" is neither A nor AAAA", "AAA");
    problems_add(problems, 0, 0, "no such file");
    problems_warn(problems, 3, 1, "others may read it");
    assert_int_equal(problems_count(problems), 2);
    assert_int_equal(problems_warning_count(problems), 1);
    assert_string_equal(problems_text(problems, 0), "hosts.yaml: no such file");
    assert_string_equal(problems_text(problems, 1), "hosts.yaml:12:5: record_type: \"AAA\" is neither A nor AAAA");
    assert_null(problems_text(problems, 2));
    assert_null(problems_text(problems, SIZE_MAX));
    assert_string_equal(problems_warning_text(problems, 0), "hosts.yaml:3:1: others may read it");
    assert_null(problems_warning_text(problems, 1));
    problems_free(NULL);
}

static void test_text_is_escaped_and_bounded(void **state)
{
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    char large[5000];
    memset(large, 'y', sizeof(large));
    large[sizeof(large) - 1] = '\0';
    problems_add(problems, 1, 1, "%s: unknown key", "a\x1b[31m\nb");
    problems_add(problems, 1, 1, "%s", large);
    assert_string_equal(problems_text(problems, 0), "f:1:1: a\\x1b[31m\\x0ab: unknown key");
    assert_true(strlen(problems_text(problems, 1)) < 1100);
}

static void test_many(void **state)
{
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    for (unsigned i = 1; i <= 100; i++) {
        problems_add(problems, i, 1, "wrong");
    }
    assert_string_equal(problems_text(problems, 99), "f:100:1: wrong");
    assert_null(problems_text(problems, 100));
    for (unsigned i = 0; i < 23; i++) {
        problems_add(problems, 101 + i, 1, "wrong");
    }
    assert_int_equal(problems_count(problems), 123);
    assert_string_equal(problems_text(problems, 99), "f:100:1: wrong");
    assert_string_equal(problems_text(problems, 100), "f: and 23 more like these; mend them first");
    assert_null(problems_text(problems, 101));
}

static void test_problems_stand_in_the_order_of_the_file(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("hosts.yaml");

    (void)state;
    problems_add(problems, 7, 3, "seventh");
    problems_add(problems, 2, 9, "second, later");
    problems_add(problems, 2, 1, "second");
    problems_add(problems, 7, 3, "seventh again");
    problems_add(problems, 0, 0, "no place");
    assert_string_equal(problems_text(problems, 0), "hosts.yaml: no place");
    assert_string_equal(problems_text(problems, 1), "hosts.yaml:2:1: second");
    assert_string_equal(problems_text(problems, 2), "hosts.yaml:2:9: second, later");
    assert_string_equal(problems_text(problems, 3), "hosts.yaml:7:3: seventh");
    assert_string_equal(problems_text(problems, 4), "hosts.yaml:7:3: seventh again");
    assert_null(problems_text(problems, 5));
    for (unsigned line = 300; line > 100; line--) {
        problems_add(problems, line, 1, "one of many");
    }
    assert_string_equal(problems_text(problems, 4), "hosts.yaml:7:3: seventh again");
    assert_string_equal(problems_text(problems, 5), "hosts.yaml:101:1: one of many");
    assert_string_equal(problems_text(problems, 99), "hosts.yaml:195:1: one of many");
    assert_string_equal(problems_text(problems, 100), "hosts.yaml: and 105 more like these; mend them first");
}

static void test_move(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_(problems_freep) struct problems *others = problems_like(problems);

    (void)state;
    problems_add(problems, 2, 1, "second");
    problems_add(others, 3, 1, "third");
    problems_add(others, 1, 1, "first");
    problems_warn(others, 9, 1, "a warning");
    problems_move(problems, others);
    assert_int_equal(problems_count(problems), 3);
    assert_int_equal(problems_warning_count(problems), 1);
    assert_string_equal(problems_text(problems, 0), "f:1:1: first");
    assert_string_equal(problems_text(problems, 1), "f:2:1: second");
    assert_string_equal(problems_text(problems, 2), "f:3:1: third");
    assert_string_equal(problems_warning_text(problems, 0), "f:9:1: a warning");
    assert_int_equal(problems_count(others), 0);
    assert_null(problems_text(others, 0));
    for (unsigned line = 1; line <= 150; line++) {
        problems_add(others, line, 5, "many");
    }
    problems_move(problems, others);
    assert_int_equal(problems_count(problems), 153);
    assert_string_equal(problems_text(problems, 99), "f:97:5: many");
    assert_string_equal(problems_text(problems, 100), "f: and 53 more like these; mend them first");
    problems_move(problems, others); /* nothing */
    assert_int_equal(problems_count(problems), 153);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_problems_stand_in_the_order_of_the_file),
        cmocka_unit_test(test_text_is_escaped_and_bounded),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
