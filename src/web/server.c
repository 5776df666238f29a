#include "web/server.h"

#include <errno.h>
#include <malloc.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/ebb.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/connections.h"
#include "web/lingering.h"
#include "web/listen.h"
#include "web/server_exchange.h"
#include "web/server_library.h"
#include "web/server_session.h"
#include "web/server_stuck.h"
#include "web/server_tickets.h"
#include "web/server_worker.h"

/* Of a connection: what it sends and what we answer. A request line of 4 KiB with headers of 16 KiB fits, and what is
 * over our limits still comes to us to be refused in our words. When this is full, libmicrohttpd answers 414 or 431
 * itself: a line or headers of more than some 22 KiB, or more than some 180 headers, which cost it 56 bytes each. More
 * than 32 KiB it would map for each connection, which makes a handshake dearer by a sixth. It
 * also answers 400, 413 or 505 to what is no HTTP. It closes the connection then; see server_library.h for the words. */
#define CONNECTION_MEMORY_BYTES ((size_t)24 * 1024)
#define THREADS_MAX 256
#define UNREAD_MAX_BYTES 262144 /* of a connection that is closed */
#define MUCH_BYTES 16384        /* more than a client sends in requests that we answer */

struct server {
    struct exchanges exchanges;
    struct connections *connections;
    struct lingering *lingering;
    const struct service *service;
    const char *what;
    uint32_t limit;
    struct listener *listeners;
    size_t listener_count; /* open ones */
    struct server_workers *workers;
    struct tls *tls; /* NULL: plain */
    struct ebb ebb;  /* of the connections */
};

/* ---- libmicrohttpd's callbacks ---- */

static void log_library(void *userdata, const char *format, va_list arguments) _printf_(2, 0);
static void log_library(void *userdata, const char *format, va_list arguments)
{
    const struct server *server = userdata;
    char text[512];

    if (!log_limit_take(server->service->log_limit, LOG_LIMITED_HTTP_LIBRARY, NULL,
                        clock_monotonic_ms(server->service->clock)) ||
        vsnprintf(text, sizeof(text), format, arguments) < 0) {
        return;
    }
    text[strcspn(text, "\r\n")] = '\0';
    /* Nearly all of it is what strangers send; what matters to the owner we notice ourselves. */
    log_debug("http_library", "%s", text);
}

static void peer_of(const struct sockaddr *sockaddr, struct address *ret_peer)
{
    if (sockaddr == NULL || address_from_sockaddr(sockaddr, ret_peer) < 0) {
        *ret_peer = (struct address){.family = ADDRESS_NONE};
    }
}

static bool is_trusted(const struct server *server, const struct address *peer)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(server->service->current);

    for (size_t i = 0; i < settings->trusted_proxy_count; i++) {
        if (prefix_contains(&settings->trusted_proxies[i], peer)) {
            return true;
        }
    }
    return false;
}

static bool accept_policy(void *userdata, const struct sockaddr *sockaddr)
{
    struct server *server = userdata;
    struct address peer;

    peer_of(sockaddr, &peer);
    return connections_admit(server->connections, &peer, is_trusted(server, &peer));
}

/* Closing a socket with unread input resets the connection, and the client may lose the answer. What has come is thrown
 * away; who has sent much may be sending still. */
static void end_socket(struct server *server, int fd, uint64_t read_bytes)
{
    char bytes[4096];
    ssize_t n;
    size_t dropped = 0;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0 && dropped < UNREAD_MAX_BYTES) {
        dropped += (size_t)n;
    }
    if (n != 0 && (dropped > 0 || read_bytes >= MUCH_BYTES)) {
        lingering_add(server->lingering, fd, clock_monotonic_ms(server->service->clock));
    }
}

/* -ENOENT: there is no certificate; -ENOMEM. */
static int open_session(struct server_worker *worker, struct MHD_Connection *mhd, struct connection *connection)
{
    const struct server *server = server_worker_userdata(worker);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (!info || !info->tls_session) {
        return 0; /* plain */
    }
    int r = tls_use(server->tls, info->tls_session);
    if (r < 0) {
        return r;
    }
    struct session *session = session_new(worker, mhd, info->tls_session, connection);
    if (!session) {
        return -ENOMEM;
    }
    connection_set_session(connection, session);
    tickets_enable(tls_tickets(server->tls), info->tls_session);
    return 0;
}

