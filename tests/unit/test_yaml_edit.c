#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/yaml_edit.h"

#define BOM "\xef\xbb\xbf"

/* One edit: what the text is before and after. A key with NULL as its value is taken out. */
struct row {
    const char *name;
    const char *before;
    const char *after;
    int item; /* set: of which item; -1: an item is added; -2: those of pairs[0] are taken out: "13" */
    const char *pairs[9];
};

static size_t node_of(const struct yaml_edit *edit, size_t item)
{
    size_t node = yaml_spans_value(&edit->spans, 0, "hosts") + 1;

    for (size_t i = 0; i < item; i++) {
        node = edit->spans.nodes[node].next;
    }
    return node;
}

/* "*A,B" becomes a list, "=60" a word, "!x" a secret. */
static struct yaml_value value_of(const char *text, const char **texts, char *storage)
{
    struct yaml_value value = {.form = YAML_TEXT, .texts = texts, .count = 1};

    value.form = text[0] == '=' ? YAML_WORD : text[0] == '!' ? YAML_SECRET : YAML_TEXT;
    value.is_list = text[0] == '*';
    texts[0] = strcpy(storage, strchr("=!*", text[0]) ? text + 1 : text);
    char *comma = strchr(storage, ',');
    if (value.is_list && comma) {
        *comma = '\0';
        texts[1] = comma + 1;
        value.count = 2;
    }
    return value;
}

static int apply(struct yaml_edit *edit, const struct row *row)
{
    struct yaml_value values[4];
    struct yaml_pair pairs[4];
    const char *texts[4][2];
    char storage[4][64];
    size_t removed[4];
    size_t count = 0;

    if (row->item == -2) {
        for (const char *digit = row->pairs[0]; *digit != '\0'; digit++) {
            removed[count++] = node_of(edit, (size_t)(*digit - '1'));
        }
        return yaml_edit_remove(edit, "hosts", removed, count);
    }
    for (; row->pairs[2 * count]; count++) {
        const char *text = row->pairs[2 * count + 1];
        pairs[count] = (struct yaml_pair){row->pairs[2 * count], text ? &values[count] : NULL};
        if (text) {
            values[count] = value_of(text, texts[count], storage[count]);
        }
    }
    if (row->item >= 0) {
        return yaml_edit_set(edit, node_of(edit, (size_t)row->item), pairs, count);
    }
    const struct yaml_item item = {pairs, count};
    return yaml_edit_append(edit, "hosts", &item, 1);
}

static void check(const struct row *row)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    _cleanup_edit_ struct yaml_edit edit;
    int r = yaml_edit_begin(row->before, strlen(row->before), &edit);

    r = r < 0 ? r : apply(&edit, row);
    r = r < 0 ? r : yaml_edit_text(&edit, &text);
    if (row->after == NULL) {
        assert_int_equal(r, -EOPNOTSUPP);
        return;
    }
    if (r != 0 || strcmp(buffer_text(&text), row->after) != 0) {
        fail_msg("%s: %d\n%s", row->name, r, buffer_text(&text));
    }
}

static void check_all(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(&rows[i]);
    }
}

#define ADDED                               \
    {                                       \
        "hostname", "b.", "type", "*A,AAAA" \
    }

