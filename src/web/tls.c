#include "web/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/secret.h"
#include "web/server_certificate.h"

#define PEM_MAX_BYTES ((size_t)1024 * 1024)
#define CHAIN_MAX 16
#define RENEW_BEFORE_S ((int64_t)30 * 86400)
/* How long a replaced certificate stays for the handshakes that have begun with it: at least this, and always longer
 * than a request, handshake included, may take. */
#define KEEP_MS 60000

const char tls_priorities[] = "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+ECDHE-RSA:"
                              "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:"
                              "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
                              "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SHA256:"
                              "+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512:+SIGN-EDDSA-ED25519:"
                              "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:"
                              "+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"
                              "+COMP-NULL:+CTYPE-X509:%SERVER_PRECEDENCE";

/* A certificate that is or was in force. */
struct generation {
    struct generation *next; /* older */
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_length;
    gnutls_privkey_t key;
    int64_t expires_s;
    char fingerprint[65];
    bool is_self_signed;
    int64_t replaced_ms; /* monotonic: the wall clock may jump */
};

struct tls {
    const struct clock *clock;
    _Atomic(struct generation *) current;
    struct generation *replaced; /* newest first; main's */
};

/* GnuTLS hands the callback nothing of ours. */
static _Atomic(struct tls *) the_tls;

static void generation_free(struct generation *generation)
{
    if (generation == NULL) {
        return;
    }
    for (unsigned i = 0; i < generation->chain_length; i++) {
        gnutls_pcert_deinit(&generation->chain[i]);
    }
    if (generation->key != NULL) {
        gnutls_privkey_deinit(generation->key);
    }
    free(generation);
}
DEFINE_CLEANUP(struct generation *, generation_free)

struct tls *tls_new(void)
{
    struct tls *tls = calloc(1, sizeof(*tls));

    if (tls != NULL) {
        tls->clock = clock_system();
    }
    return tls;
}

void tls_set_clock(struct tls *tls, const struct clock *clock)
{
    tls->clock = clock;
}

void tls_free(struct tls *tls)
{
    struct tls *expected = tls;

    if (tls == NULL) {
        return;
    }
    (void)atomic_compare_exchange_strong(&the_tls, &expected, NULL);
    generation_free(atomic_load(&tls->current));
    while (tls->replaced != NULL) {
        struct generation *generation = tls->replaced;
        tls->replaced = generation->next;
        generation_free(generation);
    }
    free(tls);
}

/* ---- from PEM to a generation ---- */

/* Where a pair comes from, for messages too. */
struct source {
    const char *certificate;
    const char *private_key;
    bool is_self_signed;
};

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

static gnutls_datum_t datum_of(const struct buffer *buffer)
{
    return (gnutls_datum_t){(unsigned char *)buffer_text(buffer), (unsigned)buffer->length};
}

static void describe_leaf(struct generation *generation, gnutls_x509_crt_t leaf)
{
    uint8_t digest[SHA256_SIZE];
    size_t length = sizeof(digest);

    generation->expires_s = (int64_t)gnutls_x509_crt_get_expiration_time(leaf);
    if (gnutls_x509_crt_get_fingerprint(leaf, GNUTLS_DIG_SHA256, digest, &length) == 0) {
        print_hex(digest, sizeof(digest), generation->fingerprint);
    }
}

static int read_chain(struct generation *generation, const char *path, struct buffer *message)
{
    _cleanup_buffer_ struct buffer pem = BUFFER_INIT;
    gnutls_x509_crt_t certificates[CHAIN_MAX];
    unsigned count = CHAIN_MAX;

    int r = read_pem(path, &pem, message, NULL);
    if (r < 0) {
        return r;
    }
    const gnutls_datum_t datum = datum_of(&pem);
    r = gnutls_x509_crt_list_import(certificates, &count, &datum, GNUTLS_X509_FMT_PEM,
                                    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED | GNUTLS_X509_CRT_LIST_SORT);
    if (r <= 0) {
        return fail(message, path, "is not a chain of PEM certificates, the server's own first; give it one", r);
    }
    count = (unsigned)r;
    describe_leaf(generation, certificates[0]);
    for (unsigned i = 0; i < count; i++) {
        if (r >= 0) {
            r = gnutls_pcert_import_x509(&generation->chain[i], certificates[i], 0);
            generation->chain_length += r >= 0;
        }
        gnutls_x509_crt_deinit(certificates[i]);
    }
    return r < 0 ? fail(message, path, "cannot be used as a server's certificate; give it another", r) : 0;
}

