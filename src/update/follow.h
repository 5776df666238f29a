/*
 * Prefix fan-out: when a router's update names a delegated prefix, every host that follows it gets prefix + subnet id
 * + interface id, in the same submission as the router's own records.
 */
#ifndef DDNS53_UPDATE_FOLLOW_H
#define DDNS53_UPDATE_FOLLOW_H

#include "base/address.h"
#include "update/update.h"

/* Adds an item for each follower of `router` that is not locked. All or none: -ERANGE where the prefix is longer than
 * 64 or a subnet id does not fit it, -E2BIG, -ENOMEM. */
int follow_add(struct update *update, const struct host *router, const struct prefix *prefix);

#endif
