/* Parameters that may not be ignored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/unspoken.h"
#include "base/cleanup.h"

static void test_reasons(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *word; /* of the reason; NULL: it may be ignored */
    } rows[] = {
        /* what routers send beside the address */
        {"system", "dyndns", NULL},
        {"wildcard", "ON", NULL},
        {"mx", "", NULL},
        {"backmx", "NO", NULL},
        {"url", "https://x/", NULL},
        {"dualstack", "1", NULL},
        {"verbose", "true", NULL},
        {"ttl", "60", NULL},
        {"_", "1700000000", NULL},
        {"x.y-z_1", "", NULL},
        {"txt2", "x", NULL},
        {"cle", "1", NULL},
        /* the ends of the table, and every meaning */
        {"a", "198.18.7.9", "names an address"},
        {"zone", "example.org", "names a host"},
        {"clear", "true", "does not do"},
        {"CLEAR", "true", "does not do"},
        {"Offline", "YES", "does not do"},
        {"action", "delete", "another action"},
        {"mode", "clear", "another action"},
        {"txt", "x", "A and AAAA"},
        /* harmless values */
        {"clear", "", NULL},
        {"clear", "FALSE", NULL},
        {"offline", "NO", NULL},
        {"offline", "NOCHG", NULL},
        {"clear", "nope", "does not do"},
        {"mode", "set", NULL},
        {"action", "UPDATE", NULL},
        {"domains", "", NULL},
        {"myip", "", NULL},
        {"txt", "", "A and AAAA"},
        /* no names, no values */
        {"", "x", "not one"},
        {"amp;myip", "x", "not one"},
        {"my ip", "x", "not one"},
        {"a[]", "x", "not one"},
        {"{\"a\": 1}", NULL, "not one"},
        {"system", NULL, "no value"},
        {"clear", NULL, "no value"},
        {"\xc3\xa4", "x", "not one"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *reason = unspoken_reason(rows[i].name, rows[i].value);
        if ((reason != NULL) != (rows[i].word != NULL) || (reason && strstr(reason, rows[i].word) == NULL)) {
            fail_msg("row %zu, %s: %s", i, rows[i].name, reason ? reason : "ignored");
        }
    }
}

/* The table is searched by halves: one name out of order would be lost, and others with it. */
static void test_every_name_is_found(void **state)
{
    static const char *const names[] = {
        "a",           "aaaa",         "action",    "addr",      "address",       "addresses",
        "alias",       "clear",        "cmd",       "cname",     "command",       "ddns_hostname",
        "del",         "delete",       "disable",   "dnsto",     "domain",        "domainname",
        "domains",     "dry-run",      "dry_run",   "dryrun",    "fqdn",          "group",
        "host",        "host_id",      "hostid",    "hostname",  "hostnames",     "hosts",
        "internal_ip", "internalip",   "ip",        "ip4",       "ip4addr",       "ip6",
        "ip6addr",     "ip6lanprefix", "ip6prefix", "ipaddr",    "ipaddress",     "ips",
        "ipv4",        "ipv4addr",     "ipv6",      "ipv6addr",  "ipv6lanprefix", "ipv6prefix",
        "lanprefix",   "location",     "mode",      "my_ip",     "myaddress",     "myip",
        "myip4",       "myip6",        "myips",     "myipv4",    "myipv6",        "newip",
        "offline",     "op",           "operation", "prefix",    "publicip",      "record",
        "record_type", "remove",       "rrtype",    "subdomain", "subdomains",    "txt",
        "type",        "wanip",        "zone",
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        if (!unspoken_reason(names[i], "something")) {
            fail_msg("%s", names[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_every_name_is_found),
    };

    return cmocka_run_group_tests_name("unspoken", tests, NULL, NULL);
}
