#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/file_update.h"
#include "temporary.h"

#define PARTS 5
#define PART_LENGTH 1000
#define SPARE ".file.spare"

/* What is written into a spare goes through this pwrite. */
static struct {
    size_t bytes;
    int error; /* what it fails with */
    void (*before)(void);
} writes;

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    if (writes.before) {
        writes.before();
    }
    if (writes.error != 0) {
        errno = writes.error;
        return -1;
    }
    const ssize_t n = syscall(SYS_pwrite64, fd, bytes, length, at);
    writes.bytes += n > 0 ? (size_t)n : 0;
    return n;
}

static bool has_leases;

int fcntl(int fd, int command, ...)
{
    va_list arguments;

    va_start(arguments, command);
    const long argument = va_arg(arguments, long);
    va_end(arguments);
    if (command == F_SETLEASE && !has_leases) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static void (*before_exchange)(void);

int renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name, unsigned flags)
{
    if (before_exchange) {
        before_exchange();
    }
    return (int)syscall(SYS_renameat2, old_folder, old_name, new_folder, new_name, flags);
}

struct fixture {
    char *folder;
    char *path;
    char *spare_path;
    struct file_spare *spare;
    struct stat version;
    struct file_part parts[PARTS];
    char texts[PARTS][2 * PART_LENGTH];
    uint64_t stamp;
};

static struct fixture *the_fixture;

static void set_part(struct fixture *fixture, size_t index, char c, size_t length)
{
    memset(fixture->texts[index], c, length);
    fixture->parts[index] = (struct file_part){fixture->texts[index], length, ++fixture->stamp};
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memset(&writes, 0, sizeof(writes));
    before_exchange = NULL;
    has_leases = true;
    fixture->folder = temporary_folder_make();
    fixture->path = path_join(fixture->folder, "file");
    fixture->spare_path = path_join(fixture->folder, SPARE);
    fixture->spare = file_spare_new(fixture->path);
    assert_non_null(fixture->spare);
    for (size_t i = 0; i < PARTS; i++) {
        set_part(fixture, i, (char)('A' + i), PART_LENGTH);
    }
    assert_int_equal(file_replace(fixture->path, "first", 5, 0640), 0);
    *state = the_fixture = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    file_spare_free(fixture->spare);
    temporary_folder_remove(fixture->folder);
    free(fixture->path);
    free(fixture->spare_path);
    free(fixture);
    return 0;
}

static void read_version(struct fixture *fixture)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;

    assert_int_equal(file_read_version(fixture->path, SIZE_MAX, &content, &fixture->version), 0);
}

static void assert_content(const struct fixture *fixture)
{
    _cleanup_buffer_ struct buffer expected = BUFFER_INIT;
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;

    for (size_t i = 0; i < PARTS; i++) {
        buffer_append(&expected, fixture->parts[i].data, fixture->parts[i].length);
    }
    assert_int_equal(file_read(fixture->path, SIZE_MAX, &content, NULL), 0);
    assert_int_equal(content.length, expected.length);
    assert_memory_equal(content.data, expected.data, expected.length);
}

/* Returns how many bytes were written into a spare; 0: the file was written whole. */
static size_t update(struct fixture *fixture)
{
    struct stat now;

    writes.bytes = 0;
    assert_int_equal(
        file_update(fixture->path, &fixture->version, fixture->parts, PARTS, fixture->spare, &fixture->version), 0);
    assert_content(fixture);
    assert_int_equal(stat(fixture->path, &now), 0);
    assert_true(file_is_version(&now, &fixture->version));
    assert_int_equal(now.st_mode & 0777, 0640);
    return writes.bytes;
}

/* The first update knows nothing of the file, the second leaves the first one's as the spare. */
static void make_spare(struct fixture *fixture)
{
    read_version(fixture);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(access(fixture->spare_path, F_OK), -1);
    set_part(fixture, 0, 'x', PART_LENGTH);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(access(fixture->spare_path, F_OK), 0);
    set_part(fixture, 0, 'y', PART_LENGTH);
}

