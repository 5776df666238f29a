#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/file_internal.h"
#include "base/parse.h"
#include "base/secret.h"

#define READ_CHUNK_BYTES 16384

int file_read_all(int fd, size_t limit_bytes, size_t size_hint, struct buffer *buffer)
{
    size_t start = buffer->length;

    /* One more than expected, so that the end is seen without growing. */
    buffer_reserve(buffer, size_hint + 1);
    for (;;) {
        if (buffer->capacity - buffer->length < 2) {
            buffer_reserve(buffer, READ_CHUNK_BYTES);
        }
        if (buffer_status(buffer) < 0) {
            return buffer_status(buffer);
        }
        size_t room = buffer->capacity - buffer->length - 1;
        ssize_t n = read(fd, buffer->data + buffer->length, room);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return 0;
        }
        buffer->length += (size_t)n;
        buffer->data[buffer->length] = '\0';
        if (buffer->length - start > limit_bytes) {
            return -EFBIG;
        }
    }
}

int file_read_up_to(int fd, void *bytes, size_t size, size_t *ret_length)
{
    size_t length = 0;

    while (length < size) {
        const ssize_t n = read(fd, (char *)bytes + length, size - length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        length += (size_t)n;
    }
    *ret_length = length;
    return 0;
}

int file_open_regular(const char *path, struct stat *ret_stat)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    struct stat stat_of_fd;
    if (fstat(fd, &stat_of_fd) < 0) {
        return -errno;
    }
    if (!S_ISREG(stat_of_fd.st_mode)) {
        return S_ISDIR(stat_of_fd.st_mode) ? -EISDIR : -EINVAL;
    }
    *ret_stat = stat_of_fd;
    return TAKE_FD(fd);
}

int file_read(const char *path, size_t limit_bytes, struct buffer *buffer, struct stat *ret_stat)
{
    struct stat info = {0};
    _cleanup_close_ int fd = file_open_regular(path, &info);
    if (fd < 0) {
        return fd;
    }
    if ((uintmax_t)info.st_size > limit_bytes) {
        return -EFBIG;
    }
    /* Read aside: the caller's buffer may have a limit of its own, and keeps what it had when reading fails. */
    struct buffer content = BUFFER_INIT;
    int r = file_read_all(fd, limit_bytes, (size_t)info.st_size, &content);
    if (r == 0 && buffer->length == 0 && buffer_status(buffer) == 0) {
        buffer_done(buffer);
        *buffer = content;
        content = (struct buffer)BUFFER_INIT;
    } else if (r == 0) {
        buffer_append(buffer, buffer_text(&content), content.length);
        r = buffer_status(buffer);
    }
    buffer_wipe(&content);
    if (r == 0 && ret_stat != NULL) {
        *ret_stat = info;
    }
    return r;
}

/* Leaves out what has been written. */
static void skip_written(struct iovec **parts, size_t *count, size_t written)
{
    while (*count > 0 && written >= (*parts)->iov_len) {
        written -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + written;
        (*parts)->iov_len -= written;
    }
}

/* Overwrites what `parts` says. */
static int write_vector(int fd, struct iovec *parts, size_t count)
{
    skip_written(&parts, &count, 0);
    while (count > 0) {
        const ssize_t n = writev(fd, parts, (int)(count < IOV_MAX ? count : IOV_MAX));
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        skip_written(&parts, &count, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

int file_write_all(int fd, const void *bytes, size_t length)
{
    struct iovec whole = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};

    return write_vector(fd, &whole, 1);
}

int file_write_at(int fd, const char *bytes, size_t length, off_t at)
{
    for (size_t written = 0; written < length;) {
        const ssize_t n = pwrite(fd, bytes + written, length - written, at + (off_t)written);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int write_parts(int fd, const struct file_part *parts, size_t count)
{
    _cleanup_free_ struct iovec *vector = calloc(count + 1, sizeof(*vector));

    if (vector == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        vector[i] = (struct iovec){.iov_base = (void *)(uintptr_t)parts[i].data, .iov_len = parts[i].length};
    }
    return write_vector(fd, vector, count);
}

/* Splits at the last slash. Both are owned. */
static int split_path(const char *path, char **ret_folder, char **ret_name)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return -EINVAL;
    }
    _cleanup_free_ char *folder = NULL;
    if (slash == NULL) {
        folder = strdup(".");
    } else {
        folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    }
    _cleanup_free_ char *copy = strdup(name);
    if (folder == NULL || copy == NULL) {
        return -ENOMEM;
    }
    *ret_folder = TAKE_PTR(folder);
    *ret_name = TAKE_PTR(copy);
    return 0;
}

/* NULL: it is no symbolic link. */
static int resolve_link(const char *path, char **ret_target)
{
    struct stat info;
    if (lstat(path, &info) < 0 || !S_ISLNK(info.st_mode)) {
        return 0;
    }
    *ret_target = realpath(path, NULL);
    return *ret_target != NULL ? 0 : -errno;
}

static int open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int file_find_place(const char *path, struct file_place *ret_place)
{
    _cleanup_free_ char *target = NULL;
    _cleanup_free_ char *folder = NULL;
    _cleanup_free_ char *name = NULL;
    int r = resolve_link(path, &target);
    if (r < 0) {
        return r;
    }
    r = split_path(target != NULL ? target : path, &folder, &name);
    if (r < 0) {
        return r;
    }
    int fd = open_folder(folder);
    if (fd < 0) {
        return fd;
    }
    *ret_place = (struct file_place){.folder_fd = fd, .name = TAKE_PTR(name)};
    return 0;
}

void file_place_done(struct file_place *place)
{
    if (place->folder_fd >= 0) {
        close(place->folder_fd);
    }
    free(place->name);
}

void file_temporary_name(char ret_name[FILE_TEMPORARY_SIZE])
{
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];
    random_bytes(random, sizeof(random));
    print_hex(random, sizeof(random), hex);
    (void)snprintf(ret_name, FILE_TEMPORARY_SIZE, ".new-%s", hex);
}

/* -EEXIST never comes back but after several draws. */
static int create_temporary(int folder_fd, char ret_name[FILE_TEMPORARY_SIZE], int *ret_fd)
{
    for (unsigned attempt = 0; attempt < 16; attempt++) {
        file_temporary_name(ret_name);
        int fd = openat(folder_fd, ret_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            *ret_fd = fd;
            return 0;
        }
        if (errno != EEXIST) {
            return -errno;
        }
    }
    return -EEXIST;
}

/* Root edits a file that the daemon's group reads: it must stay readable. Who is not root may not give files away
 * (EPERM), but may still give them to a group of its own; in a container the old owner may have no number (EINVAL). */
static int keep_owner(int fd, const struct stat *old)
{
    if (fchown(fd, old->st_uid, old->st_gid) == 0 || fchown(fd, (uid_t)-1, old->st_gid) == 0) {
        return 0;
    }
    return errno == EPERM || errno == EINVAL ? 0 : -errno;
}

int file_finish(int fd, mode_t mode, const struct stat *old)
{
    int r = old != NULL ? keep_owner(fd, old) : 0;
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0)) {
        r = -errno;
    }
    return r;
}

