#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "temporary.h"

static struct address address_of(const char *text)
{
    struct address address;
    if (address_parse(text, strlen(text), &address) < 0) {
        fail_msg("%s does not parse", text);
    }
    return address;
}

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    if (prefix_parse(text, strlen(text), false, &prefix) < 0) {
        fail_msg("%s does not parse", text);
    }
    return prefix;
}

static void test_spellings(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
    } rows[] = {
        {"198.18.7.9", "198.18.7.9"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"2001:DB8::000A", "2001:db8::a"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* RFC 5952 section 4.2.2: not one group alone */
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},       /* 4.2.3: the longest run */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, /* 4.2.3: the first of equals */
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1:0:0:4:5:6:0:0", "1::4:5:6:0:0"},
        {"fe80::1", "fe80::1"},
        {"::ffff:198.18.7.9", "198.18.7.9"},
        {"::FFFF:c612:709", "198.18.7.9"},
        {"0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"},
        {"0000:0000:0000:0000:0000:ffff:255.255.255.255", "255.255.255.255"},
        {"::1.2.3.4", "::102:304"},
        {"::0.0.1.2", "::102"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"::fffe:1.2.3.4", "::fffe:102:304"},
        {"::ffff:0:1.2.3.4", "::ffff:0:102:304"},
        {"0:0:0:0:1:ffff:1.2.3.4", "::1:ffff:102:304"},
        {"", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"1.2.3.256", NULL},
        {"01.2.3.4", NULL},
        {"1.2.3.04", NULL},
        {"0x1.2.3.4", NULL},
        {"1.2.3.4 ", NULL},
        {" 1.2.3.4", NULL},
        {"1.2.3.4\n", NULL},
        {"1..3.4", NULL},
        {"16909060", NULL},
        {"1.2.772", NULL},
        {":", NULL},
        {":::", NULL},
        {"1:2:3:4:5:6:7", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"1::2::3", NULL},
        {"1:2:3:4:5:6:7::8", NULL},
        {"1:2:3:4::5:6:7:8", NULL},
        {":1:2:3:4:5:6:7", NULL},
        {"1:2:3:4:5:6:7:", NULL},
        {"::12345", NULL},
        {"::g", NULL},
        {"::1.2.3", NULL},
        {"::01.2.3.4", NULL},
        {"1.2.3.4::", NULL},
        {"::1.2.3.4:5", NULL},
        {"1:2:3:4:5:6:7:1.2.3.4", NULL},
        {"fe80::1%eth0", NULL},
        {"fe80::1%1", NULL},
        {"[::1]", NULL},
        {"::1/128", NULL},
        {"0000:0000:0000:0000:0000:ffff:255.255.255.2550", NULL},
        {"00000000000000000000000000000000000000000000000000000000000000001.2.3.4", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct address address = {.family = 77};
        char text[ADDRESS_TEXT_SIZE];
        int r = address_parse(rows[i].text, strlen(rows[i].text), &address);
        if (rows[i].printed == NULL) {
            if (r != -EINVAL || address.family != 77) {
                fail_msg("\"%s\" was not refused", rows[i].text);
            }
            continue;
        }
        if (r != 0) {
            fail_msg("\"%s\" was refused", rows[i].text);
        }
        address_print(&address, text);
        assert_string_equal(text, rows[i].printed);
    }
    struct address address;
    assert_int_equal(address_parse("1.2.3.4\0", 8, &address), -EINVAL);
    assert_int_equal(address_parse("1.2.3.456", 7, &address), 0);
    assert_true(address.bytes[3] == 4);
    struct address none = {.family = ADDRESS_NONE};
    char text[ADDRESS_TEXT_SIZE];
    address_print(&none, text);
    assert_string_equal(text, "none");
}

