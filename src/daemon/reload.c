#include "daemon/reload.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service_manager.h"
#include "daemon/work.h"

static const struct metric_row success_row = {
    .name = "ddns53_last_reload_success",
    .help = "1: what was last read, at the start or by a reload, is in force; 0: it was rejected",
    .type = METRIC_GAUGE,
};
static const struct metric_row timestamp_row = {
    .name = "ddns53_last_reload_timestamp_seconds",
    .help = "When settings and hosts were last read, at the start or by a reload, Unix time",
    .type = METRIC_GAUGE,
};

/* ---- what the log says ---- */

/* One reload under way. */
struct attempt {
    char number[16];
    size_t problems;
    size_t hosts;
    struct hosts_difference difference;
};

static void tell_problems(const struct problems *problems, void *userdata)
{
    struct attempt *attempt = userdata;
    const char *line;

    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        log_warning("config_warning", "%s", line);
    }
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        log_event(LOG_LEVEL_ERROR, "reload_problem", "number", attempt->number, "message", line, NULL);
    }
    attempt->problems += problems_count(problems);
}

static void log_failed(const struct attempt *attempt, int error, const struct buffer *restart)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    char problems[24];

    buffer_printf(&message, "the settings and hosts in force stay: %s",
                  error == -EINVAL ? "mend what the reload_problem lines name" : strerror(-error));
    if (restart->length > 0) {
        buffer_printf(&message, "; compared with what runs, since a change of it needs a restart: %s",
                      buffer_text(restart));
    }
    (void)snprintf(problems, sizeof(problems), "%zu", attempt->problems);
    log_event(LOG_LEVEL_ERROR, "reload_failed", "number", attempt->number, "problems", problems, "message",
              buffer_text(&message), NULL);
}

static void log_reloaded(const struct attempt *attempt)
{
    const struct hosts_difference *difference = &attempt->difference;
    const size_t counts[] = {attempt->hosts, difference->added, difference->removed, difference->changed};
    char texts[ELEMENTS(counts)][24];

    for (size_t i = 0; i < ELEMENTS(counts); i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%zu", counts[i]);
    }
    log_event(LOG_LEVEL_NOTICE, "reloaded", "number", attempt->number, "hosts", texts[0], "added", texts[1], "removed",
              texts[2], "changed", texts[3], NULL);
}

/* ---- on the thread ---- */

static void load_certificate(struct daemon *daemon, const struct settings *settings)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    if (settings->tls && tls_load(daemon->tls, settings, clock_realtime_s(clock_system()), &message) < 0) {
        log_error("certificate_failed", "the certificate in force stays: %s", buffer_text(&message));
    }
}

static void put_in_force(struct daemon *daemon, struct settings *settings, struct hosts *hosts)
{
    load_certificate(daemon, settings);
    server_set_request_ms(daemon->api, settings->request_s * 1000);
    if (daemon->admin_server) {
        server_set_request_ms(daemon->admin_server, settings->request_s * 1000);
    }
    ratelimit_set(daemon->reads, settings->reads_per_minute);
    ratelimit_set(daemon->failures, settings->auth_failures_per_minute);
    current_swap(daemon->current, settings, hosts);
    work_post_reload(daemon);
}

/* Returns 0 when what the files say is in force. */
static int load(struct daemon *daemon, struct attempt *attempt)
{
    _cleanup_(settings_unrefp) struct settings *running = current_settings(daemon->current);
    _cleanup_(hosts_unrefp) struct hosts *before = current_hosts(daemon->current);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    _cleanup_buffer_ struct buffer restart = BUFFER_INIT;

    int r = daemon_load_files(daemon->config, running, &restart, tell_problems, attempt, &settings, &hosts);
    if (r == 0) {
        r = records_configure(daemon->records, hosts);
    }
    if (r < 0) {
        atomic_store(&daemon->reload.has_failed, true);
        log_failed(attempt, r, &restart);
        return r;
    }
    if (restart.length > 0) {
        log_warning("restart_needed", "changed, but in force only after a restart: %s", buffer_text(&restart));
    }
    attempt->hosts = hosts_count(hosts);
    hosts_compare(before, hosts, &attempt->difference);
    put_in_force(daemon, settings, hosts);
    atomic_store(&daemon->reload.has_failed, false);
    return 0;
}

