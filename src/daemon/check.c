/* --check: what would go wrong at a start, found without touching anything. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "daemon/daemon.h"

/* ---- folders and files ---- */

/* What the caller gave, handed through. */
struct check {
    const char *config;
    void (*tell)(const struct problems *problems, void *userdata);
    int (*finish)(void);
};

struct judge {
    const struct settings *settings;
    struct problems *problems;
    const char *user; /* NULL: whoever runs this */
};

static bool may(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

/* The nearest folder above that is there decides whether the missing ones can be made. Returns owned, NULL: no memory. */
static char *existing_parent(const char *path)
{
    char *parent = strdup(path);
    struct stat info;

    while (parent && parent[1] != '\0' && stat(parent, &info) < 0) {
        char *slash = strrchr(parent, '/');
        slash[slash == parent ? 1 : 0] = '\0';
    }
    return parent;
}

static bool is_missing(const char *path)
{
    struct stat info;

    return stat(path, &info) < 0 && errno == ENOENT;
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static const char *user_or_you(const struct judge *judge)
{
    return judge->user ? judge->user : "this user";
}

static void judge_missing_folder(const struct judge *judge, const char *key, const char *path)
{
    _cleanup_free_ char *parent = existing_parent(path);

    if (parent && !may(parent, W_OK | X_OK)) {
        problems_warn(judge->problems, 0, 0,
                      "%s: %s does not exist, and %s may not make it; systemd does (StateDirectory=), without it run "
                      "install -d -m 0700 -o USER on it",
                      key, path, user_or_you(judge));
    }
}

/* `mode` of access(2). */
static void judge_path(const struct judge *judge, const char *key, const char *path, int mode, const char *deed)
{
    if (!may(path, mode) && errno != ENOENT) {
        problems_add(judge->problems, 0, 0, "%s: %s may not %s %s: %s; correct its owner and mode", key,
                     user_or_you(judge), deed, path, strerror(errno));
    }
}

static void judge_folder(const struct judge *judge, const char *key, const char *path)
{
    struct stat info;

    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
        problems_add(judge->problems, 0, 0, "%s: %s is no folder; name another, or remove it", key, path);
    } else if (is_missing(path)) {
        judge_missing_folder(judge, key, path);
    } else {
        judge_path(judge, key, path, R_OK | W_OK | X_OK, "write into");
    }
}

static int judge_state(const struct judge *judge)
{
    _cleanup_free_ char *state = path_join(judge->settings->state_dir, "state.db");

    if (!state) {
        return -ENOMEM;
    }
    judge_folder(judge, "state_dir", judge->settings->state_dir);
    judge_path(judge, "state_dir", state, R_OK | W_OK, "write");
    return 0;
}

static void judge_provider_path(const char *key, const char *path, bool is_folder, void *userdata)
{
    const struct judge *judge = userdata;
    const char *state_dir = judge->settings->state_dir;

    if (!is_folder) {
        judge_path(judge, key, path, R_OK, "read");
    } else if (!is_missing(state_dir) || !is_below(path, state_dir)) { /* who makes state_dir makes what is in it */
        judge_folder(judge, key, path);
    }
}

static int judge_providers(const struct judge *judge)
{
    int r = 0;

    for (size_t i = 0; r == 0 && provider_table[i]; i++) {
        const struct provider *provider = provider_of(provider_table[i]);
        if (provider->each_path) {
            r = provider->each_path(judge->settings, settings_of_provider(judge->settings, provider_table[i]),
                                    judge_provider_path, (void *)judge);
        }
    }
    return r;
}

static int judge_certificate(const struct judge *judge)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    unsigned rsa_bits = 0;
    int r = judge->settings->tls ? tls_check(judge->settings, &message, &rsa_bits) : 0;

    if (r == -ENOMEM) {
        return r;
    }
    if (r < 0) {
        problems_add(judge->problems, 0, 0, "server.certificate: %s", buffer_text(&message));
    } else if (rsa_bits > 0 && rsa_bits < TLS_RSA_GOOD_BITS) {
        problems_warn(judge->problems, 0, 0,
                      "server.private_key: an RSA key of %u bits, which clients refuse; make one of %d, or better an "
                      "ECDSA key",
                      rsa_bits, TLS_RSA_GOOD_BITS);
    }
    return 0;
}

