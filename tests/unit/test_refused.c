/* One line for each request that is not served as asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "log_lines.h"
#include "web/refused.h"

struct world {
    struct clock clock;
    struct service service;
    struct buffer log;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    clock_init_test(&world->clock, 1000000, 1700000000000);
    world->service = (struct service){.clock = &world->clock};
    log_set_sink(log_lines_keep, &world->log);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    log_set_sink(NULL, NULL);
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

static void test_lines(void **state)
{
    struct world *world = *state;
    struct request request = request_of(world);

    refused_log(&request, "query", 404, "not_found");
    assert_true(request.decision.is_written);
    assert_string_equal(buffer_text(&world->log),
                        "event=refused dialect=query source=198.18.7.9 status=404 result=not_found\n");

    buffer_clear(&world->log);
    request.source.family = ADDRESS_NONE;
    request.decision.message = "the mode is unknown; send mode=get";
    refused_log(&request, "query", 400, "bad_request");
    assert_string_equal(buffer_text(&world->log),
                        "event=refused dialect=query source=local status=400 result=bad_request "
                        "message=\"the mode is unknown\"\n");
}

static void test_what_is_noted(void **state)
{
    struct world *world = *state;
    struct request request = request_of(world);

    (void)strcpy(request.decision.host, "home.example.com.");
    request.decision.reason = "wrong_secret";
    refused_write(&request, LOG_LEVEL_NOTICE, "auth_failure", "query", NULL, NULL);
    assert_string_equal(
        buffer_text(&world->log),
        "event=auth_failure dialect=query source=198.18.7.9 host=home.example.com. reason=wrong_secret\n");
    assert_false(request.decision.is_written); /* who calls this one says so itself */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_noted, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("refused", tests, NULL, NULL);
}
