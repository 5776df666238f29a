#include "web/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "web/server_certificate.h"
#include "web/server_certificate_source.h"
#include "web/server_pair.h"
#include "web/server_tickets.h"

#define PAIRS_MAX 2
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

/* What is or was in force: a certificate, or one of ECDSA and one of RSA. */
struct generation {
    struct generation *next; /* older */
    struct pair pairs[PAIRS_MAX];
    unsigned count;
    gnutls_certificate_credentials_t credentials; /* with all of them */
    bool is_self_signed;
    int64_t replaced_ms; /* monotonic: the wall clock may jump */
};

struct tls {
    const struct clock *clock;
    struct tickets *tickets;
    _Atomic(struct generation *) current;
    pthread_mutex_t lock;           /* of who loads, over all below */
    struct generation *replaced;    /* newest first */
    struct certificate_mark loaded; /* the files when they were last read... */
    struct certificate_mark seen;   /* ...and when they were last looked at */
};

static void generation_free(struct generation *generation)
{
    if (generation == NULL) {
        return;
    }
    for (unsigned i = 0; i < generation->count; i++) {
        pair_done(&generation->pairs[i]);
    }
    if (generation->credentials) {
        gnutls_certificate_free_credentials(generation->credentials);
    }
    free(generation);
}
DEFINE_CLEANUP(struct generation *, generation_free)

struct tls *tls_new(void)
{
    struct tls *tls = calloc(1, sizeof(*tls));

    if (tls == NULL) {
        return NULL;
    }
    tls->clock = clock_system();
    tls->tickets = tickets_new(tls->clock);
    if (!tls->tickets) {
        free(tls);
        return NULL;
    }
    pthread_mutex_init(&tls->lock, NULL);
    return tls;
}

void tls_set_clock(struct tls *tls, const struct clock *clock)
{
    tls->clock = clock;
}

struct tickets *tls_tickets(const struct tls *tls)
{
    return tls->tickets;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    generation_free(atomic_load(&tls->current));
    while (tls->replaced != NULL) {
        struct generation *generation = tls->replaced;
        tls->replaced = generation->next;
        generation_free(generation);
    }
    tickets_free(tls->tickets);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

/* ---- from files to a generation ---- */

static int read_next(struct generation *generation, const char *certificate, const char *private_key,
                     struct buffer *message)
{
    int r = pair_read(certificate, private_key, message, &generation->pairs[generation->count]);

