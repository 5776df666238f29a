#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/names.h"
#include "base/problems.h"
#include "config/hosts.h"
#include "temporary.h"

#define SECRET "a secret of the tests"
#define FOLLOWER_OF_BOTH "record_type: [A, AAAA], follows: r.example.com, interface_id: \"::1\""
#define FOLLOWER "record_type: AAAA, follows: r.example.com, interface_id: \"::1\""

static struct settings *settings;

static int load_at(const char *path, const char *text, struct problems **ret_problems, struct hosts **ret_hosts)
{
    *ret_problems = problems_new("h.yaml");
    assert_non_null(*ret_problems);
    return hosts_load_text(text, strlen(text), path, settings, *ret_problems, ret_hosts);
}

static struct hosts *load_good(const char *text)
{
    _cleanup_(problems_freep) struct problems *problems = NULL;
    struct hosts *hosts = NULL;
    int r = load_at("/nowhere/h.yaml", text, &problems, &hosts);
    if (problems_count(problems) > 0) {
        fail_msg("%s", problems_text(problems, 0));
    }
    assert_int_equal(r, 0);
    return hosts;
}

static void digest_of(const char *secret, uint8_t ret_digest[SHA256_SIZE])
{
    const struct bytes part = {secret, strlen(secret)};
    sha256(&part, 1, ret_digest);
}

static void every_key(void **state)
{
    (void)state;
    _cleanup_(hosts_unrefp) struct hosts *hosts = load_good("hosts:\n"
                                                            "  - hostname: Home.Example.COM\n"
                                                            "    record_type: [AAAA, A]\n"
                                                            "    shared_secret: \"" SECRET "\"\n"
                                                            "    auth: [basic, secret]\n"
                                                            "    ttl: 2147483647\n"
                                                            "    allow_internal: true\n"
                                                            "    lock_record: true\n"
                                                            "    read_privilege: true\n"
                                                            "    mac_address: 51-6b-00-A6-F5-77\n"
                                                            "    comment: \"anything\\tat all\"\n"
                                                            "    previous_secret: an old secret\n"
                                                            "    previous_secret_until: 2026-12-31T12:00:00Z\n");
    const struct host *host = hosts_at(hosts, 0);
    uint8_t digest[SHA256_SIZE];

    assert_int_equal(hosts_count(hosts), 1);
    assert_int_equal(hosts_record_count(hosts), 2);
    assert_string_equal(host->hostname, "home.example.com.");
    assert_true(host_has_type(host, RECORD_A));
    assert_true(host_has_type(host, RECORD_AAAA));
    assert_int_equal(host->zone, 0);
    assert_int_equal(host->line, 2);
    assert_int_equal(host->ttl_s, INT32_MAX);
    assert_int_equal(host->auth, AUTH_BASIC | AUTH_SECRET);
    assert_true(host->allow_internal);
    assert_true(host->lock_record);
    assert_true(host->read_privilege);
    assert_string_equal(host->more->mac_address, "51-6b-00-A6-F5-77");
    assert_true(host->secret->is_set);
    assert_true(secret_equals(host->secret->secret, SECRET, strlen(SECRET)));
    digest_of(SECRET, digest);
    assert_memory_equal(host->secret->sha256, digest, SHA256_SIZE);
    assert_true(host->more->previous.is_set);
    assert_true(secret_equals(host->more->previous.secret, "an old secret", 13));
    assert_int_equal(host->more->previous_until_s, 1798718400);
    assert_null(host->more->follows);
    assert_null(host->more->followers);
    assert_null(host->more->next_same_name);
}

static void defaults(void **state)
{
    (void)state;
    _cleanup_(hosts_unrefp) struct hosts *hosts =
        load_good("hosts: [{hostname: a.example.com, record_type: A, shared_secret: \"" SECRET "\"},\n"
                  "        {hostname: a.dyn.example.com, record_type: A, shared_secret: \"" SECRET "\"}]\n");
    const struct host *host = hosts_at(hosts, 0);

    assert_int_equal(host->auth, AUTH_HASH | AUTH_SIGNED);
    assert_int_equal(host->ttl_s, 60);
    assert_false(host->allow_internal);
    assert_false(host->lock_record);
    assert_false(host->read_privilege);
    assert_null(host->more->mac_address);
    assert_false(host->more->previous.is_set);
    assert_int_equal(host->more->follower_count, 0);
    assert_int_equal(hosts_at(hosts, 1)->zone, 1);
    assert_int_equal(hosts_at(hosts, 1)->ttl_s, 300);
}

static void no_hosts(void **state)
{
    static const char *const texts[] = {"hosts: []\n", "hosts:\n  []\n", "# none\nhosts: []\n"};
    uint8_t digest[SHA256_SIZE] = {0};
    size_t count = 1;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_(hosts_unrefp) struct hosts *hosts = load_good(texts[i]);
        assert_int_equal(hosts_count(hosts), 0);
        assert_null(hosts_find(hosts, "a.example.com."));
        assert_null(hosts_by_secret(hosts, digest, &count));
        assert_int_equal(count, 0);
    }
}

