/*
 * The zonefile provider: one RFC 1035 master file per zone. Our records stand between two marker comments; all
 * else is the owner's and is kept byte for byte, but for the SOA serial on the line that ends in `; serial`, which
 * is raised at each change (YYYYMMDDnn, never going back, RFC 1982). Called on the I/O thread; the file itself is a
 * worker's (zonefile_file.h), and a large file is another worker's, so that it delays no other zone. A large file is
 * written every 200 ms at most, takes in all changes of that time, and is made from a spare copy of it
 * (base/file_update.h), so that only what differs is written.
 * The owner may edit the file at any time (base/file_update.h says how safely): it is read anew whenever it is not the
 * one that was last read or written, and it is looked at each second.
 * A name that the owner has a record of that type or a CNAME for is RECORD_FOREIGN. A file that cannot be
 * understood, or has no serial to raise, is PROVIDER_TRANSIENT: the changes are good, and wait for its correction.
 */
#ifndef DDNS53_PROVIDER_ZONEFILE_H
#define DDNS53_PROVIDER_ZONEFILE_H

#include "io/loop.h"
#include "io/worker.h"
#include "provider/provider.h"

/* Its section of ddns53d.yaml; read by the rows of zonefile_provider.c. */
struct zonefile_settings {
    char *directory;  /* absolute */
    char **on_change; /* a command and its arguments */
    size_t on_change_count;
};

extern const struct provider_ops zonefile_ops;

/* What all zones of the provider share; borrowed. */
struct zonefile_options {
    const char *folder; /* copied */
    struct worker *worker;
    struct worker *large_worker; /* for files past about a megabyte */
    /* The file was written. On the loop. NULL: nobody wants to know. */
    void (*written)(const char *name, const char *path, void *userdata);
    void *userdata;
};

/* The file is FOLDER/ZONE.zone (no final dot); it is made with SOA and NS at the first use when it is missing; one
 * that disappears later is PROVIDER_TRANSIENT until it is back. NULL: no memory. */
struct provider_zone *zonefile_zone_new(struct loop *loop, const struct zonefile_options *options, const char *name,
                                        uint32_t default_ttl_s);

#endif
