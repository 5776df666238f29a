#include "update/follow.h"

#include <errno.h>

static int address_in(const struct host *follower, const struct prefix *prefix, struct address *ret_address)
{
    return prefix_make_address(prefix, follower->more->subnet_id, follower->more->interface_id, ret_address);
}

int follow_add_prefix(struct update *update, const struct host *router, const struct prefix *prefix)
{
    struct address address;

    if (prefix->address.family != ADDRESS_IPV6) {
        return -ERANGE;
    }
    for (uint32_t i = 0; i < router->more->follower_count; i++) {
        const struct host *follower = router->more->followers[i];
        int r = host_has_type(follower, RECORD_AAAA) ? address_in(follower, prefix, &address) : 0;
        if (r < 0) {
            return r;
        }
    }
    for (uint32_t i = 0; i < router->more->follower_count; i++) {
        const struct host *follower = router->more->followers[i];
        if (!host_has_type(follower, RECORD_AAAA) || follower->lock_record ||
            address_in(follower, prefix, &address) < 0) {
            continue;
        }
        int r = update_add(update, follower, &address, true);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

bool follow_has_prefix(const struct host *router)
{
    for (uint32_t i = 0; i < router->more->follower_count; i++) {
        if (host_has_type(router->more->followers[i], RECORD_AAAA)) {
            return true;
        }
    }
    return false;
}

int follow_add_address(struct update *update, const struct hosts *hosts, const struct host *router,
                       const struct address *address)
{
    if (address->family != ADDRESS_IPV4 || !update_may_set(update, router, address)) {
        return 0;
    }
    /* Only one row of a name has its followers. */
    const struct host *row = hosts_find(hosts, router->hostname);
    while (row && row->more->follower_count == 0) {
        row = row->more->next_same_name;
    }
    for (uint32_t i = 0; row && i < row->more->follower_count; i++) {
        const struct host *follower = row->more->followers[i];
        int r = host_has_type(follower, RECORD_A) && !follower->lock_record
                    ? update_add(update, follower, address, true)
                    : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
