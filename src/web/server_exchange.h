/*
 * One request on its way through the server, from its first line to the last byte of its answer: collects what
 * libmicrohttpd hands over piece by piece, keeps the limits, lets a handler answer now or later, and gives the answer
 * back. Freed when libmicrohttpd says that the request has ended. What the workers call is called by one thread at a
 * time; the answer comes from any.
 */
#ifndef DDNS53_WEB_SERVER_EXCHANGE_H
#define DDNS53_WEB_SERVER_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "web/connections.h"
#include "web/request.h"

/* libmicrohttpd's own time-out of a connection, out of the way of ours: server_reap ends those that send no request in
 * time, by a limit that a reload may change. Only while an answer goes out does libmicrohttpd look after it, with that
 * limit: then what counts is that the client takes some of it, which we do not see. The library keeps connections with
 * a time-out of their own in a list that it walks each time it wakes, so there should be few of them. */
#define EXCHANGE_IDLE_MAX_S 3600

struct refusal;

/* What all exchanges of a server share. */
struct exchanges {
    const struct service *service;
    const struct route *(*find)(const struct request *request);
    bool check_api_keys;
    bool check_peers;
    atomic_uint request_ms; /* a reload may change it */
    struct connections *connections;
    atomic_size_t pending; /* handlers that have not answered */
    atomic_bool closing;   /* answers say Connection: close */
    pthread_mutex_t lock;
    pthread_cond_t all_sent;
    size_t unsent; /* requests whose answer has not gone out; guarded by the lock */
    bool refusing; /* no handler is called any more; guarded by the lock */
};

struct exchange {
    struct request request; /* first member: a struct request * is also a struct exchange * */
    struct exchanges *exchanges;
    struct connection *connection;
    struct MHD_Connection *mhd;
    char *target; /* path and query; owned */
    size_t target_bytes;
    size_t target_length;    /* as sent */
    bool is_target_clean;    /* no space, no control character */
    const char *sent_target; /* in the connection's memory; only until the headers are checked, and only its place */
    bool is_head;            /* GET without the body of the answer */
    bool is_last;            /* the connection is closed after the answer */
    struct buffer body;
    size_t body_bytes;       /* received, also what was dropped */
    uint64_t stuck_at_bytes; /* server_stuck's */
    unsigned stuck_looks;
    enum { EXCHANGE_LINE, EXCHANGE_BODY, EXCHANGE_HANDED } phase;
    bool is_pending;               /* counted in `pending` */
    const struct refusal *refusal; /* told when the request has been read */

    pthread_mutex_t lock; /* over all below: the answer against the suspension */
    bool is_answered;
    bool is_suspended;
    struct MHD_Response *response; /* NULL though answered: no memory */
    size_t response_bytes;         /* of its body */
    unsigned status;
};

void exchanges_init(struct exchanges *exchanges);
void exchanges_done(struct exchanges *exchanges);
/* From now on requests are answered 503 here. Whatever a handler was called with has been counted before. */
void exchanges_refuse(struct exchanges *exchanges);
/* Waits until every answer has gone out, at most linger_ms. */
void exchanges_wait(struct exchanges *exchanges, uint32_t linger_ms);
/* Requests whose answer has not gone out. */
size_t exchanges_unsent(struct exchanges *exchanges);

/* libmicrohttpd's callbacks: `userdata` is a struct exchanges, `context` holds the exchange. */
void *exchange_begin(void *userdata, const char *target, struct MHD_Connection *mhd);
enum MHD_Result exchange_go_on(void *userdata, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *data_length, void **context);
void exchange_end(void *userdata, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code);
/* libmicrohttpd refuses a request by itself: logs and counts it. */
void exchange_note_refusal(struct MHD_Connection *mhd, const struct refusal *refusal);
/* The connection closes. Frees the exchange that libmicrohttpd did not end. */
void exchange_abandon(struct connection *connection);

#endif
