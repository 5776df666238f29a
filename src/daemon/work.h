/*
 * What the main thread has the I/O thread do: start, reload, drain, show that it lives.
 */
#ifndef DDNS53_DAEMON_WORK_H
#define DDNS53_DAEMON_WORK_H

#include "daemon/daemon.h"

/* Fills in the functions; before anything is posted. */
void work_init(struct daemon *daemon);
void work_post_start(struct daemon *daemon);
void work_post_reload(struct daemon *daemon);
/* The eventfd daemon->drained becomes readable when the queue is empty or time is up. */
void work_post_drain(struct daemon *daemon);
/* Asks for a sign of life, which moves daemon->beat_ms. */
void work_post_beat(struct daemon *daemon);

#endif
