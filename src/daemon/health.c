/* --health: asks the daemon that runs with these settings how it is, for a container's HEALTHCHECK. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/daemon.h"

#define ANSWER_MAX_BYTES 65536
#define WAIT_S 5

static const char question[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* Connected, or negative errno. */
static int reach(const struct endpoint *endpoint, int *ret_fd)
{
    struct sockaddr_storage address;
    const struct timeval wait = {.tv_sec = WAIT_S};
    socklen_t length = endpoint_sockaddr(endpoint, &address);
    _cleanup_close_ int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
        connect(fd, (const struct sockaddr *)&address, length) < 0) {
        return -errno;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int ask(const struct endpoint *endpoint, struct buffer *answer)
{
    _cleanup_close_ int fd = -1;
    char bytes[4096];
    ssize_t count;
    int r = reach(endpoint, &fd);

    if (r < 0) {
        return r;
    }
    if (send(fd, question, strlen(question), MSG_NOSIGNAL) != (ssize_t)strlen(question)) {
        return -errno;
    }
    while ((count = recv(fd, bytes, sizeof(bytes), 0)) > 0 && answer->length < ANSWER_MAX_BYTES) {
        buffer_append(answer, bytes, (size_t)count);
    }
    return count < 0 ? -errno : buffer_status(answer);
}

/* Prints what the daemon says, which ends with a newline. */
static int tell_answer(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    bool is_well = strncmp(answer, "HTTP/1.1 200 ", 13) == 0;

    if (!body || strncmp(answer, "HTTP/1.", 7) != 0) {
        (void)fputs("ddns53d: what answers at admin.listen is no ddns53d\n", stderr);
        return EXIT_FAILURE;
    }
    (void)fputs(body + 4, is_well ? stdout : stderr);
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int daemon_health(const char *config, void (*tell)(const struct problems *problems, void *userdata),
                  int (*finish)(void))
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_buffer_ struct buffer answer = BUFFER_INIT;
    int r = problems ? settings_load(config, problems, &settings) : -ENOMEM;

    if (r < 0) {
        if (r == -EINVAL) {
            tell(problems, NULL);
        }
        return EXIT_FAILURE;
    }
    if (!settings->admin_listen) {
        (void)fputs("ddns53d: admin.listen is \"\", so that nobody can be asked; name a loopback address\n", stderr);
        return EXIT_FAILURE;
    }
    r = ask(settings->admin_listen, &answer);
    if (r < 0) {
        (void)fprintf(stderr, "ddns53d: no answer from %s: %s\n", settings->admin_listen->text,
                      r == -EAGAIN ? "it takes too long" : strerror(-r));
        return EXIT_FAILURE;
    }
    int status = tell_answer(buffer_text(&answer));
    return status == EXIT_SUCCESS ? finish() : status;
}
