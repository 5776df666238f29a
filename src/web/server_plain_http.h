/*
 * Plain HTTP at a port of TLS, which GnuTLS only calls an unexpected packet: seen in the first bytes of a connection
 * and told in the log, as it is nearly always a URL with http: instead of https:. Worker threads.
 */
#ifndef DDNS53_WEB_SERVER_PLAIN_HTTP_H
#define DDNS53_WEB_SERVER_PLAIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "web/connections.h"

/* Is that the start of a request, and of no TLS record? Pure. */
bool plain_http_begins(const char *bytes, size_t length);
/* Looks at the first bytes of a connection that has its owner. */
void plain_http_look(const struct connection *connection, const char *bytes, size_t length);

#endif
