/* Any text, and edits of it: the spans say what the tree says, and what an edit makes of it loads, differs as was asked
 * for, and in no other item. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "base/yaml_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const new_text[] = {"it's \"new\" # 5"};
static const char *const new_list[] = {"A", "true"};
static const struct yaml_value new_value = {.form = YAML_TEXT, .texts = new_text, .count = 1};
static const struct yaml_value new_values = {.form = YAML_TEXT, .texts = new_list, .count = 2, .is_list = true};

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* ---- spans and tree ---- */

/* Walks both; returns the node behind this one. */
static size_t check_span(const struct yaml_spans *spans, size_t at, const struct yaml_node *node, size_t floor)
{
    const struct yaml_span *span = &spans->nodes[at];

    insist(at < spans->count && span->kind == node->kind && span->count == node->count);
    insist(span->start >= floor && span->start <= span->end && span->end <= spans->length);
    if (span->kind == YAML_SCALAR) {
        insist(span->length == node->length && memcmp(span->text, node->text, node->length) == 0);
        insist((span->style == YAML_PLAIN) == node->plain && span->next == at + 1);
        return at + 1;
    }
    size_t next = at + 1;
    floor = span->start;
    for (size_t i = 0; i < node->count; i++) {
        if (node->keys) {
            size_t key = next;
            next = check_span(spans, key, node->keys[i], floor);
            floor = spans->nodes[key].end;
        }
        size_t item = next;
        next = check_span(spans, item, node->items[i], floor);
        floor = spans->nodes[item].end;
    }
    insist(next == span->next && floor <= span->end);
    return next;
}

/* ---- edits ---- */

static size_t without_breaks(const struct yaml_node *node)
{
    size_t length = node->length;

    while (length > 0 && node->text[length - 1] == '\n') {
        length--;
    }
    return length;
}

/* A text at the very end of a file without a last line break gets one when something follows it: not looked at. */
static bool is_same(const struct yaml_node *a, const struct yaml_node *b)
{
    if (a->kind != b->kind || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!is_same(a->items[i], b->items[i]) || (a->keys && !is_same(a->keys[i], b->keys[i]))) {
            return false;
        }
    }
    return a->kind != YAML_SCALAR || (a->plain == b->plain && without_breaks(a) == without_breaks(b) &&
                                      memcmp(a->text, b->text, without_breaks(a)) == 0);
}

static const struct yaml_node *list_of(const struct yaml_document *document)
{
    const struct yaml_node *list = yaml_get(yaml_root(document), "hosts");

    return list && list->kind == YAML_SEQUENCE ? list : NULL;
}

static struct yaml_document *document_of(const struct buffer *text)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("new.yaml");
    struct yaml_document *document = NULL;

    insist(yaml_load_text(buffer_text(text), text->length, problems, &document) == 0);
    return document;
}

/* The other items are what they were: from `gap` on they are `shift` places further. */
static void check_others(const struct yaml_node *old, const struct yaml_node *new, size_t gap, size_t old_skip,
                         size_t new_skip)
{
    size_t old_count = old ? old->count : 0;

    insist(new &&new->count + old_skip == old_count + new_skip);
    for (size_t i = 0; i < gap; i++) {
        insist(is_same(old->items[i], new->items[i]));
    }
    for (size_t i = gap + old_skip; i < old_count; i++) {
        insist(is_same(old->items[i], new->items[i - old_skip + new_skip]));
    }
}

static void check_item(const struct yaml_node *item)
{
    const struct yaml_node *text = yaml_get(item, "new text"), *list = yaml_get(item, "list");

    insist(text && strcmp(text->text, new_text[0]) == 0);
    insist(list && list->kind == YAML_SEQUENCE && list->count == 2 && strcmp(list->items[1]->text, "true") == 0);
}

