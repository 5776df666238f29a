#include "web/server_plain_http.h"

#include <gnutls/gnutls.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/server_exchange.h"

#define RECORD_HEADER_BYTES 5 /* GnuTLS reads the header of each record by itself */

bool plain_http_begins(const char *bytes, size_t length)
{
    static const char *const methods[] = {"GET /", "POST ", "HEAD ", "PUT /", "OPTIO"};

    for (size_t i = 0; i < ELEMENTS(methods); i++) {
        if (length >= strlen(methods[i]) && memcmp(bytes, methods[i], strlen(methods[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void log_plain_http(const struct connection *connection)
{
    const struct exchanges *exchanges = connection_owner(connection);
    const struct service *service = exchanges->service;
    const struct address *peer = connection_peer(connection);
    char source[ADDRESS_TEXT_SIZE] = "local";

    if (!log_limit_take(service->log_limit, LOG_LIMITED_PLAIN_HTTP, peer, clock_monotonic_ms(service->clock))) {
        return;
    }
    if (peer->family != ADDRESS_NONE) {
        address_print(peer, source);
    }
    log_event(LOG_LEVEL_INFO, "plain_http", "source", source, "message",
              "this client speaks HTTP without TLS to a port of TLS; its URL must begin with https://", NULL);
}

/* As GnuTLS's own, but that it looks. */
static ssize_t pull(gnutls_transport_ptr_t transport, void *data, size_t size)
{
    const struct connection *connection = transport;
    ssize_t received = recv(connection_fd(connection), data, size, 0);

    if (size == RECORD_HEADER_BYTES && received > 0 && plain_http_begins(data, (size_t)received)) {
        log_plain_http(connection);
    }
    return received;
}

void plain_http_watch(struct MHD_Connection *mhd, struct connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (info && info->tls_session) {
        gnutls_transport_set_ptr2(info->tls_session, connection,
                                  (gnutls_transport_ptr_t)(intptr_t)connection_fd(connection));
        gnutls_transport_set_pull_function(info->tls_session, pull);
    }
}
