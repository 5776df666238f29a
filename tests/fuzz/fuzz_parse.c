/* Any text as a number, a date, base64, and as something to be shown. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_number(const char *text, size_t size)
{
    uint64_t value = 0;
    int r = parse_uint(text, size, 3, 70000, &value);
    insist(r == -EINVAL || r == -ERANGE || (r == 0 && value >= 3 && value <= 70000));
    if (r == 0) {
        _cleanup_buffer_ struct buffer printed = BUFFER_INIT;
        buffer_printf(&printed, "%ju", (uintmax_t)value);
        insist(printed.length == size && memcmp(printed.data, text, size) == 0);
    }
}

static void check_dates(const char *text)
{
    int64_t time_s = 0;
    int64_t again_s = 0;
    char printed[21];
    if (parse_http_date(text, &time_s) == 0 || parse_iso8601(text, &time_s) == 0) {
        insist(time_s >= -62167305600 && time_s < 253402387200); /* a day more, for offsets */
        clock_print_iso8601(time_s, printed);
        if (time_s >= -62167219200 && time_s < 253402300800) {
            insist(parse_iso8601(printed, &again_s) == 0 && again_s == time_s);
        }
    }
}

static void check_base64(const char *text, size_t size)
{
    size_t length = 0;
    char bytes[64];
    int r = base64_decode(text, size, bytes, sizeof(bytes), &length);
    insist(r == 0 || r == -EINVAL || r == -ENOBUFS);
    insist(r != 0 || length <= sizeof(bytes));
}

static void check_escaping(const char *text, size_t size)
{
    _cleanup_buffer_ struct buffer escaped = BUFFER_INIT;
    buffer_append_escaped(&escaped, text, size);
    insist(utf8_is_valid(buffer_text(&escaped), escaped.length));
    for (size_t i = 0; i < escaped.length; i++) {
        insist((uint8_t)escaped.data[i] >= 0x20 && escaped.data[i] != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    _cleanup_free_ char *terminated = strndup(text, size);
    insist(terminated != NULL);
    check_number(text, size);
    check_dates(terminated);
    check_base64(text, size);
    check_escaping(text, size);
    return 0;
}
