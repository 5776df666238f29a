/*
 * A TLS handshake that waits for the client. libmicrohttpd (0.9.75, and 1.0.1 as well) forgets that gnutls_handshake has
 * found nothing to read, and calls it again and again until the client sends something. Therefore a session reads through
 * a function of ours: while the client is silent before the handshake is complete, the connection is suspended, and its
 * worker resumes it when there is something to read, or the socket has ended.
 * Belongs to its connection; only for the worker that serves it.
 */
#ifndef DDNS53_WEB_SERVER_HANDSHAKE_H
#define DDNS53_WEB_SERVER_HANDSHAKE_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdint.h>

#include "web/connections.h"
#include "web/server_worker.h"

struct handshake;

/* For a new connection that has its owner, before anything is read; borrows everything. NULL: no memory. */
struct handshake *handshake_new(struct server_worker *worker, struct MHD_Connection *mhd, gnutls_session_t session,
                                const struct connection *connection);
/* Bytes that the session has read so far, also after the handshake. */
uint64_t handshake_read_bytes(const struct handshake *handshake);
/* When the connection has closed. NULL is fine. */
void handshake_free(struct handshake *handshake);

#endif
