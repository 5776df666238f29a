#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

struct item {
    char key[8]; /* holds a NUL in its middle */
    size_t key_length;
    bool in_table;
    unsigned seen;
};

static struct bytes key_of_item(const void *value)
{
    const struct item *item = value;
    return (struct bytes){item->key, item->key_length};
}

static struct item make_item(unsigned n)
{
    struct item item = {.key = {'k', 0, (char)n, (char)(n >> 8), (char)(n >> 16)}, .key_length = 5};
    return item;
}

static void test_empty(void **state)
{
    (void)state;
    _cleanup_(table_freep) struct table *table = table_new(key_of_item);
    size_t position = 0;
    assert_int_equal(table_count(table), 0);
    assert_null(table_get(table, "a", 1));
    assert_null(table_remove(table, "a", 1));
    assert_null(table_next(table, &position));
    table_free(NULL);
}

static void test_put_get_remove(void **state)
{
    (void)state;
    _cleanup_(table_freep) struct table *table = table_new(key_of_item);
    struct item one = make_item(1);
    struct item same = make_item(1);
    struct item two = make_item(2);
    struct item empty = {.key_length = 0};

    assert_int_equal(table_put(table, &one), 0);
    assert_int_equal(table_put(table, &same), -EEXIST);
    assert_int_equal(table_put(table, &two), 0);
    assert_int_equal(table_put(table, &empty), 0);
    assert_int_equal(table_count(table), 3);
    assert_ptr_equal(table_get(table, same.key, 5), &one);
    assert_ptr_equal(table_get(table, "", 0), &empty);
    assert_null(table_get(table, "k", 1)); /* up to the NUL only */

    assert_ptr_equal(table_remove(table, one.key, 5), &one);
    assert_null(table_remove(table, one.key, 5));
    assert_null(table_get(table, one.key, 5));
    assert_ptr_equal(table_get(table, two.key, 5), &two);
    assert_int_equal(table_put(table, &same), 0);
    assert_ptr_equal(table_get(table, one.key, 5), &same);
    assert_int_equal(table_count(table), 3);
}

#define ITEMS 3000

static void check_against_model(const struct table *table, struct item *items, size_t expected)
{
    size_t position = 0;
    size_t walked = 0;
    assert_int_equal(table_count(table), expected);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i].seen = 0;
        assert_ptr_equal(table_get(table, items[i].key, items[i].key_length), items[i].in_table ? &items[i] : NULL);
    }
    for (struct item *item = table_next(table, &position); item != NULL; item = table_next(table, &position)) {
        assert_true(item->in_table);
        assert_int_equal(item->seen++, 0);
        walked++;
    }
    assert_int_equal(walked, expected);
}

/* Long runs of puts and removes against an array that says what must be there. */
static void test_many(void **state)
{
    (void)state;
    _cleanup_(table_freep) struct table *table = table_new(key_of_item);
    static struct item items[ITEMS];
    size_t expected = 0;
    uint64_t seed = 1;

    for (unsigned i = 0; i < ITEMS; i++) {
        items[i] = make_item(i);
    }
    for (unsigned step = 0; step < 100000; step++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        unsigned number = (unsigned)(seed >> 33);
        struct item *item = &items[number % ITEMS];
        /* Grows for a while, then shrinks, and again. */
        bool put = (number / ITEMS) % 10 < (step / 20000 % 2 == 0 ? 7U : 3U);
        if (put) {
            assert_int_equal(table_put(table, item), item->in_table ? -EEXIST : 0);
            expected += item->in_table ? 0 : 1;
        } else {
            assert_ptr_equal(table_remove(table, item->key, item->key_length), item->in_table ? item : NULL);
            expected -= item->in_table ? 1 : 0;
        }
        item->in_table = put;
        if (step % 5000 == 0) {
            check_against_model(table, items, expected);
        }
    }
    check_against_model(table, items, expected);
    for (unsigned i = 0; i < ITEMS; i++) {
        (void)table_remove(table, items[i].key, items[i].key_length);
        items[i].in_table = false;
    }
    check_against_model(table, items, 0);
}

static void test_hash_is_keyed(void **state)
{
    (void)state;
    _cleanup_(table_freep) struct table *one = table_new(key_of_item);
    _cleanup_(table_freep) struct table *other = table_new(key_of_item);
    assert_true(table_hash(one, "key", 3) == table_hash(one, "key", 3));
    assert_true(table_hash(one, "key", 3) != table_hash(one, "kez", 3));
    assert_true(table_hash(one, "key", 3) != table_hash(other, "key", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_get_remove),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_hash_is_keyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
