#include "web/server_session.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "web/server_plain_http.h"

#define RECORD_HEADER_BYTES 5 /* GnuTLS reads the header of each record by itself */
#define AHEAD_BYTES 1024      /* the record of nearly every request */

struct session {
    struct watch watch; /* it waits exactly as long as the connection is suspended */
    struct server_worker *worker;
    const struct connection *connection;
    struct MHD_Connection *mhd;
    gnutls_session_t tls;
    uint64_t read_bytes;
    bool is_complete; /* the client's Finished has come; from then on libmicrohttpd waits by itself */
    bool is_uncorking;
    enum { SEND_AS_IS, SEND_HEAD, SEND_BODY, SEND_REST } sending; /* what comes next */
    size_t ahead_from;                                            /* what GnuTLS has not asked for yet: from here ... */
    size_t ahead_to;                                              /* ... to there */
    uint8_t ahead[AHEAD_BYTES];
};

/* ---- reading ---- */

static void resume(struct watch *watch)
{
    struct session *session = (struct session *)watch;

    MHD_resume_connection(session->mhd);
}

/* Inside gnutls_handshake. 0, or a negative errno: the handshake has to fail. */
static int wait_for_client(struct session *session)
{
    bool waits = session->watch.link;
    int r = waits ? 0 : server_worker_wait(session->worker, &session->watch);

    if (r == 0 && !waits) {
        MHD_suspend_connection(session->mhd);
    }
    return r;
}

static ssize_t take_ahead(struct session *session, void *bytes, size_t size)
{
    size_t there = session->ahead_to - session->ahead_from;
    size_t length = size < there ? size : there;

    memcpy(bytes, session->ahead + session->ahead_from, length);
    session->ahead_from += length;
    return (ssize_t)length;
}

/* Not ahead of what the handshake asks for: until it is complete libmicrohttpd looks for a request only where the socket
 * still has something to be read. */
static ssize_t receive(struct session *session, void *bytes, size_t size)
{
    if (session->ahead_from < session->ahead_to) {
        return take_ahead(session, bytes, size);
    }
    if (!session->is_complete || size >= sizeof(session->ahead)) {
        return recv(session->watch.fd, bytes, size, 0);
    }
    ssize_t n = recv(session->watch.fd, session->ahead, sizeof(session->ahead), 0);
    if (n <= 0) {
        return n;
    }
    session->ahead_from = 0;
    session->ahead_to = (size_t)n;
    return take_ahead(session, bytes, size);
}

static ssize_t pull(gnutls_transport_ptr_t userdata, void *bytes, size_t size)
{
    struct session *session = userdata;
    ssize_t n = receive(session, bytes, size);

    if (n >= 0) {
        session->read_bytes += (uint64_t)n;
        server_worker_note_progress(session->worker);
        if (!session->is_complete && size == RECORD_HEADER_BYTES) {
            plain_http_look(session->connection, bytes, (size_t)n);
        }
        return n;
    }
    int error = errno;
    if ((error == EAGAIN || error == EWOULDBLOCK) && !session->is_complete) {
        int r = wait_for_client(session);
        error = r < 0 ? -r : EAGAIN;
    }
    gnutls_transport_set_errno(session->tls, error);
    return -1;
}

/* GnuTLS's own would take the pointer for a descriptor. */
static int pull_timeout(gnutls_transport_ptr_t userdata, unsigned ms)
{
    const struct session *session = userdata;
    struct pollfd polled = {session->watch.fd, POLLIN, 0};

    if (session->ahead_from < session->ahead_to) {
        return 1;
    }
    return poll(&polled, 1, ms > INT32_MAX ? -1 : (int)ms);
}

static int note_finished(gnutls_session_t tls, unsigned type, unsigned when, unsigned incoming,
                         const gnutls_datum_t *message)
{
    (void)when;
    (void)message;
    if (type == GNUTLS_HANDSHAKE_FINISHED && incoming) {
        struct session *session = gnutls_db_get_ptr(tls);
        session->is_complete = true;
    }
    return 0;
}

/* ---- sending ---- */

static ssize_t (*real_record_send)(gnutls_session_t tls, const void *bytes, size_t size);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_real(void)
{
    *(void **)&real_record_send = dlsym(RTLD_NEXT, "gnutls_record_send");
    if (!real_record_send) {
        log_error("http_library", "GnuTLS has no gnutls_record_send; install the one that ddns53d was built with");
        abort();
    }
}

/* GnuTLS keeps what is sent while it is corked, and makes records of it when it is not any more: that is tried again until
 * the socket has taken all. Only then has the body been sent. */
static ssize_t send_body(struct session *session, const void *bytes, size_t size)
{
    if (session->sending == SEND_BODY) {
        ssize_t n = real_record_send(session->tls, bytes, size);
        if (n < 0) {
            return n;
        }
        session->sending = SEND_REST;
    }
    session->is_uncorking = true;
    int r = gnutls_record_uncork(session->tls, 0);
    session->is_uncorking = false;
    if (r < 0) {
        return r;
    }
    session->sending = SEND_AS_IS;
    return (ssize_t)size;
}

/* Called by libmicrohttpd; by libcurl for its own sessions, which are not ours; and by GnuTLS as it uncorks. */
ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t data_size)
{
    struct session *ours = gnutls_db_get_ptr(session);

    pthread_once(&once, find_real);
    if (!ours || ours->is_uncorking || ours->sending == SEND_AS_IS) {
        return real_record_send(session, data, data_size);
    }
    if (ours->sending == SEND_HEAD) {
        gnutls_record_cork(session);
        ours->sending = SEND_BODY;
        return real_record_send(session, data, data_size);
    }
    return send_body(ours, data, data_size);
}

void session_join_answer(struct session *session)
{
    session->sending = SEND_HEAD;
}

/* ---- a session ---- */

struct session *session_new(struct server_worker *worker, struct MHD_Connection *mhd, gnutls_session_t tls,
                            const struct connection *connection)
{
    struct session *session = malloc(sizeof(*session));
    int fd = connection_fd(connection);

    if (!session) {
        return NULL;
    }
    *session = (struct session){
        .watch = {.ready = resume, .fd = fd}, .worker = worker, .connection = connection, .mhd = mhd, .tls = tls};
    gnutls_db_set_ptr(tls, session); /* there is no such database; GnuTLS keeps the pointer for us */
    gnutls_transport_set_ptr2(tls, session, (gnutls_transport_ptr_t)(intptr_t)fd);
    gnutls_transport_set_pull_function(tls, pull);
    gnutls_transport_set_pull_timeout_function(tls, pull_timeout);
    gnutls_handshake_set_hook_function(tls, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, note_finished);
    return session;
}

uint64_t session_read_bytes(const struct session *session)
{
    return session->read_bytes;
}

bool session_has_input(const struct session *session)
{
    int bytes = 0;

    return session->ahead_from < session->ahead_to || gnutls_record_check_pending(session->tls) > 0 ||
           (ioctl(session->watch.fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

void session_free(struct session *session)
{
    if (session) {
        gnutls_db_set_ptr(session->tls, NULL);
    }
    free(session); /* it does not wait: a suspended connection is never closed */
}
