#include "base/yaml_spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 64 /* base/yaml.h refuses much less; here it only bounds the stack */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define CHARACTERS_PER_MARK 256
#define BYTES_PER_NODE 10 /* about as many as a hosts file has */

/* From libyaml's characters to bytes: the byte of every 256th character. */
struct character_map {
    size_t *bytes; /* NULL: each character is a byte */
    size_t first;  /* behind the byte order mark, which libyaml does not get to see */
};

/* A mapping or sequence that is still open, and where the last node in it ends so far. */
struct open_node {
    size_t node;
    size_t end;
};

struct reading {
    struct yaml_spans *spans;
    struct character_map map;
    struct open_node open[DEPTH_MAX];
    size_t depth;
};

/* ---- from characters to bytes ---- */

static bool is_first_byte(char c)
{
    return ((unsigned char)c & 0xC0U) != 0x80;
}

static int map_characters(const struct yaml_spans *spans, struct character_map *map)
{
    size_t characters = 0;

    for (size_t i = map->first; i < spans->length; i++) {
        characters += is_first_byte(spans->text[i]) ? 1 : 0;
    }
    if (characters == spans->length - map->first) {
        return 0;
    }
    map->bytes = calloc(characters / CHARACTERS_PER_MARK + 1, sizeof(*map->bytes));
    if (!map->bytes) {
        return -ENOMEM;
    }
    map->bytes[characters / CHARACTERS_PER_MARK] = spans->length; /* in case the text ends there */
    characters = 0;
    for (size_t i = map->first; i < spans->length; i++) {
        if (is_first_byte(spans->text[i]) && characters++ % CHARACTERS_PER_MARK == 0) {
            map->bytes[(characters - 1) / CHARACTERS_PER_MARK] = i;
        }
    }
    return 0;
}

static size_t byte_of(const struct reading *reading, const yaml_mark_t *mark)
{
    const struct yaml_spans *spans = reading->spans;
    size_t at = reading->map.first + mark->index;

    if (reading->map.bytes) {
        at = reading->map.bytes[mark->index / CHARACTERS_PER_MARK];
        for (size_t left = mark->index % CHARACTERS_PER_MARK; left > 0 && at < spans->length; left--) {
            do {
                at++;
            } while (at < spans->length && !is_first_byte(spans->text[at]));
        }
    }
    return at < spans->length ? at : spans->length;
}

/* ---- the text around the nodes ---- */

size_t yaml_break_length(const struct yaml_spans *spans, size_t at)
{
    const unsigned char *text = (const unsigned char *)spans->text + at;
    size_t left = spans->length - at;

    if (left == 0) {
        return 0;
    }
    switch (text[0]) {
    case '\n': return 1;
    case '\r': return left > 1 && text[1] == '\n' ? 2 : 1;
    case 0xC2: return left > 1 && text[1] == 0x85 ? 2 : 0;                                         /* NEL */
    case 0xE2: return left > 2 && text[1] == 0x80 && (text[2] == 0xA8 || text[2] == 0xA9) ? 3 : 0; /* LS, PS */
    default: return 0;
    }
}

static size_t first_byte(const struct yaml_spans *spans)
{
    const size_t length = strlen(BYTE_ORDER_MARK);

    return spans->length >= length && memcmp(spans->text, BYTE_ORDER_MARK, length) == 0 ? length : 0;
}

size_t yaml_line_start(const struct yaml_spans *spans, size_t at)
{
    const size_t first = first_byte(spans);

    for (; at > first; at--) {
        if (is_first_byte(spans->text[at - 1]) && yaml_break_length(spans, at - 1) == 1) {
            break;
        }
        if ((at >= first + 2 && yaml_break_length(spans, at - 2) == 2) ||
            (at >= first + 3 && yaml_break_length(spans, at - 3) == 3)) {
            break;
        }
    }
    return at;
}

size_t yaml_line_end(const struct yaml_spans *spans, size_t at)
{
    while (at < spans->length && yaml_break_length(spans, at) == 0) {
        at++;
    }
    return at;
}

size_t yaml_line_after(const struct yaml_spans *spans, size_t at)
{
    size_t end = yaml_line_end(spans, at);

    return end + yaml_break_length(spans, end);
}

size_t yaml_skip_blanks(const struct yaml_spans *spans, size_t at)
{
    while (at < spans->length && (spans->text[at] == ' ' || spans->text[at] == '\t')) {
        at++;
    }
    return at;
}

bool yaml_is_blank_line(const struct yaml_spans *spans, size_t start)
{
    return yaml_skip_blanks(spans, start) == yaml_line_end(spans, start);
}

