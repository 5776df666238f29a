/*
 * A certificate as clients judge it: the one in a file, or the one that a server shows in a handshake. For "ddns53ctl
 * check". Blocks; any thread.
 */
#ifndef DDNS53_WEB_SERVER_CERTIFICATE_VIEW_H
#define DDNS53_WEB_SERVER_CERTIFICATE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/cleanup.h"

struct certificate_view {
    char *names;    /* comma separated, the first ten; owned, as is `distrust` */
    char *distrust; /* why the system's authorities do not vouch for it, in GnuTLS's words; NULL: they do */
    int64_t begins_s;
    int64_t expires_s;
    char fingerprint[65]; /* lower-case hex SHA-256 of the DER */
    unsigned chain_length;
    bool is_self_signed;
    bool is_issuer_missing; /* nobody is known who has signed the last one of the chain */
    bool names_host;
};
void certificate_view_done(struct certificate_view *view);

/* What is judged by, besides the certificate itself. */
struct certificate_judge {
    const char *host;        /* as a client names it; NULL: it names none, and names_host is true */
    const char *authorities; /* a PEM file in place of the system's; NULL: SSL_CERT_FILE, else the system's */
    int64_t now_s;
};

/* The first certificate of a PEM file and the chain behind it. -EINVAL, -EIO with a sentence in `message`; -ENOMEM. */
int certificate_view_file(const char *path, const struct certificate_judge *judge, struct buffer *message,
                          struct certificate_view *ret_view);

/* What a server shows in a handshake, which is not refused whatever that is. `is_tls12`: with a client that knows no
 * TLS 1.3. -EIO with a sentence in `message`; -ENOMEM. */
int certificate_view_server(const struct address *address, uint16_t port, const struct certificate_judge *judge,
                            bool is_tls12, struct buffer *message, struct certificate_view *ret_view);

#endif
