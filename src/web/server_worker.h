/*
 * The workers of a server: threads of our own, each with a libmicrohttpd daemon that has neither a thread nor a listening
 * socket. One epoll set per worker holds the server's listening sockets, its daemon, and what its connections wait for.
 * So a connection stays with one thread from accept() to close(), and we say when it is accepted, and when no more are.
 * The main thread makes, begins, stops and frees the workers.
 */
#ifndef DDNS53_WEB_SERVER_WORKER_H
#define DDNS53_WEB_SERVER_WORKER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "web/listen.h"

struct server_workers;
struct server_worker;

struct server_workers_options {
    unsigned count;
    const struct listener *listeners; /* borrowed until server_workers_stop_accepting */
    size_t listener_count;
    /* Makes the daemon of a worker: MHD_USE_EPOLL, MHD_USE_NO_LISTEN_SOCKET, MHD_ALLOW_SUSPEND_RESUME and no thread. It is
     * freed by server_workers_free. */
    struct MHD_Daemon *(*start)(void *userdata, struct server_worker *worker);
    /* May this one come in? A worker asks before anything is made for it. */
    bool (*admit)(void *userdata, const struct sockaddr *peer);
    /* Nothing comes in, and still libmicrohttpd asks to be run at once, as it has for a while; see server_stuck.h. */
    void (*idle)(void *userdata, struct server_worker *worker);
    void *userdata;
};

/* Makes the threads, which accept nothing yet. NULL: no memory, descriptor or thread to be had, or `start` returned NULL. */
struct server_workers *server_workers_new(const struct server_workers_options *options);
void server_workers_accept(struct server_workers *workers);
/* No more. Who waits in the backlog of a socket of ours is accepted first, for closing it would cut them off; who waits in
 * that of an inherited one is left to the next daemon. Afterwards the listeners may be closed. Twice is fine. */
void server_workers_stop_accepting(struct server_workers *workers);
/* Ends the threads and closes all connections. None may be suspended by MHD_suspend_connection, but for one that waits by
 * server_worker_wait, and none may be any more. NULL is fine. */
void server_workers_free(struct server_workers *workers);

void *server_worker_userdata(const struct server_worker *worker); /* of the options */

/* MHD_resume_connection for a connection of this worker's daemon, which by itself would not wake the worker. Any thread. */
void server_worker_resume(struct server_worker *worker, struct MHD_Connection *mhd);

/* A request has come further: there was a point in running the daemon. The worker itself. */
void server_worker_note_progress(struct server_worker *worker);

/* Waits once until `fd` can be read, or has ended. Embedded in what waits. `ready` is called by the worker, and for those
 * that still wait by server_workers_free. */
struct watch {
    void (*ready)(struct watch *watch);
    int fd;
    struct watch *next;  /* the worker's */
    struct watch **link; /* the worker's: what points to this one; NULL: it does not wait */
};
/* The worker itself, from one of its callbacks. Negative errno: it does not wait. */
int server_worker_wait(struct server_worker *worker, struct watch *watch);

#endif
