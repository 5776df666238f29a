/* Unit tests of web/tls: certificates from files and made by itself, shown to a client that checks them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/secret.h"
#include "temporary.h"
#include "tls_peer.h"
#include "web/tls.h"

#define NOW_S ((int64_t)time(NULL))
#define DAY_S 86400

struct place {
    char *folder;
    char certificate[TEMPORARY_PATH_SIZE];
    char private_key[TEMPORARY_PATH_SIZE];
    char second_certificate[TEMPORARY_PATH_SIZE];
    char second_private_key[TEMPORARY_PATH_SIZE];
    bool has_second; /* is set */
    char own_certificate[TEMPORARY_PATH_SIZE];
    char own_private_key[TEMPORARY_PATH_SIZE];
    struct tls *tls;
    struct buffer message;
    struct buffer log;
};

static void keep_line(enum log_level level, const char *line, void *userdata)
{
    (void)level;
    buffer_printf(userdata, "%s\n", line);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    place->folder = temporary_folder_make();
    (void)snprintf(place->certificate, sizeof(place->certificate), "%s/server.pem", place->folder);
    (void)snprintf(place->private_key, sizeof(place->private_key), "%s/server.key", place->folder);
    (void)snprintf(place->second_certificate, sizeof(place->second_certificate), "%s/rsa.pem", place->folder);
    (void)snprintf(place->second_private_key, sizeof(place->second_private_key), "%s/rsa.key", place->folder);
    (void)snprintf(place->own_certificate, sizeof(place->own_certificate), "%s/state/certificate.pem", place->folder);
    (void)snprintf(place->own_private_key, sizeof(place->own_private_key), "%s/state/private_key.pem", place->folder);
    place->tls = tls_new();
    assert_non_null(place->tls);
    log_set_sink(keep_line, &place->log);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    log_set_sink(NULL, NULL);
    tls_free(place->tls);
    buffer_done(&place->message);
    buffer_done(&place->log);
    temporary_folder_remove(place->folder);
    free(place);
    return 0;
}

/* `own_files`: certificate and private_key are set. */
static struct settings *settings_of(const struct place *place, bool own_files, const char *public_url)
{
    struct problems *problems = problems_new("ddns53d.yaml");
    struct settings *settings = NULL;
    struct buffer text = BUFFER_INIT;

    buffer_append_text(&text, "server:\n  listen: [\"[::]:0\", \"192.0.2.5:443\", \"[2001:db8::5]:443\"]\n");
    if (own_files) {
        buffer_printf(&text, "  certificate: \"%s\"\n  private_key: \"%s\"\n", place->certificate, place->private_key);
    }
    if (place->has_second) {
        buffer_printf(&text, "  second_certificate: \"%s\"\n  second_private_key: \"%s\"\n", place->second_certificate,
                      place->second_private_key);
    }
    buffer_printf(&text,
                  "  public_url: \"%s\"\n"
                  "state_dir: \"%s/state\"\n"
                  "zones:\n  - {name: example.com., provider: zonefile}\n",
                  public_url, place->folder);
    if (settings_load_text(buffer_text(&text), text.length, "/nowhere/ddns53d.yaml", problems, &settings) < 0) {
        fail_msg("%s", problems_text(problems, 0));
    }
    problems_free(problems);
    buffer_done(&text);
    return settings;
}

static int load_at(struct place *place, bool own_files, const char *public_url, int64_t now_s)
{
    struct settings *settings = settings_of(place, own_files, public_url);

    buffer_clear(&place->message);
    buffer_clear(&place->log);
    int r = tls_load(place->tls, settings, now_s, &place->message);
    settings_unref(settings);
    return r;
}

static void load(struct place *place, bool own_files)
{
    if (load_at(place, own_files, "https://ddns.example.net:8443", NOW_S) < 0) {
        fail_msg("%s", buffer_text(&place->message));
    }
    assert_int_equal(place->message.length, 0);
}

/* ---- a handshake in one thread ---- */

struct pair {
    int fds[2];
    gnutls_session_t server;
    struct tls_peer client;
    int server_status;
    int client_status;
};

