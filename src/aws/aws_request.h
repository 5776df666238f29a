/*
 * What the two users of the signer share, calls of a service and STS: a signed HTTP request, the error in a response,
 * and what a response says about our clock. Pure but for memory.
 */
#ifndef DDNS53_AWS_AWS_REQUEST_H
#define DDNS53_AWS_AWS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "aws/sigv4.h"
#include "base/buffer.h"
#include "base/xml.h"

struct aws_request {
    const char *endpoint; /* "https://host[:port][/path]" */
    const char *method;
    const char *path;  /* below the endpoint's own */
    const char *query; /* NULL: none */
    const void *body;  /* NULL: none */
    size_t body_length;
    const char *content_type; /* of the body */
    const char *service;
    const char *region;
    const struct aws_keys *keys; /* NULL: not signed */
    int64_t time_s;              /* by AWS's clock */
    struct sigv4_key *key;
};

#define SIGNED_HEADERS_MAX 8

struct signed_request {
    struct buffer url;
    struct buffer lines[SIGNED_HEADERS_MAX];
    const char *headers[SIGNED_HEADERS_MAX + 1]; /* NULL-terminated; borrowed from `lines` */
};

/* 0, -EINVAL (an endpoint without scheme or host, a path that cannot be signed), -ENOMEM. `ret_signed` is to be
 * freed with signed_request_done, also after an error. */
int aws_request_sign(const struct aws_request *request, struct signed_request *ret_signed);
void signed_request_done(struct signed_request *signed_request);

/* "…/Error/Code" and Message; of an InvalidChangeBatch, Messages/Message joined by newlines. Nothing appended where
 * the document is none of these. */
void aws_error_read(const struct xml_element *root, struct buffer *code, struct buffer *message);

/* Was a request refused because of the time that it was signed with, which was `offset_s` ahead of our clock's `now_s`?
 * `code` and `date` (the Date header; NULL: none) are the refusal's. `ret_offset_s`: how far AWS's clock is ahead of
 * `now_s`. */
bool aws_clock_skew(const char *code, const char *date, int64_t now_s, int64_t offset_s, int64_t *ret_offset_s);

/* May `code` go away with other credentials? */
bool aws_is_credentials_code(const char *code);
bool aws_is_throttling_code(const char *code, const char *message);

#endif
