/*
 * Where the nodes of a YAML text stand, in bytes: what an edit needs that leaves every other byte as it is. Read through
 * libyaml's events, which count in characters. The subset is that of base/yaml.h; a text that base/yaml.h refuses
 * may be refused here without a reason, or not: ask that one what is wrong with it.
 * The text is borrowed and must outlive the spans. Decoded scalars may be secrets: wiped when they are freed.
 */
#ifndef DDNS53_BASE_YAML_SPANS_H
#define DDNS53_BASE_YAML_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/yaml.h"

enum yaml_style {
    YAML_PLAIN,
    YAML_SINGLE_QUOTED,
    YAML_DOUBLE_QUOTED,
    YAML_BLOCK_TEXT, /* | or > */
    YAML_FLOW,       /* [a, b], {a: b} */
    YAML_BLOCK,      /* - a, a: b */
};

/* From `start` up to `end`: without white space, comments and the line break around it. A block text that keeps the
 * empty lines behind it (|+) has all of them but the last line break. */
struct yaml_span {
    /* YAML_SCALAR: what it says, not terminated */
    const char *text;
    uint32_t length;
    uint32_t start;
    uint32_t end;
    uint32_t column; /* of `start`, in characters, from 0 */
    uint32_t next;   /* the node behind this one and all that is in it */
    uint32_t count;  /* of items; of keys */
    uint8_t kind;    /* enum yaml_kind */
    uint8_t style;   /* enum yaml_style */
};

/* The nodes in the order of the text: nodes[0] is the root, nodes[i + 1] the first one in node i, nodes[i].next the
 * one beside it. A mapping holds key and value by turns. */
struct yaml_spans {
    const char *text;
    size_t length;
    struct yaml_span *nodes;
    size_t count;
    size_t capacity;
    struct arena arena;
    bool is_ended; /* the document is closed with "..." */
};

#define YAML_NOWHERE ((size_t)-1)

/* 0, -EINVAL, -ENOMEM, -EFBIG past 4 GiB. Call yaml_spans_done in any case. */
int yaml_spans_read(const char *text, size_t length, struct yaml_spans *ret_spans);
void yaml_spans_done(struct yaml_spans *spans);
#define _cleanup_spans_ _cleanup_(yaml_spans_done)

/* The value of a key of a mapping, and the key in front of it; YAML_NOWHERE where it is not. */
size_t yaml_spans_value(const struct yaml_spans *spans, size_t mapping, const char *key);
size_t yaml_spans_key(const struct yaml_spans *spans, size_t mapping, const char *key);

/* Does the header of a block text have it: '+' as in |+, which keeps all line breaks at the end, '-' none? */
bool yaml_has_indicator(const struct yaml_spans *spans, const struct yaml_span *node, char indicator);

/* ---- the text around the nodes ---- */

/* Bytes of the line break at that place: 1 to 3; 0: there is none. YAML 1.1 has five of them. */
size_t yaml_break_length(const struct yaml_spans *spans, size_t at);
size_t yaml_line_start(const struct yaml_spans *spans, size_t at); /* behind a byte order mark */
size_t yaml_line_end(const struct yaml_spans *spans, size_t at);   /* where its break is, or the text ends */
size_t yaml_line_after(const struct yaml_spans *spans, size_t at); /* the line below it, or where the text ends */

size_t yaml_skip_blanks(const struct yaml_spans *spans, size_t at); /* spaces and tabs */
bool yaml_is_blank_line(const struct yaml_spans *spans, size_t start);
/* Blanks, line breaks and comments. */
size_t yaml_skip_space(const struct yaml_spans *spans, size_t at);

#endif
