/* Which proof fits which host; tokens are computed here from their definition in ddns53-api(7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "update/auth.h"

#define NOW_S 1790000000 /* 2026-09-21 */
#define SECRET "correct horse battery staple"

static const char settings_text[] = "zones:\n  - name: example.com.\n    provider: zonefile\n";

static const char hosts_text[] =
    "hosts:\n"
    "  - {hostname: home.example.com., record_type: [A, AAAA], shared_secret: " SECRET ", auth: [hash, signed]}\n"
    "  - {hostname: router.example.com., record_type: A, shared_secret: another long secret, auth: [basic, secret]}\n"
    "  - {hostname: split.example.com., record_type: A, shared_secret: secret of the A row, auth: [hash]}\n"
    "  - {hostname: split.example.com., record_type: AAAA, shared_secret: secret of the AAAA row, auth: [hash]}\n"
    "  - {hostname: both.example.com., record_type: A, shared_secret: same secret for both, auth: [hash]}\n"
    "  - {hostname: both.example.com., record_type: AAAA, shared_secret: same secret for both, auth: [hash]}\n"
    "  - {hostname: moving.example.com., record_type: A, shared_secret: the new secret of it, auth: [hash, basic],\n"
    "     previous_secret: the old secret of it, previous_secret_until: 2026-12-31}\n"
    "  - {hostname: moved.example.com., record_type: A, shared_secret: the new secret of it!, auth: [hash, basic],\n"
    "     previous_secret: the old secret of it!, previous_secret_until: 2026-01-31}\n"
    "  - {hostname: hashed.example.com., record_type: A, auth: [basic],\n"
    "     secret_sha256: \"%s\"}\n"
    "  - {hostname: mixed.example.com., record_type: A, shared_secret: secret of mixed A, auth: [basic]}\n"
    "  - {hostname: mixed.example.com., record_type: AAAA, shared_secret: secret of mixed AAAA, auth: [hash]}\n"
    "  - {hostname: group1.example.com., record_type: A, shared_secret: one secret for two, auth: [secret]}\n"
    "  - {hostname: group2.example.com., record_type: A, shared_secret: one secret for two, auth: [secret, basic]}\n";

#define STRONG_SECRET "0123456789abcdef0123456789abcdef"

static struct hosts *hosts;

static int load(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("test.yaml");
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    char text[4096];
    char digest_text[2 * SHA256_SIZE + 1];
    uint8_t digest[SHA256_SIZE];
    const struct bytes strong = {STRONG_SECRET, strlen(STRONG_SECRET)};

    (void)state;
    if (crypto_init() < 0) {
        return -1;
    }
    sha256(&strong, 1, digest);
    print_hex(digest, sizeof(digest), digest_text);
    (void)snprintf(text, sizeof(text), hosts_text, digest_text);
    if (settings_load_text(settings_text, strlen(settings_text), "/nowhere/ddns53d.yaml", problems, &settings) < 0 ||
        hosts_load_text(text, strlen(text), "/nowhere/hosts.yaml", settings, problems, &hosts) < 0) {
        for (size_t i = 0; problems_text(problems, i); i++) {
            print_error("%s\n", problems_text(problems, i));
        }
        return -1;
    }
    return 0;
}

static int unload(void **state)
{
    (void)state;
    hosts_unref(hosts);
    return 0;
}

static struct proof proof_of(enum auth_scheme scheme, const char *source, const char *hostname)
{
    struct proof proof = {.scheme = scheme, .hostname_sent = hostname};

    assert_int_equal(address_parse(source, strlen(source), &proof.source), 0);
    return proof;
}

/* SHA-256 of source + hostname + secret, nothing between. */
static struct proof hash_of(const char *source, const char *hostname_sent, const char *hashed, const char *secret)
{
    struct proof proof = proof_of(AUTH_HASH, source, hostname_sent);
    const struct bytes parts[] = {{source, strlen(source)}, {hashed, strlen(hashed)}, {secret, strlen(secret)}};

    sha256(parts, ELEMENTS(parts), proof.digest);
    return proof;
}

static struct proof secret_of(enum auth_scheme scheme, const char *secret)
{
    struct proof proof = proof_of(scheme, "198.18.7.9", "");

    proof.secret = secret;
    proof.secret_length = strlen(secret);
    return proof;
}

