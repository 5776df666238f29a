#include "base/file_spare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

struct piece {
    size_t length;
    uint64_t stamp;
};

/* What a version is made of, as far as it is known. */
struct known_version {
    struct stat version;
    struct piece *pieces; /* NULL: not known */
    size_t count;
};

struct file_spare {
    char *path; /* of the file */
    struct known_version file;
    struct known_version spare;
};

/* ---- what is known ---- */

static void forget(struct known_version *known)
{
    free(TAKE_PTR(known->pieces));
    known->count = 0;
}

/* Without memory it is not known. */
static void know(struct known_version *known, const struct file_part *parts, size_t count, const struct stat *version)
{
    forget(known);
    known->pieces = calloc(count + 1, sizeof(*known->pieces));
    if (!known->pieces) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        known->pieces[i] = (struct piece){parts[i].length, parts[i].stamp};
    }
    known->count = count;
    known->version = *version;
}

/* ---- its name ---- */

/* NULL: no memory. */
static char *name_of(const struct file_place *place)
{
    struct buffer name = BUFFER_INIT;

    buffer_printf(&name, ".%s.spare", place->name);
    char *text = buffer_take(&name);
    buffer_done(&name);
    return text;
}

/* ---- filling it ---- */

static int open_it(const struct file_spare *spare, const struct file_place *place, const char *name)
{
    _cleanup_close_ int fd = openat(place->folder_fd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    struct stat now;

    if (fd < 0 || file_take_lease(fd, F_WRLCK) <= 0 || fstat(fd, &now) < 0) {
        return -ENOENT;
    }
    return file_is_same_content(&now, &spare->spare.version) && now.st_nlink == 1 ? TAKE_FD(fd) : -ENOENT;
}

static int write_different(int fd, const struct known_version *known, const struct file_part *parts, size_t count)
{
    off_t at = 0, known_at = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct piece *piece = i < known->count ? &known->pieces[i] : NULL;
        if (!piece || known_at != at || piece->length != parts[i].length || piece->stamp != parts[i].stamp) {
            r = file_write_at(fd, parts[i].data, parts[i].length, at);
        }
        at += (off_t)parts[i].length;
        known_at += piece ? (off_t)piece->length : 0;
    }
    return r < 0 || ftruncate(fd, at) == 0 ? r : -errno;
}

/* Takes it away from its name, under which it is removed otherwise. */
static int take_it(const struct file_spare *spare, const struct file_place *place, char ret_name[FILE_TEMPORARY_SIZE],
                   int *ret_fd)
{
    _cleanup_free_ char *name = spare->spare.pieces ? name_of(place) : NULL;
    if (!name) {
        return -ENOENT;
    }
    _cleanup_close_ int fd = open_it(spare, place, name);
    file_temporary_name(ret_name);
    if (fd < 0 || renameat(place->folder_fd, name, place->folder_fd, ret_name) < 0) {
        (void)unlinkat(place->folder_fd, name, 0);
        return -ENOENT;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int file_spare_fill(struct file_spare *spare, const struct file_place *place, const struct file_part *parts,
                    size_t count, mode_t mode, const struct stat *old, char ret_name[FILE_TEMPORARY_SIZE], int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    int r = take_it(spare, place, ret_name, &fd);

    if (r == 0) {
        r = write_different(fd, &spare->spare, parts, count);
        r = r < 0 ? r : file_finish(fd, mode, old);
        if (r < 0) {
            (void)unlinkat(place->folder_fd, ret_name, 0);
        }
    }
    forget(&spare->spare);
    if (r < 0) {
        return -ENOENT; /* written whole, the file says by itself what is wrong */
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void file_spare_exchanged(struct file_spare *spare, const struct file_place *place, const struct file_part *parts,
                          size_t count, const struct stat *before, const struct stat *version, const char *temporary)
{
    const bool is_known = spare->file.pieces && file_is_version(before, &spare->file.version);
    _cleanup_free_ char *name = is_known ? name_of(place) : NULL;

    forget(&spare->spare);
    if (name && renameat(place->folder_fd, temporary, place->folder_fd, name) == 0) {
        spare->spare = spare->file;
        spare->file = (struct known_version){0};
    } else {
        (void)unlinkat(place->folder_fd, temporary, 0);
    }
    know(&spare->file, parts, count, version);
}

/* ---- making and freeing ---- */

struct file_spare *file_spare_new(const char *path)
{
    struct file_spare *spare = calloc(1, sizeof(*spare));

    if (spare) {
        spare->path = strdup(path);
    }
    if (spare && !spare->path) {
        free(TAKE_PTR(spare));
    }
    return spare;
}

void file_spare_drop(struct file_spare *spare)
{
    _cleanup_place_ struct file_place place = {.folder_fd = -1};

    if (spare->spare.pieces && file_find_place(spare->path, &place) == 0) {
        _cleanup_free_ char *name = name_of(&place);
        if (name) {
            (void)unlinkat(place.folder_fd, name, 0);
        }
    }
    forget(&spare->spare);
    forget(&spare->file);
}

void file_spare_free(struct file_spare *spare)
{
    if (!spare) {
        return;
    }
    file_spare_drop(spare);
    free(spare->path);
    free(spare);
}
