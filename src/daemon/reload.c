#include "daemon/reload.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "acme/challenge_names.h"
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
    json_t *warnings; /* texts, as the log has them; NULL: no memory */
    json_t *errors;
};

/* A request of the operator's socket that waits for a reload to end. */
struct reload_waiter {
    struct request *request;
    struct reload_waiter *next;
};

static void note(json_t *lines, const char *line)
{
    (void)json_array_append_new(lines, json_string(line)); /* without memory the log has it alone */
}

static void tell_problems(const struct problems *problems, void *userdata)
{
    struct attempt *attempt = userdata;
    const char *line;

    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        log_warning("config_warning", "%s", line);
        note(attempt->warnings, line);
    }
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        log_event(LOG_LEVEL_ERROR, "reload_problem", "number", attempt->number, "message", line, NULL);
        note(attempt->errors, line);
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

static void load_certificate(struct daemon *daemon, const struct settings *settings, struct attempt *attempt)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer line = BUFFER_INIT;

    if (settings->tls && tls_load(daemon->tls, settings, clock_realtime_s(clock_system()), &message) < 0) {
        buffer_printf(&line, "the certificate in force stays: %s", buffer_text(&message));
        log_error("certificate_failed", "%s", buffer_text(&line));
        note(attempt->warnings, buffer_text(&line));
    }
}

static void put_in_force(struct daemon *daemon, struct settings *settings, struct hosts *hosts, struct attempt *attempt)
{
    load_certificate(daemon, settings, attempt);
    server_set_request_ms(daemon->api, settings->request_s * 1000);
    if (daemon->admin_server) {
        server_set_request_ms(daemon->admin_server, settings->request_s * 1000);
    }
    if (daemon->control_server) {
        server_set_request_ms(daemon->control_server, settings->request_s * 1000);
    }
    ratelimit_set(daemon->reads, settings->reads_per_minute);
    ratelimit_set(daemon->failures, settings->auth_failures_per_minute);
    current_swap(daemon->current, settings, hosts);
    work_post_reload(daemon);
}

/* Requests that began before the swap may still have the hosts that it replaced. Whoever is last frees them, and that
 * shall not be a thread that serves others: we keep a reference until we are the last. */
static void retire(struct reload *reload, struct hosts *before)
{
    if (!hosts_are_shared(before)) {
        hosts_unref(before);
        return;
    }
    pthread_mutex_lock(&reload->lock);
    struct hosts *older = reload->retired;
    reload->retired = before;
    pthread_mutex_unlock(&reload->lock);
    hosts_unref(older);
}

void reload_tick(struct daemon *daemon)
{
    struct reload *reload = &daemon->reload;
    struct hosts *retired = NULL;

    pthread_mutex_lock(&reload->lock);
    if (reload->retired && !hosts_are_shared(reload->retired)) {
        retired = TAKE_PTR(reload->retired);
    }
    pthread_mutex_unlock(&reload->lock);
    if (retired) {
        hosts_unref(retired);
        (void)malloc_trim(0);
    }
}

/* Returns 0 when what the files say is in force. */
static int load(struct daemon *daemon, struct attempt *attempt)
{
    _cleanup_(settings_unrefp) struct settings *running = current_settings(daemon->current);
    _cleanup_(hosts_unrefp) struct hosts *before = current_hosts(daemon->current);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    _cleanup_buffer_ struct buffer restart = BUFFER_INIT;

    int r = daemon_load_files(daemon->config, running, before, &restart, tell_problems, attempt, &settings, &hosts);
    if (r == 0) {
        r = records_configure(daemon->records, hosts);
    }
    if (r == 0) {
        r = challenge_names_configure(daemon->records, settings);
    }
    if (r < 0) {
        atomic_store(&daemon->reload.has_failed, true);
        log_failed(attempt, r, &restart);
        return r;
    }
    if (restart.length > 0) {
        log_warning("restart_needed", "changed, but in force only after a restart: %s", buffer_text(&restart));
        buffer_append_text(&restart, ": changed, but in force only after a restart");
        note(attempt->warnings, buffer_text(&restart));
    }
    attempt->hosts = hosts_count(hosts);
    hosts_compare(before, hosts, &attempt->difference);
    put_in_force(daemon, settings, hosts, attempt);
    retire(&daemon->reload, TAKE_PTR(before));
    atomic_store(&daemon->reload.has_failed, false);
    return 0;
}

static void note_time(struct daemon *daemon)
{
    atomic_store(&daemon->reload.time_s, clock_realtime_s(clock_system()));
}

/* What the operators who wait for it are told. Takes the attempt's lines. */
static json_t *report_of(const struct attempt *attempt, unsigned number, bool ok)
{
    const struct hosts_difference *difference = &attempt->difference;
    json_t *report = json_pack("{s:b, s:I, s:o, s:o}", "ok", ok, "number", (json_int_t)number, "errors",
                               attempt->errors ? attempt->errors : json_array(), "warnings",
                               attempt->warnings ? attempt->warnings : json_array());

    if (report && ok) {
        (void)json_object_update_new(report, json_pack("{s:I, s:I, s:I, s:I}", "hosts", (json_int_t)attempt->hosts,
                                                       "added", (json_int_t)difference->added, "removed",
                                                       (json_int_t)difference->removed, "changed",
                                                       (json_int_t)difference->changed));
    }
    return report;
}

