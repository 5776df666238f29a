#include "acme/acme.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "acme/schedule.h"
#include "acme/uacme.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "config/acme.h"
#include "web/server_certificate_facts.h"

#define LOOK_MS ((int64_t)3600 * 1000) /* at least so often, since clocks are set and files are changed */
#define MISSING_S 60                   /* until the client may have been installed */
#define SCHEDULE_FILE "schedule"
#define SCHEDULE_MAX_BYTES 4096
#define STAGING "https://acme-staging-v02.api.letsencrypt.org/directory"

static const struct metric_row attempts_row = {
    .name = "ddns53_acme_attempts_total",
    .help = "Tries to obtain a certificate, by how they ended",
    .type = METRIC_COUNTER,
    .labels = {"result"},
};
static const struct metric_row next_row = {
    .name = "ddns53_acme_next_attempt_timestamp_seconds",
    .help = "When the next certificate is to be obtained, Unix time",
    .type = METRIC_GAUGE,
};
static const struct metric_row failures_row = {
    .name = "ddns53_acme_failures",
    .help = "Tries to obtain a certificate that have failed since the last one that worked",
    .type = METRIC_GAUGE,
};

/* A look at what is there, and a try where one is due or asked for. */
struct turn {
    struct turn *next;
    struct loop_work work;
    struct acme *acme;
    bool is_asked; /* by an operator */
    bool is_test;
    char *directory; /* of a test */
    acme_done done;
    void *userdata;
    /* the worker's while it runs */
    int error;
    bool has_tried;
    struct buffer message;
};

struct acme {
    struct acme_means means;
    int stop_fd;
    struct turn *waiting;
    struct turn *running;
    struct worker_job job;
    struct loop_timer timer;
    bool is_stopped;
    atomic_bool is_stopping; /* a client that fails now was told to end */
    atomic_bool is_trying;
    atomic_llong next_s;
    /* the worker's */
    bool is_missing_told;
    bool is_waiting_told;
    pthread_mutex_t lock; /* over both below */
    char *failure;
    uint32_t failures;
};

static int64_t now_s(const struct acme *acme)
{
    return clock_realtime_s(loop_clock(acme->means.loop));
}

/* ---- on the worker's thread: what is there ---- */

static void load_schedule(const struct acme_wanted *wanted, struct acme_schedule *ret_schedule)
{
    _cleanup_free_ char *path = path_join(wanted->folder, SCHEDULE_FILE);
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    if (path) {
        (void)file_read(path, SCHEDULE_MAX_BYTES, &text, NULL);
    }
    acme_schedule_parse(buffer_text(&text), ret_schedule);
}

static void save_schedule(const struct acme_wanted *wanted, const struct acme_schedule *schedule)
{
    _cleanup_free_ char *path = path_join(wanted->folder, SCHEDULE_FILE);
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    acme_schedule_print(schedule, &text);
    int r = path ? folder_make(wanted->folder, 0700) : -ENOMEM;
    if (r == 0) {
        r = file_replace(path, buffer_text(&text), text.length, 0600);
    }
    if (r < 0) {
        log_warning("acme_schedule", "%s: cannot be written: %s; a restart would forget when to try again",
                    path ? path : SCHEDULE_FILE, strerror(-r));
    }
}

/* The same for each certificate, another one for the next. */
static uint32_t chance_of(const struct certificate_facts *facts)
{
    char text[9];

    (void)snprintf(text, sizeof(text), "%.8s", facts->fingerprint);
    return (uint32_t)strtoul(text, NULL, 16);
}

/* When the certificate that is there is due; 0: there is none that does. */
static int64_t due_of(const struct acme_wanted *wanted)
{
    struct certificate_facts facts;
    bool covers = false;

    if (certificate_facts_of_file(wanted->certificate, wanted->names, wanted->count, &facts, &covers) < 0) {
        return 0;
    }
    const int64_t due_s = covers ? acme_due_s(facts.begins_s, facts.expires_s, chance_of(&facts)) : 0;
    certificate_facts_done(&facts);
    return due_s;
}

/* ---- on the worker's thread: a try ---- */

static void set_failure(struct acme *acme, uint32_t failures, const char *message)
{
    char *copy = message ? strdup(message) : NULL;

    for (char *at = copy; at && *at; at++) { /* a line of /healthz stays a line */
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? ' ' : *at;
    }
    pthread_mutex_lock(&acme->lock);
    free(acme->failure);
    acme->failure = copy;
    acme->failures = failures;
    pthread_mutex_unlock(&acme->lock);
    metric_set(metrics_family(acme->means.metrics, &failures_row), failures, NULL, NULL, NULL);
}

