#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/yaml_internal.h"
#include "temporary.h"

/* A list whose items are handed over, by lines or by libyaml: tests/fuzz/fuzz_yaml.c says that it is the same. */

static void print_node(const struct yaml_node *node, struct buffer *buffer)
{
    buffer_printf(buffer, " %u:%u", node->line, node->column);
    if (node->kind == YAML_SCALAR) {
        buffer_printf(buffer, "%s%s%s", node->plain ? "=" : "\"", node->text, node->plain ? "" : "\"");
        return;
    }
    buffer_append_text(buffer, node->kind == YAML_SEQUENCE ? "[" : "{");
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_MAPPING) {
            print_node(node->keys[i], buffer);
        }
        print_node(node->items[i], buffer);
    }
    buffer_append_text(buffer, node->kind == YAML_SEQUENCE ? "]" : "}");
}

static int print_item(const struct yaml_node *item, void *userdata)
{
    print_node(item, userdata);
    buffer_append_char(userdata, ';');
    return 0;
}

static bool is_plain(const char *text)
{
    const struct yaml_source source = {.text = text, .length = strlen(text)};

    return yaml_is_plain(&source, "hosts");
}

static void items_of_lines(void **state)
{
    static const struct {
        const char *text;
        const char *items;
    } rows[] = {
        {"hosts:\n- a: 1", " 2:3{ 2:3=a 2:6=1};"},
        {"# c\n\nhosts: # d\n  # e\n  - a: x y  z # f\n    b: 'it is' #g\n\n # h\n    c: \"#\\'\"\n", NULL},
        {"# c\n\nhosts: # d\n  # e\n  - a: x y  z # f\n    b: 'it is' #g\n\n # h\n    c: \"# '\"\n",
         " 5:5{ 5:5=a 5:8=x y  z 6:5=b 6:8\"it is\" 9:5=c 9:8\"# '\"};"},
        {"hosts:\n- a: /etc/x\n  b: _c.d - e's (\"f\"), *g: &h\n", NULL},
        {"hosts:\n- a: /etc/x\n  b: _c.d - e's (\"f\"), *g:h [i] #j\n",
         " 2:3{ 2:3=a 2:6=/etc/x 3:3=b 3:6=_c.d - e's (\"f\"), *g:h [i]};"},
        {"hosts:\n -   a: [A,  b-1 ,c]   \n -  b: 51:6B:00\n    c: \"\xc3\xbc\"\n   \n",
         " 2:6{ 2:6=a 2:9[ 2:10=A 2:14=b-1 2:19=c]}; 3:5{ 3:5=b 3:8=51:6B:00 4:5=c 4:8\"\xc3\xbc\"};"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
        _cleanup_buffer_ struct buffer items = BUFFER_INIT;
        const struct yaml_items handed = {"hosts", print_item, &items};
        const char *text = rows[i].text;

        assert_int_equal(is_plain(text), rows[i].items != NULL);
        if (rows[i].items) {
            assert_int_equal(yaml_stream_text(text, strlen(text), &handed, problems, &document), 0);
            assert_string_equal(buffer_text(&items), rows[i].items);
        }
    }
}

/* What is libyaml's to read, be it right or wrong. */
static void other_forms(void **state)
{
    static const char *const texts[] = {
        "",
        "hosts:",
        "hosts: []",
        "hosts:\n",
        "host:\n- a: 1\n",
        "hosts:\n- a: 1\nb: 2\n",
        "b: 1\nhosts:\n- a: 1\n",
        " hosts:\n - a: 1\n",
        "hosts:#\n- a: 1\n",
        "hosts:\n-\n  a: 1\n",
        "hosts:\n- 1\n",
        "hosts:\n-a: 1\n",
        "hosts:\n- - a: 1\n",
        "hosts:\n- a: 1\n   b: 2\n",
        "hosts:\n- a: 1\n b: 2\n",
        "hosts:\n - a: 1\n- a: 1\n",
        "hosts:\n- a: 1\n - a: 1\n",
        "hosts:\n- a:\n",
        "hosts:\n- a: # 1\n",
        "hosts:\n- a:1\n",
        "hosts:\n- A: 1\n",
        "hosts:\n- \"a\": 1\n",
        "hosts:\n- a: b: c\n",
        "hosts:\n- a: b:\n",
        "hosts:\n- a: b#c\n",
        "hosts:\n- a: -\n",
        "hosts:\n- a: *b\n",
        "hosts:\n- a: &b c\n",
        "hosts:\n- a: !b c\n",
        "hosts:\n- a: |\n   b\n",
        "hosts:\n- a: 'it''s'\n",
        "hosts:\n- a: 'b' c\n",
        "hosts:\n- a: 'b\n   c'\n",
        "hosts:\n- a: \"\\n\"\n",
        "hosts:\n- a: \"b\n",
        "hosts:\n- a: []\n",
        "hosts:\n- a: [b\n",
        "hosts:\n- a: [b,]\n",
        "hosts:\n- a: [b c]\n",
        "hosts:\n- a: ['b']\n",
        "hosts:\n- a: [b]c\n",
        "hosts:\n- a: {b: c}\n",
        "hosts:\n- {a: b}\n",
        "hosts:\n- a: \xc3\xbc\n",
        "hosts:\n- a: \"\xc2\x85\"\n",
        "hosts:\n- a: \"\xe2\x80\xa8\"\n",
        "hosts:\n- a: \"\xc3\"\n",
        "hosts:\n- a: \"\xbc\"\n",
        "hosts:\n- a: 1 # \xed\xa0\x80\n",
        "hosts:\n- a: 1 # \x7f\n",
        "hosts:\n- a: 1\t\n",
        "hosts:\r\n- a: 1\r\n",
        "---\nhosts:\n- a: 1\n",
        "hosts:\n- a: 1\n...\n",
        "hosts:\n- a: 1\n---\n",
        "%YAML 1.1\n---\nhosts:\n- a: 1\n",
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        assert_false(is_plain(texts[i]));
    }
}

/* An item may end the reading. */
static int count_and_end(const struct yaml_node *item, void *userdata)
{
    unsigned *count = userdata;

    assert_int_equal(item->kind, YAML_MAPPING);
    return ++*count == 2 ? -ENOMEM : 0;
}

static void the_count_is_kept(void **state)
{
    static const char *const texts[] = {"hosts:\n- a: 1\n", "hosts: [{a: 1}]\n", "hosts:\n- a: 1\n- a: 2\n- a: 3\n",
                                        "hosts: [{a: 1}, {a: 2}, {a: 3}]\n"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
        unsigned count = 0;
        const struct yaml_items items = {"hosts", count_and_end, &count};

        assert_int_equal(is_plain(texts[i]), i % 2 == 0);
        assert_int_equal(yaml_stream_text(texts[i], strlen(texts[i]), &items, problems, &document),
                         i < 2 ? 0 : -ENOMEM);
        assert_int_equal(count, i < 2 ? 1 : 2);
        if (i < 2) {
            const struct yaml_node *list = yaml_get(yaml_root(document), "hosts");
            assert_int_equal(list->count, 1);
            assert_null(list->items);
        }
    }
}

/* What is wrong within an item is found in both. */
static void a_key_twice(void **state)
{
    static const char *const texts[] = {"hosts:\n- a: 1\n  a: 2\n", "hosts:\n- {a: 1,\n  a: 2}\n"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        _cleanup_buffer_ struct buffer printed = BUFFER_INIT;
        struct yaml_document *document = NULL;
        const struct yaml_items items = {"hosts", print_item, &printed};

        assert_int_equal(yaml_stream_text(texts[i], strlen(texts[i]), &items, problems, &document), -EINVAL);
        assert_null(document);
        assert_string_equal(problems_text(problems, 0), "f:3:3: a: key is here twice, first in line 2; remove one");
        assert_int_equal(printed.length, 0);
    }
}

/* An item that is not as yaml.h promises is not handed over. */
static void a_list_as_a_key(void **state)
{
    static const char text[] = "hosts:\n- {a: 1}\n- {[b]: 1}\n- {c: 1}\n";
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_buffer_ struct buffer printed = BUFFER_INIT;
    struct yaml_document *document = NULL;
    const struct yaml_items items = {"hosts", print_item, &printed};

    (void)state;
    assert_int_equal(yaml_stream_text(text, strlen(text), &items, problems, &document), -EINVAL);
    assert_int_equal(problems_count(problems), 1);
    assert_string_equal(buffer_text(&printed), " 2:3{ 2:4=a 2:7=1};");
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

static int stream(const char *path, size_t limit_bytes, struct problems *problems, struct buffer *printed)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    const struct yaml_items items = {"hosts", print_item, printed};

    return yaml_stream_file(path, limit_bytes, &items, problems, &document);
}

/* Pieces end at any place of an item: what comes out is what the text in one piece gives. */
static void a_file_in_pieces(void **state)
{
    static const char item[] = "  - a: \"x y\" # \xc3\xbc\n    bc: [A, B]\n\n";

    for (size_t shift = 0; shift < strlen(item); shift++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_INIT, printed = BUFFER_INIT, expected = BUFFER_INIT;
        const struct yaml_items items = {"hosts", print_item, &expected};

        buffer_printf(&text, "#%*s\nhosts:\n", (int)shift, "");
        while (text.length < 2 * FILE_LINES_PIECE_BYTES + 100) {
            buffer_append_text(&text, item);
        }
        const char *path = temporary_file(*state, "f", text.data, text.length, 0600);
        assert_int_equal(yaml_stream_text(text.data, text.length, &items, problems, &document), 0);
        assert_int_equal(stream(path, text.length, problems, &printed), 0);
        assert_int_equal(printed.length, expected.length);
        assert_memory_equal(printed.data, expected.data, expected.length);
        assert_int_equal(stream(path, text.length - 1, problems, &printed), -EINVAL);
        assert_non_null(strstr(problems_text(problems, 0), "larger than"));
    }
}

/* Then libyaml reads the whole. */
static void a_line_longer_than_a_piece(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("f");
    _cleanup_buffer_ struct buffer text = BUFFER_INIT, printed = BUFFER_INIT;

    buffer_printf(&text, "#%*s\nhosts:\n- a: 1\n", (int)FILE_LINES_PIECE_BYTES, "");
    const char *path = temporary_file(*state, "f", text.data, text.length, 0600);
    assert_int_equal(stream(path, SIZE_MAX / 2, problems, &printed), 0);
    assert_string_equal(buffer_text(&printed), " 3:3{ 3:3=a 3:6=1};");
}

struct writing {
    const char *path;
    const char *text; /* what the file becomes, from the second item on */
    unsigned count;
};

static int write_meanwhile(const struct yaml_node *item, void *userdata)
{
    struct writing *writing = userdata;

    (void)item;
    if (writing->count++ == 1) {
        const int fd = open(writing->path, O_WRONLY);
        assert_int_equal(pwrite(fd, writing->text, strlen(writing->text), (off_t)FILE_LINES_PIECE_BYTES + 100),
                         strlen(writing->text));
        close(fd);
    }
    return 0;
}

/* What was found good has to be found good again. */
static void a_file_that_is_written_to(void **state)
{
    static const char *const texts[] = {"\n{", "\n  - a: \x80", "\n\t"};
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_append_text(&text, "hosts:\n");
    while (text.length < 2 * FILE_LINES_PIECE_BYTES) {
        buffer_append_text(&text, "  - a: 1\n");
    }
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_(problems_freep) struct problems *problems = problems_new("f");
        struct yaml_document *document = NULL;
        const char *path = temporary_file(*state, "f", text.data, text.length, 0600);
        struct writing writing = {.path = path, .text = texts[i]};
        const struct yaml_items items = {"hosts", write_meanwhile, &writing};

        assert_int_equal(yaml_stream_file(path, SIZE_MAX / 2, &items, problems, &document), -EINVAL);
        assert_null(document);
        assert_string_equal(problems_text(problems, 0), "f: was written to while it was read; read it again");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_of_lines),
        cmocka_unit_test(other_forms),
        cmocka_unit_test(the_count_is_kept),
        cmocka_unit_test(a_key_twice),
        cmocka_unit_test(a_list_as_a_key),
        cmocka_unit_test_setup_teardown(a_file_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_longer_than_a_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_written_to, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