static enum auth_reason reason; /* of the last check */

static const struct host *check(const struct proof *proof, const char *hostname, enum record_type type)
{
    struct name name = {""};

    if (name_parse(hostname, strlen(hostname), &name, NULL) < 0) {
        name.text[0] = '\0';
    }
    return auth_host(hosts, proof, &name, type, NOW_S, &reason);
}

/* Another text in the source address' place, which the dialect has checked. */
static void test_hash_of_another_source_text(void **state)
{
    static const char text[] = "{\"return_message\": \"198.18.7.9";
    struct proof proof =
        hash_of(text + sizeof(text) - sizeof("198.18.7.9"), "home.example.com.", "home.example.com.", SECRET);

    (void)state;
    assert_non_null(check(&proof, "home.example.com.", RECORD_A));
    proof.source_sent = text;
    assert_null(check(&proof, "home.example.com.", RECORD_A));
    const struct bytes parts[] = {{text, strlen(text)},
                                  {"home.example.com.", strlen("home.example.com.")},
                                  {SECRET, strlen(SECRET)}};
    sha256(parts, ELEMENTS(parts), proof.digest);
    assert_non_null(check(&proof, "home.example.com.", RECORD_A));
    proof.source_sent = NULL;
    assert_null(check(&proof, "home.example.com.", RECORD_A));
}

