/*
 * Reading the files again after SIGHUP, on a thread of its own: neither a large file nor a slow disk holds up the
 * watchdog or the reaper. One reload runs at a time; signals that come meanwhile make one more of it. Main thread only,
 * but for reload_figures.
 */
#ifndef DDNS53_DAEMON_RELOAD_H
#define DDNS53_DAEMON_RELOAD_H

#include "daemon/daemon.h"

/* Before the servers start. -ENOMEM: no eventfd. */
int reload_init(struct daemon *daemon);
void reload_done(struct daemon *daemon);

/* SIGHUP has come. */
void reload_begin(struct daemon *daemon);
/* daemon->reload.ended is readable: the thread has done its work. Begins the next one when it was asked for. */
void reload_end(struct daemon *daemon);
/* Waits for a reload that is under way, begins no other, and answers all who wait. False: it did not end in time, and still uses the daemon. */
bool reload_stop(struct daemon *daemon, int timeout_ms);
/* Every second: frees hosts that the last reload replaced, once no request has them any more. */
void reload_tick(struct daemon *daemon);

/* Any thread: an operator asks for one; the request is answered when it has ended. */
void reload_ask(void *userdata, struct request *request);
/* Any thread: the last one, for `status`: an object, NULL: no memory. */
json_t *reload_object(struct daemon *daemon);

/* Tells the service manager what is served, and whether the last reload worked. */
void reload_announce(const struct daemon *daemon);

/* Any thread: sets the gauges of the last reload. */
void reload_figures(struct daemon *daemon);

#endif
