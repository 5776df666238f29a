/*
 * What a certificate says about itself, for the log: whom it names, from when until when it is valid. Pure.
 */
#ifndef DDNS53_WEB_SERVER_CERTIFICATE_FACTS_H
#define DDNS53_WEB_SERVER_CERTIFICATE_FACTS_H

#include <gnutls/x509.h>
#include <stdint.h>

#include "base/buffer.h"

struct certificate_facts {
    int64_t begins_s; /* Unix time */
    int64_t expires_s;
    char fingerprint[65]; /* lower-case hex SHA-256 of the DER */
    char *names;          /* comma separated, the first ten; owned */
};

/* -ENOMEM. */
int certificate_facts_read(gnutls_x509_crt_t certificate, struct certificate_facts *ret_facts);
void certificate_facts_done(struct certificate_facts *facts);

#endif
