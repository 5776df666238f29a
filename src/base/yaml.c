#include "base/yaml.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/file_internal.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/table.h"
#include "base/yaml_internal.h"
#include "base/yaml_memory.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* Windows editors put it in front of UTF-8 */

/* ---- text that libyaml need not see ---- */

static bool is_yaml_character(uint32_t c)
{
    if (c < 0x20) {
        return c == '\t' || c == '\n' || c == '\r';
    }
    return c < 0x7f || c == 0x85 || (c >= 0xa0 && c != 0xfffe && c != 0xffff);
}

/* How many of the bytes are printable ASCII: nearly all of them in nearly all files. */
static size_t skip_plain(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length && text[at] >= ' ' && text[at] < 0x7f) {
        at++;
    }
    return at;
}

/* Checked before libyaml does, which knows only the byte offset of what it dislikes. */
static int check_characters(const char *text, size_t length, struct problems *problems)
{
    unsigned line = 1;
    unsigned column = 1;
    for (size_t i = 0; i < length;) {
        const size_t plain = skip_plain(text + i, length - i);
        i += plain;
        column += (unsigned)plain;
        if (i == length) {
            break;
        }
        uint32_t character = 0;
        size_t step = utf8_decode(text + i, length - i, &character);
        if (step == 0) {
            problems_add(problems, line, column, "byte 0x%02x is not UTF-8; save the file as UTF-8",
                         (unsigned)(uint8_t)text[i]);
            return -EINVAL;
        }
        if (!is_yaml_character(character)) {
            problems_add(problems, line, column, "control character U+%04X; remove it", (unsigned)character);
            return -EINVAL;
        }
        column = character == '\n' ? 1 : column + 1;
        line += character == '\n' ? 1 : 0;
        i += step;
    }
    return 0;
}

/* ---- events ---- */

