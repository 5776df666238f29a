/*
 * The server's certificate: from PEM files, or a self-signed P-256 pair made once in state_dir. From files there may be
 * two, one of ECDSA and one of RSA: GnuTLS shows each client one that it can check, that of ECDSA where it can check
 * both. New ones are put in place together while connections go on. Old ones live until no handshake can still use them.
 * Any thread may handshake and load.
 */
#ifndef DDNS53_WEB_TLS_H
#define DDNS53_WEB_TLS_H

#include <gnutls/gnutls.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/settings.h"

struct tickets;
struct tls;

struct tls *tls_new(void);
void tls_free(struct tls *tls);
DEFINE_CLEANUP(struct tls *, tls_free)

/* For tests: what decides when a replaced certificate is freed; clock_system() unless set. */
void tls_set_clock(struct tls *tls, const struct clock *clock);

/* Of its sessions; a reload keeps them. Borrowed. */
struct tickets *tls_tickets(const struct tls *tls);

/* Loads server.certificate and private_key, and the second ones where they are given; or the pair that was obtained by
 * ACME where that is on and there is one; or makes (once, mode 0600: state_dir/certificate.pem and private_key.pem) and
 * loads the self-signed pair, whose SAN has the names and addresses of listen and public_url, localhost, and this
 * machine's name. Checks that key and certificate belong together, and that of two one has an RSA key and the other has
 * none. On failure those in force stay; `message` gets a sentence that says what is wrong and what to do. A self-signed
 * pair that expires within 30 days is made anew. One that has expired is refused where a valid one is in force; otherwise
 * that is warned about, as are one that is not valid yet, one that does not name the host of public_url, and two that
 * name different hosts. Logs
 * `event=certificate file= names= expires= sha256= self_signed=` of each that was not in force before. */
int tls_load(struct tls *tls, const struct settings *settings, int64_t now_s, struct buffer *message);

/* Have the files, if they are not our own, changed since they were last loaded, and not since the last call of this? A
 * writer may not have finished yet. For who looks about once a second. */
bool tls_has_new_files(struct tls *tls, const struct settings *settings);

#define TLS_RSA_GOOD_BITS 2048

/* Reads what tls_load would read, and makes none: for --check. `ret_rsa_bits`, of the first and the second: 0 where it is
 * no RSA key, or there is none, or where a self-signed pair would have to be made. As tls_load on failure; with 0,
 * `message` gets a warning where the two name different hosts. */
int tls_check(const struct settings *settings, struct buffer *message, unsigned ret_rsa_bits[2]);

/* Of the one in force that expires first. */
int64_t tls_expires_s(const struct tls *tls);
/* Of the first one in force. */
void tls_fingerprint(const struct tls *tls, char ret_text[65]); /* lower-case hex SHA-256 of the DER */
bool tls_is_self_signed(const struct tls *tls);

/* What is served, for operators. */
struct tls_view {
    int64_t begins_s;
    int64_t expires_s;
    char fingerprint[65];
    bool is_self_signed;
    char *names; /* comma separated, the first ten; owned, as the file's path */
    char *file;
};
/* `index`: 0, or 1 for the second one. -ENOENT: there is none; -ENOMEM. End it by tls_view_done. */
int tls_describe(const struct tls *tls, unsigned index, struct tls_view *ret_view);
void tls_view_done(struct tls_view *view);

/* GnuTLS priority string: TLS 1.2 and 1.3 only. */
extern const char tls_priorities[];

/* Before the handshake of a session begins: it is for the certificates in force at this moment. -ENOENT: nothing is loaded;
 * -ENOMEM. */
int tls_use(struct tls *tls, gnutls_session_t session);

/* libmicrohttpd does not start without a certificate of its own. This is a gnutls_certificate_retrieve_function2 that has
 * none; no session with tls_use asks it. */
void *tls_retrieve_none(void);

#endif
