#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/file_update.h"
#include "temporary.h"

/* The owner's edits at the instants that count: file_update's renameat2 is this one. */
static struct {
    void (*before)(unsigned call);
    void (*after)(unsigned call);
    unsigned calls;
    int error; /* what it fails with */
} renames;

static const char *the_path;

int renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name, unsigned flags)
{
    const unsigned call = ++renames.calls;

    if (renames.error != 0) {
        errno = renames.error;
        return -1;
    }
    if (renames.before) {
        renames.before(call);
    }
    const long r = syscall(SYS_renameat2, old_folder, old_name, new_folder, new_name, flags);
    const int error = errno;
    if (renames.after) {
        renames.after(call);
    }
    errno = error;
    return (int)r;
}

struct fixture {
    char *folder;
    char *path;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memset(&renames, 0, sizeof(renames));
    fixture->folder = temporary_folder_make();
    fixture->path = path_join(fixture->folder, "file");
    the_path = fixture->path;
    assert_int_equal(file_replace(fixture->path, "first", 5, 0640), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    temporary_folder_remove(fixture->folder);
    free(fixture->path);
    free(fixture);
    return 0;
}

static void owner_replaces(const char *content)
{
    assert_int_equal(file_replace(the_path, content, strlen(content), 0640), 0);
}

static void assert_content(const char *expected)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;

    assert_int_equal(file_read(the_path, 1000, &content, NULL), 0);
    assert_string_equal(buffer_text(&content), expected);
}

/* In three parts, of which one is empty. */
static int update_with(const char *path, const struct stat *version, const char *content, struct stat *ret_version)
{
    const struct file_part parts[] = {{content, 1, 0}, {"", 0, 0}, {content + 1, strlen(content) - 1, 0}};

    return file_update(path, version, parts, ELEMENTS(parts), NULL, ret_version);
}

/* Nothing is left beside the file. */
static void assert_alone(const struct fixture *fixture)
{
    _cleanup_buffer_ struct buffer command = BUFFER_INIT;

    buffer_printf(&command, "test \"$(ls -A '%s')\" = file", fixture->folder);
    assert_int_equal(system(buffer_text(&command)), 0); // NOLINT(cert-env33-c)
}

static struct stat read_version(const char *expected)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    struct stat version;

    assert_int_equal(file_read_version(the_path, 1000, &content, &version), 0);
    assert_string_equal(buffer_text(&content), expected);
    return version;
}

static void test_plain(void **state)
{
    struct stat version = read_version("first"), now;

    assert_int_equal(update_with(the_path, &version, "second", &version), 0);
    assert_content("second");
    assert_int_equal(stat(the_path, &now), 0);
    assert_true(file_is_version(&now, &version));
    assert_int_equal(now.st_mode & 0777, 0640);
    assert_int_equal(update_with(the_path, &version, "third", &version), 0);
    assert_content("third");
    owner_replaces("third");
    assert_int_equal(update_with(the_path, &version, "fourth", &version), -ESTALE); /* the same bytes, yet another */
    assert_content("third");
    version = read_version("third");
    assert_int_equal(unlink(the_path), 0);
    assert_int_equal(update_with(the_path, &version, "fourth", &version), -ESTALE);
    assert_int_equal(access(the_path, F_OK), -1);
    owner_replaces("x");
    assert_alone(*state);
}

static void before_first(unsigned call)
{
    if (call == 1) {
        owner_replaces("owner's");
    }
}

static void edit_right_before_the_exchange(void **state)
{
    struct stat version = read_version("first");

    renames.before = before_first;
    assert_int_equal(update_with(the_path, &version, "second", &version), -ESTALE);
    assert_content("owner's");
    assert_alone(*state);
    version = read_version("owner's");
    assert_int_equal(update_with(the_path, &version, "owner's and second", &version), 0);
    assert_content("owner's and second");
}

/* Ours has been put in over the first edit; before it goes back, the second edit takes its place. */
static void before_each(unsigned call)
{
    char text[16];

    if (call <= 5) {
        (void)snprintf(text, sizeof(text), "edit %u", call);
        owner_replaces(text);
    }
}

static void edits_before_each_exchange(void **state)
{
    struct stat version = read_version("first");

    renames.before = before_each;
    assert_int_equal(update_with(the_path, &version, "second", &version), -ESTALE);
    assert_content("edit 5");
    assert_alone(*state);
}

static void right_after_the_first(unsigned call)
{
    if (call == 1) {
        owner_replaces("owner's");
    }
}

/* Replaced right after ours was in place: ours was there, and the owner's is newer. */
static void edit_right_after_the_exchange(void **state)
{
    struct stat version = read_version("first"), now;

    renames.after = right_after_the_first;
    assert_int_equal(update_with(the_path, &version, "second", &version), 0);
    assert_content("owner's");
    assert_int_equal(stat(the_path, &now), 0);
    assert_false(file_is_version(&now, &version)); /* so that it is read before it is changed again */
    assert_alone(*state);
}

static void delete_before_second(unsigned call)
{
    if (call == 1) {
        owner_replaces("owner's");
    } else if (call == 2) {
        assert_int_equal(unlink(the_path), 0);
    }
}

static void deleted_before_it_goes_back(void **state)
{
    struct stat version = read_version("first");

    renames.before = delete_before_second;
    assert_int_equal(update_with(the_path, &version, "second", &version), -ESTALE);
    assert_content("owner's");
    assert_alone(*state);
}

/* ---- readers and writers in place ---- */

static atomic_bool is_open;
static char seen[32];

