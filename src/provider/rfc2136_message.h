/*
 * DNS messages of the rfc2136 provider, built and read with libknot: UPDATE (RFC 2136), queries, zone transfers (RFC
 * 5936), and their signatures (TSIG, RFC 8945). Talks to nobody and keeps nothing but the request and what verifies
 * its answers. The only files that know libknot are this one's. I/O thread only.
 */
#ifndef DDNS53_PROVIDER_RFC2136_MESSAGE_H
#define DDNS53_PROVIDER_RFC2136_MESSAGE_H

#include "base/name.h"
#include "base/secret.h"
#include "provider/provider.h"

/* Record types and response codes as IANA's "Domain Name System (DNS) Parameters" has them. */
enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_DNAME = 39,
    DNS_AXFR = 252,
};
enum dns_rcode {
    DNS_NOERROR,
    DNS_FORMERR,
    DNS_SERVFAIL,
    DNS_NXDOMAIN,
    DNS_NOTIMP,
    DNS_REFUSED,
    DNS_YXDOMAIN,
    DNS_YXRRSET,
    DNS_NXRRSET,
    DNS_NOTAUTH,
    DNS_NOTZONE,
    DNS_BADSIG = 16, /* from here on: of a TSIG */
    DNS_BADKEY,
    DNS_BADTIME,
    DNS_BADTRUNC = 22,
};

/* ---- the key ---- */

struct rfc2136_key;

/* Takes a reference of the secret (bytes, not base64). -EINVAL: no such algorithm, or no name; -ENOMEM. */
int rfc2136_key_new(const char *name, const char *algorithm, struct secret *secret, struct rfc2136_key **ret_key);
void rfc2136_key_free(struct rfc2136_key *key);
DEFINE_CLEANUP(struct rfc2136_key *, rfc2136_key_free)

/* ---- requests ---- */

struct knot_pkt;

#define RFC2136_UDP_MAX 1232    /* what passes everywhere without fragments: DNS flag day 2020 */
#define RFC2136_UNSIGNED_MAX 99 /* messages of a transfer between two signed ones: RFC 8945 section 5.3.1 */
#define RFC2136_UNSIGNED_BYTES_MAX ((size_t)4 << 20)

/* A request, and the answer that was read last. Zeroed at first; written anew for the next request. */
struct rfc2136_request {
    const struct rfc2136_key *key; /* borrowed; NULL: nothing is signed */
    uint8_t *bytes;
    size_t length;
    struct name name; /* of the question or zone section */
    bool is_transfer;

    uint8_t mac[64]; /* of the request, then of the last signed answer */
    size_t mac_length;
    uint64_t time_signed;
    bool has_answer;
    struct buffer to_verify;                            /* a transfer's messages since the last signed one */
    struct knot_pkt *packets[RFC2136_UNSIGNED_MAX + 1]; /* what the last answer consists of */
    size_t packet_count;
    bool is_held; /* the packets wait for a signed one */
};

/* All of them: 0, -EINVAL (a name that is none), -EMSGSIZE, -ENOMEM. `key` NULL: unsigned. */
int rfc2136_write_query(struct rfc2136_request *request, const struct rfc2136_key *key, const char *name,
                        uint16_t type);
int rfc2136_write_transfer(struct rfc2136_request *request, const struct rfc2136_key *key, const char *zone);
/* Each change with the prerequisite that DNS holds what its `was` says and, for a set, no CNAME (RFC 2136 section 2.4).
 * No changes: does nothing but show whether updates are allowed. */
int rfc2136_write_update(struct rfc2136_request *request, const struct rfc2136_key *key, const char *zone,
                         const struct change_request *const *changes, size_t count);
/* Changes nothing: is there a set of that type at exactly that name? NXRRSET or NXDOMAIN: no. */
int rfc2136_write_check(struct rfc2136_request *request, const struct rfc2136_key *key, const char *zone,
                        const char *name, uint16_t type);
void rfc2136_request_done(struct rfc2136_request *request);

/* ---- answers ---- */

enum rfc2136_signature {
    SIGNATURE_GOOD, /* also where there is no key */
    SIGNATURE_MISSING,
    SIGNATURE_WRONG,
    SIGNATURE_TIME, /* made more than five minutes from now */
};

struct rfc2136_answer {
    uint16_t rcode;
    uint16_t tsig_error; /* one of DNS_BADSIG and so on; 0: none */
    enum rfc2136_signature signature;
    bool is_authoritative;
    bool is_truncated;
    int64_t ahead_s; /* DNS_BADTIME, SIGNATURE_TIME: the server's clock minus ours */
};

/* Reads a message. -EBADMSG: no answer to the request; -EAGAIN: an unsigned message of a transfer, which is kept until
 * a signed one vouches for it; -E2BIG: too many of them; -ENOMEM. */
int rfc2136_read(struct rfc2136_request *request, const uint8_t *message, size_t length,
                 struct rfc2136_answer *ret_answer);

/* A record of the answer section. */
struct rfc2136_record {
    struct name owner;
    uint16_t type;
    uint32_t ttl_s;
    const uint8_t *data; /* borrowed */
    size_t length;
};
enum rfc2136_section { RFC2136_ANSWER, RFC2136_AUTHORITY };

/* Where a walk through the records of an answer stands; zeroed at first. */
struct rfc2136_cursor {
    size_t packet;
    uint16_t record;
};
/* The next record of class IN whose owner is a name such as ours; false: there are no more. */
bool rfc2136_next(const struct rfc2136_request *request, enum rfc2136_section section, struct rfc2136_cursor *cursor,
                  struct rfc2136_record *ret_record);

#endif
