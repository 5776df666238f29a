/* How the values of ddns53d.yaml are read, written and freed, a type each; zones are in settings_zones.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/settings.h"
#include "config/settings_table.h"
#include "config/value.h"

/* A field of the base that `row` describes, as a pointer to `type`. */
#define FIELD(type, row, base) ((type *)(void *)((char *)(base) + (row)->offset))
#define CONST_FIELD(type, row, base) ((type const *)(const void *)((const char *)(base) + (row)->offset))
#define COUNT(row, base) (*(size_t *)(void *)((char *)(base) + (row)->count_offset))
#define CONST_COUNT(row, base) (*(const size_t *)(const void *)((const char *)(base) + (row)->count_offset))

void setting_write_quoted(struct buffer *buffer, const char *text)
{
    buffer_append_char(buffer, '"');
    for (; *text != '\0'; text++) { /* value_read_text let nothing in that needs another escape */
        if (*text == '"' || *text == '\\') {
            buffer_append_char(buffer, '\\');
        }
        buffer_append_char(buffer, *text);
    }
    buffer_append_char(buffer, '"');
}

void setting_write_item(struct buffer *buffer, size_t index, const char *text)
{
    buffer_append_text(buffer, index == 0 ? "[" : ", ");
    setting_write_quoted(buffer, text);
}

void setting_write_end(struct buffer *buffer, size_t count)
{
    buffer_append_text(buffer, count == 0 ? "[]" : "]");
}

/* ---- bool, uint ---- */

static int read_bool(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return value_read_bool(problems, row->name, node, FIELD(bool, row, base));
}

static void write_bool(const struct setting *row, const void *base, struct buffer *buffer)
{
    buffer_append_text(buffer, *CONST_FIELD(bool, row, base) ? "true" : "false");
}

const struct setting_type setting_bool = {read_bool, write_bool, NULL};

static int read_uint(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    uint64_t value;

    int r = value_read_uint(problems, row->name, node, row->minimum, row->maximum, row->unit, &value);
    if (r == 0) {
        *FIELD(uint32_t, row, base) = (uint32_t)value;
    }
    return r;
}

static void write_uint(const struct setting *row, const void *base, struct buffer *buffer)
{
    buffer_printf(buffer, "%" PRIu32, *CONST_FIELD(uint32_t, row, base));
}

const struct setting_type setting_uint = {read_uint, write_uint, NULL};

/* ---- text, path, URL, region ---- */

int setting_read_checked(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base,
                         const char *(*check)(const char *text))
{
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    const char *wrong = check(text);
    if (wrong != NULL) {
        value_add_error(problems, row->name, node, wrong);
        return -EINVAL;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return -ENOMEM;
    }
    *FIELD(char *, row, base) = copy;
    return 0;
}

void setting_write_text(const struct setting *row, const void *base, struct buffer *buffer)
{
    const char *text = *CONST_FIELD(char *, row, base);
    setting_write_quoted(buffer, text == NULL ? "" : text);
}

void setting_clear_text(const struct setting *row, void *base)
{
    free(TAKE_PTR(*FIELD(char *, row, base)));
}

static const char *check_nothing(const char *text)
{
    (void)text;
    return NULL;
}

static int read_text(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_checked(problems, row, node, base, check_nothing);
}

const struct setting_type setting_text = {read_text, setting_write_text, setting_clear_text};

static const char *check_not_empty(const char *text)
{
    return text[0] == '\0' ? "is no path, name one" : NULL;
}

/* Puts the path of a credential in the place of what was written. */
static int expand_path(struct problems *problems, const struct setting *row, const struct yaml_node *node, char **path)
{
    char *expanded;
    int r = value_expand_path(problems, row->name, node, *path, &expanded);

    if (r == 0) {
        free(*path);
        *path = expanded;
    }
    return r;
}

static int read_path(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    int r = setting_read_checked(problems, row, node, base, check_not_empty);

    return r < 0 ? r : expand_path(problems, row, node, FIELD(char *, row, base));
}

const struct setting_type setting_path = {read_path, setting_write_text, setting_clear_text};

static int read_path_or_none(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                             void *base)
{
    int r = read_text(problems, row, node, base);
    char **path = FIELD(char *, row, base);
    if (r == 0 && (*path)[0] == '\0') {
        free(*path);
        *path = NULL;
        return 0;
    }
    return r < 0 ? r : expand_path(problems, row, node, path);
}

