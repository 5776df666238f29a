#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/verdict.h"
#include "queue/outcome.h"
#include "update/auth.h"

static const char otherwise[] = "the request is not one that is served";

static char *explain(const struct verdict *verdict)
{
    struct buffer buffer = BUFFER_INIT;

    verdict_explain(verdict, &buffer);
    assert_true(buffer.length > 0);
    return buffer_take(&buffer);
}

/* A word that an operator may see has its rule. */
static void every_outcome_has_a_rule(void **state)
{
    (void)state;
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        const struct verdict verdict = {.word = outcome_word((enum outcome)outcome)};
        _cleanup_free_ char *rule = explain(&verdict);
        assert_string_not_equal(rule, otherwise);
    }
}

static void every_failed_login_has_a_rule_of_its_own(void **state)
{
    (void)state;
    _cleanup_free_ char *without = explain(&(struct verdict){.word = "badauth"});

    for (int reason = AUTH_UNKNOWN_HOST; reason <= AUTH_UNREADABLE; reason++) {
        const struct verdict verdict = {.word = "badauth", .reason = auth_reason_word((enum auth_reason)reason)};
        _cleanup_free_ char *rule = explain(&verdict);
        assert_string_not_equal(rule, without);
        assert_int_equal(verdict_color(&verdict), COLOR_BAD);
    }
}

static void the_words_of_dyndns2_have_rules(void **state)
{
    (void)state;
    static const char *const words[] = {"nohost",  "notfqdn", "numhost", "badagent",
                                        "badauth", "dnserr",  "abuse",   "911"};

    for (size_t i = 0; i < ELEMENTS(words) - 3; i++) {
        _cleanup_free_ char *rule = explain(&(struct verdict){.word = words[i]});
        assert_string_not_equal(rule, otherwise);
    }
    _cleanup_free_ char *abuse = explain(&(struct verdict){.word = "abuse", .reason = "too_many_failures"});
    assert_non_null(strstr(abuse, "auth_failures_per_minute"));
}

static void what_others_said_stands_in_front(void **state)
{
    (void)state;
    _cleanup_free_ char *refused = explain(&(struct verdict){.word = "refused", .message = "No \x1b way"});
    _cleanup_free_ char *request = explain(&(struct verdict){.word = "bad_request", .message = "the mode is missing"});
    _cleanup_free_ char *good = explain(&(struct verdict){.word = "good", .message = "old"});
    _cleanup_free_ char *unknown = explain(&(struct verdict){.word = "nonsense"});
    _cleanup_free_ char *none = explain(&(struct verdict){.word = NULL});

    assert_string_equal(refused, "No \\x1b way: the DNS provider refuses the change");
    assert_string_equal(request, "the mode is missing");
    assert_null(strstr(good, "old"));
    assert_string_equal(unknown, otherwise);
    assert_string_equal(none, otherwise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_outcome_has_a_rule),
        cmocka_unit_test(every_failed_login_has_a_rule_of_its_own),
        cmocka_unit_test(the_words_of_dyndns2_have_rules),
        cmocka_unit_test(what_others_said_stands_in_front),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
