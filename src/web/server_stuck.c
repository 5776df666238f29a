#include "web/server_stuck.h"

#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "web/server_check.h"
#include "web/server_session.h"

/* Looks in a row. Input that has just come is read before the next one. */
#define LOOKS_MAX 10

struct look {
    const struct server_worker *worker;
    struct exchange *stuck; /* one at a time: the next look finds another */
};

/* NULL: plain. */
static gnutls_session_t session_of(const struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    return info ? info->tls_session : NULL;
}

static bool has_input(const struct exchange *exchange)
{
    const struct session *session = connection_session(exchange->connection);
    int bytes = 0;

    if (session) {
        return session_has_input(session);
    }
    return ioctl(connection_fd(exchange->connection), FIONREAD, &bytes) == 0 && bytes > 0;
}

/* Grows with what is read of the body; of a plain connection it takes whole pieces, and leaves nothing unread. */
static uint64_t read_bytes(const struct exchange *exchange)
{
    const struct session *session = connection_session(exchange->connection);

    return exchange->body_bytes + (session ? session_read_bytes(session) : 0);
}

static void look_at(struct connection *connection, void *userdata)
{
    struct look *look = userdata;

    if (connection_worker(connection) != look->worker) {
        return; /* another thread's */
    }
    struct exchange *exchange = connection_userdata(connection);
    if (!exchange || exchange->phase != EXCHANGE_BODY) {
        return;
    }
    uint64_t bytes = read_bytes(exchange);
    if (exchange->stuck_at_bytes != bytes || !has_input(exchange)) {
        exchange->stuck_at_bytes = bytes;
        exchange->stuck_looks = 0;
    } else if (++exchange->stuck_looks >= LOOKS_MAX) {
        look->stuck = exchange;
    }
}

/* By hand, since libmicrohttpd takes no answer before a body is complete. Nothing of another answer has been sent. */
static void send_refusal(const struct exchange *exchange, const struct refusal *refusal)
{
    _cleanup_buffer_ struct buffer answer = BUFFER_INIT;
    gnutls_session_t session = session_of(exchange);

    buffer_printf(&answer,
                  "HTTP/1.1 %u Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "Cache-Control: no-store\r\nContent-Length: %zu\r\n\r\n%s",
                  refusal->status, strlen(refusal->sentence), refusal->sentence);
    if (session) {
        (void)gnutls_record_send(session, buffer_text(&answer), answer.length);
        (void)gnutls_bye(session, GNUTLS_SHUT_WR);
    } else {
        (void)send(connection_fd(exchange->connection), buffer_text(&answer), answer.length, MSG_NOSIGNAL);
    }
}

void stuck_look(struct exchanges *exchanges, const struct server_worker *worker)
{
    struct look look = {.worker = worker};

    connections_each(exchanges->connections, look_at, &look);
    if (!look.stuck) {
        return;
    }
    const struct refusal *refusal = refusal_of_library(MHD_HTTP_BAD_REQUEST);
    exchange_note_refusal(look.stuck->mhd, refusal);
    send_refusal(look.stuck, refusal);
    (void)shutdown(connection_fd(look.stuck->connection), SHUT_RDWR); /* libmicrohttpd sees it and closes */
    look.stuck->stuck_looks = 0;
}
