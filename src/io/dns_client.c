#include "io/dns_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define CONNECT_MS 5000
#define ANSWER_MS 30000 /* from the request or the last message to the next one */
#define UDP_FIRST_MS 1000
#define UDP_TRIES 3 /* each waits twice as long as the one before */

#define LENGTH_SIZE 2
#define HEADER_SIZE 12
#define INCOMING_SIZE (LENGTH_SIZE + DNS_MESSAGE_MAX)

/* ---- beginning and end ---- */

static void set_timer(struct dns_exchange *exchange, int64_t in_ms)
{
    /* Moving a timer that is in the heap cannot fail. */
    (void)loop_timer_set(exchange->loop, &exchange->timer, loop_now_ms(exchange->loop) + in_ms);
}

static void close_socket(struct dns_exchange *exchange)
{
    loop_watch_cancel(exchange->loop, &exchange->watch);
    closep(&exchange->fd);
    exchange->fd = -1;
    free(TAKE_PTR(exchange->incoming));
    (void)loop_timer_set(exchange->loop, &exchange->timer, INT64_MAX);
}

static void finish(struct dns_exchange *exchange, int error)
{
    close_socket(exchange);
    exchange->ended(error, exchange->is_connected, exchange->userdata);
}

static socklen_t make_sockaddr(const struct dns_server *server, struct sockaddr_storage *ret_storage)
{
    if (server->address.family == ADDRESS_IPV4) {
        struct sockaddr_in *ipv4 = (struct sockaddr_in *)ret_storage;
        *ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(server->port)};
        memcpy(&ipv4->sin_addr, server->address.bytes, sizeof(ipv4->sin_addr));
        return sizeof(*ipv4);
    }
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)ret_storage;
    *ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(server->port)};
    memcpy(&ipv6->sin6_addr, server->address.bytes, sizeof(ipv6->sin6_addr));
    return sizeof(*ipv6);
}

