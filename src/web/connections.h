/*
 * The open connections of a server: who may open one, who has to make room for that (web/admission.h has the rules), and
 * since when each waits for a whole request. Counts, and logs once a minute, what each limit did. One table over all
 * listeners; a lock of its own; any thread. Sockets belong to the caller, and are only ever shut down here: call
 * connections_open before, and connections_close after, everything else, and before the socket is closed.
 */
#ifndef DDNS53_WEB_CONNECTIONS_H
#define DDNS53_WEB_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "web/admission.h"
#include "web/logins.h"

struct connections;
struct connection;

/* So many more sockets than the limit says may be open at a moment: those that were shut down and are about to be
 * closed. */
#define CONNECTIONS_SPARE ADMISSION_LEAVING_MAX

/* All pointers are borrowed, and live longer than the connections. */
struct connections_options {
    const char *server;   /* "api", "admin": for the log and the metrics */
    uint32_t limit;       /* limits.connections */
    uint32_t per_address; /* limits.connections_per_address; 0: no limit */
    const struct clock *clock;
    struct logins *logins;  /* NULL: nobody is known */
    struct metric *open;    /* connections_open_row; NULL in tests, as the two below */
    struct metric *refused; /* connections_refused_row */
    struct metric *closed;  /* connections_closed_row */
};

extern const struct metric_row connections_open_row;    /* ddns53_connections{server} */
extern const struct metric_row connections_refused_row; /* ddns53_connections_refused_total{server,limit} */
extern const struct metric_row connections_closed_row;  /* ddns53_connections_closed_total{server,limit} */

/* NULL: no memory. */
struct connections *connections_new(const struct connections_options *options);
void connections_free(struct connections *connections); /* all must have been closed */
DEFINE_CLEANUP(struct connections *, connections_free)

/* May that peer open one more? Asked before the connection costs anything. `is_exempt`: a proxy of ours or a unix
 * socket, which stands for many clients. */
bool connections_admit(struct connections *connections, const struct address *peer, bool is_exempt);

/* Counts it, and shuts down the socket of whoever has to make room. It waits for a request since then.
 * NULL: no memory. */
struct connection *connections_open(struct connections *connections, const struct address *peer, bool is_exempt, int fd,
                                    int64_t since_ms);
/* Before `fd` is closed. Frees it. */
void connections_close(struct connections *connections, struct connection *connection);

/* Its request is complete; from now on it takes as long as the answer takes. */
void connections_request_complete(struct connections *connections, struct connection *connection);
/* The request is over, answered or not; it waits for the next since then. */
void connections_request_over(struct connections *connections, struct connection *connection, int64_t since_ms);

const struct address *connection_peer(const struct connection *connection); /* family NONE: a unix socket */
int connection_fd(const struct connection *connection);

/* What it belongs to for all its life; NULL until it is set. */
void connection_set_owner(struct connection *connection, void *owner);
void *connection_owner(const struct connection *connection);

/* It has been answered and waits for its next request. Any thread. */
void connection_set_idle(struct connection *connection, bool idle);
/* Ends the input of those that are idle: what has come is still read, and then their owner sees the end and closes. */
void connections_end_idle(struct connections *connections);

/* The worker that serves it; set before anything else is done with it. */
struct server_worker;
void connection_set_worker(struct connection *connection, struct server_worker *worker);
struct server_worker *connection_worker(const struct connection *connection);

/* Its TLS session, NULL: none; only for the worker. */
struct session;
void connection_set_session(struct connection *connection, struct session *session);
struct session *connection_session(const struct connection *connection);

/* What its owner keeps with it; only for the thread that serves the connection. */
void connection_set_userdata(struct connection *connection, void *userdata);
void *connection_userdata(const struct connection *connection);

/* Calls it for each, with the lock held: it must not call back. */
void connections_each(struct connections *connections, void (*look)(struct connection *connection, void *userdata),
                      void *userdata);

/* Shuts down the sockets that wait for a whole request for longer than request_ms, so that their owner sees the end of input and closes them.
 * Returns how many. */
size_t connections_reap(struct connections *connections, int64_t now_ms, uint32_t request_ms);

/* All that have been opened and not closed, also those that were shut down. */
size_t connections_count(const struct connections *connections);

#endif
