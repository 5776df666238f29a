/* The question that name servers are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "acme/question.h"
#include "base/cleanup.h"

static void what_is_asked(void **state)
{
    static const uint8_t expected[] = "\x12\x34\0\0\0\1\0\0\0\0\0\0\x01_\1a\4test\0\0\x10\0\1";
    const struct name name = {"_.a.test."};
    uint8_t message[QUESTION_MAX];

    (void)state;
    assert_int_equal(question_write(&name, 0x1234, message), sizeof(expected) - 1);
    assert_memory_equal(message, expected, sizeof(expected) - 1);
}

#define HEADER(flags, rcode, records) "\x12\x34" flags rcode "\0\1\0" records "\0\0\0\0"
#define ASKED "\1a\0\0\x10\0\1"
#define TXT(text) "\xc0\x0c\0\x10\0\1\0\0\0\5\0\x03\2" text
#define CNAME "\xc0\x0c\0\5\0\1\0\0\0\5\0\x02\1b"

static void what_is_answered(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum question_answer answer;
    } rows[] = {
#define ROW(bytes, answer) {(bytes), sizeof(bytes) - 1, (answer)}
        ROW(HEADER("\x84", "\0", "\2") ASKED TXT("x1") TXT("x2"), QUESTION_YES),
        ROW(HEADER("\x84", "\0", "\4") ASKED TXT("x2") TXT("yy") CNAME TXT("x1"), QUESTION_YES),
        ROW(HEADER("\x84", "\0", "\1") ASKED TXT("x1"), QUESTION_NO),
        ROW(HEADER("\x84", "\0", "\0") ASKED, QUESTION_NO),
        ROW(HEADER("\x84", "\3", "\0") ASKED, QUESTION_NO),
        ROW(HEADER("\x86", "\0", "\0") ASKED, QUESTION_TRUNCATED),
        ROW(HEADER("\x84", "\2", "\0") ASKED, QUESTION_REFUSED),
        ROW(HEADER("\x84", "\5", "\0") ASKED, QUESTION_REFUSED),
        ROW(HEADER("\x04", "\0", "\0") ASKED, QUESTION_SENSELESS),
        ROW("\x12\x34\x84\0\0\1\0\1", QUESTION_SENSELESS),
        ROW(HEADER("\x84", "\0", "\2") ASKED TXT("x1"), QUESTION_SENSELESS),
        ROW(HEADER("\x84", "\0", "\1") ASKED "\xc0", QUESTION_SENSELESS),
        ROW(HEADER("\x84", "\0", "\1") ASKED "\x50" TXT("x1"), QUESTION_SENSELESS),
        ROW(HEADER("\x84", "\0", "\1") "\x3f"
                                       "a",
            QUESTION_SENSELESS),
    };
    struct rdata texts = {0};

    (void)state;
    assert_int_equal(rdata_add_bytes(&texts, "x1", 2), 0);
    assert_int_equal(rdata_add_bytes(&texts, "x2", 2), 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        /* on the heap, so that a byte too many is seen */
        uint8_t *message = malloc(rows[i].length);
        assert_non_null(message);
        memcpy(message, rows[i].bytes, rows[i].length);
        if (question_read(message, rows[i].length, &texts) != rows[i].answer) {
            fail_msg("row %zu", i);
        }
        for (size_t length = 0; length < rows[i].length; length++) { /* cut anywhere */
            uint8_t *cut = malloc(length + 1);
            assert_non_null(cut);
            memcpy(cut, rows[i].bytes, length);
            (void)question_read(cut, length, &texts);
            free(cut);
        }
        free(message);
    }
    rdata_drop(&texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked),
        cmocka_unit_test(what_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
