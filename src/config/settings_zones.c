/* The `zones` of ddns53d.yaml: a list of mappings, each read through the rows of section "zones[]":
 * ours, then those of the zone's provider. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "config/settings.h"
#include "config/settings_table.h"
#include "config/value.h"
#include "config/zone_index.h"

#define SECTION "zones[]"

/* The zones of one file; settings of later reloads may share them. */
struct zone_list {
    atomic_uint references;
    struct zone_index *index;
    struct zone_settings zones[];
};

static struct zone_list *list_of(const struct settings *settings)
{
    return (struct zone_list *)(void *)((char *)settings->zones - offsetof(struct zone_list, zones));
}

/* ---- one zone's name and provider ---- */

static int read_zone_name(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                          void *base)
{
    struct zone_settings *zone = base;
    const char *text, *reason;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    if (name_parse(text, node->length, &zone->name, &reason) < 0) {
        problems_add(problems, node->line, node->column, "%s: \"%s\" is no domain name: %s", row->name,
                     value_show_warily(text).text, reason);
        return -EINVAL;
    }
    if (zone->name.text[0] == '*' || zone->name.text[0] == '.') {
        value_add_error(problems, row->name, node, "cannot be the name of a zone, write one such as example.com");
        return -EINVAL;
    }
    return 0;
}

static void write_zone_name(const struct setting *row, const void *base, struct buffer *buffer)
{
    (void)row;
    setting_write_quoted(buffer, ((const struct zone_settings *)base)->name.text);
}

const struct setting_type setting_zone_name = {read_zone_name, write_zone_name, NULL};

static void add_no_provider(struct problems *problems, const struct setting *row, const struct yaml_node *node)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_append_text(&text, "is no provider, write ");
    for (size_t i = 0; provider_table[i]; i++) {
        const char *separator = i == 0 ? "" : provider_table[i + 1] ? ", " : " or ";
        buffer_printf(&text, "%s%s", separator, provider_table[i]->name);
    }
    value_add_error(problems, row->name, node, buffer_text(&text));
}

static int check_is_built(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                          const struct provider_settings *provider)
{
    if (!provider->missing) {
        return 0;
    }
    problems_add(problems, node->line, node->column,
                 "%s: \"%s\" is not in this ddns53d, which was built without %s: build one with it", row->name,
                 provider->name, provider->missing);
    return -EINVAL;
}

static int read_provider(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    struct zone_settings *zone = base;
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; provider_table[i]; i++) {
        if (strcmp(text, provider_table[i]->name) == 0) {
            zone->provider = provider_table[i];
            return check_is_built(problems, row, node, zone->provider);
        }
    }
    add_no_provider(problems, row, node);
    return -EINVAL;
}

static void write_provider(const struct setting *row, const void *base, struct buffer *buffer)
{
    (void)row;
    buffer_append_text(buffer, ((const struct zone_settings *)base)->provider->name);
}

const struct setting_type setting_provider = {read_provider, write_provider, NULL};

/* ---- the list ---- */

/* A lack of memory counts more than a problem. */
static int worse_of(int a, int b)
{
    return a == -ENOMEM || b == 0 ? a : b;
}

/* The rows of one owner, out of the zone's mapping into `base`. */
static int read_rows(struct problems *problems, const struct yaml_node *node, const struct provider_settings *owner,
                     void *base)
{
    int result = 0;
    size_t index = 0;

    for (const struct setting *row; (row = settings_next_row(SECTION, owner, &index));) {
        result = worse_of(result, setting_read(problems, row, yaml_get(node, row->key), node, base));
    }
    return result;
}

static const struct setting *find_row(const struct provider_settings *owner, const char *key)
{
    size_t index = 0;

    for (const struct setting *row; (row = settings_next_row(SECTION, owner, &index));) {
        if (strcmp(row->key, key) == 0) {
            return row;
        }
    }
    return NULL;
}

