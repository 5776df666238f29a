#include "base/yaml_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_edit_internal.h"

#define ADDED_BYTES 16384

/* ---- the text and its splices ---- */

static const char *line_break_of(const struct yaml_spans *spans)
{
    size_t end = yaml_line_end(spans, 0);

    switch (yaml_break_length(spans, end)) {
    case 2: return spans->text[end] == '\r' ? "\r\n" : "\n";
    case 1: return spans->text[end] == '\r' ? "\r" : "\n";
    default: return "\n";
    }
}

static bool ends_with_break(const struct yaml_spans *spans)
{
    return spans->length == 0 || yaml_line_start(spans, spans->length) == spans->length;
}

int yaml_edit_begin(const char *text, size_t length, struct yaml_edit *ret_edit)
{
    const struct yaml_spans as_given = {.text = text, .length = length};

    *ret_edit = (struct yaml_edit){.text = BUFFER_INIT, .added = BUFFER_INIT};
    ret_edit->line_break = line_break_of(&as_given);
    ret_edit->has_no_last_break = !ends_with_break(&as_given);
    buffer_reserve(&ret_edit->text, length + 2);
    buffer_append(&ret_edit->text, text, length);
    buffer_append_text(&ret_edit->text, ret_edit->has_no_last_break ? ret_edit->line_break : "");
    buffer_reserve(&ret_edit->added, ADDED_BYTES);
    int r = buffer_status(&ret_edit->text);
    return r < 0 ? r : yaml_spans_read(buffer_text(&ret_edit->text), ret_edit->text.length, &ret_edit->spans);
}

void yaml_edit_done(struct yaml_edit *edit)
{
    yaml_spans_done(&edit->spans);
    buffer_wipe(&edit->text);
    buffer_wipe(&edit->added);
    free(edit->splices);
    edit->splices = NULL;
}

void yaml_splice(struct yaml_edit *edit, size_t start, size_t end, size_t text)
{
    if (edit->splice_count == edit->splice_capacity) {
        size_t capacity = edit->splice_capacity == 0 ? 16 : edit->splice_capacity * 2;
        struct yaml_splice *splices = reallocarray(edit->splices, capacity, sizeof(*splices));
        if (!splices) {
            edit->error = -ENOMEM;
            return;
        }
        edit->splices = splices;
        edit->splice_capacity = capacity;
    }
    edit->splices[edit->splice_count] =
        (struct yaml_splice){start, end, edit->splice_count, text, edit->added.length - text};
    edit->splice_count++;
}

void yaml_cut(struct yaml_edit *edit, size_t start, size_t end)
{
    yaml_splice(edit, start, end, edit->added.length);
}

/* The last scalar in front of that place; NULL: there is none. */
static const struct yaml_span *scalar_before(const struct yaml_edit *edit, size_t end)
{
    for (size_t i = edit->spans.count; i > 0; i--) {
        const struct yaml_span *node = &edit->spans.nodes[i - 1];
        if (node->kind == YAML_SCALAR && node->start < end) {
            return node;
        }
    }
    return NULL;
}

bool yaml_takes_empty_lines(const struct yaml_edit *edit, size_t line)
{
    const struct yaml_span *above = scalar_before(edit, line);

    return above && above->style == YAML_BLOCK_TEXT && yaml_has_indicator(&edit->spans, above, '+') &&
           yaml_line_after(&edit->spans, above->end) == line;
}

void yaml_cut_lines(struct yaml_edit *edit, size_t start, size_t end)
{
    if (yaml_takes_empty_lines(edit, start)) {
        while (end < edit->spans.length && yaml_is_blank_line(&edit->spans, end)) {
            end = yaml_line_after(&edit->spans, end);
        }
    }
    yaml_cut(edit, start, end);
}

