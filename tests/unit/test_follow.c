/* Hosts that follow a router: its prefix, its IPv4 address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "update/follow.h"

#include "update_hosts.h"

static const char hosts_text[] =
    "hosts:\n"
    "  - {hostname: early.a.test, record_type: AAAA, follows: router.a.test, interface_id: \"::1\", subnet_id: 255}\n"
    "  - {hostname: router.a.test, record_type: [A, AAAA], shared_secret: a secret of the tests}\n"
    "  - {hostname: mac.a.test, record_type: AAAA, follows: router.a.test, mac_address: \"00:11:32:AB:CD:EF\"}\n"
    "  - {hostname: locked.a.test, record_type: AAAA, follows: router.a.test, interface_id: \"::2\", subnet_id: "
    "65535,\n"
    "     lock_record: true}\n"
    "  - {hostname: other.b.test, record_type: AAAA, follows: router.a.test, interface_id: \"::211:32ff:fe12:3456\",\n"
    "     subnet_id: 1}\n"
    "  - {hostname: small.b.test, record_type: [A, AAAA], shared_secret: a secret of the tests}\n"
    "  - {hostname: one.b.test, record_type: AAAA, follows: small.b.test, interface_id: \"::3\"}\n"
    "  - {hostname: alone.b.test, record_type: [A, AAAA], shared_secret: a secret of the tests}\n"
    /* a router of two rows, whose followers hang on the second */
    "  - {hostname: split.b.test, record_type: A, shared_secret: a secret of the tests}\n"
    "  - {hostname: split.b.test, record_type: AAAA, shared_secret: a secret of the tests}\n"
    "  - {hostname: cam.b.test, record_type: A, follows: split.b.test}\n"
    "  - {hostname: both.b.test, record_type: [A, AAAA], follows: split.b.test, interface_id: \"::4\"}\n"
    "  - {hostname: still.b.test, record_type: A, follows: split.b.test, lock_record: true}\n"
    "  - {hostname: stuck.b.test, record_type: A, lock_record: true, shared_secret: a secret of the tests}\n"
    "  - {hostname: cam2.b.test, record_type: A, follows: stuck.b.test}\n";

static int load(void **state)
{
    (void)state;
    return update_hosts_load(hosts_text);
}

static struct update *make_update(void)
{
    static const struct updater updater = {.clock = &test_clock};
    const struct address source = {.family = ADDRESS_NONE};
    struct update *update = update_new(&updater, "dyndns2", hosts, &source, AUTH_BASIC);

    assert_non_null(update);
    return update;
}

static int follow(struct update *update, const char *router, const char *prefix_text)
{
    struct prefix prefix;

    assert_int_equal(prefix_parse(prefix_text, strlen(prefix_text), true, &prefix), 0);
    return follow_add_prefix(update, hosts_find(hosts, router), &prefix);
}

static void assert_item(const struct update *update, size_t index, const char *hostname, const char *address_text)
{
    const struct update_item *item = update_item(update, index);
    char text[ADDRESS_TEXT_SIZE];

    assert_null(item_value(item)->texts);
    address_print(&item_value(item)->address, text);
    assert_string_equal(item->host->hostname, hostname);
    assert_string_equal(text, address_text);
    assert_int_equal(item->type, RECORD_AAAA);
    assert_true(item->follower);
}

static void test_addresses_in_file_order(void **state)
{
    _cleanup_(update_freep) struct update *update = make_update();

    (void)state;
    assert_int_equal(follow(update, "router.a.test.", "2001:db8:1::/48"), 0);
    assert_int_equal(update_count(update), 3); /* the locked one is skipped */
    assert_item(update, 0, "early.a.test.", "2001:db8:1:ff::1");
    assert_item(update, 1, "mac.a.test.", "2001:db8:1:0:211:32ff:feab:cdef");
    assert_item(update, 2, "other.b.test.", "2001:db8:1:1:211:32ff:fe12:3456");
}

static void test_added_to_what_is_there(void **state)
{
    _cleanup_(update_freep) struct update *update = make_update();

    (void)state;
    assert_int_equal(follow(update, "small.b.test.", "2001:db8:1:2::/64"), 0);
    assert_int_equal(follow(update, "small.b.test.", "2001:db8::5/0"), 0); /* bits behind the length do not count */
    assert_int_equal(update_count(update), 2);
    assert_item(update, 0, "one.b.test.", "2001:db8:1:2::3");
    assert_item(update, 1, "one.b.test.", "::3");
}

