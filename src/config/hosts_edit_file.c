/* The file around an edit: one tool at a time, and again when somebody else was quicker. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_update.h"
#include "config/hosts_edit.h"

#define FILE_MAX_BYTES (512UL * 1024 * 1024) /* as hosts_load */
#define WAIT_MS 30000
#define TURN_MS 10

/* One edit of a file, over all its attempts. */
struct attempt {
    const char *path;
    const struct settings *settings;
    hosts_change change;
    void *context;
    struct problems *problems;
    bool is_rehearsal; /* nothing is written */
    int64_t deadline_ms;
    struct hosts *hosts; /* of the last attempt */
    bool is_changed;
};

static bool is_over(const struct attempt *attempt)
{
    return clock_monotonic_ms(clock_system()) >= attempt->deadline_ms;
}

static void wait_a_turn(void)
{
    const struct timespec turn = {.tv_nsec = TURN_MS * 1000000L};

    (void)nanosleep(&turn, NULL);
}

static bool is_still_there(const char *path, int fd)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* Tools take turns by a lock on the file itself, which goes with it when it is replaced: who waited for it opens the
 * new one. file_update would not lose an edit without it, but they would make theirs again and again. A file system
 * without locks does without. */
static int take_turn(const struct attempt *attempt, int *ret_fd)
{
    for (;;) {
        _cleanup_close_ int fd = open(attempt->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno != EAGAIN) {
            return -errno;
        }
        bool is_held = fd < 0 || (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
        if (!is_held && is_still_there(attempt->path, fd)) {
            *ret_fd = TAKE_FD(fd);
            return 0;
        }
        if (is_over(attempt)) {
            return -EBUSY;
        }
        if (is_held) {
            wait_a_turn();
        }
    }
}

static int edit_once(struct attempt *attempt)
{
    struct buffer text = BUFFER_INIT, new_text = BUFFER_INIT;
    struct stat version;
    int r = file_read_version(attempt->path, FILE_MAX_BYTES, &text, &version);

    if (r == 0 && (version.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        problems_add(attempt->problems, 0, 0, "group or others may write it (mode %04o); run chmod go-w on it",
                     (unsigned)version.st_mode & 07777U);
        r = -EBADMSG;
    }
    if (r == 0) {
        const struct host_text old = {buffer_text(&text), text.length, attempt->path, attempt->settings};
        hosts_unref(attempt->hosts);
        attempt->hosts = NULL;
        r = hosts_edit_text(&old, attempt->change, attempt->context, attempt->problems, &new_text, &attempt->hosts,
                            &attempt->is_changed);
    }
    if (r == 0 && attempt->is_changed && !attempt->is_rehearsal) {
        const struct file_part content = {.data = buffer_text(&new_text), .length = new_text.length};
        r = file_update(attempt->path, &version, &content, 1, NULL, &version);
    }
    buffer_wipe(&text);
    buffer_wipe(&new_text);
    return r;
}

static int edit_in_turn(struct attempt *attempt)
{
    for (;;) {
        _cleanup_close_ int fd = -1;
        int r = take_turn(attempt, &fd);
        r = r < 0 ? r : edit_once(attempt);
        if ((r != -EBUSY && r != -ESTALE) || is_over(attempt)) {
            return r;
        }
        if (r == -EBUSY) {
            wait_a_turn();
        }
    }
}

/* What is wrong with the file, where nobody has said so yet. */
static void add_failure(const struct attempt *attempt, int error)
{
    struct problems *problems = attempt->problems;
    const char *advice = file_advice(error);

    switch (error) {
    case -EBUSY:
    case -ESTALE:
        problems_add(problems, 0, 0,
                     "another program has had it open for writing, or its folder locked, for %d seconds; close it "
                     "there and try again",
                     WAIT_MS / 1000);
        break;
    case -ENOENT:
        problems_add(problems, 0, 0, "no such file; make one with ddns53ctl init, or write hosts: [] into it");
        break;
    case -EFBIG: problems_add(problems, 0, 0, "larger than %lu bytes, which is the limit", FILE_MAX_BYTES); break;
    case -EISDIR: problems_add(problems, 0, 0, "not a regular file; give another path"); break;
    case -EACCES:
    case -EPERM: problems_add(problems, 0, 0, "cannot be changed: %s; run this as root", strerror(-error)); break;
    default:
        problems_add(problems, 0, 0, "cannot be changed: %s; %s", strerror(-error),
                     advice ? advice : "look at its disk and folder");
        break;
    }
}

static int edit(struct attempt *attempt, struct hosts **ret_hosts, bool *ret_changed)
{
    size_t before = problems_count(attempt->problems);

    attempt->deadline_ms = clock_monotonic_ms(clock_system()) + WAIT_MS;
    int r = edit_in_turn(attempt);
    if (r < 0) {
        hosts_unref(attempt->hosts);
        if (problems_count(attempt->problems) == before) {
            add_failure(attempt, r);
        }
        return r == -ESTALE ? -EBUSY : r;
    }
    *ret_hosts = attempt->hosts;
    *ret_changed = attempt->is_changed;
    return 0;
}

int hosts_edit_file(const char *path, const struct settings *settings, hosts_change change, void *context,
                    struct problems *problems, struct hosts **ret_hosts, bool *ret_changed)
{
    struct attempt attempt = {path, settings, change, context, problems, .is_rehearsal = false};

    return edit(&attempt, ret_hosts, ret_changed);
}

int hosts_edit_rehearse(const char *path, const struct settings *settings, hosts_change change, void *context,
                        struct problems *problems, struct hosts **ret_hosts, bool *ret_changed)
{
    struct attempt attempt = {path, settings, change, context, problems, .is_rehearsal = true};

    return edit(&attempt, ret_hosts, ret_changed);
}
