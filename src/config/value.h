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

#include "base/secret.h"
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

/* A path as it was written; ${CREDENTIALS_DIRECTORY}/NAME becomes the path of a credential that systemd (LoadCredential=)
 * handed to this process. Owned. */
int value_expand_path(struct problems *problems, const char *key, const struct yaml_node *node, const char *text,
                      char **ret_path);

/* Is there a folder of credentials that this process may not see? systemd before 254 shows it to the main process of a
 * service alone, and not to what ExecReload= runs. */
bool value_are_credentials_hidden(void);
/* Is the file one of those? NULL: no. */
bool value_is_hidden_credential(const char *path);

/* The first line of a file whose path is relative to `file`. One that others may write is refused, one that they may read
 * is warned about. Of a hidden credential there is a warning, and a secret that nobody knows. */
int value_read_secret_file(struct problems *problems, const char *file, const char *key, const struct yaml_node *node,
                           size_t max_bytes, struct secret **ret_secret);

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
/* The same of a value that is no path: up to where a line that follows, with a secret, may have become part of it. */
struct value_shown value_show_warily(const char *text);

/* The closest of the words offered: for "did you mean". */
struct nearest {
    const char *word;  /* what was written, borrowed */
    const char *found; /* NULL: nothing is close enough */
    const char *like;  /* the candidate that it is close to */
    size_t distance;
};
void nearest_init(struct nearest *ret_nearest, const char *word);
/* `extra` is added to the edit distance; `name` is what is suggested. */
void nearest_offer(struct nearest *nearest, const char *candidate, size_t extra, const char *name);

/* A key as it may be meant: up to its first `:`, `=` or blank, which were typed wrongly where they are part of a key. */
struct value_shown value_key_word(const char *key);
/* Adds that the index-th key of the mapping is unknown. `section` stands before it, "" or "server."; `nearest` was asked
 * for its value_key_word. Of the key only what cannot be a secret is shown: what is like a key of ours, or a short word
 * with a value of its own that does not stand behind a secret within braces. */
void value_add_unknown_key(struct problems *problems, const char *section, const struct yaml_node *mapping,
                           size_t index, const struct nearest *nearest, const char *advice);

#endif
