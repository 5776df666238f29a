#include "acme/question.h"

#include <stdbool.h>
#include <string.h>

#define HEADER_SIZE 12
#define TYPE_TXT 16
#define CLASS_IN 1
#define RCODE_NOERROR 0
#define RCODE_NXDOMAIN 3

/* ---- the question ---- */

static uint8_t *put16(uint8_t *at, uint16_t value)
{
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_name(uint8_t *at, const char *name)
{
    while (*name != '\0') {
        const size_t length = strcspn(name, ".");
        *at++ = (uint8_t)length;
        memcpy(at, name, length);
        at += length;
        name += length + (name[length] == '.' ? 1 : 0);
    }
    *at++ = 0;
    return at;
}

size_t question_write(const struct name *name, uint16_t id, uint8_t ret_message[QUESTION_MAX])
{
    uint8_t *at = put16(ret_message, id);

    memset(at, 0, HEADER_SIZE - 2);
    at[3] = 1; /* one question; recursion is not desired, so that a resolver does not keep that there was nothing */
    at = put_name(ret_message + HEADER_SIZE, name->text);
    at = put16(at, TYPE_TXT);
    at = put16(at, CLASS_IN);
    return (size_t)(at - ret_message);
}

/* ---- the answer ---- */

struct reader {
    const uint8_t *at;
    size_t left;
};

static bool skip(struct reader *reader, size_t length)
{
    if (reader->left < length) {
        return false;
    }
    reader->at += length;
    reader->left -= length;
    return true;
}

static bool read16(struct reader *reader, uint16_t *ret_value)
{
    const uint8_t *at = reader->at;

    if (!skip(reader, 2)) {
        return false;
    }
    *ret_value = (uint16_t)(at[0] << 8 | at[1]);
    return true;
}

/* Labels up to the empty one or to a pointer, RFC 1035 section 4.1.4. Whose the record is does not matter: nothing else
 * was asked for. */
static bool skip_name(struct reader *reader)
{
    while (reader->left > 0) {
        const uint8_t length = reader->at[0];
        if ((length & 0xc0) == 0xc0) {
            return skip(reader, 2);
        }
        if (length > 63 || !skip(reader, 1U + length)) {
            return false;
        }
        if (length == 0) {
            return true;
        }
    }
    return false;
}

static bool has(const struct rdata *texts, const uint8_t *wire, size_t length, size_t index)
{
    size_t of_text;
    const uint8_t *text = rdata_wire(texts, index, &of_text);

    return of_text == length && memcmp(text, wire, length) == 0;
}

/* Marks which of the texts this record is. */
static bool read_record(struct reader *reader, const struct rdata *texts, bool *found)
{
    uint16_t type;
    uint16_t class;
    uint16_t length;

    if (!skip_name(reader) || !read16(reader, &type) || !read16(reader, &class) || !skip(reader, 4) ||
        !read16(reader, &length)) {
        return false;
    }
    const uint8_t *wire = reader->at;
    if (!skip(reader, length)) {
        return false;
    }
    for (size_t i = 0; type == TYPE_TXT && class == CLASS_IN && i < rdata_count(texts); i++) {
        found[i] |= has(texts, wire, length, i);
    }
    return true;
}

static enum question_answer read_records(struct reader *reader, unsigned questions, unsigned records,
                                         const struct rdata *texts)
{
    bool found[RDATA_VALUES_MAX] = {false};

    for (; questions > 0; questions--) {
        if (!skip_name(reader) || !skip(reader, 4)) {
            return QUESTION_SENSELESS;
        }
    }
    for (; records > 0; records--) {
        if (!read_record(reader, texts, found)) {
            return QUESTION_SENSELESS;
        }
    }
    for (size_t i = 0; i < rdata_count(texts); i++) {
        if (!found[i]) {
            return QUESTION_NO;
        }
    }
    return QUESTION_YES;
}

enum question_answer question_read(const uint8_t *message, size_t length, const struct rdata *texts)
{
    struct reader reader = {message, length};

    if (!skip(&reader, HEADER_SIZE) || (message[2] & 0x80) == 0) {
        return QUESTION_SENSELESS;
    }
    if ((message[2] & 0x02) != 0) {
        return QUESTION_TRUNCATED;
    }
    switch (message[3] & 0x0f) {
    case RCODE_NOERROR: break;
    case RCODE_NXDOMAIN: return QUESTION_NO;
    default: return QUESTION_REFUSED;
    }
    return read_records(&reader, (unsigned)(message[4] << 8 | message[5]), (unsigned)(message[6] << 8 | message[7]),
                        texts);
}