static void test_append_block(void **state)
{
    static const struct row rows[] = {
        {"plain", "hosts:\n  - hostname: a.\n", "hosts:\n  - hostname: a.\n  - hostname: b.\n    type: [A, AAAA]\n", -1,
         ADDED},
        {"quotes like the neighbour's", "hosts:\n- \"hostname\": 'a.'\n",
         "hosts:\n- \"hostname\": 'a.'\n- \"hostname\": 'b.'\n  \"type\": [A, AAAA]\n", -1, ADDED},
        {"indentation, comments, no last line break",
         "# top\nhosts: # here\n    # one\n    -   hostname: a. # it\n        ttl: 5 # five",
         "# top\nhosts: # here\n    # one\n    -   hostname: a. # it\n        ttl: 5 # five\n    -   hostname: b.\n"
         "        type: [A, AAAA]",
         -1, ADDED},
        {"CRLF", BOM "hosts:\r\n- hostname: \xc3\xa4.\r\n",
         BOM "hosts:\r\n- hostname: \xc3\xa4.\r\n- hostname: b.\r\n  type: [A, AAAA]\r\n", -1, ADDED},
        {"a dash in a line of its own", "hosts:\n  -\n    hostname: a.\n",
         "hosts:\n  -\n    hostname: a.\n  -\n    hostname: b.\n    type: [A, AAAA]\n", -1, ADDED},
        {"apart", "hosts:\n  - hostname: a.\n\n  # two\n  - hostname: c.\n    # its own\n\n# end\n",
         "hosts:\n  - hostname: a.\n\n  # two\n  - hostname: c.\n    # its own\n\n  - hostname: b.\n"
         "    type: [A, AAAA]\n\n# end\n",
         -1, ADDED},
        {"a text that keeps its line breaks", "hosts:\n  - hostname: a.\n    comment: |+\n      x\n\n\n# end\n",
         "hosts:\n  - hostname: a.\n    comment: |+\n      x\n\n\n  - hostname: b.\n    type: [A, AAAA]\n# end\n", -1,
         ADDED},
        {"a text that does not", "hosts:\n  - hostname: a.\n    comment: >-\n      x\n\n# end\n",
         "hosts:\n  - hostname: a.\n    comment: >-\n      x\n  - hostname: b.\n    type: [A, AAAA]\n\n# end\n", -1,
         ADDED},
        {"before the end mark", "---\nhosts:\n- hostname: a.\n...\n",
         "---\nhosts:\n- hostname: a.\n- hostname: b.\n  type: [A, AAAA]\n...\n", -1, ADDED},
        {"braces", "hosts:\n  - { \"hostname\": \"a.\", ttl: 5 } # it\n",
         "hosts:\n  - { \"hostname\": \"a.\", ttl: 5 } # it\n  - { \"hostname\": \"b.\", \"type\": [\"A\", \"AAAA\"] "
         "}\n",
         -1, ADDED},
        {"a key with ?", "hosts:\n  - ? hostname\n    : a.\n",
         "hosts:\n  - ? hostname\n    : a.\n  - hostname: b.\n"
         "    type: [A, AAAA]\n",
         -1, ADDED},
        {"hosts with ?", "? hosts\n:\n  - hostname: a.\n", NULL, -1, ADDED},
    };
    (void)state;
    check_all(rows, ELEMENTS(rows));
}

static void test_append_first(void **state)
{
    static const struct row rows[] = {
        {"brackets", "# top\nhosts: []  # none\n\n# hosts:\n#   - hostname: x\n",
         "# top\nhosts:  # none\n  - hostname: b.\n    type: [A, AAAA]\n\n# hosts:\n#   - hostname: x\n", -1, ADDED},
        {"nothing behind it", "hosts: # none\n# end", "hosts: # none\n  - hostname: b.\n    type: [A, AAAA]\n# end", -1,
         ADDED},
        {"nothing at all", "", "hosts:\n  - hostname: b.\n    type: [A, AAAA]\n", -1, ADDED},
        {"only a comment, CRLF", "# my hosts\r\n",
         "# my hosts\r\nhosts:\r\n  - hostname: b.\r\n    type: [A, AAAA]\r\n", -1, ADDED},
        {"only a comment", "# my hosts", "# my hosts\nhosts:\n  - hostname: b.\n    type: [A, AAAA]", -1, ADDED},
        {"a byte order mark", BOM "# x", BOM "# x\nhosts:\n  - hostname: b.\n    type: [A, AAAA]", -1, ADDED},
        {"a mark of the beginning", "---\n", "---\nhosts:\n  - hostname: b.\n    type: [A, AAAA]\n", -1, ADDED},
        {"a mark of the end", "---\n...\n", NULL, -1, ADDED},
        {"JSON", "{\"hosts\": []}\n", "{\"hosts\": [{\"hostname\": \"b.\", \"type\": [\"A\", \"AAAA\"]}]}\n", -1,
         ADDED},
        {"brackets with a comment in them", "hosts: [ # none\n]\n",
         "hosts: [{hostname: b., type: [A, AAAA]} # none\n]\n", -1, ADDED},
        {"something else", "hosts: 7\n", NULL, -1, ADDED},
        {"another key", "guests: []\n", NULL, -1, ADDED},
    };
    (void)state;
    check_all(rows, ELEMENTS(rows));
}

