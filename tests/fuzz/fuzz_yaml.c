/* Any text: the tree that comes out keeps what yaml.h promises, and a refusal says why. What is handed over item by item,
 * which may be read without libyaml, and of a file in pieces, is the same as what libyaml makes of the whole. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
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

static void print_node(const struct yaml_node *node, struct buffer *buffer)
{
    buffer_printf(buffer, "%d %u:%u %d %d ", (int)node->kind, node->line, node->column, node->plain, node->flow);
    if (node->kind == YAML_SCALAR) {
        buffer_append(buffer, node->text, node->length);
    }
    buffer_append_char(buffer, '\n');
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_MAPPING) {
            print_node(node->keys[i], buffer);
        }
        print_node(node->items[i], buffer);
    }
}

static int print_item(const struct yaml_node *item, void *userdata)
{
    print_node(item, userdata);
    return 0;
}

/* The root, and then the items of its list. */
static void print_list_last(const struct yaml_node *root, const struct yaml_node *list, struct buffer *buffer)
{
    if (root->kind != YAML_MAPPING) {
        print_node(root, buffer);
        return;
    }
    for (size_t i = 0; i < root->count; i++) {
        print_node(root->keys[i], buffer);
        if (root->items[i] != list) {
            print_node(root->items[i], buffer);
        }
    }
    buffer_printf(buffer, "%u:%u ", root->line, root->column);
    if (list) {
        buffer_printf(buffer, "%u:%u %d %zu", list->line, list->column, list->flow, list->count);
    }
}

static const struct yaml_node *list_of(const struct yaml_document *document)
{
    const struct yaml_node *list = yaml_get(yaml_root(document), "hosts");

    return list && list->kind == YAML_SEQUENCE ? list : NULL;
}

typedef int stream(const uint8_t *data, size_t size, const struct yaml_items *items, struct problems *problems,
                   struct yaml_document **ret_document);

/* The text as a file, in memory. */
static int stream_file(const uint8_t *data, size_t size, const struct yaml_items *items, struct problems *problems,
                       struct yaml_document **ret_document)
{
    _cleanup_close_ int fd = memfd_create("fuzz.yaml", MFD_CLOEXEC);
    char path[64];

    insist(fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0 && file_write_all(fd, data, size) == 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return yaml_stream_file(path, SIZE_MAX, items, problems, ret_document);
}

static int stream_text(const uint8_t *data, size_t size, const struct yaml_items *items, struct problems *problems,
                       struct yaml_document **ret_document)
{
    return yaml_stream_text((const char *)data, size, items, problems, ret_document);
}

static void check_stream(stream *read, const uint8_t *data, size_t size, int whole_r,
                         const struct problems *whole_problems, const struct yaml_document *whole)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("fuzz.yaml");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer items = BUFFER_INIT, whole_items = BUFFER_INIT;
    const struct yaml_items handed = {"hosts", print_item, &items};

    insist(read(data, size, &handed, problems, &document) == whole_r);
    insist(problems_count(problems) == problems_count(whole_problems));
    for (size_t i = 0; problems_text(problems, i); i++) {
        insist(strcmp(problems_text(problems, i), problems_text(whole_problems, i)) == 0);
    }
    if (whole_r < 0) {
        return;
    }
    const struct yaml_node *list = list_of(whole);
    for (size_t i = 0; list && i < list->count; i++) {
        print_node(list->items[i], &whole_items);
    }
    print_list_last(yaml_root(whole), list, &whole_items);
    print_list_last(yaml_root(document), list_of(document), &items);
    insist(items.length == whole_items.length && memcmp(items.data, whole_items.data, items.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("fuzz.yaml");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    int r = yaml_load_text((const char *)data, size, problems, &document);
    check_stream(stream_text, data, size, r, problems, document);
    check_stream(stream_file, data, size, r, problems, document);
    if (r == 0) {
        insist(problems_count(problems) == 0);
        check_node(yaml_root(document), 0);
    } else {
        insist(r == -EINVAL && document == NULL && problems_count(problems) > 0);
        insist(strncmp(problems_text(problems, 0), "fuzz.yaml:", 10) == 0);
    }
    return 0;
}
