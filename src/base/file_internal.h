/*
 * What file.c, file_update.c and file_spare.c share; for these only.
 */
#ifndef DDNS53_BASE_FILE_INTERNAL_H
#define DDNS53_BASE_FILE_INTERNAL_H

#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file_update.h"

/* A file's place: its folder, and its name in there. A symbolic link at `path` is followed. */
struct file_place {
    int folder_fd;
    char *name;
};
int file_find_place(const char *path, struct file_place *ret_place);
void file_place_done(struct file_place *place);
#define _cleanup_place_ _cleanup_(file_place_done)

#define FILE_TEMPORARY_SIZE 32
/* A name that nobody else has, unless 64 random bits come twice. */
void file_temporary_name(char ret_name[FILE_TEMPORARY_SIZE]);

/* Appends what there is to read; -EFBIG past the limit. */
int file_read_all(int fd, size_t limit_bytes, size_t size_hint, struct buffer *buffer);

/* Overwrites what is there. */
int file_write_at(int fd, const char *bytes, size_t length, off_t at);

/* A new file in the folder with the parts one after the other, on disk when it returns. `old` (may be NULL): the file
 * that it is to replace, whose owner and group it gets as far as the process may. The caller closes the descriptor (for
 * writing). */
int file_make_temporary(int folder_fd, const struct file_part *parts, size_t count, mode_t mode, const struct stat *old,
                        char ret_name[FILE_TEMPORARY_SIZE], int *ret_fd);

/* The mode, the owner and group of `old` (may be NULL) as far as the process may, and all of it on disk. */
int file_finish(int fd, mode_t mode, const struct stat *old);

/* 1: we have it (F_RDLCK, F_WRLCK), 0: it is not to be had here, -EBUSY: who has the file open stands in its way. It
 * goes with the descriptor. */
int file_take_lease(int fd, int kind);

/* Without the time of the last status change: renaming a file moves it. */
bool file_is_same_content(const struct stat *a, const struct stat *b);

/* Some file systems cannot sync a folder and say EINVAL; they have no more to give. */
int file_sync_folder(int folder_fd);

#endif
