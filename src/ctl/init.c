/* init: writes both files for a new server. Asks where somebody can be asked; options are for scripts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/commands.h"
#include "ctl/grid.h"
#include "ctl/init_files.h"
#include "ctl/reach.h"

static int run_init(struct ctl *ctl, const struct arguments *arguments);

static const char *const providers[] = {"route53", "zonefile", "rfc2136", NULL};
static const struct command_option init_options[] = {
    {.name = "zone", .value = "NAME", .help = "the zone, such as example.com; may be asked for"},
    {.name = "provider",
     .value = "NAME",
     .help = "what carries changes to DNS: route53 (the default), zonefile, rfc2136",
     .completion = COMPLETE_WORDS,
     .words = providers},
    {.name = "zone-id", .value = "ID", .help = "Route 53's id of the zone; without it, it is looked for"},
    {.name = "private", .help = "the zone is a private one of Route 53"},
    {.name = "profile", .value = "NAME", .help = "the profile of the AWS credentials file"},
    {.name = "server", .value = "ADDRESS", .help = "rfc2136: the zone's primary name server"},
    {.name = "tsig-name", .value = "NAME", .help = "rfc2136: the name of the key"},
    {.name = "tsig-secret-file",
     .value = "FILE",
     .help = "rfc2136: the file with its secret",
     .completion = COMPLETE_FILE},
    {.name = "public-url", .value = "URL", .help = "where clients reach the daemon, such as https://ddns.example.com"},
    {.name = "listen", .value = "ADDRESS:PORT", .help = "where the daemon listens (default [::]:443)", .repeats = true},
    {.name = "certificate",
     .value = "FILE",
     .help = "the PEM chain of the server; without one, the daemon makes its own",
     .completion = COMPLETE_FILE},
    {.name = "private-key", .value = "FILE", .help = "its key", .completion = COMPLETE_FILE},
    {.name = "acme-email",
     .value = "ADDRESS",
     .help = "instead: one from Let's Encrypt, to whose terms you agree; it writes to this address"},
    {.name = "state-dir",
     .value = "FOLDER",
     .help = "the daemon's folder (default /var/lib/ddns53)",
     .completion = COMPLETE_FOLDER},
    {.name = "group", .value = "NAME", .help = "the group of the service, which may read both files (default ddns53)"},
    {.name = "no-questions", .help = "ask nothing, also on a terminal"},
    {.name = NULL},
};

const struct command commands_init[] = {
    {
        .name = "init",
        .arguments = "",
        .least = 0,
        .most = 0,
        .summary = "writes ddns53d.yaml and hosts.yaml for a new server",
        .description =
            "On a terminal it asks for what no option says, and offers the zones that the AWS credentials can see.\n"
            "Nothing is ever overwritten: where one of the files is there, it ends with status 73. Samples as an\n"
            "installation leaves them are moved aside.",
        .options = init_options,
        .example = "ddns53ctl init --zone example.com --public-url https://ddns.example.com",
        .run = run_init,
    },
    {.name = NULL},
};

/* ---- what is to be written ---- */

struct wishes {
    const char *provider;
    struct buffer zone;
    struct buffer zone_id;
    struct buffer public_url;
    struct buffer certificate;
    struct buffer private_key;
    struct buffer acme_email;
    bool is_private;
    bool may_ask;
};

static void wishes_done(struct wishes *wishes)
{
    buffer_done(&wishes->zone);
    buffer_done(&wishes->zone_id);
    buffer_done(&wishes->public_url);
    buffer_done(&wishes->certificate);
    buffer_done(&wishes->private_key);
    buffer_done(&wishes->acme_email);
}

/* YAML in single quotes takes anything but a single quote, which is doubled. */
static void append_quoted(struct buffer *buffer, const char *text)
{
    buffer_append_char(buffer, '\'');
    for (; *text != '\0'; text++) {
        buffer_append_text(buffer, *text == '\'' ? "''" : (const char[]){*text, '\0'});
    }
    buffer_append_char(buffer, '\'');
}

static void append_setting(struct buffer *text, const char *key, const char *value)
{
    if (value && value[0] != '\0') {
        buffer_append_text(text, key);
        append_quoted(text, value);
        buffer_append_char(text, '\n');
    }
}

