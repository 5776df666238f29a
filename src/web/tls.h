/*
 * The server's certificate: from PEM files, or a self-signed P-256 pair made once in state_dir. A new one is put in
 * place while connections go on; an old one lives until no handshake can still use it. Any thread may handshake
 * and load.
 */
#ifndef DDNS53_WEB_TLS_H
#define DDNS53_WEB_TLS_H

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

/* Loads server.certificate and private_key, or the pair that was obtained by ACME where that is on and there is one, or
 * makes (once, mode 0600: state_dir/certificate.pem and private_key.pem) and loads the self-signed pair, whose SAN has
 * the names and addresses of listen and public_url, localhost, and
 * this machine's name. Checks that key and certificate belong together. On failure the one in force stays;
 * `message` gets a sentence that says what is wrong and what to do. A self-signed pair that expires within 30 days
 * is made anew. One that has expired is refused where a valid one is in force; otherwise that is warned about, as are
 * one that is not valid yet and one that does not name the host of public_url. Logs `event=certificate file= names=
 * expires= sha256= self_signed=` when it is another one than before. */
int tls_load(struct tls *tls, const struct settings *settings, int64_t now_s, struct buffer *message);

/* Have the files, if they are not our own, changed since they were last loaded, and not since the last call of this? A
 * writer may not have finished yet. For who looks about once a second. */
bool tls_has_new_files(struct tls *tls, const struct settings *settings);

#define TLS_RSA_GOOD_BITS 2048

/* Reads the pair that tls_load would read, and makes none: for --check. `ret_rsa_bits`: 0 where it is no RSA key, or
 * where a self-signed pair would have to be made. As tls_load on failure. */
int tls_check(const struct settings *settings, struct buffer *message, unsigned *ret_rsa_bits);

/* Of the certificate in force. */
int64_t tls_expires_s(const struct tls *tls);
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
/* -ENOENT: nothing is loaded; -ENOMEM. End it by tls_view_done. */
int tls_describe(const struct tls *tls, struct tls_view *ret_view);
void tls_view_done(struct tls_view *view);

/* GnuTLS priority string: TLS 1.2 and 1.3 only. */
extern const char tls_priorities[];

/* The gnutls_certificate_retrieve_function2 that libmicrohttpd calls finds the tls through this (one per process). */
struct gnutls_session_int;
void *tls_retrieve_callback(struct tls *tls);

#endif