size_t yaml_skip_space(const struct yaml_spans *spans, size_t at)
{
    for (;;) {
        at = yaml_skip_blanks(spans, at);
        if (at < spans->length && spans->text[at] == '#') {
            at = yaml_line_end(spans, at);
        }
        size_t length = yaml_break_length(spans, at);
        if (length == 0) {
            return at;
        }
        at += length;
    }
}

/* ---- where a node ends ---- */

bool yaml_has_indicator(const struct yaml_spans *spans, const struct yaml_span *node, char indicator)
{
    for (size_t at = node->start + 1; at < node->start + 3 && at < spans->length; at++) {
        if (spans->text[at] == indicator) {
            return true;
        }
    }
    return false;
}

/* libyaml lets a block text end where the next line with something in it begins. */
static size_t end_of_block_text(const struct yaml_spans *spans, const struct yaml_span *node, size_t end)
{
    bool keeps = yaml_has_indicator(spans, node, '+');

    while (end > node->start) {
        size_t start = yaml_line_start(spans, end);
        if (start <= node->start) {
            size_t header = yaml_line_end(spans, node->start);
            return end < header ? end : header;
        }
        if (start < end && !yaml_is_blank_line(spans, start)) {
            return end;
        }
        end = yaml_line_end(spans, yaml_line_start(spans, start - 1));
        if (keeps) {
            return end;
        }
    }
    return end;
}

/* Is that the colon behind a key, and not the first character of a word? */
static bool is_colon(const struct yaml_spans *spans, size_t at, bool is_flow)
{
    if (at >= spans->length || spans->text[at] != ':') {
        return false;
    }
    return at + 1 == spans->length || strchr(is_flow ? " \t,[]{}" : " \t", spans->text[at + 1]) ||
           yaml_break_length(spans, at + 1) > 0;
}

/* A value that was left out has its place right behind the colon; libyaml says where the next thing begins. */
static void place_empty_value(struct yaml_spans *spans, struct yaml_span *value, size_t key_end, bool is_flow)
{
    size_t colon = yaml_skip_space(spans, key_end);

    value->start = (uint32_t)(is_colon(spans, colon, is_flow) ? colon + 1 : key_end);
    value->end = value->start;
}

/* ---- events ---- */

static struct yaml_span *add_node(struct reading *reading, enum yaml_kind kind, enum yaml_style style,
                                  const yaml_event_t *event)
{
    struct yaml_spans *spans = reading->spans;

    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity == 0 ? spans->length / BYTES_PER_NODE + 16 : spans->capacity * 2;
        struct yaml_span *nodes = reallocarray(spans->nodes, capacity, sizeof(*nodes));
        if (!nodes) {
            return NULL;
        }
        spans->nodes = nodes;
        spans->capacity = capacity;
    }
    struct yaml_span *node = &spans->nodes[spans->count++];
    *node = (struct yaml_span){
        .kind = (uint8_t)kind,
        .style = (uint8_t)style,
        .start = (uint32_t)byte_of(reading, &event->start_mark),
        .end = (uint32_t)byte_of(reading, &event->end_mark),
        .column = (uint32_t)event->start_mark.column,
        .next = (uint32_t)spans->count,
    };
    if (reading->depth > 0) {
        spans->nodes[reading->open[reading->depth - 1].node].count++;
    }
    return node;
}

/* Where the text says the same as the scalar, it is not copied. */
static int set_text(struct yaml_spans *spans, struct yaml_span *node, const char *value, size_t length)
{
    size_t quotes = node->style == YAML_SINGLE_QUOTED || node->style == YAML_DOUBLE_QUOTED ? 1 : 0;
    const char *raw = spans->text + node->start + quotes;

    node->length = (uint32_t)length;
    if (node->end - node->start == length + 2 * quotes && memcmp(raw, value, length) == 0) {
        node->text = raw;
        return 0;
    }
    node->text = arena_copy_text(&spans->arena, value, length);
    return node->text ? 0 : -ENOMEM;
}

static enum yaml_style style_of(const yaml_event_t *event)
{
    switch (event->data.scalar.style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE: return YAML_SINGLE_QUOTED;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE: return YAML_DOUBLE_QUOTED;
    case YAML_LITERAL_SCALAR_STYLE:
    case YAML_FOLDED_SCALAR_STYLE: return YAML_BLOCK_TEXT;
    default: return YAML_PLAIN;
    }
}

static int add_scalar(struct reading *reading, const yaml_event_t *event)
{
    struct yaml_spans *spans = reading->spans;
    struct yaml_span *node = add_node(reading, YAML_SCALAR, style_of(event), event);

    if (!node) {
        return -ENOMEM;
    }
    if (node->style == YAML_BLOCK_TEXT) {
        node->end = (uint32_t)end_of_block_text(spans, node, node->end);
    }
    if (reading->depth > 0) {
        struct open_node *in = &reading->open[reading->depth - 1];
        const struct yaml_span *parent = &spans->nodes[in->node];
        if (event->data.scalar.length == 0 && node->style == YAML_PLAIN && parent->kind == YAML_MAPPING &&
            parent->count % 2 == 0) {
            place_empty_value(spans, node, in->end, parent->style == YAML_FLOW);
        }
        in->end = node->end;
    }
    return set_text(spans, node, (const char *)event->data.scalar.value, event->data.scalar.length);
}

