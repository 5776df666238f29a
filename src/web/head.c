#include "web/head.h"

#include <string.h>

#define LINE_END_BYTES 2 /* CR and LF; a lone LF is one byte short, and refused. A NUL and LF look the same. */

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return length > 0;
}

/* field-value of RFC 9110 section 5.5: no control character but the tab. */
static bool is_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Only blanks from `start` to `end`, which may not lie before it. */
static bool is_blank_between(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    return start == end;
}

static bool is_zero(const char *memory, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memory[i] != '\0') {
            return false;
        }
    }
    return true;
}

void head_begin(struct head *head, bool in_place, const char *method, const char *target, size_t target_length,
                const char *version)
{
    size_t method_length = strlen(method);

    *head = (struct head){.in_place = in_place, .start = method};
    head->is_bad = !is_token(method, method_length);
    if (in_place && (target != method + method_length + 1 || version != target + target_length + 1)) {
        head->is_bad = true;
    }
    head->next = version + strlen(version) + LINE_END_BYTES;
}

void head_field(struct head *head, const char *name, size_t name_length, const char *value, size_t value_length)
{
    if (head->is_bad) {
        return;
    }
    head->is_bad = !is_token(name, name_length) || !is_value(value, value_length);
    if (head->in_place && (name != head->next || !is_zero(name - LINE_END_BYTES, LINE_END_BYTES) ||
                           !is_blank_between(name + name_length + 1, value))) {
        head->is_bad = true;
    }
    head->next = value + value_length + LINE_END_BYTES;
}

bool head_is_good(const struct head *head, size_t size)
{
    return !head->is_bad && (!head->in_place || (head->next + LINE_END_BYTES == head->start + size &&
                                                 is_zero(head->next - LINE_END_BYTES, (size_t)2 * LINE_END_BYTES)));
}
