#include "base/parse.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

int parse_uint(const char *text, size_t length, uint64_t minimum, uint64_t maximum, uint64_t *ret_value)
{
    if (length == 0 || (length > 1 && text[0] == '0')) {
        return -EINVAL;
    }
    uint64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -EINVAL;
        }
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value);
    }
    if (overflow || value < minimum || value > maximum) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

/* -1: it is none. A table, for no branch can foretell whether a digit or a letter comes, and a signature has 64 of them. */
static int hex_digit(char c)
{
    /* what it counts, and one */
    static const uint8_t digits[UCHAR_MAX + 1] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
        ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
        ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    return digits[(unsigned char)c] - 1;
}

int parse_hex(const char *text, size_t length, uint8_t *ret_bytes, size_t length_bytes)
{
    if (length % 2 != 0 || length / 2 != length_bytes) {
        return -EINVAL;
    }
    for (size_t i = 0; i < length; i++) {
        if (hex_digit(text[i]) < 0) {
            return -EINVAL;
        }
    }
    for (size_t i = 0; i < length_bytes; i++) {
        ret_bytes[i] = (uint8_t)(hex_digit(text[2 * i]) * 16 + hex_digit(text[2 * i + 1]));
    }
    return 0;
}

void print_hex(const uint8_t *bytes, size_t length, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * length] = '\0';
}

size_t utf8_decode(const char *text, size_t length, uint32_t *ret_character)
{
    /* By lead byte: how long, which bits of it count, and the smallest code point that needs that length. */
    static const struct {
        uint8_t mask, lead, bits;
        uint32_t minimum;
    } forms[] = {
        {0x80, 0x00, 0x7f, 0},
        {0xe0, 0xc0, 0x1f, 0x80},
        {0xf0, 0xe0, 0x0f, 0x800},
        {0xf8, 0xf0, 0x07, 0x10000},
    };
    if (length == 0) {
        return 0;
    }
    uint8_t lead = (uint8_t)text[0];
    for (size_t extra = 0; extra < sizeof(forms) / sizeof(forms[0]); extra++) {
        if ((lead & forms[extra].mask) != forms[extra].lead) {
            continue;
        }
        if (length < extra + 1) {
            return 0;
        }
        uint32_t character = lead & forms[extra].bits;
        for (size_t i = 1; i <= extra; i++) {
            uint8_t byte = (uint8_t)text[i];
            if ((byte & 0xc0) != 0x80) {
                return 0;
            }
            character = character << 6 | (byte & 0x3f);
        }
        bool surrogate = character >= 0xd800 && character <= 0xdfff;
        if (character < forms[extra].minimum || surrogate || character > 0x10ffff) {
            return 0;
        }
        if (ret_character != NULL) {
            *ret_character = character;
        }
        return extra + 1;
    }
    return 0;
}

bool utf8_is_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t step = (uint8_t)text[i] < 0x80 ? 1 : utf8_decode(text + i, length - i, NULL);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

int percent_decode(const char *text, size_t length, bool plus_is_space, char *ret_text, size_t *ret_length)
{
    size_t decoded = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            if (length - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
                return -EINVAL;
            }
            c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') {
            return -EINVAL;
        }
        ret_text[decoded++] = c;
    }
    if (!utf8_is_valid(ret_text, decoded)) {
        return -EINVAL;
    }
    ret_text[decoded] = '\0';
    *ret_length = decoded;
    return 0;
}

int base64_decode(const char *text, size_t length, char *ret_bytes, size_t size, size_t *ret_length)
{
    size_t digits = length;
    while (digits > 0 && length - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    if ((digits != length && length % 4 != 0) || digits % 4 == 1) {
        return -EINVAL;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && (c < '0' || c > '9') && c != '+' && c != '/') {
            return -EINVAL;
        }
    }
    if (digits / 4 * 3 + (digits % 4 * 3) / 4 > size) {
        return -ENOBUFS;
    }
    size_t decoded = 0;
    /* Refuses what is left: bits past the last byte that are not zero (RFC 4648 section 3.5). */
    if (sodium_base642bin((unsigned char *)ret_bytes, size, text, digits, NULL, &decoded, NULL,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0) {
        return -EINVAL;
    }
    *ret_length = decoded;
    return 0;
}

/* ---- dates ---- */

struct date_time {
    unsigned year, month, day, hour, minute, second;
};

/* Days since 1970-01-01 of a proleptic Gregorian date, counted in years that begin in March. */
static int64_t days_from_date(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static bool date_time_is_valid(const struct date_time *t)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (t->month < 1 || t->month > 12 || t->day < 1) {
        return false;
    }
    bool leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;
    unsigned last = month_days[t->month - 1] + (t->month == 2 && leap ? 1U : 0U);
    /* 60: a leap second, which counts as the first of the next minute. */
    return t->day <= last && t->hour <= 23 && t->minute <= 59 && t->second <= 60;
}

static int64_t date_time_to_s(const struct date_time *t)
{
    return days_from_date(t->year, t->month, t->day) * 86400 + (int64_t)t->hour * 3600 + (int64_t)t->minute * 60 +
           (int64_t)t->second;
}

/* Exactly `count` digits at *text, which moves on. */
static bool take_digits(const char **text, unsigned count, unsigned *ret_value)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(c - '0');
    }
    *text += count;
    *ret_value = value;
    return true;
}

