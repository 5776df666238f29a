#include "base/name.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define LABEL_MAX 63
#define NAME_TEXT_MAX 254 /* final dot included: 255 octets on the wire, RFC 1035 section 2.3.4 */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_label_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Why it is no label, NULL: it is one. Already lower case. */
static const char *check_label(const char *label, size_t length, bool first)
{
    if (length == 0) {
        return first ? "begins with a dot" : "empty label (two dots in a row)";
    }
    if (length > LABEL_MAX) {
        return "label longer than 63 characters";
    }
    if (first && length == 1 && label[0] == '*') {
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        if (label[i] == '*') {
            return "'*' other than as the whole first label";
        }
        if (!is_label_character(label[i])) {
            return "character other than letters, digits, '-' and '_' (write an international name as punycode, "
                   "xn--...)";
        }
    }
    return NULL;
}

static const char *check_name(const char *text, size_t length)
{
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.') {
            const char *reason = check_label(text + start, i - start, start == 0);
            if (reason != NULL) {
                return reason;
            }
            start = i + 1;
        }
    }
    return length == 2 && text[0] == '*' ? "a wildcard without a domain" : NULL;
}

int name_parse(const char *text, size_t length, struct name *ret_name, const char **ret_reason)
{
    struct name name = {{0}};
    const char *reason = NULL;
    bool dotted = length > 0 && text[length - 1] == '.';
    size_t full = length + (dotted ? 0 : 1);

    if (length == 0) {
        reason = "empty";
    } else if (length == 1 && dotted) {
        reason = "only a dot";
    } else if (full > NAME_TEXT_MAX) {
        reason = "longer than 253 characters";
    } else {
        for (size_t i = 0; i < length; i++) {
            name.text[i] = lower(text[i]);
        }
        name.text[full - 1] = '.';
        reason = check_name(name.text, full);
    }
    if (reason != NULL) {
        if (ret_reason != NULL) {
            *ret_reason = reason;
        }
        return -EINVAL;
    }
    *ret_name = name;
    return 0;
}

bool name_is_within(const char *name, const char *zone)
{
    size_t name_length = strlen(name);
    size_t zone_length = strlen(zone);
    if (name_length < zone_length || strcmp(name + name_length - zone_length, zone) != 0) {
        return false;
    }
    return name_length == zone_length || name[name_length - zone_length - 1] == '.';
}
