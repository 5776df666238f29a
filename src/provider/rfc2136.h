/*
 * The rfc2136 provider: dynamic updates (RFC 2136) at a primary name server such as BIND, Knot or PowerDNS, signed with TSIG
 * (RFC 8945). By TCP; where no connection can be made, by UDP. I/O thread only.
 * A batch is one UPDATE message, whose prerequisites say what DNS must hold for each record: one that somebody
 * changed since we looked is never overwritten, and the batch comes back as PROVIDER_REFUSED (`is_outdated`).
 * A record counts only when it stands at exactly its name: what a wildcard makes up is RECORD_ABSENT. A name with a
 * CNAME, or several addresses of a type, is RECORD_FOREIGN; several TXT records are one set.
 * The zone is listed by a zone transfer where the server allows it, and else read by queries.
 */
#ifndef DDNS53_PROVIDER_RFC2136_H
#define DDNS53_PROVIDER_RFC2136_H

#include "base/address.h"
#include "base/name.h"
#include "base/secret.h"
#include "io/loop.h"
#include "provider/provider.h"

/* Its keys of a zone; read by the rows of rfc2136_provider.c. */
struct rfc2136_zone_settings {
    struct address server; /* family NONE: not given */
    uint32_t port;
    struct name key_name;  /* "": nothing is signed */
    char *algorithm;       /* "hmac-sha256" and so on */
    struct secret *secret; /* its bytes, not base64; NULL: nothing is signed */
    char *secret_file;     /* absolute; NULL: the secret stands in the settings */
};

extern const struct provider_ops rfc2136_ops;

/* Borrows the loop, copies the rest. NULL: no memory. */
struct provider_zone *rfc2136_zone_new(struct loop *loop, const char *name,
                                       const struct rfc2136_zone_settings *settings);

#endif