static void *read_it(void *userdata)
{
    FILE *file = fopen(the_path, "re");
    (void)userdata;

    atomic_store(&is_open, true);
    assert_non_null(file);
    seen[fread(seen, 1, sizeof(seen) - 1, file)] = '\0';
    (void)fclose(file);
    return NULL;
}

static pthread_t reader;

/* Waits until somebody waits for the lease on the file: then the process has a line "BREAK" of the inode. */
static void wait_for_break(void)
{
    _cleanup_buffer_ struct buffer inode = BUFFER_INIT;
    struct stat info;
    char line[256] = "";

    assert_int_equal(stat(the_path, &info), 0);
    buffer_printf(&inode, ":%ju ", (uintmax_t)info.st_ino);
    for (;;) {
        FILE *locks = fopen("/proc/locks", "re");
        assert_non_null(locks);
        while (fgets(line, sizeof(line), locks)) {
            if (strstr(line, "LEASE") && strstr(line, "BREAKING") && strstr(line, buffer_text(&inode))) {
                (void)fclose(locks);
                return;
            }
        }
        (void)fclose(locks);
    }
}

static void replace_and_read(unsigned call)
{
    if (call == 1) {
        owner_replaces("owner's");
    }
}

static void read_ours(unsigned call)
{
    if (call == 1) {
        assert_int_equal(pthread_create(&reader, NULL, read_it, NULL), 0);
        wait_for_break();
    }
}

/* Nobody gets to see a version that is taken back: a copy of it would lack the owner's edit. */
static void nobody_reads_what_is_taken_back(void **state)
{
    struct stat version = read_version("first");

    atomic_store(&is_open, false);
    renames.before = replace_and_read;
    renames.after = read_ours;
    assert_int_equal(update_with(the_path, &version, "second", &version), -ESTALE);
    (void)pthread_join(reader, NULL);
    assert_string_equal(seen, "owner's");
    assert_content("owner's");
    assert_alone(*state);
}

static void *write_it(void *userdata)
{
    FILE *file = fopen(the_path, "we");
    (void)userdata;

    assert_non_null(file);
    assert_int_equal(fputs("written in place", file) < 0, 0);
    (void)fclose(file);
    return NULL;
}

static void write_in_place(unsigned call)
{
    if (call == 1) {
        assert_int_equal(pthread_create(&reader, NULL, write_it, NULL), 0);
        wait_for_break();
    }
}

/* An editor that has opened the old file while ours takes its place would write into a file that is gone. */
static void editor_in_place_at_the_worst_instant(void **state)
{
    struct stat version = read_version("first");

    renames.before = write_in_place;
    assert_int_equal(update_with(the_path, &version, "second", &version), -ESTALE);
    (void)pthread_join(reader, NULL);
    assert_content("written in place");
    assert_alone(*state);
}

static void editor_in_place_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    struct stat version = read_version("first");
    int editor = open(fixture->path, O_WRONLY | O_CLOEXEC);

    assert_true(editor >= 0);
    assert_int_equal(update_with(the_path, &version, "second", &version), -EBUSY);
    assert_int_equal(file_read_version(the_path, 1000, &content, &version), -EBUSY);
    assert_int_equal(write(editor, "F", 1), 1);
    close(editor);
    assert_int_equal(update_with(the_path, &version, "second", &version), -ESTALE);
    version = read_version("First");
    assert_alone(fixture);
}

static void folder_lock_is_respected(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    struct stat version = read_version("first");
    int folder = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(flock(folder, LOCK_EX), 0);
    assert_int_equal(update_with(the_path, &version, "second", &version), -EBUSY);
    assert_int_equal(file_read_version(the_path, 1000, &content, &version), -EBUSY);
    assert_int_equal(flock(folder, LOCK_SH), 0); /* one like ours */
    assert_int_equal(update_with(the_path, &version, "second", &version), 0);
    assert_int_equal(flock(folder, LOCK_EX | LOCK_NB), 0); /* ours is gone */
    close(folder);
}

/* ---- other file systems ---- */

static void without_exchange(void **state)
{
    struct stat version = read_version("first");

    renames.error = EINVAL;
    assert_int_equal(update_with(the_path, &version, "second", &version), 0);
    assert_content("second");
    owner_replaces("owner's");
    assert_int_equal(update_with(the_path, &version, "third", &version), -ESTALE);
    assert_content("owner's");
    assert_alone(*state);
}

static void failures_change_nothing(void **state)
{
    struct stat version = read_version("first"), unused;

    renames.error = EBUSY; /* a file that is a mount point */
    assert_int_equal(update_with(the_path, &version, "second", &unused), -EXDEV);
    renames.error = EROFS;
    assert_int_equal(update_with(the_path, &version, "second", &unused), -EROFS);
    assert_content("first");
    assert_alone(*state);
}

static void symbolic_links_are_followed(void **state)
{
    struct fixture *fixture = *state;
    _cleanup_free_ char *link_path = path_join(fixture->folder, "link");
    struct stat version = read_version("first");

    assert_int_equal(symlink("file", link_path), 0);
    assert_int_equal(update_with(link_path, &version, "second", &version), 0);
    assert_content("second");
    assert_int_equal(unlink(link_path), 0);
    assert_alone(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
        cmocka_unit_test_setup_teardown(edit_right_before_the_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(edits_before_each_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(edit_right_after_the_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(deleted_before_it_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_reads_what_is_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(editor_in_place_at_the_worst_instant, setup, teardown),
        cmocka_unit_test_setup_teardown(editor_in_place_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_lock_is_respected, setup, teardown),
        cmocka_unit_test_setup_teardown(without_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(symbolic_links_are_followed, setup, teardown),
    };
    return cmocka_run_group_tests_name("file_update", tests, NULL, NULL);
}
