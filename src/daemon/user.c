#include "daemon/user.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/settings.h"
#include "web/listen.h"

#define SPARE_FILES 1024 /* besides connections: more than the daemon opens */

/* ---- what needs root ---- */

static void close_all(struct opened *opened)
{
    while (opened->count > 0) {
        close(opened->sockets[--opened->count]);
    }
}

/* A unix socket's file stays behind at the end, since the user may not remove it there; the next start does. */
static int open_one(const struct settings *settings, size_t index, const struct passwd *user, struct buffer *message,
                    struct opened *opened)
{
    struct listener listener;
    int r = listener_open(settings->listen, settings->listen_count, index, message, &listener);

    if (r < 0) {
        return r;
    }
    if (listener.unix_path && chown(listener.unix_path, user->pw_uid, user->pw_gid) < 0) {
        r = -errno;
        buffer_printf(message, "%s: cannot be given to %s: %s", listener.text, user->pw_name, strerror(-r));
        listener_done(&listener);
        return r;
    }
    opened->sockets[opened->count++] = TAKE_FD(listener.fd);
    free(TAKE_PTR(listener.unix_path));
    listener_done(&listener);
    return 0;
}

static int open_all(const struct settings *settings, const struct passwd *user, struct buffer *message,
                    struct opened *opened)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->listen_count && i < OPENED_MAX; i++) {
        r = open_one(settings, i, user, message, opened);
    }
    if (r < 0) {
        close_all(opened);
    }
    return r;
}

/* The daemon says later what it lacks. */
static void raise_file_limit(const struct settings *settings)
{
    rlim_t wanted = (rlim_t)settings->connections + SPARE_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < wanted) {
        limit.rlim_cur = limit.rlim_max = wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ---- giving it up ---- */

static int set_capabilities_to_none(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* Nothing that is run later gets one back either. */
static int empty_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            return -errno;
        }
    }
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ? -errno : 0;
}

static int give_up(const struct passwd *user)
{
    int r = empty_bounding_set();

    if (r < 0) {
        return r;
    }
    if (initgroups(user->pw_name, user->pw_gid) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0) {
        return -errno;
    }
    r = set_capabilities_to_none();
    if (r < 0) {
        return r;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* A call that did not do what it said would be no one's notice. */
static bool is_really(const struct passwd *user)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    uid_t uids[3];
    gid_t gids[3];

    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0 ||
        syscall(SYS_capget, &header, data) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || setuid(0) == 0) {
        return false;
    }
    for (size_t i = 0; i < ELEMENTS(uids); i++) {
        if (uids[i] != user->pw_uid || gids[i] != user->pw_gid) {
            return false;
        }
    }
    for (size_t i = 0; i < ELEMENTS(data); i++) {
        if ((data[i].effective | data[i].permitted | data[i].inheritable) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- both ---- */

int user_find(const char *name, struct buffer *message, const struct passwd **ret_user)
{
    const struct passwd *user = getpwnam(name); // NOLINT(concurrency-mt-unsafe): no thread yet

    if (getuid() != 0) {
        buffer_printf(message, "--user: only root can become another user; leave it out");
        return EX_USAGE;
    }
    if (!user) {
        buffer_printf(message, "--user %s: there is no such user", name);
        return EX_NOUSER;
    }
    if (user->pw_uid == 0 || user->pw_gid == 0) {
        buffer_printf(message, "--user %s: is root, or in root's group; name a user of the daemon's own", name);
        return EX_USAGE;
    }
    *ret_user = user;
    return 0;
}

int user_become(const char *config, const struct passwd *user,
                void (*tell)(const struct problems *problems, void *userdata), struct buffer *message,
                struct opened *ret_opened)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    struct opened opened = {.count = 0};
    int r = problems ? settings_load(config, problems, &settings) : -ENOMEM;

    if (r == -EINVAL) {
        tell(problems, NULL);
    }
    if (r == 0) {
        raise_file_limit(settings);
        r = open_all(settings, user, message, &opened);
    }
    if (r < 0) {
        return r;
    }
    r = give_up(user);
    if (r == 0 && !is_really(user)) {
        r = -EPERM;
    }
    if (r < 0) {
        buffer_printf(message, "--user %s: root cannot be given up: %s", user->pw_name, strerror(-r));
        close_all(&opened);
        return r;
    }
    *ret_opened = opened;
    return 0;
}
