/* Items of a list: added behind the last one, or taken out. */
#include <errno.h>

#include "base/yaml_edit_internal.h"

#define INDENTATION 2 /* of a list where the text has none yet */

/* How a new item in block style is laid out. */
struct layout {
    size_t dash;       /* column */
    size_t key;        /* column of its keys */
    bool has_own_line; /* the dash stands alone in its line */
    bool is_flow;      /* - {key: value} */
    bool is_apart;     /* empty lines stand between the items */
    size_t model;      /* YAML_NOWHERE: there is none */
};

/* Column of the comment that a line consists of; YAML_NOWHERE: it is something else. */
static size_t comment_column(const struct yaml_spans *spans, size_t start)
{
    size_t at = yaml_skip_blanks(spans, start);

    return at < spans->length && spans->text[at] == '#' ? at - start : YAML_NOWHERE;
}

static size_t line_before(const struct yaml_spans *spans, size_t start)
{
    return yaml_line_start(spans, start - 1);
}

/* The lines of an item in a list in block style: with the comment lines right above it, no further in than its dash,
 * and those below it that are further in. `floor`: where the lines of what stands in front of it end. */
static void lines_of_item(const struct yaml_edit *edit, size_t list, const struct yaml_entry *item, size_t floor,
                          size_t *ret_start, size_t *ret_end)
{
    const struct yaml_spans *spans = &edit->spans;
    size_t dash_column = spans->nodes[list].column;
    size_t dash = yaml_skip_space(spans, floor); /* comments end with their line, so what is found is the dash */
    size_t start = yaml_line_start(spans, dash);
    size_t end = yaml_line_after(spans, item->end);

    while (start > floor) {
        size_t line = line_before(spans, start);
        size_t column = comment_column(spans, line);
        if (line < floor || column == YAML_NOWHERE || column > dash_column) {
            break;
        }
        start = line;
    }
    for (size_t line = end; line < spans->length; line = yaml_line_after(spans, line)) {
        size_t column = comment_column(spans, line);
        if (column != YAML_NOWHERE && column > dash_column) {
            end = yaml_line_after(spans, line);
        } else if (!yaml_is_blank_line(spans, line)) {
            break;
        }
    }
    *ret_start = start;
    *ret_end = end;
}

/* The line behind what stands in front of an item: another one, or the key of the list. */
static size_t floor_of(const struct yaml_edit *edit, size_t list, size_t item)
{
    struct yaml_entry entry = {0};
    size_t floor = edit->spans.nodes[list - 1].end;

    while (yaml_next_entry(edit, list, &entry) && entry.node != item) {
        floor = entry.end;
    }
    return yaml_line_after(&edit->spans, floor);
}

/* ---- adding ---- */

static struct layout layout_of(const struct yaml_edit *edit, size_t list, const struct yaml_entry *last, size_t floor,
                               size_t first_line)
{
    const struct yaml_spans *spans = &edit->spans;
    const struct yaml_span *model = &spans->nodes[last->node];
    size_t dash = yaml_skip_space(spans, floor);

    return (struct layout){
        .dash = spans->nodes[list].column,
        .key = model->column,
        .has_own_line = !yaml_is_one_line(edit, dash, model->start),
        .is_flow = model->style == YAML_FLOW,
        .is_apart = first_line > floor && yaml_is_blank_line(spans, line_before(spans, first_line)),
        .model = last->node,
    };
}

static void write_block_item(struct yaml_edit *edit, const struct yaml_item *item, const struct layout *layout,
                             const struct yaml_manner *manner)
{
    struct buffer *added = &edit->added;
    bool is_first = true;

    buffer_append_text(added, layout->is_apart ? edit->line_break : "");
    buffer_printf(added, "%*s-", (int)layout->dash, "");
    buffer_append_text(added, layout->has_own_line ? edit->line_break : "");
    buffer_printf(added, "%*s", (int)(layout->has_own_line ? layout->key : layout->key - layout->dash - 1), "");
    if (layout->is_flow) {
        yaml_flow_write_item(edit, item, layout->model, manner);
        buffer_append_text(added, edit->line_break);
        return;
    }
    for (size_t i = 0; i < item->count; i++) {
        const struct yaml_pair *pair = &item->pairs[i];
        if (pair->value) {
            buffer_printf(added, "%*s", is_first ? 0 : (int)layout->key, "");
            yaml_write_pair(added, pair->key, pair->value, yaml_style_of(edit, layout->model, pair->key), manner);
            buffer_append_text(added, edit->line_break);
            is_first = false;
        }
    }
}

/* `list`: YAML_NOWHERE, where there are no items yet. */
static void append_block(struct yaml_edit *edit, size_t list, size_t at, const struct yaml_item *items, size_t count)
{
    struct layout layout = {.dash = INDENTATION, .key = 2 * INDENTATION, .model = YAML_NOWHERE};
    struct yaml_manner manner = {.keys = YAML_PLAIN, .line_break = edit->line_break};
    struct yaml_entry entry = {0}, last = {0};
    size_t begun = edit->added.length, start = 0;

    if (list != YAML_NOWHERE) {
        while (yaml_next_entry(edit, list, &entry)) {
            last = entry;
        }
        size_t floor = floor_of(edit, list, last.node);
        lines_of_item(edit, list, &last, floor, &start, &at);
        layout = layout_of(edit, list, &last, floor, start);
        layout.is_apart = layout.is_apart && edit->spans.nodes[list].count > 1 && !yaml_takes_empty_lines(edit, at);
        manner = yaml_manner_of(edit, last.node);
    }
    for (size_t i = 0; i < count; i++) {
        write_block_item(edit, &items[i], &layout, &manner);
    }
    yaml_splice(edit, at, at, begun);
}

