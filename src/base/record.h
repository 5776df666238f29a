/*
 * A record, the unit that is set: one (hostname, record type) pair; and a change of it as it goes from the client's
 * update through the queue to the provider and the store. Values; what a pointer borrows is said beside it.
 */
#ifndef DDNS53_BASE_RECORD_H
#define DDNS53_BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/rdata.h"

enum record_type { RECORD_A, RECORD_AAAA, RECORD_TXT };
#define RECORD_TYPE_COUNT 3

/* "A", "AAAA", "TXT". */
const char *record_type_text(enum record_type type);
/* Upper case, as files and servers have it. -EINVAL: none of ours. */
int record_type_parse(const char *text, enum record_type *ret_type);

/* As in a DNS message: RFC 1035 section 3.2.2, RFC 3596 section 2.1. */
uint16_t record_type_number(enum record_type type);

/* A value as zone files spell it that no record of ours has, for requests that must name one. */
const char *record_type_placeholder(enum record_type type);

/* Adds one value of a record of that type, as zone files and Route 53 spell it. -EINVAL: it is none; -EEXIST: there can
 * be only one; -E2BIG, -ENOMEM. */
int record_value_add(enum record_type type, const char *text, size_t length, enum text_escapes escapes,
                     struct rdata *value);
/* The same from the value's bytes in a DNS message. An IPv4-mapped address is no value of an AAAA record of ours. */
int record_value_add_wire(enum record_type type, const uint8_t *wire, size_t length, struct rdata *value);
/* May a record of that type hold it? Nothing fits all. */
bool record_value_fits(enum record_type type, const struct rdata *value);

/* The type of record that holds an address. */
static inline enum record_type record_type_of(const struct address *address)
{
    return address->family == ADDRESS_IPV6 ? RECORD_AAAA : RECORD_A;
}

struct record {
    const char *hostname; /* normalised, see base/name.h */
    enum record_type type;
};

/* One wish. `value` empty: the record is to be withdrawn. `was` is what DNS holds as far as is known, for providers
 * that can only replace what they can name, and for the history. Whoever embeds it owns a reference of both values. */
struct change_request {
    struct record *record; /* of queue/records; lives at least as long as the request */
    struct rdata value;
    uint32_t ttl_s;
    uint32_t was_ttl_s;
    struct rdata was; /* empty: DNS has no such record */
};

#endif
