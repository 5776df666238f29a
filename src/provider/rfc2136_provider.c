/* The row of the provider rfc2136: the name server of a zone, and the key that updates are signed with. It is built
 * without libknot too: its keys are known then, and a zone of it is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "config/settings_table.h"
#include "config/value.h"
#include "provider/registry.h"
#include "provider/rfc2136.h"

#define SECTION "zones[].tsig"
#define SECRET_MAX 1024 /* bytes of a key; those of today have 32 to 64 */
#define TEXT_MAX 1368   /* of that in base64 */

/* ---- values ---- */

static int read_server(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    struct rfc2136_zone_settings *settings = base;
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0 || text[0] == '\0') {
        return r;
    }
    if (address_parse(text, node->length, &settings->server) < 0) {
        value_add_error(problems, row->name, node, "is no address, write one such as 192.0.2.1 or 2001:db8::1");
        return -EINVAL;
    }
    return 0;
}

static void write_server(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct rfc2136_zone_settings *settings = base;
    char text[ADDRESS_TEXT_SIZE] = "";

    (void)row;
    if (settings->server.family != ADDRESS_NONE) {
        address_print(&settings->server, text);
    }
    setting_write_quoted(buffer, text);
}

static const struct setting_type setting_server = {read_server, write_server, NULL};

static int read_key_name(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    struct rfc2136_zone_settings *settings = base;
    const char *text, *reason;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0 || text[0] == '\0') {
        return r;
    }
    if (name_parse(text, node->length, &settings->key_name, &reason) < 0) {
        problems_add(problems, node->line, node->column, "%s: \"%s\" is no name of a key: %s", row->name,
                     value_show(text).text, reason);
        return -EINVAL;
    }
    return 0;
}

static void write_key_name(const struct setting *row, const void *base, struct buffer *buffer)
{
    (void)row;
    setting_write_quoted(buffer, ((const struct rfc2136_zone_settings *)base)->key_name.text);
}

static const struct setting_type setting_key_name = {read_key_name, write_key_name, NULL};

/* Those of RFC 8945 section 6 that are neither broken nor cut short. */
static int read_algorithm(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                          void *base)
{
    static const char *const algorithms[] = {"hmac-sha256", "hmac-sha384", "hmac-sha512"};
    struct rfc2136_zone_settings *settings = base;
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < ELEMENTS(algorithms); i++) {
        if (strcmp(text, algorithms[i]) == 0) {
            settings->algorithm = strdup(text);
            return settings->algorithm ? 0 : -ENOMEM;
        }
    }
    value_add_error(problems, row->name, node, "is no algorithm, write hmac-sha256, hmac-sha384 or hmac-sha512");
    return -EINVAL;
}

static void write_algorithm(const struct setting *row, const void *base, struct buffer *buffer)
{
    (void)row;
    buffer_append_text(buffer, ((const struct rfc2136_zone_settings *)base)->algorithm);
}

static void clear_algorithm(const struct setting *row, void *base)
{
    (void)row;
    free(TAKE_PTR(((struct rfc2136_zone_settings *)base)->algorithm));
}

static const struct setting_type setting_algorithm = {read_algorithm, write_algorithm, clear_algorithm};

/* ---- the secret ---- */

/* No text of a secret gets into a message. */
static int decode_secret(struct problems *problems, const char *key, const struct yaml_node *node, const void *text,
                         size_t length, struct secret **ret_secret)
{
    char bytes[SECRET_MAX];
    size_t decoded = 0;
    int r = base64_decode(text, length, bytes, sizeof(bytes), &decoded);

    if (r < 0 || decoded == 0) {
        problems_add(problems, node->line, node->column,
                     "%s: is no base64 of 1 to %d bytes, write what tsig-keygen prints as secret", key, SECRET_MAX);
        r = -EINVAL;
    } else {
        if (decoded < SECRET_GOOD_LENGTH) {
            problems_warn(problems, node->line, node->column, "%s: has under %d bytes, make a longer one", key,
                          SECRET_GOOD_LENGTH);
        }
        *ret_secret = secret_new(bytes, decoded);
        r = *ret_secret ? 0 : -ENOMEM;
    }
    wipe(bytes, sizeof(bytes));
    return r;
}

