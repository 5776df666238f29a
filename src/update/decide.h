/*
 * May this host set this address, and is there anything to do? A pure function of what is known: the policy of
 * ddns53-api(7), "Which address may be set", as one table of rows in its test.
 */
#ifndef DDNS53_UPDATE_DECIDE_H
#define DDNS53_UPDATE_DECIDE_H

#include <stdint.h>

#include "base/address.h"
#include "config/hosts.h"
#include "dns/records.h"

enum verdict {
    VERDICT_CHANGE,     /* to the queue */
    VERDICT_UNCHANGED,  /* DNS and the state hold it already, with the right TTL */
    VERDICT_NO_RECORD,  /* the host has no record of that family */
    VERDICT_UNUSABLE,   /* the address can stand in no record */
    VERDICT_LOCKED,     /* lock_record */
    VERDICT_PRIVATE,    /* a private address needs allow_internal */
    VERDICT_NOT_SOURCE, /* the scheme does not cover the address: another than the source needs allow_internal */
    VERDICT_CONFLICT,   /* DNS holds what must not be overwritten */
};

/* `known` NULL: the record is not known. */
enum verdict decide(const struct host *host, enum auth_scheme scheme, const struct address *source,
                    const struct address *requested, const struct record_view *known, int64_t now_ms);

#endif
