/* zone list, show, create: the zones of the settings and of the hosting, and how DNS delegates them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/delegation.h"
#include "ctl/grid.h"
#include "ctl/hosting.h"

static int run_zone_list(struct ctl *ctl, const struct arguments *arguments);
static int run_zone_show(struct ctl *ctl, const struct arguments *arguments);
static int run_zone_create(struct ctl *ctl, const struct arguments *arguments);

static const struct command_option show_options[] = {
    {.name = "resolver", .value = "IPV4:PORT", .help = "look the delegation up there, not at the system's resolver"},
    {.name = NULL},
};
static const struct command_exit show_exits[] = {
    {EXIT_FINE, "DNS delegates the zone to its name servers, or it is private"},
    {EXIT_WARNED, "DNS delegates it elsewhere or to nobody, or that could not be looked up"},
    {0, NULL},
};
static const struct command_option create_options[] = {
    {.name = "comment", .value = "TEXT", .help = "what the console shows beside it"},
    {.name = NULL},
};

const struct command commands_zone[] = {
    {
        .name = "zone list",
        .arguments = "",
        .summary = "lists the zones of the settings and those that the account has",
        .description = "The account is asked by this program itself, with the daemon's credentials.",
        .example = "ddns53ctl zone list",
        .has_json = true,
        .run = run_zone_list,
    },
    {
        .name = "zone show",
        .arguments = "ZONE",
        .least = 1,
        .most = 1,
        .summary = "shows a zone's id, size and name servers, and whether DNS delegates it to them",
        .description = "ZONE is a name, or an id where several zones of the account have the name.",
        .options = show_options,
        .exits = show_exits,
        .example = "ddns53ctl zone show example.com",
        .has_json = true,
        .run = run_zone_show,
    },
    {
        .name = "zone create",
        .arguments = "ZONE",
        .least = 1,
        .most = 1,
        .summary = "makes a public hosted zone, and prints what to enter at the registrar",
        .options = create_options,
        .example = "ddns53ctl zone create example.org",
        .has_json = true,
        .run = run_zone_create,
    },
    {.name = NULL},
};

/* ---- list ---- */

static bool is_hosted(const struct hosteds *zones, const char *name)
{
    for (size_t i = 0; i < zones->count; i++) {
        if (strcmp(zones->items[i].name.text, name) == 0) {
            return true;
        }
    }
    return false;
}

static int list_as_json(const struct hosting *hosting, const struct hosteds *zones)
{
    json_t *array = json_array();

    for (size_t i = 0; i < zones->count; i++) {
        (void)json_array_append_new(array, hosted_object(hosting, &zones->items[i]));
    }
    for (size_t i = 0; hosting->has_file && i < hosting->settings->zone_count; i++) {
        const struct zone_settings *zone = &hosting->settings->zones[i];
        if (!is_hosted(zones, zone->name.text)) {
            (void)json_array_append_new(array, json_pack("{s:s, s:s, s:n, s:n, s:n, s:s, s:b}", "name", zone->name.text,
                                                         "provider", zone->provider->name, "id", "private", "records",
                                                         "comment", "", "served", true));
        }
    }
    return ctl_print_json(json_pack("{s:o}", "zones", array));
}

static int list_as_table(struct ctl *ctl, const struct hosting *hosting, const struct hosteds *zones)
{
    static const struct grid_column columns[] = {{"ZONE", false},   {"PROVIDER", false}, {"ID", false},
                                                 {"KIND", false},   {"RECORDS", true},   {"SERVED", false},
                                                 {"COMMENT", false}};
    _cleanup_grid_ struct grid grid;

    grid_init(&grid, columns, ELEMENTS(columns));
    for (size_t i = 0; i < zones->count; i++) {
        const struct hosted *zone = &zones->items[i];
        const bool is_served = hosting_settings_of(hosting, zone->name.text) != NULL;
        grid_add(&grid, COLOR_NONE, "%s", zone->name.text);
        grid_add(&grid, COLOR_NONE, "%s", hosting->provider->settings.name);
        grid_add(&grid, COLOR_NONE, "%s", zone->id);
        grid_add(&grid, COLOR_NONE, "%s", hosted_kind(zone));
        grid_add(&grid, COLOR_NONE, "%llu", (unsigned long long)zone->record_count);
        grid_add(&grid, is_served ? COLOR_GOOD : COLOR_DIM, "%s", is_served ? "yes" : "no");
        grid_add(&grid, COLOR_DIM, "%s", zone->comment);
    }
    for (size_t i = 0; hosting->has_file && i < hosting->settings->zone_count; i++) {
        const struct zone_settings *zone = &hosting->settings->zones[i];
        const bool is_missing = provider_of(zone->provider)->each_hosted != NULL;
        if (is_hosted(zones, zone->name.text)) {
            continue;
        }
        grid_add(&grid, COLOR_NONE, "%s", zone->name.text);
        grid_add(&grid, COLOR_NONE, "%s", zone->provider->name);
        grid_add(&grid, COLOR_DIM, "-");
        grid_add(&grid, COLOR_DIM, "-");
        grid_add(&grid, COLOR_DIM, "-");
        grid_add(&grid, is_missing ? COLOR_BAD : COLOR_GOOD, "yes");
        grid_add(&grid, COLOR_BAD, "%s", is_missing ? "the account has no such zone" : "");
    }
    return grid_print(&grid, ctl);
}

