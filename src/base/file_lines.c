#include "base/file_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

struct file_lines {
    int fd;
    int status;
    size_t left_bytes; /* until the limit */
    size_t handed;     /* bytes of the piece that the caller has */
    size_t length;     /* and those behind them, the beginning of a line */
    char piece[FILE_LINES_PIECE_BYTES];
};

struct file_lines *file_lines_new(int fd, size_t limit_bytes)
{
    struct file_lines *lines = malloc(sizeof(*lines));

    if (lines) {
        lines->fd = fd;
        lines->left_bytes = limit_bytes;
        lines->handed = lines->length = 0;
        lines->status = 0;
    }
    return lines;
}

void file_lines_free(struct file_lines *lines)
{
    if (lines) {
        explicit_bzero(lines->piece, sizeof(lines->piece));
        free(lines);
    }
}

/* Fills the piece up, behind the line that has begun. */
static int fill(struct file_lines *lines)
{
    size_t length = 0;

    memmove(lines->piece, lines->piece + lines->handed, lines->length - lines->handed);
    lines->length -= lines->handed;
    lines->handed = 0;
    const int r =
        file_read_up_to(lines->fd, lines->piece + lines->length, sizeof(lines->piece) - lines->length, &length);
    if (r < 0) {
        return r;
    }
    if (length > lines->left_bytes) {
        return -EFBIG;
    }
    lines->left_bytes -= length;
    lines->length += length;
    return 0;
}

/* Hands out what there is up to the last line feed, or at the end of the file all of it. */
static int hand_out(struct file_lines *lines)
{
    lines->handed = lines->length;
    if (lines->length == sizeof(lines->piece)) { /* else the file has ended */
        const char *last = memrchr(lines->piece, '\n', lines->length);
        if (!last) {
            return -EMSGSIZE;
        }
        lines->handed = (size_t)(last + 1 - lines->piece);
    }
    return 0;
}

int file_lines_next(struct file_lines *lines, const char **ret_text, size_t *ret_length)
{
    const int r = fill(lines);

    lines->status = r < 0 ? r : hand_out(lines);
    if (lines->status == 0) {
        *ret_text = lines->piece;
        *ret_length = lines->handed;
    }
    return lines->status;
}

int file_lines_status(const struct file_lines *lines)
{
    return lines->status;
}