static void write_server(const struct wishes *wishes, const struct arguments *arguments, struct buffer *text)
{
    const char *listen;

    buffer_append_text(text, "server:\n");
    if (!option_given(arguments, "listen")) {
        buffer_append_text(text, "  listen: ['[::]:443']\n");
    } else {
        buffer_append_text(text, "  listen:\n");
        for (size_t i = 0; (listen = option_value_at(arguments, "listen", i)); i++) {
            append_setting(text, "    - ", listen);
        }
    }
    append_setting(text, "  public_url: ", buffer_text(&wishes->public_url));
    if (wishes->certificate.length > 0) {
        append_setting(text, "  certificate: ", buffer_text(&wishes->certificate));
        append_setting(text, "  private_key: ", buffer_text(&wishes->private_key));
    } else if (wishes->acme_email.length > 0) {
        buffer_append_text(text, "  acme:\n");
        append_setting(text, "    email: ", buffer_text(&wishes->acme_email));
    } else {
        buffer_append_text(text, "  # No certificate: the daemon makes its own, which clients must be given.\n");
    }
}

static void write_zone(const struct wishes *wishes, const struct arguments *arguments, struct buffer *text)
{
    buffer_append_text(text, "zones:\n");
    append_setting(text, "  - name: ", buffer_text(&wishes->zone));
    buffer_printf(text, "    provider: %s\n", wishes->provider);
    append_setting(text, "    zone_id: ", buffer_text(&wishes->zone_id));
    buffer_append_text(text, wishes->is_private ? "    private: true\n" : "");
    append_setting(text, "    server: ", option_value(arguments, "server"));
    if (option_given(arguments, "tsig-name")) {
        buffer_append_text(text, "    tsig:\n");
        append_setting(text, "      name: ", option_value(arguments, "tsig-name"));
        append_setting(text, "      secret_file: ", option_value(arguments, "tsig-secret-file"));
    }
}

static void write_settings(const struct wishes *wishes, const struct arguments *arguments, const char *hosts_file,
                           struct buffer *text)
{
    buffer_append_text(
        text, "# Settings of ddns53d, written by \"ddns53ctl init\". All that can stand here, with its default:\n"
              "# ddns53d.yaml(5). After a change: \"ddns53ctl check\", and \"systemctl reload ddns53d\".\n\n");
    write_server(wishes, arguments, text);
    append_setting(text, "hosts_file: ", hosts_file);
    append_setting(text, "state_dir: ", option_value(arguments, "state-dir"));
    write_zone(wishes, arguments, text);
    if (option_given(arguments, "profile")) {
        buffer_append_text(text, "route53:\n");
        append_setting(text, "  profile: ", option_value(arguments, "profile"));
    }
}

static const char hosts_text[] =
    "# Who may set which record: ddns53-hosts.yaml(5). \"ddns53ctl add\" puts a host here, and keeps what you write.\n"
    "hosts: []\n";

/* ---- the zones that the credentials can see ---- */

struct seen_zone {
    struct name name;
    char id[64];
    uint64_t record_count;
    bool is_private;
};

struct seen {
    struct seen_zone *zones;
    size_t count;
    bool has_failed; /* no memory */
};

static void keep_zone(const struct provider_hosted_zone *zone, void *userdata)
{
    struct seen *seen = userdata;
    struct seen_zone *zones = reallocarray(seen->zones, seen->count + 1, sizeof(*zones));

    if (!zones) {
        seen->has_failed = true;
        return;
    }
    seen->zones = zones;
    struct seen_zone *kept = &zones[seen->count++];
    *kept = (struct seen_zone){.record_count = zone->record_count, .is_private = zone->is_private};
    (void)snprintf(kept->name.text, sizeof(kept->name.text), "%s", zone->name);
    (void)snprintf(kept->id, sizeof(kept->id), "%s", zone->id);
}

/* Settings that are good for asking the account which zones there are. NULL: no memory, or no such profile's name. */
static struct settings *provisional_settings(const char *config, const struct arguments *arguments)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    struct settings *settings = NULL;

    buffer_append_text(&text, "zones: [{name: example.com}]\n");
    if (option_given(arguments, "profile")) {
        buffer_append_text(&text, "route53:\n");
        append_setting(&text, "  profile: ", option_value(arguments, "profile"));
    }
    if (!problems || settings_load_text(buffer_text(&text), text.length, config, problems, &settings) < 0) {
        return NULL;
    }
    return settings;
}

/* Says what hinders; then the zones are not known, which is no reason to stop. */
static void look_for_zones(const struct ctl *ctl, const struct arguments *arguments, struct seen *seen)
{
    _cleanup_(settings_unrefp) struct settings *settings = provisional_settings(ctl->config, arguments);
    _cleanup_(reach_closep) struct reach *reach = settings ? reach_open(settings, ctl->config) : NULL;
    const struct provider *provider = &route53_provider;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    void *shared;

    if (!reach || reach_shared(reach, provider, &shared) < 0) {
        seen->has_failed = true;
        return;
    }
    if (provider->each_hosted(reach_means(reach), shared, keep_zone, seen, &message) < 0) {
        ctl_warning("the zones of the account are not known: %s; or give --zone-id", buffer_text(&message));
    }
}

