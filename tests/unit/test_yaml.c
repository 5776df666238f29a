#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/yaml.h"
#include "base/yaml_memory.h"
#include "temporary.h"

static void test_tree(void **state)
{
    static const char text[] = "# hosts\n"
                               "hosts:\n"
                               "  - hostname: home.example.com.\n"
                               "    record_type: [A, AAAA]\n"
                               "    ttl: 60\n"
                               "    quoted: \"60\"\n"
                               "    empty:\n"
                               "  - {hostname: 'nas', comment: \"\xc3\xbc \\u20ac\"}\n"
                               "text: |\n"
                               "  two\n"
                               "  lines\n";
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    assert_int_equal(yaml_load_text(text, sizeof(text) - 1, problems, &document), 0);
    assert_int_equal(problems_count(problems), 0);

    const struct yaml_node *root = yaml_root(document);
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 2);
    assert_int_equal(root->line, 2);
    assert_int_equal(root->column, 1);
    assert_string_equal(root->keys[1]->text, "text");
    assert_int_equal(root->keys[1]->line, 9);
    assert_string_equal(root->items[1]->text, "two\nlines\n");
    assert_false(root->items[1]->plain);

    const struct yaml_node *hosts = yaml_get(root, "hosts");
    assert_int_equal(hosts->kind, YAML_SEQUENCE);
    assert_int_equal(hosts->count, 2);
    assert_null(hosts->keys);
    const struct yaml_node *host = hosts->items[0];
    assert_int_equal(host->kind, YAML_MAPPING);
    assert_int_equal(host->count, 5);
    assert_int_equal(yaml_get(host, "record_type")->count, 2);
    assert_string_equal(yaml_get(host, "record_type")->items[1]->text, "AAAA");
    assert_int_equal(yaml_get(host, "record_type")->items[1]->line, 4);
    assert_int_equal(yaml_get(host, "record_type")->items[1]->column, 22);
    assert_true(yaml_get(host, "ttl")->plain);
    assert_string_equal(yaml_get(host, "ttl")->text, "60");
    assert_int_equal(yaml_get(host, "ttl")->length, 2);
    assert_false(yaml_get(host, "quoted")->plain);
    assert_true(yaml_get(host, "empty")->plain);
    assert_string_equal(yaml_get(host, "empty")->text, "");
    assert_null(yaml_get(host, "tt"));
    assert_null(yaml_get(host, "ttll"));
    assert_null(yaml_get(hosts, "ttl"));
    assert_string_equal(yaml_get(hosts->items[1], "hostname")->text, "nas");
    assert_string_equal(yaml_get(hosts->items[1], "comment")->text, "\xc3\xbc \xe2\x82\xac");
    yaml_document_free(NULL);
}

static void test_empty(void **state)
{
    static const char *const rows[] = {"", "\n", "# nothing\n", "---\n", "--- # nothing\n...\n", "\xef\xbb\xbf", "{}"};
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
        assert_int_equal(yaml_load_text(rows[i], strlen(rows[i]), problems, &document), 0);
        assert_int_equal(yaml_root(document)->kind, YAML_MAPPING);
        assert_int_equal(yaml_root(document)->count, 0);
        assert_null(yaml_get(yaml_root(document), "x"));
    }
}

static void test_accepted(void **state)
{
    static const char *const rows[] = {"\357\273\277a: b\n", /* a byte order mark */
                                       "\357\273\277a: b\nc: d\n",
                                       "\357\273\277---\na: b\nc: d\n",
                                       "%YAML 1.1\n---\na: b\n",
                                       "---\na: b\n...\n",
                                       "a: b\r\nc: d\r\n",
                                       "a:\n- b\n- c\n",
                                       "a: \"b\tc\"\n",
                                       "a: b #\tcomment\n",
                                       "{\"a\": 1,\n \"b\": [1, 2]}\n"};
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
        if (yaml_load_text(rows[i], strlen(rows[i]), problems, &document) != 0) {
            fail_msg("%s: %s", rows[i], problems_text(problems, 0));
        }
        assert_non_null(yaml_get(yaml_root(document), "a"));
    }
}

