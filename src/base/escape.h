/*
 * Text from elsewhere made safe for a terminal, a log and an error message: control characters, what steers
 * the direction of text, and bytes that are no UTF-8 come out as \xNN, byte by byte. And text as JSON has it. Pure.
 */
#ifndef DDNS53_BASE_ESCAPE_H
#define DDNS53_BASE_ESCAPE_H

#include <stddef.h>

#include "base/buffer.h"

#define ESCAPE_SIZE 17 /* four bytes as \xNN, and a NUL */

/* Takes one character off the front of text and gives what to print for it; the bytes that were taken, 0 at the
 * end. `ret_escaped` is as long as *ret_length says and terminated. */
size_t escape_next(const char *text, size_t length, char ret_escaped[ESCAPE_SIZE], size_t *ret_length);

void buffer_append_escaped(struct buffer *buffer, const char *text, size_t length);

/* In quotes, escaped only where it has to be (RFC 8259 section 7); bytes that are no UTF-8 come out as U+FFFD. */
void buffer_append_json(struct buffer *buffer, const char *text);

#endif