static void check_append(const char *text, size_t size, const struct yaml_node *old)
{
    const struct yaml_pair pairs[] = {{"new text", &new_value}, {"list", &new_values}};
    const struct yaml_item item = {pairs, ELEMENTS(pairs)};
    _cleanup_edit_ struct yaml_edit edit;
    _cleanup_buffer_ struct buffer new = BUFFER_INIT;

    insist(yaml_edit_begin(text, size, &edit) == 0);
    int r = yaml_edit_append(&edit, "hosts", &item, 1);
    insist(r == 0 || r == -EOPNOTSUPP);
    if (r == 0 && yaml_edit_text(&edit, &new) == 0) {
        _cleanup_(yaml_document_freep) struct yaml_document *document = document_of(&new);
        const struct yaml_node *list = list_of(document);
        check_others(old, list, old ? old->count : 0, 0, 1);
        check_item(list->items[list->count - 1]);
    }
}

static size_t node_of(const struct yaml_edit *edit, size_t item)
{
    size_t node = yaml_spans_value(&edit->spans, 0, "hosts") + 1;

    for (size_t i = 0; i < item; i++) {
        node = edit->spans.nodes[node].next;
    }
    return node;
}

/* Two keys set, that may be there or not; the first one that is there taken out. */
static void check_set(const char *text, size_t size, const struct yaml_node *old, size_t at)
{
    const struct yaml_node *item = old->items[at];
    const char *out = item->kind == YAML_MAPPING && item->count > 1 ? item->keys[0]->text : "no such key";
    const struct yaml_pair pairs[] = {{"new text", &new_value}, {out, NULL}, {"list", &new_values}};
    if (strcmp(out, "new text") == 0 || strcmp(out, "list") == 0) {
        return;
    }
    _cleanup_edit_ struct yaml_edit edit;
    _cleanup_buffer_ struct buffer new = BUFFER_INIT;
    insist(yaml_edit_begin(text, size, &edit) == 0);
    int r = yaml_edit_set(&edit, node_of(&edit, at), pairs, ELEMENTS(pairs));
    insist(r == 0 || r == -EOPNOTSUPP);
    if (r == 0 && yaml_edit_text(&edit, &new) == 0) {
        _cleanup_(yaml_document_freep) struct yaml_document *document = document_of(&new);
        const struct yaml_node *list = list_of(document);
        check_others(old, list, at, 1, 1);
        check_item(list->items[at]);
        insist(!yaml_get(list->items[at], out));
        for (size_t i = 0; i < item->count; i++) {
            const struct yaml_node *value = yaml_get(list->items[at], item->keys[i]->text);
            bool is_ours = strcmp(item->keys[i]->text, "new text") == 0 || strcmp(item->keys[i]->text, "list") == 0;
            insist(strcmp(item->keys[i]->text, out) == 0 || is_ours || (value && is_same(item->items[i], value)));
        }
    }
}

static void check_remove(const char *text, size_t size, const struct yaml_node *old, size_t first, size_t count)
{
    _cleanup_edit_ struct yaml_edit edit;
    _cleanup_buffer_ struct buffer new = BUFFER_INIT;

    insist(yaml_edit_begin(text, size, &edit) == 0);
    const size_t items[] = {node_of(&edit, first), node_of(&edit, first + count - 1)};
    int r = yaml_edit_remove(&edit, "hosts", items, count);
    insist(r == 0 || r == -EOPNOTSUPP);
    if (r == 0 && yaml_edit_text(&edit, &new) == 0) {
        _cleanup_(yaml_document_freep) struct yaml_document *document = document_of(&new);
        check_others(old, list_of(document), first, count, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("fuzz.yaml");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_spans_ struct yaml_spans spans;
    const char *text = (const char *)data;
    int r = yaml_load_text(text, size, problems, &document);
    int r_spans = yaml_spans_read(text, size, &spans);

    if (r < 0) {
        insist(r_spans == 0 || r_spans == -EINVAL);
        return 0;
    }
    insist(r_spans == 0);
    if (spans.count > 0 && !(spans.nodes[0].kind == YAML_SCALAR && spans.nodes[0].length == 0)) {
        insist(check_span(&spans, 0, yaml_root(document), 0) == spans.count);
    }
    const struct yaml_node *list = list_of(document);
    check_append(text, size, list);
    for (size_t i = 0; list && i < list->count && i < 3; i++) {
        check_set(text, size, list, i);
        check_remove(text, size, list, i, 1);
        if (i + 1 < list->count) {
            check_remove(text, size, list, i, 2);
        }
    }
    return 0;
}
