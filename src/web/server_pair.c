#include "web/server_pair.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "web/server_pem.h"

void pair_done(struct pair *pair)
{
    for (unsigned i = 0; !pair->is_given && i < pair->chain_length; i++) {
        gnutls_pcert_deinit(&pair->chain[i]);
    }
    if (!pair->is_given && pair->key) {
        gnutls_privkey_deinit(pair->key);
    }
    certificate_facts_done(&pair->facts);
    free(pair->file);
    *pair = (struct pair){.key = NULL};
}

static int fail(struct buffer *message, const char *path, const char *what, int status)
{
    buffer_printf(message, "%s: %s", path, what);
    if (status < 0) {
        buffer_printf(message, " (%s)", gnutls_strerror(status));
    }
    return -EINVAL;
}

static int read_pem(const char *path, struct buffer *buffer, struct buffer *message, struct stat *ret_stat)
{
    int r = file_read(path, PEM_MAX_BYTES, buffer, ret_stat);

    if (r < 0) {
        buffer_printf(message, "%s: cannot be read: %s; the daemon's user must be able to read a PEM file there", path,
                      strerror(-r));
    }
    return r;
}

static int read_chain(struct pair *pair, const char *path, struct buffer *message)
{
    _cleanup_buffer_ struct buffer pem = BUFFER_INIT;
    gnutls_x509_crt_t certificates[PAIR_CHAIN_MAX];
    unsigned count = PAIR_CHAIN_MAX;

    int r = read_pem(path, &pem, message, NULL);
    if (r < 0) {
        return r;
    }
    const gnutls_datum_t datum = pem_datum(&pem);
    r = gnutls_x509_crt_list_import(certificates, &count, &datum, GNUTLS_X509_FMT_PEM,
                                    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED | GNUTLS_X509_CRT_LIST_SORT);
    if (r <= 0) {
        return fail(message, path, "is not a chain of PEM certificates, the server's own first; give it one", r);
    }
    count = (unsigned)r;
    const int described = certificate_facts_read(certificates[0], &pair->facts);
    for (unsigned i = 0; i < count; i++) {
        if (r >= 0) {
            r = gnutls_pcert_import_x509(&pair->chain[i], certificates[i], 0);
            pair->chain_length += r >= 0;
        }
        gnutls_x509_crt_deinit(certificates[i]);
    }
    if (r < 0) {
        return fail(message, path, "cannot be used as a server's certificate; give it another", r);
    }
    return described;
}

static int read_key(struct pair *pair, const char *path, struct buffer *message)
{
    struct buffer pem = BUFFER_INIT;
    struct stat info = {0};

    int r = read_pem(path, &pem, message, &info);
    if (r < 0) {
        return r;
    }
    const gnutls_datum_t datum = pem_datum(&pem);
    r = gnutls_privkey_init(&pair->key);
    if (r >= 0) {
        r = gnutls_privkey_import_x509_raw(pair->key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    buffer_wipe(&pem);
    if (r < 0) {
        return fail(message, path, "is not a PEM private key without a passphrase; give it one", r);
    }
    if ((info.st_mode & S_IRWXO) != 0) {
        log_warning("private_key", "%s: others may read it; chmod o= it", path);
    }
    return 0;
}

static bool belong_together(const struct pair *pair)
{
    uint8_t ids[2][64];
    size_t lengths[2] = {sizeof(ids[0]), sizeof(ids[1])};
    gnutls_pubkey_t public_key = NULL;

    bool same = gnutls_pubkey_init(&public_key) == 0 &&
                gnutls_pubkey_import_privkey(public_key, pair->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, ids[0], &lengths[0]) == 0 &&
                gnutls_pubkey_get_key_id(pair->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1], &lengths[1]) == 0 &&
                lengths[0] == lengths[1] && memcmp(ids[0], ids[1], lengths[0]) == 0;
    if (public_key != NULL) {
        gnutls_pubkey_deinit(public_key);
    }
    return same;
}

static int read_both(struct pair *pair, const char *certificate, const char *private_key, struct buffer *message)
{
    pair->file = strdup(certificate);
    int r = pair->file ? read_chain(pair, certificate, message) : -ENOMEM;

    if (r == 0) {
        r = read_key(pair, private_key, message);
    }
    if (r < 0) {
        return r;
    }
    if (!belong_together(pair)) {
        buffer_printf(message, "%s: is not the key of the first certificate in %s; give the two that belong together",
                      private_key, certificate);
        return -EKEYREJECTED;
    }
    unsigned bits = 0;
    if (gnutls_privkey_get_pk_algorithm(pair->key, &bits) == (int)GNUTLS_PK_RSA) {
        pair->rsa_bits = bits;
    }
    return 0;
}

int pair_read(const char *certificate, const char *private_key, struct buffer *message, struct pair *ret_pair)
{
    struct pair pair = {.key = NULL};
    int r = read_both(&pair, certificate, private_key, message);

    if (r < 0) {
        pair_done(&pair);
        return r;
    }
    *ret_pair = pair;
    return 0;
}

bool pair_names_equal(const struct pair *a, const struct pair *b)
{
    gnutls_x509_crt_t leaves[2] = {NULL, NULL};
    bool are_equal = true;

    if (gnutls_pcert_export_x509((gnutls_pcert_st *)&a->chain[0], &leaves[0]) == 0 &&
        gnutls_pcert_export_x509((gnutls_pcert_st *)&b->chain[0], &leaves[1]) == 0) {
        are_equal = certificate_has_names_of(leaves[0], leaves[1]) && certificate_has_names_of(leaves[1], leaves[0]);
    }
    gnutls_x509_crt_deinit(leaves[0]);
    gnutls_x509_crt_deinit(leaves[1]);
    return are_equal;
}

int pair_give(struct pair *pair, gnutls_certificate_credentials_t credentials, struct buffer *message)
{
    int r = gnutls_certificate_set_key(credentials, NULL, 0, pair->chain, (int)pair->chain_length, pair->key);

    if (r < 0) {
        return fail(message, pair->file, "cannot be used as a server's certificate; give it another", r);
    }
    pair->is_given = true;
    return 0;
}
