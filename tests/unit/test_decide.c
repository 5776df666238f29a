/* The policy, as rows that a person can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "update/decide.h"

#define NOW_MS 1000000

enum { LOCKED = 1, INTERNAL = 2, A_ONLY = 4 };

static struct address address_of(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static struct rdata value_of(const char *text)
{
    const struct address address = address_of(text);

    return rdata_of_address(&address);
}

static struct host host_of(unsigned flags)
{
    return (struct host){
        .hostname = "home.example.com.",
        .record_types = (flags & A_ONLY) ? 1U << RECORD_A : 3,
        .ttl_s = 60,
        .allow_internal = (flags & INTERNAL) != 0,
        .lock_record = (flags & LOCKED) != 0,
    };
}

static void test_which_address_may_be_set(void **state)
{
    static const struct {
        unsigned host;
        enum auth_scheme scheme;
        const char *source;
        const char *requested;
        enum outcome outcome;
    } rows[] = {
        /* the source address itself */
        {0, AUTH_HASH, "198.18.7.9", "198.18.7.9", OUTCOME_PENDING},
        {0, AUTH_HASH, "2001:db8::1", "2001:db8::1", OUTCOME_PENDING},
        {0, AUTH_HASH, "192.168.1.2", "192.168.1.2", OUTCOME_PRIVATE},
        {0, AUTH_BASIC, "127.0.0.1", "127.0.0.1", OUTCOME_PRIVATE},
        {INTERNAL, AUTH_HASH, "192.168.1.2", "192.168.1.2", OUTCOME_PENDING},
        /* another public address: only where the scheme covers it */
        {0, AUTH_HASH, "198.18.7.9", "198.18.7.10", OUTCOME_NOT_SOURCE},
        {0, AUTH_HASH, "198.18.7.9", "2001:db8::1", OUTCOME_NOT_SOURCE},
        {INTERNAL, AUTH_HASH, "198.18.7.9", "198.18.7.10", OUTCOME_PENDING},
        {0, AUTH_SIGNED, "198.18.7.9", "198.18.7.10", OUTCOME_PENDING},
        {0, AUTH_SECRET, "198.18.7.9", "198.18.7.10", OUTCOME_PENDING},
        {0, AUTH_BASIC, "198.18.7.9", "2001:db8::1", OUTCOME_PENDING},
        /* private addresses: only with allow_internal, whatever the scheme */
        {0, AUTH_SIGNED, "198.18.7.9", "10.0.0.1", OUTCOME_PRIVATE},
        {0, AUTH_BASIC, "198.18.7.9", "100.64.0.1", OUTCOME_PRIVATE},
        {0, AUTH_SECRET, "198.18.7.9", "fd00::1", OUTCOME_PRIVATE},
        {INTERNAL, AUTH_HASH, "198.18.7.9", "10.0.0.1", OUTCOME_PENDING},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "::1", OUTCOME_PENDING},
        /* what no record may hold, not even with allow_internal */
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "0.0.0.0", OUTCOME_UNUSABLE},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "169.254.1.1", OUTCOME_UNUSABLE},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "224.0.0.1", OUTCOME_UNUSABLE},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "255.255.255.255", OUTCOME_UNUSABLE},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "fe80::1", OUTCOME_UNUSABLE},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "ff02::1", OUTCOME_UNUSABLE},
        {INTERNAL, AUTH_BASIC, "198.18.7.9", "::", OUTCOME_UNUSABLE},
        /* locked; but what cannot be set at all is told first */
        {LOCKED, AUTH_HASH, "198.18.7.9", "198.18.7.9", OUTCOME_LOCKED},
        {LOCKED | INTERNAL, AUTH_BASIC, "198.18.7.9", "10.0.0.1", OUTCOME_LOCKED},
        {LOCKED, AUTH_BASIC, "198.18.7.9", "0.0.0.0", OUTCOME_UNUSABLE},
        /* a family that the host does not have */
        {A_ONLY, AUTH_HASH, "2001:db8::1", "2001:db8::1", OUTCOME_NO_RECORD},
        {A_ONLY | LOCKED, AUTH_BASIC, "198.18.7.9", "2001:db8::1", OUTCOME_NO_RECORD},
        /* the operator: whatever a record can hold */
        {LOCKED, AUTH_OPERATOR, "198.18.7.9", "203.0.113.1", OUTCOME_PENDING},
        {0, AUTH_OPERATOR, "198.18.7.9", "10.0.0.1", OUTCOME_PENDING},
        {0, AUTH_OPERATOR, "198.18.7.9", "0.0.0.0", OUTCOME_UNUSABLE},
        {A_ONLY, AUTH_OPERATOR, "198.18.7.9", "2001:db8::1", OUTCOME_NO_RECORD},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct host host = host_of(rows[i].host);
        const struct address source = address_of(rows[i].source);
        const struct rdata requested = value_of(rows[i].requested);
        enum outcome outcome =
            decide(&host, rows[i].scheme, &source, record_type_of(&requested.address), &requested, NULL, NOW_MS);
        if (outcome != rows[i].outcome) {
            fail_msg("row %zu: %s from %s: outcome %d, wanted %d", i, rows[i].requested, rows[i].source, (int)outcome,
                     (int)rows[i].outcome);
        }
    }
}

