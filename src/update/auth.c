#include "update/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A proof is tried against a secret and the one before it, of as many rows as any name of the table has: whichever name is
 * asked for, and whether it is there or not. */

/* Stands in where there is no host, so that the work is the same. Its bytes never grant anything: `is_there` is false. */
static const uint8_t dummy_secret[SHA256_SIZE] = {0x64, 0x64, 0x6e, 0x73, 0x35, 0x33};

/* One secret that a proof is tried against. */
struct candidate {
    const uint8_t *bytes;
    size_t length;
    const uint8_t *sha256; /* of the secret */
    bool is_there;         /* set, and enough of it is known for the scheme */
    bool is_allowed;       /* its host allows the scheme */
    bool is_valid;         /* not expired */
};

static struct candidate candidate_of(const struct host *host, const struct host_secret *secret, enum auth_scheme scheme,
                                     bool is_valid)
{
    struct candidate candidate = {dummy_secret, sizeof(dummy_secret), dummy_secret, false, false, false};

    if (!secret || !secret->is_set) {
        return candidate;
    }
    if (secret->secret) {
        candidate.bytes = secret_bytes(secret->secret);
        candidate.length = secret_length(secret->secret);
    }
    candidate.sha256 = secret->sha256;
    candidate.is_there = secret->secret || scheme == AUTH_SECRET || scheme == AUTH_BASIC;
    candidate.is_allowed = (host->auth & (unsigned)scheme) != 0;
    candidate.is_valid = is_valid;
    return candidate;
}

/* The spellings of the hostname that a client may have hashed: with its final dot, as sent, and both in lower case. */
#define SPELLINGS 4

struct spellings {
    char text[SPELLINGS][2 * NAME_SIZE];
    size_t length[SPELLINGS];
    size_t count; /* of different ones; the client's own doing: it tells nothing of any host */
};

static void lower_case(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z') {
            text[i] = (char)(text[i] - 'A' + 'a');
        }
    }
}

/* Is the next one, after the last that counts, there already? */
static bool is_known_spelling(const struct spellings *spellings)
{
    const size_t next = spellings->count;

    for (size_t i = 0; i < next; i++) {
        if (spellings->length[i] == spellings->length[next] &&
            memcmp(spellings->text[i], spellings->text[next], spellings->length[next]) == 0) {
            return true;
        }
    }
    return false;
}

/* What is longer than any name is cut: it belongs to no host. */
static void spell(const char *hostname, struct spellings *ret)
{
    size_t length = strnlen(hostname, 2 * NAME_SIZE - 2);
    bool dotted = length > 0 && hostname[length - 1] == '.';

    ret->count = 0;
    for (size_t i = 0; i < SPELLINGS; i++) {
        char *text = ret->text[ret->count];
        size_t *next_length = &ret->length[ret->count];
        memcpy(text, hostname, length);
        *next_length = length;
        if (!dotted && i % 2 == 0) {
            text[(*next_length)++] = '.';
        }
        if (i >= 2) {
            lower_case(text, *next_length);
        }
        ret->count += is_known_spelling(ret) ? 0 : 1;
    }
}

/* Of one secret that was sent. */
#define READINGS 2

/* What is the same for every candidate is computed once. */
struct prepared_proof {
    const struct proof *proof;
    struct spellings spellings;
    char source[ADDRESS_TEXT_SIZE];
    const char *hashed_source;
    uint8_t secret_sha256[READINGS][SHA256_SIZE];
    size_t readings;       /* how many depends on what the client sent, so that the time tells nothing of any host */
    size_t longest_secret; /* each candidate takes as long as this one would */
};

static bool hash_fits(const struct prepared_proof *prepared, const struct candidate *candidate)
{
    const struct proof *proof = prepared->proof;
    const struct spellings *spellings = &prepared->spellings;
    unsigned fits = 0;

    for (size_t i = 0; i < spellings->count; i++) {
        uint8_t digest[SHA256_SIZE];
        const struct bytes parts[] = {
            {prepared->hashed_source, strlen(prepared->hashed_source)},
            {spellings->text[i], spellings->length[i]},
            {candidate->bytes, candidate->length},
        };
        sha256_even(parts, ELEMENTS(parts), prepared->longest_secret, digest);
        fits |= (unsigned)constant_time_equal(digest, proof->digest, sizeof(digest));
    }
    return fits != 0;
}

