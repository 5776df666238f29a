#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"

static void test_empty(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer_status(&buffer), 0);
    buffer_append(&buffer, NULL, 0);
    buffer_append_text(&buffer, "");
    assert_int_equal(buffer.length, 0);

    char *taken = buffer_take(&buffer);
    assert_string_equal(taken, "");
    free(taken);
}

static void test_appending(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    buffer_append_text(&buffer, "one");
    buffer_append_char(&buffer, ' ');
    buffer_append(&buffer, "t\0wo", 4);
    buffer_printf(&buffer, " %s=%d%%", "three", 3);
    assert_int_equal(buffer.length, 17);
    assert_memory_equal(buffer_text(&buffer), "one t\0wo three=3%", 18);

    buffer_clear(&buffer);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_append_text(&buffer, "again");
    char *taken = buffer_take(&buffer);
    assert_string_equal(taken, "again");
    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer.capacity, 0);
    free(taken);
}

static void test_grows(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    for (unsigned i = 0; i < 10000; i++) {
        buffer_printf(&buffer, "%04u", i);
        assert_int_equal(strlen(buffer_text(&buffer)), buffer.length);
    }
    assert_int_equal(buffer.length, 40000);
    assert_memory_equal(buffer_text(&buffer) + 39996, "9999", 5);
    assert_true(buffer.capacity < 80000);
}

static void test_reserve_is_enough(void **state)
{
    (void)state;
    _cleanup_(buffer_wipe) struct buffer buffer = BUFFER_INIT;
    buffer_append_text(&buffer, "x");
    buffer_reserve(&buffer, 1000);
    const char *before = buffer.data;
    for (unsigned i = 0; i < 1000; i++) {
        buffer_append_char(&buffer, 'y');
    }
    assert_ptr_equal(buffer.data, before);
    assert_int_equal(buffer.length, 1001);
}

static void test_too_large_to_have(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    buffer_append_text(&buffer, "kept");
    buffer_reserve(&buffer, SIZE_MAX);
    assert_int_equal(buffer_status(&buffer), -ENOMEM);
    assert_string_equal(buffer_text(&buffer), "kept");
    /* A failed one ignores what would fit. */
    buffer_append_text(&buffer, "a");
    buffer_printf(&buffer, "b");
    assert_string_equal(buffer_text(&buffer), "kept");
    assert_null(buffer_take(&buffer));
    buffer_clear(&buffer);
    assert_int_equal(buffer_status(&buffer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_appending),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_reserve_is_enough),
        cmocka_unit_test(test_too_large_to_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
