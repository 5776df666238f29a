/*
 * Edits of a YAML text that leave every other byte as it is: comments, order, quotes, indentation, line ends. What is
 * new is written as its neighbours are: in block or flow style, indented and quoted alike, with the line ends of the
 * file; a last line without a line break stays without one.
 * The text is one mapping whose `list` key holds mappings, the items. Edits are collected, each made of what the text
 * says, not of other edits: no two may touch the same item, or append. yaml_edit_text makes the new text of them.
 * The text is copied. What is made here may hold secrets and is wiped.
 * Errors: -EOPNOTSUPP: written in a way that these edits do not know (a key written with "?", say); -ENOMEM.
 */
#ifndef DDNS53_BASE_YAML_EDIT_H
#define DDNS53_BASE_YAML_EDIT_H

#include "base/buffer.h"
#include "base/yaml_spans.h"
#include "base/yaml_write.h"

struct yaml_pair {
    const char *key;
    const struct yaml_value *value; /* NULL: the key is taken out */
};

struct yaml_item {
    const struct yaml_pair *pairs;
    size_t count;
};

/* What stands in the place of some bytes of the text. */
struct yaml_splice {
    size_t start;
    size_t end;
    size_t order; /* of several that begin at one place */
    size_t text;  /* where it begins in `added` */
    size_t length;
};

struct yaml_edit {
    struct yaml_spans spans;
    struct buffer text;     /* a copy whose last line has a line break */
    const char *line_break; /* what the file uses */
    bool has_no_last_break; /* the text itself has none there */
    struct yaml_splice *splices;
    size_t splice_count; /* 0: nothing changes */
    size_t splice_capacity;
    struct buffer added;
    int error; /* that an edit failed with; later ones do nothing */
};

/* Also -EINVAL: no YAML, or not the subset of base/yaml.h. Call yaml_edit_done in any case. */
int yaml_edit_begin(const char *text, size_t length, struct yaml_edit *ret_edit);
void yaml_edit_done(struct yaml_edit *edit);
#define _cleanup_edit_ _cleanup_(yaml_edit_done)

/* Behind the last item. `list` may be missing, have nothing after it, or be empty. */
int yaml_edit_append(struct yaml_edit *edit, const char *list, const struct yaml_item *items, size_t count);
/* Sets, adds and takes out keys of a mapping, of which at least one that was there stays. What is not there need not be
 * taken out. */
int yaml_edit_set(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count);
/* Takes out items (nodes, in the order of the text), with the comment lines right above each and those within it; an
 * empty line beside it goes, too, where two would meet. */
int yaml_edit_remove(struct yaml_edit *edit, const char *list, const size_t *items, size_t count);

/* Appends the new text to a buffer that is empty. */
int yaml_edit_text(struct yaml_edit *edit, struct buffer *text);

#endif
