/* Unit tests of web/client_address: whom we believe about where a request comes from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "web/client_address.h"

static const char *const trusted_texts[] = {"10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48"};

/* Where only one is sent, it is the one that is believed. */
struct row {
    const char *peer; /* NULL: a unix socket */
    const char *x_forwarded_for;
    const char *forwarded;
    const char *source; /* NULL: -EINVAL; "": none */
};

static const struct row rows[] = {
    /* nobody in front */
    {"198.18.7.9", NULL, NULL, "198.18.7.9"},
    {"2001:db8::1", NULL, NULL, "2001:db8::1"},
    {"198.18.7.9", "1.2.3.4", NULL, "198.18.7.9"}, /* a stranger's header is ignored */
    {"198.18.7.9", NULL, "for=1.2.3.4", "198.18.7.9"},
    {"198.18.7.9", "garbage", "gar\"bage", "198.18.7.9"},
    /* a proxy of ours that says nothing */
    {"10.1.2.3", NULL, NULL, "10.1.2.3"},
    {NULL, NULL, NULL, ""},
    /* X-Forwarded-For */
    {"10.1.2.3", "198.18.7.9", NULL, "198.18.7.9"},
    {NULL, "198.18.7.9", NULL, "198.18.7.9"},
    {"2001:db8:ffff::2", " 198.18.7.9\t", NULL, "198.18.7.9"},
    {"10.1.2.3", "2001:DB8::1", NULL, "2001:db8::1"},
    {"10.1.2.3", "::ffff:198.18.7.9", NULL, "198.18.7.9"},
    {"10.1.2.3", "198.18.7.9:4711", NULL, "198.18.7.9"},
    {"10.1.2.3", "[2001:db8::1]:4711", NULL, "2001:db8::1"},
    {"10.1.2.3", "[2001:db8::1]", NULL, "2001:db8::1"},
    {"10.1.2.3", "6.6.6.6, 198.18.7.9", NULL, "198.18.7.9"}, /* what the client claimed stands left */
    {"10.1.2.3", "6.6.6.6,198.18.7.9, 10.9.9.9 ,192.0.2.1", NULL, "198.18.7.9"},
    {"10.1.2.3", "<script>, 198.18.7.9", NULL, "198.18.7.9"}, /* nobody looks left of the first stranger */
    {"10.1.2.3", "unknown, 198.18.7.9", NULL, "198.18.7.9"},
    {"10.1.2.3", "10.0.0.1, 10.0.0.2", NULL, "10.0.0.1"}, /* all trusted: the leftmost */
    {"10.1.2.3", ", 198.18.7.9, ,", NULL, "198.18.7.9"},
    {"10.1.2.3", "", NULL, NULL},
    {"10.1.2.3", " , ", NULL, NULL},
    {"10.1.2.3", "unknown", NULL, NULL},
    {"10.1.2.3", "198.18.7.9, unknown", NULL, NULL},
    {"10.1.2.3", "198.18.7.9, bogus, 10.0.0.1", NULL, NULL},
    {"10.1.2.3", "198.18.7.256", NULL, NULL},
    {"10.1.2.3", "198.18.7.09", NULL, NULL},
    {"10.1.2.3", "198.18.7.9:", NULL, NULL},
    {"10.1.2.3", "198.18.7.9:65536", NULL, NULL},
    {"10.1.2.3", "198.18.7.9:x", NULL, NULL},
    {"10.1.2.3", "[198.18.7.9]", NULL, NULL},
    {"10.1.2.3", "[2001:db8::1", NULL, NULL},
    {"10.1.2.3", "[2001:db8::1]x", NULL, NULL},
    {"10.1.2.3", "[2001:db8::1]:", NULL, NULL},
    {"10.1.2.3", "fe80::1%eth0", NULL, NULL},
    {"10.1.2.3", "\"198.18.7.9\"", NULL, NULL},
    {"10.1.2.3", "198.18.7.9 198.18.7.8", NULL, NULL},
    /* Forwarded, RFC 7239 */
    {"10.1.2.3", NULL, "for=198.18.7.9", "198.18.7.9"},
    {"10.1.2.3", NULL, "For=198.18.7.9;proto=https;by=10.1.2.3", "198.18.7.9"},
    {"10.1.2.3", NULL, "proto=https;FOR=\"198.18.7.9:80\"", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=\"[2001:db8::1]:4711\"", "2001:db8::1"},
    {"10.1.2.3", NULL, "for=\"[2001:db8::1]\"", "2001:db8::1"},
    {"10.1.2.3", NULL, "for=\"198.18.7.9:_port\"", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=[2001:db8::1]:4711", "2001:db8::1"}, /* unquoted, as some send it */
    {"10.1.2.3", NULL, "for=\"198\\.18.7.9\"", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=6.6.6.6, for=198.18.7.9", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=6.6.6.6,for=198.18.7.9;proto=http , for=10.0.0.7", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=unknown, for=198.18.7.9", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=\"_hidden\", for=198.18.7.9, for=10.0.0.7", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=10.0.0.1, for=10.0.0.2", "10.0.0.1"},
    {"10.1.2.3", NULL, ",for=198.18.7.9;, ", "198.18.7.9"},
    {"10.1.2.3", NULL, "for=198.18.7.9;host=\"a\\\"b, for=6.6.6.6\"", "198.18.7.9"}, /* within quotes it is text */
    {"10.1.2.3", NULL, "for=unknown", NULL},
    {"10.1.2.3", NULL, "for=_hidden", NULL},
    {"10.1.2.3", NULL, "for=198.18.7.9, for=unknown, for=10.0.0.1", NULL},
    {"10.1.2.3", NULL, "for=198.18.7.9, proto=https", NULL}, /* the nearest proxy did not say */
    {"10.1.2.3", NULL, "for=198.18.7.9;for=198.18.7.10", NULL},
    {"10.1.2.3", NULL, "", NULL},
    {"10.1.2.3", NULL, "for", NULL},
    {"10.1.2.3", NULL, "for=", NULL},
    {"10.1.2.3", NULL, "for =198.18.7.9", NULL},
    {"10.1.2.3", NULL, "for=\"198.18.7.9", NULL},
    {"10.1.2.3", NULL, "for=\"198.18.7.9\\", NULL},
    {"10.1.2.3", NULL, "for=198.18.7.9 x", NULL},
    {"10.1.2.3", NULL, "for=@198.18.7.9", NULL},
    /* An open quote of the client's would swallow what the proxy appended, if anything malformed were let pass. */
    {"10.1.2.3", NULL, "for=6.6.6.6;x=\", for=198.18.7.9", NULL},
    {"10.1.2.3", NULL, "for=6.6.6.6;x=\", for=\"[2001:db8::1]\"", NULL},
    {"10.1.2.3", NULL, "for=6.6.6.6;x=\"\\, for=\"198.18.7.9\";proto=\"https\"", NULL},
};

static void test_rows(void **state)
{
    struct prefix trusted[ELEMENTS(trusted_texts)];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(trusted_texts); i++) {
        assert_int_equal(prefix_parse(trusted_texts[i], strlen(trusted_texts[i]), false, &trusted[i]), 0);
    }
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        struct address peer = {.family = ADDRESS_NONE};
        struct address source = {.family = 99};
        char text[ADDRESS_TEXT_SIZE] = "";

        if (row->peer != NULL) {
            assert_int_equal(address_parse(row->peer, strlen(row->peer), &peer), 0);
        }
        struct client_headers headers = {
            .believed = row->x_forwarded_for ? PROXY_X_FORWARDED_FOR : PROXY_FORWARDED,
            .x_forwarded_for = row->x_forwarded_for,
            .forwarded = row->forwarded,
        };
        int r = client_address(&peer, trusted, ELEMENTS(trusted), &headers, &source);
        if (r == 0 && source.family != ADDRESS_NONE) {
            address_print(&source, text);
        }
        if (row->source == NULL ? r != -EINVAL || source.family != 99 : r != 0 || strcmp(text, row->source) != 0) {
            fail_msg("row %zu: \"%s\" \"%s\": %d %s", i, row->x_forwarded_for ? row->x_forwarded_for : "-",
                     row->forwarded ? row->forwarded : "-", r, text);
        }
    }
}

