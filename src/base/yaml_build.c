/* Builds the tree of a document, or of one item of its long list after the other, out of what is found in its text. */
#include <errno.h>
#include <string.h>

#include "base/table.h"
#include "base/yaml_internal.h"

#define FEW_KEYS 16 /* compared with each other; more go through a table */

static bool is_in_list(const struct builder *builder)
{
    return builder->list != NULL && builder->depth >= 2;
}

static struct arena *arena_of(struct builder *builder)
{
    return is_in_list(builder) ? &builder->item : &builder->document->arena;
}

/* After a problem the items do not count, and need not be what yaml.h promises: a key may be a list. */
static int hand_over(struct builder *builder, const struct yaml_node *item)
{
    const bool is_good = problems_count(builder->problems) == builder->problems_before;
    const int r = is_good ? builder->items->each(item, builder->items->userdata) : 0;

    arena_reset(&builder->item);
    builder->list->count++;
    return r;
}

static int push(struct builder *builder, struct yaml_node *node)
{
    if (is_in_list(builder) && builder->depth == 2) {
        return hand_over(builder, node);
    }
    if (builder->pending_count == builder->pending_capacity) {
        size_t capacity = builder->pending_capacity == 0 ? 64 : builder->pending_capacity * 2;
        struct yaml_node **pending = realloc(builder->pending, capacity * sizeof(struct yaml_node *));
        if (pending == NULL) {
            return -ENOMEM;
        }
        builder->pending = pending;
        builder->pending_capacity = capacity;
    }
    builder->pending[builder->pending_count++] = node;
    return 0;
}

static struct yaml_node *new_node(struct builder *builder, enum yaml_kind kind, struct yaml_place place)
{
    struct yaml_node *node = arena_alloc(arena_of(builder), sizeof(*node));
    if (node != NULL) {
        node->kind = kind;
        node->line = place.line;
        node->column = place.column;
    }
    return node;
}

int yaml_build_scalar(struct builder *builder, const char *text, size_t length, bool plain, struct yaml_place place)
{
    struct yaml_node *node = new_node(builder, YAML_SCALAR, place);
    if (node == NULL) {
        return -ENOMEM;
    }
    if (memchr(text, '\0', length) != NULL) {
        problems_add(builder->problems, node->line, node->column, "a NUL (\\0) in a value; remove it");
    }
    node->text = arena_copy_text(arena_of(builder), text, length);
    node->length = length;
    node->plain = plain;
    return node->text != NULL ? push(builder, node) : -ENOMEM;
}

/* Is what begins now the value of the key whose items are handed over? */
static bool is_list_next(const struct builder *builder)
{
    if (builder->items == NULL || builder->depth != 1 || builder->open[0].node->kind != YAML_MAPPING ||
        (builder->pending_count - builder->open[0].first) % 2 == 0) {
        return false;
    }
    const struct yaml_node *key = builder->pending[builder->pending_count - 1];
    return key->kind == YAML_SCALAR && strcmp(key->text, builder->items->key) == 0;
}

int yaml_build_open(struct builder *builder, enum yaml_kind kind, bool flow, struct yaml_place place)
{
    if (builder->depth == YAML_DEPTH_MAX) {
        problems_add(builder->problems, place.line, place.column,
                     "nested more than %d levels deep; nothing here needs that", YAML_DEPTH_MAX);
        return -EINVAL;
    }
    struct yaml_node *node = new_node(builder, kind, place);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->flow = flow;
    if (kind == YAML_SEQUENCE && is_list_next(builder)) {
        builder->list = node;
    }
    builder->open[builder->depth++] = (struct open_node){node, builder->pending_count};
    return 0;
}

/* Can it be nothing but a key? What a slip makes a key may hold a secret: shared_secret:VALUE, or what stands after a
 * comma in braces. */
static bool is_plainly_a_key(const struct yaml_node *key, const struct yaml_node *value)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    const size_t longest = 24;

    return key->length <= longest && strspn(key->text, letters) == key->length && !yaml_is_empty(value);
}

static void add_twice(struct problems *problems, const struct yaml_node *mapping, size_t index,
                      const struct yaml_node *before)
{
    const struct yaml_node *key = mapping->keys[index];
    bool is_shown = is_plainly_a_key(key, mapping->items[index]);

    problems_add(problems, key->line, key->column, "%s%skey is here twice, first in line %u; remove one",
                 is_shown ? key->text : "", is_shown ? ": " : "", before->line);
}

static struct bytes key_of_node(const void *value)
{
    const struct yaml_node *key = value;
    return (struct bytes){key->text, key->length};
}

static int check_many_keys(struct problems *problems, const struct yaml_node *mapping)
{
    _cleanup_(table_freep) struct table *seen = table_new(key_of_node);
    if (seen == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        struct yaml_node *key = mapping->keys[i];
        int r = key->kind == YAML_SCALAR ? table_put(seen, key) : 0;
        if (r == -EEXIST) {
            add_twice(problems, mapping, i, table_get(seen, key->text, key->length));
        } else if (r < 0) {
            return r;
        }
    }
    return 0;
}

static bool same_key(const struct yaml_node *a, const struct yaml_node *b)
{
    return a->kind == YAML_SCALAR && b->kind == YAML_SCALAR && a->length == b->length &&
           memcmp(a->text, b->text, a->length) == 0;
}

static int check_keys(struct problems *problems, const struct yaml_node *mapping)
{
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *key = mapping->keys[i];
        if (key->kind != YAML_SCALAR) {
            problems_add(problems, key->line, key->column, "a list or mapping as a key; a key must be a word");
        }
    }
    if (mapping->count > FEW_KEYS) {
        return check_many_keys(problems, mapping);
    }
    for (size_t i = 1; i < mapping->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (same_key(mapping->keys[i], mapping->keys[j])) {
                add_twice(problems, mapping, i, mapping->keys[j]);
                break;
            }
        }
    }
    return 0;
}

static int keep_children(struct builder *builder, const struct open_node *open)
{
    struct yaml_node *node = open->node;
    size_t child_count = builder->pending_count - open->first;
    size_t stride = node->kind == YAML_MAPPING ? 2 : 1;

    node->count = child_count / stride;
    if (node->count == 0) {
        return 0;
    }
    struct yaml_node **slots = arena_alloc(arena_of(builder), node->count * stride * sizeof(struct yaml_node *));
    if (slots == NULL) {
        return -ENOMEM;
    }
    node->items = slots;
    node->keys = stride == 2 ? slots + node->count : NULL;
    for (size_t i = 0; i < node->count; i++) {
        size_t child = open->first + i * stride;
        node->items[i] = builder->pending[child + stride - 1];
        if (stride == 2) {
            node->keys[i] = builder->pending[child];
        }
    }
    builder->pending_count = open->first;
    return 0;
}

int yaml_build_close(struct builder *builder)
{
    const struct open_node *open = &builder->open[--builder->depth];
    struct yaml_node *node = open->node;

    if (node == builder->list) {
        builder->list = NULL; /* its items were handed over */
        return push(builder, node);
    }
    int r = keep_children(builder, open);
    if (r == 0 && node->kind == YAML_MAPPING) {
        r = check_keys(builder->problems, node);
    }
    return r == 0 ? push(builder, node) : r;
}
