#include "provider/on_change.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "io/command.h"

#define PERIOD_MS 1000
#define RETRY_MAX_MS 60000
#define TIMEOUT_MS 10000

struct run {
    struct on_change *on_change;
    struct run *next;
    struct name zone; /* "": all of them */
    char *path;
    struct worker_job job;
    struct loop_timer timer;
    int64_t not_before_ms;
    int64_t retry_ms; /* 0: the last one worked */
    bool is_wanted;
    bool is_running;

    char **argv; /* the worker's while it runs, as both below */
    int r;
    struct buffer message;
    char *trouble; /* under the lock; NULL: none */
};

struct on_change {
    struct loop *loop;
    struct worker *worker;
    char **words;
    size_t word_count;
    bool is_for_each;
    struct run *runs;
    int stop_fd;
    pthread_mutex_t lock; /* of the troubles, and of the list against their reader */

    bool is_draining;
    struct loop_timer drain_timer;
    void (*drained)(void *userdata);
    void *drained_userdata;
};

/* ---- the words ---- */

static void append_word(const struct run *run, const char *word, struct buffer *buffer)
{
    while (*word != '\0') {
        if (strncmp(word, "{zone}", 6) == 0) {
            buffer_append(buffer, run->zone.text, strlen(run->zone.text) - 1);
            word += 6;
        } else if (strncmp(word, "{file}", 6) == 0) {
            buffer_append_text(buffer, run->path);
            word += 6;
        } else {
            buffer_append_char(buffer, *word++);
        }
    }
}

static bool has_placeholder(char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(words[i], "{zone}") || strstr(words[i], "{file}")) {
            return true;
        }
    }
    return false;
}

static int fill_argv(struct run *run)
{
    const struct on_change *on_change = run->on_change;

    for (size_t i = 0; i < on_change->word_count; i++) {
        _cleanup_buffer_ struct buffer word = BUFFER_INIT;

        append_word(run, on_change->words[i], &word);
        run->argv[i] = word.length > 0 ? buffer_take(&word) : strdup("");
        if (!run->argv[i]) {
            return -1;
        }
    }
    return 0;
}

static void run_free(struct run *run)
{
    worker_cancel(run->on_change->worker, &run->job);
    loop_timer_cancel(run->on_change->loop, &run->timer);
    for (size_t i = 0; run->argv && i < run->on_change->word_count; i++) {
        free(run->argv[i]);
    }
    free(run->argv);
    free(run->path);
    free(run->trouble);
    buffer_done(&run->message);
    free(run);
}

/* ---- what went wrong ---- */

static const char *zone_text(const struct run *run)
{
    return run->zone.text[0] != '\0' ? run->zone.text : NULL;
}

static void note_trouble(struct run *run, const char *message)
{
    char *copy = strdup(message);

    for (char *at = copy; at && *at; at++) { /* lines of /healthz must stay lines */
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = ' ';
        }
    }
    pthread_mutex_lock(&run->on_change->lock);
    const bool is_news = !run->trouble;
    if (copy) {
        free(run->trouble);
        run->trouble = copy;
    }
    pthread_mutex_unlock(&run->on_change->lock);
    if (is_news) {
        log_event(LOG_LEVEL_WARNING, "on_change_failed", "zone", zone_text(run), "command", run->on_change->words[0],
                  "message", message, NULL);
    }
}

static void note_success(struct run *run)
{
    pthread_mutex_lock(&run->on_change->lock);
    char *trouble = TAKE_PTR(run->trouble);
    pthread_mutex_unlock(&run->on_change->lock);
    if (trouble) {
        log_event(LOG_LEVEL_NOTICE, "on_change_recovered", "zone", zone_text(run), NULL);
    }
    free(trouble);
}

size_t on_change_report_trouble(struct on_change *on_change, struct buffer *buffer)
{
    size_t count = 0;

    pthread_mutex_lock(&on_change->lock);
    for (const struct run *run = on_change->runs; run; run = run->next) {
        if (run->trouble) {
            buffer_printf(buffer, "zonefile.on_change%s%s: %s %s\n", run->zone.text[0] != '\0' ? " for " : "",
                          run->zone.text, on_change->words[0], run->trouble);
            count++;
        }
    }
    pthread_mutex_unlock(&on_change->lock);
    return count;
}

/* ---- running ---- */

static bool run_job(struct worker_job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, job);

    buffer_clear(&run->message);
    run->r = command_run(run->argv, TIMEOUT_MS, run->on_change->stop_fd, &run->message);
    return true;
}

static void start_when_due(struct run *run)
{
    struct loop *loop = run->on_change->loop;

    if (run->is_running || !run->is_wanted) {
        return;
    }
    if (!run->on_change->is_draining && loop_now_ms(loop) < run->not_before_ms &&
        loop_timer_set(loop, &run->timer, run->not_before_ms) == 0) {
        return;
    }
    loop_timer_cancel(loop, &run->timer);
    run->is_wanted = false;
    run->is_running = true;
    run->not_before_ms = loop_now_ms(loop) + PERIOD_MS;
    worker_post(run->on_change->worker, &run->job);
}

static void run_timer(struct loop_timer *timer)
{
    start_when_due(CONTAINER_OF(timer, struct run, timer));
}

static void end_drain_if_idle(struct on_change *on_change);

