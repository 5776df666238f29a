/* When a certificate is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "acme/schedule.h"
#include "base/cleanup.h"

#define DAY ((int64_t)86400)
#define NOW ((int64_t)1800000000)

static uint32_t least(uint32_t upper_bound)
{
    (void)upper_bound;
    return 0;
}

static uint32_t most(uint32_t upper_bound)
{
    return upper_bound - 1;
}

static void when_it_is_due(void **state)
{
    static const struct {
        int64_t begins_s;
        int64_t expires_s;
        uint32_t chance;
        int64_t due_s;
    } rows[] = {
        {0, 0, 0, 0}, /* none is there */
        {NOW, NOW + 90 * DAY, 0, NOW + 60 * DAY},
        {NOW, NOW + 90 * DAY, UINT32_MAX, NOW + 57 * DAY},
        {NOW, NOW + 6 * DAY, 0, NOW + 4 * DAY}, /* short-lived ones too */
        {NOW, NOW + 30, 0, NOW + 20},
        {NOW, NOW + 30, UINT32_MAX, NOW + 19},
        {NOW, NOW - 1, 0, 0}, /* nonsense */
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(acme_due_s(rows[i].begins_s, rows[i].expires_s, rows[i].chance), rows[i].due_s);
    }
}

static void the_next_try(void **state)
{
    static const struct {
        struct acme_schedule schedule;
        int64_t due_s;
        int64_t next_s;
    } rows[] = {
        {{.failures = 0}, 0, NOW},
        {{.failures = 0}, NOW + 5, NOW + 5},
        {{.not_before_s = NOW + 600}, 0, NOW + 600},
        {{.not_before_s = NOW + 600}, NOW + 700, NOW + 700},
        {{.not_before_s = NOW - 600}, 0, NOW},
        {{.not_before_s = NOW + 600, .limited_to_s = NOW + 7 * DAY}, 0, NOW + 7 * DAY},
        {{.not_before_s = NOW + 2 * DAY}, 0, NOW}, /* by a clock that was wrong */
        {{.limited_to_s = NOW + 9 * DAY}, 0, NOW},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(acme_next_s(&rows[i].schedule, rows[i].due_s, NOW), rows[i].next_s);
    }
}

/* Ten minutes, doubling, to a day; three quarters of each at least. */
static void waits_get_longer(void **state)
{
    struct acme_schedule soon = {.failures = 0};
    struct acme_schedule late = {.failures = 0};
    int64_t wait_s = 600;

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        acme_failed(&soon, NOW, false, 0, least);
        acme_failed(&late, NOW, false, 0, most);
        assert_in_range(acme_next_s(&soon, 0, NOW) - NOW, wait_s * 3 / 4 - 1, wait_s * 3 / 4 + 1);
        assert_in_range(acme_next_s(&late, 0, NOW) - NOW, wait_s - 1, wait_s);
        wait_s = 2 * wait_s > DAY ? DAY : 2 * wait_s;
    }
    acme_succeeded(&late);
    assert_int_equal(acme_next_s(&late, 0, NOW), NOW);
}

/* However it falls out: never more than five in an hour. */
static void an_hour_has_five_failures_at_most(void **state)
{
    struct acme_schedule schedule = {.failures = 0};
    int64_t at_s = NOW;
    unsigned count = 0;
    int64_t from_s;

    (void)state;
    for (; at_s < NOW + 3600; count++) {
        acme_failed(&schedule, at_s, false, 0, least);
        at_s = acme_next_s(&schedule, 0, at_s);
    }
    assert_true(count <= ACME_FAILURES_AN_HOUR);

    /* An operator is less patient. */
    schedule = (struct acme_schedule){.failures = 0};
    for (count = 0; acme_may_try(&schedule, NOW + count, &from_s); count++) {
        acme_failed(&schedule, NOW + count, false, 0, least);
    }
    assert_int_equal(count, ACME_FAILURES_AN_HOUR);
    assert_int_equal(from_s, NOW + 3600);
    assert_true(acme_may_try(&schedule, NOW + 3600, &from_s));
}

static void the_authority_limits(void **state)
{
    static const struct {
        int64_t retry_s;
        int64_t next_s;
    } rows[] = {
        {NOW + 3 * 3600, NOW + 3 * 3600},
        {NOW + 7 * DAY, NOW + 7 * DAY},
        {0, NOW + DAY}, /* not said */
        {NOW + 99 * DAY, NOW + DAY} /* not believed */,
        {NOW - 5, NOW + DAY},
        {NOW + 1, NOW + 450}, /* our own wait is longer */
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct acme_schedule schedule = {.failures = 0};
        int64_t from_s;
        acme_failed(&schedule, NOW, true, rows[i].retry_s, least);
        assert_int_equal(acme_next_s(&schedule, 0, NOW), rows[i].next_s);
        assert_false(acme_may_try(&schedule, NOW, &from_s));
    }
}

static void it_is_kept_as_a_text(void **state)
{
    static const char *const senseless[] = {"",         "\n\n",  "failures\n", "failures x\nnot_before -5\n",
                                            "\xff\xfe", "failed"};
    struct acme_schedule schedule = {.failures = 0};
    struct acme_schedule again;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        acme_failed(&schedule, NOW + i, i == 5, NOW + 5000, most);
    }
    acme_schedule_print(&schedule, &text);
    acme_schedule_parse(buffer_text(&text), &again);
    assert_memory_equal(&again, &schedule, sizeof(schedule));
    assert_int_equal(again.failures, 7);

    for (size_t i = 0; i < ELEMENTS(senseless); i++) {
        const struct acme_schedule none = {.failures = 0};
        acme_schedule_parse(senseless[i], &again);
        assert_memory_equal(&again, &none, sizeof(none));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_it_is_due),       cmocka_unit_test(the_next_try),
        cmocka_unit_test(waits_get_longer),     cmocka_unit_test(an_hour_has_five_failures_at_most),
        cmocka_unit_test(the_authority_limits), cmocka_unit_test(it_is_kept_as_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