static int run_zone_list(struct ctl *ctl, const struct arguments *arguments)
{
    _cleanup_(hosting_close) struct hosting hosting;
    _cleanup_(hosteds_done) struct hosteds zones = {NULL, 0, 0};
    int status = hosting_open(ctl, &hosting);

    (void)arguments;
    if (status == EXIT_FINE && hosting.provider) {
        status = hosting_list(&hosting, &zones);
    }
    if (status != EXIT_FINE) {
        return status;
    }
    return ctl->is_json ? list_as_json(&hosting, &zones) : list_as_table(ctl, &hosting, &zones);
}

/* ---- delegation ---- */

enum delegation { DELEGATION_OK, DELEGATION_DIFFERS, DELEGATION_NONE, DELEGATION_UNKNOWN, DELEGATION_PRIVATE };

static const char *const delegation_words[] = {
    [DELEGATION_OK] = "ok",           [DELEGATION_DIFFERS] = "differs", [DELEGATION_NONE] = "none",
    [DELEGATION_UNKNOWN] = "unknown", [DELEGATION_PRIVATE] = "private",
};

static bool has_line(const char *lines, const char *line, size_t length)
{
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") == length && memcmp(at, line, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Is each line of one among those of the other? */
static bool are_within(const char *some, const char *others)
{
    for (const char *at = some; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (!has_line(others, at, strcspn(at, "\n"))) {
            return false;
        }
    }
    return true;
}

/* `ret_found`: what DNS has, or why that is not known. */
static enum delegation look_at_dns(const struct hosted *zone, const char *servers, const struct endpoint *resolver,
                                   struct buffer *found, struct buffer *message)
{
    if (zone->is_private) {
        return DELEGATION_PRIVATE;
    }
    if (delegation_look_up(zone->name.text, resolver, found, message) < 0) {
        return DELEGATION_UNKNOWN;
    }
    if (found->length == 0) {
        return DELEGATION_NONE;
    }
    return are_within(buffer_text(found), servers) && are_within(servers, buffer_text(found)) ? DELEGATION_OK
                                                                                              : DELEGATION_DIFFERS;
}

static json_t *lines_array(const char *lines)
{
    json_t *array = json_array();

    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        (void)json_array_append_new(array, json_stringn(at, strcspn(at, "\n")));
    }
    return array;
}

static void print_lines(const char *before, const char *lines)
{
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        ctl_print("%s%.*s\n", before, (int)strcspn(at, "\n"), at);
    }
}

static void print_delegation(struct ctl *ctl, enum delegation delegation, const struct buffer *found,
                             const struct buffer *message)
{
    switch (delegation) {
    case DELEGATION_PRIVATE: ctl_print("it is private: nobody delegates it\n"); return;
    case DELEGATION_OK: ctl_print("%sDNS delegates it to them%s\n", ctl_color(ctl, COLOR_GOOD), ctl_plain(ctl)); return;
    case DELEGATION_UNKNOWN:
        ctl_warning(
            "how DNS delegates it is not known: %s; see that this machine can look names up, or give --resolver",
            buffer_text(message));
        return;
    case DELEGATION_NONE:
        ctl_warning("DNS has no name servers for it, so that nobody finds what is set: enter those above at the "
                    "registrar, or in the zone above it");
        return;
    case DELEGATION_DIFFERS:
        ctl_print("DNS delegates it to others:\n");
        print_lines("  ", buffer_text(found));
        ctl_warning("what is set may not be found: enter the name servers above at the registrar, or in the zone above "
                    "it");
        return;
    }
}

/* ---- show ---- */

