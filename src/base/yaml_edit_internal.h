/*
 * What yaml_edit.c and yaml_edit_flow.c share; for these two only.
 */
#ifndef DDNS53_BASE_YAML_EDIT_INTERNAL_H
#define DDNS53_BASE_YAML_EDIT_INTERNAL_H

#include "base/yaml_edit.h"

/* Puts what was appended to edit->added from `text` on in the place of those bytes. */
void yaml_splice(struct yaml_edit *edit, size_t start, size_t end, size_t text);
void yaml_cut(struct yaml_edit *edit, size_t start, size_t end);
/* Does a block text that keeps its line breaks (|+) end above that line? Empty lines there would become part of it. */
bool yaml_takes_empty_lines(const struct yaml_edit *edit, size_t line);
/* Whole lines; behind a block text that keeps its line breaks, with the empty lines below them. */
void yaml_cut_lines(struct yaml_edit *edit, size_t start, size_t end);

/* An entry of a mapping or an item of a sequence. */
struct yaml_entry {
    size_t node; /* of the key, of the item */
    size_t start;
    size_t end;
};
/* The one behind it, the first one where entry->node is 0. False: there is none. */
bool yaml_next_entry(const struct yaml_edit *edit, size_t collection, struct yaml_entry *entry);

/* Is there nothing in front of each entry but white space, comments and its comma or dash? A "?" would be one more. */
bool yaml_is_simple(const struct yaml_edit *edit, size_t collection);
/* Behind the colon of a key; the end of the key where it has none: {key}. */
size_t yaml_behind_colon(const struct yaml_edit *edit, size_t key);
bool yaml_is_one_line(const struct yaml_edit *edit, size_t start, size_t end);
/* How a mapping writes its keys; that of nobody in particular where it has none. */
struct yaml_manner yaml_manner_of(const struct yaml_edit *edit, size_t mapping);

/* How a mapping writes the value of that key; `model` may be YAML_NOWHERE. */
enum yaml_style yaml_style_of(const struct yaml_edit *edit, size_t model, const char *key);
/* Appends `{key: value}` to edit->added. */
void yaml_flow_write_item(struct yaml_edit *edit, const struct yaml_item *item, size_t model,
                          const struct yaml_manner *manner);
/* The items behind the last one in brackets. */
void yaml_flow_append_items(struct yaml_edit *edit, size_t sequence, const struct yaml_item *items, size_t count,
                            const struct yaml_manner *manner);
/* Those keys that have a value and are not in the mapping; `removed` as below. */
void yaml_flow_add_keys(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count,
                        const size_t *removed, size_t removed_count, const struct yaml_manner *manner);
/* Takes out entries: their nodes, in the order of the text. */
void yaml_flow_remove(struct yaml_edit *edit, size_t collection, const size_t *nodes, size_t count);

#endif