static void rows_of_one_name(void **state)
{
    (void)state;
    _cleanup_(hosts_unrefp) struct hosts *hosts =
        load_good("hosts:\n"
                  "  - {hostname: a.example.com, record_type: AAAA, shared_secret: \"" SECRET "\", ttl: 6}\n"
                  "  - {hostname: \"*.example.com\", record_type: A, shared_secret: \"" SECRET "\"}\n"
                  "  - {hostname: A.example.com., record_type: [A], shared_secret: \"" SECRET "\", ttl: 4}\n");
    const struct host *first = hosts_find(hosts, "a.example.com.");

    assert_ptr_equal(first, hosts_at(hosts, 0));
    assert_ptr_equal(first->more->next_same_name, hosts_at(hosts, 2));
    assert_null(first->more->next_same_name->more->next_same_name);
    assert_ptr_equal(first->hostname, first->more->next_same_name->hostname); /* stored once */
    assert_ptr_equal(hosts_find_record(hosts, "a.example.com.", RECORD_A), hosts_at(hosts, 2));
    assert_ptr_equal(hosts_find_record(hosts, "a.example.com.", RECORD_AAAA), first);
    assert_ptr_equal(hosts_find(hosts, "*.example.com."), hosts_at(hosts, 1));
    assert_null(hosts_find_record(hosts, "*.example.com.", RECORD_AAAA));
    assert_null(hosts_find(hosts, "b.example.com."));
    assert_int_equal(hosts_record_count(hosts), 3);
}

static void groups_by_secret(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE], old_digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    char text[2048];
    digest_of(SECRET, digest);
    digest_of("the old one", old_digest);
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02X", digest[i]);
    }
    (void)snprintf(text, sizeof(text),
                   "hosts:\n"
                   "  - {hostname: a.example.com, record_type: A, secret_sha256: %s, auth: [basic]}\n"
                   "  - {hostname: b.example.com, record_type: A, shared_secret: \"" SECRET "\"}\n"
                   "  - {hostname: c.example.com, record_type: A, shared_secret: \"quite another secret\",\n"
                   "     previous_secret: \"" SECRET "\", previous_secret_until: 2026-12-31}\n"
                   "  - {hostname: d.example.com, record_type: A, shared_secret: \"" SECRET "\",\n"
                   "     previous_secret: the old one, previous_secret_until: 2026-02-28}\n"
                   "  - {hostname: e.example.com, record_type: A, shared_secret: \"" SECRET "\",\n"
                   "     previous_secret: \"" SECRET "\", previous_secret_until: 2026-12-31}\n",
                   hex);
    _cleanup_(hosts_unrefp) struct hosts *hosts = load_good(text);
    size_t count = 0;

    const struct host *const *group = hosts_by_secret(hosts, digest, &count);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(group[i], hosts_at(hosts, i)); /* file order, each once */
    }
    assert_null(group[0]->secret->secret);
    assert_non_null(group[1]->secret->secret);
    assert_ptr_equal(group[1]->secret->secret, group[3]->secret->secret); /* one copy for all */
    assert_ptr_equal(group[1]->secret->secret, group[2]->more->previous.secret);
    assert_int_equal(group[2]->more->previous_until_s, 1798761600); /* the last day counts */
    assert_int_equal(group[3]->more->previous_until_s, 1772323200);

    group = hosts_by_secret(hosts, old_digest, &count);
    assert_int_equal(count, 1);
    assert_ptr_equal(group[0], hosts_at(hosts, 3));
    digest[0] ^= 1;
    assert_null(hosts_by_secret(hosts, digest, &count));
    assert_int_equal(count, 0);
}

static void followers(void **state)
{
    (void)state;
    _cleanup_(hosts_unrefp) struct hosts *hosts = load_good(
        "hosts:\n"
        "  - {hostname: n.example.com, record_type: AAAA, follows: R.example.com, subnet_id: 18446744073709551615,\n"
        "     interface_id: \"::211:32ff:fe12:3456\"}\n"
        "  - {hostname: r.example.com, record_type: A, shared_secret: \"" SECRET "\"}\n"
        "  - {hostname: r.example.com, record_type: AAAA, shared_secret: \"" SECRET "\"}\n"
        "  - {hostname: m.example.com, record_type: [AAAA], follows: r.example.com., mac_address: "
        "\"00:11:22:33:44:55\"}\n"
        "  - {hostname: v.example.com, record_type: AAAA, follows: v4.example.com, mac_address: "
        "\"00:11:22:33:44:55\",\n"
        "     interface_id: \"::ffff:0:1\", shared_secret: \"" SECRET "\"}\n"
        "  - {hostname: v4.example.com, record_type: A, shared_secret: \"" SECRET "\"}\n");
    static const uint8_t given[8] = {0x02, 0x11, 0x32, 0xff, 0xfe, 0x12, 0x34, 0x56};
    static const uint8_t eui64[8] = {0x02, 0x11, 0x22, 0xff, 0xfe, 0x33, 0x44, 0x55};
    static const uint8_t mapped[8] = {0, 0, 0xff, 0xff, 0, 0, 0, 1};
    const struct host *router = hosts_find_record(hosts, "r.example.com.", RECORD_AAAA);

    assert_int_equal(router->more->follower_count, 2);
    assert_ptr_equal(router->more->followers[0], hosts_at(hosts, 0));
    assert_ptr_equal(router->more->followers[1], hosts_at(hosts, 3));
    assert_int_equal(hosts_find_record(hosts, "r.example.com.", RECORD_A)->more->follower_count, 0);
    assert_ptr_equal(hosts_at(hosts, 0)->more->follows, router);
    assert_true(hosts_at(hosts, 0)->more->subnet_id == UINT64_MAX);
    assert_memory_equal(hosts_at(hosts, 0)->more->interface_id, given, 8);
    assert_false(hosts_at(hosts, 0)->secret->is_set);
    assert_memory_equal(hosts_at(hosts, 3)->more->interface_id, eui64, 8);
    assert_int_equal(hosts_at(hosts, 3)->more->subnet_id, 0);
    assert_memory_equal(hosts_at(hosts, 4)->more->interface_id, mapped, 8);
    assert_true(hosts_at(hosts, 4)->secret->is_set);
    assert_int_equal(hosts_at(hosts, 5)->more->follower_count, 1);
}

