#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/name.h"
#include "base/names.h"
#include "base/secret.h"

#define MANY 5000

static void print_name(size_t number, char ret_name[NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "%0*zu.", (int)(number % 253 + 1), number);
}

/* Names of any length, of several chunks: each stays where it is and as it is until it is released. */
static void any_lengths(void **state)
{
    struct names *names = names_new();
    const char *list[MANY];
    char expected[NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        print_name(i, expected);
        list[i] = names_add(names, expected);
        assert_string_equal(list[i], expected);
    }
    for (size_t i = 0; i < MANY; i += 2) {
        name_release(list[i]);
    }
    names_unref(names_ref(names));
    const char *last = names_add(names, "last.");
    names_unref(names);
    for (size_t i = 1; i < MANY; i += 2) {
        print_name(i, expected);
        assert_string_equal(list[i], expected);
        name_release(list[i]);
    }
    assert_string_equal(last, "last."); /* without its pool */
    assert_ptr_equal(name_hold(last), last);
    name_release(last);
    assert_string_equal(last, "last.");
    name_release(last);
    name_release(NULL);
}

#define THREADS 4
#define SHARED 300
#define ROUNDS 20000

static const char *shared[SHARED];

static void *hold_and_release(void *userdata)
{
    char expected[NAME_SIZE];

    (void)userdata;
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t number = random_uniform(SHARED);
        const char *name = name_hold(shared[number]);
        print_name(number, expected);
        if (strcmp(name, expected) != 0) {
            return (void *)(uintptr_t)name;
        }
        name_release(name);
    }
    return NULL;
}

static void threads(void **state)
{
    struct names *names = names_new();
    pthread_t list[THREADS];
    char name[NAME_SIZE];
    void *wrong;

    (void)state;
    for (size_t i = 0; i < SHARED; i++) {
        print_name(i, name);
        shared[i] = names_add(names, name);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&list[i], NULL, hold_and_release, NULL), 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        print_name(i, name);
        name_release(names_add(names, name));
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(list[i], &wrong), 0);
        assert_null(wrong);
    }
    names_unref(names);
    for (size_t i = 0; i < SHARED; i++) {
        name_release(shared[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_lengths), cmocka_unit_test(threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