/* A value as its row writes it; `node` NULL: the default. */
static int read_and_write(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                          size_t size, struct buffer *buffer)
{
    void *base = calloc(1, size);

    if (!base) {
        return -ENOMEM;
    }
    int r = setting_read(problems, row, node, node, base);
    if (r == 0) {
        row->type->write(row, base, buffer);
        r = buffer_status(buffer);
    }
    if (row->type->clear) {
        row->type->clear(row, base);
    }
    free(base);
    return r;
}

/* A key that only zones of `owner` have, which is not the zone's provider: it may stand here with its default, as it does in
 * the sample file. Where the zone's provider could not be read, it may be `owner`, and only the value is checked. */
static int check_other(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                       const struct provider_settings *owner, bool is_known)
{
    _cleanup_buffer_ struct buffer given = BUFFER_INIT;
    _cleanup_buffer_ struct buffer usual = BUFFER_INIT;
    int r = read_and_write(problems, row, node, owner->zone_size, &given);

    if (r < 0 || !is_known) {
        return r;
    }
    if (row->default_text) {
        r = read_and_write(problems, row, NULL, owner->zone_size, &usual);
    }
    if (r < 0 || (row->default_text && strcmp(buffer_text(&given), buffer_text(&usual)) == 0)) {
        return r;
    }
    problems_add(problems, node->line, node->column, "%s: only a zone of provider %s has it, remove it", row->name,
                 owner->name);
    return -EINVAL;
}

static int check_others(struct problems *problems, const struct yaml_node *node,
                        const struct provider_settings *provider, bool is_known)
{
    int result = 0;

    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->keys[i]->text;
        const struct setting *row = find_row(NULL, key);
        row = row ? row : find_row(provider, key);
        for (size_t k = 0; !row && provider_table[k]; k++) {
            row = find_row(provider_table[k], key);
            int r = row ? check_other(problems, row, node->items[i], provider_table[k], is_known) : 0;
            result = worse_of(result, r);
        }
    }
    return result;
}

static int read_zone(struct problems *problems, const struct yaml_node *node, struct zone_settings *zone)
{
    if (node->kind != YAML_MAPPING) {
        problems_add(problems, node->line, node->column, "zones: must be a list of mappings, write - name: ZONE");
        return -EINVAL;
    }
    settings_check_keys(problems, SECTION, node);
    int result = read_rows(problems, node, NULL, zone);
    const bool is_known = zone->provider != NULL;
    zone->provider = is_known ? zone->provider : provider_table[0];
    const struct provider_settings *provider = zone->provider;
    zone->own = calloc(1, provider->zone_size + 1);
    if (!zone->own) {
        return -ENOMEM;
    }
    result = worse_of(result, read_rows(problems, node, provider, zone->own));
    if (result == 0 && provider->check_zone) {
        result = provider->check_zone(problems, node, zone->own);
    }
    return worse_of(result, check_others(problems, node, provider, is_known));
}

static struct bytes name_of_zone(const void *value)
{
    const struct zone_settings *zone = value;
    return (struct bytes){zone->name.text, strlen(zone->name.text)};
}

static int check_names(struct problems *problems, const struct yaml_node *node, struct zone_settings *zones)
{
    _cleanup_(table_freep) struct table *seen = table_new(name_of_zone);
    int result = seen ? 0 : -ENOMEM;

    for (size_t i = 0; seen && i < node->count; i++) {
        const char *name = zones[i].name.text;
        const int r = name[0] == '\0' ? 0 : table_put(seen, &zones[i]);
        if (r == -EEXIST) {
            const struct zone_settings *first = table_get(seen, name, strlen(name));
            problems_add(problems, node->items[i]->line, node->items[i]->column,
                         SECTION ".name: zone %s is there already, see line %u, remove one", name,
                         node->items[first - zones]->line);
        }
        result = worse_of(result, r == -EEXIST ? -EINVAL : r);
    }
    return result;
}