static int open_socket(struct dns_exchange *exchange, const struct dns_server *server)
{
    const int one = 1;
    struct sockaddr_storage storage;
    const socklen_t length = make_sockaddr(server, &storage);
    const bool is_tcp = exchange->transport == DNS_TCP;

    exchange->incoming = malloc(INCOMING_SIZE);
    if (!exchange->incoming) {
        return -ENOMEM;
    }
    exchange->fd = socket(storage.ss_family, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (exchange->fd < 0) {
        return -errno;
    }
    if (is_tcp) {
        (void)setsockopt(exchange->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (connect(exchange->fd, (struct sockaddr *)&storage, length) < 0 && errno != EINPROGRESS) {
        return -errno;
    }
    return loop_watch_set(exchange->loop, &exchange->watch, exchange->fd, EPOLLOUT);
}

void dns_exchange_start(struct dns_exchange *exchange, const struct dns_server *server, enum dns_transport transport,
                        const uint8_t *request, size_t length, dns_received received, dns_ended ended, void *userdata)
{
    exchange->transport = transport;
    exchange->is_connected = false;
    exchange->request = request;
    exchange->request_length = length;
    exchange->sent = 0;
    exchange->tries = 0;
    exchange->incoming_length = 0;
    exchange->received = received;
    exchange->ended = ended;
    exchange->userdata = userdata;
    exchange->error = open_socket(exchange, server);
    set_timer(exchange, exchange->error < 0 ? 0 : CONNECT_MS);
}

/* ---- sending ---- */

/* Errors that a later attempt of the same call would not have. */
static bool is_passing(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static int send_tcp(struct dns_exchange *exchange)
{
    uint8_t length[LENGTH_SIZE] = {(uint8_t)(exchange->request_length >> 8), (uint8_t)exchange->request_length};
    const size_t of_length = exchange->sent < LENGTH_SIZE ? LENGTH_SIZE - exchange->sent : 0;
    const size_t of_request = exchange->sent > LENGTH_SIZE ? exchange->sent - LENGTH_SIZE : 0;
    struct iovec parts[] = {
        {length + LENGTH_SIZE - of_length, of_length},
        {(void *)(uintptr_t)(exchange->request + of_request), exchange->request_length - of_request},
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = ELEMENTS(parts)};
    const ssize_t sent = sendmsg(exchange->fd, &message, MSG_NOSIGNAL);

    if (sent < 0) {
        return is_passing(errno) ? 0 : -errno;
    }
    exchange->sent += (size_t)sent;
    if (exchange->sent < LENGTH_SIZE + exchange->request_length) {
        return 0;
    }
    set_timer(exchange, ANSWER_MS);
    return loop_watch_set(exchange->loop, &exchange->watch, exchange->fd, EPOLLIN);
}

static int send_udp(struct dns_exchange *exchange)
{
    const ssize_t sent = send(exchange->fd, exchange->request, exchange->request_length, MSG_NOSIGNAL);

    if (sent < 0 && !is_passing(errno)) {
        return -errno;
    }
    set_timer(exchange, (int64_t)UDP_FIRST_MS << exchange->tries);
    exchange->tries++;
    return loop_watch_set(exchange->loop, &exchange->watch, exchange->fd, EPOLLIN);
}

/* A server may answer before it has read the whole request. */
static int begin_to_send(struct dns_exchange *exchange)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (exchange->transport == DNS_UDP) {
        return send_udp(exchange);
    }
    if (getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error != 0) {
        return error != 0 ? -error : -errno;
    }
    exchange->is_connected = true;
    set_timer(exchange, ANSWER_MS);
    const int r = loop_watch_set(exchange->loop, &exchange->watch, exchange->fd, EPOLLIN | EPOLLOUT);
    return r < 0 ? r : send_tcp(exchange);
}

/* ---- receiving ---- */

static bool is_answer(const struct dns_exchange *exchange, const uint8_t *message, size_t length)
{
    return length >= HEADER_SIZE && memcmp(message, exchange->request, 2) == 0;
}

/* Returns 1 when the receiver has had enough. */
static int take_messages(struct dns_exchange *exchange)
{
    uint8_t *at = exchange->incoming;
    size_t left = exchange->incoming_length;
    int r = 0;

    while (r == 0 && left >= LENGTH_SIZE) {
        const size_t length = (size_t)at[0] << 8 | at[1];
        if (left < LENGTH_SIZE + length) {
            break;
        }
        if (!is_answer(exchange, at + LENGTH_SIZE, length)) {
            return -EBADMSG;
        }
        set_timer(exchange, ANSWER_MS);
        r = exchange->received(at + LENGTH_SIZE, length, exchange->userdata) ? 0 : 1;
        at += LENGTH_SIZE + length;
        left -= LENGTH_SIZE + length;
    }
    memmove(exchange->incoming, at, left);
    exchange->incoming_length = left;
    return r;
}

static int receive_tcp(struct dns_exchange *exchange)
{
    const ssize_t got = recv(exchange->fd, exchange->incoming + exchange->incoming_length,
                             INCOMING_SIZE - exchange->incoming_length, 0);

    if (got < 0) {
        return is_passing(errno) ? 0 : -errno;
    }
    if (got == 0) {
        return -ENODATA;
    }
    exchange->incoming_length += (size_t)got;
    return take_messages(exchange);
}

/* A datagram that is no answer may come from anybody: the right one is waited for. */
static int receive_udp(struct dns_exchange *exchange)
{
    const ssize_t got = recv(exchange->fd, exchange->incoming, INCOMING_SIZE, 0);

    if (got < 0) {
        return is_passing(errno) ? 0 : -errno;
    }
    if (!is_answer(exchange, exchange->incoming, (size_t)got)) {
        return 0;
    }
    return exchange->received(exchange->incoming, (size_t)got, exchange->userdata) ? 0 : 1;
}

/* ---- events ---- */

static void run_watch(struct loop_watch *watch, uint32_t events)
{
    struct dns_exchange *exchange = CONTAINER_OF(watch, struct dns_exchange, watch);
    const bool has_begun = exchange->is_connected || exchange->tries > 0;
    int r = 0;

    if (!has_begun) {
        r = begin_to_send(exchange);
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        r = exchange->transport == DNS_TCP ? receive_tcp(exchange) : receive_udp(exchange);
    } else if (events & EPOLLOUT) {
        r = send_tcp(exchange);
    }
    if (r != 0) {
        finish(exchange, r < 0 ? r : 0);
    }
}

static void run_timer(struct loop_timer *timer)
{
    struct dns_exchange *exchange = CONTAINER_OF(timer, struct dns_exchange, timer);
    int r = exchange->error < 0 ? exchange->error : -ETIMEDOUT;

    /* The heap has just lost this very timer, so there is room for it. */
    (void)loop_timer_set(exchange->loop, timer, INT64_MAX);
    if (r == -ETIMEDOUT && exchange->tries > 0 && exchange->tries < UDP_TRIES) {
        r = send_udp(exchange);
    }
    if (r < 0) {
        finish(exchange, r);
    }
}

int dns_exchange_init(struct dns_exchange *exchange, struct loop *loop)
{
    *exchange = (struct dns_exchange){.fd = -1, .watch = {.run = run_watch}, .timer = {.run = run_timer}};
    const int r = loop_timer_set(loop, &exchange->timer, INT64_MAX);
    if (r == 0) {
        exchange->loop = loop;
    }
    return r;
}

void dns_exchange_done(struct dns_exchange *exchange)
{
    if (exchange->loop) {
        close_socket(exchange);
        loop_timer_cancel(exchange->loop, &exchange->timer);
        exchange->loop = NULL;
    }
}
