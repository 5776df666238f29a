/*
 * A strict look at a request's head (RFC 9112 sections 2 to 5) after libmicrohttpd 0.9.75 has taken it apart. That
 * version cuts it up in place: it writes NULs over the separators and hands out pointers between them. It also joins
 * lines that it takes for folded, ends lines and texts at NULs, and takes blanks for a part of a name. So the pieces must
 * lie one behind the other as they would in a well-formed head, with nothing between them: whatever was joined, cut
 * or skipped leaves a gap. Later versions refuse all that themselves, and only the characters are looked at.
 * What remains unseen is a NUL where a CR should be, before a LF, which leaves the same bytes behind.
 * Reads nothing but the pieces and what lies between two that fit. Pure.
 */
#ifndef DDNS53_WEB_HEAD_H
#define DDNS53_WEB_HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct head {
    bool in_place; /* the pieces must lie one behind the other */
    bool is_bad;
    const char *start;
    const char *next; /* where the next piece must begin */
};

/* `target` with its length as sent; the others end at a NUL. All are borrowed until head_is_good. */
void head_begin(struct head *head, bool in_place, const char *method, const char *target, size_t target_length,
                const char *version);
/* One header, in the order received. */
void head_field(struct head *head, const char *name, size_t name_length, const char *value, size_t value_length);
/* `size`: from the first byte of the method to the last of the empty line. */
bool head_is_good(const struct head *head, size_t size);

#endif
