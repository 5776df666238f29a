/*
 * Domain names as normalised text: lower case, with the final dot, checked once at the edge. RFC 1035
 * section 2.3.4 lengths (label 63, name 255 octets on the wire, hence 254 characters of text), letters,
 * digits, '-' and '_' (RFC 8552); a '*' only as the whole first label; IDN only as punycode.
 */
#ifndef DDNS53_BASE_NAME_H
#define DDNS53_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_SIZE 256 /* text, final dot and NUL */

struct name {
    char text[NAME_SIZE];
};

/* Adds the final dot where it is missing. -EINVAL: not a name; `ret_reason`, where not NULL, borrows a
 * constant phrase that says why ("label longer than 63 characters", "character other than ..."). */
int name_parse(const char *text, size_t length, struct name *ret_name, const char **ret_reason);

/* Is `name` equal to or below `zone`? Both normalised. */
bool name_is_within(const char *name, const char *zone);

#endif