static void open_connection(struct server_worker *worker, struct MHD_Connection *mhd, void **context)
{
    struct server *server = server_worker_userdata(worker);
    struct address peer;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    peer_of(info != NULL ? info->client_addr : NULL, &peer);
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL) {
        return;
    }
    *context = connections_open(server->connections, &peer, is_trusted(server, &peer), info->connect_fd,
                                clock_monotonic_ms(server->service->clock));
    if (*context != NULL) {
        connection_set_owner(*context, &server->exchanges);
        connection_set_worker(*context, worker);
    }
    if (*context == NULL || open_session(worker, mhd, *context) < 0) {
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* no memory for it */
    }
}

/* What connections leave behind lies in pieces between that of others, where free() keeps it; and most of what one has is
 * only touched by its answer, so that many which are answered and close take more than those that wait. Whenever many
 * have closed it is given back: that stops the workers for some milliseconds. */
static void give_back_memory(struct server *server)
{
    if (ebb_note(&server->ebb, connections_count(server->connections))) {
        (void)malloc_trim(0);
    }
}

static void close_connection(struct server *server, struct connection *connection)
{
    struct session *session = connection_session(connection);
    uint64_t read_bytes = session ? session_read_bytes(session) : 0;

    exchange_abandon(connection);
    session_free(session);
    end_socket(server, connection_fd(connection), read_bytes);
    connections_close(server->connections, connection);
    give_back_memory(server);
}

static void notify_connection(void *userdata, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(userdata, mhd, context);
    } else if (*context != NULL) {
        close_connection(server_worker_userdata(userdata), *context);
        *context = NULL;
    }
}

/* ---- start ---- */

static unsigned thread_count(unsigned threads)
{
    long cores = threads > 0 ? (long)threads : sysconf(_SC_NPROCESSORS_ONLN);

    if (cores < 1) {
        return 1;
    }
    return cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores;
}

static struct MHD_Daemon *start_daemon(void *userdata, struct server_worker *worker)
{
    struct server *server = userdata;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[3];
    size_t count = 0;

    if (server->tls != NULL) {
        flags |= MHD_USE_TLS;
        items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_retrieve_none()};
        items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities};
    }
    items[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* Its own limit only has to be out of the way of ours, which stands over all workers. */
    unsigned limit = server->limit > UINT32_MAX / 4 ? UINT32_MAX / 4 : server->limit;
    /* Where strictness covers no more than what server_check refuses and answers properly, it is left off. */
    int strict = library_parses_in_place() ? 0 : 1;
    return MHD_start_daemon(flags, 0, NULL, NULL, exchange_go_on, &server->exchanges,        /**/
                            MHD_OPTION_EXTERNAL_LOGGER, log_library, server,                 /**/
                            MHD_OPTION_CONNECTION_LIMIT, 2 * limit + CONNECTIONS_SPARE,      /**/
                            MHD_OPTION_STRICT_FOR_CLIENT, strict,                            /**/
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,     /**/
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)EXCHANGE_IDLE_MAX_S,    /**/
                            MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &server->exchanges, /**/
                            MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &server->exchanges,   /**/
                            MHD_OPTION_NOTIFY_CONNECTION, notify_connection, worker,         /**/
                            MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static int open_listeners(struct server *server, const struct server_options *options, struct buffer *message)
{
    bool adopt = options->socket_count > 0;
    size_t count = adopt ? options->socket_count : options->listen_count;
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        struct listener *listener = &server->listeners[server->listener_count];
        if (adopt && r < 0) {
            close(options->sockets[i]); /* all are taken */
            continue;
        }
        r = adopt ? listener_adopt(options->sockets[i], message, listener)
                  : listener_open(options->listen, options->listen_count, i, message, listener);
        if (r < 0 && !adopt) {
            return r;
        }
        if (r == 0) {
            listener->inherited = adopt && !options->has_own_sockets;
            server->listener_count++;
        }
    }
    return r;
}

static void look_for_stuck(void *userdata, struct server_worker *worker)
{
    struct server *server = userdata;

    stuck_look(&server->exchanges, worker);
}

static int start_workers(struct server *server, const struct server_options *options, struct buffer *message)
{
    server->workers = server_workers_new(&(struct server_workers_options){
        .count = thread_count(options->threads),
        .listeners = server->listeners,
        .listener_count = server->listener_count,
        .start = start_daemon,
        .admit = accept_policy,
        .idle = look_for_stuck,
        .userdata = server,
    });
    if (!server->workers) {
        buffer_printf(
            message,
            "cannot serve at %s: there is no thread, memory or file descriptor to be had, or the HTTP library "
            "did not start; see its reason with --verbose",
            server->listeners[0].text);
        return -EIO;
    }
    return 0;
}

