#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "io/command.h"
#include "temporary.h"

#define STOP_MS 1000 /* as in io/command.c */

/* In place of the C library's, where a test wants to be late: a program has said that it ended, and then the time that it
 * had is over before anybody looks. */
static int64_t late_until_ms;

int late_poll(struct pollfd *polled, nfds_t count, int timeout_ms) __asm__("poll");

int late_poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    int ready = ppoll(polled, count, timeout_ms < 0 ? NULL : &timeout, NULL);

    int64_t early_ms = late_until_ms - clock_monotonic_ms(clock_system());
    if (ready > 0 && (polled[0].revents & POLLIN) && early_ms > 0) {
        const struct timespec early = {.tv_sec = early_ms / 1000, .tv_nsec = early_ms % 1000 * 1000000L};
        (void)nanosleep(&early, NULL);
    }
    return ready;
}

/* What the script says on standard output and error, and what command_run makes of it. */
static void expect_run(const char *script, int64_t timeout_ms, int stop_fd, int r, const char *words)
{
    char shell[] = "/bin/sh", option[] = "-c";
    char *text = strdup(script);
    char *argv[] = {shell, option, text, NULL};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    const int got = command_run(argv, timeout_ms, stop_fd, &message);

    free(text);
    if (got != r || strcmp(buffer_text(&message), words) != 0) {
        fail_msg("%d \"%s\" instead of %d \"%s\"", got, buffer_text(&message), r, words);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
    assert_int_equal(errno, ECHILD);
}

static void test_ends(void **state)
{
    (void)state;
    expect_run("exit 0", 60000, -1, 0, "");
    expect_run("echo out; echo err >&2", 60000, -1, 0, "");
    expect_run("exit 3", 60000, -1, -EIO, "ended with status 3");
    expect_run("echo first; echo '  error: the last' >&2; echo; exit 1", 60000, -1, -EIO,
               "ended with status 1:   error: the last");
    expect_run("kill -9 $$", 60000, -1, -EIO, "was ended by signal 9 (Killed)");
    /* A lot of output neither blocks it nor counts, but for its end. */
    expect_run("i=0; while [ $i -lt 3000 ]; do echo 'a line of output that nobody needs, and some more'; i=$((i+1)); "
               "done; printf 'the end'; exit 9",
               60000, -1, -EIO, "ended with status 9: the end");
}

static void test_with_output_and_environment(void **state)
{
    char shell[] = "/bin/sh", option[] = "-c", text[] = "echo \"first $ONE\"; echo \"second $HOME\" >&2";
    char one[] = "ONE=1";
    char *argv[] = {shell, option, text, NULL};
    char *environment[] = {one, NULL};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer output = BUFFER_INIT;
    const struct command_options options = {
        .environment = environment, .output = &output, .timeout_ms = 60000, .stop_fd = -1};
    (void)state;

    assert_int_equal(command_run_with(argv, &options, &message), 0);
    assert_string_equal(buffer_text(&output), "first 1\nsecond \n");
}

static void test_cannot_be_run(void **state)
{
    char path[] = "/nonexistent/program";
    char *argv[] = {path, NULL};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    (void)state;

    assert_int_equal(command_run(argv, 1000, -1, &message), -ENOENT);
    assert_string_equal(buffer_text(&message), "cannot be run: No such file or directory");
}

/* It gets none of our descriptors, nor our environment, nor what we do with signals. */
static void test_surroundings(void **state)
{
    int fd = open("/dev/null", O_RDONLY); // NOLINT(android-cloexec-open): to be inherited, if it were not for us
    (void)state;

    assert_true(fd >= 3);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "secret", 1), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    expect_run("test -z \"$AWS_SECRET_ACCESS_KEY\"", 60000, -1, 0, "");
    expect_run("test ! -e /proc/$$/fd/3 && test ! -e /proc/$$/fd/4 && test ! -e /proc/$$/fd/5", 60000, -1, 0, "");
    expect_run("test \"$(readlink /proc/$$/fd/0)\" = /dev/null", 60000, -1, 0, "");
    expect_run("while read -r key value; do case $key in SigIgn:|SigBlk:) echo ${value#?????????}; esac; done "
               "</proc/$$/status; exit 1",
               60000, -1, -EIO, "ended with status 1: 0000000");
    (void)signal(SIGPIPE, SIG_DFL);
    close(fd);
}

