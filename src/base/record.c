#include "base/record.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* What the daemon knows of a type of record. */
static const struct {
    const char *text;
    uint16_t number;
    enum address_family family; /* of its one address; ADDRESS_NONE: a set of texts */
    const char *placeholder;
} types[RECORD_TYPE_COUNT] = {
    [RECORD_A] = {"A", 1, ADDRESS_IPV4, "0.0.0.0"},
    [RECORD_AAAA] = {"AAAA", 28, ADDRESS_IPV6, "::"},
    [RECORD_TXT] = {"TXT", 16, ADDRESS_NONE, "\"\""},
};

const char *record_type_text(enum record_type type)
{
    return types[type].text;
}

uint16_t record_type_number(enum record_type type)
{
    return types[type].number;
}

const char *record_type_placeholder(enum record_type type)
{
    return types[type].placeholder;
}

int record_type_parse(const char *text, enum record_type *ret_type)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (strcmp(text, types[type].text) == 0) {
            *ret_type = (enum record_type)type;
            return 0;
        }
    }
    return -EINVAL;
}

static int add_address(enum record_type type, const struct address *address, struct rdata *value)
{
    if (address->family != types[type].family) {
        return -EINVAL;
    }
    if (!rdata_is_empty(value)) {
        return -EEXIST;
    }
    *value = rdata_of_address(address);
    return 0;
}

int record_value_add(enum record_type type, const char *text, size_t length, enum text_escapes escapes,
                     struct rdata *value)
{
    struct address address;

    if (types[type].family == ADDRESS_NONE) {
        return rdata_add_text(value, text, length, escapes);
    }
    return address_parse(text, length, &address) < 0 ? -EINVAL : add_address(type, &address, value);
}

int record_value_add_wire(enum record_type type, const uint8_t *wire, size_t length, struct rdata *value)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    const bool is_ipv4 = types[type].family == ADDRESS_IPV4;
    const struct sockaddr *sockaddr = is_ipv4 ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6;
    struct address address;

    if (types[type].family == ADDRESS_NONE) {
        return rdata_add_wire(value, wire, length);
    }
    if (length != (is_ipv4 ? sizeof(ipv4.sin_addr) : sizeof(ipv6.sin6_addr))) {
        return -EINVAL;
    }
    memcpy(is_ipv4 ? (void *)&ipv4.sin_addr : (void *)&ipv6.sin6_addr, wire, length);
    return address_from_sockaddr(sockaddr, &address) < 0 ? -EINVAL : add_address(type, &address, value);
}

bool record_value_fits(enum record_type type, const struct rdata *value)
{
    return rdata_is_empty(value) || value->address.family == types[type].family;
}
