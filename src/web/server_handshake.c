#include "web/server_handshake.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "web/server_plain_http.h"

#define RECORD_HEADER_BYTES 5 /* GnuTLS reads the header of each record by itself */

struct handshake {
    struct watch watch; /* it waits exactly as long as the connection is suspended */
    struct server_worker *worker;
    const struct connection *connection;
    struct MHD_Connection *mhd;
    gnutls_session_t session;
    uint64_t read_bytes;
    bool is_complete; /* the client's Finished has come; from then on libmicrohttpd waits by itself */
};

static void resume(struct watch *watch)
{
    struct handshake *handshake = (struct handshake *)watch;

    MHD_resume_connection(handshake->mhd);
}

/* Inside gnutls_handshake. 0, or a negative errno: the handshake has to fail. */
static int wait_for_client(struct handshake *handshake)
{
    bool waits = handshake->watch.link;
    int r = waits ? 0 : server_worker_wait(handshake->worker, &handshake->watch);

    if (r == 0 && !waits) {
        MHD_suspend_connection(handshake->mhd);
    }
    return r;
}

static ssize_t pull(gnutls_transport_ptr_t userdata, void *bytes, size_t size)
{
    struct handshake *handshake = userdata;
    ssize_t n = recv(handshake->watch.fd, bytes, size, 0);

    if (n >= 0) {
        handshake->read_bytes += (uint64_t)n;
        server_worker_note_progress(handshake->worker);
        if (!handshake->is_complete && size == RECORD_HEADER_BYTES) {
            plain_http_look(handshake->connection, bytes, (size_t)n);
        }
        return n;
    }
    int error = errno;
    if ((error == EAGAIN || error == EWOULDBLOCK) && !handshake->is_complete) {
        int r = wait_for_client(handshake);
        error = r < 0 ? -r : EAGAIN;
    }
    gnutls_transport_set_errno(handshake->session, error);
    return -1;
}

/* GnuTLS's own would take the pointer for a descriptor. */
static int pull_timeout(gnutls_transport_ptr_t userdata, unsigned ms)
{
    const struct handshake *handshake = userdata;
    struct pollfd polled = {handshake->watch.fd, POLLIN, 0};

    return poll(&polled, 1, ms > INT32_MAX ? -1 : (int)ms);
}

static int note_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                         const gnutls_datum_t *message)
{
    gnutls_transport_ptr_t receives = NULL;
    gnutls_transport_ptr_t sends = NULL;

    (void)when;
    (void)message;
    if (type == GNUTLS_HANDSHAKE_FINISHED && incoming) {
        gnutls_transport_get_ptr2(session, &receives, &sends);
        ((struct handshake *)receives)->is_complete = true;
    }
    return 0;
}

struct handshake *handshake_new(struct server_worker *worker, struct MHD_Connection *mhd, gnutls_session_t session,
                                const struct connection *connection)
{
    struct handshake *handshake = calloc(1, sizeof(*handshake));
    int fd = connection_fd(connection);

    if (!handshake) {
        return NULL;
    }
    *handshake = (struct handshake){.watch = {.ready = resume, .fd = fd},
                                    .worker = worker,
                                    .connection = connection,
                                    .mhd = mhd,
                                    .session = session};
    gnutls_transport_set_ptr2(session, handshake, (gnutls_transport_ptr_t)(intptr_t)fd);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_pull_timeout_function(session, pull_timeout);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, note_finished);
    return handshake;
}

uint64_t handshake_read_bytes(const struct handshake *handshake)
{
    return handshake->read_bytes;
}

void handshake_free(struct handshake *handshake)
{
    free(handshake); /* it does not wait: a suspended connection is never closed */
}