/* Items of `hosts:`, a line each from line 2 on, and every problem of the file. */
static const struct {
    const char *text;
    const char *problems;
} broken[] = {
    {"  - a.example.com\n", "h.yaml:2:5: hosts: must be a list of mappings, write - hostname: NAME\n"},
    {"  - {}\n", "h.yaml:2:5: hostname: is missing, add the name whose records may be set; the final dot is optional, "
                 "case does not count, a first label * is a wildcard record\n"
                 "h.yaml:2:5: record_type: is missing, add A, AAAA, TXT, or a list of several\n"
                 "h.yaml:2:5: shared_secret: is missing, add it or shared_secret_file or secret_sha256\n"},
    {"  - {hostname: a.example.com, record_type: AAA, shared_secret: " SECRET "}\n",
     "h.yaml:2:44: record_type: \"AAA\" is none of A, AAAA and TXT\n"},
    {"  - {hostname: a.example.com, record_type: [], shared_secret: " SECRET "}\n",
     "h.yaml:2:44: record_type: is empty, name A, AAAA, TXT or several of them\n"},
    {"  - {hostname: a.example.com, record_type: [A, a, A], shared_secret: " SECRET "}\n",
     "h.yaml:2:48: record_type: \"a\" is none of A, AAAA and TXT\n"
     "h.yaml:2:51: record_type: \"A\" is named twice, remove one\n"},
    {"  - {hostname: a.example.net, record_type: A, shared_secret: " SECRET "}\n",
     "h.yaml:2:16: hostname: a.example.net. is in none of the zones (example.com., dyn.example.com.), correct it or "
     "add "
     "its zone to the settings\n"},
    {"  - {hostname: a b.example.com, record_type: A, shared_secret: " SECRET "}\n",
     "h.yaml:2:16: hostname: \"a b.example.com\" is no host name: character other than letters, digits, '-' and '_' "
     "(write an international name as punycode, xn--...)\n"},
    {"  - {hostname: a.*.example.com, record_type: A, shared_secret: " SECRET "}\n",
     "h.yaml:2:16: hostname: \"a.*.example.com\" is no host name: '*' other than as the whole first label\n"},
    {"  - {hostname: a.example.com, record_type: [A, AAAA], shared_secret: " SECRET "}\n"
     "  - {hostname: A.example.com., record_type: AAAA, shared_secret: " SECRET "}\n"
     "  - {hostname: b.example.com., record_type: A, shared_secret: " SECRET "}\n"
     "  - {hostname: a.example.com., record_type: A, shared_secret: " SECRET "}\n",
     "h.yaml:3:16: hostname: a.example.com. with record type AAAA is there already, see line 2, remove one\n"
     "h.yaml:5:16: hostname: a.example.com. with record type A is there already, see line 2, remove one\n"},
    {"  - {colour: red, hostname: a.example.com, record_type: A, shared_secret: " SECRET ", recordtype: A}\n",
     "h.yaml:2:6: colour: unknown key, remove it\n"
     "h.yaml:2:98: recordtype: unknown key, did you mean record_type?\n"},
    /* what may be the rest of a secret is not shown */
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", colour: red}\n",
     "h.yaml:2:85: unknown key, not shown since it may hold a secret; correct or remove it\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: \"" SECRET "\", colour: red, black}\n",
     "h.yaml:2:87: colour: unknown key, remove it\n"
     "h.yaml:2:100: unknown key, not shown since it may hold a secret; correct or remove it\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret:" SECRET "}\n",
     "h.yaml:2:5: shared_secret: is missing, add it or shared_secret_file or secret_sha256\n"
     "h.yaml:2:47: shared_secret: unknown key, did you mean shared_secret?\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", ttl: 2147483648, auth: []}\n",
     "h.yaml:2:90: ttl: 2147483648 is out of range, must be 0 to 2147483647 seconds\n"
     "h.yaml:2:108: auth: is empty, name at least one of hash, signed, secret, basic\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", lock_record: \"true\", ttl: \"6\"}\n",
     "h.yaml:2:98: lock_record: \"true\" is quoted, write it without quotes\n"
     "h.yaml:2:111: ttl: \"6\" is quoted, write the number without quotes\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", allow_internal: no, auth: basic}\n",
     "h.yaml:2:101: allow_internal: \"no\" is neither true nor false\n"
     "h.yaml:2:111: auth: is a single value, must be a list such as [hash, signed]\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", mac_address: \"51:6B\", comment: [a]}\n",
     "h.yaml:2:98: mac_address: \"51:6B\" is no MAC address, write it like 51:6B:00:A6:F5:77\n"
     "h.yaml:2:116: comment: must be a text, put it into quotes\n"},
    /* secrets */
    {"  - {hostname: a.example.com, record_type: A, shared_secret: \"\"}\n",
     "h.yaml:2:62: shared_secret: is empty, write at least 16 random characters\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: \"a\\0b\"}\n", NULL},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: \"a\\nb\"}\n",
     "h.yaml:2:62: shared_secret: has a control character in it, remove that\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", shared_secret_file: x}\n",
     "h.yaml:2:105: shared_secret_file: stands beside shared_secret, remove one of them\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret_file: none}\n",
     "h.yaml:2:67: shared_secret_file: cannot read the secret from /nowhere/none: No such file or directory\n"},
    {"  - {hostname: a.example.com, record_type: A, auth: [basic], secret_sha256: 12ab}\n",
     "h.yaml:2:77: secret_sha256: must be 64 hex digits, the SHA-256 of the secret\n"},
    {"  - hostname: a.example.com\n    record_type: A\n    secret_sha256: "
     "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n",
     "h.yaml:4:20: secret_sha256: cannot serve auth hash or signed, which need the secret itself: write auth: [secret, "
     "basic] or use shared_secret\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", previous_secret: old}\n",
     "h.yaml:2:102: previous_secret: comes without previous_secret_until, write both or neither\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET ", previous_secret_until: 2026-12-31}\n",
     "h.yaml:2:108: previous_secret_until: comes without previous_secret, write both or neither\n"},
    {"  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET
     ", previous_secret: old,\n     previous_secret_until: 31.12.2026}\n",
     "h.yaml:3:29: previous_secret_until: \"31.12.2026\" is no date, write it like 2026-12-31 or "
     "2026-12-31T12:00:00Z\n"},
    /* followers */
    {"  - {hostname: a.example.com, " FOLLOWER "}\n",
     "h.yaml:2:59: follows: there is no host r.example.com., add it or correct the name\n"},
    {"  - {hostname: r.example.com, " FOLLOWER "}\n",
     "h.yaml:2:59: follows: r.example.com. cannot follow itself, name its router\n"},
    {"  - {hostname: a.example.com, " FOLLOWER "}\n"
     "  - {hostname: r.example.com, record_type: AAAA, follows: q.example.com, interface_id: \"::2\"}\n"
     "  - {hostname: q.example.com, record_type: AAAA, shared_secret: " SECRET "}\n",
     "h.yaml:2:59: follows: r.example.com. follows another host itself (line 3), name the router\n"},
    {"  - {hostname: r.example.com, record_type: A, shared_secret: " SECRET "}\n"
     "  - {hostname: a.example.com, record_type: [A, TXT], follows: r.example.com, mac_address: "
     "\"00:11:22:33:44:55\"}\n"
     "  - {hostname: b.example.com, record_type: AAAA, follows: r.example.com}\n"
     "  - {hostname: c.example.com, record_type: AAAA, follows: \"r..\", interface_id: \"::1\"}\n",
     "h.yaml:3:44: record_type: must be A, AAAA or both, for the host has its addresses from a router\n"
     "h.yaml:4:59: follows: needs interface_id or mac_address for the low 64 bits, add one\n"
     "h.yaml:5:59: follows: \"r..\" is no host name: empty label (two dots in a row)\n"},
    {"  - {hostname: r.example.com, record_type: A, shared_secret: " SECRET "}\n"
     "  - {hostname: a.example.com, record_type: A, follows: r.example.com, interface_id: \"::1\", subnet_id: 0}\n",
     "h.yaml:3:85: interface_id: means nothing without an AAAA record, remove it\n"
     "h.yaml:3:103: subnet_id: means nothing without an AAAA record, remove it\n"},
    {"  - {hostname: r.example.com, record_type: AAAA, shared_secret: " SECRET "}\n"
     "  - {hostname: a.example.com, record_type: A, follows: r.example.com}\n",
     "h.yaml:3:56: follows: r.example.com. has no A record that the one here could follow, add A to its record_type or "
     "remove it here\n"},
    {"  - {hostname: a.example.com, record_type: TXT, shared_secret: " SECRET "}\n"
     "  - {hostname: a.example.com, record_type: [A, TXT], shared_secret: " SECRET "}\n",
     "h.yaml:3:16: hostname: a.example.com. with record type TXT is there already, see line 2, remove one\n"},
    {"  - {hostname: r.example.com, record_type: A, shared_secret: " SECRET ", interface_id: \"::1\", subnet_id: 0}\n",
     "h.yaml:2:99: interface_id: means nothing without follows, remove it\n"
     "h.yaml:2:117: subnet_id: means nothing without follows, remove it\n"},
    {"  - {hostname: r.example.com, record_type: A, shared_secret: " SECRET "}\n"
     "  - {hostname: a.example.com, record_type: AAAA, follows: r.example.com, interface_id: \"2001:db8::1\"}\n"
     "  - {hostname: b.example.com, record_type: AAAA, follows: r.example.com, interface_id: \"::\"}\n"
     "  - {hostname: c.example.com, record_type: AAAA, follows: r.example.com, interface_id: 1.2.3.4}\n"
     "  - {hostname: d.example.com, record_type: AAAA, follows: r.example.com, interface_id: \"::1\",\n"
     "     subnet_id: 18446744073709551616}\n"
     "  - {hostname: e.example.com, " FOLLOWER ", previous_secret: old, previous_secret_until: 2026-12-31}\n",
     "h.yaml:3:88: interface_id: \"2001:db8::1\" has bits set in its high 64, which come from the prefix: begin it "
     "with "
     "::\n"
     "h.yaml:4:88: interface_id: \"::\" is all zero, which is the address of every router\n"
     "h.yaml:5:88: interface_id: \"1.2.3.4\" is no interface id, write the low 64 bits like ::211:32ff:fe12:3456\n"
     "h.yaml:7:17: subnet_id: 18446744073709551616 is out of range, must be 0 to 18446744073709551615\n"
     "h.yaml:8:112: previous_secret: comes without a current one, remove it or add shared_secret\n"},
    /* One host's problem is no other's: the router's ttl is wrong, the router is there. */
    {"  - {hostname: r.example.com, record_type: A, shared_secret: " SECRET ", ttl: x}\n"
     "  - {hostname: a.example.com, " FOLLOWER "}\n",
     "h.yaml:2:90: ttl: \"x\" is not a whole number, write decimal digits only\n"},
};

