/*
 * The operator's socket: what ddns53ctl asks a running daemon, as JSON over HTTP. These routes are on no other listener.
 * Who is let in: web/server_check.c (check_peer). Handlers run on the socket's own thread; whatever has to wait for a
 * provider or a disk is answered later.
 */
#ifndef DDNS53_ADMIN_CONTROL_H
#define DDNS53_ADMIN_CONTROL_H

#include <jansson.h>

#include "update/update.h"
#include "web/request.h"

struct acme;
struct challenges;
struct tls;

/* The `handlers` of its service. Borrows all. */
struct control {
    struct current *current;
    const struct updater *updater;
    struct records *records;
    struct queue *queue;
    const struct tls *tls;
    struct acme *acme;
    struct challenges *challenges;
    /* What only the daemon as a whole knows: an object; NULL: no memory. */
    json_t *(*describe)(void *userdata);
    /* Reads the files again, and answers the request with what came of it (control_answer). */
    void (*reload)(void *userdata, struct request *request);
    void *userdata;
};

const struct route *control_route_find(const struct request *request);

/* Takes `body`; NULL: no memory. `result` is static, for the metrics. */
void control_answer(struct request *request, unsigned status, const char *result, json_t *body);
/* {"error": sentence} */
void control_refuse(struct request *request, unsigned status, const char *result, const char *sentence);

#endif
