#include "web/server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "web/connections.h"
#include "web/listen.h"
#include "web/server_exchange.h"
#include "web/server_library.h"
#include "web/server_plain_http.h"

/* Of a connection: what it sends and what we answer. A request line of 4 KiB with headers of 16 KiB fits, and what is
 * over our limits still comes to us to be refused in our words. When this is full, libmicrohttpd answers 414 or 431
 * itself: a line or headers of more than some 30 KiB, or more than some 250 headers, which cost it 56 bytes each. It
 * also answers 400, 413 or 505 to what is no HTTP. It closes the connection then; see server_library.h for the words. */
#define CONNECTION_MEMORY_BYTES ((size_t)32 * 1024)
#define THREADS_MAX 256
#define UNREAD_MAX_BYTES 262144 /* of a connection that is closed */

struct workers {
    struct MHD_Daemon *mhd;
    int fd; /* of its own: libmicrohttpd closes it, though not always, when it cannot start */
};

struct server {
    struct exchanges exchanges;
    struct connections *connections;
    const struct service *service;
    struct listener *listeners;
    size_t listener_count;   /* open ones */
    struct workers *workers; /* one per listener */
    size_t workers_count;    /* running ones */
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

static enum MHD_Result accept_policy(void *userdata, const struct sockaddr *sockaddr, socklen_t length)
{
    struct server *server = userdata;
    struct address peer;

    (void)length;
    if (atomic_load(&server->exchanges.closing)) {
        return MHD_NO;
    }
    peer_of(sockaddr, &peer);
    return connections_admit(server->connections, &peer, is_trusted(server, &peer)) ? MHD_YES : MHD_NO;
}

/* Closing a socket with unread input resets the connection, and the client may lose the answer. */
static void drop_input(int fd)
{
    char bytes[4096];

    for (size_t dropped = 0; dropped < UNREAD_MAX_BYTES;) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n <= 0) {
            return;
        }
        dropped += (size_t)n;
    }
}

static void notify_connection(void *userdata, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct server *server = userdata;
    struct address peer;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*context != NULL) {
            exchange_abandon(*context);
            drop_input(connection_fd(*context));
            connections_close(server->connections, *context);
            *context = NULL;
        }
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    peer_of(info != NULL ? info->client_addr : NULL, &peer);
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL) {
        return;
    }
    *context = connections_open(server->connections, &peer, is_trusted(server, &peer), info->connect_fd,
                                clock_monotonic_ms(server->service->clock));
    if (*context == NULL) {
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* no memory for it */
        return;
    }
    connection_set_owner(*context, &server->exchanges);
    plain_http_watch(mhd, *context);
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

static struct MHD_Daemon *start_daemon(struct server *server, const struct server_options *options, int fd)
{
    unsigned threads = thread_count(options->threads);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[5];
    size_t count = 0;

    if (threads > 1) { /* libmicrohttpd takes a pool of one for an error */
        items[count++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL};
    }
    if (options->tls != NULL) {
        flags |= MHD_USE_TLS;
        items[count++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_retrieve_callback(options->tls)};
        items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities};
    }
    items[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* The limit is divided among the workers, who do not get equal shares of connections: it only has to be out of the
     * way of ours. */
    unsigned open = options->connections + CONNECTIONS_SPARE;
    unsigned limit = open > UINT32_MAX / 2 / threads ? UINT32_MAX / 2 : open * threads;
    /* Where strictness covers no more than what server_check refuses and answers properly, it is left off. */
    int strict = library_parses_in_place() ? 0 : 1;
    return MHD_start_daemon(flags, 0, accept_policy, server, exchange_go_on, &server->exchanges, /**/
                            MHD_OPTION_EXTERNAL_LOGGER, log_library, server,                     /**/
                            MHD_OPTION_LISTEN_SOCKET, fd,                                        /**/
                            MHD_OPTION_CONNECTION_LIMIT, limit + threads,                        /**/
                            MHD_OPTION_STRICT_FOR_CLIENT, strict,                                /**/
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,         /**/
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)EXCHANGE_IDLE_MAX_S,        /**/
                            MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &server->exchanges,     /**/
                            MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &server->exchanges,       /**/
                            MHD_OPTION_NOTIFY_CONNECTION, notify_connection, server,             /**/
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
        server->listener_count += r == 0;
    }
    return r;
}

