/* The `zones` of ddns53d.yaml: a list of mappings, each read through the rows of section "zones[]". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"
#include "config/settings_table.h"
#include "config/value.h"

#define SECTION "zones[]"

/* ---- one zone's name, provider and id ---- */

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

static int read_provider(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    struct zone_settings *zone = base;
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    if (strcmp(text, "route53") == 0) {
        zone->provider = PROVIDER_ROUTE53;
    } else if (strcmp(text, "zonefile") == 0) {
        zone->provider = PROVIDER_ZONEFILE;
    } else if (strcmp(text, "rfc2136") == 0) {
        zone->provider = PROVIDER_RFC2136;
#ifndef HAVE_KNOT
        value_add_error(problems, row->name, node,
                        "is not in this ddns53d, which was built without libknot: build one with it");
        return -EINVAL;
#endif
    } else {
        value_add_error(problems, row->name, node, "is no provider, write route53, zonefile or rfc2136");
        return -EINVAL;
    }
    return 0;
}

static void write_provider(const struct setting *row, const void *base, struct buffer *buffer)
{
    static const char *const names[] = {
        [PROVIDER_ROUTE53] = "route53", [PROVIDER_ZONEFILE] = "zonefile", [PROVIDER_RFC2136] = "rfc2136"};

    (void)row;
    buffer_append_text(buffer, names[((const struct zone_settings *)base)->provider]);
}

const struct setting_type setting_provider = {read_provider, write_provider, NULL};

/* The console shows Z1FXLQ1OABKR4O, the API answers /hostedzone/Z1FXLQ1OABKR4O; people paste either. */
static int read_zone_id(struct problems *problems, const struct setting *row, const struct yaml_node *node, void *base)
{
    static const char prefix[] = "/hostedzone/";
    struct zone_settings *zone = base;
    const char *text;

    int r = value_read_text(problems, row->name, node, &text);
    if (r < 0 || text[0] == '\0') {
        return r;
    }
    const char *id = strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? text + sizeof(prefix) - 1 : text;
    size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    if (length == 0 || length > 32 || id[length] != '\0') { /* ResourceId of the API: at most 32 */
        value_add_error(problems, row->name, node,
                        "is no zone id: up to 32 capital letters and digits such as Z1FXLQ1OABKR4O, or \"\"");
        return -EINVAL;
    }
    zone->zone_id = strdup(id);
    return zone->zone_id == NULL ? -ENOMEM : 0;
}

static void write_zone_id(const struct setting *row, const void *base, struct buffer *buffer)
{
    const char *id = ((const struct zone_settings *)base)->zone_id;
    (void)row;
    setting_write_quoted(buffer, id == NULL ? "" : id);
}

static void clear_zone_id(const struct setting *row, void *base)
{
    (void)row;
    free(TAKE_PTR(((struct zone_settings *)base)->zone_id));
}

const struct setting_type setting_zone_id = {read_zone_id, write_zone_id, clear_zone_id};

/* ---- the list ---- */

static int read_zone(struct problems *problems, const struct yaml_node *node, struct zone_settings *zone)
{
    int result = 0;

    if (node->kind != YAML_MAPPING) {
        problems_add(problems, node->line, node->column, "zones: must be a list of mappings, write - name: ZONE");
        return -EINVAL;
    }
    settings_check_keys(problems, SECTION, node);
    size_t index = 0;
    for (const struct setting *row; (row = setting_next(SECTION, &index)) != NULL;) {
        int r = setting_read(problems, row, yaml_get(node, row->key), node, zone);
        result = r < 0 ? r : result;
    }
    if (result == 0) {
        result = settings_check_rfc2136(problems, node, zone);
    }
    if (zone->provider != PROVIDER_ROUTE53 && (zone->zone_id != NULL || zone->is_private)) {
        const struct yaml_node *wrong = yaml_get(node, zone->zone_id != NULL ? "zone_id" : "private");
        problems_add(problems, wrong->line, wrong->column,
                     SECTION ".%s: only a zone of provider route53 has it, remove it",
                     zone->zone_id != NULL ? "zone_id" : "private");
        result = -EINVAL;
    }
    return result;
}