static void pair_init(struct pair *pair, struct tls *tls, const char *priorities, const char *trust, const char *name)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds), 0);
    assert_int_equal(gnutls_init(&pair->server, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(tls_use(tls, pair->server), tls_expires_s(tls) != 0 ? 0 : -ENOENT);
    assert_int_equal(gnutls_priority_set_direct(pair->server, tls_priorities, NULL), 0);
    gnutls_transport_set_int(pair->server, pair->fds[0]);
    tls_peer_init(&pair->client, pair->fds[1], priorities, trust, name);
    pair->server_status = GNUTLS_E_AGAIN;
    pair->client_status = GNUTLS_E_AGAIN;
}

static void pair_done(struct pair *pair)
{
    gnutls_deinit(pair->server);
    tls_peer_done(&pair->client);
    close(pair->fds[0]);
    close(pair->fds[1]);
}

/* Whoever has something to do does it. */
static void pair_step(struct pair *pair)
{
    if (pair->client_status == GNUTLS_E_AGAIN) {
        pair->client_status = gnutls_handshake(pair->client.session);
    }
    if (pair->server_status == GNUTLS_E_AGAIN) {
        pair->server_status = gnutls_handshake(pair->server);
    }
}

/* 0, or what the side that gave up said. */
static int pair_shake_hands(struct pair *pair)
{
    for (int i = 0; i < 100; i++) {
        pair_step(pair);
        if (pair->client_status == 0 && pair->server_status == 0) {
            return 0;
        }
        if (gnutls_error_is_fatal(pair->client_status)) {
            return pair->client_status;
        }
        if (gnutls_error_is_fatal(pair->server_status)) {
            return pair->server_status;
        }
    }
    return GNUTLS_E_AGAIN;
}

static int shake_hands(const struct place *place, const char *priorities, const char *trust, const char *name,
                       char ret_fingerprint[65])
{
    struct pair pair;

    pair_init(&pair, place->tls, priorities, trust, name);
    int r = pair_shake_hands(&pair);
    if (r == 0 && ret_fingerprint != NULL) {
        tls_peer_fingerprint(&pair.client, ret_fingerprint);
    }
    pair_done(&pair);
    return r;
}

/* ---- the self-signed pair ---- */

static void test_self_signed(void **state)
{
    struct place *place = *state;
    char fingerprint[65];
    char again[65];
    struct stat info;

    tls_fingerprint(place->tls, fingerprint);
    assert_string_equal(fingerprint, "");
    assert_int_equal(tls_expires_s(place->tls), 0);
    load(place, false);
    assert_true(tls_is_self_signed(place->tls));
    assert_true(tls_expires_s(place->tls) > NOW_S + (int64_t)3649 * DAY_S);
    tls_fingerprint(place->tls, fingerprint);
    assert_int_equal(strlen(fingerprint), 64);
    assert_non_null(strstr(buffer_text(&place->log), fingerprint));
    assert_int_equal(stat(place->own_private_key, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(place->own_certificate, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);

    /* made once */
    load(place, false);
    tls_fingerprint(place->tls, again);
    assert_string_equal(again, fingerprint);
}

/* As a client does that was given certificate.pem and nothing else. */
static void test_self_signed_is_its_own_anchor(void **state)
{
    static const char *const names[] = {"localhost",        "127.0.0.1", "::1",
                                        "ddns.example.net", "192.0.2.5", "2001:db8::5"};
    struct place *place = *state;
    char machine[256];

    load(place, false);
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        if (shake_hands(place, TLS_PEER_DEFAULT, place->own_certificate, names[i], NULL) != 0) {
            fail_msg("%s", names[i]);
        }
    }
    assert_int_equal(gethostname(machine, sizeof(machine)), 0);
    if (strspn(machine, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(machine)) { /* a name that DNS could have */
        assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, place->own_certificate, machine, NULL), 0);
    }
    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, place->own_certificate, "elsewhere.example.net", NULL),
                     GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, place->own_certificate, "0.0.0.0", NULL),
                     GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
}

