/*
 * What follows from server.acme: which names the certificate is for, and in which files it is. Pure.
 */
#ifndef DDNS53_CONFIG_ACME_H
#define DDNS53_CONFIG_ACME_H

#include "config/settings.h"

struct acme_wanted {
    struct name *names; /* that of public_url, then those of server.acme.names, each once; the first names the files */
    size_t count;
    char *folder; /* the client's: account, keys and certificates of one authority */
    char *certificate;
    char *private_key;
};

/* With an e-mail address, where HTTPS is spoken and no other certificate is given. */
bool acme_is_on(const struct settings *settings);

/* -ENOENT: there is no name; -ENOMEM. */
int acme_wanted_read(const struct settings *settings, struct acme_wanted *ret_wanted);
void acme_wanted_done(struct acme_wanted *wanted);

/* Where the authority looks for its challenge (RFC 8555 section 8.4): the same for a name and its wildcard.
 * -EINVAL: too long. */
int acme_challenge_name(const struct name *of, struct name *ret_name);

/* What is wrong with server.acme together with the rest. 0, -EINVAL with problems, -ENOMEM. */
int acme_check(struct problems *problems, const struct yaml_node *root, const struct settings *settings);

#endif