static int open_node(struct reading *reading, enum yaml_kind kind, bool is_flow, const yaml_event_t *event)
{
    if (reading->depth == DEPTH_MAX || !add_node(reading, kind, is_flow ? YAML_FLOW : YAML_BLOCK, event)) {
        return reading->depth == DEPTH_MAX ? -EINVAL : -ENOMEM;
    }
    size_t node = reading->spans->count - 1;
    reading->open[reading->depth++] = (struct open_node){node, reading->spans->nodes[node].start};
    return 0;
}

/* What stands in brackets ends with them; anything else with the last node in it. */
static void close_node(struct reading *reading, const yaml_event_t *event)
{
    struct yaml_spans *spans = reading->spans;
    const struct open_node *open = &reading->open[--reading->depth];
    struct yaml_span *node = &spans->nodes[open->node];
    char bracket = node->start < spans->length ? spans->text[node->start] : '\0';
    bool is_in_brackets = node->style == YAML_FLOW && (bracket == '{' || bracket == '[');

    node->next = (uint32_t)spans->count;
    node->end = (uint32_t)(is_in_brackets ? byte_of(reading, &event->end_mark) : open->end);
    if (reading->depth > 0) {
        reading->open[reading->depth - 1].end = node->end;
    }
    node->count /= node->kind == YAML_MAPPING ? 2 : 1;
}

static int handle(struct reading *reading, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT: return -EINVAL;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag ? -EINVAL : add_scalar(reading, event);
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag
                   ? -EINVAL
                   : open_node(reading, YAML_SEQUENCE, event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
                               event);
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag
                   ? -EINVAL
                   : open_node(reading, YAML_MAPPING, event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
                               event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: close_node(reading, event); return 0;
    case YAML_DOCUMENT_START_EVENT: return reading->spans->count > 0 ? -EINVAL : 0;
    case YAML_DOCUMENT_END_EVENT: reading->spans->is_ended = event->data.document_end.implicit == 0; return 0;
    default: return 0;
    }
}

static void wipe_and_delete(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT) {
        explicit_bzero(event->data.scalar.value, event->data.scalar.length);
    }
    yaml_event_delete(event);
}

static int read_events(struct reading *reading, yaml_parser_t *parser)
{
    bool done = false;
    int r = 0;

    while (r == 0 && !done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return parser->error == YAML_MEMORY_ERROR ? -ENOMEM : -EINVAL;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        r = handle(reading, &event);
        wipe_and_delete(&event);
    }
    return r;
}

int yaml_spans_read(const char *text, size_t length, struct yaml_spans *ret_spans)
{
    yaml_parser_t parser;

    *ret_spans = (struct yaml_spans){.text = text, .length = length, .arena = ARENA_INIT};
    if (length > UINT32_MAX) {
        return -EFBIG;
    }
    struct reading reading = {.spans = ret_spans, .map.first = first_byte(ret_spans)};
    int r = map_characters(ret_spans, &reading.map);
    if (r < 0) {
        return r;
    }
    if (yaml_parser_initialize(&parser) == 0) {
        free(reading.map.bytes);
        return -ENOMEM;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text + reading.map.first, length - reading.map.first);
    r = read_events(&reading, &parser);
    yaml_parser_delete(&parser);
    free(reading.map.bytes);
    return r;
}

void yaml_spans_done(struct yaml_spans *spans)
{
    free(spans->nodes);
    arena_done(&spans->arena);
    *spans = (struct yaml_spans){0};
}

size_t yaml_spans_key(const struct yaml_spans *spans, size_t mapping, const char *key)
{
    size_t length = strlen(key);

    if (mapping >= spans->count || spans->nodes[mapping].kind != YAML_MAPPING) {
        return YAML_NOWHERE;
    }
    for (size_t i = mapping + 1; i < spans->nodes[mapping].next; i = spans->nodes[spans->nodes[i].next].next) {
        const struct yaml_span *own = &spans->nodes[i];
        if (own->kind == YAML_SCALAR && own->length == length && memcmp(own->text, key, length) == 0) {
            return i;
        }
    }
    return YAML_NOWHERE;
}

size_t yaml_spans_value(const struct yaml_spans *spans, size_t mapping, const char *key)
{
    size_t at = yaml_spans_key(spans, mapping, key);

    return at == YAML_NOWHERE ? YAML_NOWHERE : spans->nodes[at].next;
}
