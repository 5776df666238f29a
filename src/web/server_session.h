/*
 * The TLS session of a connection, and what libmicrohttpd leaves to be done for it:
 * - A handshake waits for its client. libmicrohttpd (0.9.75, and 1.0.1 as well) forgets that gnutls_handshake has found
 *   nothing to read, and calls it again and again until the client sends something. Therefore a session reads through a
 *   function of ours: while the client is silent before the handshake is complete, the connection is suspended, and its
 *   worker resumes it when there is something to read, or the socket has ended. See contrib/upstream.
 * - A record is read by one call. GnuTLS asks for a record's header and for the rest of it; we read both at once.
 * - The head and the body of an answer are sent as one record. libmicrohttpd calls gnutls_record_send for each, through the
 *   dynamic linker, which finds ours first.
 * Belongs to its connection; only for the worker that serves it.
 */
#ifndef DDNS53_WEB_SERVER_SESSION_H
#define DDNS53_WEB_SERVER_SESSION_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "web/connections.h"
#include "web/server_worker.h"

struct session;

/* For a new connection that has its owner, before anything is read; borrows everything. NULL: no memory. */
struct session *session_new(struct server_worker *worker, struct MHD_Connection *mhd, gnutls_session_t tls,
                            const struct connection *connection);
/* Bytes that GnuTLS has read so far, also after the handshake. */
uint64_t session_read_bytes(const struct session *session);
/* Has something come that GnuTLS has not read, or we have not? */
bool session_has_input(const struct session *session);
/* The next to be sent is the head of an answer, and then the whole body, which is not empty. */
void session_join_answer(struct session *session);
/* When the connection has closed. NULL is fine. */
void session_free(struct session *session);

#endif
