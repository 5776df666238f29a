/* Which call a zone's reading makes next, and from phase to phase. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/secret.h"
#include "queue/reader.h"

#define PAGE 300

static void test_calls_for_changes(void **state)
{
    static const struct {
        struct reader reader;
        struct reader_wants wants;
        enum reading reading;
    } rows[] = {
        /* The zone has to be found first, once somebody wants something of it. */
        {{.phase = READER_IDLE}, {.has_changes = false}, READ_NOTHING},
        {{.phase = READER_IDLE}, {.has_changes = true}, READ_ZONE},
        {{.is_finding = true}, {.has_changes = true}, READ_NOTHING},
        {{.is_finding = false}, {.looking = 5, .has_changes = true, .has_look_up = true}, READ_ZONE},
        /* Look-ups, as long as they are fewer than the pages. */
        {{.is_found = true}, {.has_changes = true}, READ_NOTHING},
        {{.is_found = true, .record_count = 900}, {3, true, true}, READ_CHANGE},
        {{.is_found = true, .record_count = 901}, {4, true, true}, READ_CHANGE},
        {{.is_found = true, .record_count = 900}, {3, true, false}, READ_NOTHING},
        {{.is_found = true, .record_count = 900, .is_looking_up = true}, {3, true, true}, READ_NOTHING},
        {{.is_found = true, .record_count = 900}, {4, true, true}, READ_PAGE},
        {{.is_found = true, .record_count = 900, .is_listing = true}, {4, true, true}, READ_NOTHING},
        {{.is_found = true, .record_count = 900, .is_looking_up = true}, {4, true, true}, READ_PAGE},
        {{.is_found = true, .record_count = 900, .phase = READER_RECORDS}, {4, true, true}, READ_PAGE},
        /* Of a listing that is under way the pages that are left count. */
        {{.is_found = true, .record_count = 900, .phase = READER_LISTING, .pages_done = 1},
         {2, true, true},
         READ_CHANGE},
        {{.is_found = true, .record_count = 900, .phase = READER_LISTING, .pages_done = 1}, {3, true, true}, READ_PAGE},
        {{.is_found = true, .record_count = 900, .phase = READER_LISTING, .pages_done = 9},
         {1, true, true},
         READ_CHANGE},
        {{.is_found = true, .record_count = 900, .phase = READER_LISTING, .pages_done = 9}, {2, true, true}, READ_PAGE},
        /* A zone that is cheap to list has one page. */
        {{.is_found = true}, {1, true, true}, READ_CHANGE},
        {{.is_found = true}, {2, true, true}, READ_PAGE},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct reader reader = rows[i].reader;
        reader.page_records = PAGE;
        if (reader_for_changes(&reader, &rows[i].wants) != rows[i].reading) {
            fail_msg("row %zu: %d", i, (int)reader_for_changes(&reader, &rows[i].wants));
        }
    }
}

static void test_calls_for_itself(void **state)
{
    static struct record newcomer;
    static const struct {
        struct reader reader;
        enum reading reading;
    } rows[] = {
        {{.phase = READER_IDLE}, READ_NOTHING},
        {{.phase = READER_FINDING}, READ_ZONE},
        {{.phase = READER_FINDING, .is_finding = true}, READ_NOTHING},
        {{.phase = READER_LISTING}, READ_PAGE},
        {{.phase = READER_LISTING, .is_looking_up = true}, READ_PAGE},
        {{.phase = READER_LISTING, .is_listing = true}, READ_NOTHING},
        {{.phase = READER_RECORDS}, READ_RECORD},
        {{.phase = READER_RECORDS, .is_looking_up = true}, READ_NOTHING},
        {{.phase = READER_RECORDS, .is_listing = true}, READ_RECORD},
        /* Newcomers, once no read-back is under way. */
        {{.phase = READER_IDLE, .newcomer = &newcomer}, READ_NEWCOMER},
        {{.phase = READER_IDLE, .newcomer = &newcomer, .is_looking_up = true}, READ_NOTHING},
        {{.phase = READER_FINDING, .newcomer = &newcomer}, READ_ZONE},
        {{.phase = READER_LISTING, .newcomer = &newcomer}, READ_PAGE},
        {{.phase = READER_RECORDS, .newcomer = &newcomer}, READ_RECORD},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (reader_for_itself(&rows[i].reader) != rows[i].reading) {
            fail_msg("row %zu: %d", i, (int)reader_for_itself(&rows[i].reader));
        }
    }
}

