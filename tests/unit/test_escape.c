#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"

static void test_escaping(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *escaped;
    } rows[] = {
        {"", 0, ""},
        {"plain text, \"quoted\" \\", 22, "plain text, \"quoted\" \\"},
        {"a\nb\r\tc", 6, "a\\x0ab\\x0d\\x09c"},
        {"a\0b", 3, "a\\x00b"},
        {"\x1b[31m\x7f", 6, "\\x1b[31m\\x7f"},
        {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
        {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31m",
         5, "\\xc2\\x9b31m"},                   /* C1: control sequence introducer */
        {"\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8"}, /* line separator */
        {"\xe2\x80\xae", 3, "\\xe2\\x80\\xae"}, /* right-to-left override */
        {"\xff"
         "a\xc3",
         3, "\\xffa\\xc3"},
        {"\xc0\x80", 2, "\\xc0\\x80"},
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
        {"\xe2\x82", 2, "\\xe2\\x82"},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
        buffer_append_escaped(&buffer, rows[i].text, rows[i].length);
        assert_string_equal(buffer_text(&buffer), rows[i].escaped);
        assert_int_equal(buffer.length, strlen(rows[i].escaped));
    }
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    char escaped[ESCAPE_SIZE];
    size_t length = 99;
    assert_int_equal(escape_next("", 0, escaped, &length), 0);
    assert_int_equal(escape_next("\xe2\x80\xa8x", 4, escaped, &length), 3);
    assert_int_equal(length, 12);
    assert_string_equal(escaped, "\\xe2\\x80\\xa8");
    assert_int_equal(escape_next("x\n", 2, escaped, &length), 1);
    assert_int_equal(length, 1);
    assert_string_equal(escaped, "x");
}

static void test_json(void **state)
{
    static const struct {
        const char *text;
        const char *json;
    } rows[] = {
        {"", "\"\""},
        {"192.0.2.1", "\"192.0.2.1\""},
        {"say \"yes\" or \\no/", "\"say \\\"yes\\\" or \\\\no/\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001F\x7f\""},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\""},
        {"a\xff\nb\xc3", "\"a\xef\xbf\xbd\\nb\xef\xbf\xbd\""},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
        buffer_append_json(&buffer, rows[i].text);
        assert_string_equal(buffer_text(&buffer), rows[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_escaping), cmocka_unit_test(test_one_at_a_time),
                                       cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
