/* --check: src/check/start.h, as the user of the service. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "check/start.h"
#include "daemon/daemon.h"

/* What the caller gave, handed through. */
struct check {
    const char *config;
    void (*tell)(const struct problems *problems, void *userdata);
    int (*finish)(void);
};

/* ---- as whom ---- */

static int check_as_is(const struct check *check, const char *user)
{
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;

    int r = daemon_load_files(check->config, NULL, NULL, NULL, check->tell, NULL, &settings, &hosts);
    if (r < 0 && r != -ENOMEM) {
        return EX_CONFIG;
    }
    _cleanup_(problems_freep) struct problems *problems = problems_new(check->config);
    if (r == -ENOMEM || !problems || check_start(settings, user, problems) < 0) {
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
        int r = check_become(name, uid, gid);
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
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    struct check_user user;

    if (!problems || settings_load(check->config, problems, &settings) < 0 || check_owner(settings, &user) < 0 ||
        user.uid == getuid()) {
        return check_as_is(check, NULL); /* tells what is wrong, too */
    }
    return check_in_child(check, user.shown, user.has_name ? user.shown : NULL, user.uid, user.gid);
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