static void print_names(const struct acme_wanted *wanted, struct buffer *buffer)
{
    for (size_t i = 0; i < wanted->count; i++) {
        buffer_printf(buffer, "%s%.*s", i == 0 ? "" : ",", (int)strlen(wanted->names[i].text) - 1,
                      wanted->names[i].text);
    }
}

/* False: told. */
static bool find_program(struct acme *acme, struct turn *turn, char **ret_program)
{
    *ret_program = uacme_find(acme->means.environment("PATH"));
    if (*ret_program) {
        acme->is_missing_told = false;
        return true;
    }
    buffer_append_text(&turn->message, "uacme is not installed, which obtains certificates: install it (Debian: apt "
                                       "install uacme)");
    turn->error = -EIO;
    set_failure(acme, 0, buffer_text(&turn->message));
    if (!acme->is_missing_told) {
        acme->is_missing_told = true;
        log_event(LOG_LEVEL_ERROR, "acme_failed", "message", buffer_text(&turn->message), NULL);
    }
    return false;
}

static enum uacme_end obtain(struct acme *acme, struct turn *turn, const struct settings *settings,
                             const struct acme_wanted *wanted, const char *program, int64_t *ret_retry_s)
{
    _cleanup_buffer_ struct buffer names = BUFFER_INIT;
    const struct uacme uacme = {
        .program = program,
        .hook = acme->means.hook,
        .folder = wanted->folder,
        .socket = settings->control_socket,
        .directory = settings->acme.directory,
        .email = settings->acme.email,
        .names = wanted->names,
        .name_count = wanted->count,
        .stop_fd = acme->stop_fd,
        .environment = acme->means.environment,
    };

    print_names(wanted, &names);
    log_event(LOG_LEVEL_NOTICE, "acme_started", "names", buffer_text(&names), "directory", uacme.directory, NULL);
    turn->has_tried = true;
    atomic_store(&acme->is_trying, true);
    const enum uacme_end end = uacme_obtain(&uacme, &turn->message, ret_retry_s);
    atomic_store(&acme->is_trying, false);
    return end;
}

static void note_success(struct acme *acme, struct turn *turn, const struct acme_wanted *wanted,
                         struct acme_schedule *schedule)
{
    acme_succeeded(schedule);
    save_schedule(wanted, schedule);
    set_failure(acme, 0, NULL);
    metric_add(metrics_family(acme->means.metrics, &attempts_row), 1, "issued", NULL, NULL);
    log_event(LOG_LEVEL_NOTICE, "acme_issued", "file", wanted->certificate, NULL);
    buffer_append_text(&turn->message, wanted->certificate);
}

static void note_failure(struct acme *acme, struct turn *turn, const struct acme_wanted *wanted,
                         struct acme_schedule *schedule, bool is_limited, int64_t retry_s)
{
    char next[21];

    acme_failed(schedule, now_s(acme), is_limited, retry_s, random_uniform);
    save_schedule(wanted, schedule);
    set_failure(acme, schedule->failures, buffer_text(&turn->message));
    metric_add(metrics_family(acme->means.metrics, &attempts_row), 1, is_limited ? "limited" : "failed", NULL, NULL);
    clock_print_iso8601(acme_next_s(schedule, 0, now_s(acme)), next);
    log_event(LOG_LEVEL_ERROR, "acme_failed", "next", next, "message", buffer_text(&turn->message), NULL);
    turn->error = is_limited ? -EAGAIN : -EIO;
}

/* Counted, and remembered. */
static void try(struct acme *acme, struct turn *turn, const struct settings *settings, const struct acme_wanted *wanted,
                struct acme_schedule *schedule)
{
    _cleanup_free_ char *program = NULL;
    int64_t retry_s = 0;

    if (!find_program(acme, turn, &program)) {
        return;
    }
    const enum uacme_end end = obtain(acme, turn, settings, wanted, program, &retry_s);
    if (end == UACME_ISSUED) {
        note_success(acme, turn, wanted, schedule);
    } else if (atomic_load(&acme->is_stopping)) {
        turn->error = -ESHUTDOWN; /* nobody's failure */
    } else {
        note_failure(acme, turn, wanted, schedule, end == UACME_LIMITED, retry_s);
    }
}

/* Not counted, and nothing is remembered. */
static void try_elsewhere(struct acme *acme, struct turn *turn, const struct settings *settings,
                          const struct acme_wanted *wanted)
{
    _cleanup_free_ char *program = NULL;
    const char *host = "";
    size_t length = 0;
    char *folder = NULL;
    struct settings other = *settings;
    struct acme_wanted there = *wanted;
    int64_t retry_s = 0;

    other.acme.directory = turn->directory;
    if (!find_program(acme, turn, &program) || !url_host(turn->directory, &host, &length) ||
        asprintf(&folder, "%s/acme/test/%.*s", settings->state_dir, (int)length, host) < 0) {
        turn->error = -EIO;
        return;
    }
    there.folder = folder;
    if (obtain(acme, turn, &other, &there, program, &retry_s) == UACME_ISSUED) {
        buffer_printf(&turn->message, "%s has issued a certificate, which is not used", turn->directory);
    } else {
        log_event(LOG_LEVEL_WARNING, "acme_test_failed", "message", buffer_text(&turn->message), NULL);
        turn->error = -EIO;
    }
    free(folder);
}

