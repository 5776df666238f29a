/* Any text: what is read is bounded and clean, and what is written of it reads back as the same. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void write_element(struct buffer *buffer, const struct xml_element *element, unsigned depth)
{
    insist(depth < 32);
    insist(element->name[0] != '\0' && utf8_is_valid(element->text, strlen(element->text)));
    buffer_append_text(buffer, "<a>");
    xml_append_escaped(buffer, element->text);
    for (const struct xml_element *child = element->first_child; child != NULL; child = child->next) {
        write_element(buffer, child, depth + 1);
    }
    buffer_append_text(buffer, "</a>");
}

static void compare(const struct xml_element *one, const struct xml_element *other)
{
    insist(strcmp(one->text, other->text) == 0);
    const struct xml_element *b = other->first_child;
    for (const struct xml_element *a = one->first_child; a != NULL; a = a->next) {
        insist(b != NULL);
        compare(a, b);
        b = b->next;
    }
    insist(b == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(xml_document_freep) struct xml_document *document = NULL;
    _cleanup_(xml_document_freep) struct xml_document *again = NULL;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    int r = xml_parse((const char *)data, size, &document);
    if (r != 0) {
        insist(r == -EBADMSG && document == NULL);
        return 0;
    }
    write_element(&buffer, xml_root(document), 0);
    insist(xml_parse(buffer_text(&buffer), buffer.length, &again) == 0);
    compare(xml_root(document), xml_root(again));
    return 0;
}