static void test_append_flow(void **state)
{
    static const struct row rows[] = {
        {"one line", "hosts: [{hostname: a.}] # x\n", "hosts: [{hostname: a.}, {hostname: b., type: [A, AAAA]}] # x\n",
         -1, ADDED},
        {"a comma at the end", "hosts: [{hostname: a.},]", "hosts: [{hostname: a.}, {hostname: b., type: [A, AAAA]},]",
         -1, ADDED},
        {"a line each", "hosts: [\n  {hostname: a.}, # a\n  {hostname: c.} # c\n]\n",
         "hosts: [\n  {hostname: a.}, # a\n  {hostname: c.}, # c\n  {hostname: b., type: [A, AAAA]}\n]\n", -1, ADDED},
        {"a line each, a comma at the end", "hosts: [\n  {hostname: a.}, # a\n]\n",
         "hosts: [\n  {hostname: a.}, # a\n  {hostname: b., type: [A, AAAA]},\n]\n", -1, ADDED},
        {"JSON, CRLF", "{\"hosts\":[\r\n\t{\"hostname\":\"a.\"}]}",
         "{\"hosts\":[\r\n\t{\"hostname\":\"a.\"},\r\n {\"hostname\": \"b.\", \"type\": [\"A\", \"AAAA\"]}]}", -1,
         ADDED},
        {"a pair without braces", "hosts: [hostname: a.]\n", "hosts: [hostname: a., {hostname: b., type: [A, AAAA]}]\n",
         -1, ADDED},
    };
    (void)state;
    check_all(rows, ELEMENTS(rows));
}

