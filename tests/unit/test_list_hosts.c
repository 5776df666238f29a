#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/list_hosts.h"
#include "some_hosts.h"

#define SECRET "a secret of the tests"
#define ROW "  - {shared_secret: " SECRET ", read_privilege: true, "

/* In calls of that size at most. */
static void read_all(struct listing *listing, size_t size, struct buffer *text)
{
    char bytes[8192];
    ssize_t length;

    assert_true(size <= sizeof(bytes));
    while ((length = listing_read(listing, bytes, size)) > 0) {
        assert_true((size_t)length <= size);
        buffer_append(text, bytes, (size_t)length);
    }
    assert_int_equal(length, 0);
    assert_int_equal(listing_read(listing, bytes, size), 0);
}

static void a_short_list(void **state)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts =
        hosts_of("hosts:\n" ROW "hostname: b.a.test, record_type: [A, TXT], mac_address: \"51:6B:00:A6:F5:77\"}\n" ROW
                 "hostname: a.a.test, record_type: [AAAA]}\n"
                 "  - {hostname: c.a.test, record_type: A, shared_secret: " SECRET "}\n"
                 "  - {hostname: d.a.test, record_type: A, shared_secret: another secret, read_privilege: true,\n"
                 "     previous_secret: " SECRET ", previous_secret_until: 2999-01-01}\n");
    static const char expected[] =
        "{\"return_message\": [{\"record_type\": \"A\", \"hostname\": \"b.a.test.\", \"mac_address\": "
        "\"51:6B:00:A6:F5:77\"}, {\"record_type\": \"TXT\", \"hostname\": \"b.a.test.\", \"mac_address\": "
        "\"51:6B:00:A6:F5:77\"}, {\"record_type\": \"AAAA\", \"hostname\": \"a.a.test.\", \"mac_address\": null}], "
        "\"return_status\": \"success\"}";
    _cleanup_(listing_freep) struct listing *listing = listing_new(hosts, hosts_at(hosts, 0));
    _cleanup_(listing_freep) struct listing *again = listing_new(hosts, hosts_at(hosts, 1));
    _cleanup_buffer_ struct buffer text = BUFFER_INIT, read = BUFFER_INIT;

    (void)state;
    assert_true(listing_take(listing, &text));
    assert_string_equal(buffer_text(&text), expected);
    read_all(again, 7, &read);
    assert_string_equal(buffer_text(&read), expected);
}

/* `shown` of every 10 hosts may be listed. */
static struct hosts *many_hosts(unsigned count, unsigned shown)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_append_text(&text, "hosts:\n");
    for (unsigned i = 0; i < count; i++) {
        buffer_printf(&text, "- hostname: h%06u.a.test\n  record_type: [A, AAAA]\n  shared_secret: " SECRET "\n", i);
        buffer_printf(&text, "  read_privilege: %s\n", i % 10 < shown ? "true" : "false");
    }
    return hosts_of(buffer_text(&text));
}

static int64_t cpu_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* In pieces, whatever the sizes, and the same; it holds its hosts. */
static void a_long_list(void **state)
{
    static const struct {
        unsigned hosts, shown;
    } rows[] = {{5000, 10}, {30000, 3}, {30000, 0}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct hosts *hosts = many_hosts(rows[i].hosts, rows[i].shown);
        _cleanup_(listing_freep) struct listing *listing = listing_new(hosts, hosts_at(hosts, 0));
        _cleanup_buffer_ struct buffer text = BUFFER_INIT, unused = BUFFER_INIT;

        hosts_unref(hosts);
        assert_false(listing_take(listing, &unused));
        read_all(listing, i == 0 ? 333 : 8192, &text);
        json_t *object = json_loads(buffer_text(&text), 0, NULL);
        const json_t *list = json_object_get(object, "return_message");
        assert_string_equal(json_string_value(json_object_get(object, "return_status")), "success");
        assert_int_equal(json_array_size(list), rows[i].hosts / 10 * rows[i].shown * 2);
        for (size_t at = 0; i == 0 && at < json_array_size(list); at++) {
            char expected[32];
            const json_t *row = json_array_get(list, at);
            (void)snprintf(expected, sizeof(expected), "h%06zu.a.test.", at / 2);
            assert_string_equal(json_string_value(json_object_get(row, "hostname")), expected);
            assert_string_equal(json_string_value(json_object_get(row, "record_type")), at % 2 == 0 ? "A" : "AAAA");
        }
        json_decref(object);
    }
}

/* One call is a small part of all: nobody is held for the whole. */
static void no_call_is_long(void **state)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = many_hosts(100000, 1);
    _cleanup_(listing_freep) struct listing *listing = listing_new(hosts, hosts_at(hosts, 0));
    int64_t all_ns = 0, longest_ns = 0;
    char bytes[8192];
    ssize_t length = 1;

    (void)state;
    while (length > 0) {
        const int64_t begun_ns = cpu_ns();
        length = listing_read(listing, bytes, sizeof(bytes));
        const int64_t taken_ns = cpu_ns() - begun_ns;
        all_ns += taken_ns;
        longest_ns = taken_ns > longest_ns ? taken_ns : longest_ns;
    }
    assert_true(longest_ns < all_ns / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_list),
        cmocka_unit_test(a_long_list),
        cmocka_unit_test(no_call_is_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
