/* Unit tests of web/server_plain_http; test_https.py sees the whole of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "web/server_plain_http.h"

static void test_rows(void **state)
{
    static const char *const requests[] = {"GET / HTTP/1.1\r\n", "GET /", "HEAD /ip", "POST /", "PUT /x", "OPTIONS *"};
    static const char *const others[] = {"", "GET", "get /", "\x16\x03\x01\x02\x00", "SSH-2.0-x", "GET\0/", "HELP\r"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(requests); i++) {
        assert_true(plain_http_begins(requests[i], strlen(requests[i])));
        assert_false(plain_http_begins(requests[i], 4)); /* not all of it is there */
    }
    for (size_t i = 0; i < ELEMENTS(others); i++) {
        assert_false(plain_http_begins(others[i], strlen(others[i])));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests_name("server_plain_http", tests, NULL, NULL);
}