/* What is told, with its place; `second` where one more follows. */
static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *place;
        const char *message;
        const char *second;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "f:3:1: ", "a: key is here twice, first in line 1", NULL},
        {"a: 1\na: 2\nb: 1\nb: 2\n", "f:2:1: ", "a: key is here twice", "f:4:1: b: key is here twice"},
        {"h:\n  - {x: 1, x: 2}\n", "f:2:12: ", "x: key is here twice", NULL},
        {"a: &x 1\n", "f:1:4: ", "an anchor", NULL},
        {"a: &x 1\nb: *x\n", "f:1:4: ", "an anchor", "f:2:4: an alias"},
        {"a: &x [1]\n", "f:1:4: ", "an anchor", NULL},
        {"a: &x {b: c}\n", "f:1:4: ", "an anchor", NULL},
        {"a: *x\n", "f:1:4: ", "an alias", NULL},
        {"a: !!str 1\n", "f:1:4: ", "a tag", NULL},
        {"a: ! 1\n", "f:1:4: ", "a tag", NULL},
        {"a: !x [1]\n", "f:1:4: ", "a tag", NULL},
        {"a: !x {b: c}\n", "f:1:4: ", "a tag", NULL},
        {"%TAG ! tag:x,2000:\n---\na: 1\n", "f:1:1: ", "%TAG", NULL},
        {"a: 1\n---\nb: 2\n", "f:2:1: ", "a second document", NULL},
        {"? [a]\n: 1\n", "f:1:3: ", "a list or mapping as a key", NULL},
        {"{a: b}: 1\n", "f:1:1: ", "a list or mapping as a key", NULL},
        {"a:\n\t- b\n", "f:2:1: ", "a tab where YAML wants spaces", NULL},
        {"a:\n  b: 1\n\tc: 2\n", "f:3:1: ", "a tab where YAML wants spaces", NULL},
        {"\xc3\xbc: x\n\xc3\xbc\xc3\xbc: \xff\n", "f:2:5: ", "byte 0xff is not UTF-8", NULL},
        {"\xff\xfe"
         "a",
         "f:1:1: ", "byte 0xff is not UTF-8", NULL},
        {"a: b\x01\n", "f:1:5: ", "control character U+0001", NULL},
        {"a: \xc2\x9b\n", "f:1:4: ", "control character U+009B", NULL},
        {"a: \"x\\0y\"\n", "f:1:4: ", "a NUL", NULL},
        {"a: [1, 2\nb: 3\n", "f:2:", "not valid YAML", NULL},
        {"a: \"x\n", "f:1:4: ", "this quote is never closed", NULL},
        {"a: 1\nb: 'x\nc: 2\n", "f:2:4: ", "this quote is never closed", NULL},
        {"a: \"x\n---\nb: 1\n", "f:1:4: ", "this quote is never closed", NULL},
        {"a: [1, \"x]\nb: 2\n", "f:1:8: ", "this quote is never closed", NULL},
        {"\xc3\xbc: \xc3\xbc\nb: \"x\n", "f:2:4: ", "this quote is never closed", NULL},
        /* closed by the quote that should have opened the next value */
        {"a: \"x\nb: \"y\"\n", "f:1:4: ", "this quote is closed only in line 2", NULL},
        {"- a: 'x\n  b: 1\n  c: 'y'\n- d\n", "f:1:6: ", "this quote is closed only in line 3", NULL},
        {"a: [\"x, 1]\nb: \"y\"\n", "f:1:5: ", "this quote is closed only in line 2", NULL},
        {"a: \"x\n  y\"\nb: c: d\n", "f:3:5: ", "not valid YAML", NULL},
        {"a: \"\\p\"\n", "f:1:5: ", "not valid YAML", NULL},
        {"a: *.example.com\n", "f:1:4: ", "quote it, as in \"*.example.com\"", NULL},
        {"a: [b, *.example.com.]\n", "f:1:8: ", "quote it, as in \"*.example.com\"", NULL},
        {"- hostname: *\n", "f:1:13: ", "quote it, as in \"*.example.com\"", NULL},
        {"a: *x.example.com\n", "f:1:4: ", "an alias", NULL},
        {"\357\273\277a: b\nc: d: e\n", "f:2:5: ", "not valid YAML", NULL},
        {"\357\273\277a: 1\na: 2\n", "f:2:1: ", "a: key is here twice, first in line 1", NULL},
        {"\357\273\277a: b\x01\n", "f:1:5: ", "control character U+0001", NULL},
        {"a: b: c\n", "f:1:5: ", "not valid YAML", NULL},
        {"a: 1\n b: 2\n", "f:2:3: ", "not valid YAML", NULL},
        {"a: @x\n", "f:1:4: ", "not valid YAML", NULL},
        {"a: 1\n}\n", "f:2:1: ", "not valid YAML", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        struct yaml_document *document = NULL;
        assert_int_equal(yaml_load_text(rows[i].text, strlen(rows[i].text), problems, &document), -EINVAL);
        assert_null(document);
        const char *told = problems_text(problems, 0);
        const char *second = problems_text(problems, 1);
        if (strncmp(told, rows[i].place, strlen(rows[i].place)) != 0 || strstr(told, rows[i].message) == NULL) {
            fail_msg("%s\n%s", rows[i].text, told);
        }
        if ((second == NULL) != (rows[i].second == NULL)) {
            fail_msg("%s\n%s", rows[i].text, second);
        }
        if (second != NULL) {
            assert_memory_equal(second, rows[i].second, strlen(rows[i].second));
        }
    }
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    struct yaml_document *document = NULL;
    assert_int_equal(yaml_load_text("a: \0", 4, problems, &document), -EINVAL);
    assert_string_equal(problems_text(problems, 0), "f:1:4: control character U+0000; remove it");
    /* Earlier problems of the same file are no reason to refuse. */
    assert_int_equal(yaml_load_text("a: b", 4, problems, &document), 0);
    yaml_document_free(document);
}

