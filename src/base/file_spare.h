/*
 * The file's version before the one that is there, kept beside it as `.NAME.spare` and made into the next version: only
 * the parts that differ are written, so that an update of a large file costs what it changes. For file_update.c only,
 * which has the rest of file_spare in its header.
 * Made use of only while it is as it was left, has one name (another hard link is somebody's backup), and nobody has it
 * open: the kernel gives a lease for writing on no other file, and while it is held whoever opens the file waits.
 * Blocks on the disk. One thread at a time.
 */
#ifndef DDNS53_BASE_FILE_SPARE_H
#define DDNS53_BASE_FILE_SPARE_H

#include "base/file_internal.h"
#include "base/file_update.h"

/* What was the spare, now a file of the caller's with a name of its own: leased, with the parts in it and on disk, and
 * with the mode and owner. The caller closes the descriptor. -ENOENT: there is none that can be made use of. */
int file_spare_fill(struct file_spare *spare, const struct file_place *place, const struct file_part *parts,
                    size_t count, mode_t mode, const struct stat *old, char ret_name[FILE_TEMPORARY_SIZE], int *ret_fd);

/* The parts are the file's `version` now. What was `before`, which lies under `temporary`, is the spare, or is removed
 * where its parts are not known. */
void file_spare_exchanged(struct file_spare *spare, const struct file_place *place, const struct file_part *parts,
                          size_t count, const struct stat *before, const struct stat *version, const char *temporary);

#endif
