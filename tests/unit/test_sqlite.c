#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "requests.h"
#include "store/sqlite.h"
#include "store/state_internal.h"
#include "temporary.h"

struct fixture {
    char *folder;
    struct state *state; /* the store's, after setup */
    struct clock clock;
    struct loop *loop;
    struct worker *worker;
    struct store *store;
    struct store_change change;
    struct store_touch touch;
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
    fixture->store = sqlite_store_new(fixture->state, fixture->worker);
    assert_non_null(fixture->store);
    fixture->change = (struct store_change){
        .request = *change("a.example.com.", "192.0.2.1", 60),
        .source = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 2}},
        .dialect = "query",
        .change_id = "",
        .time_s = 1000,
    };
    fixture->touch = (struct store_touch){.record = fixture->change.request.record,
                                          .source = fixture->change.source,
                                          .time_s = 2000};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->store) {
        fixture->store->ops->free(fixture->store);
    }
    worker_free(fixture->worker);
    loop_free(fixture->loop);
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
        fixture->store->ops->commit(fixture->store, &fixture->change, 1, note, fixture);
    }
    (void)snprintf(fixture->error, sizeof(fixture->error), "%s", error); /* still there */
}

static int keep_record(const struct store_record *record, void *userdata)
{
    struct store_record *kept = userdata;

    *kept = *record;
    return 0;
}

static void test_calls(void **state)
{
    struct fixture *fixture = *state;
    struct store_record record = {0};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    fixture->store->ops->commit(fixture->store, &fixture->change, 1, note, fixture);
    fixture->store->ops->commit_touches(fixture->store, &fixture->touch, 1, note, fixture);
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
    assert_int_equal(fixture->store->ops->each_record(fixture->store, keep_record, &record, &message), 0);
    assert_int_equal(message.length, 0);
    assert_true(rdata_equal(&record.value, &fixture->change.request.value));
    assert_int_equal(record.last_checked_s, 2000);
}

static void test_next_call_from_the_answer(void **state)
{
    struct fixture *fixture = *state;

    fixture->begins_again = 2;
    fixture->store->ops->commit(fixture->store, &fixture->change, 1, note, fixture);
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
    fixture->store->ops->commit(fixture->store, &fixture->change, 1, note, fixture);
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_true(fixture->r < 0);
    assert_non_null(strstr(fixture->error, "history"));
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 2);
}

static int refuse_record(const struct store_record *record, void *userdata)
{
    (void)record;
    (void)userdata;
    return 7;
}

static void test_reading(void **state)
{
    struct fixture *fixture = *state;
    const struct store_ops *ops = fixture->store->ops;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    assert_int_equal(state_commit(fixture->state, &fixture->change, 1, NULL, 0), 0);
    assert_int_equal(ops->each_record(fixture->store, refuse_record, NULL, &message), 7);
    assert_int_equal(message.length, 0);
    assert_int_equal(sqlite3_exec(fixture->state->database, "UPDATE record SET address = 'nonsense'", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(ops->each_record(fixture->store, refuse_record, NULL, &message), -EBADMSG);
    assert_non_null(strstr(buffer_text(&message), "a.example.com."));
}

static bool keep_nobody(const char *hostname, enum record_type type, void *userdata)
{
    (void)type;
    assert_string_equal(hostname, "a.example.com.");
    assert_non_null(userdata);
    return false;
}

static void test_forget(void **state)
{
    struct fixture *fixture = *state;
    struct store_record record = {0};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    size_t deleted = 3;

    assert_int_equal(state_commit(fixture->state, &fixture->change, 1, NULL, 0), 0);
    fixture->store->ops->forget(fixture->store, 1001, keep_nobody, fixture, &deleted, note, fixture);
    assert_int_equal(deleted, 3); /* the worker's */
    assert_true(worker_turn(fixture->worker));
    loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->answers, 1);
    assert_int_equal(fixture->r, 0);
    assert_int_equal(deleted, 4);
    assert_int_equal(fixture->store->ops->each_record(fixture->store, keep_record, &record, &message), 0);
    assert_null(record.record.hostname);
}

static void test_freed_with_a_call_under_way(void **state)
{
    struct fixture *fixture = *state;

    fixture->store->ops->commit(fixture->store, &fixture->change, 1, note, fixture);
    fixture->store->ops->commit_touches(fixture->store, &fixture->touch, 1, note, fixture);
    assert_true(worker_turn(fixture->worker));
    fixture->store->ops->free(fixture->store);
    fixture->store = NULL;
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
        cmocka_unit_test_setup_teardown(test_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_with_a_call_under_way, setup, teardown),
    };
    return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
