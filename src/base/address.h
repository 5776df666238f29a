/*
 * IP addresses and prefixes as values: parsed once at the edge, printed per RFC 5952, classified by the
 * rules for what may stand in a record. No function here allocates or blocks.
 */
#ifndef DDNS53_BASE_ADDRESS_H
#define DDNS53_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum address_family { ADDRESS_NONE = 0, ADDRESS_IPV4 = 4, ADDRESS_IPV6 = 6 };

/* An IPv4-mapped IPv6 address never occurs as a value: whatever makes one makes it IPv4. */
struct address {
    uint8_t family;    /* enum address_family */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four, the others are zero */
};

struct prefix {
    struct address address; /* bits past `length` are zero */
    uint8_t length;         /* 0 to 32 or 128 */
};

/* Which records may hold it: see address rules in ddns53-api(7). */
enum address_class {
    ADDRESS_NEVER,   /* "this network", link-local, multicast, reserved, unspecified */
    ADDRESS_PRIVATE, /* RFC 1918, RFC 6598, loopback, RFC 4193, site-local */
    ADDRESS_PUBLIC,  /* all others */
};

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN: the longest text and its NUL */
#define PREFIX_TEXT_SIZE 50  /* and `/128` */

/* Strict dotted quad without leading zeros, or any RFC 4291 text without zone id; an IPv4-mapped IPv6 address
 * becomes IPv4. -EINVAL otherwise. */
int address_parse(const char *text, size_t length, struct address *ret_address);
int address_from_sockaddr(const struct sockaddr *sockaddr, struct address *ret_address); /* -EAFNOSUPPORT: unix */
void address_print(const struct address *address, char ret_text[ADDRESS_TEXT_SIZE]);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_loopback(const struct address *address); /* 127.0.0.0/8, ::1 */
bool address_is_wildcard(const struct address *address); /* 0.0.0.0, :: */
enum address_class address_classify(const struct address *address);

/* `ADDRESS/LENGTH`; an address alone is a prefix of full length. Host bits that are set are cleared when
 * `clear_host_bits`, else -EINVAL. A prefix of IPv4-mapped addresses (/96 and longer) becomes the IPv4 prefix. */
int prefix_parse(const char *text, size_t length, bool clear_host_bits, struct prefix *ret_prefix);
void prefix_print(const struct prefix *prefix, char ret_text[PREFIX_TEXT_SIZE]);
bool prefix_contains(const struct prefix *prefix, const struct address *address);
/* In any of the networks, each `ADDRESS/LENGTH`? */
bool address_is_in(const struct address *address, const char *const *networks, size_t count);

/* What limits count: the IPv4 address itself or the IPv6 /64. */
struct address address_limit_key(const struct address *address);

/* prefix + subnet_id (the bits between its length and 64) + interface_id (the low 64 bits).
 * -ERANGE: longer than 64, or the subnet_id does not fit; -EINVAL: not an IPv6 prefix, or the result would be
 * an IPv4-mapped address. RFC 4291 section 2.5.4. */
int prefix_make_address(const struct prefix *prefix, uint64_t subnet_id, const uint8_t interface_id[8],
                        struct address *ret_address);

/* RFC 4291 appendix A: modified EUI-64 from a MAC address. */
void eui64_from_mac(const uint8_t mac[6], uint8_t ret_interface_id[8]);

/* `51:6B:00:A6:F5:77`, either case, also with '-'. -EINVAL otherwise. */
int mac_parse(const char *text, uint8_t ret_mac[6]);

#endif