const struct setting_type setting_path_or_none = {read_path_or_none, setting_write_text, setting_clear_text};

const char *setting_check_url(const char *text)
{
    if (text[0] == '\0') {
        return NULL;
    }
    const char *rest =
        strncmp(text, "https://", 8) == 0 ? text + 8 : (strncmp(text, "http://", 7) == 0 ? text + 7 : NULL);
    if (rest == NULL) {
        return "must begin with https:// or http://";
    }
    if (rest[0] == '\0' || rest[0] == '/' || rest[0] == ':') {
        return "names no host";
    }
    for (const char *c = rest; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7F || strchr("\"<>\\^`{|}?#@", *c) != NULL) {
            return "must be scheme, host, port and path only, in characters of a URL";
        }
    }
    return text[strlen(text) - 1] == '/' ? "must not end in a slash, remove it" : NULL;
}

static int read_url(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_checked(problems, row, node, base, setting_check_url);
}

const struct setting_type setting_url = {read_url, setting_write_text, setting_clear_text};

static const char *check_region(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return length == 0 || length > 64 || text[length] != '\0' ? "is no region, write one such as us-east-1" : NULL;
}

static int read_region(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_checked(problems, row, node, base, check_region);
}

const struct setting_type setting_region = {read_region, setting_write_text, setting_clear_text};

/* ---- authentication schemes ---- */

static const struct {
    unsigned scheme;
    const char *text;
} schemes[] = {{AUTH_HASH, "hash"}, {AUTH_SIGNED, "signed"}, {AUTH_SECRET, "secret"}, {AUTH_BASIC, "basic"}};

unsigned auth_scheme_parse(const char *text)
{
    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        if (strcmp(schemes[i].text, text) == 0) {
            return schemes[i].scheme;
        }
    }
    return 0;
}

const char *auth_scheme_text(unsigned scheme)
{
    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        if (schemes[i].scheme == scheme) {
            return schemes[i].text;
        }
    }
    return "";
}

static int read_schemes(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return value_read_schemes(problems, row->name, node, FIELD(unsigned, row, base));
}

static void write_schemes(const struct setting *row, const void *base, struct buffer *buffer)
{
    const char *separator = "[";
    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        if ((*CONST_FIELD(unsigned, row, base) & schemes[i].scheme) != 0) {
            buffer_printf(buffer, "%s%s", separator, schemes[i].text);
            separator = ", ";
        }
    }
    buffer_append_char(buffer, ']');
}

const struct setting_type setting_schemes = {read_schemes, write_schemes, NULL};

static const char *const proxy_headers[] = {
    [PROXY_X_FORWARDED_FOR] = "x-forwarded-for", [PROXY_FORWARDED] = "forwarded"};

static int read_proxy_header(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                             void *base)
{
    const char *text;
    int r = value_read_text(problems, row->name, node, &text);

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < ELEMENTS(proxy_headers); i++) {
        if (strcasecmp(text, proxy_headers[i]) == 0) { /* a header's name */
            *FIELD(enum proxy_header, row, base) = (enum proxy_header)i;
            return 0;
        }
    }
    value_add_error(problems, row->name, node, "is no header of a proxy, write x-forwarded-for or forwarded");
    return -EINVAL;
}

static void write_proxy_header(const struct setting *row, const void *base, struct buffer *buffer)
{
    buffer_append_text(buffer, proxy_headers[*CONST_FIELD(enum proxy_header, row, base)]);
}

const struct setting_type setting_proxy_header = {read_proxy_header, write_proxy_header, NULL};

/* ---- lists: endpoints, prefixes, secrets ---- */

int setting_read_list(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base,
                      const char *example, size_t item_size,
                      int (*read_item)(struct problems *problems, const struct setting *row,
                                       const struct yaml_node *node, void *item))
{
    int result = 0;

    int r = value_check_list(problems, row->name, node, example);
    if (r < 0) {
        return r;
    }
    char *items = calloc(node->count + 1, item_size);
    if (items == NULL) {
        return -ENOMEM;
    }
    *FIELD(void *, row, base) = items;
    COUNT(row, base) = node->count; /* zeroed items are fine to clear */
    for (size_t i = 0; i < node->count; i++) {
        r = read_item(problems, row, node->items[i], items + i * item_size);
        result = r < 0 ? r : result;
    }
    return result;
}

