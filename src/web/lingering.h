/*
 * Lingering close: sockets of connections that were answered while their client was still sending, as it does with a
 * request that is too large. Closing such a socket resets the connection, and the client may lose the answer (RFC 9112
 * section 9.6). So it stays open for about a second, without being read. At most LINGERING_MAX of a server do; the
 * oldest leaves for the next.
 */
#ifndef DDNS53_WEB_LINGERING_H
#define DDNS53_WEB_LINGERING_H

#include <stdint.h>

#include "base/cleanup.h"

#define LINGERING_MAX 128

struct lingering;

struct lingering *lingering_new(void); /* NULL: no memory */
/* Closes all. NULL is fine. */
void lingering_free(struct lingering *lingering);
DEFINE_CLEANUP(struct lingering *, lingering_free)

/* The caller closes `fd`; what lingers is a copy. Where no descriptor is to be had nothing does. Any thread. */
void lingering_add(struct lingering *lingering, int fd, int64_t now_ms);
/* Closes those that have been here for LINGERING_MS. Any thread, about once a second. */
#define LINGERING_MS 1000
void lingering_tick(struct lingering *lingering, int64_t now_ms);

#endif