/* ---- on the worker's thread: the turn ---- */

static void set_next(struct acme *acme, int64_t next_s)
{
    atomic_store(&acme->next_s, next_s);
    metric_set(metrics_family(acme->means.metrics, &next_row), (double)next_s, NULL, NULL, NULL);
}

static void refuse_for_now(struct turn *turn, int64_t from_s)
{
    char from[21];

    clock_print_iso8601(from_s, from);
    buffer_printf(&turn->message,
                  "too many tries have failed, or the authority limits us: not before %s; see what the "
                  "last one came to, and test against the authority's staging directory",
                  from);
    turn->error = -EAGAIN;
}

static void tell_waiting(struct acme *acme, int64_t due_s)
{
    if (due_s == 0 && !acme->is_waiting_told) {
        log_event(LOG_LEVEL_NOTICE, "acme_waiting", "message",
                  "until the authority has issued one, the self-signed certificate is served, which clients do not "
                  "trust by themselves",
                  NULL);
    }
    acme->is_waiting_told = due_s == 0;
}

static void take_turn(struct acme *acme, struct turn *turn, const struct settings *settings,
                      const struct acme_wanted *wanted)
{
    struct acme_schedule schedule;
    int64_t from_s = 0;

    load_schedule(wanted, &schedule);
    const int64_t due_s = due_of(wanted);
    if (turn->is_test) {
        try_elsewhere(acme, turn, settings, wanted);
    } else if (turn->is_asked && !acme_may_try(&schedule, now_s(acme), &from_s)) {
        refuse_for_now(turn, from_s);
    } else if (turn->is_asked || acme_next_s(&schedule, due_s, now_s(acme)) <= now_s(acme)) {
        tell_waiting(acme, due_s);
        try(acme, turn, settings, wanted, &schedule);
    }
    load_schedule(wanted, &schedule);
    const int64_t next_s = acme_next_s(&schedule, due_of(wanted), now_s(acme));
    set_next(acme, next_s > now_s(acme) ? next_s : now_s(acme) + MISSING_S);
}

static bool run(struct worker_job *job)
{
    struct acme *acme = CONTAINER_OF(job, struct acme, job);
    struct turn *turn = acme->running;
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(acme->means.current);
    struct acme_wanted wanted;
    int r = acme_is_on(settings) ? acme_wanted_read(settings, &wanted) : -ENOENT;

    if (r == 0) {
        take_turn(acme, turn, settings, &wanted);
        acme_wanted_done(&wanted);
        return true;
    }
    turn->error = r;
    buffer_append_text(&turn->message, r == -ENOENT
                                           ? "server.acme is off in the settings in force; set server.acme.email, "
                                             "and leave out server.certificate"
                                           : "out of memory");
    set_failure(acme, 0, NULL);
    set_next(acme, 0);
    return true;
}

/* ---- on the loop ---- */

static void turn_free(struct turn *turn)
{
    buffer_done(&turn->message);
    free(turn->directory);
    free(turn);
}

/* Tells what came of it, once. */
static void answer(struct turn *turn, int error, const char *message)
{
    const acme_done done = turn->done;

    turn->done = NULL;
    if (done) {
        done(error, message, turn->userdata);
    }
}

static void end_turn(struct turn *turn, int error, const char *message)
{
    answer(turn, error, message);
    turn_free(turn);
}

static void begin_next(struct acme *acme)
{
    if (!acme->running && acme->waiting && !acme->is_stopped) {
        acme->running = acme->waiting;
        acme->waiting = acme->running->next;
        worker_post(acme->means.worker, &acme->job);
    }
}

static void set_timer(struct acme *acme)
{
    const int64_t next_s = atomic_load(&acme->next_s);
    int64_t wait_ms = (next_s - now_s(acme)) * 1000;

    if (next_s == 0 || acme->is_stopped) {
        loop_timer_cancel(acme->means.loop, &acme->timer);
        return;
    }
    wait_ms = wait_ms < LOOK_MS ? wait_ms : LOOK_MS;
    (void)loop_timer_set(acme->means.loop, &acme->timer,
                         loop_now_ms(acme->means.loop) + (wait_ms > 0 ? wait_ms : 1000));
}