static int start_daemons(struct server *server, const struct server_options *options, struct buffer *message)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        const struct listener *listener = &server->listeners[i];
        struct workers *workers = &server->workers[i];
        workers->fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);
        workers->mhd = workers->fd >= 0 ? start_daemon(server, options, workers->fd) : NULL;
        if (workers->mhd == NULL) {
            buffer_printf(message, "cannot serve at %s: the HTTP library did not start; see its reason with --verbose",
                          listener->text);
            return -EIO;
        }
        server->workers_count++;
        log_event(LOG_LEVEL_NOTICE, "listening", "what", options->what, "address", listener->text, "tls",
                  options->tls != NULL ? "yes" : "no", NULL);
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
    server->workers = calloc(count, sizeof(*server->workers));
    server->exchanges = (struct exchanges){.service = service,
                                           .find = options->find,
                                           .check_api_keys = options->check_api_keys,
                                           .request_ms = options->request_ms,
                                           .connections = server->connections};
    exchanges_init(&server->exchanges);
    if (server->connections == NULL || server->listeners == NULL || server->workers == NULL) {
        server_free(server, 0);
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
        r = start_daemons(server, options, message);
    }
    if (r < 0) {
        server_free(server, 0);
        return r;
    }
    *ret_server = server;
    return 0;
}

/* ---- stop ---- */

/* Puts a socket that never gets a connection in the place of the one that libmicrohttpd listens at. Without a file
 * descriptor to spare all stays as it is, and accept_policy alone turns connections away. */
static void retire_socket(const struct workers *workers)
{
    int deaf = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (deaf >= 0) {
        (void)dup3(deaf, workers->fd, O_CLOEXEC);
        close(deaf);
    }
}

/* Not by MHD_quiesce_daemon: in libmicrohttpd 0.9.75 it races with a worker that is awake, and whichever takes the
 * socket out of the epoll set second aborts the process. Closing the last descriptor takes it out without either. One
 * of systemd's stays open elsewhere and goes on waking us: who connects meanwhile is turned away. */
void server_stop_accepting(struct server *server)
{
    if (atomic_exchange(&server->exchanges.closing, true)) {
        return;
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        if (i < server->workers_count && !server->listeners[i].inherited) {
            retire_socket(&server->workers[i]);
        }
        listener_stop(&server->listeners[i]);
    }
}

void server_free(struct server *server, uint32_t linger_ms)
{
    if (server == NULL) {
        return;
    }
    server_stop_accepting(server);
    exchanges_wait(&server->exchanges, linger_ms);
    if (server_requests_pending(server) > 0) {
        /* libmicrohttpd aborts over suspended connections, and a handler may still answer: better a leak. */
        log_error("stopping", "%zu requests were never answered; this is a bug, please report it",
                  server_requests_pending(server));
        return;
    }
    for (size_t i = 0; i < server->workers_count; i++) {
        if (server->listeners[i].inherited) {
            retire_socket(&server->workers[i]); /* libmicrohttpd would shut down what is systemd's */
        }
        MHD_stop_daemon(server->workers[i].mhd); /* closes its socket */
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_done(&server->listeners[i]);
    }
    connections_free(server->connections);
    exchanges_done(&server->exchanges);
    free(server->listeners);
    free(server->workers);
    free(server);
}

void server_reap(struct server *server, int64_t now_ms)
{
    size_t reaped = connections_reap(server->connections, now_ms, atomic_load(&server->exchanges.request_ms));

    if (reaped > 0) {
        log_debug("reaped", "%zu connections took too long to send a request", reaped);
    }
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