static void test_set_block(void **state)
{
    static const struct row rows[] = {
        {"a value",
         "hosts:\n- ttl:   5   # five\n  b: 1\n",
         "hosts:\n- ttl:   60   # five\n  b: 1\n",
         0,
         {"ttl", "=60"}},
        {"the same", "hosts:\n- ttl: \"5\"\n", "hosts:\n- ttl: \"5\"\n", 0, {"ttl", "5"}},
        {"quoted as before",
         "hosts:\n- a: 'it''s'\n  b: \"x\"\n",
         "hosts:\n- a: 'don''t'\n  b: \"y\\\"\"\n",
         0,
         {"a", "don't", "b", "y\""}},
        {"quotes where they are needed",
         "hosts:\n- a: x\n",
         "hosts:\n- a: \"# y\"\n  b: \"true\"\n  c: z\n",
         0,
         {"a", "# y", "b", "true", "c", "z"}},
        {"a new one",
         "hosts:\n  - a: 1 # one\n  # next\n  - a: 2\n",
         "hosts:\n  - a: 1 # one\n    b: \"x\"\n  # next\n  - a: 2\n",
         0,
         {"b", "!x"}},
        {"a new one at the end", "hosts:\n- a: 1", "hosts:\n- a: 1\n  b: x", 0, {"b", "x"}},
        {"behind a text",
         "hosts:\n- a: |\n    text\n\n- a: 2\n",
         "hosts:\n- a: |\n    text\n  b: x\n\n- a: 2\n",
         0,
         {"b", "x"}},
        {"one that had no value", "hosts:\n- a: # none\n  b: 1\n", "hosts:\n- a: x # none\n  b: 1\n", 0, {"a", "x"}},
        {"a text", "hosts:\n- a: |- # it\n    text\n\n  b: 1\n", "hosts:\n- a: x # it\n\n  b: 1\n", 0, {"a", "x"}},
        {"a list", "hosts:\n- a: [\"A\"] # it\n", "hosts:\n- a: [\"B\", \"C\"] # it\n", 0, {"a", "*B,C"}},
        {"a list of lines",
         "hosts:\n- a:\n  - 'A' # it\n  - B\n  b: 1\n",
         "hosts:\n- a:\n  - 'C'\n  - 'D'\n  b: 1\n",
         0,
         {"a", "*C,D"}},
        {"no list any more",
         "hosts:\n- a: # types\n    - A\n    - B\n  b: 1\n",
         "hosts:\n- a: C # types\n  b: 1\n",
         0,
         {"a", "=C"}},
        {"a list where a value was", "hosts:\n- a: A\n", "hosts:\n- a: [B, C]\n", 0, {"a", "*B,C"}},
        {"a value in the next line", "hosts:\n- a:\n    x # it\n", "hosts:\n- a:\n    w # it\n", 0, {"a", "w"}},
        {"out",
         "hosts:\n- a: 1\n  # b is\n  b: 2 # two\n  c: 3\n",
         "hosts:\n- a: 1\n  # b is\n  c: 3\n",
         0,
         {"b", NULL}},
        {"out at the end", "hosts:\n- a: 1\n  b: 2", "hosts:\n- a: 1", 0, {"b", NULL}},
        {"out and in at the end",
         "hosts:\n- a: 1\n  b: 2\n  c: 3",
         "hosts:\n- a: 1\n  d: 4",
         0,
         {"b", NULL, "d", "=4", "c", NULL}},
        {"the first out", "hosts:\n  - a: 1 # one\n    b: 2\n", "hosts:\n  - b: 2\n", 0, {"a", NULL}},
        {"the first two out",
         "hosts:\n  - a: 1\n    b:\n    - 2\n    c: 3\n",
         "hosts:\n  - c: 3\n",
         0,
         {"a", NULL, "b", NULL}},
        {"the first out, a comment behind it",
         "hosts:\n  - a: 1\n    # two\n    b: 2\n",
         "hosts:\n  -\n    # two\n    b: 2\n",
         0,
         {"a", NULL}},
        {"the only one out", "hosts:\n- a: 1\n", NULL, 0, {"a", NULL}},
        {"what is not there out", "hosts:\n- a: 1\n", "hosts:\n- a: 1\n", 0, {"b", NULL}},
        {"a key with ?", "hosts:\n- ? a\n  : 1\n  b: 2\n", NULL, 0, {"a", "x"}},
        {"a mapping", "hosts:\n- a: {b: 1}\n", NULL, 0, {"a", "x"}},
        {"the second",
         "hosts:\n- a: \xf0\x9f\x98\x80\n- a: \xc3\xbc # \xe2\x82\xac\n  b: 2\n",
         "hosts:\n- a: \xf0\x9f\x98\x80\n- a: \"\xc3\xb6\" # \xe2\x82\xac\n  b: 2\n",
         1,
         {"a", "\xc3\xb6"}},
    };
    (void)state;
    check_all(rows, ELEMENTS(rows));
}

static void test_set_flow(void **state)
{
    static const struct row rows[] = {
        {"a value", "hosts: [{a: 1, b: x}]\n", "hosts: [{a: 2, b: \"y, z\"}]\n", 0, {"a", "=2", "b", "y, z"}},
        {"a new one", "hosts:\n- { a: 1 }\n", "hosts:\n- { a: 1, b: x }\n", 0, {"b", "x"}},
        {"a new one in JSON",
         "{\"hosts\": [{\"a\": true}]}",
         "{\"hosts\": [{\"a\": false, \"b\": \"x\"}]}",
         0,
         {"b", "x", "a", "=false"}},
        {"a line each",
         "hosts:\n- {a: 1,\n   b: 2 # two\n  }\n",
         "hosts:\n- {a: 1,\n   b: 2, # two\n   c: x\n  }\n",
         0,
         {"c", "x"}},
        {"without a value",
         "hosts: [{a, b: , c: }]\n",
         "hosts: [{a: x, b: w , c: z }]\n",
         0,
         {"a", "x", "b", "w", "c", "z"}},
        {"the first out", "hosts: [{a: 1, b: 2}]\n", "hosts: [{b: 2}]\n", 0, {"a", NULL}},
        {"the last out", "hosts: [{ a: 1, b: 2 }]\n", "hosts: [{ a: 1 }]\n", 0, {"b", NULL}},
        {"two out, one in",
         "hosts: [{a: 1, b: 2, c: 3}]\n",
         "hosts: [{a: 1, d: x}]\n",
         0,
         {"b", NULL, "c", NULL, "d", "x"}},
        {"out, a comma at the end", "hosts: [{a: 1, b: 2,}]\n", "hosts: [{a: 1, c: x,}]\n", 0, {"b", NULL, "c", "x"}},
        {"a line out",
         "hosts: [{\n  a: 1, # one\n  b: 2, # two\n  c: 3 # three\n}]\n",
         "hosts: [{\n  a: 1, # one\n  b: 2 # two\n}]\n",
         0,
         {"c", NULL}},
        {"lines out, one in",
         "hosts: [{\n  a: 1, # one\n  b: 2, # two\n  c: 3 # three\n}]\n",
         "hosts: [{\n  a: 1, # one\n  d: 4\n}]\n",
         0,
         {"c", NULL, "b", NULL, "d", "=4"}},
        {"a key with ?", "hosts: [{? a : 1, b: 2}]\n", NULL, 0, {"b", "x"}},
    };
    (void)state;
    check_all(rows, ELEMENTS(rows));
}