static bool take_text(const char **text, const char *expected)
{
    size_t length = strlen(expected);
    if (strncmp(*text, expected, length) != 0) {
        return false;
    }
    *text += length;
    return true;
}

/* `Z`, or an offset from UTC, east is positive. */
static bool take_zone(const char **text, const char *colon, int64_t *ret_offset_s)
{
    unsigned hours = 0;
    unsigned minutes = 0;
    if (take_text(text, "Z")) {
        *ret_offset_s = 0;
        return true;
    }
    bool west = **text == '-';
    if (!take_text(text, west ? "-" : "+") || !take_digits(text, 2, &hours) || !take_text(text, colon) ||
        !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    int64_t offset_s = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *ret_offset_s = west ? -offset_s : offset_s;
    return true;
}

static bool take_fraction(const char **text)
{
    unsigned digit = 0;
    if (!take_text(text, ".")) {
        return true;
    }
    if (!take_digits(text, 1, &digit)) {
        return false;
    }
    while (take_digits(text, 1, &digit)) {}
    return true;
}

int parse_iso8601(const char *text, int64_t *ret_time_s)
{
    struct date_time t = {0};
    int64_t offset_s = 0;

    if (!take_digits(&text, 4, &t.year)) {
        return -EINVAL;
    }
    bool extended = *text == '-';
    const char *dash = extended ? "-" : "";
    const char *colon = extended ? ":" : "";
    if (!take_text(&text, dash) || !take_digits(&text, 2, &t.month) || !take_text(&text, dash) ||
        !take_digits(&text, 2, &t.day)) {
        return -EINVAL;
    }
    if (*text != '\0') {
        if (!take_text(&text, "T") || !take_digits(&text, 2, &t.hour) || !take_text(&text, colon) ||
            !take_digits(&text, 2, &t.minute) || !take_text(&text, colon) || !take_digits(&text, 2, &t.second) ||
            !take_fraction(&text) || !take_zone(&text, colon, &offset_s) || *text != '\0') {
            return -EINVAL;
        }
    }
    if (!date_time_is_valid(&t)) {
        return -EINVAL;
    }
    *ret_time_s = date_time_to_s(&t) - offset_s;
    return 0;
}

/* One of `count` three-letter names in a row; its index. */
static bool take_name(const char **text, const char *names, unsigned count, unsigned *ret_index)
{
    for (unsigned i = 0; i < count; i++) {
        if (strncmp(*text, names + (size_t)i * 3, 3) == 0) {
            *text += 3;
            *ret_index = i;
            return true;
        }
    }
    return false;
}

int parse_http_date(const char *text, int64_t *ret_time_s)
{
    struct date_time t = {0};
    unsigned weekday = 0;

    if (!take_name(&text, "ThuFriSatSunMonTueWed", 7, &weekday) || !take_text(&text, ", ") ||
        !take_digits(&text, 2, &t.day) || !take_text(&text, " ") ||
        !take_name(&text, "JanFebMarAprMayJunJulAugSepOctNovDec", 12, &t.month) || !take_text(&text, " ") ||
        !take_digits(&text, 4, &t.year) || !take_text(&text, " ") || !take_digits(&text, 2, &t.hour) ||
        !take_text(&text, ":") || !take_digits(&text, 2, &t.minute) || !take_text(&text, ":") ||
        !take_digits(&text, 2, &t.second) || !take_text(&text, " GMT") || *text != '\0') {
        return -EINVAL;
    }
    t.month++;
    if (!date_time_is_valid(&t)) {
        return -EINVAL;
    }
    /* The names begin with Thursday, which 1970-01-01 was. */
    int64_t day = days_from_date(t.year, t.month, t.day) % 7;
    if ((day + 7) % 7 != (int64_t)weekday) {
        return -EINVAL;
    }
    *ret_time_s = date_time_to_s(&t);
    return 0;
}
