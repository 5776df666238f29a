/*
 * Session tickets: a client that comes back resumes its TLS session, which spares both sides the certificate and its
 * signature. The ticket holds the session, encrypted by a key that only this process knows; a client whose ticket cannot be
 * read makes a full handshake. The key is made anew every TICKETS_RENEW_S, so that whoever learns it one day cannot read
 * what was sent the days before; in between, GnuTLS derives others from it. A reload keeps it. Any thread.
 */
#ifndef DDNS53_WEB_SERVER_TICKETS_H
#define DDNS53_WEB_SERVER_TICKETS_H

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define TICKET_LIFE_S 7200    /* of a session, from its full handshake on */
#define TICKETS_RENEW_S 86400 /* of the key */

struct tickets;

/* `clock` is borrowed. NULL: no memory. */
struct tickets *tickets_new(const struct clock *clock);
void tickets_free(struct tickets *tickets);
DEFINE_CLEANUP(struct tickets *, tickets_free)

/* A server's new session gives a ticket to its client, and takes those that were given. Without a key, which is told in the
 * log, it does neither. */
void tickets_enable(struct tickets *tickets, gnutls_session_t session);

#endif
