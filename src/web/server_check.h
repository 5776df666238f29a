/*
 * What the server itself refuses, once the headers are there: malformed heads, sizes, methods, ambiguous framing, a
 * malformed proxy's header, a missing API key. Fills in where the request comes from. Worker threads.
 */
#ifndef DDNS53_WEB_SERVER_CHECK_H
#define DDNS53_WEB_SERVER_CHECK_H

#include <stdbool.h>

#include "web/server_exchange.h"

#define REQUEST_LINE_MAX_BYTES 4096
#define REQUEST_HEADERS_MAX_BYTES 16384
#define REQUEST_BODY_MAX_BYTES 8192

struct refusal {
    unsigned status;
    bool at_once; /* without reading the body, and the connection is closed */
    const char *result;
    const char *sentence; /* says what to do */
};

/* NULL: nothing is wrong. */
const struct refusal *check_headers(struct exchange *exchange, const char *method, const char *version);

/* How long the body is by the headers; `length` is borrowed and not ended by a NUL. NULL: nothing is wrong. */
struct body_framing {
    enum { BODY_NONE, BODY_OF_LENGTH, BODY_CHUNKED } kind;
    const char *length; /* decimal digits */
    size_t length_size;
};
const struct refusal *body_framing(struct MHD_Connection *mhd, struct body_framing *ret_framing);

/* What stands in our words for a status with which libmicrohttpd refuses a request. */
const struct refusal *refusal_of_library(unsigned status);

extern const struct refusal refusal_body_too_large;
extern const struct refusal refusal_method;
extern const struct refusal refusal_not_found;

/* The value that all headers of that name have; NULL: none, or different ones. Borrowed. */
const char *check_header(const struct request *request, const char *name);

#endif