static void test_hash_spellings(void **state)
{
    static const struct {
        const char *sent;
        const char *hashed;
        bool fits;
    } rows[] = {
        {"home.example.com.", "home.example.com.", true},
        {"home.example.com", "home.example.com.", true},
        {"home.example.com", "home.example.com", true},
        {"Home.Example.COM", "Home.Example.COM", true},
        {"Home.Example.COM", "Home.Example.COM.", true},
        {"Home.Example.COM", "home.example.com.", true},
        {"Home.Example.COM", "home.example.com", true},
        {"home.example.com.", "home.example.com", false}, /* nobody drops the dot that he sends */
        {"home.example.com", "HOME.example.com", false},
        {"other.example.com", "other.example.com.", false},
        {"", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct proof proof = hash_of("198.18.7.9", rows[i].sent, rows[i].hashed, SECRET);
        const struct host *host = check(&proof, rows[i].sent, RECORD_A);
        if ((host != NULL) != rows[i].fits) {
            fail_msg("row %zu: %s hashed as %s %s", i, rows[i].sent, rows[i].hashed, host ? "fits" : "does not fit");
        }
    }
}

static void test_hash_covers_source_and_secret(void **state)
{
    struct proof proof = hash_of("198.18.7.9", "home.example.com.", "home.example.com.", SECRET);

    (void)state;
    assert_non_null(check(&proof, "home.example.com.", RECORD_A));
    assert_int_equal(address_parse("198.18.7.8", 10, &proof.source), 0);
    assert_null(check(&proof, "home.example.com.", RECORD_A));
    proof = hash_of("198.18.7.9", "home.example.com.", "home.example.com.", SECRET "x");
    assert_null(check(&proof, "home.example.com.", RECORD_A));
    proof = hash_of("2001:db8::1", "home.example.com.", "home.example.com.", SECRET);
    assert_non_null(check(&proof, "home.example.com.", RECORD_AAAA));
    /* a digest of zeroes, and the stand-in of an unknown host, open nothing */
    memset(proof.digest, 0, sizeof(proof.digest));
    assert_null(check(&proof, "home.example.com.", RECORD_A));
    assert_null(check(&proof, "nobody.example.com.", RECORD_A));
}

static void test_scheme_must_be_allowed(void **state)
{
    struct proof proof = hash_of("198.18.7.9", "router.example.com.", "router.example.com.", "another long secret");

    (void)state;
    assert_null(check(&proof, "router.example.com.", RECORD_A));
    proof = secret_of(AUTH_BASIC, "another long secret");
    assert_non_null(check(&proof, "router.example.com.", RECORD_A));
    proof = secret_of(AUTH_SECRET, "another long secret");
    assert_non_null(check(&proof, "router.example.com.", RECORD_A));
    proof = secret_of(AUTH_SECRET, "another long secre");
    assert_null(check(&proof, "router.example.com.", RECORD_A));
    proof = secret_of(AUTH_BASIC, SECRET);
    assert_null(check(&proof, "home.example.com.", RECORD_A));
}

static void test_rows_of_one_name(void **state)
{
    struct proof proof = hash_of("198.18.7.9", "split.example.com.", "split.example.com.", "secret of the AAAA row");
    const struct host *host = check(&proof, "split.example.com.", RECORD_A);

    (void)state;
    assert_non_null(host);
    assert_true(host_has_type(host, RECORD_AAAA));
    proof = hash_of("198.18.7.9", "both.example.com.", "both.example.com.", "same secret for both");
    assert_true(host_has_type(check(&proof, "both.example.com.", RECORD_A), RECORD_A));
    assert_true(host_has_type(check(&proof, "both.example.com.", RECORD_AAAA), RECORD_AAAA));
}

static void test_previous_secret(void **state)
{
    struct proof proof = hash_of("198.18.7.9", "moving.example.com.", "moving.example.com.", "the old secret of it");

    (void)state;
    assert_non_null(check(&proof, "moving.example.com.", RECORD_A));
    proof = hash_of("198.18.7.9", "moving.example.com.", "moving.example.com.", "the new secret of it");
    assert_non_null(check(&proof, "moving.example.com.", RECORD_A));
    proof = hash_of("198.18.7.9", "moved.example.com.", "moved.example.com.", "the old secret of it!");
    assert_null(check(&proof, "moved.example.com.", RECORD_A));
    proof = secret_of(AUTH_BASIC, "the old secret of it!");
    assert_null(check(&proof, "moved.example.com.", RECORD_A));
}

static void test_only_the_digest_is_stored(void **state)
{
    struct proof proof = secret_of(AUTH_BASIC, STRONG_SECRET);

    (void)state;
    assert_non_null(check(&proof, "hashed.example.com.", RECORD_A));
    proof = secret_of(AUTH_BASIC, "0123456789abcdef");
    assert_null(check(&proof, "hashed.example.com.", RECORD_A));
    /* and the row that has no secret of its own is not opened by a hash over nothing */
    proof = hash_of("198.18.7.9", "hashed.example.com.", "hashed.example.com.", "");
    assert_null(check(&proof, "hashed.example.com.", RECORD_A));
}

static void test_signature(void **state)
{
    static const char message[] = "ddns53-1\nset\nHome.example.com\n2001:db8::7\n1790000000\n0123456789abcdef\n";
    struct proof proof = proof_of(AUTH_SIGNED, "198.18.7.9", "Home.example.com");
    const struct bytes part = {message, strlen(message)};

    (void)state;
    proof.mode = "set";
    proof.address_sent = "2001:db8::7";
    proof.time_sent = "1790000000";
    proof.nonce = "0123456789abcdef";
    hmac_sha256(SECRET, strlen(SECRET), &part, 1, proof.digest);
    assert_non_null(check(&proof, "home.example.com", RECORD_AAAA));
    proof.nonce = "0123456789abcdeF";
    assert_null(check(&proof, "home.example.com", RECORD_AAAA));
    proof.nonce = "0123456789abcdef";
    proof.address_sent = NULL; /* then it is the source address that was signed */
    assert_null(check(&proof, "home.example.com", RECORD_AAAA));
}

static void test_signature_with_a_type(void **state)
{
    static const char message[] = "ddns53-1\nclear\nHome.example.com\n198.18.7.9\n1790000000\n0123456789abcdef\nAAAA\n";
    struct proof proof = proof_of(AUTH_SIGNED, "198.18.7.9", "Home.example.com");
    const struct bytes part = {message, strlen(message)};

    (void)state;
    proof.mode = "clear";
    proof.time_sent = "1790000000";
    proof.nonce = "0123456789abcdef";
    hmac_sha256(SECRET, strlen(SECRET), &part, 1, proof.digest);
    assert_null(check(&proof, "home.example.com", RECORD_AAAA));
    proof.type_sent = "AAAA";
    assert_non_null(check(&proof, "home.example.com", RECORD_AAAA));
    proof.type_sent = "A";
    assert_null(check(&proof, "home.example.com", RECORD_AAAA));
}

/* As the dialect found it, and as it may have been meant: either may be the secret. */
static void test_two_readings(void **state)
{
    static const struct {
        const char *secret;
        const char *other;
        size_t count; /* of hosts that the two belong to */
    } rows[] = {
        {"one secret for two", "not a secret", 2},
        {"not a secret", "one secret for two", 2},
        {"one secret for two", "one secret for two", 2},
        {"one secret for two", "another long secret", 2}, /* the second only where the first is nobody's */
        {"another long secret", "one secret for two", 1},
        {"not a secret", "nor this", 0},
    };
    const struct host *found[4];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct proof proof = secret_of(AUTH_SECRET, rows[i].secret);
        proof.other_secret = rows[i].other;
        proof.other_secret_length = strlen(rows[i].other);
        assert_int_equal(auth_hosts_of_secret(hosts, &proof, NOW_S, found, ELEMENTS(found), &reason), rows[i].count);
        if ((check(&proof, "group1.example.com.", RECORD_A) != NULL) != (i < 5)) {
            fail_msg("row %zu", i);
        }
        assert_null(check(&proof, "home.example.com.", RECORD_A)); /* has only hash and signed */
    }
}

