#include "config/environment.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "config/settings_table.h"
#include "config/value.h"

#define PREFIX "DDNS53_"
#define NAME_SIZE 64

/* What ddns53-client(1) reads; an administrator may have set it for all programs. */
static const char *const names_of_clients[] = {
    "DDNS53_URL",     "DDNS53_HOSTNAME",     "DDNS53_SECRET",  "DDNS53_SECRET_FILE",
    "DDNS53_CA_FILE", "DDNS53_API_KEY_FILE", "DDNS53_API_KEY", "DDNS53_CLIENT",
};

/* One "NAME=VALUE". */
struct variable {
    const char *text;
    size_t name_length;
    const char *value;
};

/* ---- names ---- */

static bool is_name(const struct variable *variable, const char *name)
{
    return strlen(name) == variable->name_length && strncmp(variable->text, name, variable->name_length) == 0;
}

/* Of the prefix, and not for a client. */
static bool is_ours(const char *text, struct variable *ret_variable)
{
    const char *equals = strchr(text, '=');

    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0 || !equals) {
        return false;
    }
    *ret_variable = (struct variable){text, (size_t)(equals - text), equals + 1};
    for (size_t i = 0; i < ELEMENTS(names_of_clients); i++) {
        if (is_name(ret_variable, names_of_clients[i])) {
            return false;
        }
    }
    return true;
}

/* "server.listen" -> "DDNS53_SERVER__LISTEN" */
static void name_of(const struct setting *row, char ret_name[NAME_SIZE])
{
    size_t length = strlen(PREFIX);

    memcpy(ret_name, PREFIX, length);
    for (const char *c = row->name; *c != '\0' && length + 2 < NAME_SIZE; c++) {
        if (*c == '.') {
            ret_name[length++] = '_';
            ret_name[length++] = '_';
        } else {
            ret_name[length++] = (char)toupper((unsigned char)*c);
        }
    }
    ret_name[length] = '\0';
}

static const struct setting *row_of(const struct variable *variable)
{
    const struct setting *row;
    char name[NAME_SIZE];

    for (size_t i = 0; (row = settings_row(i)); i++) {
        name_of(row, name);
        if (!setting_is_of_zone(row) && is_name(variable, name)) {
            return row;
        }
    }
    return NULL;
}

static struct value_shown shown_name(const struct variable *variable)
{
    char name[NAME_SIZE];
    size_t length = variable->name_length < NAME_SIZE ? variable->name_length : NAME_SIZE - 1;

    memcpy(name, variable->text, length);
    name[length] = '\0';
    return value_show(name);
}

static void add_unknown(struct problems *problems, const struct variable *variable)
{
    const struct value_shown shown = shown_name(variable);
    const struct setting *row;
    char names[128][NAME_SIZE]; /* what `nearest` points at */
    struct nearest nearest;

    nearest_init(&nearest, shown.text);
    for (size_t i = 0; i < ELEMENTS(names) && (row = settings_row(i)); i++) {
        name_of(row, names[i]);
        if (!setting_is_of_zone(row)) {
            nearest_offer(&nearest, names[i], 0, names[i]);
        }
    }
    if (nearest.found) {
        problems_add(problems, 0, 0, "%s in the environment: no setting is called that, did you mean %s?", shown.text,
                     nearest.found);
    } else {
        problems_add(problems, 0, 0,
                     "%s in the environment: no setting is called that; write " PREFIX
                     "SERVER__LISTEN for server.listen, or remove it",
                     shown.text);
    }
}

/* ---- trees ---- */

/* All of it, in the overlay's memory, without the places in what it was read from. NULL: no memory. */
static struct yaml_node *copy_node(struct arena *arena, const struct yaml_node *node)
{
    struct yaml_node *copy = arena_alloc(arena, sizeof(*copy));
    struct yaml_node **slots = NULL;

    if (!copy) {
        return NULL;
    }
    *copy = (struct yaml_node){
        .kind = node->kind, .plain = node->plain, .flow = node->flow, .length = node->length, .count = node->count};
    if (node->kind == YAML_SCALAR) {
        copy->text = arena_copy_text(arena, node->text, node->length);
        return copy->text ? copy : NULL;
    }
    if (node->count == 0) {
        return copy;
    }
    slots = arena_alloc(arena, 2 * node->count * sizeof(struct yaml_node *));
    if (!slots) {
        return NULL;
    }
    copy->items = slots;
    copy->keys = node->keys ? slots + node->count : NULL;
    for (size_t i = 0; i < node->count; i++) {
        copy->items[i] = copy_node(arena, node->items[i]);
        if (copy->keys) {
            copy->keys[i] = copy_node(arena, node->keys[i]);
        }
        if (!copy->items[i] || (copy->keys && !copy->keys[i])) {
            return NULL;
        }
    }
    return copy;
}

static struct yaml_node *new_key(struct arena *arena, const char *text, size_t length)
{
    const struct yaml_node key = {.kind = YAML_SCALAR, .plain = true, .text = (char *)text, .length = length};

    return copy_node(arena, &key);
}

