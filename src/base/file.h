/*
 * Whole files: read with a size limit, replace atomically (write aside, fsync, rename, fsync the folder).
 */
#ifndef DDNS53_BASE_FILE_H
#define DDNS53_BASE_FILE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buffer.h"

/* For reading; never blocks on a FIFO or a terminal. The descriptor (the caller closes it), or -EISDIR and -EINVAL for
 * what is not a regular file, else errno of open. */
int file_open_regular(const char *path, struct stat *ret_stat);

/* -EFBIG past `limit_bytes`, -EISDIR and -EINVAL for what is not a regular file, else errno of open and read.
 * `ret_stat` may be NULL. Appends to `buffer`;
 * after an error it holds what it held. Never blocks on a FIFO or a terminal. */
int file_read(const char *path, size_t limit_bytes, struct buffer *buffer, struct stat *ret_stat);

/* Reads until the end of the file, or until there are `size` bytes. Negative errno. */
int file_read_up_to(int fd, void *bytes, size_t size, size_t *ret_length);

/* Readers see the old content or the new, never a part. Negative errno, the old file untouched. A symbolic link
 * is followed; owner and group of an old file are kept as far as the process may. */
int file_replace(const char *path, const void *bytes, size_t length, mode_t mode);

/* Writes all of it, however many calls that takes. Negative errno: some of it may be written. */
int file_write_all(int fd, const void *bytes, size_t length);

/* What a person is to do about an error of writing a file, in words that go behind `PATH: strerror: `. NULL: that
 * depends on the file. */
const char *file_advice(int error);

/* `relative` as seen from the folder that holds `file` (absolute stays). Returns owned, NULL: no memory. */
char *path_beside(const char *file, const char *relative);
char *path_join(const char *folder, const char *name);

/* mkdir -p of the last components that are missing. -ENOTDIR: something else has that name. */
int folder_make(const char *path, mode_t mode);

#endif
