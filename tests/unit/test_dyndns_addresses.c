/* What routers put into myip and its relatives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/dyndns_addresses.h"
#include "base/cleanup.h"
#include "config/hosts.h"

static void test_lists(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *ipv4; /* as spelled; NULL: not named */
        const char *ipv6;
        bool ipv6_first;
        bool named;
    } rows[] = {
        {"198.18.7.9", 0, "198.18.7.9", NULL, false, true},
        {"198.18.7.9/24", 0, "198.18.7.9", NULL, false, true},
        {" 198.18.7.9 ", 0, "198.18.7.9", NULL, false, true},
        {"2001:DB8:0:0::1", 0, NULL, "2001:DB8:0:0::1", true, true},
        {"198.18.7.9,2001:db8::1", 0, "198.18.7.9", "2001:db8::1", false, true},
        {"2001:db8::1/64, 198.18.7.9", 0, "198.18.7.9", "2001:db8::1", true, true},
        {"::ffff:198.18.7.9", 0, "::ffff:198.18.7.9", NULL, false, true},
        {"", 0, NULL, NULL, false, false},
        {",", 0, NULL, NULL, false, false},
        {"198.18.7.9,", 0, "198.18.7.9", NULL, false, true},
        {"no", 0, NULL, NULL, false, true},
        {"preserve", 0, NULL, NULL, false, true},
        {"NO,2001:db8::1", 0, NULL, "2001:db8::1", true, true},
        {"198.18.7.9,198.18.7.9", 0, "198.18.7.9", NULL, false, true},
        {"198.18.7.9,198.18.7.10", -22, NULL, NULL, false, false},
        {"198.18.7", -22, NULL, NULL, false, false},
        {"198.18.7.9/33", -22, NULL, NULL, false, false},
        {"198.18.7.9/x", -22, NULL, NULL, false, false},
        {"fe80::1%eth0", -22, NULL, NULL, false, false},
        {"<ipaddr>", -22, NULL, NULL, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct dyndns_addresses addresses = {0};
        int status = dyndns_add_addresses(&addresses, rows[i].text);
        if (status != rows[i].status) {
            fail_msg("\"%s\": status %d, wanted %d", rows[i].text, status, rows[i].status);
        }
        if (status < 0) {
            continue;
        }
        assert_string_equal(addresses.families[RECORD_A].text, rows[i].ipv4 ? rows[i].ipv4 : "");
        assert_string_equal(addresses.families[RECORD_AAAA].text, rows[i].ipv6 ? rows[i].ipv6 : "");
        assert_int_equal(addresses.ipv6_first, rows[i].ipv6_first);
        assert_int_equal(addresses.named, rows[i].named);
    }
}

static void test_families(void **state)
{
    struct dyndns_addresses addresses = {0};

    (void)state;
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV6, "198.18.7.9"), -22);
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV4, "2001:db8::1"), -22);
    addresses = (struct dyndns_addresses){0};
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV4, ""), 0);
    assert_false(addresses.named);
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV6, "2001:db8::1/64"), 0);
    assert_string_equal(addresses.families[RECORD_AAAA].text, "2001:db8::1");
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV6, "2001:db8:0::1"), 0); /* the same, spelled otherwise */
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV6, "2001:db8::2"), -22);
}

static void test_prefixes(void **state)
{
    struct dyndns_addresses addresses = {0};
    char text[PREFIX_TEXT_SIZE];

    (void)state;
    assert_int_equal(dyndns_add_prefix(&addresses, ""), 0);
    assert_false(addresses.has_prefix);
    assert_int_equal(dyndns_add_prefix(&addresses, "198.18.7.0/24"), -22);
    assert_int_equal(dyndns_add_prefix(&addresses, "2001:db8:1::/129"), -22);
    assert_int_equal(dyndns_add_prefix(&addresses, "2001:db8:1::1/56"), 0);
    assert_true(addresses.has_prefix && addresses.named);
    prefix_print(&addresses.prefix, text);
    assert_string_equal(text, "2001:db8:1::/56");
    assert_int_equal(dyndns_add_prefix(&addresses, "2001:db8:1::/56"), 0);
    assert_int_equal(dyndns_add_prefix(&addresses, "2001:db8:2::/56"), -22);
}