/* The one zone of the account with that id or name, in `ret_id`. */
static int find_hosted(struct hosting *hosting, const char *text, const char *name, char ret_id[64])
{
    _cleanup_(hosteds_done) struct hosteds zones = {NULL, 0, 0};
    size_t found = 0;
    int status = hosting_list(hosting, &zones);

    for (size_t i = 0; status == EXIT_FINE && i < zones.count; i++) {
        const struct hosted *zone = &zones.items[i];
        if (strcmp(zone->id, text) == 0 || strcmp(zone->name.text, name) == 0) {
            found++;
            (void)snprintf(ret_id, 64, "%s", zone->id);
        }
    }
    if (status != EXIT_FINE) {
        return status;
    }
    if (found > 1) {
        ctl_error("the account has %zu zones named %s; name one by its id, which \"ddns53ctl zone list\" shows", found,
                  name);
        return EXIT_USAGE;
    }
    if (found == 0) {
        ctl_error(
            "the account has no zone %s; \"ddns53ctl zone list\" lists them, \"ddns53ctl zone create %s\" makes it",
            name, name);
        return EXIT_UNKNOWN;
    }
    return EXIT_FINE;
}

/* A zone of a provider that has no account to ask. */
static int show_other(struct ctl *ctl, const struct zone_settings *zone, const struct endpoint *resolver)
{
    const struct hosted hosted = {.name = zone->name};
    _cleanup_buffer_ struct buffer found = BUFFER_INIT, message = BUFFER_INIT;
    enum delegation delegation = look_at_dns(&hosted, "", resolver, &found, &message);
    const bool is_known = delegation == DELEGATION_DIFFERS; /* with nothing to compare it with */

    if (ctl->is_json) {
        int status = ctl_print_json(json_pack("{s:s, s:s, s:o, s:s}", "name", zone->name.text, "provider",
                                              zone->provider->name, "delegated_to", lines_array(buffer_text(&found)),
                                              "delegation", is_known ? "ok" : delegation_words[delegation]));
        return status == EXIT_FINE && !is_known ? EXIT_WARNED : status;
    }
    ctl_print("%s  by %s: its name servers are those that you run with it\n", zone->name.text, zone->provider->name);
    if (is_known) {
        ctl_print("DNS delegates it to:\n");
        print_lines("  ", buffer_text(&found));
        return EXIT_FINE;
    }
    print_delegation(ctl, delegation, &found, &message);
    return EXIT_WARNED;
}

static int show_hosted(struct ctl *ctl, struct hosting *hosting, const char *id, const struct endpoint *resolver)
{
    _cleanup_(hosteds_done) struct hosteds zones = {NULL, 0, 0};
    _cleanup_buffer_ struct buffer servers = BUFFER_INIT, found = BUFFER_INIT, message = BUFFER_INIT;
    int status = hosting_get(hosting, id, &zones, &servers);

    if (status != EXIT_FINE) {
        return status;
    }
    const struct hosted *zone = &zones.items[0];
    const enum delegation delegation = look_at_dns(zone, buffer_text(&servers), resolver, &found, &message);
    if (ctl->is_json) {
        json_t *object = hosted_object(hosting, zone);
        (void)json_object_set_new(object, "name_servers", lines_array(buffer_text(&servers)));
        (void)json_object_set_new(object, "delegated_to", lines_array(buffer_text(&found)));
        (void)json_object_set_new(object, "delegation", json_string(delegation_words[delegation]));
        status = ctl_print_json(object);
    } else {
        ctl_print("%s%s%s  %s, id %s, %llu record sets%s\n", ctl_color(ctl, COLOR_STRONG), zone->name.text,
                  ctl_plain(ctl), hosted_kind(zone), zone->id, (unsigned long long)zone->record_count,
                  hosting_settings_of(hosting, zone->name.text) ? "" : ", not in the settings");
        ctl_print("%s", servers.length > 0 ? "name servers:\n" : "");
        print_lines("  ", buffer_text(&servers));
        print_delegation(ctl, delegation, &found, &message);
    }
    return status == EXIT_FINE && delegation != DELEGATION_OK && delegation != DELEGATION_PRIVATE ? EXIT_WARNED
                                                                                                  : status;
}

