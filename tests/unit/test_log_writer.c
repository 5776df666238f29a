/* Unit tests of base/log_writer: a pipe stands for standard error. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log_writer.h"

#define RING_BYTES ((size_t)4 * LOG_LINE_SIZE)
#define LINE_BYTES 100
#define LINES_IN_RING (RING_BYTES / LINE_BYTES)
#define PIPE_BYTES 4096 /* the least there is: a page, and one packet */
#define STOP_MS 100
#define PATIENT_MS 20000

struct world {
    struct log_writer *writer;
    int reader;
    int fd;
    struct log_writer *left_behind; /* of a test before: where LeakSanitizer finds it */
};

static size_t tell(uint64_t lines, char ret_line[LOG_LINE_SIZE])
{
    return (size_t)snprintf(ret_line, LOG_LINE_SIZE, "lost %" PRIu64 "\n", lines);
}

/* In packet mode a read gives what one write wrote: pipe(2), O_DIRECT. */
static int setup(void **state)
{
    static struct world world;
    int ends[2];

    assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    world = (struct world){.reader = ends[0], .fd = ends[1], .left_behind = world.left_behind};
    assert_int_equal(log_writer_start(world.fd, RING_BYTES, tell, &world.writer), 0);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    log_writer_free(world->writer);
    (void)close(world->fd);
    (void)close(world->reader);
    return 0;
}

/* A line of LINE_BYTES with a number. */
static void put(struct log_writer *writer, unsigned thread, unsigned number)
{
    char line[LINE_BYTES + 1];

    (void)snprintf(line, sizeof(line), "line %u %-*u\n", thread, LINE_BYTES - 8, number);
    assert_int_equal(strlen(line), LINE_BYTES);
    log_writer_put(writer, line, LINE_BYTES);
}

/* The next line without its newline; false: the end. */
static bool get(const struct world *world, char ret_line[LOG_LINE_SIZE + 1])
{
    ssize_t n = read(world->reader, ret_line, LOG_LINE_SIZE);

    assert_true(n >= 0);
    if (n == 0) {
        return false;
    }
    ret_line[n] = '\0';
    assert_ptr_equal(strchr(ret_line, '\n'), ret_line + n - 1);
    ret_line[n - 1] = '\0';
    return true;
}

