#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash_index.h"

#define NUMBERS 5000

struct row {
    char key[8]; /* holds a NUL in its middle */
    size_t length;
    bool is_in;
};

static struct row rows[NUMBERS];

static struct bytes key_of(const void *data, uint32_t number)
{
    const struct row *row = (const struct row *)data + number;
    return (struct bytes){row->key, row->length};
}

static void make_rows(void)
{
    for (unsigned i = 0; i < NUMBERS; i++) {
        rows[i] = (struct row){.key = {'k', 0, (char)i, (char)(i >> 8)}, .length = i == 0 ? 0 : 4};
    }
}

static uint32_t get(const struct hash_index *index, unsigned number)
{
    return hash_index_get(index, rows[number].key, rows[number].length);
}

static uint32_t add(struct hash_index *index, unsigned row, uint32_t number)
{
    uint32_t found = 0;

    assert_int_equal(hash_index_add(index, rows[row].key, rows[row].length, number, &found), 0);
    return found;
}

static void empty(void **state)
{
    _cleanup_(hash_index_freep) struct hash_index *index = hash_index_new(key_of, rows);

    (void)state;
    make_rows();
    assert_int_equal(get(index, 1), HASH_INDEX_NONE);
    assert_int_equal(hash_index_remove(index, "a", 1), HASH_INDEX_NONE);
    hash_index_free(NULL);
}

static void add_get_remove(void **state)
{
    _cleanup_(hash_index_freep) struct hash_index *index = hash_index_new(key_of, rows);

    (void)state;
    make_rows();
    rows[3] = rows[2];
    assert_int_equal(add(index, 2, 2), 2);
    assert_int_equal(add(index, 3, 3), 2); /* the key is there */
    assert_int_equal(add(index, 0, 0), 0); /* an empty key is one, too */
    assert_int_equal(get(index, 3), 2);
    assert_int_equal(get(index, 0), 0);
    assert_int_equal(hash_index_get(index, "k", 1), HASH_INDEX_NONE); /* up to the NUL only */
    assert_int_equal(hash_index_remove(index, rows[2].key, 4), 2);
    assert_int_equal(get(index, 2), HASH_INDEX_NONE);
    assert_int_equal(hash_index_remove(index, rows[2].key, 4), HASH_INDEX_NONE);
    assert_int_equal(get(index, 0), 0);
}

/* Against a model: what is in is found, what is not is not, through growing and closing gaps. */
static void many(void **state)
{
    _cleanup_(hash_index_freep) struct hash_index *index = hash_index_new(key_of, rows);
    uint32_t seed = 1;

    (void)state;
    make_rows();
    for (unsigned step = 0; step < 60000; step++) {
        seed = seed * 1664525U + 1013904223U;
        const unsigned number = (seed >> 8) % NUMBERS;
        struct row *row = &rows[number];
        if (seed >> 31 && step < 40000) {
            assert_int_equal(add(index, number, number), number);
            row->is_in = true;
        } else {
            assert_int_equal(hash_index_remove(index, row->key, row->length), row->is_in ? number : HASH_INDEX_NONE);
            row->is_in = false;
        }
        if (step % 5000 == 0) {
            for (unsigned i = 0; i < NUMBERS; i++) {
                assert_int_equal(get(index, i), rows[i].is_in ? i : HASH_INDEX_NONE);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(add_get_remove),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
