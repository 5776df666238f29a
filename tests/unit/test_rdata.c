#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rdata.h"
#include "base/record.h"

static struct rdata parsed(const char *text)
{
    struct rdata rdata = {0};

    assert_int_equal(rdata_parse(text, strlen(text), &rdata), 0);
    return rdata;
}

static void assert_prints(const struct rdata *rdata, const char *expected)
{
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    rdata_print(rdata, &buffer);
    assert_string_equal(buffer_text(&buffer), expected);
}

static void test_round_trips(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: the same */
    } rows[] = {
        {"", NULL},
        {"198.51.100.7", NULL},
        {"2001:DB8:0::1", "2001:db8::1"},
        {"\"one\"", NULL},
        {"\"\"", NULL},
        {"\"v=spf1 -all\"", NULL},
        {"\"first\" \"second\"", NULL},
        {"\"b\"\n\"a\"", "\"a\"\n\"b\""}, /* a set has no order */
        {"\"a\"\n\"a\"", "\"a\""},
        {"\"say \\\"hi\\\" \\\\ \\009\"", "\"say \\034hi\\034 \\092 \\009\""},
        {"\"\\195\\164\"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rdata rdata = parsed(rows[i].text);
        assert_prints(&rdata, rows[i].printed ? rows[i].printed : rows[i].text);
        rdata_drop(&rdata);
    }
}

static void test_what_is_refused(void **state)
{
    static const char *const rows[] = {"\"open",      "\"a\"b\"",       "\"\\25\"",
                                       "\"\\256\"",   "\"\\",           "198.51.100.7 ",
                                       "example.com", "\"a\"\n\n\"b\"", "\"a\"\n198.51.100.7\""};
    struct rdata rdata = {0};
    char longest[300];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(rdata_parse(rows[i], strlen(rows[i]), &rdata), -EINVAL);
        assert_true(rdata_is_empty(&rdata));
    }
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(rdata_add_text(&rdata, longest, 256, TEXT_DECIMAL), -EINVAL); /* one string has 255 */
    assert_int_equal(rdata_add_text(&rdata, longest, 255, TEXT_DECIMAL), 0);
    rdata_drop(&rdata);
    rdata = parsed("198.51.100.7");
    assert_int_equal(rdata_add_text(&rdata, "a", 1, TEXT_DECIMAL), -EINVAL); /* no texts beside an address */
}

static void test_escapes(void **state)
{
    _cleanup_buffer_ struct buffer octal = BUFFER_INIT;
    struct rdata rdata = {0};

    (void)state;
    assert_int_equal(rdata_add_text(&rdata, "\"\\303\\244 \\042\"", 15, TEXT_OCTAL), 0);
    assert_prints(&rdata, "\"\\195\\164 \\034\"");
    rdata_print_value(&rdata, 0, TEXT_OCTAL, &octal);
    assert_string_equal(buffer_text(&octal), "\"\\303\\244 \\042\"");
    assert_int_equal(rdata_add_text(&rdata, "\\389", 4, TEXT_OCTAL), -EINVAL);
    rdata_drop(&rdata);
}

static void test_long_texts_are_cut_into_strings(void **state)
{
    struct rdata rdata = {0};
    char bytes[5000];
    size_t length = 0;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(rdata_add_bytes(&rdata, bytes, 600), 0);
    const uint8_t *wire = rdata_wire(&rdata, 0, &length);
    assert_int_equal(length, 603);
    assert_int_equal(wire[0], 255);
    assert_int_equal(wire[256], 255);
    assert_int_equal(wire[512], 90);
    assert_int_equal(rdata_add_bytes(&rdata, bytes, sizeof(bytes)), -E2BIG);
    assert_int_equal(rdata_count(&rdata), 1);
    rdata_drop(&rdata);
    assert_int_equal(rdata_add_bytes(&rdata, "", 0), 0);
    assert_prints(&rdata, "\"\"");
    rdata_drop(&rdata);
}

static void test_values_of_messages(void **state)
{
    static const uint8_t wire[] = {1, 'a', 0, 2, 'b', 'c'};
    struct rdata rdata = {0};
    size_t length = 0;

    (void)state;
    for (size_t cut = 0; cut < sizeof(wire); cut++) {
        const bool is_whole = cut == 2 || cut == 3;
        assert_int_equal(rdata_add_wire(&rdata, wire, cut), is_whole ? 0 : -EINVAL);
        rdata_drop(&rdata);
    }
    assert_int_equal(rdata_add_wire(&rdata, wire, sizeof(wire)), 0);
    assert_prints(&rdata, "\"a\" \"\" \"bc\"");
    assert_memory_equal(rdata_wire(&rdata, 0, &length), wire, sizeof(wire));
    assert_int_equal(length, sizeof(wire));
    rdata_drop(&rdata);
}

static void test_sets(void **state)
{
    struct rdata one = parsed("\"a\"\n\"b\""), other = parsed("\"b\""), third = {0};
    const struct rdata address = parsed("198.51.100.7");

    (void)state;
    assert_false(rdata_equal(&one, &other));
    assert_int_equal(rdata_add_bytes(&other, "a", 1), 0);
    assert_true(rdata_equal(&one, &other));
    assert_false(rdata_equal(&one, &address));
    assert_int_equal(rdata_count(&one), 2);
    assert_int_equal(rdata_count(&address), 1);
    assert_int_equal(rdata_count(&third), 0);

    rdata_assign(&third, &one);
    rdata_assign(&third, &third);
    rdata_drop(&one);
    assert_prints(&third, "\"a\"\n\"b\"");
    assert_true(rdata_is_empty(&one));
    assert_int_equal(rdata_add_all(&third, &other), 0);
    assert_true(rdata_equal(&third, &other));
    for (int i = 0; i < RDATA_VALUES_MAX; i++) {
        const char text[2] = {(char)('0' + i / 10), (char)('0' + i % 10)};
        assert_int_equal(rdata_add_bytes(&third, text, 2), i < RDATA_VALUES_MAX - 2 ? 0 : -E2BIG);
    }
    rdata_drop(&other);
    rdata_drop(&third);
}

static void test_types(void **state)
{
    enum record_type type = RECORD_A;

    (void)state;
    assert_int_equal(record_type_parse("TXT", &type), 0);
    assert_int_equal(type, RECORD_TXT);
    assert_string_equal(record_type_text(type), "TXT");
    assert_int_equal(record_type_parse("txt", &type), -EINVAL);
    assert_int_equal(record_type_parse("MX", &type), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_long_texts_are_cut_into_strings),
        cmocka_unit_test(test_values_of_messages),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
