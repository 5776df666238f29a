#include "base/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct log_writer {
    int fd;
    int wake; /* eventfd: the thread shall stop, readable from then on */
    log_writer_tell tell;
    pthread_t thread;
    atomic_ullong lost; /* lines, in all */

    pthread_mutex_t lock; /* guards the rest; never held while something is written, but for write_at_once */
    pthread_cond_t changed;
    size_t size;
    size_t first; /* of the bytes that are used */
    size_t used;
    uint64_t dropped; /* lines, since the ring was full; 0: lines are taken */
    bool is_stopping;
    bool has_ended;
    bool is_complete;         /* all was written, or tried */
    bool is_left;             /* the thread did not end */
    struct timespec deadline; /* of the thread when it is stopping; monotonic */
    char ring[];
};

/* ---- the ring; the lock is held ---- */

static void append(struct log_writer *writer, const char *line, size_t length)
{
    size_t at = (writer->first + writer->used) % writer->size;
    size_t straight = writer->size - at < length ? writer->size - at : length;

    memcpy(writer->ring + at, line, straight);
    memcpy(writer->ring, line + straight, length - straight);
    writer->used += length;
}

/* The oldest line leaves the ring; its length. */
static size_t take(struct log_writer *writer, char ret_line[LOG_LINE_SIZE])
{
    size_t length = 0;

    do {
        ret_line[length] = writer->ring[(writer->first + length) % writer->size];
    } while (ret_line[length++] != '\n');
    writer->first = (writer->first + length) % writer->size;
    writer->used -= length;
    return length;
}

/* Not before half of the ring is free: a reader that is slow would else get a line about lost ones after each line. */
static void tell_dropped(struct log_writer *writer)
{
    char line[LOG_LINE_SIZE];

    if (writer->dropped > 0 && writer->used <= writer->size / 2) {
        size_t length = writer->tell(writer->dropped, line);
        append(writer, line, length);
        writer->dropped = 0;
    }
}

/* ---- the thread ---- */

static int left_ms(const struct timespec *deadline)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
    return left > 0 ? (int)left : 0;
}

/* Until something can be written, or writing fails at once. False: the time for that is over. */
static bool wait_for_reader(struct log_writer *writer)
{
    struct pollfd polled[2] = {{writer->fd, POLLOUT, 0}, {writer->wake, POLLIN, 0}};

    for (;;) {
        pthread_mutex_lock(&writer->lock);
        bool is_stopping = writer->is_stopping;
        struct timespec deadline = writer->deadline;
        pthread_mutex_unlock(&writer->lock);

        int ready = poll(polled, is_stopping ? 1 : 2, is_stopping ? left_ms(&deadline) : -1);
        if (ready > 0 && polled[0].revents != 0) {
            return true;
        }
        if (is_stopping && ready == 0) {
            return false;
        }
    }
}

