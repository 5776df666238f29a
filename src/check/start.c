#include "check/start.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/uacme.h"
#include "base/file.h"
#include "config/value.h"
#include "provider/registry.h"
#include "web/server_certificate_source.h"
#include "web/tls.h"

/* ---- folders and files ---- */

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
    static const char *const keys[] = {"server.private_key", "server.second_private_key"};
    const struct settings *settings = judge->settings;
    unsigned rsa_bits[ELEMENTS(keys)];

    if (value_is_hidden_credential(settings->certificate) || value_is_hidden_credential(settings->private_key) ||
        value_is_hidden_credential(settings->second_certificate) ||
        value_is_hidden_credential(settings->second_private_key)) {
        problems_warn(judge->problems, 0, 0,
                      "server.certificate: is not checked, for only the service itself sees the credentials that "
                      "systemd hands over");
        return 0;
    }
    if (!settings->tls) {
        return 0;
    }
    int r = tls_check(settings, &message, rsa_bits);
    if (r == -ENOMEM) {
        return r;
    }
    if (r < 0) {
        problems_add(judge->problems, 0, 0, "server.certificate: %s", buffer_text(&message));
        return 0;
    }
    if (message.length > 0) {
        problems_warn(judge->problems, 0, 0, "server.second_certificate: %s", buffer_text(&message));
    }
    for (size_t i = 0; i < ELEMENTS(keys); i++) {
        if (rsa_bits[i] > 0 && rsa_bits[i] < TLS_RSA_GOOD_BITS) {
            problems_warn(judge->problems, 0, 0,
                          "%s: an RSA key of %u bits, which clients refuse; make one of %d, or better an ECDSA key",
                          keys[i], rsa_bits[i], TLS_RSA_GOOD_BITS);
        }
    }
    return 0;
}

/* What a start does not stumble over, and clients do. */
static int judge_acme(const struct judge *judge)
{
    _cleanup_(certificate_sources_done) struct certificate_sources sources;
    int r = certificate_sources_find(judge->settings, &sources);

    if (r < 0 || !acme_is_on(judge->settings)) {
        return r;
    }
    _cleanup_free_ char *program = uacme_find(getenv("PATH")); // NOLINT(concurrency-mt-unsafe): no thread
    if (!program) {
        problems_warn(
            judge->problems, 0, 0,
            "server.acme: uacme, which obtains certificates, is not installed; install it (Debian: apt install "
            "uacme)");
    }
    if (!certificate_source_is_there(&sources.obtained)) {
        problems_warn(judge->problems, 0, 0,
                      "server.acme: no certificate has been obtained yet; until there is one, the daemon serves its "
                      "self-signed one");
    }
    return 0;
}

int check_start(const struct settings *settings, const char *user, struct problems *problems)
{
    const struct judge judge = {settings, problems, user};
    int r = judge_state(&judge);

    if (r == 0) {
        r = judge_providers(&judge);
    }
    if (r == 0) {
        r = judge_certificate(&judge);
    }
    return r == 0 ? judge_acme(&judge) : r;
}

/* ---- as whom ---- */

int check_owner(const struct settings *settings, struct check_user *ret_user)
{
    struct stat info;

    if (stat(settings->state_dir, &info) < 0) {
        return -ENOENT;
    }
    const struct passwd *entry = getpwuid(info.st_uid); // NOLINT(concurrency-mt-unsafe): no thread yet
    *ret_user = (struct check_user){info.st_uid, entry ? entry->pw_gid : info.st_gid, entry != NULL, ""};
    if (entry) {
        (void)snprintf(ret_user->shown, sizeof(ret_user->shown), "%s", entry->pw_name);
    } else {
        (void)snprintf(ret_user->shown, sizeof(ret_user->shown), "%u", (unsigned)info.st_uid);
    }
    return 0;
}

int check_become(const char *name, uid_t uid, gid_t gid)
{
    if ((name ? initgroups(name, gid) : setgroups(0, NULL)) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0) {
        return -errno;
    }
    return 0;
}