static void test_remove(void **state)
{
    static const struct row rows[] = {
        {"one", "hosts:\n- a: 1\n- a: 2\n- a: 3\n", "hosts:\n- a: 1\n- a: 3\n", -2, {"2"}},
        {"two", "hosts:\n- a: 1\n- a: 2\n- a: 3", "hosts:\n- a: 2", -2, {"13"}},
        {"its comments",
         "hosts:\n  # list\n\n  # one\n  - a: 1 # 1\n    # in it\n  # two\n  - a: 2\n",
         "hosts:\n  # list\n\n  # two\n  - a: 2\n",
         -2,
         {"1"}},
        {"apart", "hosts:\n- a: 1\n\n- a: 2\n\n- a: 3\n\n# end\n", "hosts:\n- a: 1\n\n- a: 3\n\n# end\n", -2, {"2"}},
        {"the first, apart", "hosts:\n- a: 1\n\n- a: 2\n", "hosts:\n- a: 2\n", -2, {"1"}},
        {"the last, apart", "hosts:\n- a: 1\n\n- a: 2\n\n# end\n", "hosts:\n- a: 1\n\n# end\n", -2, {"2"}},
        {"of a group",
         "hosts:\n- a: 1\n\n# group\n\n- a: 2\n- a: 3\n",
         "hosts:\n- a: 1\n\n# group\n\n- a: 3\n",
         -2,
         {"2"}},
        {"all", "hosts: # list\n  # one\n  - a: 1\n  - a: 2\n# end\n", "hosts: [] # list\n# end\n", -2, {"12"}},
        {"of a list in braces", "hosts: [{a: 1}, {a: 2}, {a: 3}]\n", "hosts: [{a: 2}]\n", -2, {"13"}},
        {"all of them", "hosts: [ {a: 1}, {a: 2}, ]\n", "hosts: [ ]\n", -2, {"12"}},
        {"a line",
         "hosts: [\n  # one\n  {a: 1}, # 1\n  # two\n  {a: 2}\n]\n",
         "hosts: [\n  # two\n  {a: 2}\n]\n",
         -2,
         {"1"}},
        {"the last line",
         "hosts: [\n  {a: 1}, # 1\n  # two\n  {a: 2}]\n",
         "hosts: [\n  {a: 1} # 1\n  # two\n  ]\n",
         -2,
         {"2"}},
        {"a text that looks like a comment",
         "hosts:\n- a: |\n   # no comment\n- a: 2\n",
         "hosts:\n- a: |\n   # no comment\n",
         -2,
         {"2"}},
    };
    (void)state;
    check_all(rows, ELEMENTS(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_block), cmocka_unit_test(test_append_first), cmocka_unit_test(test_append_flow),
        cmocka_unit_test(test_set_block),    cmocka_unit_test(test_set_flow),     cmocka_unit_test(test_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
