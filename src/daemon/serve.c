/* While it runs: signals, reloads and the tick. */
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service_manager.h"
#include "daemon/daemon.h"
#include "daemon/reload.h"
#include "daemon/work.h"

#define TICK_MS 1000
#define WATCHDOG_SILENCE_MS 30000

static void tick(struct daemon *daemon, int64_t now_ms)
{
    server_reap(daemon->api, now_ms);
    if (daemon->admin_server) {
        server_reap(daemon->admin_server, now_ms);
    }
    if (daemon->control_server) {
        server_reap(daemon->control_server, now_ms);
    }
    log_limit_tick(daemon->log_limit, now_ms);
    decisions_tick(daemon->decisions, now_ms);
    if (now_ms - atomic_load(&daemon->beat_ms) < WATCHDOG_SILENCE_MS) {
        service_manager_watchdog();
    }
    work_post_beat(daemon);
    reload_tick(daemon);
    if (records_have_shrunk(daemon->records)) {
        (void)malloc_trim(0); /* hosts that left at a reload */
    }
}

int daemon_wait_signal(const struct daemon *daemon, int timeout_ms, int event, bool *ret_event)
{
    struct pollfd polled[2] = {{daemon->signals, POLLIN, 0}, {event, POLLIN, 0}};
    struct signalfd_siginfo info;

    (void)poll(polled, 2, timeout_ms);
    *ret_event = (polled[1].revents & POLLIN) != 0;
    if ((polled[0].revents & POLLIN) && read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        return (int)info.ssi_signo;
    }
    return 0;
}

/* Until SIGTERM or SIGINT. */
static void serve(struct daemon *daemon)
{
    int64_t tick_ms = service_manager_watchdog_ms();
    int64_t next_ms = 0;

    if (tick_ms == 0 || tick_ms > TICK_MS) {
        tick_ms = TICK_MS;
    }
    atomic_store(&daemon->beat_ms, clock_monotonic_ms(clock_system()));
    for (;;) {
        int64_t now_ms = clock_monotonic_ms(clock_system());
        if (now_ms >= next_ms) {
            tick(daemon, now_ms);
            next_ms = now_ms + tick_ms;
        }
        bool has_reloaded;
        int signal_number = daemon_wait_signal(daemon, (int)(next_ms - now_ms), daemon->reload.ended, &has_reloaded);
        if (has_reloaded) {
            reload_end(daemon);
        }
        if (signal_number == SIGHUP) {
            reload_begin(daemon);
        } else if (signal_number != 0) {
            return;
        }
    }
}

int daemon_serve(struct daemon *daemon)
{
    (void)malloc_trim(0); /* what only reading the files and the state took */
    reload_announce(daemon);
    log_event(LOG_LEVEL_NOTICE, "ready", "version", PACKAGE_VERSION, NULL);
    serve(daemon);
    return daemon_stop(daemon);
}