static void job_done(struct worker_job *job)
{
    struct run *run = CONTAINER_OF(job, struct run, job);
    struct on_change *on_change = run->on_change;

    run->is_running = false;
    if (run->r == 0) {
        run->retry_ms = 0;
        note_success(run);
    } else {
        note_trouble(run, buffer_text(&run->message));
        run->retry_ms = run->retry_ms ? 2 * run->retry_ms : PERIOD_MS;
        run->retry_ms = run->retry_ms < RETRY_MAX_MS ? run->retry_ms : RETRY_MAX_MS;
        run->not_before_ms = loop_now_ms(on_change->loop) + run->retry_ms;
        run->is_wanted |= !on_change->is_draining;
    }
    start_when_due(run);
    if (on_change->is_draining) {
        end_drain_if_idle(on_change);
    }
}

/* ---- zones ---- */

static struct run *run_new(struct on_change *on_change, const char *zone, const char *path)
{
    struct run *run = calloc(1, sizeof(*run));

    if (!run) {
        return NULL;
    }
    run->on_change = on_change;
    run->job = (struct worker_job){.run = run_job, .done = job_done};
    run->timer.run = run_timer;
    (void)stpncpy(run->zone.text, zone, sizeof(run->zone.text) - 1);
    run->path = strdup(path);
    run->argv = calloc(on_change->word_count + 1, sizeof(char *));
    if (!run->path || !run->argv || fill_argv(run) < 0) {
        run_free(run);
        return NULL;
    }
    pthread_mutex_lock(&on_change->lock);
    run->next = on_change->runs;
    on_change->runs = run;
    pthread_mutex_unlock(&on_change->lock);
    return run;
}

static struct run *find_run(struct on_change *on_change, const char *zone, const char *path)
{
    const char *name = on_change->is_for_each ? zone : "";

    for (struct run *run = on_change->runs; run; run = run->next) {
        if (strcmp(run->zone.text, name) == 0) {
            return run;
        }
    }
    return run_new(on_change, name, path);
}

void on_change_written(const char *zone, const char *path, void *userdata)
{
    struct on_change *on_change = userdata;
    struct run *run = find_run(on_change, zone, path);

    if (run) { /* without memory the next change has to do */
        run->is_wanted = true;
        start_when_due(run);
    }
}

/* ---- the end ---- */

static void end_drain(struct on_change *on_change)
{
    void (*drained)(void *userdata) = on_change->drained;

    loop_timer_cancel(on_change->loop, &on_change->drain_timer);
    on_change->drained = NULL;
    if (drained) {
        drained(on_change->drained_userdata);
    }
}

static void end_drain_if_idle(struct on_change *on_change)
{
    for (const struct run *run = on_change->runs; run; run = run->next) {
        if (run->is_running || run->is_wanted) {
            return;
        }
    }
    end_drain(on_change);
}

static void run_drain_timer(struct loop_timer *timer)
{
    struct on_change *on_change = CONTAINER_OF(timer, struct on_change, drain_timer);
    const uint64_t one = 1;

    (void)!write(on_change->stop_fd, &one, sizeof(one));
    end_drain(on_change);
}

void on_change_drain(struct on_change *on_change, int64_t deadline_ms, void (*done)(void *userdata), void *userdata)
{
    on_change->is_draining = true;
    on_change->drained = done;
    on_change->drained_userdata = userdata;
    if (loop_timer_set(on_change->loop, &on_change->drain_timer, deadline_ms) < 0) {
        run_drain_timer(&on_change->drain_timer); /* without memory for a timer there is no waiting */
        return;
    }
    for (struct run *run = on_change->runs; run; run = run->next) {
        start_when_due(run);
    }
    end_drain_if_idle(on_change);
}

/* ---- making and freeing ---- */

static int copy_words(struct on_change *on_change, char *const *words, size_t count)
{
    on_change->words = calloc(count, sizeof(char *));
    while (on_change->words && on_change->word_count < count) {
        char *copy = strdup(words[on_change->word_count]);
        if (!copy) {
            return -ENOMEM;
        }
        on_change->words[on_change->word_count++] = copy;
    }
    return on_change->words ? 0 : -ENOMEM;
}

struct on_change *on_change_new(struct loop *loop, struct worker *worker, char *const *words, size_t word_count)
{
    struct on_change *on_change = calloc(1, sizeof(*on_change));

    if (!on_change) {
        return NULL;
    }
    on_change->loop = loop;
    on_change->worker = worker;
    on_change->is_for_each = has_placeholder(words, word_count);
    on_change->drain_timer.run = run_drain_timer;
    pthread_mutex_init(&on_change->lock, NULL);
    on_change->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (on_change->stop_fd < 0 || copy_words(on_change, words, word_count) < 0) {
        on_change_free(on_change);
        return NULL;
    }
    return on_change;
}

void on_change_free(struct on_change *on_change)
{
    if (!on_change) {
        return;
    }
    loop_timer_cancel(on_change->loop, &on_change->drain_timer);
    while (on_change->runs) {
        struct run *run = on_change->runs;
        on_change->runs = run->next;
        run_free(run);
    }
    for (size_t i = 0; i < on_change->word_count; i++) {
        free(on_change->words[i]);
    }
    free(on_change->words);
    closep(&on_change->stop_fd);
    pthread_mutex_destroy(&on_change->lock);
    free(on_change);
}
