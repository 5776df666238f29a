/*
 * May this host set this address, and is there anything to do? A pure function of what is known: the policy of
 * ddns53-api(7), "Which address may be set", as one table of rows in its test.
 */
#ifndef DDNS53_UPDATE_DECIDE_H
#define DDNS53_UPDATE_DECIDE_H

#include <stdint.h>

#include "base/address.h"
#include "config/hosts.h"
#include "queue/outcome.h"
#include "queue/records.h"

/* OUTCOME_PENDING: it has to change, so it goes to the queue; OUTCOME_UNCHANGED, or why it may not be done.
 * `value` empty: the record is to be withdrawn. `known` NULL: the record is not known. */
enum outcome decide(const struct host *host, enum auth_scheme scheme, const struct address *source,
                    enum record_type type, const struct rdata *value, const struct record_view *known, int64_t now_ms);

#endif