static void test_hosts_of_a_secret(void **state)
{
    const struct host *found[4];
    struct proof proof = secret_of(AUTH_SECRET, "one secret for two");

    (void)state;
    assert_int_equal(auth_hosts_of_secret(hosts, &proof, NOW_S, found, ELEMENTS(found), &reason), 2);
    assert_string_equal(found[0]->hostname, "group1.example.com.");
    assert_string_equal(found[1]->hostname, "group2.example.com.");
    assert_int_equal(auth_hosts_of_secret(hosts, &proof, NOW_S, found, 1, &reason), 2);
    proof = secret_of(AUTH_BASIC, "one secret for two");
    assert_int_equal(auth_hosts_of_secret(hosts, &proof, NOW_S, found, ELEMENTS(found), &reason), 1);
    assert_string_equal(found[0]->hostname, "group2.example.com.");
    proof = secret_of(AUTH_BASIC, "the old secret of it!"); /* expired */
    assert_int_equal(auth_hosts_of_secret(hosts, &proof, NOW_S, found, ELEMENTS(found), &reason), 0);
    proof = secret_of(AUTH_SECRET, "nobody's secret");
    assert_int_equal(auth_hosts_of_secret(hosts, &proof, NOW_S, found, ELEMENTS(found), &reason), 0);
}

