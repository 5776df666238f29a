#include "base/decisions_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"

#define FOLDER_MODE 0750
#define FILE_MODE 0640
#define READ_MAX_BYTES ((size_t)4 << 30)
#define TRIES 10 /* to open two files between which nothing is moved */

static const char *const names[DECISIONS_FAMILIES] = {[DECISIONS_HOSTS] = "hosts", [DECISIONS_OTHERS] = "others"};

/* `age` 0: the one that is appended to. Owned; NULL: no memory. */
static char *path_of(const char *state_dir, enum decisions_family family, int age)
{
    char *path = NULL;

    return asprintf(&path, "%s/" DECISIONS_FOLDER "/%s%s.jsonl", state_dir, names[family], age > 0 ? ".1" : "") < 0
               ? NULL
               : path;
}

/* ---- writing ---- */

int decisions_file_init(struct decisions_file *file, const char *state_dir, enum decisions_family family,
                        size_t max_bytes)
{
    *file = (struct decisions_file){
        .folder = path_join(state_dir, DECISIONS_FOLDER),
        .path = path_of(state_dir, family, 0),
        .path_before = path_of(state_dir, family, 1),
        .max_bytes = max_bytes,
        .fd = -1,
    };
    return file->folder && file->path && file->path_before ? 0 : -ENOMEM;
}

