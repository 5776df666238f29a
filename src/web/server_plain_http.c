#include "web/server_plain_http.h"

#include <string.h>

#include "base/clock.h"
#include "base/decisions.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/server_exchange.h"

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

    decisions_keep(service->decisions, &(struct kept_decision){.time_ms = clock_realtime_ms(service->clock),
                                                               .source = *peer,
                                                               .dialect = "server",
                                                               .verdict = "plain_http",
                                                               .is_refused = true});
    if (!log_limit_take(service->log_limit, LOG_LIMITED_PLAIN_HTTP, peer, clock_monotonic_ms(service->clock))) {
        return;
    }
    if (peer->family != ADDRESS_NONE) {
        address_print(peer, source);
    }
    log_event(LOG_LEVEL_INFO, "plain_http", "source", source, "message",
              "this client speaks HTTP without TLS to a port of TLS; its URL must begin with https://", NULL);
}

void plain_http_look(const struct connection *connection, const char *bytes, size_t length)
{
    if (plain_http_begins(bytes, length)) {
        log_plain_http(connection);
    }
}
