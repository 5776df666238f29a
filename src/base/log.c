#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/escape.h"
#include "base/log_writer.h"

#define LINE_SIZE LOG_LINE_SIZE /* prefix and newline included */
#define PREFIX_LENGTH 3         /* <N> */
#define TRUNCATED " truncated=yes"
/* What must fit behind a value that was cut: its quote, the mark and the newline. */
#define RESERVED (1 + sizeof(TRUNCATED))

static atomic_int maximum_level = LOG_LEVEL_INFO;
static atomic_bool to_journal;
static struct log_writer
    *_Atomic writer; /* NULL before log_start; stays, since other threads may still log at the end */

/* Guards the two; held while the sink runs, so that a test's sink needs no lock of its own. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static log_sink current_sink;
static void *current_userdata;

struct line {
    char text[LINE_SIZE];
    size_t length;
    bool full;
};

static void put(struct line *line, const char *text, size_t length)
{
    if (line->full || line->length + length > sizeof(line->text) - RESERVED) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* May it stand without quotes? Whatever would be escaped must not, or "\x41" would have two meanings. */
static bool is_bare(const char *value)
{
    char escaped[ESCAPE_SIZE];
    size_t escaped_length = 0;
    size_t length = strlen(value);
    for (size_t i = 0; i < length;) {
        size_t taken = escape_next(value + i, length - i, escaped, &escaped_length);
        if (escaped_length != taken || strchr(" \"=\\", value[i]) != NULL) {
            return false;
        }
        i += taken;
    }
    return length > 0;
}

static void put_value(struct line *line, const char *value, bool always_quoted)
{
    bool quoted = always_quoted || !is_bare(value);
    char escaped[ESCAPE_SIZE];
    size_t escaped_length = 0;
    size_t length = strlen(value);

    if (quoted) {
        put_text(line, "\"");
    }
    bool open = quoted && !line->full;
    for (size_t i = 0; i < length && !line->full;) {
        size_t taken = escape_next(value + i, length - i, escaped, &escaped_length);
        if (value[i] == '"' || value[i] == '\\') {
            escaped[0] = '\\';
            escaped[1] = value[i];
            escaped_length = 2;
        }
        put(line, escaped, escaped_length);
        i += taken;
    }
    if (open) {
        line->text[line->length++] = '"'; /* RESERVED leaves room for one; past it nothing is put any more */
    }
}

static void put_pair(struct line *line, const char *key, const char *value, bool always_quoted)
{
    put_text(line, line->length > PREFIX_LENGTH ? " " : "");
    put_text(line, key);
    put_text(line, "=");
    if (!line->full) {
        put_value(line, value, always_quoted);
    }
}

static void line_begin(struct line *line, enum log_level level, const char *event)
{
    line->length = 0;
    line->full = false;
    char prefix[] = {'<', (char)('0' + (int)level), '>'};
    put(line, prefix, sizeof(prefix));
    put_pair(line, "event", event, false);
}

static void write_line(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDERR_FILENO, text, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* nowhere to say so */
        }
        text += n;
        length -= (size_t)n;
    }
}

/* Puts the end behind the line. Where it begins for standard error; `ret_length` from there. */
static const char *finish(struct line *line, size_t *ret_length)
{
    size_t skipped = atomic_load(&to_journal) ? 0 : PREFIX_LENGTH;

    if (line->full) {
        memcpy(line->text + line->length, TRUNCATED, sizeof(TRUNCATED) - 1);
        line->length += sizeof(TRUNCATED) - 1;
    }
    line->text[line->length++] = '\n';
    *ret_length = line->length - skipped;
    return line->text + skipped;
}

static void line_end(struct line *line, enum log_level level)
{
    size_t length = 0;
    const char *text = finish(line, &length);
    struct log_writer *thread = atomic_load(&writer);

    pthread_mutex_lock(&sink_lock);
    if (current_sink != NULL) {
        line->text[line->length - 1] = '\0';
        current_sink(level, line->text + PREFIX_LENGTH, current_userdata);
        pthread_mutex_unlock(&sink_lock);
        return;
    }
    pthread_mutex_unlock(&sink_lock);

    if (thread != NULL) {
        log_writer_put(thread, text, length);
    } else {
        write_line(text, length);
    }
}

/* ---- the thread ---- */

static size_t tell_lost(uint64_t lines, char ret_line[LOG_LINE_SIZE])
{
    struct line line;
    char count[24];
    size_t length = 0;

    (void)snprintf(count, sizeof(count), "%" PRIu64, lines);
    line_begin(&line, LOG_LEVEL_WARNING, "log_lost");
    put_pair(&line, "lines", count, false);
    put_pair(&line, "message", "the reader of the log was too slow for them: see what holds it up", true);
    const char *text = finish(&line, &length);
    memcpy(ret_line, text, length);
    return length;
}

int log_start(void)
{
    struct log_writer *started = NULL;
    int r = log_writer_start(STDERR_FILENO, LOG_RING_BYTES, tell_lost, &started);

    atomic_store(&writer, started);
    return r;
}

void log_stop(uint32_t max_ms)
{
    struct log_writer *thread = atomic_load(&writer);

    if (thread != NULL) {
        (void)log_writer_stop(thread, max_ms); /* what was not written has no other place to be told */
    }
}

uint64_t log_lines_lost(void)
{
    struct log_writer *thread = atomic_load(&writer);

    return thread != NULL ? log_writer_lost(thread) : 0;
}

/* Is standard error what the variable names, device:inode? See systemd.exec(5). */
static bool is_journal(const char *stream)
{
    struct stat info;
    char own[64];
    if (stream == NULL || fstat(STDERR_FILENO, &info) < 0) {
        return false;
    }
    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino);
    return strcmp(own, stream) == 0;
}

void log_init(enum log_level maximum)
{
    atomic_store(&maximum_level, (int)maximum);
    atomic_store(&to_journal, is_journal(getenv("JOURNAL_STREAM")));
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&maximum_level, memory_order_relaxed);
}

void log_set_sink(log_sink sink, void *userdata)
{
    pthread_mutex_lock(&sink_lock);
    current_sink = sink;
    current_userdata = userdata;
    pthread_mutex_unlock(&sink_lock);
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_is_on(level)) {
        return;
    }
    int saved_errno = errno;
    char message[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(message, sizeof(message), format, arguments) < 0) {
        message[0] = '\0';
    }
    va_end(arguments);

    struct line line;
    line_begin(&line, level, event);
    put_pair(&line, "message", message, true);
    line_end(&line, level);
    errno = saved_errno;
}

void log_event(enum log_level level, const char *event, ...)
{
    if (!log_is_on(level)) {
        return;
    }
    int saved_errno = errno;
    struct line line;
    line_begin(&line, level, event);

    va_list arguments;
    va_start(arguments, event);
    for (const char *key = va_arg(arguments, const char *); key != NULL; key = va_arg(arguments, const char *)) {
        const char *value = va_arg(arguments, const char *);
        if (value != NULL) {
            put_pair(&line, key, value, false);
        }
    }
    va_end(arguments);
    line_end(&line, level);
    errno = saved_errno;
}
