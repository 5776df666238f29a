#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/decisions_limit.h"
#include "base/secret.h"

static const struct decisions_limits limits = {.per_host = 3, .per_source = 4, .in_all = 12, .unchanged_in_all = 2};

struct told {
    size_t count;
    char text[1024];
};

static void tell(const struct decisions_left_out *left_out, void *userdata)
{
    struct told *told = userdata;
    char source[ADDRESS_TEXT_SIZE] = "-";
    const size_t used = strlen(told->text);

    if (left_out->source && left_out->source->family != ADDRESS_NONE) {
        address_print(left_out->source, source);
    }
    (void)snprintf(told->text + used, sizeof(told->text) - used, "%s %s %u;", left_out->host ? left_out->host : "-",
                   source, (unsigned)left_out->count);
    told->count++;
}

static struct kept_decision from(const char *source, const char *host, bool is_refused)
{
    struct kept_decision decision = {.host = host, .is_ours = true, .is_refused = is_refused};

    assert_int_equal(address_parse(source, strlen(source), &decision.source), 0);
    return decision;
}

static size_t take(struct decisions_limit *limit, const struct kept_decision *decision, size_t times)
{
    size_t taken = 0;

    for (size_t i = 0; i < times; i++) {
        taken += decisions_limit_take(limit, decision, 1000) ? 1 : 0;
    }
    return taken;
}

static void a_host_has_its_share(void **state)
{
    (void)state;
    struct decisions_limit *limit = decisions_limit_new(&limits);
    struct told told = {0};
    const struct kept_decision one = from("192.0.2.1", "a.example.com.", false);
    const struct kept_decision other = from("192.0.2.1", "b.example.com.", false);

    assert_int_equal(take(limit, &one, 10), 3);
    assert_int_equal(take(limit, &other, 2), 2);
    decisions_limit_tick(limit, 1000 + DECISIONS_MINUTE_MS - 1, tell, &told);
    assert_int_equal(told.count, 0);
    decisions_limit_tick(limit, 1000 + DECISIONS_MINUTE_MS, tell, &told);
    assert_string_equal(told.text, "a.example.com. 192.0.2.1 7;");
    assert_int_equal(take(limit, &one, 10), 3);
    decisions_limit_free(limit);
}

/* Whoever guesses at a host's secret takes nothing from its own router. */
static void the_refused_have_a_share_of_their_own(void **state)
{
    (void)state;
    struct decisions_limit *limit = decisions_limit_new(&limits);
    const struct kept_decision stranger = from("192.0.2.1", "a.example.com.", true);
    const struct kept_decision router = from("192.0.2.2", "a.example.com.", false);

    assert_int_equal(take(limit, &stranger, 10), 3);
    assert_int_equal(take(limit, &router, 10), 3);
    decisions_limit_free(limit);
}

static void a_source_has_its_share_over_all_names(void **state)
{
    (void)state;
    struct decisions_limit *limit = decisions_limit_new(&limits);
    struct told told = {0};
    size_t taken = 0;

    for (unsigned i = 0; i < 10; i++) {
        char host[32];
        (void)snprintf(host, sizeof(host), "%u.example.com.", i);
        struct kept_decision decision = from("2001:db8::1", host, true);
        decision.is_ours = false;
        decision.source.bytes[15] = (uint8_t)i; /* the same /64 */
        taken += take(limit, &decision, 1);
    }
    assert_int_equal(taken, 4);
    decisions_limit_tick(limit, 100000, tell, &told);
    assert_string_equal(told.text, "- 2001:db8::9 6;");
    decisions_limit_free(limit);
}

static void there_is_a_limit_in_all(void **state)
{
    (void)state;
    struct decisions_limit *limit = decisions_limit_new(&limits);
    struct told told = {0};
    size_t taken = 0;

    for (unsigned i = 0; i < 1000; i++) {
        char host[32];
        char source[32];
        (void)snprintf(host, sizeof(host), "%u.example.com.", i);
        (void)snprintf(source, sizeof(source), "192.0.%u.%u", i / 250, i % 250 + 1);
        const struct kept_decision decision = from(source, host, i % 2 == 0);
        taken += take(limit, &decision, 1);
    }
    assert_int_equal(taken, limits.in_all);
    decisions_limit_tick(limit, 100000, tell, &told);
    assert_string_equal(told.text, "- - 988;");
    decisions_limit_free(limit);
}

/* Most requests change nothing: they must not push out what did. */
static void what_changed_nothing_is_rationed(void **state)
{
    (void)state;
    struct decisions_limit *limit = decisions_limit_new(&limits);
    struct kept_decision decisions[3];

    decisions[0] = from("192.0.2.1", "a.example.com.", false);
    decisions[1] = from("192.0.2.1", "b.example.com.", false);
    decisions[2] = from("192.0.2.1", "c.example.com.", false);
    for (size_t i = 0; i < 3; i++) {
        decisions[i].is_unchanged = true;
    }
    decisions[2].is_in_overlap = true;
    assert_int_equal(take(limit, &decisions[0], 1), 1);
    assert_int_equal(take(limit, &decisions[1], 3), 1);
    assert_int_equal(take(limit, &decisions[2], 3), 3); /* which secret it uses is worth knowing */
    decisions[1].is_unchanged = false;
    assert_int_equal(take(limit, &decisions[1], 1), 1);
    decisions_limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_has_its_share),
        cmocka_unit_test(the_refused_have_a_share_of_their_own),
        cmocka_unit_test(a_source_has_its_share_over_all_names),
        cmocka_unit_test(there_is_a_limit_in_all),
        cmocka_unit_test(what_changed_nothing_is_rationed),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("decisions_limit", tests, NULL, NULL);
}