static void append_flow(struct yaml_edit *edit, size_t list, const struct yaml_item *items, size_t count)
{
    struct yaml_entry entry = {0};
    size_t model = 0;

    while (yaml_next_entry(edit, list, &entry)) {
        model = entry.node;
    }
    struct yaml_manner manner = yaml_manner_of(edit, model);
    manner.is_flow = true;
    yaml_flow_append_items(edit, list, items, count, &manner);
}

/* A text without anything in it, or with nothing behind "---". */
static int append_first(struct yaml_edit *edit, const char *list, const struct yaml_item *items, size_t count)
{
    struct yaml_manner manner = {.keys = YAML_PLAIN, .line_break = edit->line_break};
    size_t begun = edit->added.length;
    size_t at = edit->spans.length;

    if (edit->spans.is_ended) {
        return -EOPNOTSUPP;
    }
    yaml_write_key(&edit->added, list, &manner);
    buffer_append_text(&edit->added, edit->line_break);
    yaml_splice(edit, at, at, begun);
    append_block(edit, YAML_NOWHERE, at, items, count);
    return 0;
}

static bool has_nothing(const struct yaml_span *node)
{
    return node->kind == YAML_SCALAR && node->style == YAML_PLAIN && node->length == 0;
}

static bool are_mappings(const struct yaml_edit *edit, size_t list)
{
    struct yaml_entry entry = {0};

    while (yaml_next_entry(edit, list, &entry)) {
        if (edit->spans.nodes[entry.node].kind != YAML_MAPPING || edit->spans.nodes[entry.node].count == 0) {
            return false;
        }
    }
    return true;
}

int yaml_edit_append(struct yaml_edit *edit, const char *list, const struct yaml_item *items, size_t count)
{
    const struct yaml_span *nodes = edit->spans.nodes;
    size_t key = yaml_spans_key(&edit->spans, 0, list);
    size_t value = yaml_spans_value(&edit->spans, 0, list);

    if (edit->spans.count == 0 || has_nothing(&nodes[0])) {
        return edit->error = append_first(edit, list, items, count);
    }
    if (value == YAML_NOWHERE || !yaml_is_simple(edit, 0)) {
        return edit->error = -EOPNOTSUPP;
    }
    bool is_block = nodes[0].style == YAML_BLOCK;
    if (is_block && has_nothing(&nodes[value])) {
        append_block(edit, YAML_NOWHERE, yaml_line_after(&edit->spans, nodes[value].end), items, count);
        return edit->error;
    }
    if (nodes[value].kind != YAML_SEQUENCE || !yaml_is_simple(edit, value) || !are_mappings(edit, value)) {
        return edit->error = -EOPNOTSUPP;
    }
    if (is_block && nodes[value].count == 0 && yaml_is_one_line(edit, nodes[key].start, nodes[value].end)) {
        yaml_cut(edit, yaml_behind_colon(edit, key), nodes[value].end);
        append_block(edit, YAML_NOWHERE, yaml_line_after(&edit->spans, nodes[value].end), items, count);
    } else if (nodes[value].style == YAML_FLOW) {
        append_flow(edit, value, items, count);
    } else {
        append_block(edit, value, 0, items, count);
    }
    return edit->error;
}

/* ---- taking out ---- */

/* Where the item was set apart by empty lines on both sides, those on one side go with it: what was between its
 * neighbours stays between them. */
static void remove_block_item(struct yaml_edit *edit, size_t list, const struct yaml_entry *item)
{
    const struct yaml_spans *spans = &edit->spans;
    size_t floor = floor_of(edit, list, item->node);
    bool is_first = item->node == list + 1;
    bool is_last = spans->nodes[item->node].next == spans->nodes[list].next;
    size_t start, end;

    lines_of_item(edit, list, item, floor, &start, &end);
    if (is_first) {
        while (!is_last && end < spans->length && yaml_is_blank_line(spans, end)) {
            end = yaml_line_after(spans, end);
        }
    } else if (is_last || end == spans->length || yaml_is_blank_line(spans, end)) {
        while (start > floor && yaml_is_blank_line(spans, line_before(spans, start))) {
            start = line_before(spans, start);
        }
    }
    yaml_cut_lines(edit, start, end);
}

int yaml_edit_remove(struct yaml_edit *edit, const char *list, const size_t *items, size_t count)
{
    size_t key = yaml_spans_key(&edit->spans, 0, list);
    size_t value = yaml_spans_value(&edit->spans, 0, list);
    const struct yaml_span *nodes = edit->spans.nodes;
    struct yaml_entry entry = {0};
    size_t done = 0;

    if (value == YAML_NOWHERE || nodes[value].kind != YAML_SEQUENCE || !yaml_is_simple(edit, 0) ||
        !yaml_is_simple(edit, value)) {
        return edit->error = -EOPNOTSUPP;
    }
    if (nodes[value].style == YAML_FLOW) {
        yaml_flow_remove(edit, value, items, count);
        return edit->error;
    }
    while (done < count && yaml_next_entry(edit, value, &entry)) {
        if (entry.node == items[done]) {
            remove_block_item(edit, value, &entry);
            done++;
        }
    }
    if (count == nodes[value].count) {
        size_t at = yaml_behind_colon(edit, key);
        size_t begun = edit->added.length;
        buffer_append_text(&edit->added, " []");
        yaml_splice(edit, at, at, begun);
    }
    return edit->error;
}