static int read_zones(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    struct settings *settings = base;
    int result = 0;

    int r = value_check_list(problems, row->name, node, "- name: example.com.");
    if (r < 0) {
        return r;
    }
    if (node->count < row->minimum || node->count > row->maximum) {
        problems_add(problems, node->line, node->column, "%s: has %zu zones, must be %u to %u", row->name, node->count,
                     (unsigned)row->minimum, (unsigned)row->maximum);
        return -EINVAL;
    }
    struct zone_list *list = calloc(1, sizeof(*list) + node->count * sizeof(list->zones[0]));
    if (!list) {
        return -ENOMEM;
    }
    atomic_init(&list->references, 1);
    settings->zones = list->zones;
    settings->zone_count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        r = read_zone(problems, node->items[i], &settings->zones[i]);
        result = r < 0 ? r : result;
    }
    r = check_names(problems, node, settings->zones);
    list->index = zone_index_new(settings->zones, settings->zone_count);
    if (!list->index) {
        return -ENOMEM;
    }
    return r < 0 ? r : result;
}

/* The rows of one owner; `base` NULL: their defaults, since the zone is another provider's. */
static void write_rows(const struct provider_settings *owner, const void *base, const char **lead,
                       struct buffer *buffer)
{
    size_t index = 0;

    for (const struct setting *row; (row = settings_next_row(SECTION, owner, &index));) {
        if (!base && !row->default_text) {
            continue;
        }
        buffer_printf(buffer, "%s%s: ", *lead, row->key);
        if (base) {
            row->type->write(row, base, buffer);
        } else {
            buffer_append_text(buffer, row->default_text);
        }
        *lead = "\n    ";
    }
}

static void write_zones(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct settings *settings = base;
    (void)row;
    for (size_t i = 0; i < settings->zone_count; i++) {
        const struct zone_settings *zone = &settings->zones[i];
        const char *lead = "\n  - ";
        write_rows(NULL, zone, &lead, buffer);
        for (size_t k = 0; provider_table[k]; k++) {
            write_rows(provider_table[k], zone->provider == provider_table[k] ? zone->own : NULL, &lead, buffer);
        }
    }
}

static void clear_own(struct zone_settings *zone)
{
    size_t index = 0;

    for (const struct setting *row; zone->own && (row = settings_next_row(SECTION, zone->provider, &index));) {
        if (row->type->clear) {
            row->type->clear(row, zone->own);
        }
    }
    free(TAKE_PTR(zone->own));
}

/* Our own keys of a zone own no memory. */
static void clear_zones(const struct setting *row, void *base)
{
    struct settings *settings = base;
    (void)row;
    if (settings->zones && atomic_fetch_sub_explicit(&list_of(settings)->references, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < settings->zone_count; i++) {
            clear_own(&settings->zones[i]);
        }
        zone_index_free(list_of(settings)->index);
        free(list_of(settings));
    }
    settings->zones = NULL;
    settings->zone_count = 0;
}

const struct setting_type setting_zones = {read_zones, write_zones, clear_zones};

bool settings_have_same_hidden(const struct settings *a, const struct settings *b)
{
    for (size_t i = 0; i < a->zone_count; i++) {
        const struct provider_settings *provider = a->zones[i].provider;
        if (provider->has_same_hidden && !provider->has_same_hidden(a->zones[i].own, b->zones[i].own)) {
            return false;
        }
    }
    return true;
}

void settings_share_zones(const struct settings *from, struct settings *to)
{
    clear_zones(NULL, to);
    atomic_fetch_add_explicit(&list_of(from)->references, 1, memory_order_relaxed);
    to->zones = from->zones;
    to->zone_count = from->zone_count;
}

int settings_zone_of(const struct settings *settings, const char *hostname)
{
    return settings->zones ? zone_index_find(list_of(settings)->index, hostname) : -ENOENT;
}
