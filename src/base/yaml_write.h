/*
 * Values as YAML text, in the style that the text around them has. Pure; appends to a buffer.
 */
#ifndef DDNS53_BASE_YAML_WRITE_H
#define DDNS53_BASE_YAML_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/yaml_spans.h"

enum yaml_form {
    YAML_WORD,   /* a number, true, false, a date: never quoted */
    YAML_TEXT,   /* quoted where another reader could take it for something else */
    YAML_SECRET, /* always quoted, but where the text around it does not */
};

struct yaml_value {
    enum yaml_form form;
    bool is_list;
    const char *const *texts; /* borrowed; one where it is no list */
    size_t count;
};

/* How a text writes what it says. */
struct yaml_manner {
    bool is_flow;            /* within brackets */
    bool is_json;            /* every text is quoted */
    enum yaml_style keys;    /* YAML_PLAIN, YAML_SINGLE_QUOTED or YAML_DOUBLE_QUOTED */
    const char *line_break;  /* between the items of a list in block style */
    const char *indentation; /* in front of each but the first; NULL: lists are written in brackets */
};

/* `style` is how the value was written before, or is written elsewhere; YAML_BLOCK where nobody knows. */
void yaml_write_value(struct buffer *buffer, const struct yaml_value *value, enum yaml_style style,
                      const struct yaml_manner *manner);
/* `key:` */
void yaml_write_key(struct buffer *buffer, const char *key, const struct yaml_manner *manner);
/* `key: value` */
void yaml_write_pair(struct buffer *buffer, const char *key, const struct yaml_value *value, enum yaml_style style,
                     const struct yaml_manner *manner);

#endif
