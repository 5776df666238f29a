/*
 * The admin listener's two pages: /healthz and /metrics.
 */
#ifndef DDNS53_ADMIN_ADMIN_H
#define DDNS53_ADMIN_ADMIN_H

#include "base/metrics.h"
#include "web/request.h"

/* The `handlers` of its service. */
struct admin {
    struct metrics *metrics;
    /* Appends one line per reason for being unhealthy; returns how many. Any thread. */
    size_t (*trouble)(void *userdata, struct buffer *buffer);
    void *userdata;
};

const struct route *admin_route_find(const struct request *request);

#endif
