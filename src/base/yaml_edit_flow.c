/* What stands in brackets: entries with commas between them, in one line or with a line each. */
#include <string.h>

#include "base/yaml_edit_internal.h"

/* Where to put new entries, and what goes between them. */
struct flow_place {
    size_t at;
    size_t begun;      /* in edit->added */
    size_t count;      /* entries so far */
    bool is_empty;     /* there is no entry in front of them */
    bool has_own_line; /* each in a line of its own */
    bool has_comma;    /* one stands behind the last entry, too */
    bool is_bare;      /* the last entry has no value: no comma may follow its colon at once */
    size_t indentation;
};

static bool is_among(size_t node, const size_t *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/* The comma behind an entry, YAML_NOWHERE: there is none. */
static size_t comma_behind(const struct yaml_edit *edit, size_t end)
{
    size_t at = yaml_skip_space(&edit->spans, end);

    return at < edit->spans.length && edit->spans.text[at] == ',' ? at : YAML_NOWHERE;
}

static bool begins_line(const struct yaml_edit *edit, size_t at)
{
    return yaml_skip_blanks(&edit->spans, yaml_line_start(&edit->spans, at)) == at;
}

/* The end of the line where nothing but a comment follows, else YAML_NOWHERE. */
static size_t end_of_rest(const struct yaml_edit *edit, size_t at)
{
    at = yaml_skip_blanks(&edit->spans, at);
    if (at < edit->spans.length && edit->spans.text[at] == '#') {
        at = yaml_line_end(&edit->spans, at);
    }
    return yaml_break_length(&edit->spans, at) > 0 ? at : YAML_NOWHERE;
}

/* The last entry that stays, and the last of all. */
static void find_last(const struct yaml_edit *edit, size_t collection, const size_t *removed, size_t count,
                      struct yaml_entry *ret_kept, struct yaml_entry *ret_last)
{
    struct yaml_entry entry = {0};

    *ret_kept = (struct yaml_entry){0};
    while (yaml_next_entry(edit, collection, &entry)) {
        if (!is_among(entry.node, removed, count)) {
            *ret_kept = entry;
        }
    }
    *ret_last = entry;
}

/* ---- adding ---- */

static struct flow_place find_place(struct yaml_edit *edit, size_t collection, const size_t *removed, size_t count)
{
    struct flow_place place = {.at = edit->spans.nodes[collection].start + 1};
    struct yaml_entry kept, last;

    find_last(edit, collection, removed, count, &kept, &last);
    place.is_empty = kept.node == 0;
    if (place.is_empty) {
        return place;
    }
    size_t comma = comma_behind(edit, kept.end);
    place.has_comma = comma_behind(edit, last.end) != YAML_NOWHERE;
    place.has_own_line = begins_line(edit, kept.start);
    place.indentation = kept.start - yaml_line_start(&edit->spans, kept.start);
    place.at = kept.end;
    place.is_bare = edit->spans.text[kept.end - 1] == ':';
    if (place.has_own_line) {
        size_t behind = comma == YAML_NOWHERE ? kept.end : comma + 1;
        size_t rest = end_of_rest(edit, behind);
        place.at = rest == YAML_NOWHERE ? behind : rest;
    }
    return place;
}

static void begin_entries(struct yaml_edit *edit, struct flow_place *place, size_t end)
{
    place->begun = edit->added.length;
    if (place->has_own_line && !place->has_comma) {
        buffer_append_text(&edit->added, place->is_bare ? " ," : ",");
        yaml_splice(edit, end, end, place->begun);
        place->begun = edit->added.length;
    }
}

static void begin_entry(struct yaml_edit *edit, struct flow_place *place)
{
    bool is_first = place->count++ == 0;

    if (!place->has_own_line) {
        buffer_append_text(&edit->added, is_first && place->is_bare ? " " : "");
        buffer_append_text(&edit->added, is_first && place->is_empty ? "" : ", ");
        return;
    }
    buffer_append_text(&edit->added, is_first || place->has_comma ? "" : ",");
    buffer_append_text(&edit->added, edit->line_break);
    buffer_printf(&edit->added, "%*s", (int)place->indentation, "");
}

static void end_entry(struct yaml_edit *edit, const struct flow_place *place)
{
    if (place->has_own_line && place->has_comma) {
        buffer_append_char(&edit->added, ',');
    }
}

/* The blanks behind the bracket of a mapping, where more than blanks follow. */
static size_t padding_of(const struct yaml_edit *edit, size_t mapping)
{
    size_t start = edit->spans.nodes[mapping].start + 1;
    size_t at = yaml_skip_blanks(&edit->spans, start);

    return yaml_break_length(&edit->spans, at) > 0 || edit->spans.text[at] == '#' ? 0 : at - start;
}

enum yaml_style yaml_style_of(const struct yaml_edit *edit, size_t model, const char *key)
{
    size_t value = model == YAML_NOWHERE ? YAML_NOWHERE : yaml_spans_value(&edit->spans, model, key);
    const struct yaml_span *node = value == YAML_NOWHERE ? NULL : &edit->spans.nodes[value];

    if (node && node->kind == YAML_SEQUENCE && node->count > 0) {
        node++;
    }
    return node && node->kind == YAML_SCALAR && node->style != YAML_BLOCK_TEXT ? node->style : YAML_BLOCK;
}

void yaml_flow_write_item(struct yaml_edit *edit, const struct yaml_item *item, size_t model,
                          const struct yaml_manner *manner)
{
    size_t padding = model == YAML_NOWHERE ? 0 : padding_of(edit, model);
    bool is_first = true;

    buffer_printf(&edit->added, "{%*s", (int)padding, "");
    for (size_t i = 0; i < item->count; i++) {
        const struct yaml_pair *pair = &item->pairs[i];
        if (pair->value) {
            buffer_append_text(&edit->added, is_first ? "" : ", ");
            yaml_write_pair(&edit->added, pair->key, pair->value, yaml_style_of(edit, model, pair->key), manner);
            is_first = false;
        }
    }
    buffer_printf(&edit->added, "%*s}", (int)padding, "");
}

void yaml_flow_append_items(struct yaml_edit *edit, size_t sequence, const struct yaml_item *items, size_t count,
                            const struct yaml_manner *manner)
{
    struct flow_place place = find_place(edit, sequence, NULL, 0);
    struct yaml_entry kept, last;

    find_last(edit, sequence, NULL, 0, &kept, &last);
    begin_entries(edit, &place, last.end);
    for (size_t i = 0; i < count; i++) {
        begin_entry(edit, &place);
        yaml_flow_write_item(edit, &items[i], place.is_empty ? YAML_NOWHERE : last.node, manner);
        end_entry(edit, &place);
    }
    yaml_splice(edit, place.at, place.at, place.begun);
}

void yaml_flow_add_keys(struct yaml_edit *edit, size_t mapping, const struct yaml_pair *pairs, size_t count,
                        const size_t *removed, size_t removed_count, const struct yaml_manner *manner)
{
    struct flow_place place = find_place(edit, mapping, removed, removed_count);
    struct yaml_entry kept, last;

    for (size_t i = 0; i < count; i++) {
        if (!pairs[i].value || yaml_spans_key(&edit->spans, mapping, pairs[i].key) != YAML_NOWHERE) {
            continue;
        }
        if (place.count == 0) {
            find_last(edit, mapping, removed, removed_count, &kept, &last);
            begin_entries(edit, &place, kept.end);
        }
        begin_entry(edit, &place);
        yaml_write_pair(&edit->added, pairs[i].key, pairs[i].value, YAML_BLOCK, manner);
        end_entry(edit, &place);
    }
    if (place.count > 0) {
        yaml_splice(edit, place.at, place.at, place.begun);
    }
}

/* ---- taking out ---- */

/* Up to the first of the comment lines right above a line. */
static size_t with_comments(const struct yaml_spans *spans, size_t line, size_t floor)
{
    while (line > floor) {
        size_t before = yaml_line_start(spans, line - 1);
        size_t at = yaml_skip_blanks(spans, before);
        if (before < floor || spans->text[at] != '#') {
            break;
        }
        line = before;
    }
    return line;
}

/* With the comma behind it; the line, where it has one of its own; else the blanks to the neighbour that goes. At the end
 * (`kept_end`: of the last entry that stays, behind its comma; 0: it is not there), the white space behind that one.
 * Comment lines above it go as well, down from `floor`. */
static void remove_entry(struct yaml_edit *edit, const struct yaml_entry *entry, size_t kept_end, size_t floor)
{
    const struct yaml_spans *spans = &edit->spans;
    size_t comma = comma_behind(edit, entry->end);
    size_t end = comma == YAML_NOWHERE ? entry->end : comma + 1;
    size_t rest = end_of_rest(edit, end);
    size_t start = entry->start;

    if (begins_line(edit, start) && rest != YAML_NOWHERE) {
        start = with_comments(spans, yaml_line_start(spans, start), floor);
        yaml_cut(edit, start, yaml_line_after(spans, rest));
        return;
    }
    if (kept_end > 0 && !memchr(spans->text + kept_end, '#', start - kept_end)) {
        start = kept_end;
    } else if (kept_end > 0 || rest != YAML_NOWHERE) {
        while (!begins_line(edit, start) && (spans->text[start - 1] == ' ' || spans->text[start - 1] == '\t')) {
            start--;
        }
    } else {
        end = yaml_skip_blanks(spans, end);
    }
    yaml_cut(edit, start, end);
}

void yaml_flow_remove(struct yaml_edit *edit, size_t collection, const size_t *nodes, size_t count)
{
    const struct yaml_span *parent = &edit->spans.nodes[collection];
    struct yaml_entry kept, last, entry = {0};
    size_t done = 0, floor = parent->start;

    find_last(edit, collection, nodes, count, &kept, &last);
    size_t comma = kept.node != 0 && kept.node != last.node ? comma_behind(edit, kept.end) : YAML_NOWHERE;
    if (comma != YAML_NOWHERE && comma_behind(edit, last.end) == YAML_NOWHERE) {
        yaml_cut(edit, comma, comma + 1); /* nothing follows it any more */
    }
    while (done < count && yaml_next_entry(edit, collection, &entry)) {
        if (entry.node == nodes[done]) {
            floor = parent->kind == YAML_SEQUENCE ? yaml_line_after(&edit->spans, floor) : entry.start;
            remove_entry(edit, &entry, comma != YAML_NOWHERE && entry.start > comma ? comma + 1 : 0, floor);
            done++;
        }
        floor = entry.end;
    }
}