/* -ETIMEDOUT: the time is over; -EIO: it cannot be written. */
static int write_line(struct log_writer *writer, const char *line, size_t length)
{
    while (length > 0) {
        if (!wait_for_reader(writer)) {
            return -ETIMEDOUT;
        }
        ssize_t n = write(writer->fd, line, length);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return -EIO;
        }
        if (n > 0) {
            line += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

/* Waits for a line. 0: there is none, and none is to come. */
static size_t next_line(struct log_writer *writer, char ret_line[LOG_LINE_SIZE])
{
    size_t length = 0;

    pthread_mutex_lock(&writer->lock);
    while (writer->used == 0 && !writer->is_stopping) {
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    if (writer->used > 0) {
        length = take(writer, ret_line);
        tell_dropped(writer);
    }
    pthread_mutex_unlock(&writer->lock);
    return length;
}

static void *run(void *userdata)
{
    struct log_writer *writer = userdata;
    char line[LOG_LINE_SIZE];
    char about[LOG_LINE_SIZE];
    uint64_t failed = 0; /* lines that could not be written, to a full disk say */
    size_t length;
    int r = 0;

    while (r != -ETIMEDOUT && (length = next_line(writer, line)) > 0) {
        r = failed > 0 ? write_line(writer, about, writer->tell(failed, about)) : 0;
        failed = r == 0 ? 0 : failed;
        r = r == 0 ? write_line(writer, line, length) : r;
        if (r < 0) {
            failed++;
            atomic_fetch_add(&writer->lost, 1);
        }
    }
    pthread_mutex_lock(&writer->lock);
    writer->has_ended = true;
    writer->is_complete = r != -ETIMEDOUT;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ---- for everybody ---- */

/* The lock is held, so that of two lines the second does not wait where there was room for one. */
static void write_at_once(const struct log_writer *writer, const char *line, size_t length)
{
    struct pollfd polled = {writer->fd, POLLOUT, 0};

    if (poll(&polled, 1, 0) > 0 && (polled.revents & POLLOUT)) {
        (void)!write(writer->fd, line, length);
    }
}

void log_writer_put(struct log_writer *writer, const char *line, size_t length)
{
    pthread_mutex_lock(&writer->lock);
    if (writer->has_ended) {
        write_at_once(writer, line, length);
    } else if (writer->dropped > 0 || writer->size - writer->used < length) {
        writer->dropped++;
        atomic_fetch_add(&writer->lost, 1);
    } else {
        append(writer, line, length);
        pthread_cond_signal(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
}

/* Without any signal: those of the process are for the threads that wait for them. */
static int start_thread(struct log_writer *writer)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&writer->thread, NULL, run, writer);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        (void)pthread_setname_np(writer->thread, "log");
    }
    return -error;
}

int log_writer_start(int fd, size_t ring_bytes, log_writer_tell tell, struct log_writer **ret_writer)
{
    struct log_writer *writer = calloc(1, sizeof(*writer) + ring_bytes);
    pthread_condattr_t attributes;

    if (!writer) {
        return -ENOMEM;
    }
    writer->fd = fd;
    writer->tell = tell;
    writer->size = ring_bytes;
    atomic_init(&writer->lost, 0);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    writer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = writer->wake >= 0 ? start_thread(writer) : -errno;
    if (r < 0) {
        log_writer_free(writer);
        return r;
    }
    *ret_writer = writer;
    return 0;
}

static void add_ms(struct timespec *time, uint32_t ms)
{
    time->tv_sec += ms / 1000;
    time->tv_nsec += (long)(ms % 1000) * 1000000;
    if (time->tv_nsec >= 1000000000) {
        time->tv_sec++;
        time->tv_nsec -= 1000000000;
    }
}

int log_writer_stop(struct log_writer *writer, uint32_t max_ms)
{
    const uint64_t one = 1;
    struct timespec until;
    int error = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    add_ms(&until, max_ms);
    pthread_mutex_lock(&writer->lock);
    writer->deadline = until;
    writer->is_stopping = true;
    pthread_cond_broadcast(&writer->changed);
    (void)!write(writer->wake, &one, sizeof(one));
    /* The thread ends by itself at its deadline, unless another process has filled the pipe between its poll and its
     * write: then it is left behind. */
    add_ms(&until, max_ms / 2);
    while (!writer->has_ended && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&writer->changed, &writer->lock, &until);
    }
    bool is_left = !writer->has_ended;
    bool is_complete = writer->is_complete;
    writer->is_left = is_left;
    pthread_mutex_unlock(&writer->lock);
    if (is_left) {
        (void)pthread_detach(writer->thread);
    } else {
        (void)pthread_join(writer->thread, NULL);
    }
    return is_complete ? 0 : -ETIMEDOUT;
}

void log_writer_free(struct log_writer *writer)
{
    if (!writer || writer->is_left) {
        return;
    }
    if (writer->wake >= 0) {
        close(writer->wake);
    }
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

uint64_t log_writer_lost(const struct log_writer *writer)
{
    return atomic_load(&writer->lost);
}
