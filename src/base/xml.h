/*
 * XML as Route 53 and STS speak it, read through expat into a small tree: elements and their
 * text; prefixes and attributes are dropped. Document type declarations are refused (no entities), depth and size
 * are bounded. The writer escapes text. Pure; the tree is owned by its document.
 */
#ifndef DDNS53_BASE_XML_H
#define DDNS53_BASE_XML_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/cleanup.h"

struct xml_element {
    const char *name; /* local name, without prefix */
    const char *text; /* all character data directly in it, white space at the ends trimmed; never NULL */
    struct xml_element *first_child;
    struct xml_element *next; /* sibling */
};

struct xml_document;

/* 0, -EBADMSG (not well-formed, a document type, too deep (32)), -ENOMEM. */
int xml_parse(const char *text, size_t length, struct xml_document **ret_document);
void xml_document_free(struct xml_document *document);
DEFINE_CLEANUP(struct xml_document *, xml_document_free)
const struct xml_element *xml_root(const struct xml_document *document);

/* First child of that name, NULL: none. `element` may be NULL, so that calls nest. */
const struct xml_element *xml_child(const struct xml_element *element, const char *name);
/* Its text; NULL: no such child. */
const char *xml_child_text(const struct xml_element *element, const char *name);

void xml_append_escaped(struct buffer *buffer, const char *text);
/* <name>text</name> */
void xml_append_element(struct buffer *buffer, const char *name, const char *text);

#endif