static void test_self_signed_is_renewed(void **state)
{
    struct place *place = *state;
    char fingerprint[65];
    char again[65];

    load(place, false);
    tls_fingerprint(place->tls, fingerprint);
    int64_t expires_s = tls_expires_s(place->tls);
    assert_int_equal(load_at(place, false, "", expires_s - (int64_t)31 * DAY_S), 0);
    tls_fingerprint(place->tls, again);
    assert_string_equal(again, fingerprint);
    assert_int_equal(load_at(place, false, "", expires_s - (int64_t)29 * DAY_S), 0);
    tls_fingerprint(place->tls, again);
    assert_string_not_equal(again, fingerprint);
    assert_true(tls_expires_s(place->tls) > expires_s);
}

static void test_half_of_the_pair_is_made_anew(void **state)
{
    struct place *place = *state;
    struct issued other;
    char fingerprint[65];
    char again[65];

    load(place, false);
    tls_fingerprint(place->tls, fingerprint);
    assert_int_equal(unlink(place->own_private_key), 0);
    load(place, false);
    tls_fingerprint(place->tls, again);
    assert_string_not_equal(again, fingerprint);
    /* as a crash between the two files leaves it */
    issue(&other, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL);
    write_key(place->own_private_key, &other, NULL, 0600);
    load(place, false);
    tls_fingerprint(place->tls, fingerprint);
    assert_string_not_equal(again, fingerprint);
    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, place->own_certificate, "localhost", again), 0);
    assert_string_equal(again, fingerprint);
    issued_done(&other);
}

/* What somebody may want to keep is not overwritten. */
static void test_broken_pair_is_kept(void **state)
{
    struct place *place = *state;
    struct buffer content = BUFFER_INIT;

    load(place, false);
    assert_int_equal(file_replace(place->own_certificate, "garbage\n", 8, 0644), 0);
    assert_int_equal(load_at(place, false, "", NOW_S), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), place->own_certificate));
    assert_non_null(strstr(buffer_text(&place->message), "remove both files"));
    assert_int_equal(file_read(place->own_certificate, 100, &content, NULL), 0);
    assert_string_equal(buffer_text(&content), "garbage\n");
    buffer_done(&content);
}

static void test_public_url_that_is_not_named(void **state)
{
    struct place *place = *state;

    load(place, false);
    assert_null(strstr(buffer_text(&place->log), "does not name"));
    assert_int_equal(load_at(place, false, "https://other.example.net", NOW_S), 0);
    assert_non_null(strstr(buffer_text(&place->log), "does not name other.example.net"));
    assert_int_equal(load_at(place, false, "https://[2001:db8::5]:8443", NOW_S), 0);
    assert_null(strstr(buffer_text(&place->log), "does not name"));
}

static void test_state_dir_that_cannot_be_written(void **state)
{
    struct place *place = *state;
    char path[TEMPORARY_PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/state", place->folder);
    assert_int_equal(file_replace(path, "", 0, 0600), 0); /* a file in its place stops root too */
    assert_true(load_at(place, false, "", NOW_S) < 0);
    assert_non_null(strstr(buffer_text(&place->message), "state_dir"));
}

/* ---- versions and ciphers ---- */

static void test_what_is_spoken(void **state)
{
    static const struct {
        const char *priorities;
        bool spoken;
    } rows[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.1", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA1", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-FFDHE2048", false},
    };
    struct place *place = *state;
    struct issued authority;

    issue(&authority, GNUTLS_PK_RSA, 2048, NULL);
    write_certificate(place->certificate, &authority, NULL);
    write_key(place->private_key, &authority, NULL, 0600);
    load(place, true);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int r = shake_hands(place, rows[i].priorities, NULL, NULL, NULL);
        if ((r == 0) != rows[i].spoken) {
            fail_msg("%s: %s", rows[i].priorities, gnutls_strerror(r));
        }
    }
    issued_done(&authority);
}

/* ---- files ---- */

static int check(struct place *place, bool own_files, unsigned ret_rsa_bits[2])
{
    struct settings *settings = settings_of(place, own_files, "");

    buffer_clear(&place->message);
    int r = tls_check(settings, &place->message, ret_rsa_bits);
    settings_unref(settings);
    return r;
}

