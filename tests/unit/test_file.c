#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/file.h"
#include "temporary.h"

static int setup(void **state)
{
    *state = temporary_folder_make();
    return 0;
}

static int teardown(void **state)
{
    temporary_folder_remove(*state);
    return 0;
}

static void expect_content(const char *path, const char *expected)
{
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    assert_int_equal(file_read(path, 1000, &buffer, NULL), 0);
    assert_string_equal(buffer_text(&buffer), expected);
}

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 ? 1 : 0;
    }
    closedir(directory);
    return count;
}

static void test_read(void **state)
{
    const char *folder = *state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    struct stat info;
    const char *path = temporary_file(folder, "file", "con\0tent", 8, 0640);

    assert_int_equal(file_read(path, 8, &buffer, &info), 0);
    assert_int_equal(buffer.length, 8);
    assert_memory_equal(buffer_text(&buffer), "con\0tent", 9);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(file_read(path, 8, &buffer, NULL), 0);
    assert_int_equal(buffer.length, 16);
    assert_int_equal(file_read(path, 7, &buffer, NULL), -EFBIG);
    assert_int_equal(buffer.length, 16);
    assert_int_equal(file_read(folder, 8, &buffer, NULL), -EISDIR);
    assert_int_equal(file_read(temporary_path(folder, "none"), 8, &buffer, NULL), -ENOENT);
    assert_int_equal(mkfifo(temporary_path(folder, "fifo"), 0600), 0);
    assert_int_equal(file_read(temporary_path(folder, "fifo"), 8, &buffer, NULL), -EINVAL);
    assert_int_equal(file_read("/dev/null", 8, &buffer, NULL), -EINVAL);
    assert_int_equal(buffer.length, 16);

    _cleanup_buffer_ struct buffer empty = BUFFER_INIT;
    assert_int_equal(file_read(temporary_file(folder, "empty", "", 0, 0600), 0, &empty, NULL), 0);
    assert_int_equal(empty.length, 0);
}

/* Says it is empty, and is not. */
static void test_read_of_unknown_size(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    assert_int_equal(file_read("/proc/self/status", 1000000, &buffer, NULL), 0);
    assert_non_null(strstr(buffer_text(&buffer), "VmSize:"));
    size_t length = buffer.length;
    assert_int_equal(file_read("/proc/self/status", 10, &buffer, NULL), -EFBIG);
    assert_int_equal(buffer.length, length);
}

static void test_read_large(void **state)
{
    const char *folder = *state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    size_t length = 3000000;
    char *content = malloc(length);
    assert_non_null(content);
    for (size_t i = 0; i < length; i++) {
        content[i] = (char)(i * 7);
    }
    assert_int_equal(file_replace(temporary_path(folder, "large"), content, length, 0600), 0);
    assert_int_equal(file_read(temporary_path(folder, "large"), length, &buffer, NULL), 0);
    assert_int_equal(buffer.length, length);
    assert_memory_equal(buffer.data, content, length);
    free(content);
}

static void test_replace(void **state)
{
    const char *folder = *state;
    const char *path = temporary_path(folder, "file");
    struct stat info;
    mode_t old_umask = umask(077);

    assert_int_equal(file_replace(path, "first", 5, 0644), 0);
    umask(old_umask);
    expect_content(path, "first");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    ino_t before = info.st_ino;

    assert_int_equal(file_replace(path, "second one", 10, 0600), 0);
    expect_content(path, "second one");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_true(info.st_ino != before);
    assert_int_equal(file_replace(path, "", 0, 0600), 0);
    expect_content(path, "");
    assert_int_equal(count_entries(folder), 1);
}

static void test_replace_without_folder(void **state)
{
    const char *folder = *state;
    char before[TEMPORARY_PATH_SIZE];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(file_replace("file", "here", 4, 0600), 0);
    assert_int_equal(chdir(before), 0);
    expect_content(temporary_path(folder, "file"), "here");
    assert_int_equal(count_entries(folder), 1);
}

static void test_replace_keeps_owner(void **state)
{
    const char *folder = *state;
    struct stat info;
    const char *path = temporary_file(folder, "file", "old", 3, 0640);
    /* Only root can give it away; for others it stays their own. */
    uid_t owner = geteuid() == 0 ? 12345 : geteuid();
    gid_t group = geteuid() == 0 ? 23456 : getegid();
    assert_int_equal(chown(path, owner, group), 0);
    assert_int_equal(file_replace(path, "new", 3, 0640), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_uid, owner);
    assert_int_equal(info.st_gid, group);
    assert_int_equal(info.st_mode & 07777, 0640);
}

