/*
 * A certificate, its chain and its key, read from PEM files. Blocks; any thread.
 */
#ifndef DDNS53_WEB_SERVER_PAIR_H
#define DDNS53_WEB_SERVER_PAIR_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "web/server_certificate_facts.h"

#define PAIR_CHAIN_MAX 16

struct pair {
    gnutls_pcert_st chain[PAIR_CHAIN_MAX]; /* the server's own first */
    unsigned chain_length;
    gnutls_privkey_t key;
    struct certificate_facts facts;
    char *file;        /* of the certificate; owned */
    unsigned rsa_bits; /* of the key; 0: another kind */
    bool is_given;     /* chain and key belong to credentials, and live as long as these */
};

/* Logs where others may read the key. -EKEYREJECTED: key and certificate do not belong together; -EINVAL, errno of reading:
 * as `message` says, with what to do; -ENOMEM. */
int pair_read(const char *certificate, const char *private_key, struct buffer *message, struct pair *ret_pair);
void pair_done(struct pair *pair);

/* Do both name the same hosts and addresses? */
bool pair_names_equal(const struct pair *a, const struct pair *b);

/* Chain and key then belong to the credentials. -EINVAL. */
int pair_give(struct pair *pair, gnutls_certificate_credentials_t credentials, struct buffer *message);

#endif
