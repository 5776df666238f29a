/* Which records a deletion takes away. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "update/withdraw.h"

#include "update_hosts.h"

static const char hosts_text[] =
    "hosts:\n"
    "  - {hostname: all.a.test, record_type: [A, AAAA, TXT], shared_secret: a secret of the tests, auth: [basic]}\n"
    "  - {hostname: nas.a.test, record_type: AAAA, follows: all.a.test, interface_id: \"::1\"}\n"
    "  - {hostname: rows.b.test, record_type: [A, TXT], shared_secret: a secret of the tests, auth: [basic]}\n"
    "  - {hostname: rows.b.test, record_type: AAAA, shared_secret: another of the tests, auth: [basic]}\n";

static int load(void **state)
{
    (void)state;
    return update_hosts_load(hosts_text);
}

static void test_types(void **state)
{
    static const char *const wrong[] = {"", "a", "MX", "A,AAAA", " A", "ANY"};
    unsigned types = 0;

    (void)state;
    assert_int_equal(withdraw_parse_type(NULL, &types), 0);
    assert_int_equal(types, WITHDRAW_ALL);
    assert_int_equal(withdraw_parse_type("AAAA", &types), 0);
    assert_int_equal(types, 1U << RECORD_AAAA);
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        assert_int_equal(withdraw_parse_type(wrong[i], &types), -EINVAL);
        assert_int_equal(types, 1U << RECORD_AAAA);
    }
}

static void test_records(void **state)
{
    static const struct {
        const char *hostname;
        const char *secret;
        unsigned types;
        unsigned withdrawn;
    } rows[] = {
        {"all.a.test", "a secret of the tests", WITHDRAW_ALL, WITHDRAW_ALL},
        {"all.a.test", "a secret of the tests", WITHDRAW_ADDRESSES, WITHDRAW_ADDRESSES},
        {"all.a.test", "a secret of the tests", 1U << RECORD_TXT, 1U << RECORD_TXT},
        {"all.a.test", "another of the tests", WITHDRAW_ALL, 0},
        {"rows.b.test", "a secret of the tests", WITHDRAW_ALL, 1U << RECORD_A | 1U << RECORD_TXT},
        {"rows.b.test", "another of the tests", WITHDRAW_ALL, 1U << RECORD_AAAA},
        {"rows.b.test", "another of the tests", 1U << RECORD_A, 0},
        {"nas.a.test", "a secret of the tests", WITHDRAW_ALL, 0},
    };
    static const struct updater updater = {.clock = &test_clock};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct proof proof = {
            .scheme = AUTH_BASIC,
            .secret = rows[i].secret,
            .secret_length = strlen(rows[i].secret),
        };
        _cleanup_(update_freep) struct update *update =
            update_new(&updater, "dyndns2", hosts, &proof.source, AUTH_BASIC);
        unsigned withdrawn = 0;
        struct name name;
        assert_int_equal(name_parse(rows[i].hostname, strlen(rows[i].hostname), &name, NULL), 0);
        assert_int_equal(withdraw_add(update, hosts, &proof, &name, rows[i].types, 1790000000), 0);
        for (size_t k = 0; k < update_count(update); k++) {
            const struct update_item *item = update_item(update, k);
            assert_true(rdata_is_empty(item_value(item)));
            assert_string_equal(item->host->hostname, name.text);
            assert_false(item->follower);
            withdrawn |= 1U << item->type;
        }
        assert_int_equal(withdrawn, rows[i].withdrawn);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_records),
    };

    return cmocka_run_group_tests_name("withdraw", tests, load, update_hosts_unload);
}
