/* How a batch is put together, and how one that was refused is taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/batch.h"

#define MANY 1500

struct fixture {
    struct provider_ops ops;
    struct batch batch;
    struct change_list ready;
    struct change *changes; /* MANY */
    bool is_bad[MANY];
    unsigned ended[MANY];
    unsigned calls;
    unsigned refusals_begun;
};

/* So many changes are ready, each for 192.0.2.1. */
static void begin(struct fixture *fixture, const struct provider_ops *ops, size_t count)
{
    *fixture = (struct fixture){.ops = *ops, .changes = calloc(MANY, sizeof(struct change))};
    assert_non_null(fixture->changes);
    for (size_t i = 0; i < count; i++) {
        fixture->changes[i].request.value.address = (struct address){ADDRESS_IPV4, {192, 0, 2, 1}};
        change_move(&fixture->changes[i], STEP_READY, &fixture->ready);
    }
    assert_int_equal(batch_init(&fixture->batch, &fixture->ops), 0);
    assert_true(batch_is_empty(&fixture->batch));
}

static void end(struct fixture *fixture)
{
    batch_done(&fixture->batch);
    free(fixture->changes);
}

static size_t index_of(const struct fixture *fixture, const struct change *change)
{
    return (size_t)(change - fixture->changes);
}

static void test_limits(void **state)
{
    static const struct {
        struct provider_ops ops;
        size_t ready;
        size_t count;
    } rows[] = {
        {{.changes_max = 500}, 3, 3},
        {{.changes_max = 500}, 500, 500},
        {{.changes_max = 500}, 501, 500},
        {{.changes_max = 1}, 5, 1},
        {{.changes_max = 0}, MANY, 1000},
        {{.changes_max = 5000}, MANY, 1000},
        /* Each has nine characters. */
        {{.changes_max = 500, .value_characters_max = 27}, 5, 3},
        {{.changes_max = 500, .value_characters_max = 26}, 5, 2},
        {{.changes_max = 500, .value_characters_max = 27, .value_characters_factor = 2}, 5, 1},
        {{.changes_max = 500, .value_characters_max = 36, .value_characters_factor = 2}, 5, 2},
        {{.changes_max = 500, .value_characters_max = 5}, 5, 1}, /* one at least: it is for the provider to refuse */
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct fixture fixture;
        begin(&fixture, &rows[i].ops, rows[i].ready);
        batch_fill(&fixture.batch, &fixture.ready);
        const size_t count = batch_next(&fixture.batch);
        if (count != rows[i].count) {
            fail_msg("row %zu: %zu changes", i, count);
        }
        assert_int_equal(fixture.ready.count, rows[i].ready - count);
        for (size_t k = 0; k < count; k++) { /* oldest first */
            assert_ptr_equal(batch_change(&fixture.batch, k), &fixture.changes[k]);
            assert_ptr_equal(fixture.batch.requests[k], &fixture.changes[k].request);
            assert_int_equal(fixture.changes[k].step, STEP_SENT);
        }
        batch_accepted(&fixture.batch);
        assert_true(batch_is_empty(&fixture.batch));
        end(&fixture);
    }
}