static int take_zone(struct wishes *wishes, const struct seen_zone *zone)
{
    buffer_clear(&wishes->zone);
    buffer_append_text(&wishes->zone, zone->name.text);
    buffer_append_text(&wishes->zone_id, zone->id);
    wishes->is_private = zone->is_private;
    return EXIT_FINE;
}

static int choose_zone(const struct ctl *ctl, const struct seen *seen, struct wishes *wishes)
{
    static const struct grid_column columns[] = {
        {"", true}, {"ZONE", false}, {"ID", false}, {"RECORDS", true}, {"KIND", false}};
    _cleanup_grid_ struct grid grid;
    size_t choice;

    grid_init(&grid, columns, ELEMENTS(columns));
    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_zone *zone = &seen->zones[i];
        grid_add(&grid, COLOR_NONE, "%zu", i + 1);
        grid_add(&grid, COLOR_STRONG, "%s", zone->name.text);
        grid_add(&grid, COLOR_NONE, "%s", zone->id);
        grid_add(&grid, COLOR_NONE, "%llu", (unsigned long long)zone->record_count);
        grid_add(&grid, COLOR_NONE, "%s", zone->is_private ? "private" : "public");
    }
    int status = grid_print(&grid, ctl);
    if (status != EXIT_FINE) {
        return status;
    }
    if (ask_choice(ctl, "Which of these zones", seen->count, 1, &choice) < 0) {
        return EXIT_USAGE;
    }
    return take_zone(wishes, &seen->zones[choice - 1]);
}

/* The id of the zone that was named, where exactly one zone of the account has that name and kind. */
static int find_zone(const struct seen *seen, struct wishes *wishes)
{
    const struct seen_zone *found = NULL;
    struct name name;
    size_t count = 0;

    if (name_parse(buffer_text(&wishes->zone), wishes->zone.length, &name, NULL) < 0) {
        return EXIT_FINE; /* the settings' own loader says what is wrong with it */
    }
    for (size_t i = 0; i < seen->count; i++) {
        const struct seen_zone *zone = &seen->zones[i];
        if (strcmp(zone->name.text, name.text) == 0 && zone->is_private == wishes->is_private) {
            found = zone;
            count++;
        }
    }
    if (count == 1) {
        return take_zone(wishes, found);
    }
    if (count > 1) {
        ctl_error("the account has %zu zones named %s; say which one by --zone-id", count, name.text);
        return EXIT_UNKNOWN;
    }
    if (seen->count > 0) {
        ctl_error("the account has no %s zone named %s; make it (\"ddns53ctl zone create\"), or give --zone-id",
                  wishes->is_private ? "private" : "public", name.text);
        return EXIT_UNKNOWN;
    }
    return EXIT_FINE;
}

static int settle_route53(const struct ctl *ctl, const struct arguments *arguments, struct wishes *wishes)
{
    struct seen seen = {0};
    int status = EXIT_FINE;

    if (wishes->zone_id.length == 0) {
        look_for_zones(ctl, arguments, &seen);
        if (seen.has_failed) {
            status = ctl_no_memory();
        } else if (wishes->zone.length > 0) {
            status = find_zone(&seen, wishes);
        } else if (seen.count > 0 && wishes->may_ask) {
            status = choose_zone(ctl, &seen, wishes);
        }
    }
    free(seen.zones);
    return status;
}

/* ---- questions ---- */

