/* Unit tests of api/params. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/params.h"

static const char *const names[] = {"mode", "hostname", "hash"};

struct row {
    const char *query;
    const char *form; /* NULL: no body */
    int status;
    const char *values[3]; /* when it is 0 */
};

static void test_values(void **state)
{
    static const struct row rows[] = {
        {"", NULL, 0, {0}},
        {"mode=get", NULL, 0, {"get"}},
        {"mode=set&hostname=a.example.&hash=00", NULL, 0, {"set", "a.example.", "00"}},
        {"hash=1&mode=get", NULL, 0, {"get", NULL, "1"}},
        {"mode", NULL, 0, {""}},
        {"mode=", NULL, 0, {""}},
        {"&&mode=get&&", NULL, 0, {"get"}},
        {"=x&mode=get&=", NULL, 0, {"get"}},
        {"mode=a=b", NULL, 0, {"a=b"}},
        {"m%6Fde=g%65t", NULL, 0, {"get"}},
        {"Mode=get", NULL, 0, {0}}, /* names are as they are spelled */
        {"mod=get&modes=get", NULL, 0, {0}},
        {"mode=a;hostname=b", NULL, 0, {"a;hostname=b"}}, /* a semicolon separates nothing */
        {"mode=a+b", NULL, 0, {"a+b"}},                   /* '+' is itself in a query */
        {"mode=a%2Bb%20c", NULL, 0, {"a+b c"}},
        {"", "mode=a+b%2B", 0, {"a b+"}}, /* and a space in a form */
        {"mode=get", "hostname=x&hash=%C3%A4", 0, {"get", "x", "\xc3\xa4"}},
        {"x=1&x=2&mode=get", "x=3", 0, {"get"}}, /* unknown ones may repeat */
        {"mode=get&mode=get", NULL, -EINVAL, {0}},
        {"mode=&mode", NULL, -EINVAL, {0}},
        {"mode=get", "mode=get", -EINVAL, {0}}, /* also across the two */
        {"", "hash=1&hash=2", -EINVAL, {0}},
        {"m%6fde=1&mode=2", NULL, -EINVAL, {0}},
        {"mode=%", NULL, -EINVAL, {0}},
        {"mode=%4", NULL, -EINVAL, {0}},
        {"mode=%4g", NULL, -EINVAL, {0}},
        {"mode=a%00", NULL, -EINVAL, {0}},
        {"mode=%ff", NULL, -EINVAL, {0}},
        {"mode=%C0%80", NULL, -EINVAL, {0}},
        {"other=%ff", NULL, -EINVAL, {0}}, /* anywhere, not only where we look */
        {"%zz=1", NULL, -EINVAL, {0}},
        {"", "other=%", -EINVAL, {0}},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        struct params params = {0};
        const char *reason = NULL;
        int r = params_parse(row->query, row->form, row->form != NULL ? strlen(row->form) : 0, names, ELEMENTS(names),
                             &params, &reason);
        if (r != row->status) {
            fail_msg("row %zu, \"%s\": %d", i, row->query, r);
        }
        if (r < 0) {
            assert_non_null(reason);
            assert_null(params.storage);
            continue;
        }
        for (size_t j = 0; j < ELEMENTS(names); j++) {
            if (row->values[j] == NULL) {
                assert_null(params.values[j]);
            } else {
                assert_non_null(params.values[j]);
                assert_string_equal(params.values[j], row->values[j]);
            }
        }
        params_done(&params);
        assert_null(params.storage);
    }
}

