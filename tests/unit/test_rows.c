#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rows.h"

struct row {
    uint64_t number;
    uint32_t other;
};

static void rows_stay_where_they_are(void **state)
{
    struct rows rows = {.row_size = sizeof(struct row)};
    static struct row *made[3 * ROWS_PER_CHUNK + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        made[i] = rows_add(&rows);
        assert_non_null(made[i]);
        assert_true(made[i]->number == 0 && made[i]->other == 0);
        *made[i] = (struct row){i, (uint32_t)i};
        assert_int_equal(rows.count, i + 1);
    }
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        assert_ptr_equal(rows_at(&rows, i), made[i]);
        assert_int_equal(made[i]->number, i);
    }
    rows_done(&rows);
    assert_int_equal(rows.count, 0);
    assert_non_null(rows_add(&rows)); /* it can be used again */
    rows_done(&rows);
    rows_done(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_stay_where_they_are)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