static void note_time(struct daemon *daemon)
{
    atomic_store(&daemon->reload.time_s, clock_realtime_s(clock_system()));
}

static void *run(void *userdata)
{
    struct daemon *daemon = userdata;
    const uint64_t one = 1;
    struct attempt attempt = {.problems = 0};

    (void)snprintf(attempt.number, sizeof(attempt.number), "%u", daemon->reload.number);
    note_time(daemon);
    if (load(daemon, &attempt) == 0) {
        /* The old table has gone by now, or goes with the last request that holds it. What it took goes back. */
        (void)malloc_trim(0);
        log_reloaded(&attempt);
    }
    if (write(daemon->reload.ended, &one, sizeof(one)) < 0) {
        log_error("reload", "cannot wake the main thread: %s", strerror(errno));
    }
    return NULL;
}

/* ---- on the main thread ---- */

int reload_init(struct daemon *daemon)
{
    daemon->reload.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    note_time(daemon);
    return daemon->reload.ended < 0 ? -ENOMEM : 0;
}

void reload_done(struct daemon *daemon)
{
    if (daemon->reload.ended >= 0) {
        close(daemon->reload.ended);
    }
}

void reload_begin(struct daemon *daemon)
{
    struct reload *reload = &daemon->reload;

    if (reload->is_running) {
        reload->is_wanted = true;
        return;
    }
    service_manager_reloading(clock_monotonic_ms(clock_system()));
    reload->number++;
    int error = pthread_create(&reload->thread, NULL, run, daemon);
    reload->is_running = error == 0;
    if (error != 0) {
        struct attempt attempt = {.problems = 0};
        const struct buffer none = BUFFER_INIT;
        (void)snprintf(attempt.number, sizeof(attempt.number), "%u", reload->number);
        note_time(daemon);
        atomic_store(&reload->has_failed, true);
        log_failed(&attempt, -error, &none);
        reload_announce(daemon);
        return;
    }
    (void)pthread_setname_np(reload->thread, "reload");
}

/* The eventfd has been written: what is left of the thread ends at once. */
static void join(struct reload *reload)
{
    uint64_t count;

    (void)pthread_join(reload->thread, NULL);
    reload->is_running = false;
    (void)!read(reload->ended, &count, sizeof(count));
}

void reload_end(struct daemon *daemon)
{
    struct reload *reload = &daemon->reload;

    join(reload);
    reload_announce(daemon);
    if (reload->is_wanted) {
        reload->is_wanted = false;
        reload_begin(daemon);
    }
}

bool reload_stop(struct daemon *daemon, int timeout_ms)
{
    struct reload *reload = &daemon->reload;
    struct pollfd polled = {reload->ended, POLLIN, 0};

    if (!reload->is_running) {
        return true;
    }
    if (poll(&polled, 1, timeout_ms) <= 0) {
        return false;
    }
    join(reload);
    return true;
}

void reload_announce(const struct daemon *daemon)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(daemon->current);
    char status[128];

    (void)snprintf(status, sizeof(status), "serving %zu hosts%s", hosts_count(hosts),
                   atomic_load(&daemon->reload.has_failed)
                       ? "; the last reload was rejected, see event=reload_problem in the log"
                       : "");
    service_manager_ready(status);
}

void reload_figures(struct daemon *daemon)
{
    const bool has_failed = atomic_load(&daemon->reload.has_failed);
    const double time_s = (double)atomic_load(&daemon->reload.time_s);

    metric_set(metrics_family(daemon->metrics, &success_row), has_failed ? 0 : 1, NULL, NULL, NULL);
    metric_set(metrics_family(daemon->metrics, &timestamp_row), time_s, NULL, NULL, NULL);
}
