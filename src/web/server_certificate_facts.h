/*
 * What a certificate says about itself, for the log: whom it names, from when until when it is valid. Pure.
 */
#ifndef DDNS53_WEB_SERVER_CERTIFICATE_FACTS_H
#define DDNS53_WEB_SERVER_CERTIFICATE_FACTS_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/name.h"

struct certificate_facts {
    int64_t begins_s; /* Unix time */
    int64_t expires_s;
    char fingerprint[65]; /* lower-case hex SHA-256 of the DER */
    char *names;          /* comma separated, the first ten; owned */
};

/* -ENOMEM. */
int certificate_facts_read(gnutls_x509_crt_t certificate, struct certificate_facts *ret_facts);
void certificate_facts_done(struct certificate_facts *facts);

/* Does it name all hosts and addresses that the other one names? */
bool certificate_has_names_of(gnutls_x509_crt_t certificate, gnutls_x509_crt_t other);

/* The same of the first certificate in a PEM file, and whether it names all of these. -EINVAL: it is none; -ENOMEM; errno of
 * reading. */
int certificate_facts_of_file(const char *path, const struct name *wanted, size_t count,
                              struct certificate_facts *ret_facts, bool *ret_covers);

#endif
