#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

/* C0, DEL, C1 (terminals obey them too), line and paragraph separators, and what turns the direction of text. */
static bool is_harmful(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) || character == 0x200e || character == 0x200f ||
           (character >= 0x2028 && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069) ||
           character == 0xfeff;
}

size_t escape_next(const char *text, size_t length, char ret_escaped[ESCAPE_SIZE], size_t *ret_length)
{
    uint32_t character = 0;
    size_t taken = utf8_decode(text, length, &character);
    if (length == 0) {
        return 0;
    }
    if (taken > 0 && !is_harmful(character)) {
        memcpy(ret_escaped, text, taken);
        ret_escaped[taken] = '\0';
        *ret_length = taken;
        return taken;
    }
    if (taken == 0) {
        taken = 1;
    }
    for (size_t i = 0; i < taken; i++) {
        uint8_t byte = (uint8_t)text[i];
        ret_escaped[4 * i] = '\\';
        ret_escaped[4 * i + 1] = 'x';
        print_hex(&byte, 1, ret_escaped + 4 * i + 2);
    }
    *ret_length = 4 * taken;
    return taken;
}

void buffer_append_escaped(struct buffer *buffer, const char *text, size_t length)
{
    char escaped[ESCAPE_SIZE];
    size_t escaped_length = 0;
    for (size_t i = 0; i < length;) {
        i += escape_next(text + i, length - i, escaped, &escaped_length);
        buffer_append(buffer, escaped, escaped_length);
    }
}

/* How a character stands in a string of JSON, NULL: as it is. */
static const char *json_escape(unsigned char c, char numbered[7])
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (c >= 0x20) {
        return NULL;
    }
    (void)snprintf(numbered, 7, "\\u%04X", c);
    return numbered;
}

void buffer_append_json(struct buffer *buffer, const char *text)
{
    size_t length = strlen(text);
    size_t plain = 0; /* from here on nothing needed to be changed */
    char numbered[7];

    buffer_reserve(buffer, length + 2);
    buffer_append_char(buffer, '"');
    for (size_t i = 0; i < length;) {
        uint32_t character = 0;
        size_t taken = (unsigned char)text[i] < 0x80 ? 1 : utf8_decode(text + i, length - i, &character);
        const char *escape = taken == 0 ? "\xef\xbf\xbd" : json_escape((unsigned char)text[i], numbered);
        size_t next = i + (taken == 0 ? 1 : taken);
        if (escape) {
            buffer_append(buffer, text + plain, i - plain);
            buffer_append_text(buffer, escape);
            plain = next;
        }
        i = next;
    }
    buffer_append(buffer, text + plain, length - plain);
    buffer_append_char(buffer, '"');
}
