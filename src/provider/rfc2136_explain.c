#include "provider/rfc2136_explain.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct rcode_row {
    uint16_t rcode;
    const char *name;
    enum provider_outcome outcome; /* of an update */
    const char *words;             /* %s: the zone */
};

/* RFC 2136 section 2.2 and RFC 1035 section 4.1.1. */
static const struct rcode_row rcodes[] = {
    {DNS_NOERROR, "NOERROR", PROVIDER_DONE, ""},
    {DNS_FORMERR, "FORMERR", PROVIDER_REFUSED, "it cannot read the message: see what its log says"},
    {DNS_SERVFAIL, "SERVFAIL", PROVIDER_TRANSIENT,
     "it cannot serve the zone at present: see what its log says (a zone file or journal that cannot be written, a "
     "zone that has not loaded)"},
    {DNS_NXDOMAIN, "NXDOMAIN", PROVIDER_REFUSED, "a record that was there is gone: it is looked at again"},
    {DNS_NOTIMP, "NOTIMP", PROVIDER_CREDENTIALS,
     "it does not do dynamic updates: turn them on there (PowerDNS: dnsupdate=yes)"},
    {DNS_REFUSED, "REFUSED", PROVIDER_CREDENTIALS,
     "it does not let us: permit it there (BIND: update-policy or allow-update of the zone, and allow-query; Knot: an "
     "acl of the zone; PowerDNS: allow-dnsupdate-from and TSIG-ALLOW-DNSUPDATE)"},
    {DNS_YXDOMAIN, "YXDOMAIN", PROVIDER_REFUSED, "a name that was not there is there now: it is looked at again"},
    {DNS_YXRRSET, "YXRRSET", PROVIDER_REFUSED, "a record that was not there is there now: it is looked at again"},
    {DNS_NXRRSET, "NXRRSET", PROVIDER_REFUSED, "a record is not what it was: it is looked at again"},
    {DNS_NOTAUTH, "NOTAUTH", PROVIDER_NO_ZONE,
     "it is not authoritative for the zone: correct the zone's name or server, or make it a primary of the zone"},
    {DNS_NOTZONE, "NOTZONE", PROVIDER_REFUSED, "a name of the message is not in the zone"},
};

static const struct rcode_row *row_of(uint16_t rcode)
{
    for (size_t i = 0; i < ELEMENTS(rcodes); i++) {
        if (rcodes[i].rcode == rcode) {
            return &rcodes[i];
        }
    }
    return NULL;
}

void rfc2136_print_rcode(uint16_t rcode, struct buffer *buffer)
{
    const struct rcode_row *row = row_of(rcode);

    if (row) {
        buffer_append_text(buffer, row->name);
    } else {
        buffer_printf(buffer, "RCODE %u", (unsigned)rcode);
    }
}

bool rfc2136_is_unmet(const struct rfc2136_answer *answer)
{
    return answer->signature == SIGNATURE_GOOD && answer->tsig_error == 0 &&
           (answer->rcode == DNS_NXDOMAIN || answer->rcode == DNS_YXDOMAIN || answer->rcode == DNS_YXRRSET ||
            answer->rcode == DNS_NXRRSET);
}

/* ---- signatures ---- */

static void explain_clocks(int64_t ahead_s, struct buffer *words)
{
    buffer_printf(words, "its clock is %" PRId64 " seconds %s ours, and 300 are allowed: set the wrong one right",
                  ahead_s < 0 ? -ahead_s : ahead_s, ahead_s < 0 ? "behind" : "ahead of");
}

static void explain_tsig_error(const struct rfc2136_context *context, const struct rfc2136_answer *answer,
                               struct buffer *words)
{
    const char *key = context->key ? context->key : "";