/* --check reads what tls_load would, and makes nothing. */
static void test_check(void **state)
{
    struct place *place = *state;
    struct issued leaf;
    struct issued other;
    unsigned rsa_bits[2] = {1, 1};

    assert_int_equal(check(place, false, rsa_bits), 0);
    assert_int_equal(rsa_bits[0], 0);
    assert_int_equal(access(place->own_certificate, F_OK), -1);
    load(place, false);
    assert_int_equal(check(place, false, rsa_bits), 0);
    assert_int_equal(rsa_bits[0], 0);

    assert_int_equal(check(place, true, rsa_bits), -ENOENT);
    assert_non_null(strstr(buffer_text(&place->message), "server.pem: cannot be read"));
    issue(&leaf, GNUTLS_PK_RSA, 1024, NULL);
    issue(&other, GNUTLS_PK_RSA, 1024, NULL);
    write_certificate(place->certificate, &leaf, NULL);
    write_key(place->private_key, &leaf, NULL, 0600);
    assert_int_equal(check(place, true, rsa_bits), 0);
    assert_int_equal(rsa_bits[0], 1024);
    write_key(place->private_key, &other, NULL, 0600);
    assert_int_equal(check(place, true, rsa_bits), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), "is not the key of the first certificate"));
    issued_done(&leaf);
    issued_done(&other);
}

static void test_kinds_of_keys(void **state)
{
    static const struct {
        gnutls_pk_algorithm_t algorithm;
        unsigned bits;
    } kinds[] = {
        {GNUTLS_PK_RSA, 2048},
        {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)},
        {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1)},
        {GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519)},
    };
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"};
    struct place *place = *state;
    char trust[TEMPORARY_PATH_SIZE];
    char fingerprint[65];
    char shown[65];

    (void)snprintf(trust, sizeof(trust), "%s/authority.pem", place->folder);
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        struct issued authority;
        struct issued leaf;
        issue(&authority, kinds[i].algorithm, kinds[i].bits, NULL);
        issue(&leaf, kinds[i].algorithm, kinds[i].bits, &authority);
        write_certificate(trust, &authority, NULL);
        write_certificate(place->certificate, &leaf, &authority);
        write_key(place->private_key, &leaf, NULL, 0600);
        load(place, true);
        unsigned rsa_bits[2] = {1, 1};
        assert_int_equal(check(place, true, rsa_bits), 0);
        assert_int_equal(rsa_bits[0], kinds[i].algorithm == GNUTLS_PK_RSA ? kinds[i].bits : 0);
        assert_false(tls_is_self_signed(place->tls));
        assert_true(tls_expires_s(place->tls) > NOW_S);
        tls_fingerprint(place->tls, fingerprint);
        for (size_t j = 0; j < ELEMENTS(versions); j++) {
            int r = shake_hands(place, versions[j], trust, "localhost", shown);
            if (r != 0) {
                fail_msg("kind %zu, %s: %s", i, versions[j], gnutls_strerror(r));
            }
            assert_string_equal(shown, fingerprint);
        }
        issued_done(&leaf);
        issued_done(&authority);
    }
}

/* The one of this kind, by itself an authority, in the place of the first or the second. */
static void put(struct place *place, bool is_second, gnutls_pk_algorithm_t algorithm, unsigned bits,
                char ret_fingerprint[65])
{
    struct issued issued;
    unsigned char digest[32];
    size_t length = sizeof(digest);

    issue(&issued, algorithm, bits, NULL);
    write_certificate(is_second ? place->second_certificate : place->certificate, &issued, NULL);
    write_key(is_second ? place->second_private_key : place->private_key, &issued, NULL, 0600);
    assert_int_equal(gnutls_x509_crt_get_fingerprint(issued.certificate, GNUTLS_DIG_SHA256, digest, &length), 0);
    print_hex(digest, sizeof(digest), ret_fingerprint);
    issued_done(&issued);
}

