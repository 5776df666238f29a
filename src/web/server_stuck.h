/*
 * Requests that libmicrohttpd neither reads on nor refuses: a chunk whose head (its size and extensions) has no end within
 * the connection's memory. With threads of its own libmicrohttpd answers 500 there; run by us, it asks to be run again
 * at once, for ever. So the worker slows down, and after a while such a request is refused here.
 */
#ifndef DDNS53_WEB_SERVER_STUCK_H
#define DDNS53_WEB_SERVER_STUCK_H

#include "web/server_exchange.h"
#include "web/server_worker.h"

/* The worker itself, each time that it has nothing to do and is asked to go on: refuses whoever has been in the middle of
 * a body for several times in a row, with input that is not read. */
void stuck_look(struct exchanges *exchanges, const struct server_worker *worker);

#endif
