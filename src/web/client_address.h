/*
 * The source address of a request: the peer of the socket, unless that is a trusted proxy; then the rightmost
 * address of X-Forwarded-For (or Forwarded, RFC 7239) that is not itself trusted. Pure.
 */
#ifndef DDNS53_WEB_CLIENT_ADDRESS_H
#define DDNS53_WEB_CLIENT_ADDRESS_H

#include <stddef.h>

#include "base/address.h"

/* Headers are whole values, several of one name joined by ", "; NULL: not sent. A peer of family NONE is a unix
 * socket, which counts as trusted. X-Forwarded-For wins where both are sent. Entries may carry a port
 * (`198.18.7.9:4711`, `[2001:db8::1]:4711`). All trusted: the leftmost. -EINVAL: malformed from a trusted proxy. */
int client_address(const struct address *peer, const struct prefix *trusted, size_t trusted_count,
                   const char *x_forwarded_for, const char *forwarded, struct address *ret_source);

#endif