    switch (answer->tsig_error) {
    case DNS_BADSIG:
        buffer_printf(words, "BADSIG: the secret of key %s is another one there: give both the same secret", key);
        break;
    case DNS_BADKEY:
        buffer_printf(words,
                      "BADKEY: it does not know key %s with that algorithm, or the key may not do this: compare the "
                      "key's name and algorithm, and permit it there",
                      key);
        break;
    case DNS_BADTIME:
        buffer_append_text(words, "BADTIME: ");
        explain_clocks(answer->ahead_s, words);
        break;
    case DNS_BADTRUNC:
        buffer_printf(words, "BADTRUNC: it wants longer signatures of key %s: allow full ones there", key);
        break;
    default:
        buffer_printf(words, "TSIG error %u of key %s: see what its log says", (unsigned)answer->tsig_error, key);
        break;
    }
}

/* Nothing may be concluded from the answer itself, but it helps the reader. */
static enum provider_outcome explain_signature(const struct rfc2136_context *context,
                                               const struct rfc2136_answer *answer, struct buffer *words)
{
    buffer_printf(words, "%s answers ", context->server);
    rfc2136_print_rcode(answer->rcode, words);
    switch (answer->signature) {
    case SIGNATURE_GOOD: break;
    case SIGNATURE_MISSING:
        buffer_printf(
            words,
            " without a signature: see that it has key %s with this secret and algorithm, that both clocks are "
            "right, that it serves %s and permits the key to update it; its log may say which",
            context->key, context->zone);
        break;
    case SIGNATURE_WRONG:
        buffer_printf(words, " with a signature that is wrong: give both the same secret of key %s", context->key);
        break;
    case SIGNATURE_TIME:
        buffer_append_text(words, ": ");
        explain_clocks(answer->ahead_s, words);
        break;
    }
    return answer->rcode == DNS_SERVFAIL ? PROVIDER_TRANSIENT : PROVIDER_CREDENTIALS;
}

/* ---- answers ---- */

enum provider_outcome rfc2136_explain(const struct rfc2136_context *context, const struct rfc2136_answer *answer,
                                      struct buffer *words)
{
    const struct rcode_row *row = row_of(answer->rcode);

    if (answer->tsig_error != 0) {
        buffer_printf(words, "%s answers ", context->server);
        rfc2136_print_rcode(answer->rcode, words);
        buffer_append_text(words, " with ");
        explain_tsig_error(context, answer, words);
        return PROVIDER_CREDENTIALS;
    }
    if (answer->signature != SIGNATURE_GOOD) {
        return explain_signature(context, answer, words);
    }
    if (answer->rcode == DNS_NOERROR || (answer->rcode == DNS_NXDOMAIN && !context->is_update)) {
        return PROVIDER_DONE;
    }
    buffer_printf(words, "%s answers ", context->server);
    rfc2136_print_rcode(answer->rcode, words);
    buffer_printf(words, " for %s: %s", context->zone, row ? row->words : "see what its log says");
    return row ? row->outcome : PROVIDER_TRANSIENT;
}

enum provider_outcome rfc2136_explain_error(const struct rfc2136_context *context, int error, struct buffer *words)
{
    const char *server = context->server;

    switch (error) {
    case -EMSGSIZE:
        buffer_printf(words, "the changes of %s do not fit into one DNS message: use shorter texts", context->zone);
        return PROVIDER_REFUSED;
    case -EFBIG:
        buffer_printf(words, "%s does not answer by TCP, and by UDP the change is too long: open its port for TCP",
                      server);
        break;
    case -ENODATA:
        buffer_printf(words, "%s closed the connection before it had answered: see what its log says", server);
        break;
    case -EBADMSG:
        buffer_printf(words, "what %s sends is no answer: see that a DNS server listens there", server);
        break;
    case -E2BIG: buffer_printf(words, "%s signs too few messages of a zone transfer", server); break;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE: buffer_printf(words, "%s: %s: it is tried again", server, strerror(-error)); break;
    default:
        buffer_printf(words, "%s: %s: see that it runs and that its port is open for TCP", server, strerror(-error));
        break;
    }
    return PROVIDER_TRANSIENT;
}