static int read_endpoint(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *item)
{
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    r = endpoint_parse(text, item);
    if (r == -EINVAL) {
        value_add_error(problems, row->name, node,
                        "is no place to listen at, write ADDRESS:PORT, [IPV6]:PORT or unix:/PATH");
    }
    return r;
}

static bool is_same_place(const struct endpoint *a, const struct endpoint *b)
{
    if (a->text == NULL || b->text == NULL) {
        return false; /* one of them could not be read */
    }
    if (a->unix_path != NULL || b->unix_path != NULL) {
        return strcmp(a->text, b->text) == 0;
    }
    return a->port != 0 && a->port == b->port && address_equal(&a->address, &b->address);
}

static int read_listen(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    int r = setting_read_list(problems, row, node, base, "[\"[::]:443\"]", sizeof(struct endpoint), read_endpoint);
    if (node->kind != YAML_SEQUENCE || r == -ENOMEM) {
        return r;
    }
    if (node->count < row->minimum || node->count > row->maximum) {
        problems_add(problems, node->line, node->column, "%s: names %zu places to listen at, must be %u to %u",
                     row->name, node->count, (unsigned)row->minimum, (unsigned)row->maximum);
        return -EINVAL;
    }
    const struct endpoint *endpoints = *CONST_FIELD(struct endpoint *, row, base);
    for (size_t i = 1; i < node->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (is_same_place(&endpoints[i], &endpoints[j])) {
                value_add_error(problems, row->name, node->items[i], "is named twice, remove one");
                r = -EINVAL;
                break;
            }
        }
    }
    return r;
}

static void write_listen(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct endpoint *endpoints = *CONST_FIELD(struct endpoint *, row, base);
    for (size_t i = 0; i < CONST_COUNT(row, base); i++) {
        setting_write_item(buffer, i, endpoints[i].text);
    }
    setting_write_end(buffer, CONST_COUNT(row, base));
}

static void clear_listen(const struct setting *row, void *base)
{
    struct endpoint *endpoints = TAKE_PTR(*FIELD(struct endpoint *, row, base));
    for (size_t i = 0; i < COUNT(row, base); i++) {
        endpoint_done(&endpoints[i]);
    }
    COUNT(row, base) = 0;
    free(endpoints);
}

const struct setting_type setting_listen = {read_listen, write_listen, clear_listen};

static int read_admin_listen(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                             void *base)
{
    if (node->kind == YAML_SCALAR && !node->plain && node->length == 0) {
        return 0; /* "" turns it off */
    }
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL) {
        return -ENOMEM;
    }
    *FIELD(struct endpoint *, row, base) = endpoint;
    int r = read_endpoint(problems, row, node, endpoint);
    if (r == 0 && !endpoint_is_local(endpoint)) {
        value_add_error(problems, row->name, node,
                        "can be reached from outside, write a loopback address, unix:/PATH, or \"\" for none");
        r = -EINVAL;
    }
    return r;
}

static void write_admin_listen(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct endpoint *endpoint = *CONST_FIELD(struct endpoint *, row, base);
    setting_write_quoted(buffer, endpoint == NULL ? "" : endpoint->text);
}

static void clear_admin_listen(const struct setting *row, void *base)
{
    struct endpoint *endpoint = TAKE_PTR(*FIELD(struct endpoint *, row, base));
    if (endpoint != NULL) {
        endpoint_done(endpoint);
        free(endpoint);
    }
}

const struct setting_type setting_admin_listen = {read_admin_listen, write_admin_listen, clear_admin_listen};

/* Like a path, but a plain nothing is no way to turn it off: a key whose value was forgotten looks the same. */
static int read_control_socket(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                               void *base)
{
    if (node->kind == YAML_SCALAR && !node->plain && node->length == 0) {
        return 0;
    }
    return read_path(problems, row, node, base);
}

const struct setting_type setting_control_socket = {read_control_socket, setting_write_text, setting_clear_text};

static int read_prefix(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *item)
{
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r == 0 && prefix_parse(text, node->length, false, item) == 0) {
        if (((struct prefix *)item)->length == 0) {
            problems_warn(problems, node->line, node->column,
                          "%s: \"%s\" contains everybody, who may then claim any source address; name your proxies "
                          "alone",
                          row->name, value_show(text).text);
        }
        return 0;
    }
    if (r < 0) {
        return r;
    }
    struct prefix cleared;
    if (prefix_parse(text, node->length, true, &cleared) == 0) {
        char wanted[PREFIX_TEXT_SIZE];
        prefix_print(&cleared, wanted);
        problems_add(problems, node->line, node->column, "%s: \"%s\" has bits set past its length, write %s", row->name,
                     value_show_warily(text).text, wanted);
    } else {
        value_add_error(problems, row->name, node, "is neither an address nor a prefix such as 10.0.0.0/8");
    }
    return -EINVAL;
}

