#include "ctl/qr.h"

#include <errno.h>

#ifdef HAVE_QRENCODE
#include <qrencode.h>
#include <stdbool.h>

#define MARGIN 4 /* modules of light around it: ISO/IEC 18004, the quiet zone */

static bool is_dark(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) {
        return false;
    }
    return (code->data[y * code->width + x] & 1U) != 0;
}

static void write_line(const QRcode *code, int y, struct buffer *buffer)
{
    /* Black on bright white; the upper module, then the lower one. */
    static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};

    buffer_append_text(buffer, "\033[30;107m");
    for (int x = -MARGIN; x < code->width + MARGIN; x++) {
        buffer_append_text(buffer, blocks[is_dark(code, x, y)][is_dark(code, x, y + 1)]);
    }
    buffer_append_text(buffer, "\033[0m\n");
}

int qr_write(const char *text, struct buffer *buffer)
{
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

    if (!code) {
        return errno == ERANGE ? -EFBIG : -ENOMEM;
    }
    for (int y = -MARGIN; y < code->width + MARGIN; y += 2) {
        write_line(code, y, buffer);
    }
    QRcode_free(code);
    return 0;
}

#else

int qr_write(const char *text, struct buffer *buffer)
{
    (void)text;
    (void)buffer;
    return -ENOSYS;
}

#endif
