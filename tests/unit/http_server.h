/*
 * A small HTTP/1.1 server for tests: one thread, a loopback port that the kernel chose, answers that the test's
 * own handler writes byte by byte, so that broken ones can be sent too. The handler runs in the server's thread with
 * the server's lock held; a test that shares data with it takes the lock as well.
 */
#ifndef DDNS53_TESTS_UNIT_HTTP_SERVER_H
#define DDNS53_TESTS_UNIT_HTTP_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"

enum server_action {
    SERVER_KEEP,   /* the answer, then further requests on this connection */
    SERVER_CLOSE,  /* the answer, then an end */
    SERVER_RESET,  /* the answer, then a TCP reset */
    SERVER_SILENT, /* nothing, and the connection stays */
};

struct server_request {
    char method[16];
    char target[4096]; /* path and query as they came */
    const char *head;  /* request line and header lines, as they came */
    const char *body;  /* NUL-terminated */
    size_t body_length;
    unsigned number;     /* from 1 */
    unsigned connection; /* from 1 */
};

typedef enum server_action (*server_handler)(const struct server_request *request, struct buffer *answer,
                                             void *userdata);

#define SERVER_CONNECTIONS_MAX 32

struct server_connection {
    int fd;
    unsigned number;
    struct buffer received;
};

struct http_server {
    int fd;
    int stop_fd;
    unsigned port;
    char url[64]; /* "http://127.0.0.1:PORT" */
    pthread_t thread;
    pthread_mutex_t lock; /* over all below and the handler's data */
    server_handler handler;
    void *userdata;
    unsigned requests;
    unsigned connections;
    struct server_connection open[SERVER_CONNECTIONS_MAX]; /* the thread's */
};

/* The value of a header of the request, "" where there is none; `size` bytes of room. */
static inline const char *server_header(const struct server_request *request, const char *name, char *ret_value,
                                        size_t size)
{
    const size_t length = strlen(name);
    const char *line = strstr(request->head, "\r\n");

    ret_value[0] = '\0';
    for (; line && line[2]; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *value = line + 3 + length;
            value += strspn(value, " ");
            (void)snprintf(ret_value, size, "%.*s", (int)strcspn(value, "\r"), value);
            break;
        }
    }
    return ret_value;
}

/* A whole answer; `headers` has "\r\n" after each, or is "". */
static inline void server_answer(struct buffer *answer, unsigned status, const char *headers, const char *body)
{
    buffer_printf(answer, "HTTP/1.1 %u Status\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
}

static inline void server_drop(struct server_connection *connection, bool is_reset)
{
    if (is_reset) {
        const struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    close(connection->fd);
    connection->fd = -1;
    buffer_done(&connection->received);
}

static inline void server_send(int fd, const struct buffer *answer)
{
    size_t sent = 0;
    while (sent < answer->length) {
        const ssize_t n = send(fd, answer->data + sent, answer->length - sent, MSG_NOSIGNAL);
        if (n < 0) {
            return; /* the client has had enough: often the point of the test */
        }
        sent += (size_t)n;
    }
}

/* False: no whole request has come yet. */
static inline bool server_take_request(struct http_server *server, struct server_connection *connection)
{
    struct buffer *received = &connection->received;
    const char *end = received->length ? strstr(received->data, "\r\n\r\n") : NULL;
    if (!end) {
        return false;
    }

    struct server_request request = {.connection = connection->number};
    char length_text[32];
    const size_t head_length = (size_t)(end - received->data) + 4;
    char *head = strndup(received->data, head_length - 2);
    request.head = head;
    (void)sscanf(head, "%15s %4095s", request.method, request.target);
    request.body_length =
        strtoul(server_header(&request, "Content-Length", length_text, sizeof(length_text)), NULL, 10);
    if (received->length < head_length + request.body_length) {
        free(head);
        return false;
    }
    char *body = strndup(received->data + head_length, request.body_length);
    request.body = body;

    struct buffer answer = BUFFER_INIT;
    pthread_mutex_lock(&server->lock);
    request.number = ++server->requests;
    const enum server_action action = server->handler(&request, &answer, server->userdata);
    pthread_mutex_unlock(&server->lock);

    struct buffer rest = BUFFER_INIT;
    buffer_append(&rest, received->data + head_length + request.body_length,
                  received->length - head_length - request.body_length);
    buffer_done(received);
    *received = rest;
    if (action != SERVER_SILENT) {
        server_send(connection->fd, &answer);
    }
    if (action == SERVER_CLOSE || action == SERVER_RESET) {
        server_drop(connection, action == SERVER_RESET);
    }
    buffer_done(&answer);
    free(head);
    free(body);
    return connection->fd >= 0;
}

static inline void server_accept(struct http_server *server)
{
    const int fd = accept(server->fd, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < SERVER_CONNECTIONS_MAX; i++) {
        if (server->open[i].fd < 0) {
            pthread_mutex_lock(&server->lock);
            const unsigned number = ++server->connections;
            pthread_mutex_unlock(&server->lock);
            server->open[i] = (struct server_connection){.fd = fd, .number = number};
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static inline void server_receive(struct http_server *server, struct server_connection *connection)
{
    char bytes[16384];
    const ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        server_drop(connection, false);
        return;
    }
    if (bytes[0] == 0x16) { /* a TLS client: nothing it sends would ever be a request */
        (void)!send(connection->fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
        server_drop(connection, false);
        return;
    }
    buffer_append(&connection->received, bytes, (size_t)n);
    while (server_take_request(server, connection)) {}
}

static inline void *server_run(void *userdata)
{
    struct http_server *server = userdata;

    for (;;) {
        struct pollfd fds[2 + SERVER_CONNECTIONS_MAX] = {{.fd = server->stop_fd, .events = POLLIN},
                                                         {.fd = server->fd, .events = POLLIN}};
        for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
            fds[2 + i] = (struct pollfd){.fd = server->open[i].fd, .events = POLLIN};
        }
        (void)poll(fds, 2 + SERVER_CONNECTIONS_MAX, -1);
        if (fds[0].revents) {
            return NULL;
        }
        for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
            if (fds[2 + i].revents) {
                server_receive(server, &server->open[i]);
            }
        }
        if (fds[1].revents) {
            server_accept(server);
        }
    }
}

static inline void server_start(struct http_server *server, server_handler handler, void *userdata)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    memset(server, 0, sizeof(*server));
    server->handler = handler;
    server->userdata = userdata;
    for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        server->open[i].fd = -1;
    }
    pthread_mutex_init(&server->lock, NULL);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->stop_fd < 0 || bind(server->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(server->fd, 64) < 0 || getsockname(server->fd, (struct sockaddr *)&address, &length) < 0 ||
        pthread_create(&server->thread, NULL, server_run, server) != 0) {
        perror("test server");
        abort();
    }
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", server->port);
}

static inline void server_stop(struct http_server *server)
{
    const uint64_t one = 1;
    (void)!write(server->stop_fd, &one, sizeof(one));
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        if (server->open[i].fd >= 0) {
            server_drop(&server->open[i], false);
        }
    }
    close(server->fd);
    close(server->stop_fd);
    pthread_mutex_destroy(&server->lock);
}

static inline unsigned server_count_requests(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    const unsigned count = server->requests;
    pthread_mutex_unlock(&server->lock);
    return count;
}

static inline unsigned server_count_connections(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    const unsigned count = server->connections;
    pthread_mutex_unlock(&server->lock);
    return count;
}

#endif
