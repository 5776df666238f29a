#include "web/server_certificate.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <string.h>

#include "base/secret.h"

/* Clients have no authority to ask, so that they keep the certificate itself; each renewal is a walk to every device.
 * Hence long; whoever wants short ones gives a certificate of an authority. */
#define VALID_DAYS 3650
#define DAY_S ((int64_t)86400)
#define SERIAL_BYTES 16 /* RFC 5280 section 4.1.2.2: at most 20, positive */

static int fail(int status, struct buffer *message)
{
    buffer_printf(message, "cannot make a self-signed certificate: %s; set server.certificate and server.private_key",
                  gnutls_strerror(status));
    return status == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EIO;
}

/* ---- whom it names ---- */

static int add_address(gnutls_x509_crt_t certificate, const struct address *address)
{
    return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address->bytes,
                                                address->family == ADDRESS_IPV4 ? 4 : 16, GNUTLS_FSAN_APPEND);
}

/* An address or a name; what is neither cannot be connected to and is left out. */
static int add_host(gnutls_x509_crt_t certificate, const char *host, size_t length)
{
    struct address address;
    struct name name;

    if (address_parse(host, length, &address) == 0) {
        return add_address(certificate, &address);
    }
    if (name_parse(host, length, &name, NULL) < 0 || strlen(name.text) < 2) {
        return 0;
    }
    /* In a certificate names stand without the final dot. */
    return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name.text,
                                                (unsigned)strlen(name.text) - 1, GNUTLS_FSAN_APPEND);
}

static int add_names(gnutls_x509_crt_t certificate, const struct settings *settings, const char *machine)
{
    static const struct address loopback[] = {{ADDRESS_IPV4, {127, 0, 0, 1}}, {ADDRESS_IPV6, {[15] = 1}}};
    const char *host = NULL;
    size_t length = 0;
    int r = 0;

    if (url_host(settings->public_url, &host, &length)) {
        r = add_host(certificate, host, length);
    }
    if (r == 0) {
        r = add_host(certificate, machine, strlen(machine));
    }
    if (r == 0 && strcmp(machine, "localhost") != 0) {
        r = add_host(certificate, "localhost", strlen("localhost"));
    }
    for (size_t i = 0; r == 0 && i < ELEMENTS(loopback); i++) {
        r = add_address(certificate, &loopback[i]);
    }
    for (size_t i = 0; r == 0 && i < settings->listen_count; i++) {
        const struct address *address = &settings->listen[i].address;
        if (address->family != ADDRESS_NONE && !address_is_wildcard(address) && !address_equal(address, &loopback[0]) &&
            !address_equal(address, &loopback[1])) {
            r = add_address(certificate, address);
        }
    }
    return r;
}

/* ---- the certificate ---- */

/* A leaf that is its own trust anchor: not an authority (CA:FALSE), so that whoever steals its key cannot vouch for
 * other names with clients that trust it. OpenSSL and GnuTLS both accept that. */
static int set_extensions(gnutls_x509_crt_t certificate)
{
    uint8_t key_id[64];
    size_t key_id_bytes = sizeof(key_id);

    int r = gnutls_x509_crt_set_basic_constraints(certificate, 0, -1);
    if (r == 0) {
        r = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE);
    }
    if (r == 0) {
        r = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
    }
    if (r == 0) {
        r = gnutls_x509_crt_get_key_id(certificate, 0, key_id, &key_id_bytes);
    }
    if (r == 0) {
        r = gnutls_x509_crt_set_subject_key_id(certificate, key_id, key_id_bytes);
    }
    return r;
}

static int set_identity(gnutls_x509_crt_t certificate, const char *machine, int64_t now_s)
{
    uint8_t serial[SERIAL_BYTES];

    random_bytes(serial, sizeof(serial));
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
    int r = gnutls_x509_crt_set_version(certificate, 3);
    if (r == 0) {
        r = gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
    }
    /* From yesterday on: clocks of small devices are late. */
    if (r == 0) {
        r = gnutls_x509_crt_set_activation_time(certificate, (time_t)(now_s - DAY_S));
    }
    if (r == 0) {
        r = gnutls_x509_crt_set_expiration_time(certificate, (time_t)(now_s + VALID_DAYS * DAY_S));
    }
    if (r == 0) {
        r = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, "ddns53 self-signed",
                                          (unsigned)strlen("ddns53 self-signed"));
    }
    if (r == 0) {
        r = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, machine,
                                          (unsigned)strlen(machine));
    }
    return r;
}

static void append_pem(struct buffer *buffer, gnutls_datum_t *pem)
{
    buffer_reserve(buffer, pem->size);
    buffer_append(buffer, pem->data, pem->size);
    wipe(pem->data, pem->size);
    gnutls_free(pem->data);
}

static int export(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, struct buffer *certificate_pem,
                  struct buffer *key_pem)
{
    gnutls_datum_t pem = {NULL, 0};

    int r = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0) {
        return r;
    }
    append_pem(certificate_pem, &pem);
    r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
    if (r < 0) {
        return r;
    }
    append_pem(key_pem, &pem);
    return buffer_status(certificate_pem) < 0 || buffer_status(key_pem) < 0 ? GNUTLS_E_MEMORY_ERROR : 0;
}

static int make(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const struct settings *settings,
                int64_t now_s)
{
    char machine[65] = "localhost"; /* ub-common-name of RFC 5280 is 64 */
    char name[256];

    if (gethostname(name, sizeof(name)) == 0 && memchr(name, '\0', sizeof(machine)) != NULL && name[0] != '\0') {
        memcpy(machine, name, strlen(name) + 1);
    }
    int r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (r == 0) {
        r = set_identity(certificate, machine, now_s);
    }
    if (r == 0) {
        r = gnutls_x509_crt_set_key(certificate, key);
    }
    if (r == 0) {
        r = add_names(certificate, settings, machine);
    }
    if (r == 0) {
        r = set_extensions(certificate);
    }
    return r == 0 ? gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0) : r;
}

int certificate_make(const struct settings *settings, int64_t now_s, struct buffer *certificate_pem,
                     struct buffer *key_pem, struct buffer *message)
{
    gnutls_x509_crt_t certificate = NULL;
    gnutls_x509_privkey_t key = NULL;

    int r = gnutls_x509_crt_init(&certificate);
    if (r == 0) {
        r = gnutls_x509_privkey_init(&key);
    }
    if (r == 0) {
        r = make(certificate, key, settings, now_s);
    }
    if (r == 0) {
        r = export(certificate, key, certificate_pem, key_pem);
    }
    if (key != NULL) {
        gnutls_x509_privkey_deinit(key);
    }
    if (certificate != NULL) {
        gnutls_x509_crt_deinit(certificate);
    }
    return r < 0 ? fail(r, message) : 0;
}
