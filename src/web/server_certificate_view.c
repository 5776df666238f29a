#include "web/server_certificate_view.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "web/server_certificate_facts.h"
#include "web/server_pem.h"

#define CHAIN_MAX 16
#define HANDSHAKE_MS 10000
#define CONNECT_S 5

struct chain {
    gnutls_x509_crt_t certificates[CHAIN_MAX];
    unsigned count;
};

static void chain_done(struct chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++) {
        gnutls_x509_crt_deinit(chain->certificates[i]);
    }
    chain->count = 0;
}

void certificate_view_done(struct certificate_view *view)
{
    free(TAKE_PTR(view->names));
    free(TAKE_PTR(view->distrust));
}

/* ---- judging ---- */

static bool is_ca_file_given(const struct certificate_judge *judge, const char **ret_path)
{
    const char *path =
        judge->authorities ? judge->authorities : getenv("SSL_CERT_FILE"); // NOLINT(concurrency-mt-unsafe)

    *ret_path = path;
    return path && path[0] != '\0';
}

static int add_authorities(gnutls_x509_trust_list_t list, const struct certificate_judge *judge)
{
    const char *path;

    return is_ca_file_given(judge, &path)
               ? gnutls_x509_trust_list_add_trust_file(list, path, NULL, GNUTLS_X509_FMT_PEM, 0, 0)
               : gnutls_x509_trust_list_add_system_trust(list, 0, 0);
}

static int judge_trust(const struct chain *chain, const struct certificate_judge *judge, struct certificate_view *view)
{
    gnutls_x509_trust_list_t list = NULL;
    gnutls_datum_t words = {NULL, 0};
    unsigned status = GNUTLS_CERT_INVALID;

    if (gnutls_x509_trust_list_init(&list, 0) < 0) {
        return -ENOMEM;
    }
    int r = add_authorities(list, judge);
    if (r >= 0) {
        r = gnutls_x509_trust_list_verify_crt(list, (gnutls_x509_crt_t *)chain->certificates, chain->count, 0, &status,
                                              NULL);
    }
    gnutls_x509_trust_list_deinit(list, 1);
    view->is_issuer_missing = (status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0;
    if (r >= 0 && status == 0) {
        return 0;
    }
    if (r < 0 || gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) < 0) {
        view->distrust = strdup(r < 0 ? gnutls_strerror(r) : "it cannot be verified");
    } else {
        view->distrust = strndup((const char *)words.data, strcspn((const char *)words.data, "\n"));
        gnutls_free(words.data);
    }
    return view->distrust ? 0 : -ENOMEM;
}

static int judge_chain(const struct chain *chain, const struct certificate_judge *judge,
                       struct certificate_view *ret_view)
{
    struct certificate_view view = {.chain_length = chain->count};
    struct certificate_facts facts;
    gnutls_x509_crt_t leaf = chain->certificates[0];
    int r = certificate_facts_read(leaf, &facts);

    if (r < 0) {
        return r;
    }
    view.names = TAKE_PTR(facts.names);
    view.begins_s = facts.begins_s;
    view.expires_s = facts.expires_s;
    memcpy(view.fingerprint, facts.fingerprint, sizeof(view.fingerprint));
    certificate_facts_done(&facts);
    view.is_self_signed = gnutls_x509_crt_check_issuer(leaf, leaf) != 0;
    view.names_host = !judge->host || gnutls_x509_crt_check_hostname(leaf, judge->host) != 0;
    r = judge_trust(chain, judge, &view);
    if (r < 0) {
        certificate_view_done(&view);
        return r;
    }
    *ret_view = view;
    return 0;
}

/* ---- from a file ---- */

int certificate_view_file(const char *path, const struct certificate_judge *judge, struct buffer *message,
                          struct certificate_view *ret_view)
{
    _cleanup_buffer_ struct buffer pem = BUFFER_INIT;
    _cleanup_(chain_done) struct chain chain = {.count = 0};
    unsigned count = CHAIN_MAX;
    int r = file_read(path, PEM_MAX_BYTES, &pem, NULL);

