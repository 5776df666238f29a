/* add: a new host, with a secret of its own, and what to type into its device. */
#include <errno.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/edit.h"

static int run_add(struct ctl *ctl, const struct arguments *arguments);

static const char *const type_words[] = {"A", "AAAA", "A,AAAA", "TXT", NULL};
static const char *const auth_words[] = {"hash", "signed", "secret", "basic", NULL};

static const struct command_option options[] = {
    {.name = "type",
     .value = "TYPES",
     .help = "its record types: A, AAAA, TXT, or several with commas; default A,AAAA, of a follower AAAA",
     .completion = COMPLETE_WORDS,
     .words = type_words},
    {.name = "auth",
     .value = "SCHEMES",
     .help = "how it may prove itself: hash, signed, secret, basic, with commas; default update.default_auth",
     .completion = COMPLETE_WORDS,
     .words = auth_words},
    {.name = "for",
     .value = "DEVICE",
     .help = "sets the auth that the device can do, and prints what to type into it; see client --devices",
     .completion = COMPLETE_WORDS,
     .words = device_words},
    {.name = "ttl", .value = "SECONDS", .help = "how long resolvers may keep its records; default the zone's"},
    {.name = "mac", .value = "ADDRESS", .help = "its MAC address, for list_hosts and for a follower's address"},
    {.name = "allow-internal", .help = "it may set private addresses"},
    {.name = "group-with",
     .value = "HOST",
     .help = "share that host's secret, and may list the hosts that do",
     .completion = COMPLETE_HOST},
    {.name = "follows",
     .value = "ROUTER",
     .help = "its addresses come with the router's; it needs no secret",
     .completion = COMPLETE_HOST},
    {.name = "interface-id", .value = "::X", .help = "the low 64 bits of a follower's address; default from --mac"},
    {.name = "subnet-id", .value = "NUMBER", .help = "the bits between the router's prefix and the low 64"},
    {.name = "comment", .value = "TEXT", .help = "for people"},
    {.name = NULL},
};

static const struct command_exit exits[] = {
    {EXIT_EXISTS, "the host is there already, or the file cannot be written"},
    {0, NULL},
};

const struct command commands_add[] = {
    {
        .name = "add",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "adds a host to hosts.yaml with a new secret, and prints what to type into its device",
        .description =
            "The file keeps its comments, its order and its style; what the daemon would reject is not written.\n"
            "The running daemon reads it at once.",
        .options = options,
        .exits = exits,
        .example = "ddns53ctl add cabin.example.com --for fritzbox --comment \"the cabin\"",
        .has_json = true,
        .run = run_add,
    },
    {.name = NULL},
};

#define VALUES_MAX 17 /* a host has no more keys */
#define VALUES_BEFORE_SECRET 2

/* What is to be added. Texts are borrowed from the command line, the settings or this struct. */
struct addition {
    const char *hostname;
    unsigned types;
    const char *type_text;
    const char *group; /* normalised; NULL: none */
    bool has_auth;     /* it was asked for, or a device needs it */
    char secret[EDIT_SECRET_SIZE];
    struct host_value values[VALUES_MAX];
    size_t count;
    bool is_group_unlisted; /* the other one of the group may not list it */
};

static void add_value(struct addition *addition, const char *key, const char *text)
{
    if (text) {
        addition->values[addition->count++] = (struct host_value){key, text};
    }
}

/* Takes the secret of the group, in the form in which the file has it. */
static int take_group_secret(struct hosts_edit *edit, const struct addition *addition, struct addition *ret_grouped)
{
    static const char *const forms[] = {"shared_secret", "shared_secret_file", "secret_sha256"};
    const char *text = NULL, *read = NULL;
    size_t form = 0;

    *ret_grouped = *addition;
    if (hosts_edit_types(edit, addition->group) == 0) {
        problems_add(hosts_edit_problems(edit), 0, 0, "there is no host %s to share a secret with", addition->group);
        return -ENOENT;
    }
    while (!text && form < ELEMENTS(forms)) {
        text = hosts_edit_value(edit, addition->group, 0, forms[form++]);
    }
    if (!text) {
        problems_add(hosts_edit_problems(edit), 0, 0, "%s has no secret that could be shared", addition->group);
        return -EOPNOTSUPP;
    }
    ret_grouped->count = VALUES_BEFORE_SECRET;
    add_value(ret_grouped, forms[form - 1], text);
    for (size_t i = VALUES_BEFORE_SECRET; i < addition->count; i++) {
        add_value(ret_grouped, addition->values[i].key, addition->values[i].text);
    }
    add_value(ret_grouped, "read_privilege", "true");
    if (!addition->has_auth) {
        add_value(ret_grouped, "auth", hosts_edit_value(edit, addition->group, 0, "auth"));
    }
    read = hosts_edit_value(edit, addition->group, 0, "read_privilege");
    ret_grouped->is_group_unlisted = !read || strcmp(read, "true") != 0;
    return 0;
}

static int add(struct hosts_edit *edit, void *context)
{
    struct addition *addition = context;
    struct addition grouped;
    unsigned there = hosts_edit_types(edit, addition->hostname);

    if ((there & addition->types) != 0) {
        problems_add(hosts_edit_problems(edit), 0, 0,
                     "%s is there already, with a record type that is to be added; ddns53ctl set changes it",
                     addition->hostname);
        return -EEXIST;
    }
    if (!addition->group) {
        return hosts_edit_add(edit, addition->values, addition->count);
    }
    int r = take_group_secret(edit, addition, &grouped);
    addition->is_group_unlisted = grouped.is_group_unlisted;
    return r < 0 ? r : hosts_edit_add(edit, grouped.values, grouped.count);
}

/* ---- the command line ---- */

