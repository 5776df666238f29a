/*
 * Which dialect gets a request: one row per dialect and path. Doubled slashes and a final one do not count.
 */
#ifndef DDNS53_API_ROUTES_H
#define DDNS53_API_ROUTES_H

#include "web/request.h"

/* The table, ended by a NULL path. */
extern const struct route routes[];
/* NULL: 404. */
const struct route *route_find(const struct request *request);

#endif
