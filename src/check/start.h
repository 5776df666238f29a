/*
 * What would go wrong at a start, found without touching anything: for "ddns53d --check" and "ddns53ctl check". Judges as
 * the user who runs it; root becomes the service's user before.
 */
#ifndef DDNS53_CHECK_START_H
#define DDNS53_CHECK_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/problems.h"
#include "config/settings.h"

/* state_dir, what the providers read and write, certificate and key. `user`: who this is, for messages; NULL: "this user".
 * -ENOMEM; what is wrong is in `problems`. */
int check_start(const struct settings *settings, const char *user, struct problems *problems);

#define CHECK_USER_SIZE 64

struct check_user {
    uid_t uid;
    gid_t gid;
    bool has_name;
    char shown[CHECK_USER_SIZE]; /* the name, else the number */
};
/* The owner of state_dir. -ENOENT: it is not there yet. No thread runs yet. */
int check_owner(const struct settings *settings, struct check_user *ret_user);

/* For good. No thread runs yet. `name` NULL: a user without a name. Negative errno. */
int check_become(const char *name, uid_t uid, gid_t gid);

#endif
