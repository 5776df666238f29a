#include "base/rdata.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MAX 255

/* The values one after the other in ascending order of their bytes; each is two bytes of length, then what stands on
 * the wire: a byte of length and the bytes of each string. */
struct texts {
    atomic_uint users;
    uint32_t count;
    size_t length;
    uint8_t bytes[];
};

struct value {
    const uint8_t *bytes;
    size_t length;
};

/* ---- references ---- */

struct rdata rdata_hold(const struct rdata *rdata)
{
    if (rdata->texts) {
        atomic_fetch_add(&rdata->texts->users, 1);
    }
    return *rdata;
}

void rdata_drop(struct rdata *rdata)
{
    if (rdata->texts && atomic_fetch_sub(&rdata->texts->users, 1) == 1) {
        free(rdata->texts);
    }
    *rdata = (struct rdata){0};
}

void rdata_assign(struct rdata *into, const struct rdata *from)
{
    const struct rdata held = rdata_hold(from); /* first: both may be the same */

    rdata_drop(into);
    *into = held;
}

bool rdata_equal(const struct rdata *a, const struct rdata *b)
{
    if (!address_equal(&a->address, &b->address)) {
        return false;
    }
    if (a->texts == b->texts) {
        return true;
    }
    return a->texts && b->texts && a->texts->length == b->texts->length &&
           memcmp(a->texts->bytes, b->texts->bytes, a->texts->length) == 0;
}

/* ---- values ---- */

/* The value at *position, which moves behind it. */
static struct value next_value(const struct texts *texts, size_t *position)
{
    const uint8_t *at = texts->bytes + *position;
    const size_t length = (size_t)at[0] << 8 | at[1];

    *position += 2 + length;
    return (struct value){at + 2, length};
}

static int compare(const struct value *a, const struct value *b)
{
    const int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);

    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static struct value value_at(const struct rdata *rdata, size_t index)
{
    struct value value = {rdata->address.bytes, rdata->address.family == ADDRESS_IPV6 ? 16 : 4};
    size_t position = 0;

    for (size_t i = 0; rdata->texts && i <= index; i++) {
        value = next_value(rdata->texts, &position);
    }
    return value;
}

static void put_value(struct texts *texts, const struct value *value)
{
    uint8_t *at = texts->bytes + texts->length;

    at[0] = (uint8_t)(value->length >> 8);
    at[1] = (uint8_t)value->length;
    memcpy(at + 2, value->bytes, value->length);
    texts->length += 2 + value->length;
    texts->count++;
}

/* Takes the wire form of one more value. A value that is there already changes nothing. */
static int add_value(struct rdata *rdata, const struct value *added)
{
    const struct texts *old = rdata->texts;
    const size_t old_length = old ? old->length : 0;
    bool is_put = false;

    if (rdata->address.family != ADDRESS_NONE) {
        return -EINVAL;
    }
    if (added->length > RDATA_TEXT_MAX || (old && old->count == RDATA_VALUES_MAX)) {
        return -E2BIG;
    }
    struct texts *texts = malloc(sizeof(*texts) + old_length + 2 + added->length);
    if (!texts) {
        return -ENOMEM;
    }
    *texts = (struct texts){.count = 0};
    atomic_init(&texts->users, 1);
    for (size_t position = 0; position < old_length;) {
        const struct value value = next_value(old, &position);
        const int order = compare(added, &value);
        if (order <= 0 && !is_put) {
            put_value(texts, added);
            is_put = true;
        }
        if (order != 0) {
            put_value(texts, &value);
        }
    }
    if (!is_put) {
        put_value(texts, added);
    }
    rdata_drop(rdata);
    rdata->texts = texts;
    return 0;
}

