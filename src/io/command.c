#include "io/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/clock.h"

#define STOP_MS 1000     /* what is left to it when we stop, and between SIGTERM and SIGKILL */
#define LOOK_AGAIN_MS 20 /* without a pidfd */
#define OUTPUT_MAX 8192  /* of the end of what it prints */
#define ENVIRONMENT_MAX 16
#define MESSAGE_LINE_MAX 200

struct command {
    pid_t pid;
    int pidfd;
    int output;
    int stop_fd;
    int64_t end_ms; /* when it is told to end, then when it is killed */
    bool is_late;
    bool is_stopping;
    bool is_killed;
    char tail[OUTPUT_MAX];
    size_t tail_length;
};

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* ---- starting ---- */

static int fill_actions(posix_spawn_file_actions_t *actions, int output)
{
    int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    r = r ? r : posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    r = r ? r : posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static int fill_attributes(posix_spawnattr_t *attributes)
{
    sigset_t signals;
    int r;

    (void)sigfillset(&signals);
    r = posix_spawnattr_setsigdefault(attributes, &signals);
    (void)sigemptyset(&signals);
    r = r ? r : posix_spawnattr_setsigmask(attributes, &signals);
    r = r ? r : posix_spawnattr_setpgroup(attributes, 0);
    return r ? r
             : posix_spawnattr_setflags(attributes,
                                        POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

static int spawn(char *const argv[], char *const *more, int output, pid_t *ret_pid)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[ENVIRONMENT_MAX + 2] = {path}; /* ours holds credentials */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    for (size_t i = 0; more && more[i] && i < ENVIRONMENT_MAX; i++) {
        environment[i + 1] = more[i];
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    int r = fill_actions(&actions, output);
    r = r ? r : fill_attributes(&attributes);
    r = r ? r : posix_spawn(ret_pid, argv[0], &actions, &attributes, argv, environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* ---- waiting ---- */

/* Keeps the end of it, so that a program that prints a lot neither blocks nor costs memory. */
static void read_output(struct command *command)
{
    char bytes[OUTPUT_MAX];
    ssize_t n;

    while ((n = read(command->output, bytes, sizeof(bytes))) > 0) {
        const size_t length = (size_t)n;
        size_t kept = command->tail_length;

        if (kept > sizeof(command->tail) - length) {
            kept = sizeof(command->tail) - length;
            memmove(command->tail, command->tail + command->tail_length - kept, kept);
        }
        memcpy(command->tail + kept, bytes, length);
        command->tail_length = kept + length;
    }
    if (n == 0) { /* nobody holds the other end */
        closep(&command->output);
        command->output = -1;
    }
}

static void end_if_late(struct command *command)
{
    if (now_ms() < command->end_ms) {
        return;
    }
    (void)kill(-command->pid, command->is_late ? SIGKILL : SIGTERM);
    command->is_killed = command->is_late;
    command->is_late = true;
    command->end_ms = now_ms() + STOP_MS;
}

static void wait_a_while(struct command *command)
{
    struct pollfd polled[3] = {
        {.fd = command->pidfd, .events = POLLIN},
        {.fd = command->output, .events = POLLIN},
        {.fd = command->is_stopping ? -1 : command->stop_fd, .events = POLLIN},
    };
    int64_t left_ms = command->end_ms - now_ms();

    if (command->pidfd < 0 && left_ms > LOOK_AGAIN_MS) {
        left_ms = LOOK_AGAIN_MS;
    }
    (void)poll(polled, 3, left_ms > 0 ? (int)left_ms : 0);
    if (polled[1].revents) {
        read_output(command);
    }
    if (polled[2].revents) {
        command->is_stopping = true;
        if (command->end_ms > now_ms() + STOP_MS) {
            command->end_ms = now_ms() + STOP_MS;
        }
    }
}

/* Returns waitpid's status; -ECHILD: somebody has SIGCHLD ignored, so that nobody knows. */
static int wait_for_end(struct command *command, int *ret_status)
{
    for (;;) {
        const pid_t ended = waitpid(command->pid, ret_status, WNOHANG);
        if (ended == command->pid) {
            break;
        }
        if (ended < 0 && errno != EINTR) {
            return -errno;
        }
        end_if_late(command); /* right after the look: who ended in time is not late because we are */
        wait_a_while(command);
    }
    if (command->output >= 0) {
        read_output(command);
    }
    return 0;
}

/* ---- words ---- */

static void add_last_line(const struct command *command, struct buffer *message)
{
    size_t end = command->tail_length;

    while (end > 0 && (unsigned char)command->tail[end - 1] <= ' ') {
        end--;
    }
    size_t start = end;
    while (start > 0 && command->tail[start - 1] != '\n') {
        start--;
    }
    if (end - start > MESSAGE_LINE_MAX) {
        end = start + MESSAGE_LINE_MAX;
    }
    if (end > start) {
        buffer_append_text(message, ": ");
        buffer_append(message, command->tail + start, end - start);
    }
}

static int explain_end(const struct command *command, int status, struct buffer *message)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !command->is_late) {
        return 0;
    }
    if (command->is_late) {
        buffer_append_text(message, command->is_killed ? "took too long, did not end when asked to, and was killed"
                                                       : "took too long and was ended");
    } else if (WIFSIGNALED(status)) {
        buffer_printf(message, "was ended by signal %d (%s)", WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
    } else {
        buffer_printf(message, "ended with status %d", WEXITSTATUS(status));
    }
    add_last_line(command, message);
    return -EIO;
}

static int run(char *const argv[], char *const *environment, struct command *command, int output,
               struct buffer *message)
{
    int status = 0;
    int r = spawn(argv, environment, output, &command->pid);

    close(output);
    if (r < 0) {
        buffer_printf(message, "cannot be run: %s", strerrordesc_np(-r));
        return r;
    }
    command->pidfd = pidfd_open(command->pid, 0); /* -1: old kernel, or forbidden */
    r = wait_for_end(command, &status);
    closep(&command->pidfd);
    if (r < 0) {
        buffer_printf(message, "cannot be waited for: %s", strerrordesc_np(-r));
        return r;
    }
    return explain_end(command, status, message);
}

int command_run_with(char *const argv[], const struct command_options *options, struct buffer *message)
{
    struct command command = {.stop_fd = options->stop_fd, .end_ms = now_ms() + options->timeout_ms};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        buffer_printf(message, "cannot be run: %s", strerrordesc_np(errno));
        return -errno;
    }
    command.output = ends[0];
    int r = run(argv, options->environment, &command, ends[1], message);
    closep(&command.output);
    if (options->output) {
        buffer_append(options->output, command.tail, command.tail_length);
    }
    return r;
}

int command_run(char *const argv[], int64_t timeout_ms, int stop_fd, struct buffer *message)
{
    return command_run_with(argv, &(struct command_options){.timeout_ms = timeout_ms, .stop_fd = stop_fd}, message);
}
