#include "base/xml.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/parse.h"

#define DEPTH_MAX 32

struct xml_document {
    struct arena arena;
    struct xml_element *root;
};

/* An element whose end tag is still to come. */
struct open_element {
    struct xml_element *element;
    struct xml_element *last_child;
    struct buffer text; /* its memory serves the next element on this level too */
};

struct reader {
    XML_Parser expat;
    struct xml_document *document;
    struct open_element open[DEPTH_MAX];
    unsigned depth;
    int error;
};

/* Expat may still call for the end of an empty element after this, hence the looks at `error` below. */
static void stop(struct reader *reader, int error)
{
    reader->error = error;
    (void)XML_StopParser(reader->expat, XML_FALSE);
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL && colon[1] != '\0' ? colon + 1 : name;
}

static void XMLCALL on_start(void *userdata, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = userdata;
    (void)attributes;
    if (reader->error != 0) {
        return;
    }
    if (reader->depth == DEPTH_MAX) {
        stop(reader, -EBADMSG);
        return;
    }
    const char *local = local_name(name);
    struct xml_element *element = arena_alloc(&reader->document->arena, sizeof(*element));
    char *copy = arena_copy_text(&reader->document->arena, local, strlen(local));
    if (element == NULL || copy == NULL) {
        stop(reader, -ENOMEM);
        return;
    }
    element->name = copy;
    element->text = "";
    if (reader->depth == 0) {
        reader->document->root = element;
    } else {
        struct open_element *parent = &reader->open[reader->depth - 1];
        if (parent->last_child == NULL) {
            parent->element->first_child = element;
        } else {
            parent->last_child->next = element;
        }
        parent->last_child = element;
    }
    struct open_element *open = &reader->open[reader->depth++];
    open->element = element;
    open->last_child = NULL;
    buffer_clear(&open->text);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void XMLCALL on_end(void *userdata, const XML_Char *name)
{
    struct reader *reader = userdata;
    (void)name;
    if (reader->error != 0) {
        return;
    }
    struct open_element *open = &reader->open[--reader->depth];
    if (buffer_status(&open->text) < 0) {
        stop(reader, -ENOMEM);
        return;
    }
    const char *start = buffer_text(&open->text);
    const char *end = start + open->text.length;
    while (start < end && is_space(*start)) {
        start++;
    }
    while (end > start && is_space(end[-1])) {
        end--;
    }
    if (start == end) {
        return;
    }
    open->element->text = arena_copy_text(&reader->document->arena, start, (size_t)(end - start));
    if (open->element->text == NULL) {
        stop(reader, -ENOMEM);
    }
}

static void XMLCALL on_text(void *userdata, const XML_Char *text, int length)
{
    struct reader *reader = userdata;
    if (reader->error == 0 && reader->depth > 0) {
        buffer_append(&reader->open[reader->depth - 1].text, text, (size_t)length);
    }
}

/* No document type, hence no entities of its own and nothing that could be fetched. */
static void XMLCALL on_doctype(void *userdata, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    stop(userdata, -EBADMSG);
}

static int read_document(struct reader *reader, const char *text, size_t length)
{
    XML_SetUserData(reader->expat, reader);
    XML_SetElementHandler(reader->expat, on_start, on_end);
    XML_SetCharacterDataHandler(reader->expat, on_text);
    XML_SetStartDoctypeDeclHandler(reader->expat, on_doctype);

    if (XML_Parse(reader->expat, text, (int)length, XML_TRUE) != XML_STATUS_OK) {
        if (reader->error != 0) {
            return reader->error;
        }
        return XML_GetErrorCode(reader->expat) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
    }
    return reader->error;
}

int xml_parse(const char *text, size_t length, struct xml_document **ret_document)
{
    if (length > INT_MAX) {
        return -EBADMSG;
    }
    _cleanup_(xml_document_freep) struct xml_document *document = calloc(1, sizeof(*document));
    if (document == NULL) {
        return -ENOMEM;
    }
    struct reader reader = {.expat = XML_ParserCreate(NULL), .document = document};
    if (reader.expat == NULL) {
        return -ENOMEM;
    }
    int r = read_document(&reader, text, length);
    XML_ParserFree(reader.expat);
    for (size_t i = 0; i < ELEMENTS(reader.open); i++) {
        buffer_wipe(&reader.open[i].text); /* credentials come as XML too */
    }
    if (r == 0) {
        *ret_document = TAKE_PTR(document);
    }
    return r;
}

void xml_document_free(struct xml_document *document)
{
    if (document == NULL) {
        return;
    }
    arena_done(&document->arena);
    free(document);
}

const struct xml_element *xml_root(const struct xml_document *document)
{
    return document->root;
}

const struct xml_element *xml_child(const struct xml_element *element, const char *name)
{
    if (element == NULL) {
        return NULL;
    }
    const struct xml_element *child = element->first_child;
    while (child != NULL && strcmp(child->name, name) != 0) {
        child = child->next;
    }
    return child;
}

const char *xml_child_text(const struct xml_element *element, const char *name)
{
    const struct xml_element *child = xml_child(element, name);
    return child != NULL ? child->text : NULL;
}

/* ---- writing ---- */

/* What XML 1.0 cannot hold, not even as a reference (section 2.2). */
static bool is_forbidden(uint32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff;
}

static const char *entity_for(uint32_t c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&apos;";
    case '\r': return "&#13;"; /* a reader would make it a newline */
    default: return NULL;
    }
}

void xml_append_escaped(struct buffer *buffer, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length;) {
        uint32_t character = 0;
        size_t step = utf8_decode(text + i, length - i, &character);
        const char *entity = entity_for(character);
        if (step == 0 || is_forbidden(character)) {
            buffer_append_text(buffer, "\xef\xbf\xbd"); /* U+FFFD, the replacement character */
        } else if (entity != NULL) {
            buffer_append_text(buffer, entity);
        } else {
            buffer_append(buffer, text + i, step);
        }
        i += step > 0 ? step : 1;
    }
}

void xml_append_element(struct buffer *buffer, const char *name, const char *text)
{
    buffer_append_char(buffer, '<');
    buffer_append_text(buffer, name);
    buffer_append_char(buffer, '>');
    xml_append_escaped(buffer, text);
    buffer_append_text(buffer, "</");
    buffer_append_text(buffer, name);
    buffer_append_char(buffer, '>');
}