static int compare_splices(const void *left, const void *right)
{
    const struct yaml_splice *a = left, *b = right;

    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

/* Leaves out the line break that the text did not have at its end, but where it has become part of a block text. */
static void remove_last_break(const struct yaml_edit *edit, struct buffer *text)
{
    const struct yaml_splice *last = edit->splice_count > 0 ? &edit->splices[edit->splice_count - 1] : NULL;
    size_t length = strlen(edit->line_break);
    bool is_cut_off = last && last->end == edit->spans.length && last->length == 0;
    const struct yaml_span *scalar = is_cut_off ? scalar_before(edit, last->start) : NULL;
    bool is_text = scalar && scalar->style == YAML_BLOCK_TEXT && !yaml_has_indicator(&edit->spans, scalar, '-') &&
                   yaml_line_after(&edit->spans, scalar->end) == last->start;

    if (!is_text && text->length >= length &&
        memcmp(text->data + text->length - length, edit->line_break, length) == 0) {
        text->length -= length;
        text->data[text->length] = '\0';
    }
}

int yaml_edit_text(struct yaml_edit *edit, struct buffer *text)
{
    size_t position = 0;

    if (edit->error < 0 || buffer_status(&edit->added) < 0) {
        return edit->error < 0 ? edit->error : -ENOMEM;
    }
    if (edit->splice_count > 0) {
        qsort(edit->splices, edit->splice_count, sizeof(*edit->splices), compare_splices);
    }
    buffer_reserve(text, edit->text.length + edit->added.length);
    for (size_t i = 0; i < edit->splice_count; i++) {
        const struct yaml_splice *splice = &edit->splices[i];
        if (splice->start > position) {
            buffer_append(text, edit->spans.text + position, splice->start - position);
            position = splice->start;
        }
        buffer_append(text, buffer_text(&edit->added) + splice->text, splice->length);
        position = splice->end > position ? splice->end : position;
    }
    buffer_append(text, edit->spans.text + position, edit->spans.length - position);
    if (edit->has_no_last_break && buffer_status(text) == 0) {
        remove_last_break(edit, text);
    }
    return buffer_status(text);
}

/* ---- entries ---- */

bool yaml_next_entry(const struct yaml_edit *edit, size_t collection, struct yaml_entry *entry)
{
    const struct yaml_spans *spans = &edit->spans;
    const struct yaml_span *parent = &spans->nodes[collection];
    size_t node = collection + 1;

    if (entry->node != 0) {
        node = spans->nodes[entry->node].next;
        node = parent->kind == YAML_MAPPING ? spans->nodes[node].next : node;
    }
    if (node >= parent->next) {
        return false;
    }
    entry->node = node;
    entry->start = spans->nodes[node].start;
    entry->end = spans->nodes[parent->kind == YAML_MAPPING ? spans->nodes[node].next : node].end;
    return true;
}

static char byte_at(const struct yaml_edit *edit, size_t at)
{
    return at < edit->spans.length ? edit->spans.text[at] : '\0';
}

bool yaml_is_simple(const struct yaml_edit *edit, size_t collection)
{
    const struct yaml_span *node = &edit->spans.nodes[collection];
    bool is_block_list = node->style == YAML_BLOCK && node->kind == YAML_SEQUENCE;
    size_t at = node->start;
    struct yaml_entry entry = {0};

    if (node->style == YAML_FLOW) {
        if (byte_at(edit, at) != (node->kind == YAML_MAPPING ? '{' : '[')) {
            return false;
        }
        at++;
    }
    for (size_t i = 0; yaml_next_entry(edit, collection, &entry); i++) {
        at = yaml_skip_space(&edit->spans, at);
        if ((node->style == YAML_FLOW && i > 0) || is_block_list) {
            if (byte_at(edit, at) != (is_block_list ? '-' : ',')) {
                return false;
            }
            at = yaml_skip_space(&edit->spans, at + 1);
        }
        if (at != entry.start) {
            return false;
        }
        at = entry.end;
    }
    return true;
}

size_t yaml_behind_colon(const struct yaml_edit *edit, size_t key)
{
    size_t at = yaml_skip_space(&edit->spans, edit->spans.nodes[key].end);

    return byte_at(edit, at) == ':' ? at + 1 : edit->spans.nodes[key].end;
}

bool yaml_is_one_line(const struct yaml_edit *edit, size_t start, size_t end)
{
    return yaml_line_end(&edit->spans, start) >= end;
}

struct yaml_manner yaml_manner_of(const struct yaml_edit *edit, size_t mapping)
{
    const struct yaml_span *node = &edit->spans.nodes[mapping];
    struct yaml_manner manner = {.keys = YAML_PLAIN, .line_break = edit->line_break};

    if (node->kind == YAML_MAPPING && node->count > 0) {
        manner.is_flow = node->style == YAML_FLOW;
        manner.keys = node[1].style;
        manner.is_json = manner.is_flow && manner.keys == YAML_DOUBLE_QUOTED;
    }
    return manner;
}

/* ---- keys of a mapping ---- */

static bool says_so(const struct yaml_edit *edit, size_t node, const struct yaml_value *value)
{
    const struct yaml_span *nodes = edit->spans.nodes;
    size_t at = node;

    if (value->is_list != (nodes[node].kind == YAML_SEQUENCE) ||
        (value->is_list && value->count != nodes[node].count)) {
        return false;
    }
    at += value->is_list ? 1 : 0;
    for (size_t i = 0; i < value->count; i++, at = nodes[at].next) {
        if (nodes[at].kind != YAML_SCALAR || nodes[at].length != strlen(value->texts[i]) ||
            memcmp(nodes[at].text, value->texts[i], nodes[at].length) != 0) {
            return false;
        }
    }
    return true;
}

static void replace_scalar(struct yaml_edit *edit, size_t key, const struct yaml_span *old,
                           const struct yaml_value *value, const struct yaml_manner *manner)
{
    struct buffer *added = &edit->added;
    size_t begun = added->length;

    if (old->start == old->end) {
        bool has_colon = old->start > edit->spans.nodes[key].end;
        buffer_append_text(added, has_colon ? " " : ": ");
        yaml_write_value(added, value, YAML_BLOCK, manner);
    } else if (old->style == YAML_BLOCK_TEXT) {
        size_t line_end = yaml_line_end(&edit->spans, old->start);
        const char *comment = memchr(edit->spans.text + old->start, '#', line_end - old->start);
        yaml_write_value(added, value, YAML_BLOCK, manner);
        if (comment) {
            buffer_append_char(added, ' ');
            buffer_append(added, comment, line_end - (size_t)(comment - edit->spans.text));
        }
    } else {
        yaml_write_value(added, value, old->style, manner);
    }
    yaml_splice(edit, old->start, old->end, begun);
}

static void replace_list(struct yaml_edit *edit, size_t key, const struct yaml_span *old,
                         const struct yaml_value *value, struct yaml_manner *manner)
{
    _cleanup_buffer_ struct buffer indentation = BUFFER_INIT;
    enum yaml_style style = old->count > 0 && old[1].kind == YAML_SCALAR ? old[1].style : YAML_BLOCK;
    size_t begun = edit->added.length;

    if (old->style == YAML_BLOCK && !value->is_list) {
        size_t colon = yaml_behind_colon(edit, key);
        buffer_append_char(&edit->added, ' ');
        yaml_write_value(&edit->added, value, style, manner);
        yaml_splice(edit, colon, colon, begun);
        yaml_cut(edit, yaml_line_start(&edit->spans, old->start), yaml_line_after(&edit->spans, old->end));
        return;
    }
    if (old->style == YAML_BLOCK) {
        buffer_printf(&indentation, "%*s", (int)old->column, "");
        manner->indentation = buffer_text(&indentation);
    }
    yaml_write_value(&edit->added, value, style, manner);
    yaml_splice(edit, old->start, old->end, begun);
    manner->indentation = NULL;
}

static void replace_value(struct yaml_edit *edit, size_t key, const struct yaml_value *value,
                          struct yaml_manner *manner)
{
    const struct yaml_span *old = &edit->spans.nodes[edit->spans.nodes[key].next];

    if (says_so(edit, edit->spans.nodes[key].next, value)) {
        return;
    }
    if (old->kind == YAML_MAPPING ||
        (old->kind == YAML_SEQUENCE && !yaml_is_simple(edit, (size_t)(old - edit->spans.nodes)))) {
        edit->error = -EOPNOTSUPP;
    } else if (old->kind == YAML_SEQUENCE) {
        replace_list(edit, key, old, value, manner);
    } else {
        replace_scalar(edit, key, old, value, manner);
    }
}

static bool is_removed(const struct yaml_edit *edit, size_t key, const struct yaml_pair *pairs, size_t count)
{
    const struct yaml_span *node = &edit->spans.nodes[key];

    for (size_t i = 0; i < count; i++) {
        if (!pairs[i].value && strlen(pairs[i].key) == node->length &&
            memcmp(pairs[i].key, node->text, node->length) == 0) {
            return true;
        }
    }
    return false;
}

/* The first key of an item, beside its dash: the next key that stays takes its place, or, where a comment stands
 * between them, the dash remains alone in its line. */
static void remove_first_key(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count)
{
    const struct yaml_spans *spans = &edit->spans;
    struct yaml_entry entry = {0};
    bool has_comment = false;
    size_t line_end = 0, start = 0;

    while (yaml_next_entry(edit, mapping, &entry)) {
        if (line_end > 0) {
            has_comment |= memchr(spans->text + line_end, '#', entry.start - line_end) != NULL;
        } else {
            start = entry.start;
        }
        if (!is_removed(edit, entry.node, pairs, count)) {
            break;
        }
        line_end = yaml_line_end(spans, entry.end);
    }
    if (!has_comment) {
        yaml_cut(edit, start, entry.start);
        return;
    }
    entry = (struct yaml_entry){0};
    (void)yaml_next_entry(edit, mapping, &entry);
    while (start > 0 && (spans->text[start - 1] == ' ' || spans->text[start - 1] == '\t')) {
        start--;
    }
    yaml_cut(edit, start, yaml_line_end(spans, entry.end));
}

static void remove_block_keys(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count)
{
    const struct yaml_spans *spans = &edit->spans;
    struct yaml_entry entry = {0};

    while (yaml_next_entry(edit, mapping, &entry)) {
        size_t line = yaml_line_start(spans, entry.start);
        if (!is_removed(edit, entry.node, pairs, count)) {
            continue;
        }
        if (yaml_skip_blanks(spans, line) == entry.start) {
            yaml_cut_lines(edit, line, yaml_line_after(spans, entry.end));
        } else {
            remove_first_key(edit, mapping, pairs, count);
        }
    }
}

static void add_block_keys(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count,
                           const struct yaml_manner *manner)
{
    const struct yaml_span *node = &edit->spans.nodes[mapping];
    size_t at = yaml_line_after(&edit->spans, node->end);
    size_t begun = edit->added.length;

    for (size_t i = 0; i < count; i++) {
        if (pairs[i].value && yaml_spans_key(&edit->spans, mapping, pairs[i].key) == YAML_NOWHERE) {
            buffer_printf(&edit->added, "%*s", (int)node->column, "");
            yaml_write_pair(&edit->added, pairs[i].key, pairs[i].value, YAML_BLOCK, manner);
            buffer_append_text(&edit->added, edit->line_break);
        }
    }
    if (edit->added.length > begun) {
        yaml_splice(edit, at, at, begun);
    }
}

static int remove_flow_keys(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count,
                            const struct yaml_manner *manner)
{
    _cleanup_free_ size_t *removed = calloc(edit->spans.nodes[mapping].count + 1, sizeof(*removed));
    struct yaml_entry entry = {0};
    size_t removed_count = 0;

    if (!removed) {
        return -ENOMEM;
    }
    while (yaml_next_entry(edit, mapping, &entry)) {
        if (is_removed(edit, entry.node, pairs, count)) {
            removed[removed_count++] = entry.node;
        }
    }
    yaml_flow_add_keys(edit, mapping, pairs, count, removed, removed_count, manner);
    yaml_flow_remove(edit, mapping, removed, removed_count);
    return 0;
}

/* Is a key left that was there? */
static bool leaves_a_key(const struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count)
{
    struct yaml_entry entry = {0};

    while (yaml_next_entry(edit, mapping, &entry)) {
        if (!is_removed(edit, entry.node, pairs, count)) {
            return true;
        }
    }
    return false;
}

int yaml_edit_set(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count)
{
    struct yaml_manner manner = yaml_manner_of(edit, mapping);

    if (edit->spans.nodes[mapping].kind != YAML_MAPPING || !yaml_is_simple(edit, mapping) ||
        !leaves_a_key(edit, mapping, pairs, count)) {
        return edit->error = -EOPNOTSUPP;
    }
    for (size_t i = 0; i < count; i++) {
        size_t key = yaml_spans_key(&edit->spans, mapping, pairs[i].key);
        if (key != YAML_NOWHERE && pairs[i].value) {
            replace_value(edit, key, pairs[i].value, &manner);
        }
    }
    if (edit->spans.nodes[mapping].style == YAML_BLOCK) {
        remove_block_keys(edit, mapping, pairs, count);
        add_block_keys(edit, mapping, pairs, count, &manner);
    } else if (edit->error == 0) {
        edit->error = remove_flow_keys(edit, mapping, pairs, count, &manner);
    }
    return edit->error;
}