/* What is still missing and can be asked for. EXIT_USAGE: the input has ended. */
static int ask(const struct ctl *ctl, const char *question, const char *proposal, struct buffer *answer)
{
    int r = answer->length > 0 ? 0 : ask_line(ctl, question, proposal, answer);

    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    if (r < 0) {
        ctl_error("init: the input has ended before all was answered; nothing was written");
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static int ask_certificate(const struct ctl *ctl, struct wishes *wishes)
{
    int status = EXIT_FINE;

    if (wishes->acme_email.length > 0) {
        return EXIT_FINE;
    }
    status = ask(ctl, "PEM file of the certificate chain (empty: there is none yet)", "", &wishes->certificate);
    if (status == EXIT_FINE && wishes->certificate.length > 0) {
        status = ask(ctl, "PEM file of its private key", "", &wishes->private_key);
    } else if (status == EXIT_FINE) {
        status = ask(ctl, "Your e-mail address, for one from Let's Encrypt, to whose terms you agree (empty: none)", "",
                     &wishes->acme_email);
    }
    return status;
}

static int ask_rest(const struct ctl *ctl, struct wishes *wishes)
{
    _cleanup_buffer_ struct buffer proposal = BUFFER_INIT;
    int status = ask(ctl, "Zone, such as example.com", "", &wishes->zone);

    size_t length = wishes->zone.length;
    length -= length > 0 && wishes->zone.data[length - 1] == '.' ? 1 : 0;
    buffer_printf(&proposal, "https://ddns.%.*s", (int)length, buffer_text(&wishes->zone));
    if (status == EXIT_FINE) {
        status = ask(ctl, "URL under which clients reach this server", buffer_text(&proposal), &wishes->public_url);
    }
    return status == EXIT_FINE ? ask_certificate(ctl, wishes) : status;
}

static int settle(const struct ctl *ctl, const struct arguments *arguments, struct wishes *wishes)
{
    int status = EXIT_FINE;

    if (strcmp(wishes->provider, "route53") == 0) {
        status = settle_route53(ctl, arguments, wishes);
    }
    if (status == EXIT_FINE && wishes->may_ask) {
        status = ask_rest(ctl, wishes);
    }
    if (status == EXIT_FINE && wishes->zone.length == 0) {
        ctl_error("init: name the zone by --zone; nothing was written");
        status = EXIT_USAGE;
    }
    return status;
}

static void tell_next(const struct ctl *ctl, const struct place *place, const struct wishes *wishes)
{
    const char *config = ctl->is_config_given ? ctl->config : NULL;
    const char *option = config ? " -c " : "";

    config = config ? config : "";
    ctl_print("wrote %s\nwrote %s\n", place->settings, place->hosts);
    if (!place->has_group) {
        ctl_print("only this user may read them%s\n",
                  geteuid() == 0 ? "; for a service of another user: chgrp its group, and chmod 0640" : "");
    }
    ctl_print("next:\n");
    ctl_print("  ddns53ctl%s%s check                                    whether all of it works\n", option, config);
    ctl_print("  systemctl enable --now ddns53d\n");
    ctl_print("  ddns53ctl%s%s add HOST.%s --for DEVICE   a host, and what to type into its router\n", option, config,
              buffer_text(&wishes->zone));
}

static bool is_provider(const char *text)
{
    for (size_t i = 0; providers[i]; i++) {
        if (strcmp(providers[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static void take_option(const struct arguments *arguments, const char *name, struct buffer *buffer)
{
    const char *value = option_value(arguments, name);

    buffer_append_text(buffer, value ? value : "");
}

static int take_options(const struct ctl *ctl, const struct arguments *arguments, struct wishes *wishes)
{
    const char *provider = option_value(arguments, "provider");

    wishes->provider = provider ? provider : "route53";
    wishes->is_private = option_given(arguments, "private");
    wishes->may_ask = ctl->is_terminal && !option_given(arguments, "no-questions");
    take_option(arguments, "zone", &wishes->zone);
    take_option(arguments, "zone-id", &wishes->zone_id);
    take_option(arguments, "public-url", &wishes->public_url);
    take_option(arguments, "certificate", &wishes->certificate);
    take_option(arguments, "private-key", &wishes->private_key);
    take_option(arguments, "acme-email", &wishes->acme_email);
    if (wishes->acme_email.length > 0 && wishes->certificate.length > 0) {
        ctl_error("init: --certificate and --acme-email exclude each other; nothing was written");
        return EXIT_USAGE;
    }
    if (!is_provider(wishes->provider)) {
        ctl_error("--provider %s: is none of route53, zonefile and rfc2136", wishes->provider);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static int run_init(struct ctl *ctl, const struct arguments *arguments)
{
    _cleanup_(wishes_done) struct wishes wishes = {.may_ask = false};
    _cleanup_(place_done) struct place place = {.has_group = false};
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;
    int status = take_options(ctl, arguments, &wishes);

    if (status == EXIT_FINE) {
        status = place_find(ctl->config, option_value(arguments, "group"), &place);
    }
    if (status == EXIT_FINE) {
        status = place_is_free(&place); /* before anybody is asked anything */
    }
    if (status == EXIT_FINE) {
        status = settle(ctl, arguments, &wishes);
    }
    if (status == EXIT_FINE) {
        write_settings(&wishes, arguments, "hosts.yaml", &text);
        status = place_write(&place, &text, hosts_text);
    }
    if (status == EXIT_FINE) {
        tell_next(ctl, &place, &wishes);
    }
    return status;
}
