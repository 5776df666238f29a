/*
 * The inside of provider/rfc2136, shared by its files:
 *   rfc2136.c       making and freeing a zone, finding it, changing it
 *   rfc2136_read.c  looking a record up, listing the zone, and whether the server has what was set
 * One call of each kind is under way at a time. I/O thread only.
 */
#ifndef DDNS53_PROVIDER_RFC2136_INTERNAL_H
#define DDNS53_PROVIDER_RFC2136_INTERNAL_H

#include "provider/rfc2136.h"
#include "provider/rfc2136_call.h"
#include "provider/rfc2136_owner.h"

struct provider_zone {
    struct rfc2136_server server;
    struct name name;
    char server_text[ADDRESS_TEXT_SIZE + sizeof(" port 65535")];
    struct name key_name;
    bool may_transfer;
    uint64_t record_count; /* of the last transfer; 0: not known */

    struct rfc2136_call prepare;
    provider_prepared prepared;

    struct rfc2136_call apply;
    provider_applied applied;
    size_t change_count;
    size_t change_max;  /* a batch of more is refused, so that it is split */
    int64_t applied_ms; /* when it was sent */
    struct buffer refusal;

    struct rfc2136_call look_up;
    provider_looked_up looked_up;
    const struct record *looked_up_record;
    struct rfc2136_owner looked_up_owner;
    bool is_below_dname;

    struct rfc2136_call list;
    provider_each each;
    provider_listed listed;
    struct rfc2136_owner listed_owner;
    uint64_t listed_count;
    unsigned listed_ends; /* SOA records: it begins and ends with one (RFC 5936 section 2.2) */

    struct rfc2136_call sync;
    provider_synced synced;
    const struct record *synced_record;
    const struct rdata *synced_value;
};

/* The words are borrowed. */
struct provider_result rfc2136_result_of(enum provider_outcome outcome, struct buffer *words);
/* NOTAUTH from a server that is authoritative: RFC 2136 has one code for "not the zone's primary" and "not authorised".
 * Puts what to do into `words`, and borrows them. */
struct provider_result rfc2136_not_permitted(const struct provider_zone *zone, struct buffer *words);

/* ---- rfc2136_read.c: see provider.h ---- */

void rfc2136_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up done, void *userdata);
/* All of the zone is one page. */
void rfc2136_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                       void *userdata);
void rfc2136_in_sync(struct provider_zone *zone, const struct record *record, const struct rdata *value,
                     const char *change_id, provider_synced done, void *userdata);

#endif
