#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/zone_index.h"

#define MANY 5000

static struct zone_settings zones[MANY];

static struct zone_index *index_of(const char *const *names, size_t count)
{
    assert_true(count <= MANY);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(zones[i].name.text, sizeof(zones[i].name.text), "%s", names[i]);
    }
    struct zone_index *index = zone_index_new(zones, count);
    assert_non_null(index);
    return index;
}

static void the_longest_zone_counts(void **state)
{
    static const char *const names[] = {"example.com.", "dyn.example.com.", "test.", "example.com."};
    static const struct {
        const char *hostname;
        int zone;
    } rows[] = {
        {"a.example.com.", 0},
        {"example.com.", 0},
        {"*.example.com.", 0},
        {"a.dyn.example.com.", 1},
        {"dyn.example.com.", 1},
        {"xdyn.example.com.", 0},
        {"a.b.c.d.e.dyn.example.com.", 1},
        {"a.test.", 2},
        {"notexample.com.", -ENOENT},
        {"com.", -ENOENT},
        {"a.example.com.y.", -ENOENT},
        {"attest.", -ENOENT},
    };
    _cleanup_(zone_index_freep) struct zone_index *index = index_of(names, ELEMENTS(names));

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_int_equal(zone_index_find(index, rows[i].hostname), rows[i].zone);
    }
}

static void no_zones(void **state)
{
    _cleanup_(zone_index_freep) struct zone_index *index = index_of(NULL, 0);

    (void)state;
    assert_int_equal(zone_index_find(index, "a.example.com."), -ENOENT);
}

static void the_longest_names(void **state)
{
    char label[64], longest[NAME_SIZE];
    const char *const names[] = {longest};

    (void)state;
    memset(label, 'a', 63);
    label[63] = '\0';
    (void)snprintf(longest, sizeof(longest), "%s.%s.%s.%.61s.", label, label, label, label);
    assert_int_equal(strlen(longest), 254);
    _cleanup_(zone_index_freep) struct zone_index *index = index_of(names, 1);
    assert_int_equal(zone_index_find(index, longest), 0);
    assert_int_equal(zone_index_find(index, longest + 1), -ENOENT);
    assert_int_equal(zone_index_find(index, strchr(longest, '.') + 1), -ENOENT);
}

/* As a walk through all zones finds it. */
static int by_walking(const char *hostname)
{
    size_t longest = 0;
    int found = -ENOENT;

    for (size_t i = 0; i < MANY; i++) {
        const size_t length = strlen(zones[i].name.text);
        if (length > longest && name_is_within(hostname, zones[i].name.text)) {
            longest = length;
            found = (int)i;
        }
    }
    return found;
}

static void many_zones(void **state)
{
    static char texts[MANY][32];
    static const char *names[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), i % 3 == 0 ? "z%zu.example." : "b.z%zu.example.", i / 2 * 2);
        names[i] = texts[i];
    }
    _cleanup_(zone_index_freep) struct zone_index *index = index_of(names, MANY);
    for (size_t i = 0; i < MANY; i += 97) {
        char hostname[64];
        (void)snprintf(hostname, sizeof(hostname), "a.b.z%zu.example.", i);
        assert_int_equal(zone_index_find(index, hostname), by_walking(hostname));
        assert_int_equal(zone_index_find(index, strchr(hostname, '.') + 3), by_walking(strchr(hostname, '.') + 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_zone_counts),
        cmocka_unit_test(no_zones),
        cmocka_unit_test(the_longest_names),
        cmocka_unit_test(many_zones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