static struct yaml_place place_of(const yaml_mark_t *mark)
{
    return (struct yaml_place){(unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

static void refuse(struct builder *builder, const yaml_event_t *event, const char *message)
{
    problems_add(builder->problems, (unsigned)event->start_mark.line + 1, (unsigned)event->start_mark.column + 1, "%s",
                 message);
}

static void refuse_properties(struct builder *builder, const yaml_event_t *event, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    if (anchor != NULL) {
        refuse(builder, event, "an anchor (&) is not supported; write the value out, or quote it");
    }
    if (tag != NULL) {
        refuse(builder, event, "a tag (!) is not supported; remove it, or quote the value");
    }
}

static int begin_document(struct builder *builder, const yaml_event_t *event)
{
    if (builder->documents++ > 0) {
        refuse(builder, event, "a second document (---) in the file; keep one");
        return -EINVAL;
    }
    if (event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end) {
        refuse(builder, event, "a %TAG directive is not supported; remove it");
    }
    return 0;
}

static int handle_scalar(struct builder *builder, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    yaml_scalar_style_t style = event->data.scalar.style;
    bool quoted = style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;

    if (quoted && event->end_mark.line > event->start_mark.line) {
        builder->quote_start = place_of(&event->start_mark);
        builder->quote_end = place_of(&event->end_mark);
    }
    refuse_properties(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
    return yaml_build_scalar(builder, text, length, style == YAML_PLAIN_SCALAR_STYLE, place_of(&event->start_mark));
}

static int handle_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: return begin_document(builder, event);
    case YAML_ALIAS_EVENT:
        refuse(builder, event, "an alias (*) is not supported; write the value out, or quote it");
        return yaml_build_scalar(builder, "", 0, true, place_of(&event->start_mark));
    case YAML_SCALAR_EVENT: return handle_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(builder, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return yaml_build_open(builder, YAML_SEQUENCE, event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
                               place_of(&event->start_mark));
    case YAML_MAPPING_START_EVENT:
        refuse_properties(builder, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return yaml_build_open(builder, YAML_MAPPING, event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
                               place_of(&event->start_mark));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return yaml_build_close(builder);
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

/* The byte at a mark; marks count characters, not bytes. */
static char byte_at(const struct builder *builder, const yaml_mark_t *mark)
{
    const char *end = builder->text + builder->length;
    const char *at = builder->text;
    for (size_t line = 0; line < mark->line; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL) {
            return '\0';
        }
        at++;
    }
    for (size_t column = 0; column < mark->column && at < end; column++) {
        at += utf8_decode(at, (size_t)(end - at), NULL);
    }
    return at < end ? *at : '\0';
}

static bool is_scanning(const yaml_parser_t *parser, const char *context)
{
    return parser->error == YAML_SCANNER_ERROR && parser->context && strcmp(parser->context, context) == 0;
}

/* Tells of a forgotten quote where it was opened: libyaml complains where it ran out of text, or behind the quote that
 * it took for the closing one. False: it is something else. */
static bool refuse_open_quote(struct builder *builder, const yaml_parser_t *parser)
{
    const yaml_mark_t *start = &parser->context_mark;

    if (is_scanning(parser, "while scanning a quoted scalar")) {
        problems_add(builder->problems, (unsigned)start->line + 1, (unsigned)start->column + 1,
                     "this quote is never closed; close it where the value ends");
        return true;
    }
    if (builder->quote_end.line == 0 || parser->problem_mark.line + 1 != builder->quote_end.line) {
        return false;
    }
    problems_add(builder->problems, builder->quote_start.line, builder->quote_start.column,
                 "this quote is closed only in line %u, and what follows there is not valid YAML; close it where the "
                 "value ends",
                 builder->quote_end.line);
    return true;
}

/* A wildcard name without quotes begins an alias, whose name may not begin with a dot. */
static bool refuse_wildcard(struct builder *builder, const yaml_parser_t *parser)
{
    const yaml_mark_t *start = &parser->context_mark;

    if (!is_scanning(parser, "while scanning an alias")) {
        return false;
    }
    problems_add(builder->problems, (unsigned)start->line + 1, (unsigned)start->column + 1,
                 "an alias (*) is not supported; where a name with a wildcard is meant, quote it, as in "
                 "\"*.example.com\"");
    return true;
}

static int refuse_syntax(struct builder *builder, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return -ENOMEM;
    }
    if (refuse_open_quote(builder, parser) || refuse_wildcard(builder, parser)) {
        return -EINVAL;
    }
    const yaml_mark_t *mark = &parser->problem_mark;
    unsigned line = (unsigned)mark->line + 1;
    unsigned column = (unsigned)mark->column + 1;
    if (byte_at(builder, mark) == '\t') {
        problems_add(builder->problems, line, column, "a tab where YAML wants spaces; indent with spaces");
    } else {
        problems_add(builder->problems, line, column,
                     "not valid YAML: %s%s%s; look at indentation, colons, brackets and quotes here and above",
                     parser->context != NULL ? parser->context : "", parser->context != NULL ? ", " : "",
                     parser->problem != NULL ? parser->problem : "cannot be read");
    }
    return -EINVAL;
}

static int read_events(struct builder *builder, yaml_parser_t *parser)
{
    bool done = false;
    int r = 0;
    while (r == 0 && !done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return refuse_syntax(builder, parser);
        }
        done = event.type == YAML_STREAM_END_EVENT;
        r = handle_event(builder, &event);
        wipe_and_delete(&event);
    }
    return r;
}

/* What was left out altogether is an empty mapping. */
static int finish_root(struct builder *builder)
{
    const struct yaml_node *root = builder->pending_count > 0 ? builder->pending[0] : NULL;

    if (root == NULL || yaml_is_empty(root)) {
        builder->pending_count = 0;
        int r = yaml_build_open(builder, YAML_MAPPING, false, (struct yaml_place){1, 1});
        r = r < 0 ? r : yaml_build_close(builder);
        if (r < 0) {
            return r;
        }
    }
    builder->document->root = builder->pending[0];
    return problems_count(builder->problems) == builder->problems_before ? 0 : -EINVAL;
}

static int build_from_events(struct builder *builder)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return -ENOMEM;
    }
    if (!yaml_memory_is_used()) {
        log_debug("yaml", "libyaml has an allocator of its own: what it frees is not wiped");
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)builder->text, builder->length);
    int r = read_events(builder, &parser);
    yaml_parser_delete(&parser);
    return r;
}

/* From a source of the plain form; without one the builder's text, of any form. */
static int build(struct builder *builder, const struct yaml_source *plain)
{
    int r = plain ? yaml_read_plain(builder, plain, builder->items->key)
                  : check_characters(builder->text, builder->length, builder->problems);

    if (r == 0 && !plain) {
        r = build_from_events(builder);
    }
    return r == 0 ? finish_root(builder) : r;
}

static int build_document(struct builder *builder, const struct yaml_source *plain, struct yaml_document **ret_document)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = calloc(1, sizeof(*document));

    if (document == NULL) {
        return -ENOMEM;
    }
    builder->document = document;
    builder->problems_before = problems_count(builder->problems);
    const int r = build(builder, plain);
    free(builder->pending);
    arena_done(&builder->item);
    if (r == 0) {
        *ret_document = TAKE_PTR(document);
    }
    return r;
}

