#include "web/lingering.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket {
    int fd;
    int64_t since_ms;
};

struct lingering {
    pthread_mutex_t lock;
    struct socket sockets[LINGERING_MAX]; /* a ring */
    unsigned first;                       /* the oldest */
    unsigned count;
};

struct lingering *lingering_new(void)
{
    struct lingering *lingering = calloc(1, sizeof(*lingering));

    if (lingering) {
        pthread_mutex_init(&lingering->lock, NULL);
    }
    return lingering;
}

static void close_oldest(struct lingering *lingering)
{
    close(lingering->sockets[lingering->first].fd);
    lingering->first = (lingering->first + 1) % LINGERING_MAX;
    lingering->count--;
}

void lingering_free(struct lingering *lingering)
{
    if (!lingering) {
        return;
    }
    while (lingering->count > 0) {
        close_oldest(lingering);
    }
    pthread_mutex_destroy(&lingering->lock);
    free(lingering);
}

void lingering_add(struct lingering *lingering, int fd, int64_t now_ms)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0) {
        return;
    }
    (void)shutdown(copy, SHUT_WR); /* the client sees the end at once */
    pthread_mutex_lock(&lingering->lock);
    if (lingering->count == LINGERING_MAX) {
        close_oldest(lingering);
    }
    lingering->sockets[(lingering->first + lingering->count) % LINGERING_MAX] = (struct socket){copy, now_ms};
    lingering->count++;
    pthread_mutex_unlock(&lingering->lock);
}

void lingering_tick(struct lingering *lingering, int64_t now_ms)
{
    pthread_mutex_lock(&lingering->lock);
    while (lingering->count > 0 && now_ms - lingering->sockets[lingering->first].since_ms >= LINGERING_MS) {
        close_oldest(lingering);
    }
    pthread_mutex_unlock(&lingering->lock);
}
