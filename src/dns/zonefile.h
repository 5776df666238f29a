/*
 * The zonefile provider: one RFC 1035 master file per zone. Our records stand between two marker comments; all
 * else is the owner's and is kept byte for byte, but for the SOA serial on the line that ends in `; serial`, which
 * is raised at each change (YYYYMMDDnn, never going back, RFC 1982). Replaced atomically. I/O thread only.
 * The owner may edit the file at any time: it is read anew whenever it is not the one that was last read or written.
 * A name that the owner has an address of that type or a CNAME for is RECORD_FOREIGN. A file that cannot be
 * understood, or has no serial to raise, is PROVIDER_TRANSIENT: the changes are good, and wait for its correction.
 */
#ifndef DDNS53_DNS_ZONEFILE_H
#define DDNS53_DNS_ZONEFILE_H

#include "dns/provider.h"
#include "io/loop.h"

extern const struct provider_ops zonefile_ops;

/* FOLDER/ZONE.zone, where `name` has its final dot. Returns owned, NULL: no memory. */
char *zonefile_path(const char *folder, const char *name);

/* The file is made with SOA and NS at the first use when it is missing; one
 * that disappears later is PROVIDER_TRANSIENT until it is back. NULL: no memory. */
struct provider_zone *zonefile_zone_new(struct loop *loop, const char *folder, const char *name,
                                        uint32_t default_ttl_s);

#endif
