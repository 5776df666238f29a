/* Unit tests of admin/admin: the two pages, through the server. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/admin.h"
#include "web_fixture.h"

static atomic_uint trouble_count;

static size_t trouble(void *userdata, struct buffer *buffer)
{
    size_t count = trouble_count;

    assert_string_equal(userdata, "userdata");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(buffer, "trouble number %zu; do something\n", i + 1);
    }
    return count;
}

static void test_pages(void **state)
{
    static const struct metric_row row = {.name = "test_figure", .help = "a figure", .type = METRIC_GAUGE};
    static char userdata[] = "userdata";
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, "");
    const struct admin admin = {fixture.metrics, trouble, userdata};
    fixture.service.handlers = &admin;
    const struct server_options options = fixture_options(&fixture, admin_route_find);
    fixture_start(&fixture, &options);
    metric_set(metrics_family(fixture.metrics, &row), 42, NULL, NULL, NULL);

    trouble_count = 0;
    client_expect(&fixture, "GET /healthz HTTP/1.1\r\n" HEADERS "\r\n", "200 OK", "\r\n\r\nok\n");
    client_expect(&fixture, "GET /healthz HTTP/1.1\r\n" HEADERS "\r\n", "200 OK", "\r\nContent-Type: text/plain");
    trouble_count = 2;
    client_expect(&fixture, "GET /healthz HTTP/1.1\r\n" HEADERS "\r\n", "503",
                  "\r\n\r\ntrouble number 1; do something\ntrouble number 2; do something\n");
    client_expect(&fixture, "GET /metrics HTTP/1.1\r\n" HEADERS "\r\n", "200",
                  "\r\nContent-Type: text/plain; version=0.0.4");
    client_expect(&fixture, "GET /metrics HTTP/1.1\r\n" HEADERS "\r\n", "200", "\ntest_figure 42\n");
    client_expect(&fixture, "GET /metrics HTTP/1.1\r\n" HEADERS "\r\n", "200",
                  "\ntest_requests_total{dialect=\"admin\",result=\"trouble\"} 1\n");
    client_expect(&fixture, "GET / HTTP/1.1\r\n" HEADERS "\r\n", "404", "nothing at this path");
    client_expect(&fixture, "GET /healthz/x HTTP/1.1\r\n" HEADERS "\r\n", "404", "nothing at this path");
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
