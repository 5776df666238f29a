/*
 * A file that others edit while we change it: read as a whole version, and replaced only by what was made from the
 * version that is there. An edit is never lost:
 * - By replacing the file (write aside, rename): safe at any instant. The new file and the one that is there change
 *   places (renameat2, RENAME_EXCHANGE). What comes out is looked at, and put back if it is not the version that was
 *   read. Until then a lease (fcntl, F_SETLEASE) keeps everybody from opening the new file, so that nobody makes an
 *   edit out of a version that is taken back.
 * - In place: safe where the kernel gives a lease on the file (the process owns it, or has CAP_LEASE). An editor that
 *   has it open for writing is waited for, one that opens it meanwhile waits. Elsewhere: safe if the edit is over
 *   when the file is looked at, right before it is replaced.
 * - With the folder locked, flock(2) LOCK_EX on the folder: safe in any way and on any file system.
 * On a file system without RENAME_EXCHANGE the file is looked at right before a plain rename.
 * Blocks on the disk. Any thread.
 */
#ifndef DDNS53_BASE_FILE_UPDATE_H
#define DDNS53_BASE_FILE_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"

/* As file_read. -EBUSY: another program has the folder locked, or the file open for writing: try again. */
int file_read_version(const char *path, size_t limit_bytes, struct buffer *buffer, struct stat *ret_version);

/* Of two parts with the same place, length and stamp, the bytes are the same. */
struct file_part {
    const char *data;
    size_t length;
    uint64_t stamp;
};

/* For a large file that is updated again and again: its version before the one that is there stays beside it, in
 * `.NAME.spare`, and is made into the next one, so that only the parts that differ are written. Anybody may remove it
 * at any time. Where the kernel gives no lease on it, or files cannot be exchanged, the file is written whole. */
struct file_spare;

/* Copies; does not touch the disk. NULL: no memory. */
struct file_spare *file_spare_new(const char *path);
/* Stamps begin anew: what is known of the versions is forgotten, and the spare removed. */
void file_spare_drop(struct file_spare *spare);
void file_spare_free(struct file_spare *spare); /* and removes it */
DEFINE_CLEANUP(struct file_spare *, file_spare_free)

/* Replaces the version that was read by the parts, one after the other, and keeps its mode, owner and group. `spare`
 * (may be NULL) is this file's. -ESTALE: it is not there any more: read the newer one and try again. -EBUSY: as above.
 * Or another negative errno; the file is as it was. */
int file_update(const char *path, const struct stat *version, const struct file_part *parts, size_t count,
                struct file_spare *spare, struct stat *ret_version);

/* Is it the same content of the same file, as far as its inode, size and times tell? */
bool file_is_version(const struct stat *a, const struct stat *b);

#endif