/* What the log says; the client is told the same of all. */
static void test_reasons(void **state)
{
    static const struct {
        enum auth_scheme scheme;
        const char *hostname;
        const char *secret;
        const char *word;
    } rows[] = {
        {AUTH_BASIC, "router.example.com", "another long secret", "current_secret"},
        {AUTH_BASIC, "router.example.com", "another wrong secret", "wrong_secret"},
        {AUTH_BASIC, "router.example.com", SECRET, "other_hosts_secret"},
        {AUTH_BASIC, "router.example.com", "the old secret of it!", "other_hosts_secret"},
        {AUTH_BASIC, "ruoter.example.com", "another long secret", "unknown_host"},
        {AUTH_BASIC, "", "another long secret", "unknown_host"},
        {AUTH_BASIC, "home.example.com", SECRET, "scheme_not_allowed"},
        {AUTH_BASIC, "home.example.com", "wrong as well", "scheme_not_allowed"},
        {AUTH_SECRET, "group1.example.com", "one secret for two", "current_secret"},
        {AUTH_BASIC, "group1.example.com", "one secret for two", "scheme_not_allowed"},
        {AUTH_BASIC, "moving.example.com", "the old secret of it", "previous_secret"},
        {AUTH_BASIC, "moved.example.com", "the old secret of it!", "previous_secret_expired"},
        {AUTH_BASIC, "moved.example.com", "the older secret of it", "wrong_secret"},
        {AUTH_BASIC, "hashed.example.com", STRONG_SECRET, "current_secret"},
        {AUTH_HASH, "hashed.example.com", STRONG_SECRET, "scheme_not_allowed"},
        {AUTH_HASH, "hashed.example.com", "ddns53", "scheme_not_allowed"},
        {AUTH_HASH, "home.example.com", SECRET, "current_secret"},
        {AUTH_HASH, "home.example.com", "wrong", "wrong_secret"},
        {AUTH_HASH, "nobody.example.com", SECRET, "unknown_host"},
        {AUTH_HASH, "router.example.com", "another long secret", "scheme_not_allowed"},
        {AUTH_HASH, "router.example.com", "wrong", "scheme_not_allowed"},
        {AUTH_HASH, "moving.example.com", "the old secret of it", "previous_secret"},
        {AUTH_HASH, "moved.example.com", "the old secret of it!", "previous_secret_expired"},
        /* rows of a name that differ: what fits is what counts */
        {AUTH_BASIC, "mixed.example.com", "secret of mixed A", "current_secret"},
        {AUTH_BASIC, "mixed.example.com", "secret of mixed AAAA", "scheme_not_allowed"},
        {AUTH_BASIC, "mixed.example.com", "wrong", "wrong_secret"},
        {AUTH_HASH, "mixed.example.com", "secret of mixed A", "scheme_not_allowed"},
        {AUTH_SECRET, "mixed.example.com", "wrong", "scheme_not_allowed"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct proof proof = rows[i].scheme == AUTH_HASH
                                       ? hash_of("198.18.7.9", rows[i].hostname, rows[i].hostname, rows[i].secret)
                                       : secret_of(rows[i].scheme, rows[i].secret);
        const struct host *host = check(&proof, rows[i].hostname, RECORD_A);
        if (strcmp(auth_reason_word(reason), rows[i].word) != 0) {
            fail_msg("row %zu: %s, not %s", i, auth_reason_word(reason), rows[i].word);
        }
        assert_int_equal(host != NULL, reason <= AUTH_BY_PREVIOUS_SECRET);
    }
}

static void test_reasons_without_a_hostname(void **state)
{
    static const struct {
        const char *secret;
        const char *word;
    } rows[] = {
        {"another long secret", "current_secret"},
        {"the old secret of it", "previous_secret"},
        {"the old secret of it!", "previous_secret_expired"},
        {SECRET, "scheme_not_allowed"},
        {"nobody's secret", "wrong_secret"},
    };
    const struct host *found[4];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct proof proof = secret_of(AUTH_BASIC, rows[i].secret);
        (void)auth_hosts_of_secret(hosts, &proof, NOW_S, found, ELEMENTS(found), &reason);
        assert_string_equal(auth_reason_word(reason), rows[i].word);
    }
}

/* The stand-in for a host that is not there is public: a proof made with it opens nothing, and is nothing special. */
static void test_proof_by_the_stand_in(void **state)
{
    static const uint8_t stand_in[SHA256_SIZE] = {0x64, 0x64, 0x6e, 0x73, 0x35, 0x33};
    static const char *const names[] = {"nobody.example.com.", "hashed.example.com.", "home.example.com."};
    static const char *const words[] = {"unknown_host", "scheme_not_allowed", "wrong_secret"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        struct proof proof = proof_of(AUTH_HASH, "198.18.7.9", names[i]);
        const struct bytes parts[] = {{"198.18.7.9", 10}, {names[i], strlen(names[i])}, {stand_in, sizeof(stand_in)}};
        sha256(parts, ELEMENTS(parts), proof.digest);
        assert_null(check(&proof, names[i], RECORD_A));
        assert_string_equal(auth_reason_word(reason), words[i]);
    }
}

/* ---- the same work for all ---- */

#define PAIRS 301
#define BATCH 8

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cost_s(const struct hosts *table, const struct proof *proof, const char *hostname)
{
    struct name name;

    assert_int_equal(name_parse(hostname, strlen(hostname), &name, NULL), 0);
    double started_s = cpu_s();
    for (int i = 0; i < BATCH; i++) {
        assert_null(auth_host(table, proof, &name, RECORD_A, NOW_S, &reason));
    }
    return cpu_s() - started_s;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* What the second costs against the first: the median of pairs that are measured one right after the other, so that
 * neither other load nor a changing clock rate counts. */
static double ratio_of(const struct hosts *const tables[2], const struct proof *proof, const char *const names[2])
{
    double ratios[PAIRS];

    for (size_t i = 0; i < PAIRS; i++) {
        double costs[2];
        costs[i % 2] = cost_s(tables[i % 2], proof, names[i % 2]);
        costs[1 - i % 2] = cost_s(tables[1 - i % 2], proof, names[1 - i % 2]);
        ratios[i] = costs[1] / costs[0];
    }
    qsort(ratios, PAIRS, sizeof(ratios[0]), by_size);
    return ratios[PAIRS / 2];
}

static struct proof wrong_signature(void)
{
    struct proof proof = proof_of(AUTH_SIGNED, "198.18.7.9", "asked.example.com");

    proof.mode = "set";
    proof.time_sent = "1790000000";
    proof.nonce = "0123456789abcdef";
    return proof;
}

static struct hosts *load_table(const char *text)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("test.yaml");
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    struct hosts *table = NULL;

    assert_int_equal(
        settings_load_text(settings_text, strlen(settings_text), "/nowhere/ddns53d.yaml", problems, &settings), 0);
    assert_int_equal(hosts_load_text(text, strlen(text), "/nowhere/h.yaml", settings, problems, &table), 0);
    return table;
}