static void test_classes(void **state)
{
    static const struct {
        const char *text;
        enum address_class class;
    } rows[] = {
        {"0.0.0.0", ADDRESS_NEVER},
        {"0.255.255.255", ADDRESS_NEVER},
        {"1.0.0.0", ADDRESS_PUBLIC},
        {"9.255.255.255", ADDRESS_PUBLIC},
        {"10.0.0.0", ADDRESS_PRIVATE},
        {"10.255.255.255", ADDRESS_PRIVATE},
        {"11.0.0.0", ADDRESS_PUBLIC},
        {"100.63.255.255", ADDRESS_PUBLIC},
        {"100.64.0.0", ADDRESS_PRIVATE},
        {"100.127.255.255", ADDRESS_PRIVATE},
        {"100.128.0.0", ADDRESS_PUBLIC},
        {"126.255.255.255", ADDRESS_PUBLIC},
        {"127.0.0.0", ADDRESS_PRIVATE},
        {"127.255.255.255", ADDRESS_PRIVATE},
        {"128.0.0.0", ADDRESS_PUBLIC},
        {"169.253.255.255", ADDRESS_PUBLIC},
        {"169.254.0.0", ADDRESS_NEVER},
        {"169.254.255.255", ADDRESS_NEVER},
        {"169.255.0.0", ADDRESS_PUBLIC},
        {"172.15.255.255", ADDRESS_PUBLIC},
        {"172.16.0.0", ADDRESS_PRIVATE},
        {"172.31.255.255", ADDRESS_PRIVATE},
        {"172.32.0.0", ADDRESS_PUBLIC},
        {"192.167.255.255", ADDRESS_PUBLIC},
        {"192.168.0.0", ADDRESS_PRIVATE},
        {"192.168.255.255", ADDRESS_PRIVATE},
        {"192.169.0.0", ADDRESS_PUBLIC},
        {"198.18.7.9", ADDRESS_PUBLIC},
        {"203.0.113.9", ADDRESS_PUBLIC},
        {"223.255.255.255", ADDRESS_PUBLIC},
        {"224.0.0.0", ADDRESS_NEVER},
        {"239.255.255.255", ADDRESS_NEVER},
        {"240.0.0.0", ADDRESS_NEVER},
        {"255.255.255.255", ADDRESS_NEVER},
        {"::", ADDRESS_NEVER},
        {"::1", ADDRESS_PRIVATE},
        {"::2", ADDRESS_PUBLIC},
        {"::10.0.0.1", ADDRESS_PUBLIC},
        {"::ffff:10.0.0.1", ADDRESS_PRIVATE},
        {"::ffff:169.254.1.1", ADDRESS_NEVER},
        {"::ffff:0.0.0.0", ADDRESS_NEVER},
        {"2000::", ADDRESS_PUBLIC},
        {"2001:db8::1", ADDRESS_PUBLIC},
        {"fbff:ffff::", ADDRESS_PUBLIC},
        {"fc00::", ADDRESS_PRIVATE},
        {"fdff:ffff::1", ADDRESS_PRIVATE},
        {"fe00::", ADDRESS_PUBLIC},
        {"fe7f::", ADDRESS_PUBLIC},
        {"fe80::", ADDRESS_NEVER},
        {"febf:ffff::1", ADDRESS_NEVER},
        {"fec0::", ADDRESS_PRIVATE},
        {"feff:ffff::1", ADDRESS_PRIVATE},
        {"ff00::", ADDRESS_NEVER},
        {"ff02::1", ADDRESS_NEVER},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ADDRESS_NEVER},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct address address = address_of(rows[i].text);
        if (address_classify(&address) != rows[i].class) {
            fail_msg("%s", rows[i].text);
        }
    }
    struct address none = {.family = ADDRESS_NONE};
    assert_int_equal(address_classify(&none), ADDRESS_NEVER);
    /* Even one that slipped past the parsers. */
    struct address mapped = {.family = ADDRESS_IPV6, .bytes = {[10] = 0xff, [11] = 0xff, [12] = 10}};
    assert_int_equal(address_classify(&mapped), ADDRESS_PRIVATE);
}

static void test_wildcard(void **state)
{
    static const char *const others[] = {"0.0.0.1", "1.0.0.0", "127.0.0.1", "::1", "1::", "fe80::"};
    const struct address any4 = address_of("0.0.0.0"), any6 = address_of("::"), none = {.family = ADDRESS_NONE};

    (void)state;
    assert_true(address_is_wildcard(&any4));
    assert_true(address_is_wildcard(&any6));
    assert_false(address_is_wildcard(&none));
    for (size_t i = 0; i < ELEMENTS(others); i++) {
        const struct address other = address_of(others[i]);
        assert_false(address_is_wildcard(&other));
    }
}

