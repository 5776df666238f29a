/*
 * What a record holds, as a value: an address (A, AAAA), a set of texts (TXT, RFC 1035 section 3.3.14), or nothing.
 * Texts are immutable and counted, so that a copy costs a reference: whoever keeps an rdata holds one with rdata_hold
 * and drops it with rdata_drop. A set has no order (RFC 2181 section 5): equal sets are equal bytes here.
 * Any thread.
 */
#ifndef DDNS53_BASE_RDATA_H
#define DDNS53_BASE_RDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"

struct texts;

struct rdata {
    struct address address; /* family NONE: none */
    struct texts *texts;    /* NULL: none */
};

/* How a byte that cannot stand in a quoted string is written: RFC 1035 section 5.1 has three decimal digits,
 * Route 53 three octal ones (Developer Guide, "TXT record type"). */
enum text_escapes { TEXT_DECIMAL, TEXT_OCTAL };

#define RDATA_TEXT_MAX 4000 /* characters of one value: Route 53's limit, below the 65,535 of the wire */
#define RDATA_VALUES_MAX 100

static inline struct rdata rdata_of_address(const struct address *address)
{
    return (struct rdata){.address = *address};
}

static inline bool rdata_is_empty(const struct rdata *rdata)
{
    return rdata->address.family == ADDRESS_NONE && !rdata->texts;
}

struct rdata rdata_hold(const struct rdata *rdata);
/* Empties it. */
void rdata_drop(struct rdata *rdata);
/* Drops what `into` holds and holds `from`. */
void rdata_assign(struct rdata *into, const struct rdata *from);
bool rdata_equal(const struct rdata *a, const struct rdata *b);

/* Adds a value to a set of texts: bytes, cut into strings of 255. -EINVAL: an address is there; -E2BIG; -ENOMEM. */
int rdata_add_bytes(struct rdata *rdata, const void *bytes, size_t length);
/* The same from a value as it stands in a DNS message, its strings as they are. -EINVAL also: it is no row of strings. */
int rdata_add_wire(struct rdata *rdata, const uint8_t *wire, size_t length);
/* The same from a value's presentation: strings with or without quotes, blanks between. -EINVAL: not that. */
int rdata_add_text(struct rdata *rdata, const char *text, size_t length, enum text_escapes escapes);

/* Adds the texts of another set. */
int rdata_add_all(struct rdata *rdata, const struct rdata *added);

size_t rdata_count(const struct rdata *rdata);
/* The index-th value as zone files and Route 53 spell it: an address, or quoted strings. */
void rdata_print_value(const struct rdata *rdata, size_t index, enum text_escapes escapes, struct buffer *buffer);
/* The index-th value as it stands in a DNS message; borrowed. */
const uint8_t *rdata_wire(const struct rdata *rdata, size_t index, size_t *ret_length);

/* All values in one text, for the store, the log and answers: an address, or a value a line; "" for nothing. */
void rdata_print(const struct rdata *rdata, struct buffer *buffer);
/* What rdata_print printed. -EINVAL, -E2BIG, -ENOMEM. */
int rdata_parse(const char *text, size_t length, struct rdata *ret_rdata);

#endif