static int read_prefixes(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_list(problems, row, node, base, "[127.0.0.1, 10.0.0.0/8]", sizeof(struct prefix), read_prefix);
}

static void write_prefixes(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct prefix *prefixes = *CONST_FIELD(struct prefix *, row, base);
    for (size_t i = 0; i < CONST_COUNT(row, base); i++) {
        char text[PREFIX_TEXT_SIZE];
        prefix_print(&prefixes[i], text);
        setting_write_item(buffer, i, text);
    }
    setting_write_end(buffer, CONST_COUNT(row, base));
}

static void clear_prefixes(const struct setting *row, void *base)
{
    free(TAKE_PTR(*FIELD(struct prefix *, row, base)));
    COUNT(row, base) = 0;
}

const struct setting_type setting_prefixes = {read_prefixes, write_prefixes, clear_prefixes};

static bool has_known_placeholders(const char *word)
{
    for (const char *at = strchr(word, '{'); at != NULL; at = strchr(at + 1, '{')) {
        if (strncmp(at, "{zone}", 6) != 0 && strncmp(at, "{file}", 6) != 0) {
            return false;
        }
    }
    return true;
}

static int read_word(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *item)
{
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    if (!has_known_placeholders(text)) {
        value_add_error(problems, row->name, node, "has a placeholder that is neither {zone} nor {file}, remove it");
        return -EINVAL;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return -ENOMEM;
    }
    *(char **)item = copy;
    return 0;
}

static int read_command(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    int r = setting_read_list(problems, row, node, base, "[/usr/sbin/nsd-control, reload, \"{zone}\"]", sizeof(char *),
                              read_word);
    if (r == 0 && node->count > 0 && (*FIELD(char **, row, base))[0][0] != '/') {
        value_add_error(problems, row->name, node->items[0], "is no absolute path of a program, write one");
        return -EINVAL;
    }
    return r;
}

static void write_command(const struct setting *row, const void *base, struct buffer *buffer)
{
    char *const *words = *CONST_FIELD(char **, row, base);
    for (size_t i = 0; i < CONST_COUNT(row, base); i++) {
        setting_write_item(buffer, i, words[i]);
    }
    setting_write_end(buffer, CONST_COUNT(row, base));
}

static void clear_command(const struct setting *row, void *base)
{
    char **words = TAKE_PTR(*FIELD(char **, row, base));
    for (size_t i = 0; i < COUNT(row, base); i++) {
        free(words[i]);
    }
    COUNT(row, base) = 0;
    free(words);
}

const struct setting_type setting_command = {read_command, write_command, clear_command};

static int read_secret(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *item)
{
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    if (node->length == 0) {
        problems_add(problems, node->line, node->column, "%s: has an empty key, write one of at least %d characters",
                     row->name, SECRET_GOOD_LENGTH);
        return -EINVAL;
    }
    if (node->length < SECRET_GOOD_LENGTH) {
        problems_warn(problems, node->line, node->column, "%s: has a key of under %d characters, make it longer",
                      row->name, SECRET_GOOD_LENGTH);
    }
    struct secret *secret = secret_new(text, node->length);
    if (secret == NULL) {
        return -ENOMEM;
    }
    *(struct secret **)item = secret;
    return 0;
}

static int read_secrets(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_list(problems, row, node, base, "[\"a long random text\"]", sizeof(struct secret *),
                             read_secret);
}

static void write_secrets(const struct setting *row, const void *base, struct buffer *buffer)
{
    for (size_t i = 0; i < CONST_COUNT(row, base); i++) {
        setting_write_item(buffer, i, "***");
    }
    setting_write_end(buffer, CONST_COUNT(row, base));
}

static void clear_secrets(const struct setting *row, void *base)
{
    struct secret **secrets = TAKE_PTR(*FIELD(struct secret **, row, base));
    for (size_t i = 0; i < COUNT(row, base); i++) {
        secret_free(secrets[i]);
    }
    COUNT(row, base) = 0;
    free(secrets);
}

const struct setting_type setting_secrets = {read_secrets, write_secrets, clear_secrets};
