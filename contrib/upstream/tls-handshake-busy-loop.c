/*
 * libmicrohttpd, TLS and epoll: a client that falls silent in the middle of its handshake keeps a server's thread busy.
 * See README.md beside this file. Ends with 1 where it happens, 0 where it does not, 2 when it cannot be tried.
 *
 *     cc -o tls-handshake-busy-loop tls-handshake-busy-loop.c $(pkg-config --cflags --libs libmicrohttpd gnutls)
 *     ./tls-handshake-busy-loop
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ARRIVE_MS 20000 /* at most */
#define SETTLE_MS 200
#define WATCH_MS 1000
#define BUSY_SHARE 0.05 /* of a core; there is nothing to do */

static int check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "cannot %s\n", what);
        exit(2);
    }
    return ok;
}

/* ---- a certificate, which nobody verifies ---- */

struct pair {
    gnutls_datum_t certificate;
    gnutls_datum_t key;
};

static void make_pair(struct pair *pair)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    const unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);

    check(gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, bits, 0) == 0 &&
              gnutls_x509_crt_init(&certificate) == 0 && gnutls_x509_crt_set_version(certificate, 3) == 0 &&
              gnutls_x509_crt_set_serial(certificate, "\1", 1) == 0 &&
              gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 60) == 0 &&
              gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 86400) == 0 &&
              gnutls_x509_crt_set_dn(certificate, "CN=localhost", NULL) == 0 &&
              gnutls_x509_crt_set_key(certificate, key) == 0 &&
              gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0) == 0 &&
              gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pair->certificate) == 0 &&
              gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pair->key) == 0,
          "make a certificate");
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

/* ---- the server: nothing but the library ---- */

static enum MHD_Result answer(void *userdata, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_size, void **context)
{
    (void)userdata, (void)connection, (void)url, (void)method, (void)version, (void)data, (void)data_size,
        (void)context;
    return MHD_NO; /* no request is ever made */
}

static struct MHD_Daemon *start_server(unsigned mode, const struct pair *pair, uint16_t *ret_port)
{
    struct MHD_Daemon *daemon =
        MHD_start_daemon(mode | MHD_USE_TLS, 0, NULL, NULL, answer, NULL, MHD_OPTION_HTTPS_MEM_CERT,
                         (const char *)pair->certificate.data, MHD_OPTION_HTTPS_MEM_KEY, (const char *)pair->key.data,
                         MHD_OPTION_END);

    check(daemon != NULL, "start a server");
    *ret_port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return daemon;
}

/* ---- a client that says something, and then no more ---- */

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    check(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    return fd;
}

static void say_nothing(int fd)
{
    (void)fd;
}

static void say_a_byte(int fd)
{
    check(send(fd, "\x16", 1, 0) == 1, "send a byte");
}

/* Its second call of gnutls_handshake, which would go on, never comes. */
static void say_hello(int fd)
{
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;

    check(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK) == 0 && gnutls_set_default_priority(session) == 0 &&
              gnutls_certificate_allocate_credentials(&credentials) == 0 &&
              gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) == 0 &&
              fcntl(fd, F_SETFL, O_NONBLOCK) == 0,
          "begin a handshake");
    gnutls_transport_set_int(session, fd);
    check(gnutls_handshake(session) == GNUTLS_E_AGAIN, "send a ClientHello");
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
}

/* ---- what it costs ---- */

static double now_s(clockid_t clock)
{
    struct timespec now;

    check(clock_gettime(clock, &now) == 0, "read a clock");
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_for_client(struct MHD_Daemon *daemon)
{
    double until_s = now_s(CLOCK_MONOTONIC) + ARRIVE_MS / 1000.0;

    while (MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 0) {
        check(now_s(CLOCK_MONOTONIC) < until_s, "be accepted");
        (void)poll(NULL, 0, 1);
    }
}

/* The share of a core that this process takes while its one client is silent. */
static double share_of(struct MHD_Daemon *daemon, uint16_t port, void (*say)(int fd))
{
    int fd = connect_to(port);

    say(fd);
    wait_for_client(daemon); /* before that nothing can be busy */
    (void)poll(NULL, 0, SETTLE_MS);
    double used_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    double began_s = now_s(CLOCK_MONOTONIC);
    (void)poll(NULL, 0, WATCH_MS);
    used_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - used_s;
    double share = used_s / (now_s(CLOCK_MONOTONIC) - began_s);
    close(fd);
    return share;
}

int main(void)
{
    static const struct {
        const char *name;
        unsigned mode;
    } modes[] = {{"epoll", MHD_USE_EPOLL_INTERNAL_THREAD}, {"poll", MHD_USE_POLL_INTERNAL_THREAD}};
    static const struct {
        const char *name;
        void (*say)(int fd);
    } clients[] = {{"nothing", say_nothing}, {"one byte", say_a_byte}, {"a ClientHello", say_hello}};
    struct pair pair;
    int is_busy = 0;

    printf("libmicrohttpd %s, GnuTLS %s; one client, silent after:\n", MHD_get_version(), gnutls_check_version(NULL));
    make_pair(&pair);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        for (size_t j = 0; j < sizeof(clients) / sizeof(clients[0]); j++) {
            uint16_t port;
            struct MHD_Daemon *daemon = start_server(modes[i].mode, &pair, &port);
            double share = share_of(daemon, port, clients[j].say);
            printf("%-6s %-14s %5.1f %% of a core\n", modes[i].name, clients[j].name, 100 * share);
            is_busy |= share > BUSY_SHARE;
            MHD_stop_daemon(daemon);
        }
    }
    gnutls_free(pair.certificate.data);
    gnutls_free(pair.key.data);
    printf("%s\n", is_busy ? "BUSY: the server's thread turns without an end" : "fine");
    return is_busy;
}
