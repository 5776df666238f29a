/*
 * Values out of YAML nodes for both configuration files: the types that settings.c and hosts_read.c share, and the
 * words for what is wrong with a value. Each function adds its own problem, `KEY: what is wrong, what to do`,
 * at the node's place. Secrets are read with value_read_text too; it never shows the text. No function here
 * keeps a reference to a node.
 */
#ifndef DDNS53_CONFIG_VALUE_H
#define DDNS53_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/yaml.h"

/* Where 0 or a negative errno is returned: -EINVAL when a problem was added. */
int value_read_bool(struct problems *problems, const char *key, const struct yaml_node *node, bool *ret_value);
/* `unit` may be "". */
int value_read_uint(struct problems *problems, const char *key, const struct yaml_node *node, uint64_t minimum,
                    uint64_t maximum, const char *unit, uint64_t *ret_value);
/* Borrowed; "" only where it was written as "". Control characters and what YAML cannot print are refused. */
int value_read_text(struct problems *problems, const char *key, const struct yaml_node *node, const char **ret_text);
/* A list of schemes that is not empty -> set of enum auth_scheme. */
int value_read_schemes(struct problems *problems, const char *key, const struct yaml_node *node, unsigned *ret_set);
/* Is it a list? `example` shows how to write one. */
int value_check_list(struct problems *problems, const char *key, const struct yaml_node *node, const char *example);
/* `KEY: "TEXT" WHAT`, for a node that is a scalar and no secret. */
void value_add_error(struct problems *problems, const char *key, const struct yaml_node *node, const char *what);

/* Does nothing stand after `key:`? */
bool value_is_empty(const struct yaml_node *node);

/* Warns when others may read the file, which holds secrets. */
void value_warn_readable(const char *path, struct problems *problems);

#define SECRET_GOOD_LENGTH 16 /* shorter ones are warned about */

/* For messages: at most 60 bytes of the text. */
#define VALUE_SHOWN_SIZE 64
struct value_shown {
    char text[VALUE_SHOWN_SIZE];
};
struct value_shown value_show(const char *text);

/* The closest of the words offered: for "did you mean". */
struct nearest {
    const char *word;  /* what was written, borrowed */
    const char *found; /* NULL: nothing is close enough */
    size_t distance;
};
void nearest_init(struct nearest *ret_nearest, const char *word);
/* `extra` is added to the edit distance; `name` is what is suggested. */
void nearest_offer(struct nearest *nearest, const char *candidate, size_t extra, const char *name);

#endif
