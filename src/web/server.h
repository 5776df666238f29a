/*
 * libmicrohttpd behind one door: listeners, TLS, limits, bytes -> struct request, suspended connections, answers.
 * Only this file (with tls) knows the library. Handlers run on the workers; answers may come from any thread.
 */
#ifndef DDNS53_WEB_SERVER_H
#define DDNS53_WEB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config/settings.h"
#include "web/request.h"
#include "web/tls.h"

struct server;

struct server_options {
    const char *what; /* "api", "admin": for the log and for sockets from systemd (FileDescriptorName) */
    const struct endpoint *listen;
    size_t listen_count;
    const int *sockets; /* already listening, from systemd; take the place of `listen`; taken */
    size_t socket_count;
    bool has_own_sockets; /* nobody else holds `sockets`: they are closed when the server stops accepting */
    struct tls *tls;      /* NULL: plain */
    unsigned threads;     /* 0: one per core */
    uint32_t connections;
    uint32_t connections_per_address;                           /* 0: no limit */
    uint32_t request_ms;                                        /* from accept to the last byte of the request */
    const struct route *(*find)(const struct request *request); /* route_find, or admin's own */
    bool check_api_keys;                                        /* server.api_keys counts here */
    bool check_peers; /* a unix socket for this machine's operators: see check_peer in web/server_check.c */
};

/* Binds and listens, and makes everything ready, but takes no connection yet. Negative errno with a sentence in `message`;
 * nothing is left open then. */
int server_start(const struct service *service, const struct server_options *options, struct buffer *message,
                 struct server **ret_server);
/* Takes connections from now on; logs `event=listening what=... address=... tls=...` for each listener. Cannot fail, so
 * that several servers begin together or not at all. */
void server_accept(struct server *server);

/* The end goes from the door inward, in this order; server_free makes up for what was left out.
 * Closes the listeners. Who has connected before is served: each answer says that it is the connection's last. */
void server_stop_accepting(struct server *server);
/* Are there connections that may still send a request? */
bool server_has_kept(struct server *server);
/* Closes the connections that wait between two requests; whatever still comes on others is answered 503 by the server
 * itself. No handler is called any more, but for those that have been. */
void server_refuse(struct server *server);
/* Waits for answers to go out, at most linger_ms, then closes all. -EBUSY: a handler has not answered yet, perhaps it never
 * will; the server lives on, and nothing that it uses may be freed. NULL is fine. */
int server_free(struct server *server, uint32_t linger_ms);

/* Main's tick, about once a second: closes connections whose request has been under way for longer than request_ms. */
void server_reap(struct server *server, int64_t now_ms);
/* Any thread: another limit, which also holds for requests that are under way. */
void server_set_request_ms(struct server *server, uint32_t request_ms);

/* Requests that a handler has not answered yet. */
size_t server_requests_pending(const struct server *server);
size_t server_connections(const struct server *server);

/* The port of the index-th listener, the real one where 0 was asked for; 0: a unix socket, or no such listener. */
uint16_t server_port(const struct server *server, size_t index);
/* What the index-th listener listens at, `[::]:443` or `unix:PATH`, borrowed; NULL: no such listener. */
const char *server_listening(const struct server *server, size_t index);
bool server_has_tls(const struct server *server);

#endif
