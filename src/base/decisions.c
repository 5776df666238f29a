#include "base/decisions.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/decisions_file.h"
#include "base/decisions_limit.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/thread.h"

#define LINE_SIZE 2048 /* newline included */
#define TEXT_MAX 512   /* of one value */
#define PENDING_MAX_BYTES ((size_t)256 * 1024)
#define STOP_MS 2000

/* 50 decisions of a host are five minutes of a client that runs wild, and weeks of one that does not. */
static const struct decisions_limits family_limits[DECISIONS_FAMILIES] = {
    [DECISIONS_HOSTS] = {.per_host = 30, .per_source = 60, .in_all = 3000, .unchanged_in_all = 300},
    [DECISIONS_OTHERS] = {.per_host = 30, .per_source = 30, .in_all = 600, .unchanged_in_all = 300},
};

struct family {
    struct decisions_limit *limit;
    struct decisions_file file; /* the thread's */
    struct buffer pending;      /* the lock's */
    struct buffer writing;      /* the thread's */
};

struct decisions {
    const struct clock *clock;
    bool is_on;
    struct family families[DECISIONS_FAMILIES];
    atomic_ullong counted;
    atomic_ullong lost;
    pthread_t thread;
    bool has_thread;
    bool is_failing; /* the thread's */

    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    bool is_stopping;
    bool has_ended;
};

/* ---- a line ---- */

struct line {
    char text[LINE_SIZE];
    size_t length;
};

/* Drops what does not fit; each text is cut before, so that all of them do. */
static void put(struct line *line, const char *text, size_t length)
{
    if (line->length + length < sizeof(line->text)) {
        memcpy(line->text + line->length, text, length);
        line->length += length;
    }
}

static void put_escaped(struct line *line, char c, bool is_ascii_only)
{
    char escaped[8];

    if (c == '"' || c == '\\') {
        escaped[0] = '\\';
        escaped[1] = c;
        put(line, escaped, 2);
    } else if ((unsigned char)c < ' ' || c == 0x7f) {
        (void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)(unsigned char)c);
        put(line, escaped, 6);
    } else {
        put(line, (unsigned char)c >= 0x80 && is_ascii_only ? "?" : &c, 1);
    }
}

/* RFC 8259. What is no UTF-8 loses its other bytes. NULL: nothing is put. */
static void put_text(struct line *line, const char *key, const char *text)
{
    if (!text) {
        return;
    }
    size_t length = strnlen(text, TEXT_MAX);
    while (length > 0 && text[length] != '\0' && ((unsigned char)text[length] & 0xc0) == 0x80) {
        length--; /* not in the middle of a character */
    }
    const bool is_valid = utf8_is_valid(text, length);
    put(line, line->length > 1 ? ",\"" : "\"", line->length > 1 ? 2 : 1);
    put(line, key, strlen(key));
    put(line, "\":\"", 3);
    for (size_t i = 0; i < length && line->length < sizeof(line->text) - 64; i++) {
        put_escaped(line, text[i], !is_valid);
    }
    put(line, "\"", 1);
}

static void put_number(struct line *line, const char *key, int64_t number)
{
    char text[64];
    const int length = snprintf(text, sizeof(text), "%s\"%s\":%" PRId64, line->length > 1 ? "," : "", key, number);

    put(line, text, (size_t)length);
}

static void begin(struct line *line, int64_t time_ms)
{
    line->length = 0;
    put(line, "{", 1);
    put_number(line, "time_ms", time_ms);
}

static void end(struct line *line)
{
    put(line, "}\n", 2);
}

static void put_source(struct line *line, const struct address *source)
{
    char text[ADDRESS_TEXT_SIZE] = "local";

    if (source->family != ADDRESS_NONE) {
        address_print(source, text);
    }
    put_text(line, "source", text);
}