/* ---- from phase to phase ---- */

struct fixture {
    struct records *records;
    struct record *first;
    struct record *second;
    struct reader reader;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->records = records_new();
    assert_non_null(records_add(fixture->records, "a.test.", RECORD_A, 0));
    assert_non_null(records_add(fixture->records, "b.test.", RECORD_A, 0));
    fixture->first = records_find(fixture->records, "a.test.", RECORD_A);
    fixture->second = records_find(fixture->records, "b.test.", RECORD_A);
    fixture->reader.page_records = PAGE;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    reader_done(&fixture->reader);
    assert_null(fixture->reader.cursor);
    assert_null(fixture->reader.looked_up);
    record_release(fixture->first);
    record_release(fixture->second);
    records_free(fixture->records);
    free(fixture);
    return 0;
}

/* Whichever takes fewer calls. */
static void test_what_finding_leads_to(void **state)
{
    static const struct {
        uint64_t record_count;
        size_t ours;
        enum reader_phase phase;
        bool is_complete;
    } rows[] = {
        {0, 0, READER_IDLE, true},
        {5000, 0, READER_IDLE, true},
        {0, 1, READER_LISTING, false},
        {PAGE, 1, READER_LISTING, false},
        {PAGE + 1, 1, READER_RECORDS, false},
        {10 * PAGE, 9, READER_RECORDS, false},
        {10 * PAGE, 10, READER_LISTING, false},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct reader *reader = &fixture->reader;
        reader_done(reader);
        *reader = (struct reader){.page_records = PAGE};
        reader_begin(reader);
        assert_int_equal(reader->phase, READER_FINDING);
        reader_found(reader, rows[i].record_count, rows[i].ours, fixture->first, 7);
        assert_true(reader->is_found);
        if (reader->phase != rows[i].phase || reader->is_complete != rows[i].is_complete) {
            fail_msg("row %zu: phase %d", i, (int)reader->phase);
        }
        assert_ptr_equal(reader->cursor, reader->phase == READER_RECORDS ? fixture->first : NULL);
    }
}

static void test_listing(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;

    reader_begin(reader);
    reader_begin(reader); /* once is enough */
    reader_found(reader, 2 * PAGE, 2, fixture->first, 7);
    assert_int_equal(reader->listing, 1);
    assert_int_equal(reader->generation, 7);
    assert_true(reader_list(reader, 8)); /* it has begun with the zone */
    assert_int_equal(reader->generation, 7);
    assert_false(reader_page(reader, true));
    assert_false(reader_list(reader, 8));
    assert_false(reader->is_complete);
    assert_true(reader_page(reader, false));
    assert_int_equal(reader->phase, READER_IDLE);
    assert_true(reader->is_complete);

    assert_true(reader_list(reader, 9)); /* for changes that wait */
    assert_int_equal(reader->phase, READER_LISTING);
    assert_int_equal(reader->listing, 2);
    assert_int_equal(reader->generation, 9);
}