static unsigned get_number(const struct world *world)
{
    char line[LOG_LINE_SIZE + 1];
    unsigned thread = 0, number = 0;

    assert_true(get(world, line));
    assert_int_equal(sscanf(line, "line %u %u", &thread, &number), 2); // NOLINT(cert-err34-c)
    return number;
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_lost(const struct log_writer *writer, uint64_t lines)
{
    int64_t until_ms = now_ms() + PATIENT_MS;

    while (log_writer_lost(writer) < lines) {
        assert_true(now_ms() < until_ms);
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Puts lines until the first is lost; how many were put, that one included. */
static unsigned fill(struct world *world)
{
    unsigned count = 0;

    while (log_writer_lost(world->writer) == 0) {
        assert_true(count < 2 * LINES_IN_RING);
        put(world->writer, 0, count++);
    }
    assert_true(count > LINES_IN_RING);
    return count;
}

static void test_lines_in_order(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < 10 * LINES_IN_RING; i++) { /* the ring goes round */
        put(world->writer, 0, i);
        assert_int_equal(get_number(world), i);
    }
    assert_int_equal(log_writer_lost(world->writer), 0);
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
}

static void test_a_line_that_is_as_long_as_can_be(void **state)
{
    struct world *world = *state;
    char line[LOG_LINE_SIZE];
    char packet[LOG_LINE_SIZE + 1];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (unsigned i = 0; i < 10; i++) {
        log_writer_put(world->writer, line, sizeof(line));
        assert_true(get(world, packet));
        assert_int_equal(strlen(packet), sizeof(line) - 1);
    }
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
}

/* The line about lost ones comes once, between the last that was taken and the first that is taken again. */
static void test_nobody_reads_for_a_while(void **state)
{
    struct world *world = *state;
    char line[LOG_LINE_SIZE + 1];
    unsigned count = fill(world);

    for (unsigned i = 1; i < 5; i++) {
        put(world->writer, 0, count++);
    }
    assert_int_equal(log_writer_lost(world->writer), 5);
    for (unsigned i = 0; i < count - 5; i++) {
        assert_int_equal(get_number(world), i);
    }
    assert_true(get(world, line));
    assert_string_equal(line, "lost 5");
    put(world->writer, 0, 4711);
    assert_int_equal(get_number(world), 4711);
    assert_int_equal(log_writer_lost(world->writer), 5);
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
}

/* A little room is not enough: there would be a line about lost ones for each line that is read. */
static void test_it_stays_shut_until_half_is_free(void **state)
{
    struct world *world = *state;
    char line[LOG_LINE_SIZE + 1];
    unsigned count = fill(world);

    for (unsigned i = 0; i < LINES_IN_RING / 4; i++) {
        assert_int_equal(get_number(world), i);
        put(world->writer, 0, count++);
    }
    uint64_t lost = log_writer_lost(world->writer);
    assert_int_equal(lost, 1 + LINES_IN_RING / 4);
    for (unsigned i = LINES_IN_RING / 4; i < count - lost; i++) {
        assert_int_equal(get_number(world), i);
    }
    assert_true(get(world, line));
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
}

/* ---- threads ---- */

#define THREADS 4
#define LINES_OF_THREAD 5000

struct putter {
    struct log_writer *writer;
    unsigned number;
};

static void *put_many(void *userdata)
{
    const struct putter *putter = userdata;

    for (unsigned i = 0; i < LINES_OF_THREAD; i++) {
        put(putter->writer, putter->number, i);
    }
    return NULL;
}

struct sums {
    uint64_t read;
    uint64_t told;
};

static void *read_all(void *userdata)
{
    const struct world *world = userdata;
    static struct sums sums;
    unsigned expected[THREADS] = {0}; /* or more, where some are lost */
    char line[LOG_LINE_SIZE + 1];
    unsigned thread = 0, number = 0;

    sums = (struct sums){0};
    while (get(world, line)) {
        if (sscanf(line, "line %u %u", &thread, &number) == 2) { // NOLINT(cert-err34-c)
            assert_true(thread < THREADS && number >= expected[thread]);
            expected[thread] = number + 1;
            sums.read++;
        } else {
            assert_int_equal(sscanf(line, "lost %u", &number), 1); // NOLINT(cert-err34-c)
            sums.told += number;
        }
    }
    return &sums;
}

static void test_what_is_read_and_what_is_lost_is_all(void **state)
{
    struct world *world = *state;
    pthread_t threads[THREADS], reader;
    struct putter putters[THREADS];
    void *result = NULL;

    for (unsigned i = 0; i < THREADS; i++) {
        putters[i] = (struct putter){world->writer, i};
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &putters[i]), 0);
    }
    assert_int_equal(pthread_create(&reader, NULL, read_all, world), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
    assert_int_equal(close(world->fd), 0);
    world->fd = -1;
    assert_int_equal(pthread_join(reader, &result), 0);
    const struct sums *sums = result;
    assert_int_equal(sums->told, log_writer_lost(world->writer));
    assert_int_equal(sums->read + sums->told, THREADS * LINES_OF_THREAD);
}

/* ---- the end ---- */

static void test_stop_writes_what_there_is(void **state)
{
    struct world *world = *state;
    unsigned count = fill(world);
    pthread_t reader;
    void *result = NULL;

    assert_int_equal(pthread_create(&reader, NULL, read_all, world), 0);
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
    assert_int_equal(close(world->fd), 0);
    world->fd = -1;
    assert_int_equal(pthread_join(reader, &result), 0);
    const struct sums *sums = result;
    assert_int_equal(sums->told, 1);
    assert_int_equal(sums->read, count - 1);
}

static void test_stop_does_not_wait_for_ever(void **state)
{
    struct world *world = *state;
    int64_t begun_ms = now_ms();

    (void)fill(world);
    assert_int_equal(log_writer_stop(world->writer, STOP_MS), -ETIMEDOUT);
    assert_true(now_ms() - begun_ms >= STOP_MS - 1);
    put(world->writer, 0, 1); /* neither does whoever logs later */
    assert_true(now_ms() - begun_ms < PATIENT_MS);
    /* On a machine that is busy the thread may not have seen its deadline yet: then it is left behind, with what it has. */
    world->left_behind = world->writer;
    world->fd = world->reader = -1;
}

static void test_lines_after_the_end(void **state)
{
    struct world *world = *state;

    put(world->writer, 0, 1);
    assert_int_equal(get_number(world), 1);
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
    put(world->writer, 0, 2);
    assert_int_equal(get_number(world), 2);
}

/* ---- what cannot be written ---- */

static void test_a_reader_that_is_gone(void **state)
{
    struct world *world = *state;

    assert_int_equal(close(world->reader), 0);
    world->reader = -1;
    for (unsigned i = 0; i < 3; i++) {
        put(world->writer, 0, i);
    }
    wait_lost(world->writer, 3);
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
}

static void test_a_full_disk(void **state)
{
    struct world *world = *state;
    char line[LOG_LINE_SIZE + 1];
    int pipe_end = dup(world->fd);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(pipe_end >= 0 && full >= 0);
    assert_int_equal(dup2(full, world->fd), world->fd);
    for (unsigned i = 0; i < 3; i++) {
        put(world->writer, 0, i);
    }
    wait_lost(world->writer, 3);
    assert_int_equal(dup2(pipe_end, world->fd), world->fd); /* there is room again */
    put(world->writer, 0, 7);
    assert_true(get(world, line));
    assert_string_equal(line, "lost 3");
    assert_int_equal(get_number(world), 7);
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
    (void)close(full);
    (void)close(pipe_end);
}

/* Another process that shares standard error may have made it so. */
static void test_a_pipe_that_does_not_block(void **state)
{
    struct world *world = *state;
    char line[LOG_LINE_SIZE + 1];

    assert_int_equal(fcntl(world->fd, F_SETFL, O_NONBLOCK | O_DIRECT), 0);
    unsigned count = fill(world);
    for (unsigned i = 0; i < count - 1; i++) {
        assert_int_equal(get_number(world), i);
    }
    assert_true(get(world, line));
    assert_string_equal(line, "lost 1");
    assert_int_equal(log_writer_stop(world->writer, PATIENT_MS), 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); // NOLINT(cert-err33-c)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_that_is_as_long_as_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_reads_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_stays_shut_until_half_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_read_and_what_is_lost_is_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_writes_what_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_does_not_wait_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_after_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_that_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pipe_that_does_not_block, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
