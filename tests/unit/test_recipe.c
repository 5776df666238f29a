#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/device.h"
#include "ctl/recipe.h"

#define A (1U << RECORD_A)
#define AAAA (1U << RECORD_AAAA)

static struct host_more home_more;
static struct host home = {.hostname = "home.example.com.", .more = &home_more};

static struct recipe_values values_of(const char *secret, unsigned types, unsigned scheme)
{
    return (struct recipe_values){"https://d.example:8443", "d.example:8443", &home, secret, types, scheme};
}

static void expect(const char *recipe, unsigned types, unsigned scheme, const char *written)
{
    const struct recipe_values values = values_of("s", types, scheme);
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    int r = recipe_write(recipe, &values, &buffer);

    if (r != (written ? 0 : -EINVAL) || (written && strcmp(buffer_text(&buffer), written) != 0)) {
        fail_msg("%s: %d %s", recipe, r, buffer_text(&buffer));
    }
}

static void test_words(void **state)
{
    (void)state;
    expect("", A, AUTH_HASH, "");
    expect("{url} {server} {name} {fqdn} {secret}", A, AUTH_HASH,
           "https://d.example:8443 d.example:8443 home.example.com home.example.com. s");
    /* Braces of other languages. */
    expect("custom x {\n}\nf() { echo; } {}", A, AUTH_HASH, "custom x {\n}\nf() { echo; } {}");
    expect("{nothing}", A, AUTH_HASH, NULL);
    expect("{secret|rot13}", A, AUTH_HASH, NULL);
}

static void test_conditions(void **state)
{
    static const char families[] = "{?A}4{:}-{/}{?AAAA}6{/}{?both}!{/}";

    (void)state;
    expect(families, A, AUTH_HASH, "4");
    expect(families, AAAA, AUTH_HASH, "-6");
    expect(families, A | AAAA, AUTH_HASH, "46!");
    expect("{?basic}b{:}{?secret}s{:}{?signed}i{:}h{/}{/}{/}.", A, AUTH_BASIC, "b.");
    expect("{?basic}b{:}{?secret}s{:}{?signed}i{:}h{/}{/}{/}.", A, AUTH_SECRET, "s.");
    expect("{?basic}b{:}{?secret}s{:}{?signed}i{:}h{/}{/}{/}.", A, AUTH_SIGNED, "i.");
    expect("{?basic}b{:}{?secret}s{:}{?signed}i{:}h{/}{/}{/}.", A, AUTH_HASH, "h.");
    /* What is not shown is read all the same. */
    expect("{?AAAA}{?A}x{/}{nothing}{/}", A, AUTH_HASH, NULL);
    expect("{?AAAA}{?A}x{:}y{/}z{/}", A, AUTH_HASH, "");
    expect("{?A}", A, AUTH_HASH, NULL);
    expect("{/}", A, AUTH_HASH, NULL);
    expect("{:}", A, AUTH_HASH, NULL);
    expect("{?C}{/}", A, AUTH_HASH, NULL);
    expect("{?A}{?A}{?A}{?A}{?A}{/}{/}{/}{/}{/}", A, AUTH_HASH, NULL);
    home_more.follower_count = 1;
    expect("{?followers}f{/}", A, AUTH_HASH, "f");
    home_more.follower_count = 0;
    expect("{?followers}f{/}", A, AUTH_HASH, "");
}

static void test_forms(void **state)
{
    static const char secret[] = "a'b\"c$d\\e?f g%&\xc3\xbc";
    static const struct {
        const char *recipe;
        const char *written;
    } rows[] = {
        {"{secret}", "a'b\"c$d\\e?f g%&\xc3\xbc"},
        {"{secret|url}", "a%27b%22c%24d%5Ce%3Ff%20g%25%26%C3%BC"},
        {"{secret|sh}", "'a'\\''b\"c$d\\e?f g%&\xc3\xbc'"},
        {"{secret|ps}", "'a''b\"c$d\\e?f g%&\xc3\xbc'"},
        {"{secret|ros}", "a'b\\\"c\\$d\\\\e\\3Ff g%&\xc3\xbc"},
        {"{secret|conf}", "a'b\\\"c$d\\\\e?f g%&\xc3\xbc"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct recipe_values values = values_of(secret, A, AUTH_BASIC);
        _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
        assert_int_equal(recipe_write(rows[i].recipe, &values, &buffer), 0);
        assert_string_equal(buffer_text(&buffer), rows[i].written);
    }
}

/* Every recipe, for each kind of host that can have it. */
static void test_every_device(void **state)
{
    static const unsigned types[] = {A, AAAA, A | AAAA};
    const struct device *device;
    size_t i;

    (void)state;
    for (i = 0; (device = device_at(i)); i++) {
        assert_ptr_equal(device_find(device->name), device);
        assert_string_equal(device_words[i], device->name);
        for (const unsigned *scheme = device->schemes; *scheme != 0; scheme++) {
            assert_int_equal(device_scheme(device, *scheme), *scheme);
            for (size_t t = 0; t < ELEMENTS(types); t++) {
                const struct recipe_values values = values_of("the-secret", types[t], *scheme);
                _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
                assert_int_equal(recipe_write(device->recipe, &values, &buffer), 0);
                assert_true(buffer.length > 0 && buffer.data[buffer.length - 1] == '\n');
                if (device->qr) {
                    assert_int_equal(recipe_write(device->qr, &values, &buffer), 0);
                }
            }
        }
        assert_int_equal(device_scheme(device, 0), 0);
    }
    assert_null(device_words[i]);
    assert_null(device_find("toaster"));
}

static void test_the_best_scheme(void **state)
{
    const struct device *curl = device_find("curl");
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;

    (void)state;
    assert_int_equal(device_scheme(curl, AUTH_HASH | AUTH_SIGNED | AUTH_SECRET | AUTH_BASIC), AUTH_SIGNED);
    assert_int_equal(device_scheme(curl, AUTH_SECRET | AUTH_BASIC), AUTH_BASIC);
    assert_int_equal(device_scheme(device_find("fritzbox"), AUTH_HASH | AUTH_SIGNED), 0);
    device_print_schemes(curl, &buffer);
    assert_string_equal(buffer_text(&buffer), "[signed, hash, basic, secret]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),        cmocka_unit_test(test_conditions),      cmocka_unit_test(test_forms),
        cmocka_unit_test(test_every_device), cmocka_unit_test(test_the_best_scheme),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
