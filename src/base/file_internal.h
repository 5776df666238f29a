/*
 * What file.c and file_update.c share; for these two only.
 */
#ifndef DDNS53_BASE_FILE_INTERNAL_H
#define DDNS53_BASE_FILE_INTERNAL_H

#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/secret.h"

/* A file's place: its folder, and its name in there. A symbolic link at `path` is followed. */
struct file_place {
    int folder_fd;
    char *name;
};
int file_find_place(const char *path, struct file_place *ret_place);
void file_place_done(struct file_place *place);
#define _cleanup_place_ _cleanup_(file_place_done)

#define FILE_TEMPORARY_SIZE 32

/* Appends what there is to read; -EFBIG past the limit. */
int file_read_all(int fd, size_t limit_bytes, size_t size_hint, struct buffer *buffer);

/* A new file in the folder with the parts one after the other, on disk when it returns. `old` (may be NULL): the file that it is to
 * replace, whose owner and group it gets as far as the process may. The caller closes the descriptor (for writing). */
int file_make_temporary(int folder_fd, const struct bytes *parts, size_t count, mode_t mode, const struct stat *old,
                        char ret_name[FILE_TEMPORARY_SIZE], int *ret_fd);

/* Some file systems cannot sync a folder and say EINVAL; they have no more to give. */
int file_sync_folder(int folder_fd);

#endif
