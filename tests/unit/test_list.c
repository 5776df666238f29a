#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    char letter;
    struct list_link link;
};

static struct item *first(const struct list *list)
{
    return LIST_ITEM(list->first, struct item, link);
}

/* Its letters, the same from both ends. */
static void expect(const struct list *list, const char *letters)
{
    const size_t length = strlen(letters);
    size_t count = 0;

    for (const struct list_link *link = list->first; link; link = link->next) {
        assert_true(count < length);
        assert_int_equal(LIST_ITEM(link, struct item, link)->letter, letters[count++]);
    }
    assert_int_equal(count, length);
    for (const struct list_link *link = list->last; link; link = link->previous) {
        assert_true(count > 0);
        assert_int_equal(LIST_ITEM(link, struct item, link)->letter, letters[--count]);
    }
    assert_int_equal(count, 0);
}

static void test_both_ends_and_the_middle(void **state)
{
    struct item a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'}, d = {.letter = 'd'};
    struct list list = {0};
    struct list other = {0};

    (void)state;
    expect(&list, "");
    assert_null(first(&list));
    list_append(&list, &b.link);
    expect(&list, "b");
    list_append(&list, &c.link);
    list_prepend(&list, &a.link);
    list_append(&list, &d.link);
    expect(&list, "abcd");
    assert_ptr_equal(first(&list), &a);
    list_remove(&list, &c.link); /* the middle */
    assert_null(c.link.next);
    assert_null(c.link.previous);
    expect(&list, "abd");
    list_remove(&list, &a.link); /* the first */
    expect(&list, "bd");
    list_remove(&list, &d.link); /* the last */
    expect(&list, "b");
    list_prepend(&other, &c.link);
    list_prepend(&other, &a.link);
    expect(&other, "ac");
    list_remove(&list, &b.link); /* the only one */
    expect(&list, "");
    list_prepend(&list, &b.link);
    list_append(&list, &d.link);
    expect(&list, "bd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends_and_the_middle),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