static bool signature_fits(const struct prepared_proof *prepared, const struct candidate *candidate)
{
    const struct proof *proof = prepared->proof;
    const char *address = proof->address_sent ? proof->address_sent : prepared->source;
    const char *fields[] = {"ddns53-1",       proof->mode,  proof->hostname_sent, address,
                            proof->time_sent, proof->nonce, proof->type_sent};
    const size_t count = ELEMENTS(fields) - (proof->type_sent ? 0 : 1);
    struct bytes parts[2 * ELEMENTS(fields)];
    uint8_t digest[SHA256_SIZE];

    for (size_t i = 0; i < count; i++) {
        parts[2 * i] = (struct bytes){fields[i], strlen(fields[i])};
        parts[2 * i + 1] = (struct bytes){"\n", 1};
    }
    hmac_sha256_even(candidate->bytes, candidate->length, prepared->longest_secret, parts, 2 * count, digest);
    return constant_time_equal(digest, proof->digest, sizeof(digest));
}

static void prepare(const struct hosts *hosts, const struct proof *proof, struct prepared_proof *ret)
{
    size_t longest = hosts_longest_secret(hosts);

    ret->proof = proof;
    ret->longest_secret = longest > sizeof(dummy_secret) ? longest : sizeof(dummy_secret);
    ret->source[0] = '\0';
    ret->readings = 0;
    if (proof->source.family != ADDRESS_NONE) {
        address_print(&proof->source, ret->source);
    }
    ret->hashed_source = proof->source_sent ? proof->source_sent : ret->source;
    if (proof->scheme == AUTH_HASH) {
        spell(proof->hostname_sent, &ret->spellings);
    } else if (proof->scheme == AUTH_SECRET || proof->scheme == AUTH_BASIC) {
        const struct bytes parts[READINGS] = {{proof->secret, proof->secret_length},
                                              {proof->other_secret, proof->other_secret_length}};
        ret->readings = proof->other_secret ? READINGS : 1;
        for (size_t i = 0; i < ret->readings; i++) {
            sha256(&parts[i], 1, ret->secret_sha256[i]);
        }
    }
}

static bool secret_fits(const struct prepared_proof *prepared, const struct candidate *candidate)
{
    unsigned fits = 0;

    for (size_t i = 0; i < prepared->readings; i++) {
        fits |= (unsigned)constant_time_equal(prepared->secret_sha256[i], candidate->sha256, SHA256_SIZE);
    }
    return fits != 0;
}

/* Whether or not the candidate counts. */
static bool fits(const struct prepared_proof *prepared, const struct candidate *candidate)
{
    bool fitting = false;

    switch (prepared->proof->scheme) {
    case AUTH_HASH: fitting = hash_fits(prepared, candidate); break;
    case AUTH_SIGNED: fitting = signature_fits(prepared, candidate); break;
    case AUTH_SECRET:
    case AUTH_BASIC: fitting = secret_fits(prepared, candidate); break;
    case AUTH_OPERATOR: break; /* proves nothing over the network */
    }
    return fitting & candidate->is_there;
}

/* ---- what was found out ---- */

/* Bits, collected over all candidates without looking at them in between. */
enum finding {
    FOUND_CURRENT = 1,     /* it fits, and counts */
    FOUND_PREVIOUS = 2,    /* the same of a previous secret */
    FOUND_EXPIRED = 4,     /* it fits a secret that is not valid any more */
    FOUND_NOT_ALLOWED = 8, /* it fits, but not by this scheme */
    FOUND_ALLOWING = 16,   /* a secret that the scheme is allowed for, whether it fits or not */
};

static unsigned finding_if(bool condition, enum finding finding)
{
    return (0U - (unsigned)condition) & (unsigned)finding;
}

static unsigned examine(const struct prepared_proof *prepared, const struct candidate *candidate, enum finding fitting)
{
    bool fit = fits(prepared, candidate);

    return finding_if(fit & candidate->is_allowed & candidate->is_valid, fitting) |
           finding_if(fit & candidate->is_allowed & !candidate->is_valid, FOUND_EXPIRED) |
           finding_if(fit & !candidate->is_allowed, FOUND_NOT_ALLOWED) |
           finding_if(candidate->is_there & candidate->is_allowed, FOUND_ALLOWING);
}

static unsigned examine_row(const struct prepared_proof *prepared, const struct host *row, int64_t now_s)
{
    enum auth_scheme scheme = prepared->proof->scheme;
    const bool is_overlap = row && now_s < row->more->previous_until_s;
    const struct candidate current = candidate_of(row, row ? row->secret : NULL, scheme, true);
    const struct candidate previous = candidate_of(row, row ? &row->more->previous : NULL, scheme, is_overlap);

    return examine(prepared, &current, FOUND_CURRENT) | examine(prepared, &previous, FOUND_PREVIOUS);
}