    generation->count += r == 0;
    return r;
}

/* Whoever can check neither kind is helped by no third: one of each. */
static int check_kinds(const struct generation *generation, struct buffer *message)
{
    const struct pair *pairs = generation->pairs;

    if (generation->count < PAIRS_MAX || (pairs[0].rsa_bits > 0) != (pairs[1].rsa_bits > 0)) {
        return 0;
    }
    buffer_printf(message,
                  "%s: server.second_certificate %s, as server.certificate %s; let one of them have an ECDSA key and "
                  "the other an RSA key, or leave the second out",
                  pairs[1].file, pairs[0].rsa_bits > 0 ? "has an RSA key" : "has no RSA key",
                  pairs[0].rsa_bits > 0 ? "has" : "has none");
    return -EINVAL;
}

/* The host that a client asks for does not decide which of the two it is shown. */
static void compare_names(const struct generation *generation, struct buffer *message)
{
    const struct pair *pairs = generation->pairs;

    if (generation->count == PAIRS_MAX && !pair_names_equal(&pairs[0], &pairs[1])) {
        buffer_printf(
            message,
            "%s: names %s, but %s names %s; let both name the same, for a client is shown the one that it can "
            "check, whatever host it asks for",
            pairs[1].file, pairs[1].facts.names, pairs[0].file, pairs[0].facts.names);
    }
}

/* In this order GnuTLS tries them where the client can check both: that of RSA comes last, for it costs the most. */
static int give_all(struct generation *generation, struct buffer *message)
{
    const unsigned first = generation->count == PAIRS_MAX && generation->pairs[0].rsa_bits > 0;
    int r = gnutls_certificate_allocate_credentials(&generation->credentials) < 0 ? -ENOMEM : 0;

    for (unsigned i = 0; r == 0 && i < generation->count; i++) {
        r = pair_give(&generation->pairs[i ^ first], generation->credentials, message);
    }
    return r;
}

/* -EKEYREJECTED: key and certificate do not belong together. */
static int generation_read(const struct certificate_source *source, struct buffer *message,
                           struct generation **ret_generation)
{
    _cleanup_(generation_freep) struct generation *generation = calloc(1, sizeof(*generation));
    if (generation == NULL) {
        return -ENOMEM;
    }
    generation->is_self_signed = source->is_self_signed;
    int r = read_next(generation, source->certificate, source->private_key, message);
    if (r == 0 && source->second_certificate) {
        r = read_next(generation, source->second_certificate, source->second_private_key, message);
    }
    if (r == 0) {
        r = check_kinds(generation, message);
    }
    if (r == 0) {
        r = give_all(generation, message);
    }
    if (r < 0) {
        return r;
    }
    *ret_generation = TAKE_PTR(generation);
    return 0;
}

/* ---- the self-signed pair ---- */

static int make_pair(const struct certificate_source *source, const struct settings *settings, int64_t now_s,
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

static int read_or_make(const struct certificate_source *source, const struct settings *settings, int64_t now_s,
                        struct buffer *message, struct generation **ret_generation)
{
    _cleanup_(generation_freep) struct generation *generation = NULL;

    int r = -EKEYREJECTED;
    if (certificate_source_is_there(source)) {
        r = generation_read(source, message, &generation);
    }
    if (r == -EKEYREJECTED || (r == 0 && generation->pairs[0].facts.expires_s < now_s + RENEW_BEFORE_S)) {
        generation_free(TAKE_PTR(generation));
        buffer_clear(message);
        r = make_pair(source, settings, now_s, message);
        if (r == 0) {
            log_notice("certificate_made", "made a self-signed certificate: %s", source->certificate);
            r = generation_read(source, message, &generation);
        }
    } else if (r < 0 && r != -ENOMEM) {
        buffer_append_text(message, "; or remove both files of the self-signed pair to have it made anew");
    }
    if (r < 0) {
        return r;
    }
    *ret_generation = TAKE_PTR(generation);
    return 0;
}

/* ---- is it any good ---- */

/* The host of public_url, where the certificate does not name it; owned, NULL otherwise. */
static char *host_not_named(const struct pair *pair, const struct settings *settings)
{
    gnutls_x509_crt_t leaf = NULL;
    const char *host = NULL;
    size_t length = 0;

    if (!url_host(settings->public_url, &host, &length) ||
        gnutls_pcert_export_x509((gnutls_pcert_st *)&pair->chain[0], &leaf) < 0) {
        return NULL;
    }
    _cleanup_free_ char *name = strndup(host, length);
    const bool is_named = name == NULL || gnutls_x509_crt_check_hostname(leaf, name) != 0;
    gnutls_x509_crt_deinit(leaf);
    return is_named ? NULL : TAKE_PTR(name);
}

/* What clients will refuse. */
static void warn(const struct pair *pair, bool is_self_signed, const struct settings *settings, int64_t now_s)
{
    _cleanup_free_ char *host = host_not_named(pair, settings);
    const struct certificate_facts *facts = &pair->facts;
    const char *file = pair->file;
    char time[21];

    if (facts->expires_s <= now_s) {
        clock_print_iso8601(facts->expires_s, time);
        log_warning("certificate_warning", "%s: has expired at %s; renew it and send SIGHUP", file, time);
    } else if (facts->begins_s > now_s) {
        clock_print_iso8601(facts->begins_s, time);
        log_warning("certificate_warning", "%s: is valid only from %s on; see that this machine's clock is right", file,
                    time);
    }
    if (host != NULL && is_self_signed) {
        /* Whoever pins it would have to be told, so that it is not made anew by itself. */
        log_warning("certificate_warning",
                    "%s: does not name %s, the host of server.public_url; remove it to have it made anew, and give "
                    "clients the new one",
                    file, host);
    } else if (host != NULL) {
        log_warning("certificate_warning",
                    "%s: names %s, but not %s, the host of server.public_url; get one that does, or correct public_url",
                    file, facts->names, host);
    }
}

static void warn_about_names(const struct generation *generation)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    compare_names(generation, &message);
    if (message.length > 0) {
        log_warning("certificate_warning", "%s", buffer_text(&message));
    }
}

/* Not one that has expired in the place of one that has not. */
static int check_against(const struct generation *current, const struct generation *generation, int64_t now_s,
                         struct buffer *message)
{
    for (unsigned i = 0; current && i < generation->count && i < current->count; i++) {
        const struct pair *pair = &generation->pairs[i];
        char time[21];
        if (pair->facts.expires_s <= now_s && current->pairs[i].facts.expires_s > now_s) {
            clock_print_iso8601(pair->facts.expires_s, time);
            buffer_printf(message, "%s: has expired at %s; give it one that is valid, and send SIGHUP", pair->file,
                          time);
            return -EINVAL;
        }
    }
    return 0;
}

static bool has(const struct generation *generation, const struct pair *pair)
{
    for (unsigned i = 0; generation && i < generation->count; i++) {
        if (strcmp(generation->pairs[i].facts.fingerprint, pair->facts.fingerprint) == 0) {
            return true;
        }
    }
    return false;
}

static void log_certificate(const struct pair *pair, bool is_self_signed)
{
    char expires[21];

    clock_print_iso8601(pair->facts.expires_s, expires);
    log_event(LOG_LEVEL_NOTICE, "certificate", "file", pair->file, "names", pair->facts.names, "expires", expires,
              "sha256", pair->facts.fingerprint, "self_signed", is_self_signed ? "yes" : "no", NULL);
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

/* An obtained pair that cannot be used must not keep the daemon from starting: another one will be obtained. */
static int read_pair(const struct certificate_sources *sources, const struct settings *settings, bool is_start,
                     int64_t now_s, struct buffer *message, struct generation **ret_generation)
{
    const struct certificate_source *source = certificate_sources_choose(sources);
    int r = -EINVAL;

    if (source != &sources->own) {
        r = generation_read(source, message, ret_generation);
    }
    if (r < 0 && r != -ENOMEM && source == &sources->obtained && is_start) {
        log_warning("certificate_failed", "the self-signed certificate is served: %s", buffer_text(message));
        buffer_clear(message);
        source = &sources->own;
    }
    if (source == &sources->own) {
        r = read_or_make(source, settings, now_s, message, ret_generation);
    }
    return r == -EKEYREJECTED ? -EINVAL : r;
}

/* `before`: the one that it replaced, NULL: none. */
static void tell(const struct generation *generation, const struct generation *before, const struct settings *settings,
                 int64_t now_s)
{
    for (unsigned i = 0; i < generation->count; i++) {
        const struct pair *pair = &generation->pairs[i];
        if (!has(before, pair)) {
            log_certificate(pair, generation->is_self_signed);
        }
        warn(pair, generation->is_self_signed, settings, now_s);
    }
    warn_about_names(generation);
}

static int load(struct tls *tls, const struct certificate_sources *sources, const struct settings *settings,
                int64_t now_s, struct buffer *message)
{
    _cleanup_(generation_freep) struct generation *generation = NULL;
    const struct generation *current = atomic_load(&tls->current);
    certificate_mark_read(certificate_sources_choose(sources), &tls->loaded); /* before: a later change is seen */
    int r = read_pair(sources, settings, current == NULL, now_s, message, &generation);

    if (r == 0) {
        r = check_against(current, generation, now_s, message);
    }
    if (r < 0) {
        return r;
    }
    const struct generation *loaded = generation;
    put_in_force(tls, TAKE_PTR(generation), settings);
    tell(loaded, current, settings, now_s); /* whoever reads it in the log finds it in force */
    return 0;
}

int tls_load(struct tls *tls, const struct settings *settings, int64_t now_s, struct buffer *message)
{
    _cleanup_(certificate_sources_done) struct certificate_sources sources;
    int r = certificate_sources_find(settings, &sources);

    pthread_mutex_lock(&tls->lock);
    if (r == 0) {
        r = load(tls, &sources, settings, now_s, message);
    }
    pthread_mutex_unlock(&tls->lock);
    return r;
}

bool tls_has_new_files(struct tls *tls, const struct settings *settings)
{
    _cleanup_(certificate_sources_done) struct certificate_sources sources;
    struct certificate_mark mark;

    if (certificate_sources_find(settings, &sources) < 0) {
        return false;
    }
    const struct certificate_source *source = certificate_sources_choose(&sources);
    certificate_mark_read(source, &mark);
    pthread_mutex_lock(&tls->lock);
    const bool is_settled = certificate_mark_equals(&mark, &tls->seen);
    const bool is_new = source != &sources.own && !certificate_mark_equals(&mark, &tls->loaded);
    tls->seen = mark;
    pthread_mutex_unlock(&tls->lock);
    return is_new && is_settled;
}

int tls_check(const struct settings *settings, struct buffer *message, unsigned ret_rsa_bits[2])
{
    _cleanup_(generation_freep) struct generation *generation = NULL;
    _cleanup_(certificate_sources_done) struct certificate_sources sources;
    int r = certificate_sources_find(settings, &sources);

    ret_rsa_bits[0] = ret_rsa_bits[1] = 0;
    if (r < 0) {
        return r;
    }
    const struct certificate_source *source = certificate_sources_choose(&sources);
    const bool is_own = source == &sources.own;
    if (is_own && !certificate_source_is_there(source)) {
        return 0;
    }
    r = generation_read(source, message, &generation);
    if (r < 0) {
        /* an own pair that does not belong together is made anew */
        return r == -EKEYREJECTED ? (is_own ? 0 : -EINVAL) : r;
    }
    for (unsigned i = 0; i < generation->count; i++) {
        ret_rsa_bits[i] = generation->pairs[i].rsa_bits;
    }
    compare_names(generation, message);
    return 0;
}

int64_t tls_expires_s(const struct tls *tls)
{
    const struct generation *generation = atomic_load(&tls->current);
    int64_t expires_s = generation ? generation->pairs[0].facts.expires_s : 0;

    for (unsigned i = 1; generation && i < generation->count; i++) {
        const int64_t other_s = generation->pairs[i].facts.expires_s;
        expires_s = other_s < expires_s ? other_s : expires_s;
    }
    return expires_s;
}

void tls_fingerprint(const struct tls *tls, char ret_text[65])
{
    const struct generation *generation = atomic_load(&tls->current);
    memcpy(ret_text, generation != NULL ? generation->pairs[0].facts.fingerprint : "", generation != NULL ? 65 : 1);
}

int tls_describe(const struct tls *tls, unsigned index, struct tls_view *ret_view)
{
    const struct generation *generation = atomic_load(&tls->current);

    if (!generation || index >= generation->count) {
        return -ENOENT;
    }
    const struct pair *pair = &generation->pairs[index];
    struct tls_view view = {
        .begins_s = pair->facts.begins_s,
        .expires_s = pair->facts.expires_s,
        .is_self_signed = generation->is_self_signed,
        .names = strdup(pair->facts.names),
        .file = strdup(pair->file),
    };
    memcpy(view.fingerprint, pair->facts.fingerprint, sizeof(view.fingerprint));
    if (!view.names || !view.file) {
        tls_view_done(&view);
        return -ENOMEM;
    }
    *ret_view = view;
    return 0;
}

void tls_view_done(struct tls_view *view)
{
    free(TAKE_PTR(view->names));
    free(TAKE_PTR(view->file));
}

bool tls_is_self_signed(const struct tls *tls)
{
    const struct generation *generation = atomic_load(&tls->current);
    return generation != NULL && generation->is_self_signed;
}

int tls_use(struct tls *tls, gnutls_session_t session)
{
    struct generation *generation = atomic_load(&tls->current);

    if (!generation) {
        return -ENOENT;
    }
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, generation->credentials) < 0 ? -ENOMEM : 0;
}

static int retrieve_none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                         const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
                         unsigned int *ret_chain_length, gnutls_privkey_t *ret_key)
{
    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    (void)ret_chain;
    (void)ret_chain_length;
    (void)ret_key;
    return -1;
}

void *tls_retrieve_none(void)
{
    gnutls_certificate_retrieve_function2 *function = retrieve_none;
    void *pointer = NULL;

    /* ISO C knows no conversion from function pointers; POSIX does. */
    _Static_assert(sizeof(pointer) == sizeof(function), "POSIX has both of one size");
    memcpy(&pointer, &function, sizeof(pointer));
    return pointer;
}
