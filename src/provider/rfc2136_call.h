/*
 * One request of the rfc2136 provider to its name server: sent by TCP, or by UDP where no TCP connection can be made and
 * the request is short enough; its answer read, verified and turned into a result. A call is embedded in its owner and
 * makes one request after another. I/O thread only.
 */
#ifndef DDNS53_PROVIDER_RFC2136_CALL_H
#define DDNS53_PROVIDER_RFC2136_CALL_H

#include "io/dns_client.h"
#include "provider/deferred.h"
#include "provider/rfc2136_explain.h"

/* What the calls of a zone share; the zone's. */
struct rfc2136_server {
    struct loop *loop;
    struct dns_server address;
    struct rfc2136_context context;
    struct rfc2136_key *key; /* NULL: nothing is signed */
    bool is_udp_only;        /* TCP did not work lately, UDP did */
};

struct rfc2136_call;

/* `call->answer` and `call->request` hold the answer when there is one. The next request may begin here. */
typedef void (*rfc2136_step)(struct rfc2136_call *call, const struct provider_result *result);
/* A verified message of a transfer, NOERROR. Returns 1: more are expected, 0: that was all, or a negative errno. */
typedef int (*rfc2136_message)(struct rfc2136_call *call);

struct rfc2136_call {
    struct rfc2136_server *server;
    struct deferred deferred; /* tells of a request that could not be written */
    struct dns_exchange exchange;
    struct rfc2136_request request;
    struct rfc2136_answer answer;
    bool is_update;
    enum dns_transport transport;
    int error; /* 0, or why there is no answer */
    int tcp_error;
    rfc2136_message message; /* NULL: the first one is all */
    rfc2136_step step;
    void *userdata; /* of the provider's caller */
};

/* -ENOMEM; end it with rfc2136_call_done all the same. */
int rfc2136_call_init(struct rfc2136_call *call, struct rfc2136_server *server);
/* Sends `call->request`; `written` is what writing it came to. Never calls back from inside. */
void rfc2136_call_send(struct rfc2136_call *call, int written, bool is_update, rfc2136_message message,
                       rfc2136_step step);
/* Drops what is under way without a callback. A zeroed struct is fine. */
void rfc2136_call_done(struct rfc2136_call *call);

#endif
