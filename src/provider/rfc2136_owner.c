#include "provider/rfc2136_owner.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

void rfc2136_owner_done(struct rfc2136_owner *owner)
{
    for (size_t i = 0; i < RECORD_TYPE_COUNT; i++) {
        rdata_drop(&owner->sets[i].value);
        owner->sets[i] = (struct rfc2136_set){.is_foreign = false};
    }
    owner->has_alias = false;
}

void rfc2136_owner_begin(struct rfc2136_owner *owner, const char *name)
{
    rfc2136_owner_done(owner);
    (void)stpncpy(owner->name.text, name, sizeof(owner->name.text) - 1);
}

static bool find_type(uint16_t type, enum record_type *ret_type)
{
    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++) {
        if (dns_type_of((enum record_type)i) == type) {
            *ret_type = (enum record_type)i;
            return true;
        }
    }
    return false;
}

/* An IPv4-mapped address in an AAAA record is nothing that we would write. */
static void add_address(struct rfc2136_set *set, const struct rfc2136_record *record)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    const bool is_ipv4 = record->type == DNS_A;
    const struct sockaddr *sockaddr = is_ipv4 ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6;
    struct address address;

    if (record->length != (is_ipv4 ? sizeof(ipv4.sin_addr) : sizeof(ipv6.sin6_addr))) {
        set->is_foreign = true;
        return;
    }
    memcpy(is_ipv4 ? (void *)&ipv4.sin_addr : (void *)&ipv6.sin6_addr, record->data, record->length);
    if (!rdata_is_empty(&set->value) || address_from_sockaddr(sockaddr, &address) < 0 ||
        (address.family == ADDRESS_IPV4) != is_ipv4) {
        set->is_foreign = true;
        return;
    }
    set->value = rdata_of_address(&address);
}

int rfc2136_owner_add(struct rfc2136_owner *owner, const struct rfc2136_record *record)
{
    enum record_type type;
    int r = 0;

    if (!find_type(record->type, &type)) {
        owner->has_alias |= record->type == DNS_CNAME;
        return 0;
    }
    struct rfc2136_set *set = &owner->sets[type];
    set->ttl_s = record->ttl_s;
    if (record->type != DNS_TXT) {
        add_address(set, record);
        return 0;
    }
    r = rdata_add_wire(&set->value, record->data, record->length);
    set->is_foreign |= r < 0;
    return r == -ENOMEM ? r : 0;
}

void rfc2136_owner_find(const struct rfc2136_owner *owner, enum record_type type, struct provider_found *ret_found)
{
    const struct rfc2136_set *set = &owner->sets[type];
    struct provider_found found = {
        .hostname = owner->name.text,
        .type = type,
        .knowledge = RECORD_ABSENT,
        .value = set->value,
        .ttl_s = set->ttl_s,
    };

    if (owner->has_alias || set->is_foreign) {
        found.knowledge = RECORD_FOREIGN;
        found.foreign = owner->has_alias ? FOREIGN_ALIAS : FOREIGN_SEVERAL_VALUES;
    } else if (!rdata_is_empty(&set->value)) {
        found.knowledge = RECORD_PLAIN;
    }
    *ret_found = found;
}