/* By what the client can, and of RSA only where it can nothing else; in whichever order the two are given. */
static void test_two_kinds_side_by_side(void **state)
{
    static const struct {
        const char *priorities;
        bool is_rsa;
    } rows[] = {
        {TLS_PEER_DEFAULT, false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA:+ECDHE-ECDSA", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA256", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-ECDSA-SECP256R1-SHA256", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256", false},
    };
    const unsigned p256 = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    struct place *place = *state;

    place->has_second = true;
    for (int rsa_is_first = 0; rsa_is_first < 2; rsa_is_first++) {
        char fingerprints[2][65]; /* of ECDSA, of RSA */
        unsigned rsa_bits[2] = {1, 1};
        char shown[65];
        put(place, rsa_is_first, GNUTLS_PK_ECDSA, p256, fingerprints[0]);
        put(place, !rsa_is_first, GNUTLS_PK_RSA, 2048, fingerprints[1]);
        load(place, true);
        assert_non_null(strstr(buffer_text(&place->log), fingerprints[0]));
        assert_non_null(strstr(buffer_text(&place->log), fingerprints[1]));
        assert_int_equal(check(place, true, rsa_bits), 0);
        assert_int_equal(rsa_bits[0], rsa_is_first ? 2048 : 0);
        assert_int_equal(rsa_bits[1], rsa_is_first ? 0 : 2048);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
            int r = shake_hands(place, rows[i].priorities, NULL, NULL, shown);
            if (r != 0 || strcmp(shown, fingerprints[rows[i].is_rsa]) != 0) {
                fail_msg("%s: %s", rows[i].priorities, r != 0 ? gnutls_strerror(r) : "the other one");
            }
        }
    }
}

static void test_one_of_two_is_wrong(void **state)
{
    const unsigned p256 = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    struct place *place = *state;
    char fingerprints[2][65];
    char renewed[65];
    char shown[65];

    place->has_second = true;
    put(place, false, GNUTLS_PK_ECDSA, p256, fingerprints[0]);
    put(place, true, GNUTLS_PK_RSA, 2048, fingerprints[1]);
    load(place, true);

    put(place, false, GNUTLS_PK_ECDSA, p256, renewed);
    assert_int_equal(unlink(place->second_private_key), 0);
    assert_int_equal(load_at(place, true, "", NOW_S), -ENOENT);
    assert_non_null(strstr(buffer_text(&place->message), "rsa.key: cannot be read"));
    put(place, true, GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), shown);
    assert_int_equal(load_at(place, true, "", NOW_S), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), "rsa.pem: server.second_certificate has no RSA key"));

    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, NULL, NULL, shown), 0);
    assert_string_equal(shown, fingerprints[0]);
    assert_int_equal(shake_hands(place, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA", NULL, NULL, shown), 0);
    assert_string_equal(shown, fingerprints[1]);
    put(place, true, GNUTLS_PK_RSA, 2048, fingerprints[1]);
    load(place, true);
    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, NULL, NULL, shown), 0);
    assert_string_equal(shown, renewed);
}

/* In every case the one in force stays in force. */
static void test_files_that_do_not_do(void **state)
{
    struct place *place = *state;
    struct issued authority;
    struct issued other;
    char fingerprint[65];
    char shown[65];

    issue(&authority, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL);
    issue(&other, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL);
    write_certificate(place->certificate, &authority, NULL);
    write_key(place->private_key, &authority, NULL, 0600);
    load(place, true);
    tls_fingerprint(place->tls, fingerprint);

    write_key(place->private_key, &other, NULL, 0600);
    assert_int_equal(load_at(place, true, "", NOW_S), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), place->private_key));
    assert_non_null(strstr(buffer_text(&place->message), "give the two that belong together"));
    write_key(place->private_key, &authority, "passphrase", 0600);
    assert_int_equal(load_at(place, true, "", NOW_S), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), "without a passphrase"));
    assert_int_equal(file_replace(place->private_key, "", 0, 0600), 0);
    assert_int_equal(load_at(place, true, "", NOW_S), -EINVAL);
    assert_int_equal(unlink(place->private_key), 0);
    assert_int_equal(load_at(place, true, "", NOW_S), -ENOENT);
    assert_non_null(strstr(buffer_text(&place->message), "must be able to read"));

    write_key(place->private_key, &authority, NULL, 0600);
    assert_int_equal(file_replace(place->certificate, "-----BEGIN CERTIFICATE-----\n", 28, 0644), 0);
    assert_int_equal(load_at(place, true, "", NOW_S), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), "is not a chain of PEM certificates"));
    write_key(place->certificate, &authority, NULL, 0644); /* swapped by mistake */
    assert_int_equal(load_at(place, true, "", NOW_S), -EINVAL);
    assert_int_equal(unlink(place->certificate), 0);
    assert_int_equal(load_at(place, true, "", NOW_S), -ENOENT);

    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, NULL, NULL, shown), 0);
    assert_string_equal(shown, fingerprint);
    issued_done(&authority);
    issued_done(&other);
}