/* The same mapping, which may be NULL, with room for one more key. */
static struct yaml_node *copy_mapping(struct arena *arena, const struct yaml_node *mapping)
{
    struct yaml_node *copy = arena_alloc(arena, sizeof(*copy));
    size_t count = mapping ? mapping->count : 0;
    struct yaml_node **slots = arena_alloc(arena, 2 * (count + 1) * sizeof(struct yaml_node *));

    if (!copy || !slots) {
        return NULL;
    }
    *copy = mapping ? *mapping : (struct yaml_node){.kind = YAML_MAPPING};
    if (count > 0) {
        memcpy((void *)slots, (const void *)mapping->items, count * sizeof(*slots));
        memcpy((void *)(slots + count + 1), (const void *)mapping->keys, count * sizeof(*slots));
    }
    copy->items = slots;
    copy->keys = slots + count + 1;
    return copy;
}

static size_t index_of(const struct yaml_node *mapping, const char *key, size_t length)
{
    size_t i = 0;

    while (i < mapping->count &&
           (mapping->keys[i]->length != length || memcmp(mapping->keys[i]->text, key, length) != 0)) {
        i++;
    }
    return i;
}

/* A copy of `mapping` (NULL: there is none) in which the key of this dotted name has that value. A section that is no
 * mapping stays as it is, and is told as that. NULL: no memory. */
static struct yaml_node *with_value(struct arena *arena, const struct yaml_node *mapping, const char *name,
                                    struct yaml_node *value)
{
    struct yaml_node *copy = copy_mapping(arena, mapping);
    size_t length = strcspn(name, ".");

    if (!copy) {
        return NULL;
    }
    size_t index = index_of(copy, name, length);
    if (name[length] == '.') {
        struct yaml_node *section = index < copy->count ? copy->items[index] : NULL;
        if (section && section->kind != YAML_MAPPING && !yaml_is_empty(section)) {
            return copy;
        }
        value = with_value(arena, section && section->kind == YAML_MAPPING ? section : NULL, name + length + 1, value);
    }
    if (index == copy->count) {
        copy->keys[index] = new_key(arena, name, length);
        copy->count++;
    }
    copy->items[index] = value;
    return value && copy->keys[index] ? copy : NULL;
}

/* ---- the environment ---- */

/* Problems of the variable's text go by its name. */
static int read_value(struct problems *problems, struct arena *arena, const struct variable *variable,
                      struct yaml_node **ret_value)
{
    const struct value_shown shown = shown_name(variable);
    _cleanup_(problems_freep) struct problems *own = problems_new(shown.text);
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    if (!own) {
        return -ENOMEM;
    }
    /* Below a key, so that what is empty is an empty value, and not an empty document. */
    buffer_printf(&text, "value: %s\n", variable->value);
    int r = buffer_status(&text);
    if (r == 0) {
        r = yaml_load_text(text.data, text.length, own, &document);
    }
    buffer_wipe(&text);
    for (size_t i = 0; problems_text(own, i); i++) {
        problems_add(problems, 0, 0, "%s", problems_text(own, i));
    }
    const struct yaml_node *value = r == 0 ? yaml_get(yaml_root(document), "value") : NULL;
    if (r == 0 && (!value || yaml_root(document)->count != 1)) {
        problems_add(problems, 0, 0, "%s in the environment: is not one value in YAML", shown.text);
        r = -EINVAL;
    }
    if (r == 0) {
        *ret_value = copy_node(arena, value);
        r = *ret_value ? 0 : -ENOMEM;
    }
    return r;
}

static int lay_over(struct problems *problems, const struct variable *variable, struct overlay *overlay)
{
    const struct setting *row = row_of(variable);
    struct yaml_node *value = NULL;

    if (!row) {
        add_unknown(problems, variable);
        return -EINVAL;
    }
    int r = read_value(problems, &overlay->arena, variable, &value);
    if (r < 0) {
        return r;
    }
    const struct yaml_node *root = with_value(&overlay->arena, overlay->root, row->name, value);
    if (!root) {
        return -ENOMEM;
    }
    overlay->root = root;
    overlay->count++;
    return 0;
}

int overlay_init(struct problems *problems, const struct yaml_node *root, const char *const *environment,
                 struct overlay *ret_overlay)
{
    struct variable variable;
    int result = 0;

    *ret_overlay = (struct overlay){.root = root};
    for (; *environment; environment++) {
        if (is_ours(*environment, &variable)) {
            int r = lay_over(problems, &variable, ret_overlay);
            result = r < 0 && result != -ENOMEM ? r : result;
        }
    }
    return result;
}

void overlay_explain(struct problems *problems, const char *const *environment)
{
    _cleanup_buffer_ struct buffer names = BUFFER_INIT;
    struct variable variable;

    for (; *environment; environment++) {
        if (is_ours(*environment, &variable)) {
            buffer_printf(&names, "%s%s", names.length > 0 ? ", " : "", shown_name(&variable).text);
        }
    }
    if (names.length > 0 && buffer_status(&names) == 0) {
        problems_add(problems, 0, 0, "the environment counts more than this file: %s", buffer_text(&names));
    }
}

void overlay_done(struct overlay *overlay)
{
    arena_done(&overlay->arena);
    *overlay = (struct overlay){.root = NULL};
}
