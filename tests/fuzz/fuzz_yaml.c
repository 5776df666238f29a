/* Any text: the tree that comes out keeps what yaml.h promises, and a refusal says why. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_node(const struct yaml_node *node, unsigned depth)
{
    insist(node->line >= 1 && node->column >= 1);
    if (node->kind == YAML_SCALAR) {
        insist(strlen(node->text) == node->length && utf8_is_valid(node->text, node->length));
        return;
    }
    insist(depth < 16);
    for (size_t i = 0; i < node->count; i++) {
        check_node(node->items[i], depth + 1);
        if (node->kind == YAML_MAPPING) {
            insist(node->keys[i]->kind == YAML_SCALAR);
            check_node(node->keys[i], depth + 1);
            insist(yaml_get(node, node->keys[i]->text) == node->items[i]); /* no key is there twice */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("fuzz.yaml");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    int r = yaml_load_text((const char *)data, size, problems, &document);
    if (r == 0) {
        insist(problems_count(problems) == 0);
        check_node(yaml_root(document), 0);
    } else {
        insist(r == -EINVAL && document == NULL && problems_count(problems) > 0);
        insist(strncmp(problems_text(problems, 0), "fuzz.yaml:", 10) == 0);
    }
    return 0;
}
