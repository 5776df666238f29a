#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/escape.h"

/* Prefix and newline included; no more than PIPE_BUF, so that a write to a pipe is never split. */
#define LINE_SIZE 4096
#define PREFIX_LENGTH 3 /* <N> */
#define TRUNCATED " truncated=yes"
/* What must fit behind a value that was cut: its quote, the mark and the newline. */
#define RESERVED (1 + sizeof(TRUNCATED))

static atomic_int maximum_level = LOG_LEVEL_INFO;
static atomic_bool to_journal;

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

static void line_end(struct line *line, enum log_level level)
{
    if (line->full) {
        memcpy(line->text + line->length, TRUNCATED, sizeof(TRUNCATED) - 1);
        line->length += sizeof(TRUNCATED) - 1;
    }
    pthread_mutex_lock(&sink_lock);
    if (current_sink != NULL) {
        line->text[line->length] = '\0';
        current_sink(level, line->text + PREFIX_LENGTH, current_userdata);
        pthread_mutex_unlock(&sink_lock);
        return;
    }
    pthread_mutex_unlock(&sink_lock);

    size_t skipped = atomic_load(&to_journal) ? 0 : PREFIX_LENGTH;
    line->text[line->length++] = '\n';
    write_line(line->text + skipped, line->length - skipped);
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

void log_set_sink(log_sink sink, void *userdata)
{
    pthread_mutex_lock(&sink_lock);
    current_sink = sink;
    current_userdata = userdata;
    pthread_mutex_unlock(&sink_lock);
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&maximum_level, memory_order_relaxed)) {
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
    if ((int)level > atomic_load_explicit(&maximum_level, memory_order_relaxed)) {
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
