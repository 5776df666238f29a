/* Which hostname the log shows, and one line for each login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/decision.h"
#include "api/ratelimit.h"
#include "api/service.h"
#include "base/clock.h"
#include "log_lines.h"

static const char settings_text[] = "zones:\n"
                                    "  - {name: example.com., provider: zonefile}\n"
                                    "  - {name: lan., provider: zonefile}\n";

static const char hosts_text[] =
    "hosts:\n"
    "  - {hostname: home.example.com., record_type: A, shared_secret: a-secret-of-the-home-host}\n"
    "  - {hostname: dotted.example.com., record_type: A, shared_secret: a.secret.like.a.domain.com}\n"
    "  - {hostname: final.example.com., record_type: A, shared_secret: a.secret.with.a.final.dot.com.}\n"
    "  - {hostname: upper.example.com., record_type: A, shared_secret: A.Secret.In.Capitals.COM,\n"
    "     previous_secret: the.previous.secret.com, previous_secret_until: 2099-12-31}\n";

struct world {
    struct settings *settings;
    struct hosts *hosts;
    struct clock clock;
    struct api api;
    struct service service;
    struct buffer log;
};

static int set_up(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("test.yaml");
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_int_equal(crypto_init(), 0);
    assert_int_equal(settings_load_text(settings_text, strlen(settings_text), "/d.yaml", problems, &world->settings),
                     0);
    assert_int_equal(
        hosts_load_text(hosts_text, strlen(hosts_text), "/h.yaml", world->settings, problems, &world->hosts), 0);
    clock_init_test(&world->clock, 1000000, 1700000000000);
    world->api = (struct api){.failures = ratelimit_new(2, 16)};
    world->service = (struct service){.current = current_new(world->settings, world->hosts),
                                      .handlers = &world->api,
                                      .clock = &world->clock};
    log_set_sink(log_lines_keep, &world->log);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    log_set_sink(NULL, NULL);
    ratelimit_free(world->api.failures);
    current_free(world->service.current);
    hosts_unref(world->hosts);
    settings_unref(world->settings);
    buffer_done(&world->log);
    free(world);
    return 0;
}

static struct request request_of(const struct world *world)
{
    struct request request = {.service = &world->service};

    assert_int_equal(address_parse("198.18.7.9", 10, &request.source), 0);
    return request;
}

static void note(struct request *request, const struct world *world, const char *sent)
{
    struct name name;

    if (name_parse(sent, strlen(sent), &name, NULL) < 0) {
        name.text[0] = '\0';
    }
    decision_note_host(request, world->hosts, sent, strlen(sent), &name);
}

static void test_which_hostname_is_shown(void **state)
{
    static const struct {
        const char *sent;
        const char *shown;
    } rows[] = {
        {"home.example.com", "home.example.com."},
        {"Hmoe.Example.COM.", "hmoe.example.com."},
        {"home.exmaple.com", "home.exmaple.com."},
        {"*.example.com", "*.example.com."},
        {"printer.lan", "printer.lan."},
        {"com", "withheld"},
        {"lan", "withheld"}, /* one label may be anything */
        {"home.example.org", "withheld"},
        {"home.example.com.org", "withheld"},
        {"", "withheld"},
        {".", "withheld"},
        {"not a name.com", "withheld"},
        {"home.example.com\nevent=x", "withheld"},
        {"q7Xk2m9pLd4vT8sW1zR5", "withheld"},
        {"a-secret-of-the-home-host", "withheld"},
        {"a.secret.like.a.domain.com", "withheld"},
        {"a.secret.like.a.domain.com.", "withheld"},
        {"A.secret.like.a.domain.com", "withheld"},
        {"a.secret.with.a.final.dot.com", "withheld"},
        {"A.Secret.In.Capitals.COM", "withheld"},
        {"the.previous.secret.com", "withheld"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct request request = request_of(world);
        note(&request, world, rows[i].sent);
        if (strcmp(request.decision.host, rows[i].shown) != 0) {
            fail_msg("\"%s\": %s, not %s", rows[i].sent, request.decision.host, rows[i].shown);
        }
    }
}

static void test_failed_logins(void **state)
{
    struct world *world = *state;
    struct request request = request_of(world);
    const int64_t now_ms = clock_monotonic_ms(&world->clock);

    note(&request, world, "hmoe.example.com");
    decision_failed_login(&request, "dyndns2", AUTH_UNKNOWN_HOST);
    assert_true(request.decision.is_written);
    assert_string_equal(buffer_text(&world->log),
                        "event=auth_failure dialect=dyndns2 source=198.18.7.9 host=hmoe.example.com. "
                        "reason=unknown_host\n");
    assert_true(ratelimit_allows(world->api.failures, &request.source, now_ms, NULL));
    decision_failed_login(&request, "dyndns2", AUTH_UNKNOWN_HOST);
    decision_failed_login(&request, "dyndns2", AUTH_UNKNOWN_HOST);
    assert_false(ratelimit_allows(world->api.failures, &request.source, now_ms, NULL));
}

static void test_logins(void **state)
{
    struct world *world = *state;
    struct request request = request_of(world);
    const struct host *host = hosts_find(world->hosts, "home.example.com.");

    decision_login(&request, "query", host, AUTH_BY_CURRENT_SECRET);
    assert_string_equal(buffer_text(&world->log), "");
    assert_string_equal(request.decision.secret, "current");
    decision_login(&request, "query", host, AUTH_BY_PREVIOUS_SECRET);
    assert_string_equal(request.decision.secret, "previous");
    assert_string_equal(buffer_text(&world->log),
                        "event=previous_secret dialect=query source=198.18.7.9 host=home.example.com.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_which_hostname_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_logins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logins, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
