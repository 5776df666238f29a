/*
 * Plain HTTP at a port of TLS, which GnuTLS only calls an unexpected packet: seen in the first bytes of a connection
 * and told in the log, as it is nearly always a URL with http: instead of https:. Worker threads.
 */
#ifndef DDNS53_WEB_SERVER_PLAIN_HTTP_H
#define DDNS53_WEB_SERVER_PLAIN_HTTP_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "web/connections.h"

/* Is that the start of a request, and of no TLS record? Pure. */
bool plain_http_begins(const char *bytes, size_t length);
/* Looks at what a connection sends, which must have its owner; nothing where it is plain itself. */
void plain_http_watch(struct MHD_Connection *mhd, struct connection *connection);

#endif