static void test_replace_follows_link(void **state)
{
    const char *folder = *state;
    struct stat info;
    char target[TEMPORARY_PATH_SIZE];
    assert_int_equal(mkdir(temporary_path(folder, "real"), 0700), 0);
    (void)snprintf(target, sizeof(target), "%s", temporary_file(folder, "real/file", "old", 3, 0600));
    const char *link_path = temporary_path(folder, "link");
    assert_int_equal(symlink("real/file", link_path), 0);

    assert_int_equal(file_replace(link_path, "new", 3, 0600), 0);
    expect_content(target, "new");
    assert_int_equal(lstat(link_path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(count_entries(folder), 2);

    assert_int_equal(unlink(target), 0);
    assert_int_equal(file_replace(link_path, "new", 3, 0600), -ENOENT);
}

static void test_replace_refuses(void **state)
{
    const char *folder = *state;
    char path[TEMPORARY_PATH_SIZE];
    assert_int_equal(file_replace(temporary_path(folder, "none/file"), "x", 1, 0600), -ENOENT);
    assert_int_equal(file_replace(folder, "x", 1, 0600), -EISDIR);
    (void)snprintf(path, sizeof(path), "%s/", folder);
    assert_int_equal(file_replace(path, "x", 1, 0600), -EINVAL);
    assert_int_equal(file_replace("", "x", 1, 0600), -EINVAL);
    assert_int_equal(file_replace("..", "x", 1, 0600), -EINVAL);
    assert_int_equal(mkfifo(temporary_path(folder, "fifo"), 0600), 0);
    assert_int_equal(file_replace(temporary_path(folder, "fifo"), "x", 1, 0600), -EINVAL);
    assert_int_equal(count_entries(folder), 1);
}

/* The disk is full half-way: the first write is short, the next one fails. */
static void test_replace_fails_half_way(void **state)
{
    const char *folder = *state;
    const char *path = temporary_file(folder, "file", "old", 3, 0600);
    static char large[100000];
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {50000, before.rlim_max};
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = file_replace(path, large, sizeof(large), 0600);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, old_handler);

    assert_int_equal(r, -EFBIG);
    expect_content(path, "old");
    assert_int_equal(count_entries(folder), 1);
}

struct reading {
    const char *path;
    atomic_bool done;
};

static void *replace_often(void *userdata)
{
    struct reading *reading = userdata;
    static char content[2][20000];
    memset(content[0], 'a', sizeof(content[0]));
    memset(content[1], 'b', sizeof(content[1]));
    int r = 0;
    for (size_t i = 0; i < 200 && r == 0; i++) {
        r = file_replace(reading->path, content[i % 2], sizeof(content[0]), 0600);
    }
    atomic_store(&reading->done, true);
    return r == 0 ? userdata : NULL;
}

static void test_readers_see_whole_files(void **state)
{
    const char *folder = *state;
    struct reading reading = {.path = temporary_path(folder, "file")};
    pthread_t writer;
    void *result = NULL;
    assert_int_equal(file_replace(reading.path, "a", 1, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, replace_often, &reading), 0);
    while (!atomic_load(&reading.done)) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
        assert_int_equal(file_read(reading.path, 20000, &buffer, NULL), 0);
        assert_true(buffer.length == 1 || buffer.length == 20000);
        assert_int_equal(strspn(buffer_text(&buffer), buffer.data[0] == 'a' ? "a" : "b"), buffer.length);
    }
    assert_int_equal(pthread_join(writer, &result), 0);
    assert_non_null(result);
    assert_int_equal(count_entries(folder), 1);
}

static void test_paths(void **state)
{
    static const struct {
        const char *file, *relative, *beside;
    } rows[] = {
        {"/etc/ddns53/ddns53d.yaml", "hosts.yaml", "/etc/ddns53/hosts.yaml"},
        {"/etc/ddns53/ddns53d.yaml", "/srv/hosts.yaml", "/srv/hosts.yaml"},
        {"ddns53d.yaml", "hosts.yaml", "hosts.yaml"},
        {"./ddns53d.yaml", "hosts.yaml", "./hosts.yaml"},
        {"/ddns53d.yaml", "hosts.yaml", "/hosts.yaml"},
        {"a/b", "../c", "a/../c"},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_free_ char *path = path_beside(rows[i].file, rows[i].relative);
        assert_string_equal(path, rows[i].beside);
    }
    static const struct {
        const char *folder, *name, *joined;
    } joins[] = {{"/var/lib", "a", "/var/lib/a"}, {"/var/lib/", "a", "/var/lib/a"}, {"/", "a", "/a"}, {"", "a", "a"}};
    for (size_t i = 0; i < ELEMENTS(joins); i++) {
        _cleanup_free_ char *path = path_join(joins[i].folder, joins[i].name);
        assert_string_equal(path, joins[i].joined);
    }
}

static void test_folder_make(void **state)
{
    const char *folder = *state;
    char path[TEMPORARY_PATH_SIZE];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/a/b//c/", folder);
    assert_int_equal(folder_make(path, 0750), 0);
    assert_int_equal(folder_make(path, 0750), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0750);

    (void)temporary_file(folder, "plain", "", 0, 0600);
    assert_int_equal(folder_make(temporary_path(folder, "plain"), 0750), -ENOTDIR);
    assert_int_equal(folder_make(temporary_path(folder, "plain/x"), 0750), -ENOTDIR);
    assert_int_equal(folder_make("", 0750), -EINVAL);
    assert_int_equal(folder_make("/", 0750), 0);
}

static void test_advice(void **state)
{
    (void)state;
    assert_string_equal(file_advice(-ENOSPC), "make room on its disk");
    assert_non_null(strstr(file_advice(-EDQUOT), "quota"));
    assert_non_null(strstr(file_advice(-EROFS), "read-only"));
    assert_non_null(strstr(file_advice(-EROFS), "ReadWritePaths="));
    for (int error = 1; error < 134; error++) {
        bool is_room = error == ENOSPC || error == EDQUOT;
        bool is_permission = error == EACCES || error == EPERM;
        const char *advice = file_advice(-error);
        assert_int_equal(!advice, !is_room && !is_permission && error != EROFS);
        assert_int_equal(advice && strstr(advice, "room"), is_room);
        assert_int_equal(advice && strstr(advice, "let the user"), is_permission);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, setup, teardown),
        cmocka_unit_test(test_read_of_unknown_size),
        cmocka_unit_test_setup_teardown(test_read_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_without_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_keeps_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_follows_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_fails_half_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readers_see_whole_files, setup, teardown),
        cmocka_unit_test(test_paths),
        cmocka_unit_test_setup_teardown(test_folder_make, setup, teardown),
        cmocka_unit_test(test_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
