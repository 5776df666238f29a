/*
 * The open connections of a server: how many there are, from where, and until when each may take to send its request.
 * One table over all listeners; a lock of its own; any thread. Knows sockets only by number: who opens and closes them
 * says so here first and last.
 */
#ifndef DDNS53_WEB_CONNECTIONS_H
#define DDNS53_WEB_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

struct connections;
struct connection;

/* limit_per_address (IPv4 address or IPv6 /64) 0: no limit. NULL: no memory. */
struct connections *connections_new(uint32_t limit, uint32_t limit_per_address);
void connections_free(struct connections *connections); /* all must have been closed */
DEFINE_CLEANUP(struct connections *, connections_free)

/* May one more come from that peer? Counts nothing: several that are asked about in the same moment may all come in.
 * `exempt`: a proxy of ours or a unix socket, which stands for many clients. */
enum admission { ADMITTED, TOO_MANY, TOO_MANY_OF_ADDRESS };
enum admission connections_admit(struct connections *connections, const struct address *peer, bool exempt);

/* Counts it. `fd` is shut down at deadline_ms. NULL: no memory. */
struct connection *connections_open(struct connections *connections, const struct address *peer, int fd,
                                    int64_t deadline_ms);
/* Before `fd` is closed. Frees it. */
void connections_close(struct connections *connections, struct connection *connection);

/* When its request must be complete; INT64_MAX: it is. */
void connection_set_deadline(struct connection *connection, int64_t deadline_ms);
const struct address *connection_peer(const struct connection *connection); /* family NONE: a unix socket */
int connection_fd(const struct connection *connection);

/* What its owner keeps with it; only for the thread that serves the connection. */
void connection_set_userdata(struct connection *connection, void *userdata);
void *connection_userdata(const struct connection *connection);

/* Shuts down the sockets whose deadline has passed, so that their owner sees the end of input and closes them.
 * Returns how many. */
size_t connections_reap(struct connections *connections, int64_t now_ms);

size_t connections_count(const struct connections *connections);

#endif
