/*
 * Credentials -> the host they speak for. Every scheme costs the same work whether the host exists, allows the
 * scheme, or has another secret, however long, and all comparisons are in constant time, so that an answer says nothing about
 * which it was. Pure: no I/O, no locks; time is an argument.
 */
#ifndef DDNS53_UPDATE_AUTH_H
#define DDNS53_UPDATE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/name.h"
#include "config/hosts.h"

/* What a client sent to prove itself. Everything is borrowed for the call. */
struct proof {
    enum auth_scheme scheme;

    /* AUTH_HASH: SHA-256 of source text + hostname + secret */
    const char *hostname_sent; /* as sent, percent-decoded; also part of AUTH_SIGNED's message */
    struct address source;
    const char *source_sent;     /* what the client hashed for the source address; NULL: its text */
    uint8_t digest[SHA256_SIZE]; /* the token, or AUTH_SIGNED's signature */

    /* AUTH_SIGNED: HMAC-SHA256 over "ddns53-1\n" mode "\n" hostname "\n" address "\n" time "\n" nonce "\n", and for a
     * withdrawal of one type: type "\n" */
    const char *mode;
    const char *address_sent; /* internalIp as sent; NULL: the source address as text */
    const char *time_sent;
    int64_t time_s; /* the same as a number; for update/replay.h */
    const char *nonce;
    const char *type_sent; /* NULL: none */

    /* AUTH_SECRET, AUTH_BASIC */
    const char *secret;
    size_t secret_length;
    const char *other_secret; /* another reading of what was sent, which counts as well; NULL: there is only one */
    size_t other_secret_length;
};

/* Why a proof was accepted or not: for the log, never for the client. */
enum auth_reason {
    AUTH_BY_CURRENT_SECRET,
    AUTH_BY_PREVIOUS_SECRET,
    AUTH_UNKNOWN_HOST,
    AUTH_WRONG_SECRET, /* also a wrong hash or signature, which may be over another address */
    AUTH_OTHER_HOSTS_SECRET,
    AUTH_SCHEME_NOT_ALLOWED,
    AUTH_PREVIOUS_SECRET_EXPIRED,
    AUTH_UNREADABLE, /* nothing to try: dialects say so */
};

/* As the log has it: "unknown_host" and so on. */
const char *auth_reason_word(enum auth_reason reason);

/* The row of that name which the proof fits; NULL: none (no such host, another secret, scheme not allowed).
 * `hostname` normalised; `type` is preferred where the name has several rows that fit. `ret_reason` is set either way. */
const struct host *auth_host(const struct hosts *hosts, const struct proof *proof, const struct name *hostname,
                             enum record_type type, int64_t now_s, enum auth_reason *ret_reason);

/* Without a hostname: the rows that the secret of an AUTH_SECRET or AUTH_BASIC proof belongs to and that allow the
 * scheme, in file order: the first `limit` of them; returns how many there are. The secret's other reading is tried only
 * where the first is nobody's. `ret_reason`: of the first host, or why there is none. */
size_t auth_hosts_of_secret(const struct hosts *hosts, const struct proof *proof, int64_t now_s,
                            const struct host **ret_hosts, size_t limit, enum auth_reason *ret_reason);

#endif
