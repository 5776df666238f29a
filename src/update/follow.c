#include "update/follow.h"

#include <errno.h>

static int address_in(const struct host *follower, const struct prefix *prefix, struct address *ret_address)
{
    return prefix_make_address(prefix, follower->subnet_id, follower->interface_id, ret_address);
}

int follow_add(struct update *update, const struct host *router, const struct prefix *prefix)
{
    struct address address;

    if (prefix->address.family != ADDRESS_IPV6) {
        return -ERANGE;
    }
    for (uint32_t i = 0; i < router->follower_count; i++) {
        int status = address_in(router->followers[i], prefix, &address);
        if (status < 0) {
            return status;
        }
    }
    for (uint32_t i = 0; i < router->follower_count; i++) {
        const struct host *follower = router->followers[i];
        if (follower->lock_record || address_in(follower, prefix, &address) < 0) {
            continue;
        }
        int status = update_add(update, follower, &address, true);
        if (status < 0) {
            return status;
        }
    }
    return 0;
}