static void test_takes_too_long(void **state)
{
    (void)state;
    expect_run("exec sleep 600", 50, -1, -EIO, "took too long and was ended");
}

/* Whoever is stopped once the script has said that it may: then it has done what stands before. */
static void expect_stop(const char *before, const char *after, const char *words)
{
    char *folder = temporary_folder_make();
    _cleanup_free_ char *path = path_join(folder, "stop");
    _cleanup_buffer_ struct buffer script = BUFFER_INIT;

    assert_int_equal(mkfifo(path, 0600), 0);
    int stop_fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(stop_fd >= 0);
    buffer_printf(&script, "%s; echo now >'%s'; %s", before, path, after);
    expect_run(buffer_text(&script), 60000, stop_fd, -EIO, words);
    close(stop_fd);
    temporary_folder_remove(folder);
}

static void test_ended_with_its_last_words(void **state)
{
    (void)state;
    expect_stop("echo waiting", "exec sleep 600", "took too long and was ended: waiting");
    expect_stop("trap '' TERM; echo stubborn", "while :; do sleep 600; done",
                "took too long, did not end when asked to, and was killed: stubborn");
}

static void test_ended_in_time_and_seen_late(void **state)
{
    (void)state;
    late_until_ms = clock_monotonic_ms(clock_system()) + 3000;
    expect_run("exit 0", 2900, -1, 0, "");
    late_until_ms = 0;
}

/* Who leaves a child behind that holds the pipe has ended all the same. */
static void test_leaves_a_child(void **state)
{
    char *folder = temporary_folder_make();
    _cleanup_free_ char *path = path_join(folder, "pid");
    _cleanup_buffer_ struct buffer script = BUFFER_INIT;
    _cleanup_buffer_ struct buffer pid = BUFFER_INIT;
    (void)state;

    buffer_printf(&script, "sleep 600 & echo $! > '%s'; exit 0", path);
    expect_run(buffer_text(&script), 60000, -1, 0, "");
    assert_int_equal(file_read(path, 100, &pid, NULL), 0);
    assert_int_equal(kill((pid_t)strtol(buffer_text(&pid), NULL, 10), SIGKILL), 0);
    temporary_folder_remove(folder);
}

static void test_stopped(void **state)
{
    const uint64_t one = 1;
    int stop_fd = eventfd(0, EFD_CLOEXEC);
    (void)state;

    assert_int_equal(write(stop_fd, &one, sizeof(one)), sizeof(one));
    int64_t begun_ms = clock_monotonic_ms(clock_system());
    expect_run("exec sleep 600", 60000, stop_fd, -EIO, "took too long and was ended");
    assert_true(clock_monotonic_ms(clock_system()) - begun_ms >= STOP_MS); /* it has a second */
    /* and who makes use of it has not failed, unless this machine took longer */
    char shell[] = "/bin/sh", option[] = "-c", text[] = "exit 0";
    char *argv[] = {shell, option, text, NULL};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    begun_ms = clock_monotonic_ms(clock_system());
    int r = command_run(argv, 60000, stop_fd, &message);
    assert_true(r == 0 || clock_monotonic_ms(clock_system()) - begun_ms >= STOP_MS);
    close(stop_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_cannot_be_run),
        cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_takes_too_long),
        cmocka_unit_test(test_ended_with_its_last_words),
        cmocka_unit_test(test_ended_in_time_and_seen_late),
        cmocka_unit_test(test_leaves_a_child),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_with_output_and_environment),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
