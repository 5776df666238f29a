#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"

static void test_uint(void **state)
{
    static const struct {
        const char *text;
        uint64_t minimum, maximum;
        int result;
        uint64_t value;
    } rows[] = {
        {"0", 0, 10, 0, 0},
        {"10", 0, 10, 0, 10},
        {"11", 0, 10, -ERANGE, 0},
        {"0", 1, 10, -ERANGE, 0},
        {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0},
        {"", 0, 10, -EINVAL, 0},
        {"00", 0, 10, -EINVAL, 0},
        {"01", 0, 10, -EINVAL, 0},
        {"+1", 0, 10, -EINVAL, 0},
        {"-1", 0, 10, -EINVAL, 0},
        {" 1", 0, 10, -EINVAL, 0},
        {"1 ", 0, 10, -EINVAL, 0},
        {"1e1", 0, 10, -EINVAL, 0},
        {"0x1", 0, 10, -EINVAL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint64_t value = 77;
        int r = parse_uint(rows[i].text, strlen(rows[i].text), rows[i].minimum, rows[i].maximum, &value);
        if (r != rows[i].result) {
            fail_msg("\"%s\": %d", rows[i].text, r);
        }
        assert_true(value == (r == 0 ? rows[i].value : 77));
    }
    uint64_t value = 0;
    assert_int_equal(parse_uint("123456", 3, 0, 1000, &value), 0);
    assert_int_equal(value, 123);
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t bytes[4] = {9, 9, 9, 9};
    char text[9];
    assert_int_equal(parse_hex("00fFAb7e", 8, bytes, 4), 0);
    assert_memory_equal(bytes, "\x00\xff\xab\x7e", 4);
    print_hex(bytes, 4, text);
    assert_string_equal(text, "00ffab7e");
    print_hex(bytes, 0, text);
    assert_string_equal(text, "");

    static const char *const wrong[] = {"", "00fFAb7", "00fFAb7e0", "00fFAb7e00", "00fFAb7g", "00 FAb7e", "0x00fFAb"};
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        assert_int_equal(parse_hex(wrong[i], strlen(wrong[i]), bytes, 4), -EINVAL);
    }
    assert_memory_equal(bytes, "\x00\xff\xab\x7e", 4);
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa4", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xc0\x80", false},         /* overlong NUL */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xed\xbf\xbf", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* past U+10FFFF */
        {"\xf8\x88\x80\x80\x80", false},
        {"\xfe", false},
        {"\xff", false},
        {"\x80", false},
        {"\xc3", false},
        {"a\xe2\x82", false},
        {"\xc3(", false},
        {"\xe2\x28\xa1", false},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (utf8_is_valid(rows[i].text, strlen(rows[i].text)) != rows[i].valid) {
            fail_msg("row %zu", i);
        }
    }
    assert_true(utf8_is_valid("\0", 1));
    uint32_t character = 0;
    assert_int_equal(utf8_decode("\xe2\x82\xac!", 4, &character), 3);
    assert_int_equal(character, 0x20ac);
    assert_int_equal(utf8_decode("", 0, &character), 0);
}