/* What a FRITZ!Box puts into myip when the URL says <ipaddr>,<ip6lanprefix>. */
static void test_prefixes_among_addresses(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *ipv4;
        const char *ipv6;
        const char *prefix; /* NULL: none */
    } rows[] = {
        {"198.18.7.9,2001:db8:1::/56", 0, "198.18.7.9", "", "2001:db8:1::/56"},
        {"2001:db8:1::/64", 0, "", "", "2001:db8:1::/64"},
        {" 2001:DB8:1:0::/48 ,198.18.7.9/24", 0, "198.18.7.9", "", "2001:DB8:1:0::/48"},
        {"2001:db8:1::5,2001:db8:1::/56", 0, "", "2001:db8:1::5", "2001:db8:1::/56"},
        {"2001:db8:1::/56,2001:db8:1:0::/56", 0, "", "", "2001:db8:1::/56"},
        {"2001:db8:1::1/56", 0, "", "2001:db8:1::1", NULL}, /* host bits: an address */
        {"2001:db8:1::", 0, "", "2001:db8:1::", NULL},      /* no length: an address */
        {"2001:db8:1::/128", 0, "", "2001:db8:1::", NULL},
        {"2001:db8:1::/65", -22, "", "", NULL},
        {"2001:db8:1::/56,2001:db8:2::/56", -22, "", "", NULL},
        {"2001:db8:1::/56,2001:db8:1::/64", -22, "", "", NULL},
        {"198.18.7.0/24", -22, "", "", NULL},
        {"::/0", 0, "", "::", NULL}, /* no prefix at all: as an address, it is answered to come again */
        {"fe80::/64", 0, "", "fe80::", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct dyndns_addresses addresses = {0};
        int status = dyndns_add_addresses(&addresses, rows[i].text);
        if (status != rows[i].status) {
            fail_msg("\"%s\": status %d, wanted %d", rows[i].text, status, rows[i].status);
        }
        if (status < 0) {
            continue;
        }
        assert_string_equal(addresses.families[RECORD_A].text, rows[i].ipv4);
        assert_string_equal(addresses.families[RECORD_AAAA].text, rows[i].ipv6);
        assert_string_equal(addresses.prefix_text, rows[i].prefix ? rows[i].prefix : "");
        assert_int_equal(addresses.has_prefix, rows[i].prefix != NULL);
        assert_true(addresses.named);
    }
    struct dyndns_addresses addresses = {0};
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV4, "2001:db8:1::/56"), -22);
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV6, "2001:db8:1::/56"), 0);
    assert_true(addresses.has_prefix);
}

static void test_default_is_the_source(void **state)
{
    struct dyndns_addresses addresses = {0};
    struct address source;

    (void)state;
    assert_int_equal(address_parse("198.18.7.9", 10, &source), 0);
    dyndns_default(&addresses, &source);
    assert_string_equal(addresses.families[RECORD_A].text, "198.18.7.9");
    addresses = (struct dyndns_addresses){0};
    assert_int_equal(dyndns_add_addresses(&addresses, ""), 0);
    assert_int_equal(dyndns_add_family(&addresses, ADDRESS_IPV6, "2001:db8::1"), 0);
    dyndns_default(&addresses, &source); /* an empty myip beside another address names nothing */
    assert_int_equal(addresses.families[RECORD_A].address.family, ADDRESS_NONE);
    addresses = (struct dyndns_addresses){0};
    assert_int_equal(dyndns_add_addresses(&addresses, "no"), 0);
    dyndns_default(&addresses, &source);
    assert_int_equal(addresses.families[RECORD_A].address.family, ADDRESS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_prefixes_among_addresses),
        cmocka_unit_test(test_default_is_the_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