static enum auth_reason reason_accepted(unsigned findings)
{
    return findings & FOUND_CURRENT ? AUTH_BY_CURRENT_SECRET : AUTH_BY_PREVIOUS_SECRET;
}

/* Of a host that is there, or of the hosts that have the secret. */
static enum auth_reason reason_refused(unsigned findings, bool is_known_secret)
{
    if (findings & FOUND_NOT_ALLOWED) {
        return AUTH_SCHEME_NOT_ALLOWED;
    }
    if (findings & FOUND_EXPIRED) {
        return AUTH_PREVIOUS_SECRET_EXPIRED;
    }
    if (!(findings & FOUND_ALLOWING)) {
        return AUTH_SCHEME_NOT_ALLOWED;
    }
    return is_known_secret ? AUTH_OTHER_HOSTS_SECRET : AUTH_WRONG_SECRET;
}

const char *auth_reason_word(enum auth_reason reason)
{
    static const char *const words[] = {
        [AUTH_BY_CURRENT_SECRET] = "current_secret",
        [AUTH_BY_PREVIOUS_SECRET] = "previous_secret",
        [AUTH_UNKNOWN_HOST] = "unknown_host",
        [AUTH_WRONG_SECRET] = "wrong_secret",
        [AUTH_OTHER_HOSTS_SECRET] = "other_hosts_secret",
        [AUTH_SCHEME_NOT_ALLOWED] = "scheme_not_allowed",
        [AUTH_PREVIOUS_SECRET_EXPIRED] = "previous_secret_expired",
        [AUTH_UNREADABLE] = "unreadable",
    };
    return words[reason];
}

/* Is it a secret of any host? Looked up for every name and secret. */
static bool belongs_to_some(const struct hosts *hosts, const struct prepared_proof *prepared)
{
    size_t all = 0;

    for (size_t i = 0; i < prepared->readings; i++) {
        size_t count;
        (void)hosts_by_secret(hosts, prepared->secret_sha256[i], &count);
        all += count;
    }
    return all > 0;
}

const struct host *auth_host(const struct hosts *hosts, const struct proof *proof, const struct name *hostname,
                             enum record_type type, int64_t now_s, enum auth_reason *ret_reason)
{
    const struct host *first = hosts_find(hosts, hostname->text);
    const struct host *row = first;
    const struct host *found = NULL;
    struct prepared_proof prepared;
    unsigned all = 0;

    prepare(hosts, proof, &prepared);
    bool is_known_secret = belongs_to_some(hosts, &prepared);
    for (size_t i = hosts_most_rows(hosts); i > 0; i--) {
        unsigned findings = examine_row(&prepared, row, now_s);
        all |= findings;
        if ((findings & (FOUND_CURRENT | FOUND_PREVIOUS)) &&
            (!found || (!host_has_type(found, type) && host_has_type(row, type)))) {
            found = row;
            *ret_reason = reason_accepted(findings);
        }
        row = row ? row->more->next_same_name : NULL;
    }
    if (!found) {
        *ret_reason = first ? reason_refused(all, is_known_secret) : AUTH_UNKNOWN_HOST;
    }
    return found;
}

/* The hosts of one reading. `ret_reason` is set only where there is more to say than that nobody has the secret. */
static size_t hosts_of_reading(const struct hosts *hosts, const struct prepared_proof *prepared, size_t reading,
                               int64_t now_s, const struct host **ret_hosts, size_t limit, enum auth_reason *ret_reason)
{
    size_t group_count;
    size_t count = 0;
    unsigned all = 0;

    const struct host *const *group = hosts_by_secret(hosts, prepared->secret_sha256[reading], &group_count);
    for (size_t i = 0; i < group_count; i++) {
        unsigned findings = examine_row(prepared, group[i], now_s);
        all |= findings;
        if (findings & (FOUND_CURRENT | FOUND_PREVIOUS)) {
            if (count == 0) {
                *ret_reason = reason_accepted(findings);
            }
            if (count < limit) {
                ret_hosts[count] = group[i];
            }
            count++;
        }
    }
    if (count == 0 && group_count > 0) {
        *ret_reason = reason_refused(all, false);
    }
    return count;
}

size_t auth_hosts_of_secret(const struct hosts *hosts, const struct proof *proof, int64_t now_s,
                            const struct host **ret_hosts, size_t limit, enum auth_reason *ret_reason)
{
    struct prepared_proof prepared;
    size_t count = 0;

    prepare(hosts, proof, &prepared);
    *ret_reason = AUTH_WRONG_SECRET;
    for (size_t i = 0; i < prepared.readings && count == 0; i++) {
        count = hosts_of_reading(hosts, &prepared, i, now_s, ret_hosts, limit, ret_reason);
    }
    return count;
}
