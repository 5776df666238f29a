/*
 * One AWS call: wait for credentials, sign, send, parse the error. A clock that is off is corrected from the
 * Date header and credentials that AWS refuses are renewed, each once per call and without the caller's help;
 * every other failure is classified for the caller, who decides about retries. Loop thread only.
 */
#ifndef DDNS53_AWS_AWS_CALL_H
#define DDNS53_AWS_AWS_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "base/metrics.h"
#include "base/xml.h"
#include "io/http_client.h"
#include "io/loop.h"

enum aws_outcome {
    AWS_OK,          /* 2xx and well-formed XML */
    AWS_THROTTLED,   /* Throttling, ThrottlingException, Rate exceeded, TooManyRequests; PriorRequestNotComplete */
    AWS_TRANSIENT,   /* 5xx, no connection, reset, time-out, truncated or garbage XML: try again */
    AWS_CREDENTIALS, /* none to be had, or refused even after a refresh */
    AWS_REFUSED,     /* any other 4xx: the request is at fault; see code and message */
};

struct aws_result {
    enum aws_outcome outcome;
    unsigned status;     /* HTTP; 0: none */
    const char *code;    /* "InvalidChangeBatch", "Throttling", ...; "" without one */
    const char *message; /* AWS's own words or ours; never NULL; all Messages/Message joined by newline */
    const struct xml_document *document; /* AWS_OK, and errors that were well-formed; NULL otherwise */
    uint32_t retry_after_ms;             /* from Retry-After; 0: none */
    uint32_t duration_ms;
};
/* Everything is borrowed for the call. */
typedef void (*aws_done)(const struct aws_result *result, void *userdata);

struct aws_service;
struct aws_call;

struct aws_service_options {
    const char *service;  /* "route53" */
    const char *region;   /* of the signature's scope */
    const char *endpoint; /* "https://route53.amazonaws.com", no final slash */
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms;
    size_t response_max_bytes;
};
/* Copies. `metrics` may be NULL. One service holds the clock offset and the signing key. */
struct aws_service *aws_service_new(struct loop *loop, struct http_client *client, struct credentials *credentials,
                                    struct metrics *metrics, const struct aws_service_options *options);
void aws_service_free(struct aws_service *service); /* calls under way are dropped without their `done` */
DEFINE_CLEANUP(struct aws_service *, aws_service_free)

/* `path` and `query` as on the wire (query NULL: none); `body` NULL: none; all copied. `operation` is a static
 * string for metrics and log ("ChangeResourceRecordSets"). `done` is never called from inside this call. */
int aws_call(struct aws_service *service, const char *operation, const char *method, const char *path,
             const char *query, const char *body, size_t body_length, aws_done done, void *userdata,
             struct aws_call **ret_call);
/* Its `done` is not called any more. NULL is fine; the call must not have ended. */
void aws_call_cancel(struct aws_call *call);

/* Seconds that AWS's clock is ahead of ours, as learnt from a refused call. */
int64_t aws_service_clock_offset_s(const struct aws_service *service);

/* Route 53's endpoint of a region's partition: aws, aws-cn, aws-us-gov; the signing region in `ret_region`. Static. */
const char *aws_route53_endpoint(const char *region, const char **ret_signing_region);

#endif
