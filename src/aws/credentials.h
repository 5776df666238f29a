/*
 * The AWS credential chain, in the SDKs' order and with their names: environment, shared files with profiles
 * (systemd's $CREDENTIALS_DIRECTORY/aws first among them), web identity and assumed roles through STS, the
 * container endpoint, EC2 instance metadata version 2. Found credentials are cached; temporary ones are renewed
 * 5 minutes before they expire, in the background, and the old ones serve until then. Loop thread only.
 */
#ifndef DDNS53_AWS_CREDENTIALS_H
#define DDNS53_AWS_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "io/http_client.h"
#include "io/loop.h"

/* Shared by reference count; loop thread only. */
struct aws_keys {
    char *access_key_id;
    struct secret *secret_access_key;
    struct secret *session_token; /* NULL: none */
    int64_t expires_s;            /* Unix time; INT64_MAX: never */
    char *origin; /* "environment", "profile default of /x", "container", "instance metadata": for the log */
    unsigned references;
};
struct aws_keys *aws_keys_ref(struct aws_keys *keys);
void aws_keys_unref(struct aws_keys *keys);

struct credentials;

/* `getenv_like` is getenv, or a test's own. `profile` "" means AWS_PROFILE, else "default". Copies. */
typedef const char *(*environment)(const char *name);
struct credentials *credentials_new(struct loop *loop, struct http_client *client, const char *profile,
                                    const char *region, environment getenv_like);
void credentials_free(struct credentials *credentials); /* waiters are dropped without their call */
DEFINE_CLEANUP(struct credentials *, credentials_free)

/* The keys that are known and good now, borrowed; NULL: credentials_get has to look. */
struct aws_keys *credentials_cached(const struct credentials *credentials);

/* `keys` is borrowed for the call (take a reference to keep it); NULL with a sentence in `message` that says
 * where it was looked and what to do. Never called from inside credentials_get. */
typedef void (*credentials_done)(struct aws_keys *keys, const char *message, void *userdata);
struct credentials_wait;
int credentials_get(struct credentials *credentials, credentials_done done, void *userdata,
                    struct credentials_wait **ret_wait);
void credentials_wait_cancel(struct credentials_wait *wait);

/* The keys were refused by AWS: the next credentials_get looks again (files are read afresh, temporary ones are
 * asked for anew). Does nothing when `keys` are no longer the cached ones. NULL forgets whatever is cached
 * (a reload). */
void credentials_refresh(struct credentials *credentials, const struct aws_keys *keys);

#endif