int file_make_temporary(int folder_fd, const struct file_part *parts, size_t count, mode_t mode, const struct stat *old,
                        char ret_name[FILE_TEMPORARY_SIZE], int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    int r = create_temporary(folder_fd, ret_name, &fd);
    if (r < 0) {
        return r;
    }
    r = write_parts(fd, parts, count);
    if (r == 0) {
        r = file_finish(fd, mode, old);
    }
    if (r < 0) {
        (void)unlinkat(folder_fd, ret_name, 0);
        return r;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int file_sync_folder(int folder_fd)
{
    return fsync(folder_fd) < 0 && errno != EINVAL ? -errno : 0;
}

int file_replace(const char *path, const void *bytes, size_t length, mode_t mode)
{
    _cleanup_place_ struct file_place place = {.folder_fd = -1};
    int r = file_find_place(path, &place);
    if (r < 0) {
        return r;
    }
    struct stat old;
    bool exists = fstatat(place.folder_fd, place.name, &old, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && !S_ISREG(old.st_mode)) {
        return S_ISDIR(old.st_mode) ? -EISDIR : -EINVAL;
    }
    const struct file_part content = {.data = bytes, .length = length};
    char temporary[FILE_TEMPORARY_SIZE];
    _cleanup_close_ int fd = -1;
    r = file_make_temporary(place.folder_fd, &content, 1, mode, exists ? &old : NULL, temporary, &fd);
    if (r < 0) {
        return r;
    }
    if (close(TAKE_FD(fd)) < 0 && errno != EINTR) {
        r = -errno; /* NFS reports here what it could not store */
    }
    if (r == 0 && renameat(place.folder_fd, temporary, place.folder_fd, place.name) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlinkat(place.folder_fd, temporary, 0);
        return r;
    }
    return file_sync_folder(place.folder_fd);
}

char *path_join(const char *folder, const char *name)
{
    struct buffer buffer = BUFFER_INIT;
    size_t length = strlen(folder);
    buffer_append(&buffer, folder, length);
    if (length > 0 && folder[length - 1] != '/') {
        buffer_append_char(&buffer, '/');
    }
    buffer_append_text(&buffer, name);
    char *path = buffer_take(&buffer);
    buffer_done(&buffer);
    return path;
}

const char *file_advice(int error)
{
    switch (error) {
    case -ENOSPC: return "make room on its disk";
    case -EDQUOT: return "make room, or raise the disk quota of the user that ddns53d runs as";
    case -EROFS:
        return "its file system is read-only: name its folder in ReadWritePaths= (systemctl edit ddns53d), or mount "
               "it for writing";
    case -EACCES:
    case -EPERM: return "let the user that ddns53d runs as read and write it and its folder";
    default: return NULL;
    }
}

char *path_beside(const char *file, const char *relative)
{
    const char *slash = strrchr(file, '/');
    if (relative[0] == '/' || slash == NULL) {
        return strdup(relative);
    }
    _cleanup_free_ char *folder = strndup(file, (size_t)(slash - file) + 1);
    return folder != NULL ? path_join(folder, relative) : NULL;
}

static int make_one(const char *path, mode_t mode)
{
    struct stat info;
    if (mkdir(path, mode) == 0) {
        return 0;
    }
    int error = errno;
    /* Looked at whatever mkdir said: on a read-only file system it says EROFS for one that exists too. */
    if (stat(path, &info) < 0) {
        return -error;
    }
    return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

int folder_make(const char *path, mode_t mode)
{
    if (path[0] == '\0') {
        return -EINVAL;
    }
    _cleanup_free_ char *copy = strdup(path);
    if (copy == NULL) {
        return -ENOMEM;
    }
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = make_one(copy, mode);
        if (r < 0) {
            return r;
        }
        *slash = '/';
    }
    return make_one(copy, mode);
}
