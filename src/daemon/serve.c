/* While it runs: signals, reloads, the tick, and the end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service_manager.h"
#include "daemon/daemon.h"
#include "daemon/work.h"

#define TICK_MS 1000
/* The drain's own limit and some more, past which the I/O thread counts as stuck. */
#define DRAIN_MAX_MS 12000
#define WATCHDOG_SILENCE_MS 30000

static void log_problems(const struct problems *problems, const char *event)
{
    const char *line;

    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        log_warning("config_warning", "%s", line);
    }
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        log_error(event, "%s", line);
    }
}

static void tell_reload_problems(const struct problems *problems)
{
    log_problems(problems, "reload_failed");
}

static void announce_ready(const struct daemon *daemon)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(daemon->current);
    char status[64];

    (void)snprintf(status, sizeof(status), "serving %zu hosts", hosts_count(hosts));
    service_manager_ready(status);
}

static void log_restart_needed(const struct daemon *daemon, const struct settings *settings)
{
    _cleanup_buffer_ struct buffer names = BUFFER_INIT;

    settings_restart_needed(daemon->started, settings, &names);
    if (names.length > 0) {
        log_warning("restart_needed", "changed, but in force only after a restart: %s", buffer_text(&names));
    }
}

static void reload_certificate(struct daemon *daemon, struct settings *settings)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    if (daemon->started->tls && tls_load(daemon->tls, settings, clock_realtime_s(clock_system()), &message) < 0) {
        log_error("certificate_failed", "the certificate in force stays: %s", buffer_text(&message));
    }
}

static void reload(struct daemon *daemon)
{
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    char count[24];

    service_manager_reloading(clock_monotonic_ms(clock_system()));
    int status = daemon_load_files(daemon->config, daemon->started, tell_reload_problems, &settings, &hosts);
    if (status == 0) {
        status = records_configure(daemon->records, hosts);
    }
    if (status < 0) {
        log_error("reload_failed", "the settings and hosts in force stay: %s",
                  status == -EINVAL ? "see the lines above" : strerror(-status));
    } else {
        log_restart_needed(daemon, settings);
        reload_certificate(daemon, settings);
        ratelimit_set(daemon->reads, settings->reads_per_minute);
        ratelimit_set(daemon->failures, settings->auth_failures_per_minute);
        current_swap(daemon->current, settings, hosts);
        work_post_reload(daemon);
        (void)snprintf(count, sizeof(count), "%zu", hosts_count(hosts));
        log_event(LOG_LEVEL_NOTICE, "reloaded", "hosts", count, NULL);
    }
    announce_ready(daemon);
}

static void tick(struct daemon *daemon, int64_t now_ms)
{
    server_reap(daemon->api, now_ms);
    if (daemon->admin_server) {
        server_reap(daemon->admin_server, now_ms);
    }
    log_limit_tick(daemon->log_limit, now_ms);
    if (now_ms - atomic_load(&daemon->beat_ms) < WATCHDOG_SILENCE_MS) {
        service_manager_watchdog();
    }
    work_post_beat(daemon);
}

/* The next signal, 0: none within the time. `ret_drained` (NULL while nothing drains): the queue is empty. */
static int wait_signal(const struct daemon *daemon, int timeout_ms, bool *ret_drained)
{
    struct pollfd polled[2] = {{daemon->signals, POLLIN, 0}, {daemon->drained, POLLIN, 0}};
    struct signalfd_siginfo info;

    (void)poll(polled, 2, timeout_ms);
    if (ret_drained && (polled[1].revents & POLLIN)) {
        *ret_drained = true;
    }
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
        int signal_number = wait_signal(daemon, (int)(next_ms - now_ms), NULL);
        if (signal_number == SIGHUP) {
            reload(daemon);
        } else if (signal_number != 0) {
            return;
        }
    }
}

/* Finishes what is queued; false: a second signal ended it. */
static bool drain(struct daemon *daemon)
{
    int64_t deadline_ms = clock_monotonic_ms(clock_system()) + DRAIN_MAX_MS;
    bool drained = false;

    service_manager_stopping();
    log_event(LOG_LEVEL_NOTICE, "stopping", NULL);
    server_stop_accepting(daemon->api);
    work_post_drain(daemon);
    while (!drained) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms(clock_system());
        int signal_number = wait_signal(daemon, left_ms < 0 ? 0 : (int)left_ms, &drained);
        if (signal_number == SIGTERM || signal_number == SIGINT) {
            log_warning("stopped", "a second signal came while changes were being finished");
            return false;
        }
        if (left_ms < 0 && !drained) {
            log_error("drain", "the I/O thread does not answer; stopping without it");
            return false;
        }
    }
    return true;
}

int daemon_serve(struct daemon *daemon)
{
    announce_ready(daemon);
    log_event(LOG_LEVEL_NOTICE, "ready", "version", PACKAGE_VERSION, NULL);
    serve(daemon);
    if (!drain(daemon)) {
        log_limit_flush(daemon->log_limit);
        log_stop(DAEMON_LOG_MS);
        _exit(EXIT_SUCCESS); /* nothing may wait any more; what is queued was never acknowledged */
    }
    daemon_done(daemon);
    log_event(LOG_LEVEL_NOTICE, "stopped", NULL);
    return EXIT_SUCCESS;
}
