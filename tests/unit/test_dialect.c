/* What dialects share: parameters by name, addresses as routers spell them, plain text answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/dialect.h"
#include "base/cleanup.h"

/* The headers of every request here. */
static struct {
    const char *content_type;
    const char *content_encoding;
} headers;

static const char *header_of(const struct request *request, const char *name)
{
    (void)request;
    if (strcmp(name, "content-type") == 0) {
        return headers.content_type;
    }
    assert_string_equal(name, "content-encoding");
    return headers.content_encoding;
}

static struct request request_of(enum request_method method, const char *query, const char *body)
{
    return (struct request){
        .method = method, .query = query, .body = body, .body_length = strlen(body), .header = header_of};
}

static void test_names(void **state)
{
    static const struct {
        enum request_method method;
        const char *query;
        const char *body;
        bool there;
    } rows[] = {
        {REQUEST_GET, "newip=1", "", true},
        {REQUEST_GET, "newip=", "", true},
        {REQUEST_GET, "newip", "", true},
        {REQUEST_GET, "a=1&newip=1&b", "", true},
        {REQUEST_GET, "&&newip&&", "", true},
        {REQUEST_GET, "", "", false},
        {REQUEST_GET, "&", "", false},
        {REQUEST_GET, "newi", "", false},
        {REQUEST_GET, "newip6=1", "", false},
        {REQUEST_GET, "anewip=1", "", false},
        {REQUEST_GET, "a=newip", "", false},
        {REQUEST_GET, "NEWIP=1", "", false},
        {REQUEST_GET, "", "newip=1", false},
        {REQUEST_POST, "", "newip=1", true},
        {REQUEST_POST, "a=1", "b=2&newip=1", true},
        {REQUEST_POST, "newip=1", "b=2", true},
        {REQUEST_POST, "a=1", "b=2", false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct request request = request_of(rows[i].method, rows[i].query, rows[i].body);
        if (dialect_names(&request, "newip") != rows[i].there) {
            fail_msg("row %zu: \"%s\", \"%s\"", i, rows[i].query, rows[i].body);
        }
    }
}

/* What stands behind the length of a body is not of it. */
static void test_names_end_with_the_body(void **state)
{
    struct request request = request_of(REQUEST_POST, "", "a=1&newip=1");

    (void)state;
    request.body_length = strlen("a=1&new");
    assert_false(dialect_names(&request, "newip"));
}

static void test_params(void **state)
{
    static const char *const names[] = {"a", "b"};
    const struct request form = request_of(REQUEST_POST, "a=1%202", "b=3+4");
    const struct request get = request_of(REQUEST_GET, "a=1+2", "b=3");
    const struct request twice = request_of(REQUEST_POST, "a=1", "a=1");
    const char *reason = NULL;
    struct params params = {0};

    (void)state;
    assert_int_equal(dialect_params(&form, names, ELEMENTS(names), &params, &reason), 0);
    assert_string_equal(params.values[0], "1 2");
    assert_string_equal(params.values[1], "3 4");
    params_done(&params);
    assert_int_equal(dialect_params(&get, names, ELEMENTS(names), &params, &reason), 0);
    assert_string_equal(params.values[0], "1+2");
    assert_null(params.values[1]); /* the body of a GET is nobody's */
    params_done(&params);
    assert_int_equal(dialect_params(&twice, names, ELEMENTS(names), &params, &reason), -22);
    assert_non_null(reason);
}

static int status_of_body(const char *type, const char *encoding, const char *body)
{
    static const char *const names[] = {"a"};
    const struct request request = request_of(REQUEST_POST, "", body);
    struct params params = {0};
    const char *reason = NULL;

    headers.content_type = type;
    headers.content_encoding = encoding;
    int r = dialect_params(&request, names, ELEMENTS(names), &params, &reason);
    assert_int_equal(r < 0, reason != NULL);
    assert_int_equal(r < 0, params.storage == NULL);
    params_done(&params);
    headers.content_type = NULL;
    headers.content_encoding = NULL;
    return r;
}

static void test_bodies(void **state)
{
    static const struct {
        const char *type;
        const char *encoding;
        const char *body;
        int status;
    } rows[] = {
        {NULL, NULL, "a=1", 0},
        {"application/x-www-form-urlencoded", NULL, "a=1", 0},
        {"Application/X-WWW-Form-Urlencoded", NULL, "a=1", 0},
        {"application/x-www-form-urlencoded; charset=UTF-8", NULL, "a=1", 0},
        {"application/x-www-form-urlencoded ;charset=UTF-8", "identity", "a=1", 0},
        {"application/x-www-form-urlencoded2", NULL, "a=1", -EMEDIUMTYPE},
        {"application/x-www-form-urlencode", NULL, "a=1", -EMEDIUMTYPE},
        {"", NULL, "a=1", -EMEDIUMTYPE},
        {"application/json", NULL, "{\"a\": 1}", -EMEDIUMTYPE},
        {"text/plain", NULL, "a=1", -EMEDIUMTYPE},
        {"multipart/form-data; boundary=a", NULL, "--a\r\n", -EMEDIUMTYPE},
        {"application/x-www-form-urlencoded", "gzip", "a=1", -EMEDIUMTYPE},
        {"application/json", "gzip", "", 0}, /* nothing is of any type */
        {"application/x-www-form-urlencoded", NULL, "{\"a\": 1}", -ENOTSUP},
        {NULL, NULL, "a", 0},
        {NULL, NULL, "b", -ENOTSUP},
        {NULL, NULL, "txt=1", -ENOTSUP},
        {NULL, NULL, "A=1", -ENOTSUP},
        {NULL, NULL, "a=%", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int status = status_of_body(rows[i].type, rows[i].encoding, rows[i].body);
        if (status != rows[i].status) {
            fail_msg("row %zu, %s, \"%s\": %d", i, rows[i].type, rows[i].body, status);
        }
    }
    assert_int_equal(dialect_status_of(-EMEDIUMTYPE), 415);
    assert_int_equal(dialect_status_of(-ENOTSUP), 400);
    assert_int_equal(dialect_status_of(-EINVAL), 400);
    assert_int_equal(dialect_status_of(-ENOMEM), 503);
}

/* Whoever sends a body with GET has parameters in it that the answer would not be about. */
static void test_a_dropped_body(void **state)
{
    static const char *const names[] = {"a"};
    struct request request = request_of(REQUEST_GET, "a=1", "");
    struct params params = {0};
    const char *reason = NULL;

    (void)state;
    request.body_dropped = true;
    assert_int_equal(dialect_params(&request, names, ELEMENTS(names), &params, &reason), -EMEDIUMTYPE);
    assert_non_null(strstr(reason, "POST"));
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *address; /* NULL: refused */
    } rows[] = {
        {"198.18.7.9", "198.18.7.9"},
        {"198.18.7.9/24", "198.18.7.9"},
        {"198.18.7.9/0", "198.18.7.9"},
        {"198.18.7.0", "198.18.7.0"},
        {"198.18.7.0/16", "198.18.7.0"},
        {"198.18.7.8/31", "198.18.7.8"}, /* both addresses are hosts, RFC 3021 */
        {"198.18.7.8/32", "198.18.7.8"},
        {"198.18.7.8/30", NULL}, /* a network */
        {"198.18.7.0/24", NULL},
        {"0.0.0.0/0", "0.0.0.0"}, /* a WAN that is down, which is answered for itself */
        {"169.254.0.0/16", "169.254.0.0"},
        {"2001:db8::/64", NULL},
        {"2001:db8::/126", NULL},
        {"2001:db8::/127", "2001:db8::"}, /* RFC 6164 */
        {"::/0", "::"},
        {"fe80::/64", "fe80::"},
        {"::ffff:198.18.7.9/120", "198.18.7.9"},
        {"::ffff:198.18.7.0/120", NULL},
        {"  198.18.7.9/32  ", "198.18.7.9"},
        {"2001:DB8::1", "2001:db8::1"},
        {"2001:db8::1/64", "2001:db8::1"},
        {"2001:db8::1/128", "2001:db8::1"},
        {"::ffff:198.18.7.9", "198.18.7.9"},
        {"", NULL},
        {"   ", NULL},
        {"/24", NULL},
        {"198.18.7.9/", NULL},
        {"198.18.7.9/33", NULL},
        {"198.18.7.9/-1", NULL},
        {"198.18.7.9/024", NULL},
        {"198.18.7.9/24/24", NULL},
        {"198.18.7.9/x", NULL},
        {"198.18.7.9 /24", NULL},
        {"198.18.7.9/ 24", NULL},
        {"2001:db8::1/129", NULL},
        {"fe80::1%eth0", NULL},
        {"198.18.07.9", NULL},
        {"home", NULL},
        {"\t198.18.7.9", NULL},
    };
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct address address = {.family = ADDRESS_NONE};
        int status = dialect_address(rows[i].text, strlen(rows[i].text), &address);
        if ((status == 0) != (rows[i].address != NULL)) {
            fail_msg("\"%s\": status %d", rows[i].text, status);
        }
        if (status == 0) {
            address_print(&address, text);
            assert_string_equal(text, rows[i].address);
        }
    }
}

