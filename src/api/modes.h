/*
 * The query API once its parameters are known: get, set, clear and list_hosts, and their answers as JSON with the exact
 * spelling that deployed clients cut their address out of: `{"return_message": "198.18.7.9", "return_status":
 * "success"}`. api/query.c and the other forms of the same API only fill struct query.
 */
#ifndef DDNS53_API_MODES_H
#define DDNS53_API_MODES_H

#include <stdbool.h>

#include "web/request.h"

/* The form whose answers pages in browsers may read, from anywhere, and which answers a change with 201. */
#define MODES_JSON_DIALECT "json"

/* Texts are borrowed for the call; NULL: not given. */
struct query {
    const char *dialect; /* static: for the log and the metrics */
    const char *mode;
    const char *hostname;
    const char *hash;
    const char *internal_ip;
    const char *time; /* with nonce and signature: a signed request, which takes the hash's place */
    const char *nonce;
    const char *signature;
    const char *type;     /* of the record to withdraw; "" where it was given without a value */
    bool has_others;      /* something came that is none of these */
    const char *unspoken; /* why nothing may be changed: a parameter asks for something else; NULL: none does */
};

/* Answers the request, now or when the provider has accepted the change. */
void modes_run(struct request *request, const struct query *query);
/* `status` with a sentence; return_status is "fail". */
void modes_refuse(struct request *request, const char *dialect, unsigned status, const char *result,
                  const char *message);

#endif
