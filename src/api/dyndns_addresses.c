#include "api/dyndns_addresses.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/dialect.h"
#include "config/hosts.h"

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && **text == ' ') {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && (*text)[*length - 1] == ' ') {
        (*length)--;
    }
}

static bool leaves_alone(const char *text, size_t length)
{
    return (length == 2 && strncasecmp(text, "no", 2) == 0) || (length == 8 && strncasecmp(text, "preserve", 8) == 0);
}

/* `text` is trimmed. */
static int keep_prefix(struct dyndns_addresses *addresses, const struct prefix *prefix, const char *text, size_t length)
{
    if (addresses->has_prefix) {
        return prefix->length == addresses->prefix.length && address_equal(&prefix->address, &addresses->prefix.address)
                   ? 0
                   : -EINVAL;
    }
    addresses->has_prefix = true;
    addresses->prefix = *prefix;
    (void)snprintf(addresses->prefix_text, sizeof(addresses->prefix_text), "%.*s", (int)length, text);
    return 0;
}

/* A delegated prefix among the addresses: its length is at most 64 and no bit behind it is set, so that it can be no
 * address. One of a kind that no record can hold is answered as an address. */
static bool is_prefix(const char *text, size_t length, struct prefix *ret_prefix)
{
    return memchr(text, '/', length) && prefix_parse(text, length, false, ret_prefix) == 0 &&
           ret_prefix->address.family == ADDRESS_IPV6 && ret_prefix->length <= 64 &&
           address_classify(&ret_prefix->address) != ADDRESS_NEVER;
}

/* `family` NONE: either. */
static int add_one(struct dyndns_addresses *addresses, enum address_family family, const char *text, size_t length)
{
    struct address address;
    struct prefix prefix;

    trim(&text, &length);
    if (length == 0) {
        return 0;
    }
    addresses->named = true;
    if (leaves_alone(text, length)) {
        return 0;
    }
    if (family != ADDRESS_IPV4 && is_prefix(text, length, &prefix)) {
        return keep_prefix(addresses, &prefix, text, length);
    }
    if (dialect_address(text, length, &address) < 0 || (family != ADDRESS_NONE && address.family != family)) {
        return -EINVAL;
    }
    struct dyndns_address *slot = &addresses->families[record_type_of(&address)];
    if (slot->address.family != ADDRESS_NONE) {
        return address_equal(&slot->address, &address) ? 0 : -EINVAL;
    }
    const char *slash = memchr(text, '/', length);
    int spelled = (int)(slash ? (size_t)(slash - text) : length);
    (void)snprintf(slot->text, sizeof(slot->text), "%.*s", spelled, text);
    slot->address = address;
    addresses->ipv6_first |=
        address.family == ADDRESS_IPV6 && addresses->families[RECORD_A].address.family == ADDRESS_NONE;
    return 0;
}

int dyndns_add_addresses(struct dyndns_addresses *addresses, const char *text)
{
    for (;;) {
        size_t length = strcspn(text, ",");
        int status = add_one(addresses, ADDRESS_NONE, text, length);
        if (status < 0 || text[length] == '\0') {
            return status;
        }
        text += length + 1;
    }
}

int dyndns_add_family(struct dyndns_addresses *addresses, enum address_family family, const char *text)
{
    return add_one(addresses, family, text, strlen(text));
}

int dyndns_add_prefix(struct dyndns_addresses *addresses, const char *text)
{
    size_t length = strlen(text);
    struct prefix prefix;

    trim(&text, &length);
    if (length == 0 || leaves_alone(text, length)) {
        return 0;
    }
    if (prefix_parse(text, length, true, &prefix) < 0 || prefix.address.family != ADDRESS_IPV6) {
        return -EINVAL;
    }
    addresses->named = true;
    return keep_prefix(addresses, &prefix, text, length);
}

void dyndns_default(struct dyndns_addresses *addresses, const struct address *source)
{
    if (addresses->named || source->family == ADDRESS_NONE) {
        return;
    }
    struct dyndns_address *slot = &addresses->families[record_type_of(source)];
    slot->address = *source;
    address_print(source, slot->text);
}
