/*
 * What an answer of a name server, or the lack of one, means for the queue, and the words that tell a person what to
 * do. Pure functions.
 */
#ifndef DDNS53_PROVIDER_RFC2136_EXPLAIN_H
#define DDNS53_PROVIDER_RFC2136_EXPLAIN_H

#include "provider/rfc2136_message.h"

struct rfc2136_context {
    const char *zone;
    const char *server; /* address and port */
    const char *key;    /* its name; NULL: nothing is signed */
    bool is_update;
};

/* PROVIDER_DONE for NOERROR and, to a query, NXDOMAIN; otherwise `words` says why not. An
 * answer that is not signed as it must be is never PROVIDER_REFUSED or PROVIDER_NO_ZONE, which drop changes. */
enum provider_outcome rfc2136_explain(const struct rfc2136_context *context, const struct rfc2136_answer *answer,
                                      struct buffer *words);
/* A negative errno of the exchange, of reading, or of writing. */
enum provider_outcome rfc2136_explain_error(const struct rfc2136_context *context, int error, struct buffer *words);
/* A prerequisite of the update was not met. */
bool rfc2136_is_unmet(const struct rfc2136_answer *answer);
/* "NOTAUTH", "RCODE 23" */
void rfc2136_print_rcode(uint16_t rcode, struct buffer *buffer);

#endif