static void test_singles(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;

    reader_begin(reader);
    reader_found(reader, 1000000, 2, fixture->first, 7);
    assert_false(reader_advance(reader, fixture->second));
    assert_ptr_equal(reader->cursor, fixture->second);
    assert_true(reader_advance(reader, NULL));
    assert_int_equal(reader->phase, READER_IDLE);
    assert_null(reader->cursor);

    /* So many changes wait that a listing takes over: the answer of the last look-up moves nothing. */
    reader_begin(reader);
    reader_found(reader, 1000000, 2, fixture->first, 7);
    assert_true(reader_list(reader, 8));
    assert_false(reader_advance(reader, fixture->second));
    assert_int_equal(reader->phase, READER_LISTING);
}

static void test_zone_changes_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;

    reader_renew(reader); /* nothing is being read: one read-back is enough */
    assert_int_equal(reader->phase, READER_FINDING);
    assert_false(reader->is_again);
    reader_found(reader, PAGE, 2, fixture->first, 7);
    reader_renew(reader);
    reader_renew(reader);
    assert_int_equal(reader->phase, READER_LISTING);
    assert_true(reader_page(reader, false));
    assert_int_equal(reader->phase, READER_FINDING); /* again */
    reader_found(reader, PAGE, 2, fixture->first, 7);
    assert_true(reader_page(reader, false));
    assert_int_equal(reader->phase, READER_IDLE);
}

static void test_zone_goes(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;

    reader_begin(reader);
    reader_found(reader, PAGE, 2, fixture->first, 7);
    reader->is_listing = true;
    reader_lost(reader);
    assert_false(reader->is_found);
    assert_false(reader->is_complete);
    assert_true(reader->is_stale); /* the page that is under way */
    assert_true(reader->is_overtaken);
    assert_int_equal(reader->phase, READER_FINDING);
    reader->is_listing = false;
    reader_lost(reader);
    assert_false(reader->is_stale);
    assert_int_equal(reader_for_itself(reader), READ_ZONE);
}

static void test_newcomers(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;

    reader_begin(reader);
    reader_found(reader, 2 * PAGE, 2, fixture->first, 7);
    assert_false(reader_page(reader, true));
    assert_true(reader_page(reader, false));
    assert_false(reader_meet(reader, 3, fixture->first)); /* two pages are fewer calls */
    assert_int_equal(reader_for_itself(reader), READ_NOTHING);
    assert_true(reader_meet(reader, 2, fixture->first));
    assert_int_equal(reader_for_itself(reader), READ_NEWCOMER);
    reader_met(reader, fixture->second);
    assert_ptr_equal(reader->newcomer, fixture->second);
    assert_int_equal(reader->newcomers, 1);
    reader_met(reader, NULL);
    assert_int_equal(reader_for_itself(reader), READ_NOTHING);
    /* A read-back tells of all of them. */
    assert_true(reader_meet(reader, 2, fixture->first));
    reader_begin(reader);
    reader_found(reader, 2 * PAGE, 2, fixture->first, 8);
    assert_false(reader_page(reader, true));
    assert_true(reader_page(reader, false));
    assert_null(reader->newcomer);
}

static void test_own_change_is_newer(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;

    reader_begin(reader);
    reader_found(reader, PAGE, 2, fixture->first, 7);
    reader_point_at(&reader->looked_up, fixture->first);
    reader_overtake(reader, fixture->second);
    assert_false(reader->is_overtaken);
    assert_int_equal(*record_listing(fixture->second), 1);
    reader_overtake(reader, fixture->first);
    assert_true(reader->is_overtaken);
    assert_int_equal(*record_listing(fixture->first), 1);
}

static int group_setup(void **state)
{
    (void)state;
    return crypto_init();
}

#define READER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_for_changes),
        cmocka_unit_test(test_calls_for_itself),
        READER_TEST(test_what_finding_leads_to),
        READER_TEST(test_listing),
        READER_TEST(test_singles),
        READER_TEST(test_zone_changes_meanwhile),
        READER_TEST(test_zone_goes),
        READER_TEST(test_newcomers),
        READER_TEST(test_own_change_is_newer),
    };
    return cmocka_run_group_tests_name("reader", tests, group_setup, NULL);
}