int yaml_stream_text(const char *text, size_t length, const struct yaml_items *items, struct problems *problems,
                     struct yaml_document **ret_document)
{
    /* libyaml skips a byte order mark, but counts it as a column: the first key would be indented by one. */
    if (length >= strlen(BYTE_ORDER_MARK) && memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        text += strlen(BYTE_ORDER_MARK);
        length -= strlen(BYTE_ORDER_MARK);
    }
    const struct yaml_source source = {.text = text, .length = length};
    struct builder builder = {.text = text, .length = length, .problems = problems, .items = items};
    const bool is_plain = items != NULL && yaml_is_plain(&source, items->key);

    return build_document(&builder, is_plain ? &source : NULL, ret_document);
}

int yaml_load_text(const char *text, size_t length, struct problems *problems, struct yaml_document **ret_document)
{
    return yaml_stream_text(text, length, NULL, problems, ret_document);
}

/* ---- files ---- */

static int refuse_file(struct problems *problems, int error, size_t limit_bytes)
{
    switch (error) {
    case -ENOMEM: return -ENOMEM;
    case -ENOENT: problems_add(problems, 0, 0, "no such file; create it, or give another path"); break;
    case -EFBIG: problems_add(problems, 0, 0, "larger than %zu bytes, which is the limit", limit_bytes); break;
    case -EMSGSIZE:
    case -ESTALE: problems_add(problems, 0, 0, "was written to while it was read; read it again"); break;
    case -EISDIR:
    case -EINVAL: problems_add(problems, 0, 0, "not a regular file; give another path"); break;
    default:
        problems_add(problems, 0, 0, "cannot be read: %s; check the path, its owner and mode", strerror(-error));
        break;
    }
    return -EINVAL;
}

/* Reads through the file to see whether it has the form whose lines can be read on their own. */
static bool is_plain_file(int fd, size_t limit_bytes, const char *key)
{
    _cleanup_(file_lines_freep) struct file_lines *lines = file_lines_new(fd, limit_bytes);
    const struct yaml_source source = {.lines = lines};
    const bool is_plain = lines != NULL && yaml_is_plain(&source, key);

    return lseek(fd, 0, SEEK_SET) == 0 && is_plain;
}

static int stream_lines(int fd, size_t limit_bytes, const struct yaml_items *items, struct problems *problems,
                        struct yaml_document **ret_document)
{
    _cleanup_(file_lines_freep) struct file_lines *lines = file_lines_new(fd, limit_bytes);
    const struct yaml_source source = {.lines = lines};
    struct builder builder = {.problems = problems, .items = items};

    if (lines == NULL) {
        return -ENOMEM;
    }
    const int r = build_document(&builder, &source, ret_document);
    return r == -ESTALE || file_lines_status(lines) < 0 ? refuse_file(problems, r, limit_bytes) : r;
}

static int stream_whole(int fd, size_t size, size_t limit_bytes, const struct yaml_items *items,
                        struct problems *problems, struct yaml_document **ret_document)
{
    struct buffer text = BUFFER_INIT;
    int r = file_read_all(fd, limit_bytes, size, &text);

    r = r < 0 ? refuse_file(problems, r, limit_bytes)
              : yaml_stream_text(buffer_text(&text), text.length, items, problems, ret_document);
    buffer_wipe(&text);
    return r;
}

int yaml_stream_file(const char *path, size_t limit_bytes, const struct yaml_items *items, struct problems *problems,
                     struct yaml_document **ret_document)
{
    struct stat info = {0};
    _cleanup_close_ int fd = file_open_regular(path, &info);

    if (fd < 0 || (uintmax_t)info.st_size > limit_bytes) {
        return refuse_file(problems, fd < 0 ? fd : -EFBIG, limit_bytes);
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        problems_add(problems, 0, 0, "group or others may write it (mode %04o); run chmod go-w on it",
                     (unsigned)info.st_mode & 07777U);
        return -EINVAL;
    }
    if (items == NULL || !is_plain_file(fd, limit_bytes, items->key)) {
        return stream_whole(fd, (size_t)info.st_size, limit_bytes, items, problems, ret_document);
    }
    return stream_lines(fd, limit_bytes, items, problems, ret_document);
}

int yaml_load_file(const char *path, size_t limit_bytes, struct problems *problems, struct yaml_document **ret_document)
{
    return yaml_stream_file(path, limit_bytes, NULL, problems, ret_document);
}

void yaml_document_free(struct yaml_document *document)
{
    if (document == NULL) {
        return;
    }
    arena_done(&document->arena);
    free(document);
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
    return document->root;
}

bool yaml_is_empty(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->plain && node->length == 0;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    size_t length = strlen(key);
    if (mapping->kind != YAML_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *own = mapping->keys[i];
        if (own->length == length && memcmp(own->text, key, length) == 0) {
            return mapping->items[i];
        }
    }
    return NULL;
}