static void *run(void *userdata)
{
    struct daemon *daemon = userdata;
    const uint64_t one = 1;
    struct attempt attempt = {.warnings = json_array(), .errors = json_array()};

    (void)snprintf(attempt.number, sizeof(attempt.number), "%u", daemon->reload.number);
    note_time(daemon);
    const bool ok = load(daemon, &attempt) == 0;
    if (ok) {
        /* The old table has gone by now, unless a request holds it. What it took goes back. */
        (void)malloc_trim(0);
        log_reloaded(&attempt);
    }
    daemon->reload.report = report_of(&attempt, daemon->reload.number, ok);
    if (write(daemon->reload.ended, &one, sizeof(one)) < 0) {
        log_error("reload", "cannot wake the main thread: %s", strerror(errno));
    }
    return NULL;
}

/* ---- making and freeing ---- */

int reload_init(struct daemon *daemon)
{
    daemon->reload.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&daemon->reload.lock, NULL);
    note_time(daemon);
    return daemon->reload.ended < 0 ? -ENOMEM : 0;
}

void reload_done(struct daemon *daemon)
{
    if (daemon->reload.ended >= 0) {
        close(daemon->reload.ended);
    }
    hosts_unref(TAKE_PTR(daemon->reload.retired));
    pthread_mutex_destroy(&daemon->reload.lock);
}

/* ---- operators who wait ---- */

static void answer_all(struct reload_waiter *waiter, json_t *report)
{
    while (waiter) {
        struct reload_waiter *next = waiter->next;
        const bool ok = json_is_true(json_object_get(report, "ok"));
        waiter->request->decision.is_written = true; /* by event=reload_failed */
        control_answer(waiter->request, ok ? 200 : 409, ok ? "reloaded" : "reload_failed", json_incref(report));
        free(waiter);
        waiter = next;
    }
}

static void refuse_all(struct reload_waiter *waiter)
{
    while (waiter) {
        struct reload_waiter *next = waiter->next;
        control_refuse(waiter->request, 503, "stopping",
                       "the daemon is stopping; the files are read at its next start");
        free(waiter);
        waiter = next;
    }
}

/* Those that wait for the next one wait for this one now. */
static void take_waiters(struct reload *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->waiting = TAKE_PTR(reload->wanted);
    pthread_mutex_unlock(&reload->lock);
}

void reload_ask(void *userdata, struct request *request)
{
    struct daemon *daemon = userdata;
    struct reload *reload = &daemon->reload;
    struct reload_waiter *waiter = malloc(sizeof(*waiter));

    if (!waiter) {
        control_answer(request, 500, "out_of_memory", NULL);
        return;
    }
    waiter->request = request;
    pthread_mutex_lock(&reload->lock);
    const bool is_over = reload->is_over;
    if (!is_over) {
        waiter->next = reload->wanted;
        reload->wanted = waiter;
    }
    pthread_mutex_unlock(&reload->lock);
    if (is_over) {
        waiter->next = NULL;
        refuse_all(waiter);
    } else {
        (void)kill(getpid(), SIGHUP); /* main's way to be asked; one that is pending already serves both */
    }
}

json_t *reload_object(struct daemon *daemon)
{
    return json_pack("{s:b, s:I}", "ok", !atomic_load(&daemon->reload.has_failed), "time_s",
                     (json_int_t)atomic_load(&daemon->reload.time_s));
}

/* ---- on the main thread ---- */

static void answer_waiters(struct reload *reload)
{
    json_t *report = TAKE_PTR(reload->report);

    answer_all(TAKE_PTR(reload->waiting), report);
    json_decref(report);
}

void reload_begin(struct daemon *daemon)
{
    struct reload *reload = &daemon->reload;

    if (reload->is_running) {
        reload->is_wanted = true;
        return;
    }
    service_manager_reloading(clock_monotonic_ms(clock_system()));
    take_waiters(reload);
    reload->number++;
    int error = pthread_create(&reload->thread, NULL, run, daemon);
    reload->is_running = error == 0;
    if (error != 0) {
        struct attempt attempt = {.warnings = json_array(), .errors = json_array()};
        const struct buffer none = BUFFER_INIT;
        (void)snprintf(attempt.number, sizeof(attempt.number), "%u", reload->number);
        note_time(daemon);
        atomic_store(&reload->has_failed, true);
        log_failed(&attempt, -error, &none);
        note(attempt.errors, "there is no memory for a thread; try again");
        reload->report = report_of(&attempt, reload->number, false);
        answer_waiters(reload);
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
    answer_waiters(reload);
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

    pthread_mutex_lock(&reload->lock);
    reload->is_over = true;
    struct reload_waiter *wanted = TAKE_PTR(reload->wanted);
    pthread_mutex_unlock(&reload->lock);
    refuse_all(wanted);
    if (!reload->is_running) {
        return true;
    }
    if (poll(&polled, 1, timeout_ms) <= 0) {
        return false;
    }
    join(reload);
    answer_waiters(reload);
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