static struct server *server_new(const struct service *service, const struct server_options *options)
{
    size_t count = options->socket_count > 0 ? options->socket_count : options->listen_count;
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        return NULL;
    }
    server->service = service;
    server->what = options->what;
    server->limit = options->connections;
    server->tls = options->tls;
    server->connections = connections_new(&(struct connections_options){
        .server = options->what,
        .limit = options->connections,
        .per_address = options->connections_per_address,
        .clock = service->clock,
        .logins = service->logins,
        .open = service->connections_open,
        .refused = service->connections_refused,
        .closed = service->connections_closed,
    });
    server->listeners = calloc(count, sizeof(*server->listeners));
    server->exchanges = (struct exchanges){.service = service,
                                           .find = options->find,
                                           .check_api_keys = options->check_api_keys,
                                           .check_peers = options->check_peers,
                                           .request_ms = options->request_ms,
                                           .connections = server->connections};
    exchanges_init(&server->exchanges);
    server->lingering = lingering_new();
    if (server->connections == NULL || server->listeners == NULL || server->lingering == NULL) {
        (void)server_free(server, 0);
        return NULL;
    }
    return server;
}

int server_start(const struct service *service, const struct server_options *options, struct buffer *message,
                 struct server **ret_server)
{
    struct server *server = server_new(service, options);

    if (server == NULL) {
        for (size_t i = 0; i < options->socket_count; i++) {
            close(options->sockets[i]);
        }
        return -ENOMEM;
    }
    int r = open_listeners(server, options, message);
    if (r == 0) {
        r = start_workers(server, options, message);
    }
    if (r < 0) {
        (void)server_free(server, 0); /* nobody has connected */
        return r;
    }
    *ret_server = server;
    return 0;
}

void server_accept(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        log_event(LOG_LEVEL_NOTICE, "listening", "what", server->what, "address", server->listeners[i].text, "tls",
                  server->tls ? "yes" : "no", NULL);
    }
    server_workers_accept(server->workers);
}

/* ---- stop ---- */

void server_stop_accepting(struct server *server)
{
    atomic_store(&server->exchanges.closing, true);
    if (server->workers) {
        server_workers_stop_accepting(server->workers);
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_stop(&server->listeners[i]);
    }
}

bool server_has_kept(struct server *server)
{
    return connections_count(server->connections) > exchanges_unsent(&server->exchanges);
}

void server_refuse(struct server *server)
{
    exchanges_refuse(&server->exchanges);
    connections_end_idle(server->connections);
}

int server_free(struct server *server, uint32_t linger_ms)
{
    if (server == NULL) {
        return 0;
    }
    server_stop_accepting(server);
    if (server->connections) {
        server_refuse(server);
    }
    exchanges_wait(&server->exchanges, linger_ms);
    if (server_requests_pending(server) > 0) {
        return -EBUSY; /* libmicrohttpd aborts over suspended connections */
    }
    server_workers_free(server->workers);
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_done(&server->listeners[i]);
    }
    connections_free(server->connections);
    lingering_free(server->lingering);
    exchanges_done(&server->exchanges);
    free(server->listeners);
    free(server);
    return 0;
}

void server_reap(struct server *server, int64_t now_ms)
{
    size_t reaped = connections_reap(server->connections, now_ms, atomic_load(&server->exchanges.request_ms));

    if (reaped > 0) {
        log_debug("reaped", "%zu connections took too long to send a request", reaped);
    }
    lingering_tick(server->lingering, now_ms);
}

void server_set_request_ms(struct server *server, uint32_t request_ms)
{
    atomic_store(&server->exchanges.request_ms, request_ms);
}

size_t server_requests_pending(const struct server *server)
{
    return atomic_load(&server->exchanges.pending);
}

size_t server_connections(const struct server *server)
{
    return connections_count(server->connections);
}

uint16_t server_port(const struct server *server, size_t index)
{
    return index < server->listener_count ? server->listeners[index].port : 0;
}

const char *server_listening(const struct server *server, size_t index)
{
    return index < server->listener_count ? server->listeners[index].text : NULL;
}

bool server_has_tls(const struct server *server)
{
    return server->tls != NULL;
}
