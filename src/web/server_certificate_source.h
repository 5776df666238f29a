/*
 * Where the server's pair of certificate and key is, by the settings, and whether its files have changed. No GnuTLS here.
 */
#ifndef DDNS53_WEB_SERVER_CERTIFICATE_SOURCE_H
#define DDNS53_WEB_SERVER_CERTIFICATE_SOURCE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config/acme.h"

/* Borrows the paths. */
struct certificate_source {
    const char *certificate; /* NULL: there is none of this kind */
    const char *private_key;
    const char *second_certificate; /* NULL: none; of another kind of key */
    const char *second_private_key;
    bool is_self_signed;
};

/* Where a pair may be. */
struct certificate_sources {
    struct certificate_source named;    /* by server.certificate, server.second_certificate */
    struct certificate_source obtained; /* by ACME */
    struct certificate_source own;      /* self-signed, in state_dir */
    struct acme_wanted wanted;
    char *own_certificate;
    char *own_key;
};

/* Borrows from the settings. -ENOMEM. Ends with certificate_sources_done in any case. */
int certificate_sources_find(const struct settings *settings, struct certificate_sources *ret_sources);
void certificate_sources_done(struct certificate_sources *sources);

/* Are both files there? */
bool certificate_source_is_there(const struct certificate_source *source);
/* The one that counts: the named one, or the obtained one where it is there, or our own. */
const struct certificate_source *certificate_sources_choose(const struct certificate_sources *sources);

/* What files looked like. */
struct certificate_mark {
    struct stat files[4]; /* zeroed where one is missing */
};
void certificate_mark_read(const struct certificate_source *source, struct certificate_mark *ret_mark);
bool certificate_mark_equals(const struct certificate_mark *a, const struct certificate_mark *b);

#endif