static unsigned files_in(const struct fixture *fixture)
{
    _cleanup_buffer_ struct buffer command = BUFFER_INIT;
    unsigned count = 0;

    buffer_printf(&command, "ls -A '%s' | wc -l", fixture->folder);
    FILE *pipe = popen(buffer_text(&command), "re"); // NOLINT(cert-env33-c)
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &count), 1); // NOLINT(cert-err34-c)
    (void)pclose(pipe);
    return count;
}

static void only_what_differs_is_written(void **state)
{
    struct fixture *fixture = *state;

    make_spare(fixture);
    assert_int_equal(update(fixture), PART_LENGTH);
    set_part(fixture, 3, 'z', PART_LENGTH);
    assert_int_equal(update(fixture), 2 * PART_LENGTH); /* the spare has neither this nor the last change */
    set_part(fixture, 3, 'Z', PART_LENGTH + 7);
    assert_int_equal(update(fixture), 2 * PART_LENGTH + 7); /* what comes after it has moved */
    set_part(fixture, 3, 'Z', 0);
    assert_int_equal(update(fixture), PART_LENGTH);
    assert_int_equal(files_in(fixture), 2);
    file_spare_drop(fixture->spare);
    assert_int_equal(files_in(fixture), 1);
    set_part(fixture, 2, '!', PART_LENGTH);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(files_in(fixture), 1);
}

static void any_changes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t seed = 1;
    size_t written = 0;

    read_version(fixture);
    for (unsigned step = 0; step < 300; step++) {
        for (size_t i = 0; i < PARTS; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const uint32_t random = (uint32_t)(seed >> 33);
            if (random % 3 == 0) {
                set_part(fixture, i, (char)('a' + random / 3 % 26),
                         random / 100 % 2 ? PART_LENGTH : random / 200 % 2000);
            }
        }
        written += update(fixture);
    }
    assert_true(written > 0);
    assert_int_equal(files_in(fixture), 2);
}

/* Who has opened a version reads it to its end, however often the file changes meanwhile. */
static void whoever_reads_a_version_keeps_it(void **state)
{
    struct fixture *fixture = *state;
    char content[PART_LENGTH];

    make_spare(fixture);
    int fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(update(fixture), PART_LENGTH);
    set_part(fixture, 0, '1', PART_LENGTH);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(read(fd, content, sizeof(content)), sizeof(content));
    assert_int_equal(content[0], 'x');
    (void)close(fd);
    set_part(fixture, 0, '2', PART_LENGTH);
    assert_int_equal(update(fixture), PART_LENGTH);
}

static void whoever_maps_a_version_keeps_it(void **state)
{
    struct fixture *fixture = *state;

    make_spare(fixture);
    int fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
    const char *map = mmap(NULL, PART_LENGTH, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    (void)close(fd);
    assert_int_equal(update(fixture), PART_LENGTH);
    set_part(fixture, 0, '1', PART_LENGTH);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(map[0], 'x');
    (void)munmap((void *)(uintptr_t)map, PART_LENGTH);
}

static void assert_begins_with(const char *path, char c)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;

    assert_int_equal(file_read(path, SIZE_MAX, &content, NULL), 0);
    assert_int_equal(buffer_text(&content)[0], c);
}

/* cp -l of the folder, or a backup program that does the same. */
static void hard_links_keep_their_version(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_free_ char *of_file = path_join(fixture->folder, "1");
    _cleanup_free_ char *of_spare = path_join(fixture->folder, "2");

    make_spare(fixture);
    assert_int_equal(link(fixture->path, of_file), 0);
    assert_int_equal(link(fixture->spare_path, of_spare), 0);
    assert_int_equal(stat(fixture->path, &fixture->version), 0); /* a link is a change of its status */
    for (int i = 0; i < 4; i++) {
        (void)update(fixture);
        set_part(fixture, 0, (char)('1' + i), PART_LENGTH);
    }
    assert_begins_with(of_file, 'x');
    assert_begins_with(of_spare, 'A');
}