/* EXIT_USAGE after having said what is wrong. */
static int read_resolver(const struct arguments *arguments, struct endpoint *ret, bool *ret_given)
{
    const char *text = option_value(arguments, "resolver");

    *ret = (struct endpoint){.port = 0};
    *ret_given = text != NULL;
    if (text && (endpoint_parse(text, ret) < 0 || ret->address.family != ADDRESS_IPV4)) {
        ctl_error("--resolver %s: is no IPv4 address with a port, such as 127.0.0.1:53", text);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static int show_zone(struct ctl *ctl, struct hosting *hosting, const char *text, const char *name,
                     const struct endpoint *resolver)
{
    const struct zone_settings *zone = hosting_settings_of(hosting, name);
    char id[64];

    if (zone && !provider_of(zone->provider)->get_hosted) {
        return show_other(ctl, zone, resolver);
    }
    if (!hosting->provider) {
        ctl_error("%s is not in the settings, and none of their zones is at a provider that could be asked for others",
                  name);
        return EXIT_UNKNOWN;
    }
    int status = find_hosted(hosting, text, name, id);
    return status == EXIT_FINE ? show_hosted(ctl, hosting, id, resolver) : status;
}

static int run_zone_show(struct ctl *ctl, const struct arguments *arguments)
{
    _cleanup_(hosting_close) struct hosting hosting = {.settings = NULL};
    _cleanup_(endpoint_done) struct endpoint resolver;
    struct name name;
    bool has_resolver;
    int status = read_resolver(arguments, &resolver, &has_resolver);

    if (status == EXIT_FINE) {
        status = ctl_name(ctl, argument_at(arguments, 0), &name);
    }
    if (status == EXIT_FINE) {
        status = hosting_open(ctl, &hosting);
    }
    if (status == EXIT_FINE) {
        status = show_zone(ctl, &hosting, argument_at(arguments, 0), name.text, has_resolver ? &resolver : NULL);
    }
    return status;
}

/* ---- create ---- */

static int refuse_second(struct hosting *hosting, const char *name)
{
    _cleanup_(hosteds_done) struct hosteds zones = {NULL, 0, 0};
    int status = hosting_list(hosting, &zones);

    for (size_t i = 0; status == EXIT_FINE && i < zones.count; i++) {
        if (strcmp(zones.items[i].name.text, name) == 0 && !zones.items[i].is_private) {
            ctl_error("the account has the zone %s already (id %s); \"ddns53ctl zone show %s\" shows its name servers",
                      name, zones.items[i].id, name);
            return EXIT_EXISTS;
        }
    }
    return status;
}

static int tell_created(struct ctl *ctl, const struct hosting *hosting, const struct hosted *zone,
                        const struct buffer *servers)
{
    if (ctl->is_json) {
        json_t *object = hosted_object(hosting, zone);
        (void)json_object_set_new(object, "name_servers", lines_array(buffer_text(servers)));
        return ctl_print_json(object);
    }
    ctl_print("%s is made, id %s\n\nAt the registrar, or in the zone above it, enter these name servers:\n",
              zone->name.text, zone->id);
    print_lines("  ", buffer_text(servers));
    if (!hosting_settings_of(hosting, zone->name.text)) {
        ctl_print("\nIn ddns53d.yaml, below zones:, enter it, and restart ddns53d:\n  - name: %s\n    zone_id: %s\n",
                  zone->name.text, zone->id);
    }
    ctl_print("\n\"ddns53ctl zone show %s\" says when DNS has them.\n", zone->name.text);
    return EXIT_FINE;
}

static int create_zone(struct ctl *ctl, struct hosting *hosting, const char *name, const char *comment)
{
    _cleanup_(hosteds_done) struct hosteds zones = {NULL, 0, 0};
    _cleanup_buffer_ struct buffer servers = BUFFER_INIT;
    int status = refuse_second(hosting, name);

    if (status != EXIT_FINE) {
        return status;
    }
    status = hosting_create(hosting, name, comment, &zones, &servers);
    return status == EXIT_FINE ? tell_created(ctl, hosting, &zones.items[0], &servers) : status;
}

static int run_zone_create(struct ctl *ctl, const struct arguments *arguments)
{
    _cleanup_(hosting_close) struct hosting hosting = {.settings = NULL};
    struct name name;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    if (status == EXIT_FINE) {
        status = hosting_open(ctl, &hosting);
    }
    if (status != EXIT_FINE) {
        return status;
    }
    if (!hosting.provider || !hosting.provider->create_hosted) {
        ctl_error(
            "no zone of the settings is at a provider that makes zones; name %s in ddns53d.yaml with its provider, "
            "and make it at the name server",
            name.text);
        return EXIT_FAILED;
    }
    return create_zone(ctl, &hosting, name.text, option_value(arguments, "comment"));
}