/* By the time that is handed in: the pair of a moment ago expires, another one is valid, then the first comes back. */
static bool has_new_files(const struct place *place, bool own_files)
{
    _cleanup_(settings_unrefp) struct settings *settings = settings_of(place, own_files, "");

    return tls_has_new_files(place->tls, settings);
}

static void test_files_that_change(void **state)
{
    struct place *place = *state;
    struct issued issued;

    load(place, false); /* our own pair is nobody else's to change */
    assert_false(has_new_files(place, false));
    assert_int_equal(unlink(place->own_certificate), 0);
    assert_false(has_new_files(place, false));
    assert_false(has_new_files(place, false));

    issue(&issued, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL);
    write_certificate(place->certificate, &issued, NULL);
    write_key(place->private_key, &issued, NULL, 0600);
    load(place, true);
    assert_false(has_new_files(place, true));
    assert_false(has_new_files(place, true));
    for (unsigned i = 0; i < 2; i++) { /* removed, and written again */
        if (i == 0) {
            assert_int_equal(unlink(place->private_key), 0);
        } else {
            write_key(place->private_key, &issued, NULL, 0600);
        }
        assert_false(has_new_files(place, true)); /* a writer may not have finished */
        assert_true(has_new_files(place, true));
        assert_int_equal(load_at(place, true, "", NOW_S) == 0, i == 1);
        assert_false(has_new_files(place, true)); /* once is enough, whether or not it could be loaded */
        assert_false(has_new_files(place, true));
    }
    issued_done(&issued);
}

static void test_expired_never_replaces_valid(void **state)
{
    struct place *place = *state;
    struct issued authority;
    char own[65];
    char fingerprint[65];

    issue(&authority, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL); /* for a day */
    write_certificate(place->certificate, &authority, NULL);
    write_key(place->private_key, &authority, NULL, 0600);
    load(place, false); /* for ten years */
    assert_non_null(strstr(buffer_text(&place->log), "event=certificate file="));
    tls_fingerprint(place->tls, own);
    assert_int_equal(load_at(place, true, "", NOW_S + (int64_t)2 * DAY_S), -EINVAL);
    assert_non_null(strstr(buffer_text(&place->message), "server.pem: has expired at 20"));
    tls_fingerprint(place->tls, fingerprint);
    assert_string_equal(fingerprint, own);

    assert_int_equal(load_at(place, true, "https://localhost", NOW_S), 0);
    assert_non_null(strstr(buffer_text(&place->log), " names=localhost expires=20"));
    assert_null(strstr(buffer_text(&place->log), "certificate_warning"));
    /* Nothing better is there: one that has expired since stays, and is told each time. */
    assert_int_equal(load_at(place, true, "", NOW_S + (int64_t)2 * DAY_S), 0);
    assert_non_null(strstr(buffer_text(&place->log), "event=certificate_warning message=\""));
    assert_null(strstr(buffer_text(&place->log), "event=certificate file="));
    assert_int_equal(load_at(place, true, "", NOW_S - (int64_t)2 * DAY_S), 0);
    assert_non_null(strstr(buffer_text(&place->log), "server.pem: is valid only from 20"));
    issued_done(&authority);
}

static void test_key_that_others_read(void **state)
{
    struct place *place = *state;
    struct issued authority;

    issue(&authority, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL);
    write_certificate(place->certificate, &authority, NULL);
    write_key(place->private_key, &authority, NULL, 0640); /* as ssl-cert's group has it */
    load(place, true);
    assert_null(strstr(buffer_text(&place->log), "others may read it"));
    write_key(place->private_key, &authority, NULL, 0644);
    load(place, true);
    assert_non_null(strstr(buffer_text(&place->log), "others may read it"));
    issued_done(&authority);
}