/* server.proxy_header says which one the proxy writes: the other one is the client's own. */
static void test_which_one_is_believed(void **state)
{
    static const struct {
        const char *x_forwarded_for, *forwarded;
        const char *by_x_forwarded_for, *by_forwarded; /* the source; NULL: -EINVAL */
    } both[] = {
        {NULL, NULL, "10.1.2.3", "10.1.2.3"},
        {"198.18.7.9", NULL, "198.18.7.9", "10.1.2.3"},
        {NULL, "for=198.18.7.9", "10.1.2.3", "198.18.7.9"},
        {"bogus", NULL, NULL, "10.1.2.3"},
        {NULL, "for=\"", "10.1.2.3", NULL},
        {"198.18.7.9", "for=198.18.7.9", "198.18.7.9", "198.18.7.9"},
        {"6.6.6.6, 198.18.7.9", "for=7.7.7.7, for=\"198.18.7.9:80\", for=10.0.0.1", "198.18.7.9", "198.18.7.9"},
        {"2001:DB8::1", "for=\"[2001:db8:0::1]\"", "2001:db8::1", "2001:db8::1"},
        {"6.6.6.6", "for=198.18.7.9", NULL, NULL},
        {"198.18.7.9", "for=6.6.6.6", NULL, NULL},
        /* A client makes its own malformed, so that it does not count: then the other one would be a lie unseen. */
        {"6.6.6.6", "for=x;y=\", for=198.18.7.9", NULL, NULL},
        {"6.6.6.6", "for=unknown", NULL, NULL},
        {"bogus", "for=198.18.7.9", NULL, NULL},
        /* the one that is not believed names nobody */
        {"198.18.7.9", "proto=https;host=x", "198.18.7.9", NULL},
        {"198.18.7.9", "", "198.18.7.9", NULL},
        {" , ", "for=198.18.7.9", NULL, "198.18.7.9"},
    };
    static const struct prefix ours = {{ADDRESS_IPV4, {10}}, 8};
    static const struct address peer = {ADDRESS_IPV4, {10, 1, 2, 3}};

    (void)state;
    for (size_t i = 0; i < 2 * ELEMENTS(both); i++) {
        bool is_forwarded = i % 2 == 1;
        const char *expected = is_forwarded ? both[i / 2].by_forwarded : both[i / 2].by_x_forwarded_for;
        struct client_headers headers = {
            .believed = is_forwarded ? PROXY_FORWARDED : PROXY_X_FORWARDED_FOR,
            .x_forwarded_for = both[i / 2].x_forwarded_for,
            .forwarded = both[i / 2].forwarded,
        };
        struct address source;
        char text[ADDRESS_TEXT_SIZE] = "";
        int r = client_address(&peer, &ours, 1, &headers, &source);
        if (r == 0) {
            address_print(&source, text);
        }
        if (expected ? r != 0 || strcmp(text, expected) != 0 : r != -EINVAL) {
            fail_msg("row %zu, %s: %d %s", i / 2, is_forwarded ? "forwarded" : "x-forwarded-for", r, text);
        }
    }
}

