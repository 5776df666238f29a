/* config/environment: variables laid over the tree of a file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/environment.h"

struct world {
    struct problems *problems;
    struct yaml_document *document;
    struct overlay overlay;
};

static int setup(void **state)
{
    static struct world world;

    world = (struct world){.problems = problems_new("file")};
    *state = &world;
    return world.problems ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;

    overlay_done(&world->overlay);
    yaml_document_free(world->document);
    problems_free(world->problems);
    return 0;
}

/* The variables over a file of that text. */
static int lay(struct world *world, const char *file, const char *const *environment)
{
    assert_int_equal(yaml_load_text(file, strlen(file), world->problems, &world->document), 0);
    return overlay_init(world->problems, yaml_root(world->document), environment, &world->overlay);
}

static const struct yaml_node *at(const struct world *world, const char *section, const char *key)
{
    const struct yaml_node *mapping = section ? yaml_get(world->overlay.root, section) : world->overlay.root;

    return mapping ? yaml_get(mapping, key) : NULL;
}

static void assert_value(const struct world *world, const char *section, const char *key, const char *text)
{
    const struct yaml_node *node = at(world, section, key);

    assert_non_null(node);
    assert_string_equal(node->text, text);
}

static void nothing_of_ours_changes_nothing(void **state)
{
    struct world *world = *state;
    const char *const environment[] = {"PATH=/bin",       "DDNS53D=/x", "DDNS5=1", "DDNS53_URL=https://x/",
                                       "DDNS53_NO_VALUE", NULL};

    assert_int_equal(lay(world, "server: {threads: 3}\n", environment), 0);
    assert_ptr_equal(world->overlay.root, yaml_root(world->document));
    assert_int_equal(world->overlay.count, 0);
}

static void a_value_counts_more_than_the_file(void **state)
{
    struct world *world = *state;
    const char *const environment[] = {"DDNS53_SERVER__THREADS=5", "DDNS53_STATE_DIR=/data",
                                       "DDNS53_ADMIN__LISTEN=\"\"", NULL};

    assert_int_equal(lay(world, "server: {threads: 3, tls: false}\nhosts_file: x.yaml\n", environment), 0);
    assert_int_equal(world->overlay.count, 3);
    assert_value(world, "server", "threads", "5");
    assert_value(world, "server", "tls", "false");
    assert_value(world, NULL, "state_dir", "/data");
    assert_value(world, NULL, "hosts_file", "x.yaml");
    assert_value(world, "admin", "listen", "");
    assert_false(at(world, "admin", "listen")->plain);
    assert_int_equal(at(world, "server", "threads")->line, 0);
    /* The file's own tree is as it was. */
    assert_string_equal(yaml_get(yaml_get(yaml_root(world->document), "server"), "threads")->text, "3");
}

static void lists_and_mappings_come_whole(void **state)
{
    struct world *world = *state;
    const char *const environment[] = {"DDNS53_ZONES=[{name: a.test, tsig: {name: k}}, {name: b.test}]", NULL};

    assert_int_equal(lay(world, "zones: [{name: c.test}]\n", environment), 0);
    const struct yaml_node *zones = at(world, NULL, "zones");
    assert_int_equal(zones->count, 2);
    assert_string_equal(yaml_get(zones->items[1], "name")->text, "b.test");
    assert_string_equal(yaml_get(yaml_get(zones->items[0], "tsig"), "name")->text, "k");
    assert_int_equal(yaml_get(yaml_get(zones->items[0], "tsig"), "name")->line, 0);
}

static void a_section_that_is_none_stays_for_its_own_problem(void **state)
{
    struct world *world = *state;
    const char *const environment[] = {"DDNS53_SERVER__THREADS=5", NULL};

    assert_int_equal(lay(world, "server: nonsense\n", environment), 0);
    assert_value(world, NULL, "server", "nonsense");
}

static void every_wrong_one_is_told(void **state)
{
    struct world *world = *state;
    const char *const environment[] = {"DDNS53_SERVER__THREDS=5", "DDNS53_STATE_DIR=[", "DDNS53_=x",
                                       "DDNS53_UPDATE__TIMEOUT_S=7", NULL};

    assert_int_equal(lay(world, "{}\n", environment), -EINVAL);
    assert_int_equal(problems_count(world->problems), 3);
    assert_int_equal(world->overlay.count, 1);
    overlay_explain(world->problems, environment);
    char all[4096] = "";
    const char *line;
    for (size_t i = 0; (line = problems_text(world->problems, i)); i++) {
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", line);
    }
    assert_non_null(strstr(all, "DDNS53_SERVER__THREDS in the environment: no setting is called that, did you mean "
                                "DDNS53_SERVER__THREADS?\n"));
    assert_non_null(strstr(all, "file: DDNS53_STATE_DIR:"));
    assert_non_null(strstr(all, "file: DDNS53_ in the environment: no setting is called that; write"));
    assert_non_null(strstr(all, "the environment counts more than this file: DDNS53_SERVER__THREDS, DDNS53_STATE_DIR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_of_ours_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_counts_more_than_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_and_mappings_come_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_section_that_is_none_stays_for_its_own_problem, setup, teardown),
        cmocka_unit_test_setup_teardown(every_wrong_one_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
