#include "base/file_update.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/file_internal.h"
#include "base/file_spare.h"

#define TURNS_MAX 100

static bool is_same_inode(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool file_is_same_content(const struct stat *a, const struct stat *b)
{
    return is_same_inode(a, b) && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool file_is_version(const struct stat *a, const struct stat *b)
{
    return file_is_same_content(a, b) && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* ---- locks and leases ---- */

/* Shared, for several of our files may lie in one folder; who edits them takes it for himself. */
static int lock_folder(int folder_fd)
{
    if (flock(folder_fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        return -EBUSY;
    }
    return 0; /* a file system without locks: nobody else has one either */
}

int file_take_lease(int fd, int kind)
{
    /* The kernel says by a signal that somebody waits for the lease. One that does nothing by default: F_GETLEASE tells
     * it as well. */
    (void)fcntl(fd, F_SETSIG, SIGURG);
    if (fcntl(fd, F_SETLEASE, kind) == 0) {
        return 1;
    }
    return errno == EAGAIN ? -EBUSY : 0;
}

static bool is_lease_wanted(int fd, int kind)
{
    return fcntl(fd, F_GETLEASE) != kind;
}

/* ---- reading ---- */

static int read_steadily(const struct file_place *place, int fd, size_t limit_bytes, struct buffer *buffer,
                         struct stat *version)
{
    struct stat after;
    int r = lock_folder(place->folder_fd);

    r = r < 0 ? r : file_take_lease(fd, F_RDLCK);
    if (r < 0) {
        return r;
    }
    if (fstat(fd, version) < 0) {
        return -errno;
    }
    if ((uintmax_t)version->st_size > limit_bytes) {
        return -EFBIG;
    }
    r = file_read_all(fd, limit_bytes, (size_t)version->st_size, buffer);
    if (r < 0) {
        return r;
    }
    if (fstat(fd, &after) < 0) {
        return -errno;
    }
    return file_is_version(version, &after) ? 0 : -EBUSY;
}

int file_read_version(const char *path, size_t limit_bytes, struct buffer *buffer, struct stat *ret_version)
{
    _cleanup_place_ struct file_place place = {.folder_fd = -1};
    struct stat version;
    _cleanup_close_ int fd = file_open_regular(path, &version);

    if (fd < 0) {
        return fd == -EAGAIN ? -EBUSY : fd; /* another one's lease: it is opened without blocking */
    }
    int r = file_find_place(path, &place);
    r = r < 0 ? r : read_steadily(&place, fd, limit_bytes, buffer, &version);
    if (r == 0) {
        *ret_version = version;
    }
    return r;
}

/* ---- replacing ---- */

struct swap {
    int folder_fd;
    const char *name;
    char temporary[FILE_TEMPORARY_SIZE]; /* our new file, then what came out for it; "": it is not there */
    int new_fd;
    int old_fd;
    bool has_old_lease;
    bool has_new_lease;
    const struct stat *version;
};

static int look(const struct swap *swap, const char *name, struct stat *ret_stat)
{
    return fstatat(swap->folder_fd, name, ret_stat, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* -ESTALE: another version is there. From here on nobody changes this one in place unseen. */
static int hold_version(struct swap *swap)
{
    struct stat current;
    int r;

    swap->old_fd = openat(swap->folder_fd, swap->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (swap->old_fd < 0) {
        return errno == EAGAIN ? -EBUSY : -errno;
    }
    r = file_take_lease(swap->old_fd, F_RDLCK);
    if (r < 0) {
        return r;
    }
    swap->has_old_lease = r > 0;
    if (fstat(swap->old_fd, &current) < 0) {
        return -errno;
    }
    return file_is_version(&current, swap->version) ? 0 : -ESTALE;
}

static int exchange(const struct swap *swap)
{
    if (renameat2(swap->folder_fd, swap->temporary, swap->folder_fd, swap->name, RENAME_EXCHANGE) == 0) {
        return 0;
    }
    return errno == EBUSY ? -EXDEV : -errno; /* the file itself is a mount point: no lock that goes away */
}

static int rename_plainly(struct swap *swap)
{
    struct stat current;
    int r = look(swap, swap->name, &current);

    if (r < 0) {
        return r;
    }
    if (!file_is_version(&current, swap->version)) {
        return -ESTALE;
    }
    if (renameat(swap->folder_fd, swap->temporary, swap->folder_fd, swap->name) < 0) {
        return -errno;
    }
    swap->temporary[0] = '\0';
    return 0;
}

static bool is_what_we_read(const struct swap *swap)
{
    struct stat out;

    return look(swap, swap->temporary, &out) == 0 && file_is_same_content(&out, swap->version) &&
           !(swap->has_old_lease && is_lease_wanted(swap->old_fd, F_RDLCK));
}

/* Somebody who has opened our new file waits for the lease, and shall find what is now there. */
static void refill(const struct swap *swap)
{
    _cleanup_buffer_ struct buffer content = BUFFER_INIT;
    _cleanup_close_ int fd = -1;

    if (!swap->has_new_lease || !is_lease_wanted(swap->new_fd, F_WRLCK)) {
        return;
    }
    fd = openat(swap->folder_fd, swap->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || file_read_all(fd, SIZE_MAX, 0, &content) < 0 || ftruncate(swap->new_fd, 0) < 0) {
        return;
    }
    (void)file_write_at(swap->new_fd, buffer_text(&content), content.length, 0);
}

/* What came out of the exchange is newer than what we read: it goes back. Whoever replaces the file meanwhile is newer
 * still, so what comes out must be what was put in last. Where that fails, what came out stays beside the file. */
static int put_back(struct swap *swap, struct stat put_in)
{
    struct stat held, out;
    int r = look(swap, swap->temporary, &held);

    for (unsigned turn = 0; r == 0 && turn < TURNS_MAX; turn++) {
        r = exchange(swap);
        r = r < 0 ? r : look(swap, swap->temporary, &out);
        if (r == 0 && is_same_inode(&out, &put_in)) {
            refill(swap);
            return -ESTALE;
        }
        put_in = held;
        held = out;
    }
    /* The file was deleted meanwhile: no reason to lose what we hold. */
    if (r == -ENOENT &&
        renameat2(swap->folder_fd, swap->temporary, swap->folder_fd, swap->name, RENAME_NOREPLACE) == 0) {
        r = -ESTALE;
    }
    swap->temporary[0] = '\0';
    return r < 0 ? r : -EIO;
}

static int put_in(struct swap *swap, struct stat *ret_version)
{
    struct stat ours;
    int r;

    if (fstat(swap->new_fd, &ours) < 0) {
        return -errno;
    }
    swap->has_new_lease = file_take_lease(swap->new_fd, F_WRLCK) > 0;
    r = hold_version(swap);
    r = r < 0 ? r : exchange(swap);
    if (r == 0 && !is_what_we_read(swap)) {
        r = put_back(swap, ours);
    } else if (r == -EINVAL || r == -ENOSYS) {
        r = rename_plainly(swap);
    }
    if (r == 0 && fstat(swap->new_fd, ret_version) < 0) {
        r = -errno;
    }
    return r == -ENOENT ? -ESTALE : r; /* gone: reading says so in its own words */
}

static int make_new(const struct file_place *place, const struct file_part *parts, size_t count,
                    struct file_spare *spare, struct swap *swap)
{
    const mode_t mode = swap->version->st_mode & 0777;
    int r = -ENOENT;

    if (spare) {
        r = file_spare_fill(spare, place, parts, count, mode, swap->version, swap->temporary, &swap->new_fd);
    }
    return r != -ENOENT ? r
                        : file_make_temporary(place->folder_fd, parts, count, mode, swap->version, swap->temporary,
                                              &swap->new_fd);
}

int file_update(const char *path, const struct stat *version, const struct file_part *parts, size_t count,
                struct file_spare *spare, struct stat *ret_version)
{
    _cleanup_place_ struct file_place place = {.folder_fd = -1};
    struct swap swap = {.new_fd = -1, .old_fd = -1, .version = version};
    struct stat made;
    int r = file_find_place(path, &place);

    r = r < 0 ? r : lock_folder(place.folder_fd);
    r = r < 0 ? r : make_new(&place, parts, count, spare, &swap);
    if (r < 0) {
        return r;
    }
    swap.folder_fd = place.folder_fd;
    swap.name = place.name;
    r = put_in(&swap, &made);
    if (r == 0 && spare && swap.has_new_lease && swap.temporary[0] != '\0') {
        file_spare_exchanged(spare, &place, parts, count, version, &made, swap.temporary);
    } else if (swap.temporary[0] != '\0') {
        (void)unlinkat(place.folder_fd, swap.temporary, 0);
    }
    closep(&swap.old_fd);
    closep(&swap.new_fd); /* the leases go with them */
    r = r < 0 ? r : file_sync_folder(place.folder_fd);
    if (r == 0) {
        *ret_version = made;
    }
    return r;
}