static void test_percent(void **state)
{
    static const struct {
        const char *text;
        bool plus;
        const char *decoded; /* NULL: refused */
    } rows[] = {
        {"", false, ""},       {"abc", false, "abc"},  {"a%20b", false, "a b"},       {"a+b", false, "a+b"},
        {"a+b", true, "a b"},  {"a%2Bb", true, "a+b"}, {"%C3%a4", false, "\xc3\xa4"}, {"%25%2541", false, "%%41"},
        {"%", false, NULL},    {"%4", false, NULL},    {"a%", false, NULL},           {"%4g", false, NULL},
        {"%+1", false, NULL},  {"%%41", false, NULL},  {"%00", false, NULL},          {"a%00b", false, NULL},
        {"%ff", false, NULL},  {"%c3", false, NULL},   {"%C0%80", false, NULL},       {"%ed%a0%80", false, NULL},
        {"\xff", false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char text[64];
        size_t length = 0;
        int r = percent_decode(rows[i].text, strlen(rows[i].text), rows[i].plus, text, &length);
        if (rows[i].decoded == NULL) {
            assert_int_equal(r, -EINVAL);
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(text, rows[i].decoded);
        assert_int_equal(length, strlen(rows[i].decoded));
    }
    char text[8];
    size_t length = 0;
    assert_int_equal(percent_decode("a\0b", 3, false, text, &length), -EINVAL);
    assert_int_equal(percent_decode("%41%4", 3, false, text, &length), 0);
    assert_string_equal(text, "A");
}

static void test_base64(void **state)
{
    static const struct {
        const char *text;
        const char *decoded;
        int result;
    } rows[] = {
        {"", "", 0},
        {"Zg==", "f", 0},
        {"Zg", "f", 0},
        {"Zm8=", "fo", 0},
        {"Zm8", "fo", 0},
        {"Zm9v", "foo", 0},
        {"Zm9vYmFy", "foobar", 0},
        {"+/+/", "\xfb\xff\xbf", 0},
        {"Zg=", NULL, -EINVAL},
        {"Zm9v=", NULL, -EINVAL},
        {"Zm9v====", NULL, -EINVAL},
        {"Z", NULL, -EINVAL},
        {"=", NULL, -EINVAL},
        {"====", NULL, -EINVAL},
        {"Zh==", NULL, -EINVAL}, /* bits past the end */
        {"Zm9=", NULL, -EINVAL},
        {"Zm 9v", NULL, -EINVAL},
        {"Zm9v\n", NULL, -EINVAL},
        {"-_-_", NULL, -EINVAL},
        {"Z=g=", NULL, -EINVAL},
        {"Zm9vYmFyYmE", NULL, -ENOBUFS},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char bytes[7];
        size_t length = 99;
        int r = base64_decode(rows[i].text, strlen(rows[i].text), bytes, sizeof(bytes), &length);
        if (r != rows[i].result) {
            fail_msg("\"%s\": %d", rows[i].text, r);
        }
        if (r == 0) {
            assert_int_equal(length, strlen(rows[i].decoded));
            assert_memory_equal(bytes, rows[i].decoded, length);
        } else {
            assert_int_equal(length, 99);
        }
    }
}

static void test_iso8601(void **state)
{
    static const struct {
        const char *text;
        int64_t time_s; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T23:15:51Z", 1795302951},
        {"20261121T231551Z", 1795302951},
        {"2026-11-21", 1795219200},
        {"20261121", 1795219200},
        {"2000-02-29T12:00:00Z", 951825600},
        {"2024-02-29", 1709164800},
        {"2038-01-19T03:14:08Z", 2147483648},
        {"2016-12-31T23:59:60Z", 1483228800},
        {"2026-11-21T23:15:51.123Z", 1795302951},
        {"2026-11-21T23:15:51.123456789Z", 1795302951},
        {"2026-11-21T23:15:51+00:00", 1795302951},
        {"2026-11-22T00:15:51+01:00", 1795302951},
        {"2026-11-21T17:45:51.5-05:30", 1795302951},
        {"20261121T231551+0000", 1795302951},
        {"2023-02-29", -1},
        {"1900-02-29", -1},
        {"2026-13-01", -1},
        {"2026-00-01", -1},
        {"2026-04-31", -1},
        {"2026-11-00", -1},
        {"2026-11-21T24:00:00Z", -1},
        {"2026-11-21T23:60:00Z", -1},
        {"2026-11-21T23:15:61Z", -1},
        {"2026-11-21T23:15:51", -1},
        {"2026-11-21T23:15Z", -1},
        {"2026-11-21T23:15:51.Z", -1},
        {"2026-11-21T23:15:51z", -1},
        {"2026-11-21 23:15:51Z", -1},
        {"2026-11-21T23:15:51Z ", -1},
        {" 2026-11-21T23:15:51Z", -1},
        {"2026-11-21T231551Z", -1},
        {"20261121T23:15:51Z", -1},
        {"2026-1121", -1},
        {"2026-11-21T23:15:51+0000", -1},
        {"2026-11-21T23:15:51+24:00", -1},
        {"2026-11-21T23:15:51+", -1},
        {"26-11-21T23:15:51Z", -1},
        {"+026-11-21T23:15:51Z", -1},
        {"", -1},
        {"2026", -1},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int64_t time_s = -1;
        int r = parse_iso8601(rows[i].text, &time_s);
        if (r != (rows[i].time_s < 0 ? -EINVAL : 0) || time_s != rows[i].time_s) {
            fail_msg("%s: %d, %lld", rows[i].text, r, (long long)time_s);
        }
    }
}

static void test_http_date(void **state)
{
    static const struct {
        const char *text;
        int64_t time_s; /* -1: refused */
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Sat, 21 Nov 2026 23:15:51 GMT", 1795302951},
        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
        {"Mon, 06 Nov 1994 08:49:37 GMT", -1}, /* was a Sunday */
        {"Wed, 29 Feb 2023 00:00:00 GMT", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"sun, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
        {"Sun, 06 Nov 1994 08:49:37 +0000", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06-Nov-94 08:49:37 GMT", -1},
        {"Sunday, 06-Nov-94 08:49:37 GMT", -1},
        {"Sun Nov  6 08:49:37 1994", -1},
        {"", -1},
        {"Sun", -1},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int64_t time_s = -1;
        int r = parse_http_date(rows[i].text, &time_s);
        if (r != (rows[i].time_s < 0 ? -EINVAL : 0) || time_s != rows[i].time_s) {
            fail_msg("%s: %d, %lld", rows[i].text, r, (long long)time_s);
        }
    }
}

/* Against the C library's calendar: a day at a time and odd seconds, from 1583 to 2600. */
static void test_calendar_agrees_with_libc(void **state)
{
    (void)state;
    for (int64_t time_s = -12212553600; time_s < 19880899200; time_s += 86400 * 3 + 12345) {
        time_t libc_time = (time_t)time_s;
        struct tm parts;
        char http[64];
        char iso[64];
        char printed[21];
        int64_t parsed = 0;
        assert_non_null(gmtime_r(&libc_time, &parts));
        assert_true(strftime(http, sizeof(http), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0);
        assert_true(strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
        clock_print_iso8601(time_s, printed);
        assert_string_equal(printed, iso);
        assert_int_equal(parse_http_date(http, &parsed), 0);
        assert_true(parsed == time_s);
        assert_int_equal(parse_iso8601(iso, &parsed), 0);
        assert_true(parsed == time_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uint),      cmocka_unit_test(test_hex),
        cmocka_unit_test(test_utf8),      cmocka_unit_test(test_percent),
        cmocka_unit_test(test_base64),    cmocka_unit_test(test_iso8601),
        cmocka_unit_test(test_http_date), cmocka_unit_test(test_calendar_agrees_with_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
