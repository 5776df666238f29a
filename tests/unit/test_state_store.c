#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "state/state_internal.h"
#include "state/store.h"
#include "temporary.h"

struct fixture {
    char *folder;
    struct state *state;
    struct clock clock;
    struct loop *loop;
    struct worker *worker;
    struct store *store;
    struct state_change change;
    struct state_touch touch;
    unsigned answers;
    unsigned begins_again; /* so many calls, each from the answer to the one before */
    int r;
    char error[256];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    assert_non_null(fixture);
    fixture->folder = temporary_folder_make();
    assert_int_equal(state_open(fixture->folder, &message, &fixture->state), 0);
    clock_init_test(&fixture->clock, 1000, 0);
    fixture->loop = loop_new(&fixture->clock);
    fixture->worker = worker_new(fixture->loop, "store");
    fixture->store = state_store_new(fixture->state, fixture->worker);
    assert_non_null(fixture->store);
    fixture->change = (struct state_change){
        .hostname = "a.example.com.",
        .new_address = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 1}},
        .source = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 2}},
        .ttl_s = 60,
        .dialect = "query",
        .change_id = "",
        .time_s = 1000,
    };
    fixture->touch =
        (struct state_touch){.hostname = "a.example.com.", .source = fixture->change.source, .time_s = 2000};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    state_store_free(fixture->store);
    worker_free(fixture->worker);
    loop_free(fixture->loop);
    state_close(fixture->state);
    temporary_folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void note(int r, const char *error, void *userdata)
{
    struct fixture *fixture = userdata;

    fixture->answers++;
    fixture->r = r;
    if (fixture->begins_again > 0) {
        fixture->begins_again--;
        fixture->store->commit(fixture->store, &fixture->change, 1, note, fixture);
    }
    (void)snprintf(fixture->error, sizeof(fixture->error), "%s", error); /* still there */
}

static int keep_record(const struct state_record *record, void *userdata)
{
    struct state_record *kept = userdata;

    *kept = *record;
    return 0;
}

static void test_calls(void **state)
{
    struct fixture *fixture = *state;
    struct state_record record = {0};

    fixture->store->commit(fixture->store, &fixture->change, 1, note, fixture);
    fixture->store->commit_touches(fixture->store, &fixture->touch, 1, note, fixture);
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 0); /* the worker's, not ours */
    assert_true(worker_turn(fixture->worker));
    assert_int_equal(fixture->answers, 0); /* on the loop */
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 1);
    assert_int_equal(fixture->r, 0);
    assert_string_equal(fixture->error, "");
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 2);
    assert_int_equal(state_each_record(fixture->state, keep_record, &record), 0);
    assert_true(address_equal(&record.address, &fixture->change.new_address));
    assert_int_equal(record.last_checked_s, 2000);
}

static void test_next_call_from_the_answer(void **state)
{
    struct fixture *fixture = *state;

    fixture->begins_again = 2;
    fixture->store->commit(fixture->store, &fixture->change, 1, note, fixture);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(worker_turn(fixture->worker));
        loop_turn(fixture->loop, 0);
        assert_int_equal(fixture->answers, i);
    }
    assert_false(worker_turn(fixture->worker));
}

static void test_failure_in_words(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(sqlite3_exec(fixture->state->database, "DROP TABLE history", NULL, NULL, NULL), SQLITE_OK);
    fixture->begins_again = 1;
    fixture->store->commit(fixture->store, &fixture->change, 1, note, fixture);
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_true(fixture->r < 0);
    assert_non_null(strstr(fixture->error, "history"));
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 2);
}

static void test_freed_with_a_call_under_way(void **state)
{
    struct fixture *fixture = *state;

    fixture->store->commit(fixture->store, &fixture->change, 1, note, fixture);
    fixture->store->commit_touches(fixture->store, &fixture->touch, 1, note, fixture);
    assert_true(worker_turn(fixture->worker));
    state_store_free(TAKE_PTR(fixture->store));
    assert_false(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_call_from_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_with_a_call_under_way, setup, teardown),
    };
    return cmocka_run_group_tests_name("state_store", tests, NULL, NULL);
}
