#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

static const uint8_t mapped_start[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static unsigned family_bits(const struct address *address)
{
    return address->family == ADDRESS_IPV4 ? 32 : 128;
}

static struct address make_ipv4(const uint8_t bytes[4])
{
    struct address address = {.family = ADDRESS_IPV4};
    memcpy(address.bytes, bytes, 4);
    return address;
}

static struct address make_ipv6(const uint8_t bytes[16])
{
    struct address address = {.family = ADDRESS_IPV6};
    memcpy(address.bytes, bytes, 16);
    return address;
}

static bool is_mapped(const struct address *address)
{
    return address->family == ADDRESS_IPV6 && memcmp(address->bytes, mapped_start, sizeof(mapped_start)) == 0;
}

static struct address unmapped(struct address address)
{
    return is_mapped(&address) ? make_ipv4(address.bytes + sizeof(mapped_start)) : address;
}

/* As written: an IPv4-mapped address is still IPv6. */
static int parse_as_written(const char *text, size_t length, struct address *ret_address)
{
    char copy[ADDRESS_TEXT_SIZE];
    uint8_t bytes[16];

    if (length >= sizeof(copy) || memchr(text, '\0', length) != NULL) {
        return -EINVAL;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    /* glibc's are strict: no leading zeros in a dotted quad, no more than four hex digits, no zone. */
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *ret_address = make_ipv4(bytes);
        return 0;
    }
    if (inet_pton(AF_INET6, copy, bytes) == 1) {
        *ret_address = make_ipv6(bytes);
        return 0;
    }
    return -EINVAL;
}

int address_parse(const char *text, size_t length, struct address *ret_address)
{
    struct address address;
    int r = parse_as_written(text, length, &address);
    if (r < 0) {
        return r;
    }
    *ret_address = unmapped(address);
    return 0;
}

int address_from_sockaddr(const struct sockaddr *sockaddr, struct address *ret_address)
{
    /* Copied, since the caller's storage need not be aligned for the larger types. */
    if (sockaddr->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof(in));
        *ret_address = make_ipv4((const uint8_t *)&in.sin_addr);
        return 0;
    }
    if (sockaddr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sockaddr, sizeof(in6));
        *ret_address = unmapped(make_ipv6(in6.sin6_addr.s6_addr));
        return 0;
    }
    return -EAFNOSUPPORT;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 section 4.2). */
static void find_zero_run(const unsigned groups[8], unsigned *ret_start, unsigned *ret_length)
{
    unsigned best_start = 8;
    unsigned best_length = 1;
    for (unsigned start = 0; start < 8; start++) {
        unsigned length = 0;
        while (start + length < 8 && groups[start + length] == 0) {
            length++;
        }
        if (length > best_length) {
            best_start = start;
            best_length = length;
        }
    }
    *ret_start = best_start;
    *ret_length = best_start < 8 ? best_length : 0;
}

static void print_ipv6(const uint8_t bytes[16], char ret_text[ADDRESS_TEXT_SIZE])
{
    unsigned groups[8];
    for (unsigned i = 0; i < 8; i++) {
        groups[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
    }
    unsigned run_start = 8;
    unsigned run_length = 0;
    find_zero_run(groups, &run_start, &run_length);

    size_t used = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (i == run_start) {
            ret_text[used++] = ':';
            ret_text[used++] = ':';
            i += run_length - 1;
            continue;
        }
        const char *separator = i == 0 || i == run_start + run_length ? "" : ":";
        int length = snprintf(ret_text + used, ADDRESS_TEXT_SIZE - used, "%s%x", separator, groups[i]);
        used += (size_t)length;
    }
    ret_text[used] = '\0';
}

