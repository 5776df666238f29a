/*
 * YAML as a tree of nodes that know where they stand, read through libyaml's events. A subset on purpose:
 * one document, mappings, sequences and scalars; aliases, anchors, tags and further documents are errors,
 * as are a key twice, a key that is no scalar, more than 16 levels and a file over the size limit.
 * The tree is owned by its document and wiped with it, since it may hold secrets. Read-only once it is built.
 */
#ifndef DDNS53_BASE_YAML_H
#define DDNS53_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/problems.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line;   /* from 1 */
    unsigned column; /* from 1 */
    bool plain;      /* YAML_SCALAR: was not quoted; a value that was left out is plain and "" */
    bool flow;       /* YAML_SEQUENCE, YAML_MAPPING: in brackets, where a comma ends a value that is plain */
    /* YAML_SCALAR: text with a NUL after it, no NUL in it */
    char *text;
    size_t length;
    /* YAML_SEQUENCE: items; YAML_MAPPING: keys[i] -> items[i] */
    struct yaml_node **keys;
    struct yaml_node **items;
    size_t count;
};

struct yaml_document;

/* 0, or -EINVAL with what is wrong added to `problems`, or -ENOMEM. An empty document is an empty mapping.
 * Reads of `path` are bounded by `limit_bytes`; a file that group or others may write is refused; one that is
 * not there is a problem too. */
int yaml_load_file(const char *path, size_t limit_bytes, struct problems *problems,
                   struct yaml_document **ret_document);
int yaml_load_text(const char *text, size_t length, struct problems *problems, struct yaml_document **ret_document);

/* For a list of the root mapping that may be long: each item is handed over when it is complete and is gone after that,
 * so that the tree of a file of any length takes the memory of one item. A file of the plain form, which most have, is read
 * in pieces of 256 KiB; else its whole text is in memory meanwhile. The document has the list with its count, but no items. A
 * problem of the document may be found after items were handed over: what they brought counts only once 0 is returned.
 * After a problem none is handed over any more. */
struct yaml_items {
    const char *key;
    int (*each)(const struct yaml_node *item,
                void *userdata); /* 0; a negative errno ends the reading and is returned */
    void *userdata;
};
int yaml_stream_file(const char *path, size_t limit_bytes, const struct yaml_items *items, struct problems *problems,
                     struct yaml_document **ret_document);
int yaml_stream_text(const char *text, size_t length, const struct yaml_items *items, struct problems *problems,
                     struct yaml_document **ret_document);

void yaml_document_free(struct yaml_document *document);
DEFINE_CLEANUP(struct yaml_document *, yaml_document_free)
const struct yaml_node *yaml_root(const struct yaml_document *document); /* borrowed */

/* Does nothing stand in the place of a value? */
bool yaml_is_empty(const struct yaml_node *node);

/* The value of a key of a mapping, NULL where it is not. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);

#endif