/* A text counts as it is spelt; what a withdrawal names is what DNS holds. */
static void test_characters_of_texts_and_withdrawals(void **state)
{
    static const struct {
        const char *value;
        const char *was;
        size_t characters;
    } rows[] = {
        {"192.0.2.1", "2001:db8::1", 9},
        {"2001:db8::1", "", 11},
        {"", "2001:db8::1", 11},
        {"\"token\"", "", 7},
        {"\"a\"\n\"b\" \"c\"", "\"d\"", 11},
        {"\"\\010\"", "", 6},
        {"", "\"token\"\n\"other\"", 15},
        {"", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct fixture fixture;
        /* The first one takes 9 of the characters; the second one fits in exactly this many, not in one less. */
        for (size_t less = 0; less < 2 && less <= rows[i].characters; less++) {
            const struct provider_ops ops = {.changes_max = 500, .value_characters_max = 9 + rows[i].characters - less};
            begin(&fixture, &ops, 2);
            struct change_request *request = &fixture.changes[1].request;
            assert_int_equal(rdata_parse(rows[i].value, strlen(rows[i].value), &request->value), 0);
            assert_int_equal(rdata_parse(rows[i].was, strlen(rows[i].was), &request->was), 0);
            batch_fill(&fixture.batch, &fixture.ready);
            if (batch_next(&fixture.batch) != 2 - less) {
                fail_msg("row %zu, %zu less", i, less);
            }
            rdata_drop(&request->value);
            rdata_drop(&request->was);
            end(&fixture);
        }
    }
}

/* What a provider would do: refuses a segment with a bad change, and names the first one where it is to. */
static void run(struct fixture *fixture, bool names_culprit)
{
    while (!batch_is_empty(&fixture->batch)) {
        const size_t count = batch_next(&fixture->batch);
        size_t culprit = 0;

        assert_true(count > 0);
        fixture->calls++;
        while (culprit < count && !fixture->is_bad[index_of(fixture, batch_change(&fixture->batch, culprit))]) {
            culprit++;
        }
        if (culprit == count) {
            for (size_t i = 0; i < count; i++) {
                fixture->ended[index_of(fixture, batch_change(&fixture->batch, i))]++;
            }
            batch_accepted(&fixture->batch);
            continue;
        }
        bool begun = false;
        const bool is_alone = batch_refused(&fixture->batch, names_culprit ? culprit : PROVIDER_NO_CULPRIT, &begun);
        assert_int_equal(is_alone, count == 1);
        fixture->refusals_begun += begun;
        if (is_alone) {
            const size_t index = index_of(fixture, batch_change(&fixture->batch, 0));
            assert_true(fixture->is_bad[index]);
            fixture->ended[index]++;
        }
    }
}

static void test_refusals(void **state)
{
    static const struct {
        size_t count;
        size_t bad[5]; /* and one: 0 ends */
        unsigned calls_max;
        unsigned calls_max_named;
    } rows[] = {
        {1, {0}, 1, 1},
        {1, {1}, 1, 1},
        {2, {1}, 3, 3},
        {2, {2}, 3, 3},
        {2, {1, 2}, 3, 3},
        {3, {1}, 4, 3},
        {3, {2}, 5, 3},
        {3, {3}, 4, 3},
        {500, {0}, 1, 1},
        {500, {1}, 19, 3},
        {500, {250}, 19, 3},
        {500, {500}, 19, 3},
        {500, {1, 500}, 37, 5},
        {500, {250, 251}, 37, 5},
        {500, {7, 100, 101, 350}, 73, 9},
        {1000, {1, 2, 3, 4, 1000}, 101, 11},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (unsigned is_named = 0; is_named < 2; is_named++) {
            static const struct provider_ops ops = {.changes_max = 1000};
            struct fixture fixture;
            begin(&fixture, &ops, rows[i].count);
            for (size_t k = 0; k < ELEMENTS(rows[i].bad) && rows[i].bad[k] > 0; k++) {
                fixture.is_bad[rows[i].bad[k] - 1] = true;
            }
            batch_fill(&fixture.batch, &fixture.ready);
            run(&fixture, is_named);
            for (size_t k = 0; k < rows[i].count; k++) {
                assert_int_equal(fixture.ended[k], 1);
            }
            if (fixture.calls > (is_named ? rows[i].calls_max_named : rows[i].calls_max)) {
                fail_msg("row %zu, named %u: %u calls", i, is_named, fixture.calls);
            }
            assert_int_equal(fixture.refusals_begun, rows[i].count > 1 && rows[i].bad[0] > 0);
            end(&fixture);
        }
    }
}

/* A failure that may pass: a whole batch gives its changes back, a part goes again. */
static void test_failures(void **state)
{
    static const struct provider_ops ops = {.changes_max = 8};
    struct fixture fixture;
    bool begun = false;

    (void)state;
    begin(&fixture, &ops, 8);
    batch_fill(&fixture.batch, &fixture.ready);
    assert_int_equal(batch_next(&fixture.batch), 8);
    assert_false(batch_failed(&fixture.batch));
    assert_true(batch_is_empty(&fixture.batch));
    for (size_t i = 0; i < 8; i++) {
        change_move(batch_change(&fixture.batch, i), STEP_READY, &fixture.ready);
    }

    batch_fill(&fixture.batch, &fixture.ready);
    assert_int_equal(batch_next(&fixture.batch), 8);
    fixture.is_bad[6] = true;
    assert_false(batch_refused(&fixture.batch, PROVIDER_NO_CULPRIT, &begun));
    assert_true(begun);
    assert_int_equal(batch_next(&fixture.batch), 4);
    assert_true(batch_failed(&fixture.batch));
    assert_int_equal(batch_next(&fixture.batch), 4); /* the same */
    assert_ptr_equal(batch_change(&fixture.batch, 0), &fixture.changes[0]);
    assert_true(batch_failed(&fixture.batch));
    run(&fixture, false);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(fixture.ended[i], 1);
    }
    assert_int_equal(fixture.refusals_begun, 0); /* that was before */

    /* The next batch is whole again. */
    change_move(&fixture.changes[0], STEP_READY, &fixture.ready);
    batch_fill(&fixture.batch, &fixture.ready);
    assert_int_equal(batch_next(&fixture.batch), 1);
    assert_false(batch_failed(&fixture.batch));
    end(&fixture);
}

/* The zone is gone, or the queue stops: each change that waits for a call comes out once. */
static void test_popping(void **state)
{
    static const struct provider_ops ops = {.changes_max = 9};
    struct fixture fixture;
    struct change *change;
    bool begun = false;

    (void)state;
    begin(&fixture, &ops, 9);
    assert_null(batch_pop(&fixture.batch));
    batch_fill(&fixture.batch, &fixture.ready);
    assert_int_equal(batch_next(&fixture.batch), 9);
    assert_false(batch_refused(&fixture.batch, 4, &begun));
    assert_int_equal(batch_next(&fixture.batch), 8);
    assert_false(batch_refused(&fixture.batch, PROVIDER_NO_CULPRIT, &begun));
    assert_false(begun);
    assert_int_equal(batch_next(&fixture.batch), 4);
    for (size_t i = 0; i < 4; i++) { /* accepted */
        fixture.ended[index_of(&fixture, batch_change(&fixture.batch, i))]++;
    }
    batch_accepted(&fixture.batch);
    while ((change = batch_pop(&fixture.batch))) {
        fixture.ended[index_of(&fixture, change)]++;
    }
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(fixture.ended[i], 1);
    }
    assert_true(batch_is_empty(&fixture.batch));
    assert_false(fixture.batch.is_bisecting);
    end(&fixture);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_characters_of_texts_and_withdrawals),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_popping),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
