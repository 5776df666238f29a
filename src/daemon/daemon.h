/*
 * The running daemon: every part, made from the bottom up and handed to what stands on it, and taken apart in the
 * opposite order. Nothing below knows of this folder. Main thread only, but for the work that is posted to the I/O
 * thread.
 */
#ifndef DDNS53_DAEMON_DAEMON_H
#define DDNS53_DAEMON_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "admin/admin.h"
#include "admin/control.h"
#include "api/ratelimit.h"
#include "api/service.h"
#include "base/decisions.h"
#include "base/log_limit.h"
#include "config/current.h"
#include "daemon/certificate.h"
#include "daemon/providers.h"
#include "daemon/user.h"
#include "store/sqlite.h"
#include "update/replay.h"
#include "update/update.h"
#include "web/connections.h"
#include "web/server.h"
#include "web/tls.h"

#define DAEMON_LOG_MS 1000 /* for the log's last lines at the end */

/* See daemon/reload.h. */
struct reload {
    pthread_t thread;
    int ended;                     /* eventfd: the thread has done its work */
    bool is_running;               /* there is a thread to join */
    bool is_wanted;                /* once more, when it has ended */
    unsigned number;               /* of the last one begun, from 1 */
    pthread_mutex_t lock;          /* over the requests that wait for an answer, and the hosts */
    struct reload_waiter *wanted;  /* for the next one */
    struct reload_waiter *waiting; /* for the one that runs */
    bool is_over;                  /* none is begun any more */
    struct hosts *retired;         /* not in force any more, but somebody still has them; NULL: none */
    json_t *report;                /* of the one that runs, or ran last; the thread's, then main's */
    atomic_bool has_failed;
    atomic_llong time_s; /* Unix time at which the files were last read */
};

struct daemon {
    const char *config;
    struct opened opened;     /* the API's, where root bound them; the server takes them */
    struct settings *started; /* what the parts are made from; NULL once they are */
    struct current *current;
    struct metrics *metrics;
    struct worker *store_worker; /* a thread, for what may block */
    struct store *store;
    struct records *records;
    struct loop *loop;
    struct http_client *client;
    struct providers *providers;
    struct queue *queue;
    struct tls *tls;
    struct certificate *certificate;
    struct ratelimit *reads;
    struct ratelimit *failures;
    struct logins *logins;
    struct replay *replay;
    struct log_limit *log_limit;
    struct decisions *decisions;
    struct updater updater;
    struct api api_handlers;
    struct service service;
    struct admin admin;
    struct service admin_service;
    struct control control;
    struct service control_service;
    struct server *api;
    struct server *admin_server;
    struct server *control_server; /* NULL: off */
    int64_t started_s;             /* Unix time */
    int signals;                   /* signalfd */
    int drained;                   /* eventfd: the queue has drained */
    bool threads;                  /* the I/O thread runs */
    /* A beat of the I/O thread's heart, for the watchdog. */
    struct loop_work beat;
    atomic_llong beat_ms;
    /* Work for the I/O thread. */
    struct loop_work start_work;
    struct loop_work reload_work;
    struct loop_work drain_work;
    int64_t drain_end_ms;
    struct reload reload;
};

/* Loads both files and lets `tell` say what is wrong with each; returns references. `running` and `before` are NULL at start; at a
 * reload it is the settings in force: what needs a restart is taken from them (settings_merge), its names go to
 * `restart`, and hosts are checked against the result; `before` are the hosts in force, as of hosts_load. -EINVAL,
 * -ENOMEM. */
int daemon_load_files(const char *config, const struct settings *running, const struct hosts *before,
                      struct buffer *restart, void (*tell)(const struct problems *problems, void *userdata),
                      void *userdata, struct settings **ret_settings, struct hosts **ret_hosts);

/* --check, to standard output and `tell`: both files, certificate and key, state_dir, zone files. Writes nothing.
 * `user`: judges as that user, which only root can; NULL: root judges as the owner of state_dir. Returns the exit
 * status, that of `finish` once something was printed. Before any thread: it may fork. */
int daemon_check(const char *config, const char *user, void (*tell)(const struct problems *problems, void *userdata),
                 int (*finish)(void));

/* --health: whether the daemon that runs with these settings is well, which is said in words. Returns the exit status:
 * 0, that of `finish` once something was printed, or 1. */
int daemon_health(const char *config, void (*tell)(const struct problems *problems, void *userdata),
                  int (*finish)(void));

/* Borrows `config`. NULL: no memory. On the heap, since a server that cannot be stopped goes on using it. */
struct daemon *daemon_new(const char *config);
/* From the bottom up: everything is bound before anything is accepted, and then the work begins. Takes references of its own. On failure `message` says
 * why; daemon_free takes apart what was made. -EINVAL: the configuration is at fault. */
int daemon_init(struct daemon *daemon, struct settings *settings, struct hosts *hosts, struct buffer *message);
/* From the door inward: the servers, then what they use. -EBUSY: a server could not be stopped; it and everything below it
 * lives on, and all that is left is to end the process by _exit. */
int daemon_free(struct daemon *daemon);

/* What the queue takes from the settings. */
struct queue_options daemon_queue_options(const struct settings *settings);

/* Serves until SIGTERM or SIGINT, finishes what is queued, and frees the daemon. Returns the exit status. */
int daemon_serve(struct daemon *daemon);

/* The next signal, 0: none within the time, or `event` (an eventfd) is readable, which `ret_event` says. */
int daemon_wait_signal(const struct daemon *daemon, int timeout_ms, int event, bool *ret_event);
/* The end after a signal; frees the daemon. Returns the exit status. */
int daemon_stop(struct daemon *daemon);

#endif
