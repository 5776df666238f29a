#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/file_lines.h"
#include "temporary.h"

static int setup(void **state)
{
    *state = temporary_folder_make();
    return 0;
}

static int teardown(void **state)
{
    temporary_folder_remove(*state);
    return 0;
}

static int open_file(const char *folder, const struct buffer *text)
{
    const int fd = open(temporary_file(folder, "f", buffer_text(text), text->length, 0600), O_RDONLY);

    assert_true(fd >= 0);
    return fd;
}

/* Reads all of it; the pieces are whole lines, but for the end. Returns their number. */
static unsigned read_all(int fd, struct buffer *ret_text)
{
    _cleanup_(file_lines_freep) struct file_lines *lines = file_lines_new(fd, SIZE_MAX);
    const char *text = NULL;
    size_t length = 0;
    unsigned pieces = 0;
    bool is_whole = true;

    assert_int_equal(file_lines_status(lines), 0);
    for (;;) {
        assert_int_equal(file_lines_next(lines, &text, &length), 0);
        if (length == 0) {
            break;
        }
        assert_true(is_whole); /* the last one alone may lack its line feed */
        is_whole = text[length - 1] == '\n';
        buffer_append(ret_text, text, length);
        pieces++;
    }
    assert_int_equal(file_lines_next(lines, &text, &length), 0);
    assert_int_equal(length, 0);
    return pieces;
}

static void pieces(void **state)
{
    static const struct {
        size_t lines;
        size_t line_bytes; /* with the line feed */
        const char *end;
        unsigned pieces;
    } rows[] = {
        {0, 0, "", 0},
        {1, 1, "", 1},
        {0, 0, "x", 1},
        {3, 10, "the end", 1},
        {FILE_LINES_PIECE_BYTES / 64, 64, "", 1}, /* a piece is just full */
        {FILE_LINES_PIECE_BYTES / 64, 64, "x", 2},
        {1, FILE_LINES_PIECE_BYTES, "x", 2},
        {3, FILE_LINES_PIECE_BYTES - 1, "", 3},
        {30000, 37, "x\ny", 5},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT, read = BUFFER_INIT;
        for (size_t j = 0; j < rows[i].lines; j++) {
            buffer_printf(&text, "%0*zu\n", (int)rows[i].line_bytes - 1, j);
        }
        buffer_append_text(&text, rows[i].end);
        _cleanup_close_ const int fd = open_file(*state, &text);
        assert_int_equal(read_all(fd, &read), rows[i].pieces);
        assert_int_equal(read.length, text.length);
        assert_string_equal(buffer_text(&read), buffer_text(&text));
    }
}

static void refused(void **state)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    const char *piece = NULL;
    size_t length = 0;

    buffer_printf(&text, "a\n%*s\n", (int)FILE_LINES_PIECE_BYTES, "");
    _cleanup_close_ const int fd = open_file(*state, &text);
    _cleanup_(file_lines_freep) struct file_lines *lines = file_lines_new(fd, text.length);
    assert_int_equal(file_lines_next(lines, &piece, &length), 0);
    assert_int_equal(length, 2);
    assert_int_equal(file_lines_next(lines, &piece, &length), -EMSGSIZE);
    assert_int_equal(file_lines_status(lines), -EMSGSIZE);

    _cleanup_close_ const int second_fd = open_file(*state, &text);
    _cleanup_(file_lines_freep) struct file_lines *limited = file_lines_new(second_fd, FILE_LINES_PIECE_BYTES - 1);
    assert_int_equal(file_lines_next(limited, &piece, &length), -EFBIG);

    _cleanup_(file_lines_freep) struct file_lines *closed = file_lines_new(-1, text.length);
    assert_int_equal(file_lines_next(closed, &piece, &length), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