static void every_problem_in_one_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(broken); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        _cleanup_buffer_ struct buffer all = BUFFER_INIT;
        struct hosts *hosts = NULL;

        buffer_printf(&text, "hosts:\n%s", broken[i].text);
        assert_int_equal(load_at("/nowhere/h.yaml", buffer_text(&text), &problems, &hosts), -EINVAL);
        assert_null(hosts);
        for (size_t line = 0; problems_text(problems, line) != NULL; line++) {
            buffer_printf(&all, "%s\n", problems_text(problems, line));
        }
        if (broken[i].problems != NULL) { /* else the YAML itself is refused, in words of base/yaml.h */
            assert_string_equal(buffer_text(&all), broken[i].problems);
        }
        assert_null(strstr(buffer_text(&all), SECRET));
    }
}

/* What cannot work in any update is refused: a router and its followers go to DNS in one. */
static void too_many_followers(void **state)
{
    static const struct {
        const char *follower;
        unsigned followers;
        unsigned locked; /* of them, which are not set */
        const char *problem;
    } rows[] = {
        {FOLLOWER, HOST_FOLLOWERS_MAX, 0, NULL},
        {FOLLOWER, HOST_FOLLOWERS_MAX + 10, 10, NULL},
        {FOLLOWER, HOST_FOLLOWERS_MAX + 1, 0,
         "h.yaml:2:5: hostname: r.example.com. has followers with 4095 records, and at most 4094 fit into one update; "
         "let some follow another router, or set lock_record for them"},
        {FOLLOWER_OF_BOTH, HOST_FOLLOWERS_MAX / 2, 0, NULL},
        {FOLLOWER_OF_BOTH, HOST_FOLLOWERS_MAX / 2 + 1, 0,
         "h.yaml:2:5: hostname: r.example.com. has followers with 4096 records, and at most 4094 fit into one update; "
         "let some follow another router, or set lock_record for them"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        buffer_append_text(&text, "hosts:\n  - {hostname: r.example.com, record_type: [A, AAAA], shared_secret: " SECRET
                                  "}\n");
        for (unsigned j = 0; j < rows[i].followers; j++) {
            buffer_printf(&text, "  - {hostname: f%u.example.com, lock_record: %s, %s}\n", j,
                          j < rows[i].locked ? "true" : "false", rows[i].follower);
        }
        int r = load_at("/nowhere/h.yaml", buffer_text(&text), &problems, &hosts);
        assert_int_equal(r, rows[i].problem ? -EINVAL : 0);
        assert_int_equal(problems_count(problems), rows[i].problem ? 1 : 0);
        if (rows[i].problem) {
            assert_string_equal(problems_text(problems, 0), rows[i].problem);
        }
    }
}

/* Every key that a secret stands after, up to the longest one that is taken. */
static void long_secrets(void **state)
{
    static const char *const keys[] = {
        "shared_secret: ",
        "shared_secret: 0123456789abcdef, previous_secret_until: 2026-12-31, previous_secret: ",
    };
    char secret[HOST_SECRET_MAX_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < 2 * ELEMENTS(keys); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        bool is_too_long = i % 2 == 1;
        memset(secret, 'x', sizeof(secret));
        secret[HOST_SECRET_MAX_BYTES + (is_too_long ? 1 : 0)] = '\0';
        buffer_printf(&text, "hosts: [{hostname: a.example.com, record_type: A, %s%s}]\n", keys[i / 2], secret);
        assert_int_equal(load_at("/nowhere/h.yaml", buffer_text(&text), &problems, &hosts), is_too_long ? -EINVAL : 0);
        if (is_too_long) {
            assert_non_null(strstr(problems_text(problems, 0), "secret: is longer than 256 bytes, shorten it"));
            assert_non_null(strstr(problems_text(problems, 0), "h.yaml:1:"));
        } else {
            assert_int_equal(hosts_longest_secret(hosts), HOST_SECRET_MAX_BYTES);
        }
    }
}

static void the_top_of_the_file(void **state)
{
    static const struct {
        const char *text;
        const char *problem;
    } rows[] = {
        {"", "h.yaml:1:1: hosts: is missing, write hosts: and a list, or hosts: [] for none"},
        {"- a\n", "h.yaml:1:1: hosts: is missing, write hosts: and a list, or hosts: [] for none"},
        {"hosts: 5\n", "h.yaml:1:8: hosts: is a single value, must be a list such as - hostname: home.example.com."},
        {"hosts:\n", "h.yaml:1:7: hosts: has nothing after it, write a list below it, or hosts: [] for none"},
        {"hosts:\n  # - hostname: x\n",
         "h.yaml:1:7: hosts: has nothing after it, write a list below it, or hosts: [] for none"},
        {"hosts: {}\n", "h.yaml:1:8: hosts: is a mapping, must be a list such as - hostname: home.example.com."},
        {"hosts: []\nhostz: []\n", "h.yaml:2:1: hostz: unknown key, the only one at the top is hosts"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        struct hosts *hosts = NULL;
        assert_int_equal(load_at("/nowhere/h.yaml", rows[i].text, &problems, &hosts), -EINVAL);
        assert_int_equal(problems_count(problems), 1);
        assert_string_equal(problems_text(problems, 0), rows[i].problem);
    }
}

static void more_zones_than_fit_a_line(void **state)
{
    static const char zones[] =
        "zones: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}, {name: g}]\n";
    static const char text[] = "hosts: [{hostname: x.y, record_type: A, shared_secret: " SECRET "}]\n";
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    _cleanup_(settings_unrefp) struct settings *many = NULL;
    struct hosts *hosts = NULL;

    (void)state;
    assert_int_equal(settings_load_text(zones, strlen(zones), "/d.yaml", problems, &many), 0);
    assert_int_equal(hosts_load_text(text, strlen(text), "/h.yaml", many, problems, &hosts), -EINVAL);
    assert_string_equal(
        problems_text(problems, 0),
        "h.yaml:1:20: hostname: x.y. is in none of the zones (a., b., c., d., e. and 2 more), correct it "
        "or add its zone to the settings");
}

#define AWKWARD                                                                                                   \
    "has a space, +, %, &, # or a character beyond ASCII, which clients encode in different ways; make one with " \
    "openssl rand -hex 20"

static void warnings(void **state)
{
    static const struct {
        const char *keys;
        const char *warning;
    } rows[] = {
        {"shared_secret: 0123456789abcdef", NULL},
        {"shared_secret: 0123456789abcde", "h.yaml:1:66: shared_secret: has under 16 characters, make it longer"},
        {"shared_secret: 0123456789abcdef, previous_secret: old, previous_secret_until: 2026-12-31", NULL},
        {"shared_secret: 0123456789abcdef, previous_secret: 0123456789abcdef, previous_secret_until: 2026-12-31",
         "h.yaml:1:101: previous_secret: is the current secret, remove it or write a new one as the current"},
        /* clients encode these in different ways, where the secret itself is sent */
        {"auth: [basic], shared_secret: a secret with spaces", "h.yaml:1:81: shared_secret: " AWKWARD},
        {"shared_secret: 0123456789+abcdef, auth: [hash, secret]", "h.yaml:1:66: shared_secret: " AWKWARD},
        {"auth: [basic], shared_secret: 0123456789\xc3\xa4"
         "bcdef",
         "h.yaml:1:81: shared_secret: " AWKWARD},
        {"auth: [basic], shared_secret: 0123456789&abcdef", "h.yaml:1:81: shared_secret: " AWKWARD},
        {"auth: [basic], shared_secret: 0123456789%41cdef", "h.yaml:1:81: shared_secret: " AWKWARD},
        {"auth: [basic], shared_secret: 0123456789abcdef, previous_secret: old one, previous_secret_until: 2026-12-31",
         "h.yaml:1:116: previous_secret: " AWKWARD},
        {"auth: [basic], shared_secret: 0123456789/abc.d_e-f=~", NULL},
        {"auth: [hash, signed], shared_secret: a secret+with \xc3\xa4 in it", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
        char text[512];
        (void)snprintf(text, sizeof(text), "hosts: [{hostname: a.example.com, record_type: A, %s}]\n", rows[i].keys);
        assert_int_equal(load_at("/nowhere/h.yaml", text, &problems, &hosts), 0);
        assert_int_equal(problems_warning_count(problems), rows[i].warning != NULL ? 1 : 0);
        if (rows[i].warning != NULL) {
            assert_string_equal(problems_warning_text(problems, 0), rows[i].warning);
        }
    }
}

/* ---- files ---- */

static void secret_files(void **state)
{
    static const struct {
        const char *content;
        mode_t mode;
        int status;
        const char *said; /* part of the problem or the warning */
    } rows[] = {
        {SECRET "\nsecond line\n", 0600, 0, NULL},
        {SECRET, 0640, 0, NULL},
        {SECRET "\n", 0644, 0, "others may read "},
        {SECRET "\n", 0620, -EINVAL, "group or others may write "},
        {"short\n", 0600, 0, "has under 16 characters, make it longer"},
        {"\n", 0600, -EINVAL, "its first line is empty"},
    };
    static const char text[] = "hosts: [{hostname: a.example.com, record_type: A, shared_secret_file: the secret}]\n";
    char *folder = temporary_folder_make();
    _cleanup_free_ char *path = strdup(temporary_path(folder, "h.yaml"));

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
        (void)temporary_file(folder, "the secret", rows[i].content, strlen(rows[i].content), rows[i].mode);
        assert_int_equal(load_at(path, text, &problems, &hosts), rows[i].status);
        assert_int_equal(problems_count(problems), rows[i].status < 0 ? 1 : 0);
        assert_int_equal(problems_warning_count(problems), rows[i].status == 0 && rows[i].said != NULL ? 1 : 0);
        if (rows[i].said != NULL) {
            const char *line = rows[i].status < 0 ? problems_text(problems, 0) : problems_warning_text(problems, 0);
            assert_non_null(strstr(line, rows[i].said));
        }
        if (i == 0) {
            assert_true(secret_equals(hosts_at(hosts, 0)->secret->secret, SECRET, strlen(SECRET)));
        }
    }
    temporary_folder_remove(folder);
}

static void modes_of_the_file(void **state)
{
    static const char with_secret[] =
        "hosts: [{hostname: a.example.com, record_type: A, shared_secret: \"" SECRET "\"}]\n";
    static const char without[] = "hosts: [{hostname: a.example.com, record_type: A, auth: [basic], secret_sha256: "
                                  "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae}]\n";
    static const struct {
        const char *text;
        mode_t mode;
        int status;
        size_t warnings;
    } rows[] = {
        {with_secret, 0640, 0, 0},   {with_secret, 0644, 0, 1},       {without, 0644, 0, 0},
        {"hosts: []\n", 0644, 0, 0}, {with_secret, 0620, -EINVAL, 0},
    };
    char *folder = temporary_folder_make();

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
        _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
        const char *path = temporary_file(folder, "h.yaml", rows[i].text, strlen(rows[i].text), rows[i].mode);
        assert_int_equal(hosts_load(path, settings, NULL, problems, &hosts), rows[i].status);
        assert_int_equal(problems_count(problems), rows[i].status < 0 ? 1 : 0);
        assert_int_equal(problems_warning_count(problems), rows[i].warnings);
    }
    temporary_folder_remove(folder);
}

/* ---- a table in the place of another ---- */

static struct hosts *load_after(const struct hosts *before, const char *folder, const char *names)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    struct hosts *hosts = NULL;

    buffer_append_text(&text, "hosts:\n");
    for (const char *name = names; *name != '\0'; name++) {
        const char *type = *name >= 'A' && *name <= 'Z' ? "AAAA" : "A"; /* of the same name */
        buffer_printf(&text, "  - hostname: %c.example.com\n    record_type: %s\n    shared_secret: " SECRET "\n",
                      *name, type);
    }
    const char *path = temporary_file(folder, "h.yaml", text.data, text.length, 0600);
    assert_int_equal(hosts_load(path, settings, before, problems, &hosts), 0);
    return hosts;
}