static void print(const struct kept_decision *decision, struct line *line)
{
    begin(line, decision->time_ms);
    put_source(line, &decision->source);
    put_text(line, "dialect", decision->dialect);
    put_text(line, "host", decision->host);
    put_text(line, "type", decision->type);
    put_text(line, decision->is_withdrawal ? "withdraw" : "value", decision->is_withdrawal ? "yes" : decision->value);
    put_text(line, "verdict", decision->verdict);
    put_text(line, "reason", decision->reason);
    put_text(line, "message", decision->message);
    if (decision->status > 0) {
        put_number(line, "status", decision->status);
    }
    put_text(line, "secret", decision->secret);
    put_text(line, "change_id", decision->change_id);
    end(line);
}

/* ---- keeping ---- */

static void hand_over(struct decisions *decisions, struct family *family, const struct line *line)
{
    pthread_mutex_lock(&decisions->lock);
    if (family->pending.length + line->length > PENDING_MAX_BYTES) {
        atomic_fetch_add(&decisions->lost, 1);
    } else {
        buffer_append(&family->pending, line->text, line->length);
        pthread_cond_signal(&decisions->changed);
    }
    pthread_mutex_unlock(&decisions->lock);
}

void decisions_keep(struct decisions *decisions, const struct kept_decision *decision)
{
    struct line line;

    if (!decisions || !decisions->is_on) {
        return;
    }
    struct family *family = &decisions->families[decision->is_ours ? DECISIONS_HOSTS : DECISIONS_OTHERS];
    if (!decisions_limit_take(family->limit, decision, clock_monotonic_ms(decisions->clock))) {
        atomic_fetch_add(&decisions->counted, 1);
        return;
    }
    print(decision, &line);
    hand_over(decisions, family, &line);
}

struct tick {
    struct decisions *decisions;
    struct family *family;
};

static void tell_left_out(const struct decisions_left_out *left_out, void *userdata)
{
    const struct tick *tick = userdata;
    struct line line;

    begin(&line, clock_realtime_ms(tick->decisions->clock));
    if (left_out->source) {
        put_source(&line, left_out->source);
    }
    put_text(&line, "host", left_out->host);
    put_text(&line, "verdict", "more");
    put_number(&line, "count", (int64_t)left_out->count);
    end(&line);
    hand_over(tick->decisions, tick->family, &line);
}

void decisions_tick(struct decisions *decisions, int64_t now_ms)
{
    for (size_t i = 0; decisions && decisions->is_on && i < DECISIONS_FAMILIES; i++) {
        struct tick tick = {decisions, &decisions->families[i]};
        decisions_limit_tick(tick.family->limit, now_ms, tell_left_out, &tick);
    }
}

uint64_t decisions_counted(const struct decisions *decisions)
{
    return atomic_load(&decisions->counted);
}

uint64_t decisions_lost(const struct decisions *decisions)
{
    return atomic_load(&decisions->lost);
}

/* ---- the thread ---- */

static uint64_t count_lines(const struct buffer *lines)
{
    uint64_t count = 0;

    for (size_t i = 0; i < lines->length; i++) {
        count += lines->data[i] == '\n' ? 1 : 0;
    }
    return count;
}

/* Once a spell: who writes the reason away once a second fills a disk that is full. */
static void tell_failure(struct decisions *decisions, const struct decisions_file *file, int r)
{
    const char *advice = file_advice(r);

    if (r == 0 && decisions->is_failing) {
        log_event(LOG_LEVEL_NOTICE, "decisions_recovered", NULL);
    } else if (r < 0 && !decisions->is_failing) {
        log_warning("decisions_failed", "%s: %s: %s; until then decisions are not kept, which harms nothing else",
                    file->path, strerror(-r), advice ? advice : "see that the disk of state_dir is healthy");
    }
    decisions->is_failing = r < 0;
}

static void write_out(struct decisions *decisions, struct family *family)
{
    if (family->writing.length == 0) {
        return;
    }
    const int r = decisions_file_append(&family->file, family->writing.data, family->writing.length);
    if (r < 0) {
        atomic_fetch_add(&decisions->lost, count_lines(&family->writing));
    }
    tell_failure(decisions, &family->file, r);
    buffer_clear(&family->writing);
}

