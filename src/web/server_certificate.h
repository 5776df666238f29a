/*
 * Makes a self-signed certificate and its key, for a server that was given none. Pure but for the random numbers.
 */
#ifndef DDNS53_WEB_SERVER_CERTIFICATE_H
#define DDNS53_WEB_SERVER_CERTIFICATE_H

#include <stdint.h>

#include "base/buffer.h"
#include "config/settings.h"

/* Whom it names: localhost and its addresses, this machine, the addresses in listen, the host of public_url. PEM, to be
 * wiped by the caller. Negative errno with a sentence in `message`. */
int certificate_make(const struct settings *settings, int64_t now_s, struct buffer *certificate_pem,
                     struct buffer *key_pem, struct buffer *message);

#endif
