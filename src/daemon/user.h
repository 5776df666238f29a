/*
 * --user NAME, for machines without systemd: root binds the ports and becomes a user that may do nothing else, before any
 * byte is read from the network. Main thread, before there is another one.
 */
#ifndef DDNS53_DAEMON_USER_H
#define DDNS53_DAEMON_USER_H

#include <pwd.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/problems.h"

#define OPENED_MAX 64 /* as many as server.listen may name */

/* What server.listen names, bound as root. */
struct opened {
    int sockets[OPENED_MAX];
    size_t count;
};

/* The user of that name. EX_USAGE or EX_NOUSER with a sentence in `message` where root cannot or should not become it; 0.
 * Valid until the next look-up. */
int user_find(const char *name, struct buffer *message, const struct passwd **ret_user);

/* Binds server.listen of these settings, raises the limit of open files, and gives up root for good: groups, user, every
 * capability, and the right to get privileges by running something. The caller owns the sockets. -EINVAL: the settings
 * are wrong, which `tell` has said when `message` is empty; else errno with a sentence in `message`. */
int user_become(const char *config, const struct passwd *user,
                void (*tell)(const struct problems *problems, void *userdata), struct buffer *message,
                struct opened *ret_opened);

#endif