static void test_replaced_in_the_middle_of_a_handshake(void **state)
{
    struct place *place = *state;
    char before[65];
    char after[65];
    char shown[65];
    struct pair pair;

    load(place, false);
    tls_fingerprint(place->tls, before);
    pair_init(&pair, place->tls, TLS_PEER_DEFAULT, NULL, NULL);
    pair_step(&pair); /* the server has said who it is */
    assert_int_equal(unlink(place->own_certificate), 0);
    load(place, false);
    tls_fingerprint(place->tls, after);
    assert_string_not_equal(before, after);
    assert_int_equal(pair_shake_hands(&pair), 0);
    tls_peer_fingerprint(&pair.client, shown);
    assert_string_equal(shown, before);
    pair_done(&pair);
    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, NULL, NULL, shown), 0);
    assert_string_equal(shown, after);
}

/* Those of handshakes that could still go on stay, the others go: the sanitizers would tell. */
static void test_replaced_ones_are_freed(void **state)
{
    struct place *place = *state;
    struct clock clock;
    struct pair old;
    struct pair young;

    clock_init_test(&clock, 1000000, 0);
    tls_set_clock(place->tls, &clock);
    load(place, false);
    pair_init(&old, place->tls, TLS_PEER_DEFAULT, NULL, NULL);
    pair_step(&old);
    load(place, false);
    clock.test_monotonic_ms += 70000; /* a minute and limits.request_s */
    load(place, false);
    assert_int_equal(pair_shake_hands(&old), 0); /* just in time */
    pair_done(&old);
    pair_init(&young, place->tls, TLS_PEER_DEFAULT, NULL, NULL);
    pair_step(&young);
    clock.test_monotonic_ms += 1;
    load(place, false); /* frees the first */
    clock.test_monotonic_ms += 70000;
    load(place, false); /* and the second, but not the one of `young` */
    assert_int_equal(pair_shake_hands(&young), 0);
    pair_done(&young);
    clock.test_monotonic_ms += 70001;
    load(place, false);
    assert_int_equal(shake_hands(place, TLS_PEER_DEFAULT, NULL, NULL, NULL), 0);
}

/* A kept connection has the credentials of its handshake, which may have been freed since: it must not ask them again. */
static void test_a_session_outlives_its_certificate(void **state)
{
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"};
    struct place *place = *state;
    struct clock clock;

    clock_init_test(&clock, 1000000, 0);
    tls_set_clock(place->tls, &clock);
    load(place, false);
    for (size_t i = 0; i < ELEMENTS(versions); i++) {
        struct pair pair;
        char byte = 'a';
        pair_init(&pair, place->tls, versions[i], NULL, NULL);
        assert_int_equal(pair_shake_hands(&pair), 0);
        load(place, false);
        clock.test_monotonic_ms += 70001;
        load(place, false); /* frees the one of this session */
        assert_int_equal(gnutls_record_send(pair.client.session, &byte, 1), 1);
        assert_int_equal(gnutls_record_recv(pair.server, &byte, 1), 1);
        assert_int_equal(gnutls_record_send(pair.server, &byte, 1), 1);
        if (i == 0) { /* a client that wants another handshake; libmicrohttpd closes the connection then */
            assert_int_equal(gnutls_handshake(pair.client.session), GNUTLS_E_GOT_APPLICATION_DATA);
            assert_int_equal(gnutls_record_recv(pair.server, &byte, 1), GNUTLS_E_REHANDSHAKE);
        }
        (void)gnutls_bye(pair.server, GNUTLS_SHUT_WR);
        pair_done(&pair);
    }
}

static void test_nothing_loaded(void **state)
{
    struct place *place = *state;

    assert_int_not_equal(shake_hands(place, TLS_PEER_DEFAULT, NULL, NULL, NULL), 0);
    tls_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_self_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_self_signed_is_its_own_anchor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_self_signed_is_renewed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_of_the_pair_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_pair_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_public_url_that_is_not_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state_dir_that_cannot_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_spoken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds_of_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_kinds_side_by_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_of_two_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_do_not_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expired_never_replaces_valid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_that_others_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaced_in_the_middle_of_a_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaced_ones_are_freed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_outlives_its_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_loaded, set_up, tear_down),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