static void test_nobody_is_trusted(void **state)
{
    static const struct client_headers headers = {.x_forwarded_for = "198.18.7.9", .forwarded = "for=198.18.7.9"};
    struct address peer;
    struct address source;

    (void)state;
    assert_int_equal(address_parse("10.1.2.3", 8, &peer), 0);
    assert_int_equal(client_address(&peer, NULL, 0, &headers, &source), 0);
    assert_true(address_equal(&source, &peer));
}

/* As long as headers may be. */
static void test_long_lists(void **state)
{
    _cleanup_free_ char *list = malloc(16385);
    struct address peer = {.family = ADDRESS_NONE};
    struct address source;
    struct client_headers x_forwarded_for = {.believed = PROXY_X_FORWARDED_FOR, .x_forwarded_for = list};
    struct client_headers forwarded = {.believed = PROXY_FORWARDED, .forwarded = list};

    (void)state;
    assert_non_null(list);
    memset(list, ',', 16384);
    list[16384] = '\0';
    assert_int_equal(client_address(&peer, NULL, 0, &x_forwarded_for, &source), -EINVAL);
    assert_int_equal(client_address(&peer, NULL, 0, &forwarded, &source), -EINVAL);
    memset(list, 'x', 16384);
    memcpy(list, "for=", 4);
    assert_int_equal(client_address(&peer, NULL, 0, &x_forwarded_for, &source), -EINVAL);
    assert_int_equal(client_address(&peer, NULL, 0, &forwarded, &source), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_which_one_is_believed),
        cmocka_unit_test(test_nobody_is_trusted),
        cmocka_unit_test(test_long_lists),
    };

    return cmocka_run_group_tests_name("client_address", tests, NULL, NULL);
}
