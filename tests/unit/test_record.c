#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/record.h"

static void every_type_has_its_name(void **state)
{
    (void)state;
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        enum record_type parsed;
        assert_int_equal(record_type_parse(record_type_text((enum record_type)type), &parsed), 0);
        assert_int_equal(parsed, type);
        assert_true(record_type_number((enum record_type)type) > 0);
        assert_non_null(record_type_placeholder((enum record_type)type));
    }
    enum record_type parsed;
    assert_int_equal(record_type_parse("CNAME", &parsed), -EINVAL);
    assert_int_equal(record_type_parse("a", &parsed), -EINVAL);
}

/* What is said to the first value, and to the same once more. */
static void values_of_every_type(void **state)
{
    static const struct {
        enum record_type type;
        const char *text;
        int first;
        int second;
    } rows[] = {
        {RECORD_A, "192.0.2.1", 0, -EEXIST},
        {RECORD_A, "2001:db8::1", -EINVAL, -EINVAL},
        {RECORD_A, "\"192.0.2.1\"", -EINVAL, -EINVAL},
        {RECORD_A, "", -EINVAL, -EINVAL},
        {RECORD_A, "192.0.2.1 ", -EINVAL, -EINVAL},
        {RECORD_AAAA, "2001:db8::1", 0, -EEXIST},
        {RECORD_AAAA, "192.0.2.1", -EINVAL, -EINVAL},
        {RECORD_TXT, "\"a b\" c", 0, 0},
        {RECORD_TXT, "192.0.2.1", 0, 0},
        {RECORD_TXT, "\"a", -EINVAL, -EINVAL},
        {RECORD_TXT, "", -EINVAL, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rdata value = {0};
        const size_t length = strlen(rows[i].text);
        assert_int_equal(record_value_add(rows[i].type, rows[i].text, length, TEXT_DECIMAL, &value), rows[i].first);
        assert_int_equal(record_value_add(rows[i].type, rows[i].text, length, TEXT_DECIMAL, &value), rows[i].second);
        for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
            assert_int_equal(record_value_fits((enum record_type)type, &value),
                             rows[i].first < 0 || type == rows[i].type);
        }
        rdata_drop(&value);
    }
}

/* An address's bytes are 4 or 16; a text's, strings behind their lengths. */
static void values_of_messages(void **state)
{
    static const struct {
        enum record_type type;
        uint8_t wire[16];
        size_t length;
        int first;
        int second;
    } rows[] = {
        {RECORD_A, {192, 0, 2, 1}, 4, 0, -EEXIST},
        {RECORD_A, {192, 0, 2, 1}, 16, -EINVAL, -EINVAL},
        {RECORD_A, {0}, 0, -EINVAL, -EINVAL},
        {RECORD_AAAA, {0x20, 0x01, 0x0d, 0xb8}, 16, 0, -EEXIST},
        {RECORD_AAAA, {0x20, 0x01, 0x0d, 0xb8}, 4, -EINVAL, -EINVAL},
        {RECORD_AAAA, {[10] = 0xff, 0xff, 192, 0, 2, 1}, 16, -EINVAL, -EINVAL},
        {RECORD_TXT, {1, 'a', 2, 'b', 'c'}, 5, 0, 0},
        {RECORD_TXT, {2, 'a'}, 2, -EINVAL, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rdata value = {0};
        assert_int_equal(record_value_add_wire(rows[i].type, rows[i].wire, rows[i].length, &value), rows[i].first);
        assert_int_equal(record_value_add_wire(rows[i].type, rows[i].wire, rows[i].length, &value), rows[i].second);
        assert_true(record_value_fits(rows[i].type, &value));
        assert_int_equal(rdata_is_empty(&value), rows[i].first < 0);
        rdata_drop(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_name),
        cmocka_unit_test(values_of_every_type),
        cmocka_unit_test(values_of_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