static bool is_idle(const struct decisions *decisions)
{
    for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
        if (decisions->families[i].pending.length > 0) {
            return false;
        }
    }
    return true;
}

/* Takes what is there. False: there is nothing, and nothing is to come. */
static bool take_pending(struct decisions *decisions)
{
    pthread_mutex_lock(&decisions->lock);
    while (is_idle(decisions) && !decisions->is_stopping) {
        pthread_cond_wait(&decisions->changed, &decisions->lock);
    }
    const bool is_over = is_idle(decisions);
    for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
        struct family *family = &decisions->families[i];
        const struct buffer empty = family->writing;
        family->writing = family->pending;
        family->pending = empty;
    }
    pthread_mutex_unlock(&decisions->lock);
    return !is_over;
}

static void *run(void *userdata)
{
    struct decisions *decisions = userdata;

    while (take_pending(decisions)) {
        for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
            write_out(decisions, &decisions->families[i]);
        }
    }
    pthread_mutex_lock(&decisions->lock);
    decisions->has_ended = true;
    pthread_cond_broadcast(&decisions->changed);
    pthread_mutex_unlock(&decisions->lock);
    return NULL;
}

/* ---- making and freeing ---- */

static int init_families(struct decisions *decisions, const struct decisions_options *options)
{
    const size_t max_bytes = options->bytes / (2 * DECISIONS_FAMILIES);
    int r = 0;

    for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
        struct family *family = &decisions->families[i];
        if (decisions_file_init(&family->file, options->state_dir, (enum decisions_family)i, max_bytes) < 0) {
            r = -ENOMEM;
        }
        family->limit = decisions_limit_new(&family_limits[i]);
        r = family->limit ? r : -ENOMEM;
    }
    return r;
}

struct decisions *decisions_new(const struct decisions_options *options)
{
    _cleanup_(decisions_freep) struct decisions *decisions = calloc(1, sizeof(*decisions));
    pthread_condattr_t attributes;

    if (!decisions) {
        return NULL;
    }
    decisions->clock = options->clock;
    decisions->is_on = options->bytes > 0;
    pthread_mutex_init(&decisions->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&decisions->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (init_families(decisions, options) < 0) {
        return NULL;
    }
    return TAKE_PTR(decisions);
}

int decisions_start(struct decisions *decisions)
{
    const int r = decisions->is_on ? thread_start("decisions", run, decisions, &decisions->thread) : 0;

    decisions->has_thread = decisions->is_on && r == 0;
    return r;
}

/* False: it hangs in a write, and goes on using the struct. */
static bool stop_thread(struct decisions *decisions)
{
    struct timespec until;
    int error = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_MS / 1000;
    pthread_mutex_lock(&decisions->lock);
    decisions->is_stopping = true;
    pthread_cond_broadcast(&decisions->changed);
    while (!decisions->has_ended && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&decisions->changed, &decisions->lock, &until);
    }
    const bool has_ended = decisions->has_ended;
    pthread_mutex_unlock(&decisions->lock);
    if (has_ended) {
        (void)pthread_join(decisions->thread, NULL);
    } else {
        (void)pthread_detach(decisions->thread);
    }
    return has_ended;
}

void decisions_free(struct decisions *decisions)
{
    if (!decisions) {
        return;
    }
    decisions_tick(decisions, INT64_MAX);
    if (decisions->has_thread && !stop_thread(decisions)) {
        return;
    }
    for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
        struct family *family = &decisions->families[i];
        decisions_limit_free(family->limit);
        decisions_file_done(&family->file);
        buffer_done(&family->pending);
        buffer_done(&family->writing);
    }
    pthread_cond_destroy(&decisions->changed);
    pthread_mutex_destroy(&decisions->lock);
    free(decisions);
}