/* What the device can do, unless the host can do that anyway. */
static const char *auth_for(const struct settings *settings, const struct device *device)
{
    const unsigned all = AUTH_HASH | AUTH_SIGNED | AUTH_SECRET | AUTH_BASIC;

    return device_scheme(device, settings->default_auth) != 0 ? NULL : auth_scheme_text(device_scheme(device, all));
}

static int check_usage(const struct arguments *arguments)
{
    bool follows = option_given(arguments, "follows");

    if (follows && (option_given(arguments, "group-with") || option_given(arguments, "for"))) {
        ctl_error("--follows: its addresses come with the router's, so that no device sends anything for it; leave out "
                  "--for and --group-with");
        return EXIT_USAGE;
    }
    if (!follows && (option_given(arguments, "interface-id") || option_given(arguments, "subnet-id"))) {
        ctl_error(
            "--interface-id and --subnet-id say how a follower's address is made; name its router with --follows");
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static void fill(struct addition *addition, const struct settings *settings, const struct arguments *arguments,
                 const struct device *device)
{
    const char *auth = option_value(arguments, "auth");
    const char *follows = option_value(arguments, "follows");

    auth = !auth && device ? auth_for(settings, device) : auth;
    addition->has_auth = auth != NULL;
    add_value(addition, "hostname", addition->hostname);
    add_value(addition, "record_type", addition->type_text);
    if (!follows && !addition->group) {
        edit_make_secret(addition->secret);
        add_value(addition, "shared_secret", addition->secret);
    }
    add_value(addition, "auth", auth);
    add_value(addition, "ttl", option_value(arguments, "ttl"));
    add_value(addition, "allow_internal", option_given(arguments, "allow-internal") ? "true" : NULL);
    add_value(addition, "mac_address", option_value(arguments, "mac"));
    add_value(addition, "follows", follows);
    add_value(addition, "interface_id", option_value(arguments, "interface-id"));
    add_value(addition, "subnet_id", option_value(arguments, "subnet-id"));
    add_value(addition, "comment", option_value(arguments, "comment"));
}

/* ---- what is said ---- */

static json_t *list_of(const char *text)
{
    json_t *list = json_array();

    for (; text; text = strchr(text, ',') ? strchr(text, ',') + 1 : NULL) {
        (void)json_array_append_new(list, json_stringn(text, strcspn(text, ",")));
    }
    return list;
}

static int tell_json(struct ctl *ctl, const struct addition *addition, const struct host *host)
{
    const struct secret *secret = host->secret->secret;
    json_t *auth = json_array();

    for (unsigned scheme = 1; scheme <= AUTH_BASIC; scheme <<= 1U) {
        if ((host->auth & scheme) != 0) {
            (void)json_array_append_new(auth, json_string(auth_scheme_text(scheme)));
        }
    }
    return ctl_print_json(
        json_pack("{s:s, s:o, s:o, s:o, s:s?, s:s}", "hostname", host->hostname, "record_types",
                  list_of(addition->type_text), "secret",
                  secret ? json_stringn((const char *)secret_bytes(secret), secret_length(secret)) : json_null(),
                  "auth", auth, "follows", host->more->follows ? host->more->follows->hostname : NULL, "file",
                  ctl->settings->hosts_file));
}

static int tell(struct ctl *ctl, const struct addition *addition, const struct device *device)
{
    const struct hosts *hosts;
    int status = ctl_hosts(ctl, &hosts);

    if (status != EXIT_FINE) {
        return status;
    }
    const struct host *host = hosts_find(hosts, addition->hostname);
    if (addition->is_group_unlisted) {
        ctl_warning("%s may not list the hosts that share its secret; run: ddns53ctl set %s read_privilege=true",
                    addition->group, addition->group);
    }
    while (host && (host->record_types & addition->types) == 0) {
        host = host->more->next_same_name;
    }
    if (!host) {
        return EXIT_FINE; /* somebody has removed it meanwhile */
    }
    if (ctl->is_json) {
        return tell_json(ctl, addition, host);
    }
    if (device) {
        ctl_print("\n");
        return client_print(ctl, ctl->settings, host, device, false);
    }
    if (addition->secret[0] != '\0') {
        ctl_print("its secret: %s\n", addition->secret);
    }
    if (host->secret->is_set) {
        ctl_print("what to type into its device: ddns53ctl client %s --for DEVICE\n", host->hostname);
    }
    return EXIT_FINE;
}

static int run_add(struct ctl *ctl, const struct arguments *arguments)
{
    const char *group = option_value(arguments, "group-with");
    struct name name, group_name;
    struct addition addition = {.type_text = option_value(arguments, "type")};
    const struct settings *settings;
    const struct device *device;
    bool is_changed;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    if (!addition.type_text) {
        addition.type_text = option_given(arguments, "follows") ? "AAAA" : "A,AAAA";
    }
    addition.hostname = name.text;
    addition.group = group ? group_name.text : NULL;
    status = status == EXIT_FINE && group ? ctl_name(ctl, group, &group_name) : status;
    status = status == EXIT_FINE ? check_usage(arguments) : status;
    status = status == EXIT_FINE ? edit_types(addition.type_text, &addition.types) : status;
    status = status == EXIT_FINE ? client_device(option_value(arguments, "for"), &device) : status;
    status = status == EXIT_FINE ? ctl_settings(ctl, &settings) : status;
    if (status != EXIT_FINE) {
        return status;
    }
    fill(&addition, settings, arguments, device);
    status = edit_hosts(ctl, add, &addition, &is_changed);
    if (status == EXIT_FINE) {
        status = edit_tell(ctl, addition.hostname, "added", is_changed);
        int told = tell(ctl, &addition, device);
        status = status == EXIT_FINE ? told : status;
    }
    wipe(&addition.secret, sizeof(addition.secret));
    return status;
}
