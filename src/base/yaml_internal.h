/*
 * What yaml.c (loading, libyaml's events), yaml_build.c (the tree out of what is found) and yaml_plain.c (lines that need no
 * libyaml) share; for these only.
 */
#ifndef DDNS53_BASE_YAML_INTERNAL_H
#define DDNS53_BASE_YAML_INTERNAL_H

#include "base/arena.h"
#include "base/file_lines.h"
#include "base/yaml.h"

#define YAML_DEPTH_MAX 16

/* Where something begins, from 1. */
struct yaml_place {
    unsigned line;
    unsigned column;
};

struct yaml_document {
    struct arena arena;
    struct yaml_node *root;
};

/* A mapping or sequence that is still open; what is in it so far lies in `pending` from `first` on. */
struct open_node {
    struct yaml_node *node;
    size_t first;
};

struct builder {
    const char *text;
    size_t length;
    struct problems *problems;
    size_t problems_before;
    struct yaml_document *document;
    struct open_node open[YAML_DEPTH_MAX];
    unsigned depth;
    struct yaml_node **pending; /* finished nodes whose parent is open */
    size_t pending_count;
    size_t pending_capacity;
    unsigned documents;
    const struct yaml_items *items; /* NULL: none is handed over */
    struct yaml_node *list;         /* the open list whose items are */
    struct arena item;              /* one of them */
    /* The last quoted scalar that spans several lines: where a quote was forgotten, it ends at the next one. */
    struct yaml_place quote_start;
    struct yaml_place quote_end;
};

/* What is found, in the order of the text: 0, -EINVAL with a problem added, or -ENOMEM. */
int yaml_build_scalar(struct builder *builder, const char *text, size_t length, bool plain, struct yaml_place place);
int yaml_build_open(struct builder *builder, enum yaml_kind kind, bool flow, struct yaml_place place);
int yaml_build_close(struct builder *builder);

/*
 * The form that most hosts files have, and that large ones should: `KEY:` alone in its line, below it a list of mappings,
 * each key in a line of its own, with a value in that line, which is a word, quoted without escapes, or a list of words in
 * brackets. Comments and empty lines may stand between. Everything else is libyaml's to read. What is of this form is read
 * as libyaml does (tests/fuzz/fuzz_yaml.c compares them), in a fifth of its time, and from a file in pieces.
 */
struct yaml_source {
    const char *text; /* NULL: `lines` has it */
    size_t length;
    struct file_lines *lines;
};
/* Also whether all its characters are such as YAML allows. */
bool yaml_is_plain(const struct yaml_source *source, const char *key);
/* Such a text, once yaml_is_plain has said so, from its beginning. -ESTALE: it is not any more, for it is a file that was
 * written to meanwhile; else as what is built, or as file_lines_next. */
int yaml_read_plain(struct builder *builder, const struct yaml_source *source, const char *key);

#endif
