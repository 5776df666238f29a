/*
 * AWS Signature Version 4, header form: a pure function of method, path, query, headers, payload hash,
 * credentials and time (IAM User Guide, "Create a signed AWS API request"), as every service but S3 has it: the path is
 * normalised and encoded once more. Right in general, not only for our calls: parameters sorted after encoding, repeated
 * keys and headers, values folded and trimmed, empty bodies, UTF-8. The derived key is cached in a sigv4_key that the
 * caller owns.
 */
#ifndef DDNS53_AWS_SIGV4_H
#define DDNS53_AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"

struct sigv4_header {
    const char *name; /* any case */
    const char *value;
};

struct sigv4_request {
    const char *method;
    const char *path;                   /* absolute, as on the wire before '?' ; "" counts as "/" */
    const char *query;                  /* as on the wire after '?', without it; "" or NULL: none */
    const struct sigv4_header *headers; /* all that are to be signed, host and x-amz-date among them */
    size_t header_count;
    const char *payload_sha256; /* 64 hex digits, or UNSIGNED-PAYLOAD */
};

struct sigv4_scope {
    const char *region;
    const char *service;
    int64_t time_s; /* Unix time of x-amz-date */
};

/* The signing key of one day, region, service and credential; zeroed at first, wiped with wipe(). */
struct sigv4_key {
    uint8_t key[SHA256_SIZE];
    uint8_t fingerprint[SHA256_SIZE]; /* of what it was derived from */
    bool is_set;
};

/* Both append; 0 or -ENOMEM, -EINVAL (a header name or path that cannot be signed). For tests and diagnosis. */
int sigv4_canonical_request(const struct sigv4_request *request, struct buffer *buffer);
int sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical_request, struct buffer *buffer);

/* The value of the Authorization header, appended. `key` may be NULL (nothing is cached). */
int sigv4_authorization(const struct sigv4_request *request, const struct sigv4_scope *scope, const char *access_key_id,
                        const struct secret *secret_access_key, struct sigv4_key *key, struct buffer *buffer);

/* Lower-case hex SHA-256 of a payload. */
void sigv4_payload_sha256(const void *payload, size_t length, char ret_text[2 * SHA256_SIZE + 1]);

#endif