/* ---- as whom ---- */

/* Of the settings that root can read: who owns state_dir. -ENOENT: it is not there yet. */
static int owner_of_state(const char *config, struct problems *problems, struct stat *ret_info)
{
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    int r = settings_load(config, problems, &settings);

    if (r < 0) {
        return r;
    }
    return stat(settings->state_dir, ret_info) < 0 ? -ENOENT : 0;
}

/* No thread runs yet. `name` NULL: a user without a name. */
static int become(const char *name, uid_t uid, gid_t gid)
{
    if ((name ? initgroups(name, gid) : setgroups(0, NULL)) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0) {
        return -errno;
    }
    return 0;
}

static int check_as_is(const struct check *check, const char *user)
{
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;

    int r = daemon_load_files(check->config, NULL, NULL, check->tell, NULL, &settings, &hosts);
    if (r < 0 && r != -ENOMEM) {
        return EX_CONFIG;
    }
    _cleanup_(problems_freep) struct problems *problems = problems_new(check->config);
    const struct judge judge = {settings, problems, user};
    if (r == -ENOMEM || !problems || judge_state(&judge) < 0 || judge_providers(&judge) < 0 ||
        judge_certificate(&judge) < 0) {
        (void)fputs("ddns53d: out of memory\n", stderr);
        return EX_OSERR;
    }
    check->tell(problems, NULL);
    if (problems_count(problems) > 0) {
        return EX_CONFIG;
    }
    (void)printf("%s: ok, %zu zones, %zu hosts, %zu records%s%s\n", check->config, settings->zone_count,
                 hosts_count(hosts), hosts_record_count(hosts), user ? ", as the user " : "", user ? user : "");
    return check->finish();
}

/* In a process of its own, since there is no way back. */
static int check_in_child(const struct check *check, const char *shown, const char *name, uid_t uid, gid_t gid)
{
    int status;

    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int r = become(name, uid, gid);
        if (r < 0) {
            (void)fprintf(stderr, "ddns53d: cannot become the user %s: %s\n", shown, strerror(-r));
            _exit(EX_OSERR);
        }
        _exit(check_as_is(check, shown));
    }
    while (child > 0 && waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            child = -1;
        }
    }
    if (child < 0 || !WIFEXITED(status)) {
        (void)fputs("ddns53d: the check could not be run as another user\n", stderr);
        return EX_OSERR;
    }
    return WEXITSTATUS(status);
}

static int check_as(const struct check *check, const char *user)
{
    const struct passwd *entry = getpwnam(user); // NOLINT(concurrency-mt-unsafe): no thread yet

    if (!entry) {
        (void)fprintf(stderr, "ddns53d: --user %s: there is no such user\n", user);
        return EX_NOUSER;
    }
    return check_in_child(check, user, user, entry->pw_uid, entry->pw_gid);
}

static int check_as_owner(const struct check *check)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(check->config);
    struct stat info;

    if (!problems || owner_of_state(check->config, problems, &info) < 0 || info.st_uid == getuid()) {
        return check_as_is(check, NULL); /* tells what is wrong, too */
    }
    const struct passwd *entry = getpwuid(info.st_uid); // NOLINT(concurrency-mt-unsafe): no thread yet
    char number[24];
    (void)snprintf(number, sizeof(number), "%u", (unsigned)info.st_uid);
    return check_in_child(check, entry ? entry->pw_name : number, entry ? entry->pw_name : NULL, info.st_uid,
                          entry ? entry->pw_gid : info.st_gid);
}

int daemon_check(const char *config, const char *user, void (*tell)(const struct problems *problems, void *userdata),
                 int (*finish)(void))
{
    const struct check check = {config, tell, finish};

    if (getuid() != 0 && user) {
        (void)fputs("ddns53d: --user: only root can judge as another user\n", stderr);
        return EX_USAGE;
    }
    if (getuid() != 0) {
        return check_as_is(&check, NULL);
    }
    return user ? check_as(&check, user) : check_as_owner(&check);
}
