/*
 * The addresses (IPv4 address or IPv6 /64) from which somebody has logged in within the last LOGINS_KEPT_MS, so that a
 * server that is full can prefer them. Bounded: when there are too many, the one whose login is longest ago is
 * forgotten. Any thread; a lock of its own.
 */
#ifndef DDNS53_WEB_LOGINS_H
#define DDNS53_WEB_LOGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

#define LOGINS_KEPT_MS (24 * 3600 * (int64_t)1000)

struct logins;

/* `addresses_max`: how many are remembered. NULL: no memory. */
struct logins *logins_new(size_t addresses_max);
void logins_free(struct logins *logins);
DEFINE_CLEANUP(struct logins *, logins_free)

/* Credentials from that address fitted. Nothing happens for family NONE, without `logins`, or without memory for it. */
void logins_note(struct logins *logins, const struct address *address, int64_t now_ms);
/* False for family NONE, and without `logins`. */
bool logins_has(struct logins *logins, const struct address *address, int64_t now_ms);

#endif