static void test_is_there_anything_to_do(void **state)
{
    static const struct {
        enum record_knowledge knowledge;
        const char *address;
        uint32_t ttl_s;
        const char *last_set;
        uint32_t last_set_ttl_s;
        int64_t age_ms;
        bool busy;
        enum outcome outcome;
    } rows[] = {
        {RECORD_PLAIN, "198.18.7.9", 60, "198.18.7.9", 60, 0, false, OUTCOME_UNCHANGED},
        {RECORD_PLAIN, "198.18.7.9", 60, "198.18.7.9", 60, 900000, false, OUTCOME_UNCHANGED},
        /* the TTL of hosts.yaml is another now */
        {RECORD_PLAIN, "198.18.7.9", 300, "198.18.7.9", 300, 0, false, OUTCOME_PENDING},
        {RECORD_PLAIN, "198.18.7.8", 60, "198.18.7.8", 60, 0, false, OUTCOME_PENDING},
        /* something else is on its way */
        {RECORD_PLAIN, "198.18.7.9", 60, "198.18.7.9", 60, 0, true, OUTCOME_PENDING},
        /* DNS is right, but not by what the state knows */
        {RECORD_PLAIN, "198.18.7.9", 60, NULL, 0, 0, false, OUTCOME_PENDING},
        {RECORD_PLAIN, "198.18.7.9", 60, "198.18.7.8", 60, 0, false, OUTCOME_PENDING},
        {RECORD_PLAIN, "198.18.7.9", 60, "198.18.7.9", 300, 0, false, OUTCOME_PENDING},
        /* the other way round: somebody has changed it, or deleted it */
        {RECORD_PLAIN, "198.18.7.8", 60, "198.18.7.9", 60, 0, false, OUTCOME_PENDING},
        {RECORD_ABSENT, NULL, 0, "198.18.7.9", 60, 0, false, OUTCOME_PENDING},
        {RECORD_ABSENT, NULL, 0, NULL, 0, 0, false, OUTCOME_PENDING},
        {RECORD_UNKNOWN, NULL, 0, "198.18.7.9", 60, 0, false, OUTCOME_PENDING},
        {RECORD_FOREIGN, NULL, 0, NULL, 0, 0, false, OUTCOME_CONFLICT},
        {RECORD_FOREIGN, NULL, 0, NULL, 0, RECORD_FOREIGN_FRESH_MS - 1, false, OUTCOME_CONFLICT},
        /* to be looked at again */
        {RECORD_FOREIGN, NULL, 0, NULL, 0, RECORD_FOREIGN_FRESH_MS, false, OUTCOME_PENDING},
    };
    const struct host host = host_of(0);
    const struct address source = address_of("198.18.7.9");
    const struct rdata requested = rdata_of_address(&source);

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct record_view known = {
            .knowledge = rows[i].knowledge,
            .ttl_s = rows[i].ttl_s,
            .last_set_ttl_s = rows[i].last_set_ttl_s,
            .looked_at_ms = NOW_MS - rows[i].age_ms,
            .busy = rows[i].busy,
        };
        if (rows[i].address) {
            known.value = value_of(rows[i].address);
        }
        if (rows[i].last_set) {
            known.last_set = value_of(rows[i].last_set);
        }
        enum outcome outcome = decide(&host, AUTH_HASH, &source, RECORD_A, &requested, &known, NOW_MS);
        if (outcome != rows[i].outcome) {
            fail_msg("row %zu: outcome %d, wanted %d", i, (int)outcome, (int)rows[i].outcome);
        }
    }
}

static void test_withdrawals(void **state)
{
    static const struct {
        unsigned host;
        enum record_type type;
        enum record_knowledge knowledge;
        const char *last_set;
        bool busy;
        enum outcome outcome;
    } rows[] = {
        {0, RECORD_A, RECORD_PLAIN, "198.18.7.9", false, OUTCOME_PENDING},
        {0, RECORD_AAAA, RECORD_UNKNOWN, NULL, false, OUTCOME_PENDING},
        {0, RECORD_A, RECORD_ABSENT, NULL, false, OUTCOME_UNCHANGED},
        {0, RECORD_A, RECORD_ABSENT, NULL, true, OUTCOME_PENDING},
        {0, RECORD_A, RECORD_ABSENT, "198.18.7.9", false, OUTCOME_PENDING}, /* the store does not know yet */
        {0, RECORD_A, RECORD_FOREIGN, NULL, false, OUTCOME_CONFLICT},
        {LOCKED, RECORD_A, RECORD_PLAIN, "198.18.7.9", false, OUTCOME_LOCKED},
        {A_ONLY, RECORD_AAAA, RECORD_PLAIN, NULL, false, OUTCOME_NO_RECORD},
        {0, RECORD_TXT, RECORD_PLAIN, NULL, false, OUTCOME_NO_RECORD},
    };
    const struct address source = address_of("198.18.7.9");
    const struct rdata nothing = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct host host = host_of(rows[i].host);
        struct record_view known = {.knowledge = rows[i].knowledge, .looked_at_ms = NOW_MS, .busy = rows[i].busy};
        if (rows[i].last_set) {
            known.last_set = value_of(rows[i].last_set);
        }
        enum outcome outcome = decide(&host, AUTH_HASH, &source, rows[i].type, &nothing, &known, NOW_MS);
        if (outcome != rows[i].outcome) {
            fail_msg("row %zu: outcome %d, wanted %d", i, (int)outcome, (int)rows[i].outcome);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_address_may_be_set),
        cmocka_unit_test(test_is_there_anything_to_do),
        cmocka_unit_test(test_withdrawals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
