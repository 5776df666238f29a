#include "ctl/verdict.h"

#include <string.h>

#include "base/escape.h"

/* The first row whose word and reason (NULL: any) fit. What the server or the provider said itself stands in front. */
static const struct row {
    const char *word;
    const char *reason;
    enum color color;
    const char *rule;
} rows[] = {
    /* what was done */
    {"good", NULL, COLOR_GOOD, "the provider has accepted it, and it is saved"},
    {"nochg", NULL, COLOR_GOOD, "DNS holds it already; there was nothing to do"},
    {"pending", NULL, COLOR_WARN, "it is on its way"},

    /* who may */
    {"badauth", "unknown_host", COLOR_BAD,
     "no host of hosts.yaml has this name: correct it in the device, or add the host"},
    {"badauth", "wrong_secret", COLOR_BAD,
     "the password, hash or signature fits none of the host's secrets: enter the host's secret in the device; a hash "
     "is made of the address that the device comes from, so that behind NAT it must not hash its inner one"},
    {"badauth", "other_hosts_secret", COLOR_BAD,
     "the secret is that of another host: exchange the hostname or the secret in the device"},
    {"badauth", "scheme_not_allowed", COLOR_BAD,
     "the secret may be right, but the host's auth does not list this way to prove it: add it to auth in hosts.yaml"},
    {"badauth", "previous_secret_expired", COLOR_BAD,
     "it is the host's previous secret, whose time is over: enter the new one in the device"},
    {"badauth", "unreadable", COLOR_BAD, "the credentials cannot be read: the device sends them in an unknown form"},
    {"badauth", "no_credentials", COLOR_WARN,
     "the request has no credentials; many devices send them only once they were asked for them, so that the next one "
     "counts"},
    {"badauth", NULL, COLOR_BAD, "the credentials fit no host"},
    {"stale", NULL, COLOR_BAD,
     "it was signed for another time: set the clock of the device (300 seconds are borne), and of this machine"},
    {"replay", NULL, COLOR_BAD, "its nonce was used before: the device has to make a new one for each request"},
    {"no_read_privilege", NULL, COLOR_BAD, "the host may not list others: set read_privilege for it in hosts.yaml"},
    {"api_key", NULL, COLOR_BAD, "it has none of the keys of server.api_keys as x-api-key"},

    /* what may be set */
    {"locked", NULL, COLOR_BAD, "the host is locked: only the operator sets its records, until lock_record is removed"},
    {"private_address", NULL, COLOR_BAD,
     "it is a private address, which only hosts with allow_internal may set; behind carrier-grade NAT the device does "
     "not know its public one: leave the address out"},
    {"not_source_address", NULL, COLOR_BAD,
     "a hash covers only the address that the request comes from: send another one signed, or set allow_internal"},
    {"unusable_address", NULL, COLOR_BAD,
     "no record can hold such an address; a router sends one while it has no connection, and later the right one"},
    {"no_record", NULL, COLOR_BAD, "the host has no record of this type: add it to record_type in hosts.yaml"},
    {"nohost", "no_such_record", COLOR_BAD,
     "the host has no record of a type that is asked for: add it to record_type in hosts.yaml"},
    {"nohost", "unknown_host", COLOR_BAD,
     "no host of hosts.yaml has this name, while others of the request were right"},
    {"nohost", NULL, COLOR_BAD, "the credentials do not fit this host, while they fit others of the request"},
    {"abuse", "followers_locked", COLOR_BAD, "every host that follows this one is locked"},

    /* DNS */
    {"conflict", NULL, COLOR_BAD,
     "DNS has an alias, several values or a routing policy there, which is never overwritten: delete it in DNS first"},
    {"refused", NULL, COLOR_BAD, "the DNS provider refuses the change"},
    {"no_zone", NULL, COLOR_BAD, "the DNS provider does not have the zone: \"ddns53ctl status\" says more"},
    {"timed_out", NULL, COLOR_WARN,
     "the DNS provider had not accepted it in time; it stayed queued: \"ddns53ctl status\" says how it is"},
    {"queue_full", NULL, COLOR_BAD, "too many changes were waiting (limits.queued_changes); the device tries again"},
    {"stopping", NULL, COLOR_WARN, "the daemon was stopping; the device tries again"},

    /* how it was asked */
    {"too_many", NULL, COLOR_BAD,
     "there were too many requests or failed logins from this address: it is answered again once that has drained"},
    {"abuse", "too_many_failures", COLOR_BAD,
     "there were too many failed logins from this address (limits.auth_failures_per_minute): mend the credentials, and "
     "wait a minute"},
    {"abuse", NULL, COLOR_BAD, "the source asks too often, or the record is locked"},
    {"dnserr", "not_an_address", COLOR_BAD, "an address or prefix that was sent is none"},
    {"dnserr", "unusable_prefix", COLOR_BAD,
     "the prefix can stand in no record; a router sends such without connection"},
    {"dnserr", "prefix_too_long", COLOR_BAD, "the prefix is too long for the hosts that follow: at most 64 bits"},
    {"notfqdn", "several_hosts_have_the_secret", COLOR_BAD,
     "several hosts have this secret, and no hostname was sent: enter one in the device"},
    {"notfqdn", "no_hostname", COLOR_BAD, "no hostname was sent"},
    {"notfqdn", "no_such_type", COLOR_BAD, "there is no such type of record"},
    {"notfqdn", NULL, COLOR_BAD, "a parameter cannot be read"},
    {"numhost", NULL, COLOR_BAD, "more than 20 hostnames were sent in one request"},
    {"badagent", NULL, COLOR_BAD, "it asks for something that this path does not do"},
    {"bad_request", NULL, COLOR_BAD, "the request is not well-formed"},
    {"911", NULL, COLOR_BAD, "the server could not do it; the device tries again"},
    {"out_of_memory", NULL, COLOR_BAD, "the server was out of memory"},
    {"forwarded", NULL, COLOR_BAD,
     "the proxy in front does not name the client as server.proxy_header has it: correct one of them"},
    {"not_found", NULL, COLOR_BAD, "there is nothing at that path: check the URL in the device"},
    {"method", NULL, COLOR_BAD, "it is neither GET nor POST"},
    {"plain_http", NULL, COLOR_BAD, "it speaks HTTP without TLS: its URL must begin with https://"},
    {"peer", NULL, COLOR_BAD, "the user may not use the control socket"},
    {"more", NULL, COLOR_DIM, "there were more, which were only counted"},
};

static const struct row *find_row(const struct verdict *verdict)
{
    static const struct row otherwise = {"", NULL, COLOR_BAD, "the request is not one that is served"};

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *reason = rows[i].reason;
        if (strcmp(rows[i].word, verdict->word ? verdict->word : "") == 0 &&
            (!reason || (verdict->reason && strcmp(reason, verdict->reason) == 0))) {
            return &rows[i];
        }
    }
    return &otherwise;
}

static bool is_done(const struct verdict *verdict)
{
    return verdict->word && (strcmp(verdict->word, "good") == 0 || strcmp(verdict->word, "nochg") == 0);
}

void verdict_explain(const struct verdict *verdict, struct buffer *buffer)
{
    const struct row *row = find_row(verdict);

    if (verdict->message && verdict->message[0] != '\0' && !is_done(verdict)) {
        buffer_append_escaped(buffer, verdict->message, strlen(verdict->message));
        /* Of a malformed request the server's own sentence says all that there is. */
        if (strcmp(row->word, "bad_request") == 0) {
            return;
        }
        buffer_append_text(buffer, ": ");
    }
    buffer_append_text(buffer, row->rule);
}

enum color verdict_color(const struct verdict *verdict)
{
    return find_row(verdict)->color;
}