static void test_none(void **state)
{
    _cleanup_(update_freep) struct update *update = make_update();

    (void)state;
    assert_int_equal(follow(update, "alone.b.test.", "2001:db8::/56"), 0);
    assert_int_equal(follow(update, "alone.b.test.", "2001:db8::/128"), 0); /* nobody whom it would have to fit */
    assert_int_equal(update_count(update), 0);
}

static void test_all_or_none(void **state)
{
    static const struct {
        const char *router;
        const char *prefix;
        int status;
    } rows[] = {
        {"small.b.test.", "2001:db8::/65", -34 /* ERANGE */},
        {"small.b.test.", "2001:db8::/128", -34},
        {"small.b.test.", "198.18.0.0/16", -34},
        {"router.a.test.", "2001:db8::/64", -34},
        {"router.a.test.", "2001:db8::/57", -34}, /* 255 does not fit 7 bits */
        {"router.a.test.", "2001:db8::/56", -34}, /* 65535 of the locked one does not */
        {"router.a.test.", "2001:db8::/49", -34},
        {"router.a.test.", "2001:db8::/48", 0},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(update_freep) struct update *update = make_update();
        int status = follow(update, rows[i].router, rows[i].prefix);
        if (status != rows[i].status || (status < 0 && update_count(update) != 0)) {
            fail_msg("%s, %s: status %d, %zu items", rows[i].router, rows[i].prefix, status, update_count(update));
        }
    }
}

/* How many items an address of the router's row with that type makes. */
static size_t follow_address(struct update *update, const char *router, enum record_type type, const char *text)
{
    const size_t before = update_count(update);
    struct address address;

    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    assert_int_equal(follow_add_address(update, hosts, hosts_find_record(hosts, router, type), &address), 0);
    return update_count(update) - before;
}

static void test_ipv4(void **state)
{
    _cleanup_(update_freep) struct update *update = make_update();

    (void)state;
    assert_int_equal(follow_address(update, "split.b.test.", RECORD_A, "198.18.7.9"), 2);
    for (size_t i = 0; i < 2; i++) {
        const struct update_item *item = update_item(update, i);
        struct address address = item_value(item)->address;
        char text[ADDRESS_TEXT_SIZE];
        address_print(&address, text);
        assert_string_equal(text, "198.18.7.9");
        assert_string_equal(item->host->hostname, i == 0 ? "cam.b.test." : "both.b.test.");
        assert_int_equal(item->type, RECORD_A);
        assert_true(item->follower);
    }
    assert_int_equal(follow(update, "cam.b.test.", "2001:db8::/56"), 0); /* follows itself, and has no followers */
    assert_int_equal(update_count(update), 2);
}

static void test_what_the_router_may_not_have(void **state)
{
    _cleanup_(update_freep) struct update *update = make_update();

    (void)state;
    assert_int_equal(follow_address(update, "split.b.test.", RECORD_A, "192.168.1.9"), 0);
    assert_int_equal(follow_address(update, "split.b.test.", RECORD_A, "0.0.0.0"), 0);
    assert_int_equal(follow_address(update, "split.b.test.", RECORD_AAAA, "198.18.7.9"), 0); /* that row has no A */
    assert_int_equal(follow_address(update, "split.b.test.", RECORD_AAAA, "2001:db8::9"), 0);
    assert_int_equal(follow_address(update, "stuck.b.test.", RECORD_A, "198.18.7.9"), 0);
    assert_int_equal(follow_address(update, "router.a.test.", RECORD_A, "198.18.7.9"), 0); /* nobody follows its A */
    /* a hash does not cover an address other than the source's */
    static const struct updater updater = {.clock = &test_clock};
    struct address source;
    assert_int_equal(address_parse("198.18.7.9", 10, &source), 0);
    _cleanup_(update_freep) struct update *hashed = update_new(&updater, "query", hosts, &source, AUTH_HASH);
    assert_int_equal(follow_address(hashed, "split.b.test.", RECORD_A, "198.18.7.10"), 0);
    assert_int_equal(follow_address(hashed, "split.b.test.", RECORD_A, "198.18.7.9"), 2);
}

static void test_who_has_followers_of_a_prefix(void **state)
{
    (void)state;
    assert_true(follow_has_prefix(hosts_find_record(hosts, "split.b.test.", RECORD_AAAA)));
    assert_false(follow_has_prefix(hosts_find_record(hosts, "split.b.test.", RECORD_A)));
    assert_false(follow_has_prefix(hosts_find(hosts, "stuck.b.test.")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_in_file_order),
        cmocka_unit_test(test_added_to_what_is_there),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_what_the_router_may_not_have),
        cmocka_unit_test(test_who_has_followers_of_a_prefix),
    };

    return cmocka_run_group_tests_name("follow", tests, load, update_hosts_unload);
}
