/*
 * The other side of TLS for tests: a client session over a socket, and certificates made on the spot. Include after
 * cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_TLS_PEER_H
#define DDNS53_TESTS_UNIT_TLS_PEER_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/parse.h"

#define TLS_PEER_DEFAULT "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct tls_peer {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* `trust` NULL: whatever the server shows; else a PEM file, and the server must be `name`. The socket must not block. */
static inline void tls_peer_init(struct tls_peer *peer, int fd, const char *priorities, const char *trust,
                                 const char *name)
{
    assert_int_equal(gnutls_init(&peer->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&peer->credentials), 0);
    assert_int_equal(gnutls_priority_set_direct(peer->session, priorities, NULL), 0);
    assert_int_equal(gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE, peer->credentials), 0);
    if (trust != NULL) {
        assert_int_equal(gnutls_certificate_set_x509_trust_file(peer->credentials, trust, GNUTLS_X509_FMT_PEM), 1);
        gnutls_session_set_verify_cert(peer->session, name, 0);
    }
    gnutls_transport_set_int(peer->session, fd);
}

static inline void tls_peer_done(struct tls_peer *peer)
{
    gnutls_deinit(peer->session);
    gnutls_certificate_free_credentials(peer->credentials);
}

/* Of the certificate that the server showed, as tls_fingerprint prints it. */
static inline void tls_peer_fingerprint(const struct tls_peer *peer, char ret_text[65])
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(peer->session, &count);
    unsigned char digest[32];
    size_t length = sizeof(digest);

    assert_non_null(chain);
    assert_int_equal(gnutls_fingerprint(GNUTLS_DIG_SHA256, &chain[0], digest, &length), 0);
    print_hex(digest, sizeof(digest), ret_text);
}

/* ---- certificates ---- */

struct issued {
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
};

static inline void issued_done(struct issued *issued)
{
    gnutls_x509_crt_deinit(issued->certificate);
    gnutls_x509_privkey_deinit(issued->key);
}

/* For localhost; by itself where `issuer` is NULL, and then an authority. */
static inline void issue(struct issued *issued, gnutls_pk_algorithm_t algorithm, unsigned bits,
                         const struct issued *issuer)
{
    static unsigned char serial;
    const struct issued *signer = issuer != NULL ? issuer : issued;
    const char *name = issuer != NULL ? "localhost" : "the test's authority";
    time_t now = time(NULL);

    serial++;
    assert_int_equal(gnutls_x509_privkey_init(&issued->key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(issued->key, algorithm, bits, 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&issued->certificate), 0);
    gnutls_x509_crt_t certificate = issued->certificate;
    assert_int_equal(gnutls_x509_crt_set_version(certificate, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(certificate, &serial, 1), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(certificate, now - 86400), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(certificate, now + 86400), 0);
    assert_int_equal(
        gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)), 0);
    assert_int_equal(gnutls_x509_crt_set_key(certificate, issued->key), 0);
    assert_int_equal(gnutls_x509_crt_set_basic_constraints(certificate, issuer == NULL, -1), 0);
    assert_int_equal(
        gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_SET), 0);
    bool ed25519 = gnutls_x509_privkey_get_pk_algorithm(signer->key) == GNUTLS_PK_EDDSA_ED25519;
    assert_int_equal(gnutls_x509_crt_sign2(certificate, signer->certificate, signer->key,
                                           ed25519 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256, 0),
                     0);
}

static inline void write_pem(const char *path, const gnutls_datum_t *pem, mode_t mode)
{
    assert_int_equal(file_replace(path, pem->data, pem->size, mode), 0);
}

static inline void write_key(const char *path, const struct issued *issued, const char *passphrase, mode_t mode)
{
    gnutls_datum_t pem;
    unsigned flags = passphrase != NULL ? GNUTLS_PKCS_PBES2_AES_128 : GNUTLS_PKCS_PLAIN;

    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(issued->key, GNUTLS_X509_FMT_PEM, passphrase, flags, &pem), 0);
    write_pem(path, &pem, mode);
    gnutls_free(pem.data);
}

/* The leaf, and after it the one that signed it where that is not NULL. */
static inline void write_certificate(const char *path, const struct issued *leaf, const struct issued *issuer)
{
    struct buffer buffer = BUFFER_INIT;
    const struct issued *chain[] = {leaf, issuer};

    for (size_t i = 0; i < ELEMENTS(chain) && chain[i] != NULL; i++) {
        gnutls_datum_t pem;
        assert_int_equal(gnutls_x509_crt_export2(chain[i]->certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
        buffer_append(&buffer, pem.data, pem.size);
        gnutls_free(pem.data);
    }
    assert_int_equal(file_replace(path, buffer_text(&buffer), buffer.length, 0644), 0);
    buffer_done(&buffer);
}

#endif