static void a_spare_that_was_changed_is_not_used(void **state)
{
    struct fixture *fixture = *state;

    make_spare(fixture);
    int fd = open(fixture->spare_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "!", 1), 1);
    (void)close(fd);
    assert_int_equal(update(fixture), 0);
    set_part(fixture, 0, '1', PART_LENGTH);
    assert_int_equal(update(fixture), PART_LENGTH);
    assert_int_equal(unlink(fixture->spare_path), 0);
    set_part(fixture, 0, '2', PART_LENGTH);
    assert_int_equal(update(fixture), 0);
}

static void another_file_in_its_place(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_free_ char *target = path_join(fixture->folder, "target");
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;

    make_spare(fixture);
    assert_int_equal(file_replace(target, "target", 6, 0600), 0);
    assert_int_equal(unlink(fixture->spare_path), 0);
    assert_int_equal(symlink("target", fixture->spare_path), 0);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(file_read(target, SIZE_MAX, &content, NULL), 0);
    assert_string_equal(buffer_text(&content), "target");
}

/* There nobody could tell whether the spare is being read. */
static void a_file_system_without_leases(void **state)
{
    struct fixture *fixture = *state;

    has_leases = false;
    read_version(fixture);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(update(fixture), 0);
        assert_int_equal(files_in(fixture), 1);
        set_part(fixture, 0, (char)('1' + i), PART_LENGTH);
    }
}

static void a_write_that_fails(void **state)
{
    struct fixture *fixture = *state;

    make_spare(fixture);
    writes.error = EIO;
    assert_int_equal(update(fixture), 0);
    writes.error = 0;
    assert_int_equal(files_in(fixture), 2);
    set_part(fixture, 0, '1', PART_LENGTH);
    assert_int_equal(update(fixture), PART_LENGTH);
}

static void owner_edits_once(void)
{
    before_exchange = NULL;
    assert_int_equal(file_replace(the_fixture->path, "owner's", 7, 0640), 0);
}

static void an_edit_right_before_the_exchange(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;

    make_spare(fixture);
    before_exchange = owner_edits_once;
    assert_int_equal(file_update(fixture->path, &fixture->version, fixture->parts, PARTS, fixture->spare,
                                 &fixture->version),
                     -ESTALE);
    assert_int_equal(file_read(fixture->path, SIZE_MAX, &content, NULL), 0);
    assert_string_equal(buffer_text(&content), "owner's");
    assert_int_equal(files_in(fixture), 1);
    read_version(fixture);
    assert_int_equal(update(fixture), 0);
    assert_int_equal(files_in(fixture), 1); /* the owner's version is not known by its parts */
    set_part(fixture, 0, '1', PART_LENGTH);
    assert_int_equal(update(fixture), 0);
    set_part(fixture, 0, '2', PART_LENGTH);
    assert_int_equal(update(fixture), PART_LENGTH);
}

static char seen;

static void *read_spare(void *userdata)
{
    const struct fixture *fixture = userdata;
    FILE *file = fopen(fixture->spare_path, "re");

    seen = (char)(file ? fgetc(file) : EOF);
    if (file) {
        (void)fclose(file);
    }
    return NULL;
}

static pthread_t reader;

/* While it is written nobody can open it: by its name it is not there. */
static void read_meanwhile(void)
{
    writes.before = NULL;
    assert_int_equal(pthread_create(&reader, NULL, read_spare, the_fixture), 0);
    (void)pthread_join(reader, NULL);
}

static void nobody_sees_it_half_made(void **state)
{
    struct fixture *fixture = *state;

    make_spare(fixture);
    seen = '?';
    writes.before = read_meanwhile;
    assert_int_equal(update(fixture), PART_LENGTH);
    assert_int_equal(seen, (char)EOF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_differs_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(any_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_reads_a_version_keeps_it, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_maps_a_version_keeps_it, setup, teardown),
        cmocka_unit_test_setup_teardown(hard_links_keep_their_version, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spare_that_was_changed_is_not_used, setup, teardown),
        cmocka_unit_test_setup_teardown(another_file_in_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_system_without_leases, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(an_edit_right_before_the_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_sees_it_half_made, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
