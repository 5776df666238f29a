/* When so many have left that memory is given back. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/ebb.h"

static void test_falls(void **state)
{
    static const struct {
        size_t number;
        bool is_far;
    } rows[] = {
        {0, false},    {100, false}, {0, false}, /* few */
        {127, false},  {0, false},               /**/
        {128, false},  {1, false},   {0, true},  /* enough; and it starts anew from there */
        {0, false},    {127, false}, {0, false}, /**/
        {1000, false}, {873, false}, {872, true},   {745, false},  {744, true},  {900, false},
        {773, false},  {772, true},  {8000, false}, {7001, false}, {7000, true}, /* an eighth of many */
        {6126, false}, {6125, true}, {4000, true},  {9000, false},               /**/
        {0, true},     {0, false},
    };
    struct ebb ebb = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (ebb_note(&ebb, rows[i].number) != rows[i].is_far) {
            fail_msg("row %zu: %zu", i, rows[i].number);
        }
    }
}

#define FALLS 500
#define THREADS 4

static void *fall(void *userdata)
{
    size_t far = 0;

    for (size_t i = 0; i < 1000; i++) {
        far += ebb_note(userdata, 1000);
    }
    return (void *)far;
}

/* All see the same fall, and one of them is told. */
static void test_one_of_several_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < FALLS; i++) {
        struct ebb ebb = {0};
        pthread_t threads[THREADS];
        size_t told = 0;
        assert_false(ebb_note(&ebb, 2000));
        for (size_t j = 0; j < THREADS; j++) {
            assert_int_equal(pthread_create(&threads[j], NULL, fall, &ebb), 0);
        }
        for (size_t j = 0; j < THREADS; j++) {
            void *far;
            assert_int_equal(pthread_join(threads[j], &far), 0);
            told += (size_t)far;
        }
        assert_int_equal(told, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_falls),
        cmocka_unit_test(test_one_of_several_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
