/* Any text percent-decoded: no NUL, valid UTF-8, and encoding it again comes back to the same. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check(const char *text, size_t size, bool plus_is_space)
{
    size_t length = 0;
    size_t again_length = 0;
    _cleanup_free_ char *decoded = malloc(size + 1);
    insist(decoded != NULL);
    int r = percent_decode(text, size, plus_is_space, decoded, &length);
    if (r != 0) {
        insist(r == -EINVAL);
        return;
    }
    insist(length <= size && strlen(decoded) == length && utf8_is_valid(decoded, length));

    _cleanup_buffer_ struct buffer encoded = BUFFER_INIT;
    for (size_t i = 0; i < length; i++) {
        buffer_printf(&encoded, "%%%02X", (unsigned)(uint8_t)decoded[i]);
    }
    _cleanup_free_ char *again = malloc(encoded.length + 1);
    insist(again != NULL);
    insist(percent_decode(buffer_text(&encoded), encoded.length, plus_is_space, again, &again_length) == 0);
    insist(again_length == length && memcmp(again, decoded, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((const char *)data, size, false);
    check((const char *)data, size, true);
    return 0;
}