static void ran(struct worker_job *job)
{
    struct acme *acme = CONTAINER_OF(job, struct acme, job);
    struct turn *turn = TAKE_PTR(acme->running);

    if (turn->has_tried) {
        challenges_clear(acme->means.challenges);
    }
    end_turn(turn, turn->error, buffer_text(&turn->message));
    set_timer(acme);
    begin_next(acme);
}

static void append_turn(struct acme *acme, struct turn *turn)
{
    struct turn **end = &acme->waiting;

    while (*end) {
        end = &(*end)->next;
    }
    *end = turn;
    begin_next(acme);
}

/* Of its own accord; one that waits will do. */
static void look(struct acme *acme)
{
    struct turn *turn = acme->waiting || acme->is_stopped ? NULL : calloc(1, sizeof(*turn));

    if (turn) {
        turn->acme = acme;
        append_turn(acme, turn);
    }
}

static void run_timer(struct loop_timer *timer)
{
    look(CONTAINER_OF(timer, struct acme, timer));
}

void acme_start(struct acme *acme)
{
    challenges_clear(acme->means.challenges); /* what a daemon before us has left behind */
    look(acme);
}

void acme_reload(struct acme *acme)
{
    look(acme);
}

void acme_drain(struct acme *acme)
{
    acme->is_stopped = true;
    loop_timer_cancel(acme->means.loop, &acme->timer);
    challenges_stop(acme->means.challenges);
    if (acme->running) {
        answer(acme->running, -ESHUTDOWN, "the daemon stops");
    }
    while (acme->waiting) {
        struct turn *turn = acme->waiting;
        acme->waiting = turn->next;
        end_turn(turn, -ESHUTDOWN, "the daemon stops");
    }
}

/* ---- from elsewhere ---- */

void acme_stop(struct acme *acme)
{
    atomic_store(&acme->is_stopping, true);
    (void)eventfd_write(acme->stop_fd, 1);
}

static void arrive(struct loop_work *work)
{
    struct turn *turn = CONTAINER_OF(work, struct turn, work);

    if (turn->acme->is_stopped) {
        end_turn(turn, -ESHUTDOWN, "the daemon stops");
        return;
    }
    append_turn(turn->acme, turn);
}

static int ask(struct acme *acme, const char *directory, acme_done done, void *userdata)
{
    struct turn *turn = calloc(1, sizeof(*turn));

    if (!turn) {
        return -ENOMEM;
    }
    turn->acme = acme;
    turn->is_asked = true;
    turn->is_test = directory != NULL;
    turn->directory = directory ? strdup(directory) : NULL;
    turn->done = done;
    turn->userdata = userdata;
    turn->work.run = arrive;
    if (directory && !turn->directory) {
        turn_free(turn);
        return -ENOMEM;
    }
    loop_post(acme->means.loop, &turn->work);
    return 0;
}

int acme_renew(struct acme *acme, acme_done done, void *userdata)
{
    return ask(acme, NULL, done, userdata);
}

int acme_test(struct acme *acme, const char *directory, acme_done done, void *userdata)
{
    return ask(acme, directory ? directory : STAGING, done, userdata);
}

void acme_view(struct acme *acme, struct acme_view *ret_view)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(acme->means.current);

    *ret_view = (struct acme_view){.is_on = acme_is_on(settings),
                                   .is_running = atomic_load(&acme->is_trying),
                                   .next_s = atomic_load(&acme->next_s)};
    pthread_mutex_lock(&acme->lock);
    ret_view->failures = acme->failures;
    ret_view->message = acme->failure ? strdup(acme->failure) : NULL;
    pthread_mutex_unlock(&acme->lock);
}

void acme_view_done(struct acme_view *view)
{
    free(TAKE_PTR(view->message));
}

/* ---- beginning and end ---- */

struct acme *acme_new(const struct acme_means *means)
{
    struct acme *acme = calloc(1, sizeof(*acme));

    if (!acme) {
        return NULL;
    }
    acme->means = *means;
    acme->job = (struct worker_job){.run = run, .done = ran};
    acme->timer.run = run_timer;
    pthread_mutex_init(&acme->lock, NULL);
    acme->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (acme->stop_fd < 0) {
        acme_free(acme);
        return NULL;
    }
    metric_add(metrics_family(means->metrics, &attempts_row), 0, "issued", NULL, NULL);
    return acme;
}

void acme_free(struct acme *acme)
{
    if (!acme) {
        return;
    }
    if (acme->running) {
        turn_free(acme->running);
    }
    while (acme->waiting) {
        struct turn *turn = acme->waiting;
        acme->waiting = turn->next;
        turn_free(turn);
    }
    free(acme->failure);
    closep(&acme->stop_fd);
    pthread_mutex_destroy(&acme->lock);
    free(acme);
}