static void test_time_tells_nothing_about_a_secret(void **state)
{
    static const char *const pairs[][2] = {{"none.example.com", "long.example.com"},
                                           {"none.example.com", "short.example.com"},
                                           {"none.example.com", "rows.example.com"}};
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    struct proof proofs[2] = {proof_of(AUTH_HASH, "198.18.7.9", "asked.example.com"), wrong_signature()};

    (void)state;
    buffer_printf(
        &text,
        "hosts:\n"
        "  - {hostname: long.example.com, record_type: A, shared_secret: %0*d, auth: [hash, signed],\n"
        "     previous_secret: 1%0*d, previous_secret_until: 2026-12-31}\n"
        "  - {hostname: short.example.com, record_type: A, shared_secret: 0123456789, auth: [hash, signed]}\n"
        "  - {hostname: rows.example.com, record_type: A, shared_secret: 0123456789, auth: [hash, signed]}\n"
        "  - {hostname: rows.example.com, record_type: AAAA, shared_secret: 1234567890, auth: [hash, signed]}\n",
        HOST_SECRET_MAX_BYTES, 0, HOST_SECRET_MAX_BYTES - 1, 0);
    _cleanup_(hosts_unrefp) struct hosts *table = load_table(buffer_text(&text));
    const struct hosts *const tables[] = {table, table};
    for (size_t i = 0; i < ELEMENTS(pairs) * ELEMENTS(proofs); i++) {
        double ratio = ratio_of(tables, &proofs[i % 2], pairs[i / 2]);
        if (ratio < 0.9 || ratio > 1.1) {
            fail_msg("%s costs %.2f times what %s does", pairs[i / 2][1], ratio, pairs[i / 2][0]);
        }
    }
}

static void test_rows_that_no_name_has_cost_nothing(void **state)
{
    static const char *const names[2] = {"none.example.com", "none.example.com"};
    const struct proof proof = wrong_signature();
    _cleanup_(hosts_unrefp) struct hosts *three =
        load_table("hosts:\n"
                   "  - {hostname: home.example.com, record_type: A, shared_secret: 0123456789}\n"
                   "  - {hostname: home.example.com, record_type: AAAA, shared_secret: 0123456789}\n"
                   "  - {hostname: home.example.com, record_type: TXT, shared_secret: 0123456789}\n");
    _cleanup_(hosts_unrefp) struct hosts *one =
        load_table("hosts:\n"
                   "  - {hostname: home.example.com, record_type: [A, AAAA, TXT], shared_secret: 0123456789}\n");
    const struct hosts *const tables[2] = {three, one};

    (void)state;
    double ratio = ratio_of(tables, &proof, names);
    if (ratio > 0.6) {
        fail_msg("one row costs %.2f times what three do", ratio);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_spellings),
        cmocka_unit_test(test_hash_of_another_source_text),
        cmocka_unit_test(test_hash_covers_source_and_secret),
        cmocka_unit_test(test_scheme_must_be_allowed),
        cmocka_unit_test(test_rows_of_one_name),
        cmocka_unit_test(test_previous_secret),
        cmocka_unit_test(test_only_the_digest_is_stored),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_signature_with_a_type),
        cmocka_unit_test(test_hosts_of_a_secret),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_reasons_without_a_hostname),
        cmocka_unit_test(test_proof_by_the_stand_in),
        cmocka_unit_test(test_two_readings),
        cmocka_unit_test(test_time_tells_nothing_about_a_secret),
        cmocka_unit_test(test_rows_that_no_name_has_cost_nothing),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
