/*
 * The records of one name as a query or a zone transfer brings them, one by one, joined into the sets that the queue is told
 * about. I/O thread only.
 */
#ifndef DDNS53_PROVIDER_RFC2136_OWNER_H
#define DDNS53_PROVIDER_RFC2136_OWNER_H

#include "provider/rfc2136_message.h"

struct rfc2136_set {
    struct rdata value;
    uint32_t ttl_s;
    bool is_foreign; /* several addresses, or texts past our limits */
};

struct rfc2136_owner {
    struct name name;
    bool has_alias;
    struct rfc2136_set sets[RECORD_TYPE_COUNT];
};

/* Forgets what it has. */
void rfc2136_owner_begin(struct rfc2136_owner *owner, const char *name);
/* A record of this name. -ENOMEM. */
int rfc2136_owner_add(struct rfc2136_owner *owner, const struct rfc2136_record *record);
/* What there is of that type; borrows from the owner. */
void rfc2136_owner_find(const struct rfc2136_owner *owner, enum record_type type, struct provider_found *ret_found);
void rfc2136_owner_done(struct rfc2136_owner *owner);

#endif