/* Names that both have are the same text, wherever they stand, and stay when the table before is gone. */
static void names_are_shared(void **state)
{
    static const char *const files[] = {"abcd", "abcd", "xabcd", "acd", "dcba", "aAbBcd", "BAba", "q", "abcd"};
    char *folder = temporary_folder_make();
    struct hosts *before = load_after(NULL, folder, "abCD");
    const char *held = name_hold(hosts_at(before, 0)->hostname);

    (void)state;
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        struct hosts *after = load_after(before, folder, files[i]);
        assert_int_equal(hosts_count(after), strlen(files[i]));
        for (size_t j = 0; j < hosts_count(after); j++) {
            const char *name = hosts_at(after, j)->hostname;
            const struct host *old = hosts_find(before, name);
            assert_int_equal(name[0], tolower((unsigned char)files[i][j]));
            assert_string_equal(name + 1, ".example.com.");
            if (old != NULL) {
                assert_ptr_equal(name, old->hostname);
            }
            assert_ptr_equal(name, hosts_find(after, name)->hostname);
        }
        hosts_unref(before);
        before = after;
    }
    hosts_unref(before);
    assert_string_equal(held, "a.example.com.");
    name_release(held);
    temporary_folder_remove(folder);
}

/* ---- many ---- */

static void ten_thousand_hosts(void **state)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    const size_t count = 10000, groups = 100;
    size_t members = 0;
    char name[64];
    uint8_t digest[SHA256_SIZE];

    (void)state;
    buffer_append_text(&text, "hosts:\n");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(&text,
                      "- {hostname: h%zu.example.com, record_type: [A, AAAA], shared_secret: a-secret-of-group-%zu}\n",
                      i, i % groups);
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = load_good(buffer_text(&text));
    assert_int_equal(hosts_count(hosts), count);
    assert_int_equal(hosts_record_count(hosts), 2 * count);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "h%zu.example.com.", i);
        assert_ptr_equal(hosts_find_record(hosts, name, RECORD_AAAA), hosts_at(hosts, i));
    }
    digest_of("a-secret-of-group-7", digest);
    const struct host *const *group = hosts_by_secret(hosts, digest, &members);
    assert_int_equal(members, count / groups);
    for (size_t i = 0; i < members; i++) {
        assert_ptr_equal(group[i], hosts_at(hosts, i * groups + 7));
        assert_ptr_equal(group[i]->secret->secret, group[0]->secret->secret);
    }
}

