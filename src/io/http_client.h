/*
 * HTTP requests that never block: a curl multi handle driven by the loop. Every request has a connect and a
 * total time-out and a cap on the response's size; redirects are not followed, proxies only from the
 * environment's usual variables and never for link-local or loopback addresses. Connections are kept for the next
 * request, until a minute has passed without one. Loop thread only.
 */
#ifndef DDNS53_IO_HTTP_CLIENT_H
#define DDNS53_IO_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

struct http_client;
struct http_call;

struct http_request {
    const char *method; /* "GET", "POST", "PUT" */
    const char *url;
    const char *unix_socket;    /* path of a socket to connect to, whatever host the URL names; NULL: none */
    const char *const *headers; /* "Name: value" each, NULL-terminated; sent in that order; may be NULL */
    const void *body;           /* NULL: none */
    size_t body_length;
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms;
    size_t response_max_bytes;
};

struct http_response {
    int error;          /* 0, or a negative errno: -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -ENOENT (name not
                           resolved), -EPROTO (TLS or HTTP), -EFBIG (past the cap), -EIO */
    const char *reason; /* the error in words, "" when there is none */
    unsigned status;    /* 0 when there was none */
    const char *body;   /* NUL-terminated, never NULL */
    size_t length;
    uint32_t duration_ms;
};
/* Both are borrowed for the call. */
typedef void (*http_done)(const struct http_response *response, void *userdata);

/* Makes itself the loop's poller. Trusts the CA bundle of the environment (AWS_CA_BUNDLE, SSL_CERT_FILE,
 * CURL_CA_BUNDLE) and nothing else, or without one the system's. NULL: no memory. */
struct http_client *http_client_new(struct loop *loop);
void http_client_free(struct http_client *client); /* requests under way are dropped without their `done` */
DEFINE_CLEANUP(struct http_client *, http_client_free)

/* Copies the request. `done` is called once, never from inside this call. -ENOMEM, -EINVAL (URL). */
int http_client_send(struct http_client *client, const struct http_request *request, http_done done, void *userdata,
                     struct http_call **ret_call);
/* Its `done` is not called any more. NULL is fine; the call must not have ended. */
void http_call_cancel(struct http_call *call);

/* During `done` only: the value of a response header, NULL: none. Case does not count. */
const char *http_response_header(const struct http_response *response, const char *name);

#endif
