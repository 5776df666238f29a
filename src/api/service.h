/*
 * What the dialects work with; made once by the wiring, lives longer than the server.
 */
#ifndef DDNS53_API_SERVICE_H
#define DDNS53_API_SERVICE_H

#include "web/request.h"

struct updater;
struct replay;
struct ratelimit;

struct api {
    const struct updater *updater;
    struct replay *replay;      /* nonces of signed requests */
    struct ratelimit *reads;    /* limits.reads_per_minute */
    struct ratelimit *failures; /* limits.auth_failures_per_minute */
};

static inline const struct api *api_of(const struct request *request)
{
    return request->service->handlers;
}

#endif
