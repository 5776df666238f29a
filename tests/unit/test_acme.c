#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/problems.h"
#include "config/acme.h"

#define BASE "state_dir: /s\nzones: [{name: example.com}]\n"

static struct settings *load(const char *text, size_t warnings)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("d.yaml");
    struct settings *settings = NULL;
    int r = settings_load_text(text, strlen(text), "/etc/d.yaml", problems, &settings);

    if (problems_count(problems) > 0) {
        fail_msg("%s", problems_text(problems, 0));
    }
    assert_int_equal(r, 0);
    assert_int_equal(problems_warning_count(problems), warnings);
    return settings;
}

static void when_it_is_on(void **state)
{
    static const struct {
        const char *text;
        bool is_on;
        size_t warnings;
    } rows[] = {
        {BASE, false, 0},
        {BASE "server: {acme: {email: a@b.c}, public_url: \"https://example.com\"}\n", true, 0},
        {BASE "server: {acme: {email: a@b.c}, certificate: c, private_key: k}\n", false, 1},
        {BASE "server: {acme: {email: a@b.c}, tls: false, listen: [\"127.0.0.1:1\"]}\n", false, 1},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(settings_unrefp) struct settings *settings = load(rows[i].text, rows[i].warnings);
        assert_int_equal(acme_is_on(settings), rows[i].is_on);
    }
}

/* public_url, names; the names that follow, and the files. */
static void names_and_files(void **state)
{
    static const struct {
        const char *url;
        const char *names;
        const char *expected;
        const char *certificate;
    } rows[] = {
        {"https://ddns.example.com:8443/x", "[]", "ddns.example.com. ", "/s/acme/ca.test/ddns.example.com/cert.pem"},
        {"https://ddns.example.com", "[\"*.example.com\", DDNS.example.com.]", "ddns.example.com. *.example.com. ",
         "/s/acme/ca.test/ddns.example.com/cert.pem"},
        {"https://[2001:db8::1]:443", "[\"*.example.com\", example.com]", "*.example.com. example.com. ",
         "/s/acme/ca.test/example.com/cert.pem"},
        {"https://192.0.2.1", "[a.example.com]", "a.example.com. ", "/s/acme/ca.test/a.example.com/cert.pem"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        _cleanup_buffer_ struct buffer names = BUFFER_INIT;
        struct acme_wanted wanted;

        buffer_printf(&text,
                      BASE
                      "server: {public_url: \"%s\", acme: {email: a@b.c, directory: \"https://ca.test:1/d\", names: "
                      "%s}}\n",
                      rows[i].url, rows[i].names);
        _cleanup_(settings_unrefp) struct settings *settings = load(buffer_text(&text), 0);
        assert_int_equal(acme_wanted_read(settings, &wanted), 0);
        for (size_t j = 0; j < wanted.count; j++) {
            buffer_printf(&names, "%s ", wanted.names[j].text);
        }
        assert_string_equal(buffer_text(&names), rows[i].expected);
        assert_string_equal(wanted.folder, "/s/acme/ca.test");
        assert_string_equal(wanted.certificate, rows[i].certificate);
        assert_int_equal(strncmp(wanted.private_key, "/s/acme/ca.test/private/", 24), 0);
        acme_wanted_done(&wanted);
    }
}

static void where_the_challenge_stands(void **state)
{
    struct name name;
    struct name challenge;

    (void)state;
    assert_int_equal(name_parse("*.a.test", 8, &name, NULL), 0);
    assert_int_equal(acme_challenge_name(&name, &challenge), 0);
    assert_string_equal(challenge.text, "_acme-challenge.a.test.");
    assert_int_equal(name_parse("a.test", 6, &name, NULL), 0);
    assert_int_equal(acme_challenge_name(&name, &challenge), 0);
    assert_string_equal(challenge.text, "_acme-challenge.a.test.");
    memset(name.text, 'a', sizeof(name.text));
    for (size_t i = 50; i < 250; i += 50) {
        name.text[i] = '.';
    }
    (void)strcpy(name.text + 249, ".");
    assert_int_equal(acme_challenge_name(&name, &challenge), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_it_is_on),
        cmocka_unit_test(names_and_files),
        cmocka_unit_test(where_the_challenge_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