static int read_key_secret(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                           void *base)
{
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0 || node->length == 0) {
        return r;
    }
    return decode_secret(problems, row->name, node, text, node->length,
                         &((struct rfc2136_zone_settings *)base)->secret);
}

static void write_key_secret(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct rfc2136_zone_settings *settings = base;

    (void)row;
    setting_write_quoted(buffer, settings->secret && !settings->secret_file ? "***" : "");
}

static void clear_key_secret(const struct setting *row, void *base)
{
    (void)row;
    secret_free(TAKE_PTR(((struct rfc2136_zone_settings *)base)->secret));
}

static const struct setting_type setting_key_secret = {read_key_secret, write_key_secret, clear_key_secret};

static int read_key_file(struct problems *problems, const struct yaml_node *node, const char *file,
                         struct rfc2136_zone_settings *settings)
{
    _cleanup_(secret_freep) struct secret *text = NULL;
    int r = value_read_secret_file(problems, file, SECTION ".secret_file", node, TEXT_MAX, &text);

    return r < 0 ? r
                 : decode_secret(problems, SECTION ".secret_file", node, secret_bytes(text), secret_length(text),
                                 &settings->secret);
}

/* ---- the key ---- */

static int read_tsig(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    size_t index = 0;
    int result = 0;

    if (node->kind != YAML_MAPPING) {
        problems_add(problems, node->line, node->column, "%s: must be a mapping, write {name: NAME, secret_file: PATH}",
                     row->name);
        return -EINVAL;
    }
    settings_check_keys(problems, SECTION, node);
    for (const struct setting *key; (key = settings_next_row(SECTION, &rfc2136_provider.settings, &index));) {
        int r = setting_read(problems, key, yaml_get(node, key->key), node, base);
        result = r < 0 && result != -ENOMEM ? r : result;
    }
    return result;
}

static bool has_key(const struct rfc2136_zone_settings *settings)
{
    return settings->key_name.text[0] != '\0' || settings->secret || settings->secret_file;
}

static void write_tsig(const struct setting *row, const void *base, struct buffer *buffer)
{
    const char *separator = "{";
    size_t index = 0;

    (void)row;
    for (const struct setting *key; (key = settings_next_row(SECTION, &rfc2136_provider.settings, &index));) {
        buffer_printf(buffer, "%s%s: ", separator, key->key);
        key->type->write(key, base, buffer);
        separator = ", ";
    }
    buffer_append_char(buffer, '}');
}

static void clear_tsig(const struct setting *row, void *base)
{
    size_t index = 0;

    (void)row;
    for (const struct setting *key; (key = settings_next_row(SECTION, &rfc2136_provider.settings, &index));) {
        if (key->type->clear) {
            key->type->clear(key, base);
        }
    }
}

static const struct setting_type setting_tsig = {read_tsig, write_tsig, clear_tsig};

/* ---- together ---- */

static int check_key(struct problems *problems, const struct yaml_node *node,
                     const struct rfc2136_zone_settings *settings)
{
    const char *what = NULL;

    if (settings->key_name.text[0] == '\0') {
        what = "name: is missing, add the key's name";
    } else if (!settings->secret && !settings->secret_file) {
        what = "secret_file: is missing, add it or secret";
    } else if (settings->secret && settings->secret_file) {
        what = "secret: stands beside secret_file, remove one of them";
    }
    if (!what) {
        return 0;
    }
    problems_add(problems, node->line, node->column, SECTION ".%s", what);
    return -EINVAL;
}

static int check_zone(struct problems *problems, const struct yaml_node *node, const void *zone)
{
    const struct rfc2136_zone_settings *settings = zone;

    if (settings->server.family == ADDRESS_NONE) {
        problems_add(problems, node->line, node->column,
                     "zones[].server: is missing, add the address of the zone's primary name server");
        return -EINVAL;
    }
    if (has_key(settings)) {
        return check_key(problems, yaml_get(node, "tsig"), settings);
    }
    if (!address_is_loopback(&settings->server)) {
        problems_add(problems, node->line, node->column,
                     "zones[].tsig: is missing, and only a server on a loopback address may do without: add name and "
                     "secret_file of a key");
        return -EINVAL;
    }
    return 0;
}

