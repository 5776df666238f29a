/* Any text as an address, a prefix and a MAC: what parses prints so that it parses to the same again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_address(const char *text, size_t size)
{
    struct address address;
    struct address again;
    char printed[ADDRESS_TEXT_SIZE];
    int r = address_parse(text, size, &address);
    if (r != 0) {
        insist(r == -EINVAL);
        return;
    }
    address_print(&address, printed);
    insist(address_parse(printed, strlen(printed), &again) == 0 && address_equal(&address, &again));
    insist(address_classify(&address) <= ADDRESS_PUBLIC);

    struct address key = address_limit_key(&address);
    struct prefix network;
    insist(prefix_parse(printed, strlen(printed), false, &network) == 0 && prefix_contains(&network, &address));
    network = (struct prefix){key, address.family == ADDRESS_IPV4 ? 32 : 64};
    insist(prefix_contains(&network, &address));
}

static void check_prefix(const char *text, size_t size)
{
    static const uint8_t interface_id[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct prefix prefix;
    struct prefix again;
    char printed[PREFIX_TEXT_SIZE];
    int r = prefix_parse(text, size, true, &prefix);
    if (r != 0) {
        insist(r == -EINVAL);
        return;
    }
    prefix_print(&prefix, printed);
    insist(prefix_parse(printed, strlen(printed), false, &again) == 0 && prefix.length == again.length);
    insist(address_equal(&prefix.address, &again.address) && prefix_contains(&prefix, &again.address));

    struct address made;
    if (prefix_make_address(&prefix, 0, interface_id, &made) == 0) {
        insist(prefix_contains(&prefix, &made) && memcmp(made.bytes + 8, interface_id, 8) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t mac[6];
    check_address((const char *)data, size);
    check_prefix((const char *)data, size);

    _cleanup_free_ char *text = strndup((const char *)data, size);
    insist(text != NULL);
    (void)mac_parse(text, mac);
    return 0;
}