/* Unknown ones are ignored, but for those whose sender would be told of something else than was asked for. */
static void test_unspoken(void **state)
{
    static const struct {
        const char *query;
        const char *form;
        const char *word; /* of the reason; NULL: ignored */
    } rows[] = {
        {"mode=get&x=1&system=dyndns", "wildcard=NOCHG&mx=", NULL},
        {"mode", "", NULL},
        {"mode=get&&", "", NULL},
        {"Mode=get", "", "capital"},
        {"mode=get&HASH=1", "", "capital"},
        {"x", "", "no value"},
        {"mode=get&198.18.7.9", "", "no value"},
        {"=x", "", "not one"},
        {"amp;hash=1", "", "not one"},
        {"", "clear=1", "does not do"},
        {"clear=1", "txt=1", "does not do"}, /* the first */
        {"clear=0", "txt=1", "A and AAAA"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct params params = {0};
        const char *reason = NULL;
        assert_int_equal(params_parse(rows[i].query, rows[i].form, strlen(rows[i].form), names, ELEMENTS(names),
                                      &params, &reason),
                         0);
        if ((params.unspoken != NULL) != (rows[i].word != NULL) ||
            (rows[i].word && strstr(params.unspoken, rows[i].word) == NULL)) {
            fail_msg("row %zu, \"%s\": %s", i, rows[i].query, params.unspoken ? params.unspoken : "-");
        }
        params_done(&params);
    }
}

/* A client that does not encode what it sends means a '+', one that encodes it for a form means a space. */
static void test_plus_read_the_other_way(void **state)
{
    static const struct {
        const char *query;
        const char *form;
        const char *value;
        const char *other; /* NULL: it can be read one way only */
    } rows[] = {
        {"hash=a+b", "", "a+b", "a b"},         {"hash=a+b%2Bc%20d", "", "a+b+c d", "a b+c d"},
        {"hash=a%2Bb", "", "a+b", NULL},        {"hash=a%20b", "", "a b", NULL},
        {"hash=ab", "mode=a+b", "ab", NULL},    {"", "hash=a+b", "a b", "a+b"},
        {"", "hash=a+b%20c", "a b c", "a+b c"}, {"", "hash=a%2Bb", "a+b", NULL},
        {"hash=+", "mode=+", "+", " "},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct params params = {0};
        const char *reason = NULL;
        assert_int_equal(params_parse(rows[i].query, rows[i].form, strlen(rows[i].form), names, ELEMENTS(names),
                                      &params, &reason),
                         0);
        assert_string_equal(params.values[2], rows[i].value);
        if (rows[i].other == NULL) {
            assert_null(params.others[2]);
        } else {
            assert_string_equal(params.others[2], rows[i].other);
        }
        params_done(&params);
    }
}

static void test_bare(void **state)
{
    struct params params = {0};
    const char *reason = NULL;

    (void)state;
    assert_int_equal(params_parse("mode=&hostname", "hash=", 5, names, ELEMENTS(names), &params, &reason), 0);
    assert_int_equal(params.bare, 2);
    params_done(&params);
}

static void test_nul_in_form(void **state)
{
    static const char form[] = "mode=a\0b&hash=1";
    struct params params = {0};
    const char *reason = NULL;

    (void)state;
    assert_int_equal(params_parse("", form, sizeof(form) - 1, names, ELEMENTS(names), &params, &reason), -EINVAL);
}

static void test_body_without_terminator(void **state)
{
    char form[] = {'m', 'o', 'd', 'e', '=', 'g', 'e', 't', '%', '4', '1'};
    struct params params = {0};
    const char *reason = NULL;

    (void)state;
    assert_int_equal(params_parse("", form, 8, names, ELEMENTS(names), &params, &reason), 0);
    assert_string_equal(params.values[0], "get");
    params_done(&params);
    assert_int_equal(params_parse("", form, sizeof(form), names, ELEMENTS(names), &params, &reason), 0);
    assert_string_equal(params.values[0], "getA");
    params_done(&params);
}

static void test_reasons_say_what_to_do(void **state)
{
    struct params params = {0};
    const char *reason = NULL;

    (void)state;
    assert_int_equal(params_parse("mode=1&mode=2", NULL, 0, names, ELEMENTS(names), &params, &reason), -EINVAL);
    assert_non_null(strstr(reason, "twice"));
    assert_int_equal(params_parse("mode=%", NULL, 0, names, ELEMENTS(names), &params, &reason), -EINVAL);
    assert_non_null(strstr(reason, "percent-escape"));
}

/* The storage is as small as can be said beforehand; every shape of pair must fit. */
static void test_storage_is_enough(void **state)
{
    static const char *const pieces[] = {"a", "&", "=", "%41", "mode", "a&", "b=", "+", "mode=+"};
    char query[256];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(pieces); i++) {
        for (size_t count = 1; count < 40; count++) {
            query[0] = '\0';
            for (size_t j = 0; j < count; j++) {
                strcat(query, pieces[i]);
            }
            struct params params = {0};
            const char *reason = NULL;
            int r = params_parse(query, query, strlen(query), names, ELEMENTS(names), &params, &reason);
            assert_true(r == 0 || r == -EINVAL);
            params_done(&params);
        }
    }
}

static void test_too_many_names(void **state)
{
    const char *many[PARAMS_MAX + 1] = {0};
    struct params params = {0};
    const char *reason = NULL;

    (void)state;
    assert_int_equal(params_parse("", NULL, 0, many, ELEMENTS(many), &params, &reason), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_unspoken),
        cmocka_unit_test(test_plus_read_the_other_way),
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_nul_in_form),
        cmocka_unit_test(test_body_without_terminator),
        cmocka_unit_test(test_reasons_say_what_to_do),
        cmocka_unit_test(test_storage_is_enough),
        cmocka_unit_test(test_too_many_names),
    };

    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
