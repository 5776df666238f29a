#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/dyndns_credentials.h"
#include "base/buffer.h"

static void expect(const char *authorization, struct dyndns_parameters parameters, int status, const char *user,
                   const char *password, const char *other)
{
    struct dyndns_credentials read = {.user = ""};
    const int r = dyndns_credentials_read(authorization, &parameters, &read);

    assert_int_equal(r, status);
    if (r == 0) {
        assert_string_equal(read.user, user);
        assert_int_equal(read.password_length, strlen(password));
        assert_memory_equal(read.password, password, read.password_length);
        assert_int_equal(read.other_password_length, strlen(other));
        assert_memory_equal(read.other_password, other, read.other_password_length);
    }
}

static void test_header(void **state)
{
    static const struct {
        const char *authorization;
        int status;
        const char *user;
        const char *password;
        const char *other;
    } rows[] = {
        {"Basic aG9tZS5leGFtcGxlOnNlY3JldA==", 0, "home.example", "secret", ""},
        {"bAsIc   aG9tZS5leGFtcGxlOnNlY3JldA==", 0, "home.example", "secret", ""},
        {"Basic OnNlY3JldA==", 0, "", "secret", ""},
        {"Basic YTpiOmM=", 0, "a", "b:c", ""},      /* the first colon divides */
        {"Basic dTrk", 0, "u", "\xe4", "\xc3\xa4"}, /* ISO 8859-1: also tried as UTF-8 */
        {"Basic dTrDpA==", 0, "u", "\xc3\xa4", "\xc3\x83\xc2\xa4"},
        {"Basic dTo=", -EINVAL, "", "", ""},     /* an empty password */
        {"Basic dXNlcg==", -EINVAL, "", "", ""}, /* no colon */
        {"Basic !", -EINVAL, "", "", ""},
        {"Bearer  token", 0, "", "token", ""},
        {"Bearer ", -EINVAL, "", "", ""},
        {"Digest username=x", -ENOENT, "", "", ""},
        {"Basic", -ENOENT, "", "", ""},
        {NULL, -ENOENT, "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        expect(rows[i].authorization, (struct dyndns_parameters){.password = NULL}, rows[i].status, rows[i].user,
               rows[i].password, rows[i].other);
    }
}

static void test_parameters(void **state)
{
    (void)state;
    expect(NULL, (struct dyndns_parameters){"u", "p", NULL}, 0, "u", "p", "");
    expect(NULL, (struct dyndns_parameters){NULL, "p+q", "p q"}, 0, "", "p+q", "p q");
    expect(NULL, (struct dyndns_parameters){"u", "", NULL}, -EINVAL, "", "", "");
    expect(NULL, (struct dyndns_parameters){"u", NULL, NULL}, -ENOENT, "", "", "");
    expect("Bearer token", (struct dyndns_parameters){"u", "p", NULL}, 0, "", "token", ""); /* the header goes first */
    expect("Digest x", (struct dyndns_parameters){"u", "p", NULL}, 0, "u", "p", ""); /* unless it is none of ours */
}

static void test_sizes(void **state)
{
    char password[DYNDNS_PASSWORD_MAX + 2];
    char user[NAME_SIZE + 1];

    (void)state;
    memset(password, 'p', sizeof(password) - 1);
    password[sizeof(password) - 1] = '\0';
    memset(user, 'u', sizeof(user) - 1);
    user[sizeof(user) - 1] = '\0';
    expect(NULL, (struct dyndns_parameters){NULL, password, NULL}, -EINVAL, "", "", "");
    expect(NULL, (struct dyndns_parameters){NULL, password + 1, password}, 0, "", password + 1, "");
    expect(NULL, (struct dyndns_parameters){user, "p", NULL}, 0, "", "p", ""); /* too long for a host: none */
    expect(NULL, (struct dyndns_parameters){user + 2, "p", NULL}, 0, user + 2, "p", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_sizes),
    };

    return cmocka_run_group_tests_name("dyndns_credentials", tests, NULL, NULL);
}
