/* The values of server.acme, a type each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"
#include "config/settings_table.h"
#include "config/value.h"

#define DNS_PORT 53

/* ---- email, URL ---- */

/* It becomes an argument of a program and part of a URI (RFC 8555 section 7.3), so that less is let in than mail allows. */
static bool is_email(const char *text)
{
    static const char alphanumeric[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const char *at = strchr(text, '@');

    if (!at || at == text || text[0] == '-' || !strchr(at, '.')) {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (c != at && !strchr(alphanumeric, *c) && !strchr(c < at ? "._+-=" : ".-", *c)) {
            return false;
        }
    }
    return true;
}

static const char *check_email(const char *text)
{
    return text[0] == '\0' || is_email(text) ? NULL : "is no e-mail address, write one such as me@example.com";
}

static int read_email(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_checked(problems, row, node, base, check_email);
}

const struct setting_type setting_email = {read_email, setting_write_text, setting_clear_text};

static const char *check_https(const char *text)
{
    return strncmp(text, "https://", strlen("https://")) == 0 ? setting_check_url(text) : "must begin with https://";
}

static int read_https(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    return setting_read_checked(problems, row, node, base, check_https);
}

const struct setting_type setting_https_url = {read_https, setting_write_text, setting_clear_text};

/* ---- lists ---- */

static void **list_of(const struct setting *row, void *base)
{
    return (void **)(void *)((char *)base + row->offset);
}

static size_t *count_of(const struct setting *row, void *base)
{
    return (size_t *)(void *)((char *)base + row->count_offset);
}

static const void *const_list_of(const struct setting *row, const void *base)
{
    return *(const void *const *)(const void *)((const char *)base + row->offset);
}

static size_t length_of(const struct setting *row, const void *base)
{
    return *(const size_t *)(const void *)((const char *)base + row->count_offset);
}

static int check_length(struct problems *problems, const struct setting *row, const struct yaml_node *node)
{
    if (node->count <= row->maximum) {
        return 0;
    }
    problems_add(problems, node->line, node->column, "%s: has %zu entries, must be %u at most", row->name, node->count,
                 (unsigned)row->maximum);
    return -EINVAL;
}

static int read_name(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *item)
{
    const char *text;
    const char *reason;
    int r = value_read_text(problems, row->name, node, &text);

    if (r < 0) {
        return r;
    }
    r = name_parse(text, node->length, item, &reason);
    if (r < 0) {
        problems_add(problems, node->line, node->column, "%s: \"%s\" is no domain name: %s", row->name,
                     value_show(text).text, reason);
    }
    return r;
}

static int read_names(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    int r = setting_read_list(problems, row, node, base, "[ddns.example.com, \"*.example.com\"]", sizeof(struct name),
                              read_name);

    return r == 0 ? check_length(problems, row, node) : r;
}

static void write_names(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct name *names = const_list_of(row, base);

    for (size_t i = 0; i < length_of(row, base); i++) {
        setting_write_item(buffer, i, names[i].text);
    }
    setting_write_end(buffer, length_of(row, base));
}

static void clear_names(const struct setting *row, void *base)
{
    free(TAKE_PTR(*list_of(row, base)));
    *count_of(row, base) = 0;
}

const struct setting_type setting_names = {read_names, write_names, clear_names};

/* An address alone has port 53. */
static int parse_server(const char *text, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint = {.port = DNS_PORT};

    if (address_parse(text, strlen(text), &endpoint.address) < 0) {
        return strncmp(text, "unix:", strlen("unix:")) == 0 ? -EINVAL : endpoint_parse(text, ret_endpoint);
    }
    endpoint.text = strdup(text);
    if (!endpoint.text) {
        return -ENOMEM;
    }
    *ret_endpoint = endpoint;
    return 0;
}

static int read_server(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *item)
{
    const struct endpoint *endpoint = item;
    const char *text;
    int r = value_read_text(problems, row->name, node, &text);

    if (r < 0) {
        return r;
    }
    r = parse_server(text, item);
    if (r == -EINVAL || (r == 0 && endpoint->port == 0)) {
        value_add_error(problems, row->name, node, "is no name server, write its address, ADDRESS:PORT or [IPV6]:PORT");
        r = -EINVAL;
    }
    return r;
}

static int read_servers(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    int r = setting_read_list(problems, row, node, base, "[192.0.2.1, \"[2001:db8::1]:5353\"]", sizeof(struct endpoint),
                              read_server);

    return r == 0 ? check_length(problems, row, node) : r;
}

static void write_servers(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct endpoint *servers = const_list_of(row, base);

    for (size_t i = 0; i < length_of(row, base); i++) {
        setting_write_item(buffer, i, servers[i].text);
    }
    setting_write_end(buffer, length_of(row, base));
}

static void clear_servers(const struct setting *row, void *base)
{
    struct endpoint *servers = TAKE_PTR(*list_of(row, base));

    for (size_t i = 0; i < length_of(row, base); i++) {
        endpoint_done(&servers[i]);
    }
    *count_of(row, base) = 0;
    free(servers);
}

const struct setting_type setting_name_servers = {read_servers, write_servers, clear_servers};