/* Each request prints some: snprintf takes ten times as long. */
static void print_ipv4(const uint8_t *bytes, char *text)
{
    for (size_t i = 0; i < 4; i++) {
        const unsigned byte = bytes[i];
        if (byte >= 100) {
            *text++ = (char)('0' + byte / 100);
        }
        if (byte >= 10) {
            *text++ = (char)('0' + byte / 10 % 10);
        }
        *text++ = (char)('0' + byte % 10);
        *text++ = i < 3 ? '.' : '\0';
    }
}

void address_print(const struct address *address, char ret_text[ADDRESS_TEXT_SIZE])
{
    switch (address->family) {
    case ADDRESS_IPV4: print_ipv4(address->bytes, ret_text); break;
    case ADDRESS_IPV6: print_ipv6(address->bytes, ret_text); break;
    default: (void)snprintf(ret_text, ADDRESS_TEXT_SIZE, "none"); break;
    }
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Do the first `bits` bits agree? */
static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

struct block {
    uint8_t family;
    uint8_t length;
    uint8_t class;
    uint8_t start[16];
};

/* The first that fits counts; what fits none is public. */
static const struct block blocks[] = {
    {ADDRESS_IPV4, 8, ADDRESS_NEVER, {0}},             /* "this network", RFC 791 */
    {ADDRESS_IPV4, 16, ADDRESS_NEVER, {169, 254}},     /* link-local, RFC 3927 */
    {ADDRESS_IPV4, 4, ADDRESS_NEVER, {224}},           /* multicast, RFC 5771 */
    {ADDRESS_IPV4, 4, ADDRESS_NEVER, {240}},           /* reserved and broadcast, RFC 1112 */
    {ADDRESS_IPV4, 8, ADDRESS_PRIVATE, {10}},          /* RFC 1918 */
    {ADDRESS_IPV4, 12, ADDRESS_PRIVATE, {172, 16}},    /* RFC 1918 */
    {ADDRESS_IPV4, 16, ADDRESS_PRIVATE, {192, 168}},   /* RFC 1918 */
    {ADDRESS_IPV4, 10, ADDRESS_PRIVATE, {100, 64}},    /* carrier NAT, RFC 6598 */
    {ADDRESS_IPV4, 8, ADDRESS_PRIVATE, {127}},         /* loopback, RFC 1122 */
    {ADDRESS_IPV6, 128, ADDRESS_NEVER, {0}},           /* unspecified, RFC 4291 */
    {ADDRESS_IPV6, 10, ADDRESS_NEVER, {0xfe, 0x80}},   /* link-local, RFC 4291 */
    {ADDRESS_IPV6, 8, ADDRESS_NEVER, {0xff}},          /* multicast, RFC 4291 */
    {ADDRESS_IPV6, 128, ADDRESS_PRIVATE, {[15] = 1}},  /* loopback, RFC 4291 */
    {ADDRESS_IPV6, 7, ADDRESS_PRIVATE, {0xfc}},        /* unique local, RFC 4193 */
    {ADDRESS_IPV6, 10, ADDRESS_PRIVATE, {0xfe, 0xc0}}, /* site-local, RFC 3879 */
};

bool address_is_loopback(const struct address *address)
{
    static const struct address ipv6_loopback = {ADDRESS_IPV6, {[15] = 1}};

    return address->family == ADDRESS_IPV4 ? address->bytes[0] == 127 : address_equal(address, &ipv6_loopback);
}

bool address_is_wildcard(const struct address *address)
{
    static const uint8_t zeros[sizeof(address->bytes)];

    return address->family != ADDRESS_NONE && memcmp(address->bytes, zeros, sizeof(zeros)) == 0;
}

enum address_class address_classify(const struct address *address)
{
    if (address->family != ADDRESS_IPV4 && address->family != ADDRESS_IPV6) {
        return ADDRESS_NEVER;
    }
    /* A second line of defence: no value should be mapped, but one that is must not pass for public. */
    struct address plain = unmapped(*address);
    for (size_t i = 0; i < ELEMENTS(blocks); i++) {
        if (plain.family == blocks[i].family && bits_equal(plain.bytes, blocks[i].start, blocks[i].length)) {
            return (enum address_class)blocks[i].class;
        }
    }
    return ADDRESS_PUBLIC;
}

static struct address masked(struct address address, unsigned length)
{
    for (unsigned i = 0; i < sizeof(address.bytes); i++) {
        unsigned kept = length > i * 8 ? length - i * 8 : 0;
        if (kept < 8) {
            address.bytes[i] &= (uint8_t)(0xff00U >> kept);
        }
    }
    return address;
}

int prefix_parse(const char *text, size_t length, bool clear_host_bits, struct prefix *ret_prefix)
{
    const char *slash = length > 0 ? memchr(text, '/', length) : NULL;
    size_t address_length = slash != NULL ? (size_t)(slash - text) : length;
    struct address address;
    int r = parse_as_written(text, address_length, &address);
    if (r < 0) {
        return r;
    }
    uint64_t bits = family_bits(&address);
    if (slash != NULL && parse_uint(slash + 1, length - address_length - 1, 0, bits, &bits) < 0) {
        return -EINVAL;
    }
    if (is_mapped(&address) && bits >= 96) {
        address = unmapped(address);
        bits -= 96;
    }
    struct prefix prefix = {masked(address, (unsigned)bits), (uint8_t)bits};
    if (!clear_host_bits && !address_equal(&prefix.address, &address)) {
        return -EINVAL;
    }
    *ret_prefix = prefix;
    return 0;
}

void prefix_print(const struct prefix *prefix, char ret_text[PREFIX_TEXT_SIZE])
{
    char text[ADDRESS_TEXT_SIZE];
    address_print(&prefix->address, text);
    (void)snprintf(ret_text, PREFIX_TEXT_SIZE, "%s/%u", text, prefix->length);
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
    return prefix->address.family == address->family &&
           bits_equal(prefix->address.bytes, address->bytes, prefix->length);
}

bool address_is_in(const struct address *address, const char *const *networks, size_t count)
{
    struct prefix prefix;

    for (size_t i = 0; i < count; i++) {
        if (prefix_parse(networks[i], strlen(networks[i]), false, &prefix) == 0 && prefix_contains(&prefix, address)) {
            return true;
        }
    }
    return false;
}

struct address address_limit_key(const struct address *address)
{
    return address->family == ADDRESS_IPV6 ? masked(*address, 64) : *address;
}

int prefix_make_address(const struct prefix *prefix, uint64_t subnet_id, const uint8_t interface_id[8],
                        struct address *ret_address)
{
    if (prefix->address.family != ADDRESS_IPV6) {
        return -EINVAL;
    }
    /* Two steps, since a shift by all 64 bits is undefined. */
    if (prefix->length > 64 || (prefix->length > 0 && subnet_id >> (64 - prefix->length) != 0)) {
        return -ERANGE;
    }
    struct address address = masked(prefix->address, prefix->length);
    for (unsigned i = 0; i < 8; i++) {
        address.bytes[i] |= (uint8_t)(subnet_id >> (56 - 8 * i));
        address.bytes[8 + i] = interface_id[i];
    }
    if (is_mapped(&address)) {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

void eui64_from_mac(const uint8_t mac[6], uint8_t ret_interface_id[8])
{
    const uint8_t id[8] = {mac[0] ^ 0x02, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
    memcpy(ret_interface_id, id, sizeof(id));
}

int mac_parse(const char *text, uint8_t ret_mac[6])
{
    uint8_t mac[6];
    if (strlen(text) != 17 || (text[2] != ':' && text[2] != '-')) {
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof(mac); i++) {
        bool last = i == sizeof(mac) - 1;
        if (parse_hex(text + 3 * i, 2, &mac[i], 1) < 0 || (!last && text[3 * i + 2] != text[2])) {
            return -EINVAL;
        }
    }
    memcpy(ret_mac, mac, sizeof(mac));
    return 0;
}