static void test_sockaddr(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct address address;
    struct address expected = address_of("198.18.7.9");

    assert_int_equal(inet_pton(AF_INET, "198.18.7.9", &in.sin_addr), 1);
    assert_int_equal(address_from_sockaddr((const struct sockaddr *)&in, &address), 0);
    assert_true(address_equal(&address, &expected));
    assert_int_equal(inet_pton(AF_INET6, "::ffff:198.18.7.9", &in6.sin6_addr), 1);
    assert_int_equal(address_from_sockaddr((const struct sockaddr *)&in6, &address), 0);
    assert_true(address_equal(&address, &expected));
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
    assert_int_equal(address_from_sockaddr((const struct sockaddr *)&in6, &address), 0);
    expected = address_of("2001:db8::7");
    assert_true(address_equal(&address, &expected));
    assert_int_equal(address_from_sockaddr((const struct sockaddr *)&un, &address), -EAFNOSUPPORT);
}

static void test_equal(void **state)
{
    (void)state;
    struct address a = address_of("1.2.3.4");
    struct address b = address_of("1.2.3.5");
    struct address c = address_of("102:304::");
    assert_true(address_equal(&a, &a));
    assert_false(address_equal(&a, &b));
    assert_false(address_equal(&a, &c)); /* the same bytes in front */
}