static void close_file(struct decisions_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

void decisions_file_done(struct decisions_file *file)
{
    close_file(file);
    free(file->folder);
    free(file->path);
    free(file->path_before);
    *file = (struct decisions_file){.fd = -1};
}

/* A crash may have left half a line, which is to stay alone. */
static int end_last_line(struct decisions_file *file)
{
    char last = '\n';

    if (file->size > 0 && pread(file->fd, &last, 1, (off_t)file->size - 1) < 0) {
        return -errno;
    }
    if (last == '\n') {
        return 0;
    }
    const int r = file_write_all(file->fd, "\n", 1);
    file->size += r == 0 ? 1 : 0;
    return r;
}

static int open_file(struct decisions_file *file)
{
    struct stat info;
    int r = folder_make(file->folder, FOLDER_MODE);

    if (r < 0) {
        return r;
    }
    file->fd = open(file->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    if (file->fd < 0 || fstat(file->fd, &info) < 0) {
        r = -errno;
    } else if (!S_ISREG(info.st_mode)) {
        r = -EINVAL;
    } else {
        file->size = (size_t)info.st_size;
        r = end_last_line(file);
    }
    if (r < 0) {
        close_file(file);
    }
    return r;
}

/* Somebody may have removed the file: then a new one is made. */
static bool is_in_place(const struct decisions_file *file)
{
    struct stat info;

    return file->fd >= 0 && fstat(file->fd, &info) == 0 && info.st_nlink > 0;
}

int decisions_file_append(struct decisions_file *file, const char *lines, size_t length)
{
    int r = 0;

    if (!is_in_place(file)) {
        close_file(file);
        r = open_file(file);
    }
    if (r == 0 && file->size > 0 && file->size + length > file->max_bytes) {
        close_file(file);
        r = rename(file->path, file->path_before) < 0 ? -errno : open_file(file);
    }
    if (r < 0) {
        return r;
    }
    r = file_write_all(file->fd, lines, length);
    if (r < 0) {
        (void)!ftruncate(file->fd,
                         (off_t)file->size); /* half a line helps nobody, and takes the last bytes of a disk */
        return r;
    }
    file->size += length;
    return 0;
}

/* ---- reading ---- */

/* -ENOENT: it is not there. */
static int open_for_reading(const char *state_dir, enum decisions_family family, int age, struct stat *ret_stat)
{
    _cleanup_free_ char *path = path_of(state_dir, family, age);

    return path ? file_open_regular(path, ret_stat) : -ENOMEM;
}

/* Both as they are at one moment; -1 for one that is not there. */
static int open_both(const char *state_dir, enum decisions_family family, int ret_fds[2])
{
    for (int i = 0; i < TRIES; i++) {
        struct stat infos[3];
        int fds[3];
        for (int k = 0; k < 3; k++) {
            fds[k] = open_for_reading(state_dir, family, k == 1 ? 1 : 0, &infos[k]);
        }
        const bool is_same =
            (fds[0] < 0 && fds[2] < 0) || (fds[0] >= 0 && fds[2] >= 0 && infos[0].st_ino == infos[2].st_ino);
        if (fds[2] >= 0) {
            close(fds[2]);
        }
        const int error = fds[0] < 0 && fds[0] != -ENOENT ? fds[0] : fds[1] < 0 && fds[1] != -ENOENT ? fds[1] : 0;
        if (is_same && error == 0) {
            ret_fds[0] = fds[0] < 0 ? -1 : fds[0];
            ret_fds[1] = fds[1] < 0 ? -1 : fds[1];
            return 0;
        }
        for (int k = 0; k < 2; k++) {
            if (fds[k] >= 0) {
                close(fds[k]);
            }
        }
        if (error < 0) {
            return error;
        }
    }
    return -EAGAIN;
}

static int each_from_end(const struct buffer *text, decisions_line each, void *userdata)
{
    size_t end = text->length;
    int r = 0;

    /* What has no newline yet is being written. */
    while (end > 0 && text->data[end - 1] != '\n') {
        end--;
    }
    while (r == 0 && end > 0) {
        const char *newline = memrchr(text->data, '\n', end - 1);
        const size_t start = newline ? (size_t)(newline - text->data) + 1 : 0;
        r = each(text->data + start, end - 1 - start, userdata);
        end = start;
    }
    return r;
}

static int read_whole(int fd, struct buffer *text)
{
    char bytes[65536];
    ssize_t n = 0;

    while ((n = read(fd, bytes, sizeof(bytes))) != 0) {
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0 && text->length < READ_MAX_BYTES) {
            buffer_append(text, bytes, (size_t)n);
        }
    }
    return buffer_status(text);
}

int decisions_read(const char *state_dir, enum decisions_family family, decisions_line each, void *userdata)
{
    int fds[2];
    int r = open_both(state_dir, family, fds);

    if (r < 0) {
        return r;
    }
    for (int i = 0; i < 2; i++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        if (fds[i] < 0) {
            continue;
        }
        r = r == 0 ? read_whole(fds[i], &text) : r;
        r = r == 0 ? each_from_end(&text, each, userdata) : r;
        close(fds[i]);
    }
    return r;
}

/* ---- following ---- */

struct decisions_tail {
    char *state_dir;
    enum decisions_family family;
    int fd; /* -1: not open */
    ino_t inode;
    bool is_placed;      /* later files are read from their beginning */
    struct buffer begun; /* of a line */
};

struct decisions_tail *decisions_tail_new(const char *state_dir, enum decisions_family family)
{
    struct decisions_tail *tail = calloc(1, sizeof(*tail));

    if (!tail) {
        return NULL;
    }
    tail->state_dir = strdup(state_dir);
    tail->family = family;
    tail->fd = -1;
    if (!tail->state_dir) {
        decisions_tail_free(tail);
        return NULL;
    }
    return tail;
}

void decisions_tail_free(struct decisions_tail *tail)
{
    if (!tail) {
        return;
    }
    if (tail->fd >= 0) {
        close(tail->fd);
    }
    buffer_done(&tail->begun);
    free(tail->state_dir);
    free(tail);
}

/* 0 also where there is no file yet. */
static int open_tail(struct decisions_tail *tail)
{
    struct stat info;
    const int fd = open_for_reading(tail->state_dir, tail->family, 0, &info);

    if (fd < 0) {
        tail->is_placed = true; /* what comes is new */
        return fd == -ENOENT ? 0 : fd;
    }
    if (!tail->is_placed && lseek(fd, 0, SEEK_END) < 0) {
        const int r = -errno;
        close(fd);
        return r;
    }
    tail->is_placed = true;
    tail->fd = fd;
    tail->inode = info.st_ino;
    buffer_clear(&tail->begun);
    return 0;
}

/* Gives out the whole lines, keeps the rest. */
static int give_lines(struct decisions_tail *tail, decisions_line each, void *userdata)
{
    size_t start = 0;
    int r = buffer_status(&tail->begun);

    while (r == 0 && start < tail->begun.length) {
        const char *line = tail->begun.data + start;
        const char *newline = memchr(line, '\n', tail->begun.length - start);
        if (!newline) {
            break;
        }
        r = each(line, (size_t)(newline - line), userdata);
        start += (size_t)(newline - line) + 1;
    }
    if (start > 0) {
        memmove(tail->begun.data, tail->begun.data + start, tail->begun.length - start);
        tail->begun.length -= start;
        tail->begun.data[tail->begun.length] = '\0';
    }
    return r;
}

/* Has another file taken its place? Asked before the rest of this one is read. */
static bool has_been_replaced(const struct decisions_tail *tail)
{
    _cleanup_free_ char *path = path_of(tail->state_dir, tail->family, 0);
    struct stat info;

    return path && stat(path, &info) == 0 && info.st_ino != tail->inode;
}

int decisions_tail_read(struct decisions_tail *tail, decisions_line each, void *userdata)
{
    int r = tail->fd < 0 ? open_tail(tail) : 0;

    while (r == 0 && tail->fd >= 0) {
        const bool is_last = has_been_replaced(tail);
        r = read_whole(tail->fd, &tail->begun);
        r = r == 0 ? give_lines(tail, each, userdata) : r;
        if (r != 0 || !is_last) {
            break;
        }
        close(TAKE_FD(tail->fd));
        r = open_tail(tail);
    }
    return r;
}
