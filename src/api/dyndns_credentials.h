/*
 * The credentials of a dyndns2 request, as routers send them: HTTP Basic or Bearer, or parameters. They are read here, and
 * tried elsewhere (update/auth.h). Pure.
 */
#ifndef DDNS53_API_DYNDNS_CREDENTIALS_H
#define DDNS53_API_DYNDNS_CREDENTIALS_H

#include <stddef.h>

#include "base/name.h"

#define DYNDNS_PASSWORD_MAX 4096

/* Holds a password: wipe it (base/secret.h). */
struct dyndns_credentials {
    char user[NAME_SIZE]; /* "": none, or one that is too long for a host */
    char password[DYNDNS_PASSWORD_MAX];
    size_t password_length;
    char other_password[DYNDNS_PASSWORD_MAX]; /* another reading of it, which counts as well; length 0: none */
    size_t other_password_length;
};

/* What came as parameters; NULL: not sent. */
struct dyndns_parameters {
    const char *username;
    const char *password;
    const char *other_password; /* another reading of the same */
};

/* A header with a scheme of ours goes before parameters. -ENOENT: no credentials at all; -EINVAL, -E2BIG: some that cannot
 * be read. `authorization` NULL: no header. The struct is zeroed before; it may hold a part when this fails. */
int dyndns_credentials_read(const char *authorization, const struct dyndns_parameters *parameters,
                            struct dyndns_credentials *credentials);

#endif
