/*
 * The inside of io/http_client, shared by its files:
 *   http_call.c    one call: what curl is told of the request, what is kept of the response, what an error means
 *   http_client.c  the calls under way, their connections, and the loop
 * Loop thread only.
 */
#ifndef DDNS53_IO_HTTP_CALL_H
#define DDNS53_IO_HTTP_CALL_H

#include "base/list.h"
#include "io/http_client.h"

struct http_call {
    void *easy; /* curl's handle of it */
    struct http_response response;
    /* the client's */
    struct http_client *client;
    struct list_link link;
    http_done done;
    void *userdata;
};

/* Copies both. `ca_file` NULL: what libcurl was built with. -ENOMEM, -EINVAL (URL). */
int http_call_new(const struct http_request *request, const char *ca_file, struct http_call **ret_call);
void http_call_free(struct http_call *call);
DEFINE_CLEANUP(struct http_call *, http_call_free)

/* Fills in its response, which borrows from it. `code`: curl's, with which it has ended. */
void http_call_end(struct http_call *call, unsigned code);

#endif