static bool has_secret(const void *zone)
{
    const struct rfc2136_zone_settings *settings = zone;

    return settings->secret && !settings->secret_file;
}

static bool has_same_hidden(const void *a, const void *b)
{
    const struct secret *first = ((const struct rfc2136_zone_settings *)a)->secret;
    const struct secret *second = ((const struct rfc2136_zone_settings *)b)->secret;

    return first && second ? secret_equals(first, secret_bytes(second), secret_length(second)) : first == second;
}

/* Reads the secret file of a key, and makes its path absolute. */
static int finish_zone(struct problems *problems, const struct yaml_node *node, const char *path,
                       struct rfc2136_zone_settings *settings)
{
    if (!settings->secret_file) {
        return 0;
    }
    const struct yaml_node *tsig = yaml_get(node, "tsig");
    const int r = read_key_file(problems, yaml_get(tsig, "secret_file"), path, settings);

    return r < 0 ? r : settings_make_absolute(&settings->secret_file, path);
}

static int finish(struct problems *problems, const struct yaml_node *root, const char *path, struct settings *settings,
                  void *own)
{
    const struct yaml_node *zones = yaml_get(root, "zones");
    int result = 0;

    (void)own;
    for (size_t i = 0; i < settings->zone_count; i++) {
        const struct zone_settings *zone = &settings->zones[i];
        if (zone->provider == &rfc2136_provider.settings) {
            const int r = finish_zone(problems, zones->items[i], path, zone->own);
            result = r < 0 && result != -ENOMEM ? r : result;
        }
    }
    return result;
}

/* ---- the row ---- */

#define ZONE_AT(field) SETTING_AT(struct rfc2136_zone_settings, field)

static const struct setting rows[] = {
    {SETTING_KEY("zones[]", "server"), .type = &setting_server, ZONE_AT(server), .default_text = "\"\"",
     .restart = true, .help = "rfc2136: the address of the zone's primary name server"},
    {SETTING_KEY("zones[]", "port"), .type = &setting_uint, ZONE_AT(port), SETTING_RANGE(1, UINT16_MAX, ""),
     .default_text = "53", .restart = true, .help = "rfc2136: its port"},
    {SETTING_KEY("zones[]", "tsig"), .type = &setting_tsig,
     .default_text = "{name: \"\", algorithm: hmac-sha256, secret: \"\", secret_file: \"\"}", .restart = true,
     .help = "rfc2136: the key that updates are signed with; none only towards a loopback address"},
    {SETTING_KEY(SECTION, "name"), .type = &setting_key_name, ZONE_AT(key_name), .default_text = "\"\"",
     .restart = true, .help = "the name of the key, as the name server has it"},
    {SETTING_KEY(SECTION, "algorithm"), .type = &setting_algorithm, ZONE_AT(algorithm), .default_text = "hmac-sha256",
     .restart = true, .help = "hmac-sha256, hmac-sha384 or hmac-sha512"},
    {SETTING_KEY(SECTION, "secret"), .type = &setting_key_secret, ZONE_AT(secret), .default_text = "\"\"",
     .restart = true, .help = "the secret of the key, in base64"},
    {SETTING_KEY(SECTION, "secret_file"), .type = &setting_path_or_none, ZONE_AT(secret_file), .default_text = "\"\"",
     .restart = true, .help = "a file with that in its first line, relative to this file; one of both is needed"},
};

#ifdef HAVE_KNOT
static struct provider_zone *zone_new(const struct provider_means *means, void *shared,
                                      const struct zone_settings *zone)
{
    (void)shared;
    return rfc2136_zone_new(means->loop, zone->name.text, zone->own);
}
#endif

const struct provider rfc2136_provider = {
    .settings =
        {
            .name = "rfc2136",
#ifndef HAVE_KNOT
            .missing = "libknot",
#endif
            .rows = rows,
            .row_count = ELEMENTS(rows),
            .zone_size = sizeof(struct rfc2136_zone_settings),
            .check_zone = check_zone,
            .has_secret = has_secret,
            .has_same_hidden = has_same_hidden,
            .finish = finish,
        },
#ifdef HAVE_KNOT
    .ops = &rfc2136_ops,
    .zone_new = zone_new,
#endif
};
