/*
 * PEM files as GnuTLS wants them.
 */
#ifndef DDNS53_WEB_SERVER_PEM_H
#define DDNS53_WEB_SERVER_PEM_H

#include <gnutls/gnutls.h>

#include "base/buffer.h"

#define PEM_MAX_BYTES ((size_t)1024 * 1024) /* of a file that is read */

/* Borrows the buffer's bytes. */
static inline gnutls_datum_t pem_datum(const struct buffer *pem)
{
    return (gnutls_datum_t){(unsigned char *)buffer_text(pem), (unsigned)pem->length};
}

#endif