/* ---- answers ---- */

static struct answer answered;

static void take_answer(struct request *request, struct answer *answer)
{
    (void)request;
    answered = *answer;
}

static void test_text(void **state)
{
    struct request request = {.answer = take_answer};

    (void)state;
    dialect_answer_text(&request, "secret", 401, "badauth", 7, "Basic realm=\"x\"", "no\n");
    assert_int_equal(answered.status, 401);
    assert_string_equal(answered.content_type, "text/plain; charset=utf-8");
    assert_string_equal(answered.dialect, "secret");
    assert_string_equal(answered.result, "badauth");
    assert_int_equal(answered.retry_after_s, 7);
    assert_string_equal(answered.headers[0].name, "WWW-Authenticate");
    assert_string_equal(answered.headers[0].value, "Basic realm=\"x\"");
    assert_null(answered.headers[1].name);
    assert_string_equal(buffer_text(&answered.body), "no\n");
    buffer_done(&answered.body);

    dialect_answer_text(&request, "secret", 200, "good", 0, NULL, "OK");
    assert_null(answered.headers[0].name);
    assert_string_equal(buffer_text(&answered.body), "OK");
    buffer_done(&answered.body);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_names_end_with_the_body), cmocka_unit_test(test_params),
        cmocka_unit_test(test_bodies), cmocka_unit_test(test_a_dropped_body),          cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests_name("dialect", tests, NULL, NULL);
}
