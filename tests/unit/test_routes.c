/* Which dialect gets a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/routes.h"
#include "base/cleanup.h"

static const char *dialect_of(enum request_method method, const char *path, const char *query, const char *body)
{
    const struct request request = {
        .method = method,
        .path = path,
        .query = query,
        .body = body,
        .body_length = strlen(body),
    };
    const struct route *route = route_find(&request);

    return route ? route->dialect : "none";
}

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        const char *dialect;
    } rows[] = {
        {"/", "query"},
        {"//", "query"},
        {"///", "query"},
        {"/nic/update", "dyndns2"},
        {"/nic/update/", "dyndns2"},
        {"/nic/update//", "dyndns2"},
        {"//nic/update", "dyndns2"},
        {"/nic//update", "dyndns2"},
        {"/v2/update", "dyndns2"},
        {"/v3/update", "dyndns2"},
        {"/update", "dyndns2"},
        {"/ip", "checkip"},
        {"/ip/", "checkip"},
        {"/checkip", "checkip"},
        {"/nic/checkip", "checkip"},
        {"", "query"}, /* nobody sends it; a final slash does not count */
        {"/n", "none"},
        {"/nic", "none"},
        {"/nic/", "none"},
        {"/nic/updat", "none"},
        {"/nic/updates", "none"},
        {"/nic/update/x", "none"},
        {"/nicupdate", "none"},
        {"nic/update", "none"},
        {"/NIC/UPDATE", "none"},
        {"/nic/update ", "none"},
        {"/nic%2Fupdate", "none"},
        {"/nic/./update", "none"},
        {"/v4/update", "none"},
        {"/ipx", "none"},
        {"/i", "none"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *dialect = dialect_of(REQUEST_GET, rows[i].path, "", "");
        if (strcmp(dialect, rows[i].dialect) != 0) {
            fail_msg("\"%s\": %s, wanted %s", rows[i].path, dialect, rows[i].dialect);
        }
    }
}

static void test_what_is_asked_at_the_root(void **state)
{
    static const struct {
        enum request_method method;
        const char *query;
        const char *body;
        const char *dialect;
    } rows[] = {
        {REQUEST_GET, "mode=get", "", "query"},
        {REQUEST_GET, "newip=auto&secret=x", "", "secret"},
        {REQUEST_GET, "secret=x", "", "secret"},
        {REQUEST_GET, "a=b&newip", "", "secret"},
        {REQUEST_GET, "secret=x&mode=set", "", "query"},
        {REQUEST_GET, "secrets=x", "", "query"},
        {REQUEST_GET, "x=secret", "", "query"},
        {REQUEST_GET, "xnewip=secret=", "", "query"},
        {REQUEST_GET, "", "{\"execution_mode\": \"get\"}", "query"}, /* a body belongs to POST */
        {REQUEST_GET, "", "secret=x", "query"},
        {REQUEST_POST, "", "secret=x", "secret"},
        {REQUEST_POST, "newip=auto", "hostname=x", "secret"},
        {REQUEST_POST, "secret=x", "mode=set", "query"},
        {REQUEST_POST, "", "mode=get", "query"},
        {REQUEST_POST, "", "", "query"},
        {REQUEST_POST, "", "{", "json"},
        {REQUEST_POST, "mode=get&secret=x", " \t\r\n{}", "json"},
        {REQUEST_POST, "", "[{}]", "query"},
        {REQUEST_POST, "", "x{", "query"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *dialect = dialect_of(rows[i].method, "/", rows[i].query, rows[i].body);
        if (strcmp(dialect, rows[i].dialect) != 0) {
            fail_msg("row %zu, \"%s\", \"%s\": %s, wanted %s", i, rows[i].query, rows[i].body, dialect,
                     rows[i].dialect);
        }
    }
}

static void test_rows(void **state)
{
    size_t count = 0;

    (void)state;
    for (const struct route *route = routes; route->path; route++, count++) {
        assert_int_equal(route->path[0], '/');
        assert_non_null(route->dialect);
        assert_non_null(route->handle);
    }
    assert_true(count >= 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_what_is_asked_at_the_root),
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