int rdata_add_all(struct rdata *rdata, const struct rdata *added)
{
    size_t position = 0;

    while (added->texts && position < added->texts->length) {
        const struct value value = next_value(added->texts, &position);
        const int r = add_value(rdata, &value);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int rdata_add_bytes(struct rdata *rdata, const void *bytes, size_t length)
{
    uint8_t wire[RDATA_TEXT_MAX];
    const uint8_t *from = bytes;
    size_t used = 0;

    do {
        const size_t part = length < STRING_MAX ? length : STRING_MAX;
        if (used + 1 + part > sizeof(wire)) {
            return -E2BIG;
        }
        wire[used] = (uint8_t)part;
        memcpy(wire + used + 1, from, part);
        used += 1 + part;
        from += part;
        length -= part;
    } while (length > 0);
    return add_value(rdata, &(struct value){wire, used});
}

int rdata_add_wire(struct rdata *rdata, const uint8_t *wire, size_t length)
{
    size_t at = 0;

    while (at < length) {
        at += 1U + wire[at];
    }
    return length == 0 || at != length ? -EINVAL : add_value(rdata, &(struct value){wire, length});
}

/* ---- presentation ---- */

struct reader {
    const char *text;
    const char *end;
    unsigned base; /* of the digits behind a backslash */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What follows a backslash: three digits, or any other character as itself. */
static int read_escape(struct reader *reader, uint8_t *ret_byte)
{
    unsigned value = 0;

    if (reader->text == reader->end) {
        return -EINVAL;
    }
    if (*reader->text < '0' || *reader->text > '9') {
        *ret_byte = (uint8_t)*reader->text++;
        return 0;
    }
    if (reader->end - reader->text < 3) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < 3; i++) {
        const unsigned digit = (unsigned)(*reader->text++ - '0');
        if (digit >= reader->base) {
            return -EINVAL;
        }
        value = reader->base * value + digit;
    }
    *ret_byte = (uint8_t)value;
    return value > UINT8_MAX ? -EINVAL : 0;
}

/* One string, behind its quote where it has one; appended with its byte of length. */
static int read_string(struct reader *reader, bool is_quoted, uint8_t *wire, size_t *used)
{
    const size_t length_at = (*used)++;

    for (;;) {
        const bool at_end = reader->text == reader->end;
        if (at_end || (is_quoted ? *reader->text == '"' : is_blank(*reader->text))) {
            reader->text += !at_end && is_quoted;
            wire[length_at] = (uint8_t)(*used - length_at - 1);
            return at_end && is_quoted ? -EINVAL : 0;
        }
        if (*used - length_at - 1 == STRING_MAX) {
            return -EINVAL;
        }
        if (*used == RDATA_TEXT_MAX) {
            return -E2BIG;
        }
        uint8_t byte = (uint8_t)*reader->text++;
        const int r = byte == '\\' ? read_escape(reader, &byte) : byte == '"' ? -EINVAL : 0;
        if (r < 0) {
            return r;
        }
        wire[(*used)++] = byte;
    }
}

int rdata_add_text(struct rdata *rdata, const char *text, size_t length, enum text_escapes escapes)
{
    struct reader reader = {text, text + length, escapes == TEXT_OCTAL ? 8 : 10};
    uint8_t wire[RDATA_TEXT_MAX];
    size_t used = 0;

    for (;;) {
        while (reader.text < reader.end && is_blank(*reader.text)) {
            reader.text++;
        }
        if (reader.text == reader.end) {
            return used > 0 ? add_value(rdata, &(struct value){wire, used}) : -EINVAL;
        }
        const bool is_quoted = *reader.text == '"';
        reader.text += is_quoted;
        const int r = used == sizeof(wire) ? -E2BIG : read_string(&reader, is_quoted, wire, &used);
        if (r < 0) {
            return r;
        }
    }
}

static void print_string(const uint8_t *bytes, size_t length, enum text_escapes escapes, struct buffer *buffer)
{
    buffer_append_char(buffer, '"');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\') {
            buffer_append_char(buffer, (char)bytes[i]);
        } else {
            buffer_printf(buffer, escapes == TEXT_OCTAL ? "\\%03o" : "\\%03u", (unsigned)bytes[i]);
        }
    }
    buffer_append_char(buffer, '"');
}

size_t rdata_count(const struct rdata *rdata)
{
    return rdata->texts ? rdata->texts->count : rdata->address.family != ADDRESS_NONE;
}

void rdata_print_value(const struct rdata *rdata, size_t index, enum text_escapes escapes, struct buffer *buffer)
{
    const struct value value = value_at(rdata, index);
    char address[ADDRESS_TEXT_SIZE];

    if (!rdata->texts) {
        address_print(&rdata->address, address);
        buffer_append_text(buffer, address);
        return;
    }
    for (size_t at = 0; at < value.length; at += 1U + value.bytes[at]) {
        if (at > 0) {
            buffer_append_char(buffer, ' ');
        }
        print_string(value.bytes + at + 1, value.bytes[at], escapes, buffer);
    }
}

const uint8_t *rdata_wire(const struct rdata *rdata, size_t index, size_t *ret_length)
{
    const struct value value = value_at(rdata, index);

    *ret_length = value.length;
    return value.bytes;
}

void rdata_print(const struct rdata *rdata, struct buffer *buffer)
{
    for (size_t i = 0; i < rdata_count(rdata); i++) {
        if (i > 0) {
            buffer_append_char(buffer, '\n');
        }
        rdata_print_value(rdata, i, TEXT_DECIMAL, buffer);
    }
}

static int parse_texts(const char *text, size_t length, struct rdata *rdata)
{
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const size_t line = (size_t)((newline ? newline : end) - text);
        const int r = rdata_add_text(rdata, text, line, TEXT_DECIMAL);
        if (r < 0) {
            return r;
        }
        text += line + 1;
    }
    return 0;
}

int rdata_parse(const char *text, size_t length, struct rdata *ret_rdata)
{
    struct rdata rdata = {0};

    if (length > 0 && text[0] == '"') {
        const int r = parse_texts(text, length, &rdata);
        if (r < 0) {
            rdata_drop(&rdata);
            return r;
        }
    } else if (length > 0 && address_parse(text, length, &rdata.address) < 0) {
        return -EINVAL;
    }
    *ret_rdata = rdata;
    return 0;
}
