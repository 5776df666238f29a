/*
 * Hosts that follow a router, set in the same submission as the router's own records: A records get the router's IPv4
 * address, AAAA records prefix + subnet id + interface id. Followers that are locked are left out.
 */
#ifndef DDNS53_UPDATE_FOLLOW_H
#define DDNS53_UPDATE_FOLLOW_H

#include <stdbool.h>

#include "base/address.h"
#include "update/update.h"

/* Adds an item for each follower of `router` with an AAAA record. All or none: -ERANGE where the prefix is longer than
 * 64 or a subnet id does not fit it, -E2BIG, -ENOMEM. */
int follow_add_prefix(struct update *update, const struct host *router, const struct prefix *prefix);
/* Does it have a follower with an AAAA record? */
bool follow_has_prefix(const struct host *router);

/* `router` is the row whose A record is set to `address` in the same update: adds an item for each follower of that name
 * with an A record. Does nothing for IPv6, nor where the router itself may not have the address. `hosts` is the
 * router's table. -E2BIG, -ENOMEM. */
int follow_add_address(struct update *update, const struct hosts *hosts, const struct host *router,
                       const struct address *address);

#endif