static int read_key(struct generation *generation, const char *path, struct buffer *message)
{
    struct buffer pem = BUFFER_INIT;
    struct stat info = {0};

    int r = read_pem(path, &pem, message, &info);
    if (r < 0) {
        return r;
    }
    const gnutls_datum_t datum = datum_of(&pem);
    r = gnutls_privkey_init(&generation->key);
    if (r >= 0) {
        r = gnutls_privkey_import_x509_raw(generation->key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
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

static bool belong_together(const struct generation *generation)
{
    uint8_t ids[2][64];
    size_t lengths[2] = {sizeof(ids[0]), sizeof(ids[1])};
    gnutls_pubkey_t public_key = NULL;

    bool same =
        gnutls_pubkey_init(&public_key) == 0 && gnutls_pubkey_import_privkey(public_key, generation->key, 0, 0) == 0 &&
        gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, ids[0], &lengths[0]) == 0 &&
        gnutls_pubkey_get_key_id(generation->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1], &lengths[1]) == 0 &&
        lengths[0] == lengths[1] && memcmp(ids[0], ids[1], lengths[0]) == 0;
    if (public_key != NULL) {
        gnutls_pubkey_deinit(public_key);
    }
    return same;
}

/* -EKEYREJECTED: key and certificate do not belong together. */
static int generation_read(const struct source *source, struct buffer *message, struct generation **ret_generation)
{
    _cleanup_(generation_freep) struct generation *generation = calloc(1, sizeof(*generation));
    if (generation == NULL) {
        return -ENOMEM;
    }
    generation->is_self_signed = source->is_self_signed;
    int r = read_chain(generation, source->certificate, message);
    if (r == 0) {
        r = read_key(generation, source->private_key, message);
    }
    if (r < 0) {
        return r;
    }
    if (!belong_together(generation)) {
        buffer_printf(message, "%s: is not the key of the first certificate in %s; give the two that belong together",
                      source->private_key, source->certificate);
        return -EKEYREJECTED;
    }
    *ret_generation = TAKE_PTR(generation);
    return 0;
}

/* ---- the self-signed pair ---- */

static int make_pair(const struct source *source, const struct settings *settings, int64_t now_s,
                     struct buffer *message)
{
    struct buffer certificate = BUFFER_INIT;
    struct buffer key = BUFFER_INIT;

    int r = certificate_make(settings, now_s, &certificate, &key, message);
    if (r == 0) {
        r = folder_make(settings->state_dir, 0750);
        /* The key first: a certificate without its key would be taken for a broken pair, and is made anew. */
        if (r == 0) {
            r = file_replace(source->private_key, buffer_text(&key), key.length, 0600);
        }
        if (r == 0) {
            r = file_replace(source->certificate, buffer_text(&certificate), certificate.length, 0644);
        }
        if (r < 0) {
            const char *advice = file_advice(r);
            buffer_printf(message, "%s: the self-signed certificate cannot be stored: %s; %s", settings->state_dir,
                          strerror(-r), advice ? advice : "make state_dir writable");
        }
    }
    buffer_wipe(&key);
    buffer_done(&certificate);
    return r;
}

/* Whoever pins it would have to be told, so that it is not made anew by itself. */
static void warn_unless_named(const struct generation *generation, const struct source *source,
                              const struct settings *settings)
{
    gnutls_x509_crt_t leaf = NULL;
    const char *host = NULL;
    size_t length = 0;

    if (!certificate_url_host(settings->public_url, &host, &length) ||
        gnutls_pcert_export_x509((gnutls_pcert_st *)&generation->chain[0], &leaf) < 0) {
        return;
    }
    _cleanup_free_ char *name = strndup(host, length);
    if (name != NULL && gnutls_x509_crt_check_hostname(leaf, name) == 0) {
        log_warning("certificate",
                    "%s does not name %s, the host of public_url; remove it to have it made anew, and give clients the "
                    "new one",
                    source->certificate, name);
    }
    gnutls_x509_crt_deinit(leaf);
}

static int read_or_make(const struct source *source, const struct settings *settings, int64_t now_s,
                        struct buffer *message, struct generation **ret_generation)
{
    _cleanup_(generation_freep) struct generation *generation = NULL;
    struct stat info;

    int r = -EKEYREJECTED;
    if (stat(source->certificate, &info) == 0 && stat(source->private_key, &info) == 0) {
        r = generation_read(source, message, &generation);
    }
    if (r == -EKEYREJECTED || (r == 0 && generation->expires_s < now_s + RENEW_BEFORE_S)) {
        generation_free(TAKE_PTR(generation));
        buffer_clear(message);
        r = make_pair(source, settings, now_s, message);
        if (r == 0) {
            log_notice("certificate", "made a self-signed certificate: %s", source->certificate);
            r = generation_read(source, message, &generation);
        }
    } else if (r < 0 && r != -ENOMEM) {
        buffer_append_text(message, "; or remove both files of the self-signed pair to have it made anew");
    }
    if (r < 0) {
        return r;
    }
    warn_unless_named(generation, source, settings);
    *ret_generation = TAKE_PTR(generation);
    return 0;
}

/* ---- the one in force ---- */

/* Frees those that no handshake can still use. */
static void forget_old(struct tls *tls, const struct settings *settings, int64_t now_ms)
{
    int64_t keep_ms = KEEP_MS + (int64_t)settings->request_s * 1000;
    struct generation **link = &tls->replaced;

    while (*link != NULL) {
        struct generation *generation = *link;
        if (now_ms - generation->replaced_ms > keep_ms) {
            *link = generation->next;
            generation_free(generation);
        } else {
            link = &generation->next;
        }
    }
}

static void put_in_force(struct tls *tls, struct generation *generation, const struct settings *settings)
{
    int64_t now_ms = clock_monotonic_ms(tls->clock);
    struct generation *old = atomic_exchange(&tls->current, generation);

    if (old != NULL) {
        old->replaced_ms = now_ms;
        old->next = tls->replaced;
        tls->replaced = old;
    }
    forget_old(tls, settings, now_ms);
}

int tls_load(struct tls *tls, const struct settings *settings, int64_t now_s, struct buffer *message)
{
    _cleanup_free_ char *own_certificate = path_join(settings->state_dir, "certificate.pem");
    _cleanup_free_ char *own_key = path_join(settings->state_dir, "private_key.pem");
    struct generation *generation = NULL;
    int r = 0;

    if (own_certificate == NULL || own_key == NULL) {
        return -ENOMEM;
    }
    if (settings->certificate != NULL) {
        const struct source source = {settings->certificate, settings->private_key, false};
        r = generation_read(&source, message, &generation);
    } else {
        const struct source source = {own_certificate, own_key, true};
        r = read_or_make(&source, settings, now_s, message, &generation);
    }
    if (r < 0) {
        return r == -EKEYREJECTED ? -EINVAL : r;
    }
    log_event(LOG_LEVEL_NOTICE, "certificate", "file",
              settings->certificate != NULL ? settings->certificate : own_certificate, "sha256",
              generation->fingerprint, "self_signed", generation->is_self_signed ? "yes" : "no", NULL);
    put_in_force(tls, generation, settings);
    return 0;
}

int tls_check(const struct settings *settings, struct buffer *message, unsigned *ret_rsa_bits)
{
    _cleanup_(generation_freep) struct generation *generation = NULL;
    _cleanup_free_ char *own_certificate = path_join(settings->state_dir, "certificate.pem");
    _cleanup_free_ char *own_key = path_join(settings->state_dir, "private_key.pem");
    struct stat info;

    if (own_certificate == NULL || own_key == NULL) {
        return -ENOMEM;
    }
    const bool is_own = settings->certificate == NULL;
    const struct source source = {is_own ? own_certificate : settings->certificate,
                                  is_own ? own_key : settings->private_key, is_own};
    *ret_rsa_bits = 0;
    if (is_own && (stat(source.certificate, &info) < 0 || stat(source.private_key, &info) < 0)) {
        return 0;
    }
    int r = generation_read(&source, message, &generation);
    if (r < 0) {
        /* an own pair that does not belong together is made anew */
        return r == -EKEYREJECTED ? (is_own ? 0 : -EINVAL) : r;
    }
    unsigned bits = 0;
    if (gnutls_privkey_get_pk_algorithm(generation->key, &bits) == (int)GNUTLS_PK_RSA) {
        *ret_rsa_bits = bits;
    }
    return 0;
}

int64_t tls_expires_s(const struct tls *tls)
{
    const struct generation *generation = atomic_load(&tls->current);
    return generation != NULL ? generation->expires_s : 0;
}

void tls_fingerprint(const struct tls *tls, char ret_text[65])
{
    const struct generation *generation = atomic_load(&tls->current);
    memcpy(ret_text, generation != NULL ? generation->fingerprint : "", generation != NULL ? 65 : 1);
}

bool tls_is_self_signed(const struct tls *tls)
{
    const struct generation *generation = atomic_load(&tls->current);
    return generation != NULL && generation->is_self_signed;
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
                    unsigned int *ret_chain_length, gnutls_privkey_t *ret_key)
{
    struct tls *tls = atomic_load(&the_tls);
    struct generation *generation = tls != NULL ? atomic_load(&tls->current) : NULL;

    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (generation == NULL) {
        return -1;
    }
    *ret_chain = generation->chain;
    *ret_chain_length = generation->chain_length;
    *ret_key = generation->key;
    return 0;
}

void *tls_retrieve_callback(struct tls *tls)
{
    gnutls_certificate_retrieve_function2 *function = retrieve;
    void *pointer = NULL;

    atomic_store(&the_tls, tls);
    /* ISO C knows no conversion from function pointers; POSIX does. */
    _Static_assert(sizeof(pointer) == sizeof(function), "POSIX has both of one size");
    memcpy(&pointer, &function, sizeof(pointer));
    return pointer;
}
