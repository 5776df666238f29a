/*
 * The addresses that a dyndns2 request names: one of each family at most, with the spelling that it came in, and the
 * delegated prefix. Pure.
 */
#ifndef DDNS53_API_DYNDNS_ADDRESSES_H
#define DDNS53_API_DYNDNS_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

struct dyndns_address {
    struct address address; /* family NONE: not named */
    char text[64];          /* as it was sent, without a prefix length */
};

struct dyndns_addresses {
    struct dyndns_address families[2]; /* by enum record_type */
    bool ipv6_first;                   /* the order in which they were sent */
    bool has_prefix;
    struct prefix prefix;
    char prefix_text[64]; /* as sent */
    bool named;           /* something was named, or a family was to be left alone: no default */
};

/* A list with commas that may hold either family (`myip`); `no` and `preserve` leave alone, empty names nothing. IPv6
 * with a length of at most 64 and no bits behind it is the delegated prefix. -EINVAL: not an address, that of a network,
 * or two different ones of a family. */
int dyndns_add_addresses(struct dyndns_addresses *addresses, const char *text);
/* One address of one family, or the prefix (`myipv6`, `myipv4` and their other names). */
int dyndns_add_family(struct dyndns_addresses *addresses, enum address_family family, const char *text);
int dyndns_add_prefix(struct dyndns_addresses *addresses, const char *text);
/* Where nothing was named: the source address. */
void dyndns_default(struct dyndns_addresses *addresses, const struct address *source);

#endif