static void test_prefix_spellings(void **state)
{
    static const struct {
        const char *text;
        bool clear;
        const char *printed; /* NULL: refused */
    } rows[] = {
        {"10.0.0.0/8", false, "10.0.0.0/8"},
        {"10.1.2.3/8", true, "10.0.0.0/8"},
        {"10.1.2.3/8", false, NULL},
        {"10.1.2.3", false, "10.1.2.3/32"},
        {"0.0.0.0/0", false, "0.0.0.0/0"},
        {"255.255.255.255/0", true, "0.0.0.0/0"},
        {"10.255.128.0/17", false, "10.255.128.0/17"},
        {"10.255.128.0/16", false, NULL},
        {"2001:db8:1::/56", false, "2001:db8:1::/56"},
        {"2001:db8:1:ff::/56", true, "2001:db8:1::/56"},
        {"2001:db8:1:1ff::/56", true, "2001:db8:1:100::/56"},
        {"2001:db8::1", false, "2001:db8::1/128"},
        {"::/0", false, "::/0"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", true, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
        {"::ffff:10.0.0.0/104", false, "10.0.0.0/8"},
        {"::ffff:0:0/96", false, "0.0.0.0/0"},
        {"::ffff:10.1.2.3", false, "10.1.2.3/32"},
        {"::ffff:10.1.2.3/64", true, "::/64"},
        {"::ffff:10.1.2.3/64", false, NULL},
        {"10.0.0.0/33", false, NULL},
        {"::/129", false, NULL},
        {"10.0.0.0/", false, NULL},
        {"10.0.0.0/08", false, NULL},
        {"10.0.0.0/+8", false, NULL},
        {"10.0.0.0/8/8", false, NULL},
        {"10.0.0.0/255.0.0.0", false, NULL},
        {"/8", false, NULL},
        {"", false, NULL},
        {"10.0.0/8", false, NULL},
        {"10.0.0.0/18446744073709551624", false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct prefix prefix;
        char text[PREFIX_TEXT_SIZE];
        int r = prefix_parse(rows[i].text, strlen(rows[i].text), rows[i].clear, &prefix);
        if (rows[i].printed == NULL) {
            if (r != -EINVAL) {
                fail_msg("\"%s\": %d", rows[i].text, r);
            }
            continue;
        }
        if (r != 0) {
            fail_msg("\"%s\": %d", rows[i].text, r);
        }
        prefix_print(&prefix, text);
        assert_string_equal(text, rows[i].printed);
    }
}

static void test_prefix_contains(void **state)
{
    static const struct {
        const char *prefix;
        const char *address;
        bool contains;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"0.0.0.0/0", "255.1.1.1", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.1.1.1", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"a00::/8", "10.0.0.1", false}, /* the same bytes in front */
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct prefix prefix = prefix_of(rows[i].prefix);
        struct address address = address_of(rows[i].address);
        if (prefix_contains(&prefix, &address) != rows[i].contains) {
            fail_msg("%s in %s", rows[i].address, rows[i].prefix);
        }
    }
}

static void test_limit_key(void **state)
{
    (void)state;
    struct address a = address_of("2001:db8:1:2:3:4:5:6");
    struct address b = address_of("2001:db8:1:2::");
    struct address key = address_limit_key(&a);
    assert_true(address_equal(&key, &b));
    a = address_of("198.18.7.9");
    key = address_limit_key(&a);
    assert_true(address_equal(&key, &a));
}

static void test_make_address(void **state)
{
    static const uint8_t id[8] = {0x02, 0x11, 0x32, 0xff, 0xfe, 0x12, 0x34, 0x56};
    static const struct {
        const char *prefix;
        uint64_t subnet_id;
        const char *made;
        int result;
    } rows[] = {
        {"2001:db8:1::/56", 0, "2001:db8:1:0:211:32ff:fe12:3456", 0},
        {"2001:db8:1::/56", 1, "2001:db8:1:1:211:32ff:fe12:3456", 0},
        {"2001:db8:1::/56", 0xff, "2001:db8:1:ff:211:32ff:fe12:3456", 0},
        {"2001:db8:1::/56", 0x100, NULL, -ERANGE},
        {"2001:db8:1:7::/64", 0, "2001:db8:1:7:211:32ff:fe12:3456", 0},
        {"2001:db8:1:7::/64", 1, NULL, -ERANGE},
        {"2001:db8:1:6::/63", 1, "2001:db8:1:7:211:32ff:fe12:3456", 0},
        {"2001:db8:1:6::/63", 2, NULL, -ERANGE},
        {"2001:db8::/32", 0xffffffff, "2001:db8:ffff:ffff:211:32ff:fe12:3456", 0},
        {"2001:db8::/32", 0x100000000, NULL, -ERANGE},
        {"::/0", 0x20010db800010002, "2001:db8:1:2:211:32ff:fe12:3456", 0},
        {"2001:db8:1:7::/65", 0, NULL, -ERANGE},
        {"2001:db8:1:7::1/128", 0, NULL, -ERANGE},
        {"10.0.0.0/8", 0, NULL, -EINVAL},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct prefix prefix = prefix_of(rows[i].prefix);
        struct address made = {.family = 77};
        assert_int_equal(prefix_make_address(&prefix, rows[i].subnet_id, id, &made), rows[i].result);
        if (rows[i].made == NULL) {
            assert_int_equal(made.family, 77);
            continue;
        }
        struct address expected = address_of(rows[i].made);
        assert_true(address_equal(&made, &expected));
    }
    static const uint8_t mapped_id[8] = {0, 0, 0xff, 0xff, 10, 0, 0, 1};
    struct prefix zero = prefix_of("::/64");
    struct address made;
    assert_int_equal(prefix_make_address(&zero, 0, mapped_id, &made), -EINVAL);
}

static void test_mac(void **state)
{
    (void)state;
    uint8_t mac[6];
    uint8_t id[8];
    assert_int_equal(mac_parse("51:6B:00:a6:F5:77", mac), 0);
    assert_memory_equal(mac, "\x51\x6b\x00\xa6\xf5\x77", 6);
    assert_int_equal(mac_parse("51-6B-00-a6-F5-78", mac), 0);
    assert_memory_equal(mac, "\x51\x6b\x00\xa6\xf5\x78", 6);
    eui64_from_mac(mac, id);
    assert_memory_equal(id, "\x53\x6b\x00\xff\xfe\xa6\xf5\x78", 8);
    /* RFC 4291 appendix A: the universal bit of 34-56-78-9A-BC-DE is turned. */
    assert_int_equal(mac_parse("34-56-78-9A-BC-DE", mac), 0);
    eui64_from_mac(mac, id);
    assert_memory_equal(id, "\x36\x56\x78\xff\xfe\x9a\xbc\xde", 8);

    static const char *const wrong[] = {"",
                                        "516B00A6F577",
                                        "51:6B:00:A6:F5",
                                        "51:6B:00:A6:F5:7",
                                        "51:6B:00:A6:F5:777",
                                        "51:6B:00:A6-F5:77",
                                        "51:6B:00:A6:F5:7G",
                                        "51.6B.00.A6.F5.77",
                                        "5::6B:00:A6:F5:77",
                                        "51:6B:00:A6:F5:77:"};
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        assert_int_equal(mac_parse(wrong[i], mac), -EINVAL);
    }
    assert_memory_equal(mac, "\x34\x56\x78\x9a\xbc\xde", 6);
}

/* ---- against Python's ipaddress ---- */

#define RANDOM_TEXTS 8000

/* xorshift64*: the same texts on every machine. */
static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)((*seed * 2685821657736338717U) >> 33) % below;
}

