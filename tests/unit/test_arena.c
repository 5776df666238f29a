#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/cleanup.h"

/* Every piece is zeroed, aligned, and its own: what was written into one is still there at the end. */
static void test_pieces_do_not_overlap(void **state)
{
    (void)state;
    _cleanup_(arena_done) struct arena arena = ARENA_INIT;
    static unsigned char *pieces[3000];
    static char *texts[3000];
    for (size_t i = 0; i < ELEMENTS(pieces); i++) {
        size_t size = i % 100 == 0 ? 20000 + i * 200 : i % 67;
        pieces[i] = arena_alloc(&arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % sizeof(void *), 0);
        for (size_t j = 0; j < size; j++) {
            assert_int_equal(pieces[i][j], 0);
        }
        memset(pieces[i], (int)(i % 251), size);
        texts[i] = arena_copy_text(&arena, "some text that is copied", i % 25);
        assert_non_null(texts[i]);
    }
    for (size_t i = 0; i < ELEMENTS(pieces); i++) {
        size_t size = i % 100 == 0 ? 20000 + i * 200 : i % 67;
        for (size_t j = 0; j < size; j++) {
            assert_int_equal(pieces[i][j], i % 251);
        }
        assert_int_equal(strlen(texts[i]), i % 25);
        assert_memory_equal(texts[i], "some text that is copied", i % 25);
    }
}

static void test_large_first(void **state)
{
    (void)state;
    _cleanup_(arena_done) struct arena arena = ARENA_INIT;
    char *large = arena_alloc(&arena, 1000000);
    assert_non_null(large);
    memset(large, 1, 1000000);
    char *text = arena_copy_text(&arena, "a\0b", 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_copy_text(&arena, "", SIZE_MAX));
    arena_done(&arena);
    arena_done(&arena);
}

/* As it is used for one item after the other: the memory is there again, and zeroed. */
static void test_reset(void **state)
{
    (void)state;
    _cleanup_(arena_done) struct arena arena = ARENA_INIT;

    arena_reset(&arena);
    for (unsigned i = 0; i < 100; i++) {
        for (size_t size = 1; size < 2000; size += 97) {
            char *piece = arena_alloc(&arena, size);
            assert_non_null(piece);
            for (size_t j = 0; j < size; j++) {
                assert_int_equal(piece[j], 0);
            }
            memset(piece, 1, size);
            assert_string_equal(arena_copy_text(&arena, "a text", 6), "a text");
        }
        arena_reset(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces_do_not_overlap), cmocka_unit_test(test_large_first),
                                       cmocka_unit_test(test_reset)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