/* ---- documentation, read from the top of the sources, where make starts the tests ---- */

/* The example below "# hosts:" without its "# ". */
static void the_example_loads_and_has_every_key(void **state)
{
    _cleanup_buffer_ struct buffer sample = BUFFER_INIT;
    _cleanup_buffer_ struct buffer example = BUFFER_INIT;
    char key[64];

    (void)state;
    assert_int_equal(file_read("etc/hosts.yaml", 1024 * 1024, &sample, NULL), 0);
    const char *line = strstr(buffer_text(&sample), "\n# hosts:\n");
    assert_non_null(line);
    for (line++; *line == '#'; line = strchr(line, '\n') + 1) {
        const char *start = line[1] == ' ' ? line + 2 : line + 1;
        buffer_append(&example, start, (size_t)(strchr(line, '\n') + 1 - start));
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = load_good(buffer_text(&example));
    assert_int_equal(hosts_at(hosts, 0)->more->follower_count, 1);
    for (size_t i = 0; hosts_key_name(i) != NULL; i++) {
        (void)snprintf(key, sizeof(key), " %s: ", hosts_key_name(i));
        if (strstr(buffer_text(&example), key) == NULL) {
            fail_msg("the example in etc/hosts.yaml does not have %s", hosts_key_name(i));
        }
    }
    /* What is not commented out has no hosts. */
    _cleanup_(hosts_unrefp) struct hosts *none = load_good(buffer_text(&sample));
    assert_int_equal(hosts_count(none), 0);
}

static void the_manual_page_has_every_key(void **state)
{
    _cleanup_buffer_ struct buffer manual = BUFFER_INIT;
    char item[64];

    (void)state;
    assert_int_equal(file_read("man/ddns53-hosts.yaml.5", 1024 * 1024, &manual, NULL), 0);
    for (size_t i = 0; hosts_key_name(i) != NULL; i++) {
        assert_true(strlen(hosts_key_help(i)) > 0);
        (void)snprintf(item, sizeof(item), "\n.It Cm %s\n", hosts_key_name(i));
        if (strstr(buffer_text(&manual), item) == NULL) {
            fail_msg("man/ddns53-hosts.yaml.5 does not have %s", hosts_key_name(i));
        }
    }
}

static int setup(void **state)
{
    static const char text[] = "zones: [{name: example.com}, {name: dyn.example.com, default_ttl: 300}]\n";
    _cleanup_(problems_freep) struct problems *problems = problems_new("d.yaml");

    (void)state;
    return crypto_init() < 0 ? -1 : settings_load_text(text, strlen(text), "/d.yaml", problems, &settings);
}

#define ROUTER "  - {hostname: r.example.com, record_type: AAAA, shared_secret: " SECRET "}\n"
#define BASE "hostname: a.example.com, record_type: AAAA, shared_secret: " SECRET

static void who_is_the_last_to_have_them(void **state)
{
    (void)state;
    struct hosts *hosts = load_good("hosts: []\n");

    assert_false(hosts_are_shared(hosts));
    assert_ptr_equal(hosts_ref(hosts), hosts);
    assert_true(hosts_are_shared(hosts));
    hosts_unref(hosts);
    assert_false(hosts_are_shared(hosts));
    hosts_unref(hosts);
}

static void what_a_reload_changes(void **state)
{
    static const struct {
        const char *before;
        const char *after;
        struct hosts_difference difference;
    } rows[] = {
        {"  []\n", "  []\n", {0, 0, 0}},
        {ROUTER, ROUTER, {0, 0, 0}},
        {"  []\n", ROUTER, {1, 0, 0}},
        {ROUTER, "  []\n", {0, 1, 0}},
        {ROUTER, "  - {" BASE "}\n", {1, 1, 0}},
        {ROUTER "  - {" BASE "}\n", "  - {" BASE "}\n" ROUTER, {0, 0, 0}},
        {"  - {" BASE "}\n", "  - {" BASE "x}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", ttl: 61}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", auth: [hash]}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", lock_record: true}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", allow_internal: true}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", read_privilege: true}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", mac_address: \"51:6B:00:A6:F5:77\"}\n", {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {" BASE ", comment: for people}\n", {0, 0, 0}},
        {"  - {" BASE "}\n",
         "  - {" BASE ", previous_secret: " SECRET ", previous_secret_until: 2026-12-31}\n",
         {0, 0, 1}},
        {"  - {" BASE "}\n",
         "  - {hostname: a.example.com, record_type: [A, AAAA], shared_secret: " SECRET "}\n",
         {0, 0, 1}},
        {"  - {" BASE "}\n", "  - {hostname: a.example.com, record_type: A, shared_secret: " SECRET "}\n", {1, 1, 0}},
        {ROUTER "  - {" BASE "}\n",
         ROUTER "  - {" BASE ", follows: r.example.com, interface_id: \"::1\"}\n",
         {0, 0, 1}},
        {ROUTER "  - {" BASE ", follows: r.example.com, interface_id: \"::1\"}\n",
         ROUTER "  - {" BASE ", follows: r.example.com, interface_id: \"::2\"}\n",
         {0, 0, 1}},
        {ROUTER "  - {" BASE ", follows: r.example.com, interface_id: \"::1\"}\n",
         ROUTER "  - {" BASE ", follows: r.example.com, interface_id: \"::1\", subnet_id: 1}\n",
         {0, 0, 1}},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer before = BUFFER_INIT;
        _cleanup_buffer_ struct buffer after = BUFFER_INIT;
        struct hosts_difference difference;
        buffer_printf(&before, "hosts:\n%s", rows[i].before);
        buffer_printf(&after, "hosts:\n%s", rows[i].after);
        _cleanup_(hosts_unrefp) struct hosts *old_hosts = load_good(buffer_text(&before));
        _cleanup_(hosts_unrefp) struct hosts *new_hosts = load_good(buffer_text(&after));
        hosts_compare(old_hosts, new_hosts, &difference);
        if (memcmp(&difference, &rows[i].difference, sizeof(difference)) != 0) {
            fail_msg("row %zu: added %zu, removed %zu, changed %zu", i, difference.added, difference.removed,
                     difference.changed);
        }
    }
}

static int teardown(void **state)
{
    (void)state;
    settings_unref(settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key),
        cmocka_unit_test(defaults),
        cmocka_unit_test(no_hosts),
        cmocka_unit_test(rows_of_one_name),
        cmocka_unit_test(groups_by_secret),
        cmocka_unit_test(followers),
        cmocka_unit_test(too_many_followers),
        cmocka_unit_test(long_secrets),
        cmocka_unit_test(every_problem_in_one_go),
        cmocka_unit_test(the_top_of_the_file),
        cmocka_unit_test(more_zones_than_fit_a_line),
        cmocka_unit_test(warnings),
        cmocka_unit_test(secret_files),
        cmocka_unit_test(what_a_reload_changes),
        cmocka_unit_test(modes_of_the_file),
        cmocka_unit_test(names_are_shared),
        cmocka_unit_test(ten_thousand_hosts),
        cmocka_unit_test(who_is_the_last_to_have_them),
        cmocka_unit_test(the_example_loads_and_has_every_key),
        cmocka_unit_test(the_manual_page_has_every_key),
    };

    return cmocka_run_group_tests_name("hosts", tests, setup, teardown);
}