static void load_repeated(const char *before, const char *unit, unsigned count, const char *after, const char *message)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    buffer_append_text(&buffer, before);
    for (unsigned i = 0; i < count; i++) {
        buffer_append_text(&buffer, unit);
    }
    buffer_append_text(&buffer, after);
    int r = yaml_load_text(buffer_text(&buffer), buffer.length, problems, &document);
    assert_int_equal(r, message == NULL ? 0 : -EINVAL);
    if (message != NULL) {
        assert_non_null(strstr(problems_text(problems, 0), message));
    }
}

static void test_depth(void **state)
{
    (void)state;
    load_repeated("", "[", 16, "]]]]]]]]]]]]]]]]", NULL);
    load_repeated("", "[", 17, "]]]]]]]]]]]]]]]]]", "nested more than 16 levels");
    load_repeated("", "[", 1000000, "", "nested more than 16 levels");
    load_repeated("", "{a: ", 200000, "", "nested more than 16 levels");
    load_repeated("", "- ", 200000, "a", "nested more than 16 levels");
    load_repeated("", "? ", 200000, "a", "nested more than 16 levels");
}

static void test_many_keys(void **state)
{
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    for (unsigned i = 0; i < 50000; i++) {
        buffer_printf(&buffer, "key%u: %u\n", i, i);
    }
    assert_int_equal(yaml_load_text(buffer_text(&buffer), buffer.length, problems, &document), 0);
    assert_int_equal(yaml_root(document)->count, 50000);
    assert_string_equal(yaml_get(yaml_root(document), "key49999")->text, "49999");

    buffer_append_text(&buffer, "key25000: again\n? [x]\n: y\n");
    struct yaml_document *none = NULL;
    assert_int_equal(yaml_load_text(buffer_text(&buffer), buffer.length, problems, &none), -EINVAL);
    assert_string_equal(problems_text(problems, 0),
                        "f:50001:1: key25000: key is here twice, first in line 25001; remove one");
    assert_string_equal(problems_text(problems, 1), "f:50002:3: a list or mapping as a key; a key must be a word");
    assert_int_equal(problems_count(problems), 2);
}

/* ---- files ---- */

static int setup(void **state)
{
    *state = temporary_folder_make();
    return 0;
}

static int teardown(void **state)
{
    temporary_folder_remove(*state);
    return 0;
}

static void expect_refused(const char *path, size_t limit_bytes, const char *message)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("NAME");
    struct yaml_document *document = NULL;
    assert_int_equal(yaml_load_file(path, limit_bytes, problems, &document), -EINVAL);
    assert_null(document);
    assert_int_equal(problems_count(problems), 1);
    if (strstr(problems_text(problems, 0), message) == NULL) {
        fail_msg("%s", problems_text(problems, 0));
    }
    assert_memory_equal(problems_text(problems, 0), "NAME:", 5);
}

static void test_files(void **state)
{
    const char *folder = *state;
    static const mode_t fine[] = {0600, 0640, 0644, 0400};
    for (size_t i = 0; i < ELEMENTS(fine); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("NAME");
        _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
        const char *path = temporary_path(folder, "fine");
        (void)unlink(path);
        assert_int_equal(yaml_load_file(temporary_file(folder, "fine", "a: b\n", 5, fine[i]), 5, problems, &document),
                         0);
        assert_string_equal(yaml_get(yaml_root(document), "a")->text, "b");
    }
    expect_refused(temporary_file(folder, "f", "a: b\n", 5, 0664), 100, "may write it (mode 0664); run chmod go-w");
    expect_refused(temporary_file(folder, "f", "a: b\n", 5, 0602), 100, "may write it (mode 0602)");
    expect_refused(temporary_file(folder, "f", "a: b\n", 5, 0600), 4, "larger than 4 bytes");
    expect_refused(temporary_file(folder, "f", "a: b\na: c", 9, 0600), 100, "NAME:2:1: a: key is here twice");
    expect_refused(temporary_path(folder, "none"), 100, "no such file");
    expect_refused(folder, 100, "not a regular file");
    expect_refused("/dev/zero", 100, "not a regular file");
    expect_refused(temporary_path(folder, "f/x"), 100, "cannot be read: Not a directory");
    assert_int_equal(mkfifo(temporary_path(folder, "fifo"), 0600), 0);
    expect_refused(temporary_path(folder, "fifo"), 100, "not a regular file");

    /* Refused by its size, without reading it. */
    const char *path = temporary_file(folder, "large", "", 0, 0600);
    assert_int_equal(truncate(path, (off_t)100 * 1024 * 1024 * 1024), 0);
    expect_refused(path, (size_t)64 * 1024 * 1024, "larger than 67108864 bytes");
}

/* Without it the text of a file, secrets included, would stay in memory that libyaml has freed. */
static void test_memory_of_the_library(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;

    (void)state;
    assert_int_equal(yaml_load_text("a: b\n", 5, problems, &document), 0);
    assert_true(yaml_memory_is_used());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_memory_of_the_library),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
