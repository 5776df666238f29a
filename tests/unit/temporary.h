/*
 * A folder of the test's own below TMPDIR (or /tmp), with a space in its name on purpose, removed with all that
 * is in it. Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_TEMPORARY_H
#define DDNS53_TESTS_UNIT_TEMPORARY_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_PATH_SIZE 4096

/* Returns owned; give it to temporary_folder_remove. */
static inline char *temporary_folder_make(void)
{
    char path[TEMPORARY_PATH_SIZE];
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, sizeof(path), "%s/ddns53 test.XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    char *copy = strdup(path);
    assert_non_null(copy);
    return copy;
}

static inline int temporary_remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void temporary_folder_remove(char *folder)
{
    assert_int_equal(nftw(folder, temporary_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
}

/* FOLDER/NAME in a static buffer, good until the next call. */
static inline const char *temporary_path(const char *folder, const char *name)
{
    static char path[TEMPORARY_PATH_SIZE];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_in_range(length, 1, sizeof(path) - 1);
    return path;
}

/* Writes a file of the folder with exactly this mode, whatever the umask; its path as above. */
static inline const char *temporary_file(const char *folder, const char *name, const void *bytes, size_t length,
                                         mode_t mode)
{
    const char *path = temporary_path(folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

#endif