static size_t put_random_ipv4(uint64_t *seed, char *text, size_t size)
{
    unsigned n[4];
    for (size_t i = 0; i < 4; i++) {
        n[i] = draw(seed, draw(seed, 12) == 0 ? 300 : 256);
    }
    int width = draw(seed, 16) == 0 ? 2 : 1;
    return (size_t)snprintf(text, size, "%0*u.%u.%u.%u", width, n[0], n[1], n[2], n[3]);
}

/* Groups, many of them zero, in any case and with any leading zeros; perhaps `::`, perhaps a dotted tail. */
static size_t put_random_ipv6(uint64_t *seed, char *text, size_t size)
{
    size_t used = 0;
    bool mapped = draw(seed, 6) == 0;
    bool dotted = draw(seed, 4) == 0;
    unsigned groups = dotted ? 6 : 8;
    unsigned gap_start = draw(seed, 2) == 0 ? draw(seed, groups) : groups;
    unsigned gap_length = 1 + draw(seed, groups);
    bool gap_done = false;
    if (mapped) {
        used += (size_t)snprintf(text, size, draw(seed, 2) == 0 ? "::ffff:" : "0:0:0:0:0:FfFf:");
        return dotted
                   ? used + put_random_ipv4(seed, text + used, size - used)
                   : used + (size_t)snprintf(text + used, size - used, "%x:%X", draw(seed, 65536), draw(seed, 65536));
    }
    for (unsigned i = 0; i < groups; i++) {
        int width = draw(seed, 2) == 0 ? 1 : 1 + (int)draw(seed, 4);
        if (i >= gap_start && i < gap_start + gap_length) {
            used += (size_t)snprintf(text + used, size - used, "%s", gap_done ? "" : (i == 0 ? "::" : ":"));
            gap_done = true;
            continue;
        }
        unsigned value = draw(seed, 3) == 0 ? 0 : draw(seed, draw(seed, 2) == 0 ? 16 : 65536);
        used += draw(seed, 2) == 0 ? (size_t)snprintf(text + used, size - used, "%0*x", width, value)
                                   : (size_t)snprintf(text + used, size - used, "%0*X", width, value);
        used += (size_t)snprintf(text + used, size - used, "%s", i + 1 < groups || dotted ? ":" : "");
    }
    return dotted ? used + put_random_ipv4(seed, text + used, size - used) : used;
}

/* Mostly addresses, some of them with one character changed, added or taken away. */
static void make_random_text(uint64_t *seed, char text[128])
{
    static const char alphabet[] = "0123456789abcdefABCDEFg:./% -+x";
    size_t length = draw(seed, 3) == 0 ? put_random_ipv4(seed, text, 100) : put_random_ipv6(seed, text, 100);
    if (draw(seed, 4) == 0) {
        length += (size_t)snprintf(text + length, 128 - length, "/%u", draw(seed, 135));
    }
    if (length == 0 || draw(seed, 3) != 0) {
        return;
    }
    size_t at = draw(seed, (uint32_t)length);
    switch (draw(seed, 3)) {
    case 0: text[at] = alphabet[draw(seed, sizeof(alphabet) - 1)]; break;
    case 1: memmove(text + at, text + at + 1, length - at); break;
    default: memmove(text + at + 1, text + at, length - at + 1); break;
    }
}