    if (r < 0) {
        buffer_printf(message, "%s: cannot be read: %s", path, strerror(-r));
        return -EIO;
    }
    const gnutls_datum_t datum = pem_datum(&pem);
    /* In the file's own order: that is how it is sent. */
    r = gnutls_x509_crt_list_import(chain.certificates, &count, &datum, GNUTLS_X509_FMT_PEM,
                                    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (r <= 0) {
        buffer_printf(message, "%s: is not a chain of PEM certificates", path);
        return -EINVAL;
    }
    chain.count = (unsigned)r;
    return judge_chain(&chain, judge, ret_view);
}

/* ---- from a server ---- */

static int connect_to(const struct address *address, uint16_t port)
{
    const struct timeval patience = {.tv_sec = CONNECT_S};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_ipv6 = address->family == ADDRESS_IPV6;
    _cleanup_close_ int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(&in.sin_addr, address->bytes, sizeof(in.sin_addr));
    memcpy(&in6.sin6_addr, address->bytes, sizeof(in6.sin6_addr));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
        return -errno;
    }
    const struct sockaddr *place = is_ipv6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in;
    if (connect(fd, place, is_ipv6 ? sizeof(in6) : sizeof(in)) < 0) {
        return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
    }
    return TAKE_FD(fd);
}

static int take_peers(gnutls_session_t session, struct chain *chain)
{
    unsigned count = 0;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(session, &count);

    for (unsigned i = 0; peers && i < count && i < CHAIN_MAX; i++) {
        if (gnutls_x509_crt_init(&chain->certificates[i]) < 0) {
            return -ENOMEM;
        }
        chain->count++;
        if (gnutls_x509_crt_import(chain->certificates[i], &peers[i], GNUTLS_X509_FMT_DER) < 0) {
            return -EBADMSG;
        }
    }
    return chain->count > 0 ? 0 : -EBADMSG;
}

static int handshake(gnutls_session_t session, gnutls_certificate_credentials_t credentials, int fd,
                     const struct certificate_judge *judge, bool is_tls12)
{
    static const char *const priorities[] = {"NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    int r = gnutls_priority_set_direct(session, priorities[is_tls12], NULL);

    if (r >= 0) {
        r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    }
    if (r >= 0 && judge->host) {
        r = gnutls_server_name_set(session, GNUTLS_NAME_DNS, judge->host, strlen(judge->host));
    }
    if (r < 0) {
        return r;
    }
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, HANDSHAKE_MS);
    do {
        r = gnutls_handshake(session);
    } while (r < 0 && gnutls_error_is_fatal(r) == 0);
    return r;
}

int certificate_view_server(const struct address *address, uint16_t port, const struct certificate_judge *judge,
                            bool is_tls12, struct buffer *message, struct certificate_view *ret_view)
{
    _cleanup_(chain_done) struct chain chain = {.count = 0};
    _cleanup_close_ int fd = connect_to(address, port);
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_session_t session = NULL;

    if (fd < 0) {
        buffer_printf(message, "no connection: %s", strerror(-fd));
        return -EIO;
    }
    if (gnutls_certificate_allocate_credentials(&credentials) < 0) {
        return -ENOMEM;
    }
    if (gnutls_init(&session, GNUTLS_CLIENT) < 0) {
        gnutls_certificate_free_credentials(credentials);
        return -ENOMEM;
    }
    int r = handshake(session, credentials, fd, judge, is_tls12);
    if (r < 0) {
        buffer_printf(message, "no TLS handshake: %s", gnutls_strerror(r));
        r = -EIO;
    } else {
        r = take_peers(session, &chain);
        (void)gnutls_bye(session, GNUTLS_SHUT_WR);
        if (r == -EBADMSG) {
            buffer_append_text(message, "it shows no certificate that can be read");
            r = -EIO;
        }
    }
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    return r < 0 ? r : judge_chain(&chain, judge, ret_view);
}
