/*
 * Numbers, hex and UTF-8 out of untrusted text. Everything is strict: the whole text must fit, no sign,
 * no white space, no locale. Pure functions. Returns 0, -EINVAL (not of the form) or -ERANGE.
 */
#ifndef DDNS53_BASE_PARSE_H
#define DDNS53_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only, no leading zero but for "0" itself; minimum <= value <= maximum. */
int parse_uint(const char *text, size_t length, uint64_t minimum, uint64_t maximum, uint64_t *ret_value);

/* length_bytes * 2 hex digits of either case. */
int parse_hex(const char *text, size_t length, uint8_t *ret_bytes, size_t length_bytes);

/* Lower case; `ret_text` has room for 2 * length + 1. */
void print_hex(const uint8_t *bytes, size_t length, char *ret_text);

/* RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF. */
bool utf8_is_valid(const char *text, size_t length);
/* Bytes (1 to 4) of the valid sequence that `text` begins with, and its code point where `ret_character` is not
 * NULL; 0: not valid, or length is 0. */
size_t utf8_decode(const char *text, size_t length, uint32_t *ret_character);

/* RFC 3986 percent-decoding, '+' as space when `plus_is_space`. `ret_text` has room for length + 1 and is
 * terminated. -EINVAL: a broken escape, a NUL, or invalid UTF-8 after decoding. */
int percent_decode(const char *text, size_t length, bool plus_is_space, char *ret_text, size_t *ret_length);

/* Standard base64 with padding (RFC 4648 section 4), missing padding accepted; -ENOBUFS: too small. */
int base64_decode(const char *text, size_t length, char *ret_bytes, size_t size, size_t *ret_length);

/* ISO 8601, `2026-11-21T23:15:51Z` or `20261121T231551Z`, and a date alone (midnight UTC); seconds since 1970.
 * As credential helpers print it, the time may carry a fraction, which is dropped, and `+hh:mm` instead of Z. */
int parse_iso8601(const char *text, int64_t *ret_time_s);

/* An IMF-fixdate of RFC 9110 section 5.6.7, `Sun, 06 Nov 1994 08:49:37 GMT`; seconds since 1970. */
int parse_http_date(const char *text, int64_t *ret_time_s);

#endif
