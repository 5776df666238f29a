#include "web/server_certificate_facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/secret.h"
#include "web/server_pem.h"

#define NAMES_MAX 10

static void append_address(struct buffer *buffer, const uint8_t *bytes, size_t length)
{
    struct address address = {.family = length == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    char text[ADDRESS_TEXT_SIZE];

    if (length == 4 || length == sizeof(address.bytes)) {
        memcpy(address.bytes, bytes, length);
        address_print(&address, text);
        buffer_append_text(buffer, text);
    }
}

/* The index-th name; -ENOENT: there are no more. */
static int append_name(gnutls_x509_crt_t certificate, unsigned index, struct buffer *buffer)
{
    char name[256];
    size_t length = sizeof(name) - 1;
    int type = gnutls_x509_crt_get_subject_alt_name(certificate, index, name, &length, NULL);

    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
        return -ENOENT;
    }
    if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_IPADDRESS) {
        return 0;
    }
    buffer_append_text(buffer, buffer->length == 0 ? "" : ",");
    if (type == GNUTLS_SAN_IPADDRESS) {
        append_address(buffer, (const uint8_t *)name, length);
    } else {
        buffer_append(buffer, name, strnlen(name, length));
    }
    return 0;
}

static void append_names(gnutls_x509_crt_t certificate, struct buffer *buffer)
{
    for (unsigned i = 0; i < NAMES_MAX && append_name(certificate, i, buffer) == 0; i++) {}
    if (buffer->length == 0) { /* as certificates were before RFC 2818 */
        char name[256];
        size_t length = sizeof(name);
        if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &length) == 0) {
            buffer_append(buffer, name, strnlen(name, length));
        }
    }
}

int certificate_facts_read(gnutls_x509_crt_t certificate, struct certificate_facts *ret_facts)
{
    struct certificate_facts facts = {0};
    struct buffer names = BUFFER_INIT;
    uint8_t digest[SHA256_SIZE];
    size_t length = sizeof(digest);

    facts.begins_s = (int64_t)gnutls_x509_crt_get_activation_time(certificate);
    facts.expires_s = (int64_t)gnutls_x509_crt_get_expiration_time(certificate);
    if (gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, digest, &length) == 0) {
        print_hex(digest, sizeof(digest), facts.fingerprint);
    }
    append_names(certificate, &names);
    facts.names = buffer_take(&names);
    if (!facts.names) {
        buffer_done(&names);
        return -ENOMEM;
    }
    *ret_facts = facts;
    return 0;
}

/* As it stands there, wildcards too: another certificate would be wanted where only a wildcard fits. `type` is
 * GNUTLS_SAN_DNSNAME, or GNUTLS_SAN_IPADDRESS with the bytes of an address. */
static bool has_name(gnutls_x509_crt_t certificate, int type, const char *wanted, size_t wanted_length)
{
    for (unsigned i = 0;; i++) {
        char name[256];
        size_t length = sizeof(name);
        const int other = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &length, NULL);
        if (other == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            return false;
        }
        if (other == type && length == wanted_length &&
            (type == GNUTLS_SAN_DNSNAME ? strncasecmp(name, wanted, length) : memcmp(name, wanted, length)) == 0) {
            return true;
        }
    }
}

bool certificate_has_names_of(gnutls_x509_crt_t certificate, gnutls_x509_crt_t other)
{
    for (unsigned i = 0;; i++) {
        char name[256];
        size_t length = sizeof(name);
        const int type = gnutls_x509_crt_get_subject_alt_name(other, i, name, &length, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            return true;
        }
        if ((type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_IPADDRESS) &&
            !has_name(certificate, type, name, length)) {
            return false;
        }
    }
}

static bool names_all(gnutls_x509_crt_t certificate, const struct name *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = wanted[i].text;
        if (!has_name(certificate, GNUTLS_SAN_DNSNAME, text, strlen(text) - 1)) { /* without the final dot */
            return false;
        }
    }
    return true;
}

int certificate_facts_of_file(const char *path, const struct name *wanted, size_t count,
                              struct certificate_facts *ret_facts, bool *ret_covers)
{
    _cleanup_buffer_ struct buffer pem = BUFFER_INIT;
    gnutls_x509_crt_t certificate = NULL;
    int r = file_read(path, PEM_MAX_BYTES, &pem, NULL);

    if (r < 0) {
        return r;
    }
    const gnutls_datum_t datum = pem_datum(&pem);
    if (gnutls_x509_crt_init(&certificate) < 0) {
        return -ENOMEM;
    }
    /* Of several, this takes the first. */
    r = gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_PEM) < 0
            ? -EINVAL
            : certificate_facts_read(certificate, ret_facts);
    if (r == 0) {
        *ret_covers = names_all(certificate, wanted, count);
    }
    gnutls_x509_crt_deinit(certificate);
    return r;
}

void certificate_facts_done(struct certificate_facts *facts)
{
    free(facts->names);
    facts->names = NULL;
}