static int check_names(struct problems *problems, const struct yaml_node *node, const struct zone_settings *zones)
{
    int r = 0;

    for (size_t i = 1; i < node->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (zones[i].name.text[0] != '\0' && strcmp(zones[i].name.text, zones[j].name.text) == 0) {
                problems_add(problems, node->items[i]->line, node->items[i]->column,
                             SECTION ".name: zone %s is there already, see line %u, remove one", zones[i].name.text,
                             node->items[j]->line);
                r = -EINVAL;
                break;
            }
        }
    }
    return r;
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
    settings->zones = calloc(node->count, sizeof(*settings->zones));
    if (settings->zones == NULL) {
        return -ENOMEM;
    }
    settings->zone_count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        r = read_zone(problems, node->items[i], &settings->zones[i]);
        result = r < 0 ? r : result;
    }
    r = check_names(problems, node, settings->zones);
    return r < 0 ? r : result;
}

static void write_zones(const struct setting *row, const void *base, struct buffer *buffer)
{
    const struct settings *settings = base;
    (void)row;
    for (size_t i = 0; i < settings->zone_count; i++) {
        const char *lead = "\n  - ";
        size_t index = 0;
        for (const struct setting *key; (key = setting_next(SECTION, &index)) != NULL;) {
            buffer_printf(buffer, "%s%s: ", lead, key->key);
            key->type->write(key, &settings->zones[i], buffer);
            lead = "\n    ";
        }
    }
}

static void clear_zones(const struct setting *row, void *base)
{
    struct settings *settings = base;
    (void)row;
    for (size_t i = 0; i < settings->zone_count; i++) {
        size_t index = 0;
        for (const struct setting *key; (key = setting_next(SECTION, &index)) != NULL;) {
            if (key->type->clear != NULL) {
                key->type->clear(key, &settings->zones[i]);
            }
        }
    }
    free(TAKE_PTR(settings->zones));
    settings->zone_count = 0;
}

const struct setting_type setting_zones = {read_zones, write_zones, clear_zones};

bool settings_have_same_zone_secrets(const struct settings *a, const struct settings *b)
{
    bool is_same = a->zone_count == b->zone_count;

    for (size_t i = 0; is_same && i < a->zone_count; i++) {
        const struct secret *of_a = a->zones[i].rfc2136.secret;
        const struct secret *of_b = b->zones[i].rfc2136.secret;
        is_same =
            of_a != NULL && of_b != NULL ? secret_equals(of_a, secret_bytes(of_b), secret_length(of_b)) : of_a == of_b;
    }
    return is_same;
}

int settings_copy_zones(const struct settings *from, struct settings *to)
{
    int result = 0;

    to->zone_count = 0;
    to->zones = calloc(from->zone_count, sizeof(*to->zones));
    if (to->zones == NULL) {
        return -ENOMEM;
    }
    to->zone_count = from->zone_count;
    for (size_t i = 0; i < from->zone_count; i++) {
        struct zone_settings *zone = &to->zones[i];
        *zone = from->zones[i];
        zone->rfc2136.secret = secret_ref(zone->rfc2136.secret);
        char **texts[] = {&zone->zone_id, &zone->rfc2136.algorithm, &zone->rfc2136.secret_file};
        for (size_t k = 0; k < ELEMENTS(texts); k++) {
            if (*texts[k] != NULL && (*texts[k] = strdup(*texts[k])) == NULL) {
                result = -ENOMEM;
            }
        }
    }
    return result;
}

int settings_zone_of(const struct settings *settings, const char *hostname)
{
    size_t longest = 0;
    int found = -ENOENT;

    for (size_t i = 0; i < settings->zone_count; i++) {
        const char *name = settings->zones[i].name.text;
        size_t length = strlen(name);
        if (length > longest && name_is_within(hostname, name)) {
            longest = length;
            found = (int)i;
        }
    }
    return found;
}
