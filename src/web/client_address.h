/*
 * The source address of a request: the peer of the socket, unless that is a trusted proxy; then the rightmost
 * address of X-Forwarded-For or Forwarded (RFC 7239), whichever server.proxy_header names, that is not itself trusted.
 * Pure.
 */
#ifndef DDNS53_WEB_CLIENT_ADDRESS_H
#define DDNS53_WEB_CLIENT_ADDRESS_H

#include <stddef.h>

#include "base/address.h"
#include "config/settings.h"

/* Whole values, several of one name joined by ", "; NULL: not sent. */
struct client_headers {
    enum proxy_header believed;
    const char *x_forwarded_for;
    const char *forwarded;
};

/* A peer of family NONE is a unix socket, which counts as trusted. Without the header that is believed the peer is the
 * source, whatever the other one says. Where a trusted proxy sends both, they must name the same address: one of
 * them is the client's own, and which one only the proxy's owner can tell. One that names nobody (a Forwarded with no
 * `for`) does not count there. Entries may carry a port (`198.18.7.9:4711`, `[2001:db8::1]:4711`). All trusted: the
 * leftmost. -EINVAL: malformed, or they differ, from a trusted proxy. */
int client_address(const struct address *peer, const struct prefix *trusted, size_t trusted_count,
                   const struct client_headers *headers, struct address *ret_source);

#endif