static const char oracle[] =
    "import ipaddress, re, sys\n"
    "def say(text):\n"
    "    if '/' in text:\n"
    "        if not re.fullmatch(r'[^/%]*/(0|[1-9][0-9]{0,2})', text): return '-'\n"
    "        network = ipaddress.ip_network(text, strict=False)\n"
    "        address = ipaddress.ip_address(text.split('/')[0])\n"
    "        strict = 'strict' if address == network.network_address else 'loose'\n"
    "        mapped = getattr(address, 'ipv4_mapped', None)\n"
    "        if mapped is not None and network.prefixlen >= 96:\n"
    "            network = ipaddress.ip_network((mapped, network.prefixlen - 96), strict=False)\n"
    "        return f'{network} {strict}'\n"
    "    if '%' in text: return '-'\n"
    "    address = ipaddress.ip_address(text)\n"
    "    mapped = getattr(address, 'ipv4_mapped', None)\n"
    "    return str(address if mapped is None else mapped)\n"
    "for line in open(sys.argv[1], encoding='ascii').read().split('\\n')[:-1]:\n"
    "    try: print(say(line))\n"
    "    except ValueError: print('-')\n";

static void run_oracle(const char *input, const char *output)
{
    char program[] = "/usr/bin/python3";
    char isolated[] = "-I";
    char command[] = "-c";
    char *arguments[] = {program, isolated, command, (char *)(uintptr_t)oracle, (char *)(uintptr_t)input, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;

    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT, 0600), 0);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, arguments, environment), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* What the oracle would say of the text, by our own functions. */
static void say(const char *text, char ret_said[128])
{
    struct address address;
    struct prefix prefix;
    size_t length = strlen(text);
    if (strchr(text, '/') == NULL) {
        if (address_parse(text, length, &address) < 0) {
            (void)snprintf(ret_said, 128, "-");
        } else {
            address_print(&address, ret_said);
        }
        return;
    }
    if (prefix_parse(text, length, true, &prefix) < 0) {
        (void)snprintf(ret_said, 128, "-");
        return;
    }
    char printed[PREFIX_TEXT_SIZE];
    prefix_print(&prefix, printed);
    bool strict = prefix_parse(text, length, false, &prefix) == 0;
    (void)snprintf(ret_said, 128, "%s %s", printed, strict ? "strict" : "loose");
}

static void test_agrees_with_python(void **state)
{
    (void)state;
    char *folder = temporary_folder_make();
    char *input = strdup(temporary_path(folder, "texts"));
    char *output = strdup(temporary_path(folder, "said"));
    static char texts[RANDOM_TEXTS][128];
    uint64_t seed = 0x9e3779b97f4a7c15;
    unsigned accepted = 0;

    FILE *file = fopen(input, "w");
    assert_non_null(file);
    for (size_t i = 0; i < RANDOM_TEXTS; i++) {
        make_random_text(&seed, texts[i]);
        assert_true(fprintf(file, "%s\n", texts[i]) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    run_oracle(input, output);

    file = fopen(output, "r");
    assert_non_null(file);
    for (size_t i = 0; i < RANDOM_TEXTS; i++) {
        char theirs[128];
        char ours[128];
        assert_non_null(fgets(theirs, sizeof(theirs), file));
        theirs[strcspn(theirs, "\n")] = '\0';
        say(texts[i], ours);
        if (strcmp(ours, theirs) != 0) {
            fail_msg("\"%s\": \"%s\", Python says \"%s\"", texts[i], ours, theirs);
        }
        accepted += strcmp(ours, "-") != 0 ? 1 : 0;
    }
    assert_int_equal(fgetc(file), EOF);
    assert_int_equal(fclose(file), 0);
    /* Both kinds must be there, or the comparison says little. */
    assert_in_range(accepted, RANDOM_TEXTS / 4, RANDOM_TEXTS * 3 / 4);
    free(input);
    free(output);
    temporary_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_wildcard),
        cmocka_unit_test(test_sockaddr),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_prefix_spellings),
        cmocka_unit_test(test_prefix_contains),
        cmocka_unit_test(test_limit_key),
        cmocka_unit_test(test_make_address),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_agrees_with_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
