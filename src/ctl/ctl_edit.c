/* Commands that change a host of hosts.yaml: set, lock, unlock, remove, rename, rotate. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/call.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/edit.h"
#include "ctl/results.h"
#include "ctl/when.h"

static int run_set(struct ctl *ctl, const struct arguments *arguments);
static int run_lock(struct ctl *ctl, const struct arguments *arguments);
static int run_unlock(struct ctl *ctl, const struct arguments *arguments);
static int run_remove(struct ctl *ctl, const struct arguments *arguments);
static int run_rename(struct ctl *ctl, const struct arguments *arguments);
static int run_rotate(struct ctl *ctl, const struct arguments *arguments);

static const char *const type_words[] = {"A", "AAAA", "TXT", NULL};

#define TYPE_OPTION                                                                                                  \
    {                                                                                                                \
        .name = "type", .value = "TYPE",                                                                             \
        .help = "only the row with that record type, where the host has several rows", .completion = COMPLETE_WORDS, \
        .words = type_words                                                                                          \
    }

static const struct command_option set_options[] = {TYPE_OPTION, {.name = NULL}};
static const struct command_option remove_options[] = {
    {.name = "withdraw", .help = "first delete its records in DNS, through the running daemon"},
    TYPE_OPTION,
    {.name = NULL},
};
static const struct command_option rename_options[] = {
    {.name = "withdraw", .help = "first delete the records of the old name in DNS, through the running daemon"},
    {.name = NULL},
};
static const struct command_option rotate_options[] = {
    {.name = "overlap",
     .value = "TIME",
     .help = "how long the old secret stays valid: 12h, 14d (the default), 2w; 0 ends it now"},
    {.name = "for",
     .value = "DEVICE",
     .help = "print what to type into it; see client --devices",
     .completion = COMPLETE_WORDS,
     .words = device_words},
    {.name = "group", .help = "also for all other hosts that share the secret, so that they go on sharing it"},
    {.name = NULL},
};

const struct command commands_edit[] = {
    {
        .name = "set",
        .arguments = "HOST KEY=VALUE...",
        .least = 2,
        .most = COMMAND_ANY,
        .summary = "changes keys of a host in hosts.yaml",
        .description =
            "Lists are written with commas: auth=secret,basic. KEY= takes the key out, KEY=- reads its value from\n"
            "standard input, where no other user sees it.",
        .options = set_options,
        .example = "ddns53ctl set cabin.example.com ttl=300 auth=basic",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_set,
    },
    {
        .name = "lock",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "leaves a host's records as they are: its clients are refused",
        .example = "ddns53ctl lock cabin.example.com",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_lock,
    },
    {
        .name = "unlock",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "lets a host's clients set its records again",
        .example = "ddns53ctl unlock cabin.example.com",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_unlock,
    },
    {
        .name = "remove",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "takes a host out of hosts.yaml",
        .description = "The comment lines right above it go with it. DNS keeps its records, but for --withdraw.",
        .options = remove_options,
        .example = "ddns53ctl remove lodge.example.com --withdraw",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_remove,
    },
    {
        .name = "rename",
        .arguments = "HOST NAME",
        .least = 2,
        .most = 2,
        .summary = "gives a host another name, also where others follow it",
        .description = "Its device has to be told. DNS keeps the records of the old name, but for --withdraw.",
        .options = rename_options,
        .example = "ddns53ctl rename cabin.example.com lodge.example.com",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_rename,
    },
    {
        .name = "rotate",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "makes a new secret for a host; the old one stays valid for a while",
        .description = "\"ddns53ctl list --old-secret\" shows the hosts that used their old one last.",
        .options = rotate_options,
        .example = "ddns53ctl rotate cabin.example.com --overlap 14d",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_rotate,
    },
    {.name = NULL},
};

/* ---- what they share ---- */

/* What is to be done with a host. */
struct request_of_edit {
    const char *hostname;
    const char *new_name;
    unsigned types;
    struct host_value *values;
    size_t count;
};

/* Says what was done, has the daemon read it, and prints the JSON of commands that have no more to say. */
static int finish(struct ctl *ctl, const char *hostname, const char *what, bool is_changed)
{
    int status = edit_tell(ctl, hostname, what, is_changed);

    if (ctl->is_json) {
        int printed = ctl_print_json(json_pack("{s:s, s:b, s:s}", "hostname", hostname, "changed", (int)is_changed,
                                               "file", ctl->settings->hosts_file));
        return status == EXIT_FINE ? printed : status;
    }
    return status;
}

/* Has the daemon delete the records in DNS, and waits until it has. */
static int withdraw(struct ctl *ctl, const char *hostname, const char *type)
{
    json_t *answer = NULL;
    unsigned http_status = 0;
    int status = ctl_call(ctl, "POST", "/withdraw", json_pack("{s:s, s:s*}", "hostname", hostname, "type", type),
                          &http_status, &answer);

    if (status != EXIT_FINE) {
        ctl_error("%s: nothing was withdrawn, and %s is as it was", hostname, ctl->settings->hosts_file);
        return status;
    }
    if (ctl->is_json && json_is_true(json_object_get(answer, "ok"))) {
        json_decref(answer);
        return EXIT_FINE;
    }
    bool is_json = ctl->is_json;
    ctl->is_json = false; /* the outcome of the whole is what is printed as JSON */
    status = results_tell(ctl, answer, http_status);
    ctl->is_json = is_json;
    if (status != EXIT_FINE) {
        ctl_error("%s: not all was withdrawn; %s is as it was", hostname, ctl->settings->hosts_file);
    }
    return status;
}

/* ---- set, lock, unlock ---- */

static int set(struct hosts_edit *edit, void *context)
{
    const struct request_of_edit *request = context;

    return hosts_edit_set(edit, request->hostname, request->types, request->values, request->count);
}

/* The first line of standard input, without its line break. Owned, wiped by the caller; NULL: it was said what is wrong. */
static char *read_value(const char *key)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, stdin);

    if (length <= 0) {
        ctl_error("%s=-: standard input has ended without a line", key);
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

/* KEY=VALUE: cut in two at its first "=". EXIT_USAGE after having said what is wrong. */
static int split_value(char *text, struct host_value *ret_value, char **ret_read)
{
    char *equals = strchr(text, '=');

    if (!equals || equals == text) {
        ctl_error("\"%s\": write KEY=VALUE, as in ttl=300; ddns53-hosts.yaml(5) has the keys", text);
        return EXIT_USAGE;
    }
    *equals = '\0';
    *ret_value = (struct host_value){text, equals[1] != '\0' ? equals + 1 : NULL};
    if (strcmp(text, "hostname") == 0) {
        ctl_error("hostname: \"ddns53ctl rename\" changes it, and the hosts that follow it");
        return EXIT_USAGE;
    }
    if (strcmp(equals + 1, "-") == 0) {
        if (*ret_read) {
            ctl_error("%s=-: standard input can be the value of one key only", text);
            return EXIT_USAGE;
        }
        *ret_read = read_value(text);
        ret_value->text = *ret_read;
        return *ret_read ? EXIT_FINE : EXIT_USAGE;
    }
    return EXIT_FINE;
}

struct assignments {
    struct host_value *values;
    char **texts; /* copies of the arguments, cut in two */
    size_t count;
    char *read; /* from standard input */
};

static void assignments_done(struct assignments *assignments)
{
    for (size_t i = 0; assignments->texts && i < assignments->count; i++) {
        free(assignments->texts[i]);
    }
    free(assignments->texts);
    free(assignments->values);
    if (assignments->read) {
        wipe(assignments->read, strlen(assignments->read));
    }
    free(assignments->read);
}

static int read_assignments(const struct arguments *arguments, struct assignments *ret)
{
    size_t most = argument_count(arguments);

    ret->values = calloc(most, sizeof(*ret->values));
    ret->texts = calloc(most, sizeof(*ret->texts));
    if (!ret->values || !ret->texts) {
        return ctl_no_memory();
    }
    for (size_t i = 1; i < most; i++) {
        char *text = strdup(argument_at(arguments, i));
        if (!text) {
            return ctl_no_memory();
        }
        ret->texts[ret->count++] = text;
        int status = split_value(text, &ret->values[i - 1], &ret->read);
        if (status != EXIT_FINE) {
            return status;
        }
        for (size_t j = 0; j < i - 1; j++) {
            if (strcmp(ret->values[j].key, text) == 0) {
                ctl_error("%s: is named twice; leave one out", text);
                return EXIT_USAGE;
            }
        }
    }
    return EXIT_FINE;
}

static int run_set(struct ctl *ctl, const struct arguments *arguments)
{
    _cleanup_(assignments_done) struct assignments assignments = {.count = 0};
    struct request_of_edit request = {.count = 0};
    struct name name;
    bool is_changed;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    status = status == EXIT_FINE ? edit_types(option_value(arguments, "type"), &request.types) : status;
    status = status == EXIT_FINE ? read_assignments(arguments, &assignments) : status;
    if (status != EXIT_FINE) {
        return status;
    }
    request.hostname = name.text;
    request.values = assignments.values;
    request.count = assignments.count;
    status = edit_hosts(ctl, set, &request, &is_changed);
    return status == EXIT_FINE ? finish(ctl, name.text, "changed", is_changed) : status;
}

/* A row that never was locked does not have to say so. */
static int unlock(struct hosts_edit *edit, void *context)
{
    const struct request_of_edit *request = context;
    const struct host_value free_value = {"lock_record", "false"};
    bool is_there = false;

    for (size_t row = 0; hosts_edit_value(edit, request->hostname, row, "hostname"); row++) {
        const char *locked = hosts_edit_value(edit, request->hostname, row, "lock_record");
        is_there = is_there || (locked && strcmp(locked, "false") != 0);
    }
    return hosts_edit_set(edit, request->hostname, 0, &free_value, is_there ? 1 : 0);
}

static int run_locking(struct ctl *ctl, const struct arguments *arguments, bool is_lock)
{
    struct host_value locked = {"lock_record", "true"};
    struct request_of_edit request = {.values = &locked, .count = 1};
    struct name name;
    bool is_changed;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    if (status != EXIT_FINE) {
        return status;
    }
    request.hostname = name.text;
    status = edit_hosts(ctl, is_lock ? set : unlock, &request, &is_changed);
    return status == EXIT_FINE ? finish(ctl, name.text, is_lock ? "locked" : "unlocked", is_changed) : status;
}

static int run_lock(struct ctl *ctl, const struct arguments *arguments)
{
    return run_locking(ctl, arguments, true);
}

static int run_unlock(struct ctl *ctl, const struct arguments *arguments)
{
    return run_locking(ctl, arguments, false);
}

/* ---- remove, rename ---- */

static int take_out(struct hosts_edit *edit, void *context)
{
    const struct request_of_edit *request = context;

    return hosts_edit_remove(edit, request->hostname, request->types);
}

static int give_name(struct hosts_edit *edit, void *context)
{
    const struct request_of_edit *request = context;

    return hosts_edit_rename(edit, request->hostname, request->new_name);
}

static int run_remove(struct ctl *ctl, const struct arguments *arguments)
{
    const char *type = option_value(arguments, "type");
    struct request_of_edit request = {.count = 0};
    struct name name;
    bool is_changed;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    status = status == EXIT_FINE ? edit_types(type, &request.types) : status;
    request.hostname = name.text;
    if (status == EXIT_FINE && option_given(arguments, "withdraw")) {
        status = edit_rehearse(ctl, take_out, &request);
        status = status == EXIT_FINE ? withdraw(ctl, name.text, type) : status;
    }
    status = status == EXIT_FINE ? edit_hosts(ctl, take_out, &request, &is_changed) : status;
    return status == EXIT_FINE ? finish(ctl, name.text, "removed", is_changed) : status;
}

static int run_rename(struct ctl *ctl, const struct arguments *arguments)
{
    struct request_of_edit request = {.count = 0};
    struct name name, new_name;
    bool is_changed;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    status = status == EXIT_FINE ? ctl_name(ctl, argument_at(arguments, 1), &new_name) : status;
    request.hostname = name.text;
    request.new_name = new_name.text;
    if (status == EXIT_FINE && option_given(arguments, "withdraw")) {
        status = edit_rehearse(ctl, give_name, &request);
        status = status == EXIT_FINE ? withdraw(ctl, name.text, NULL) : status;
    }
    status = status == EXIT_FINE ? edit_hosts(ctl, give_name, &request, &is_changed) : status;
    return status == EXIT_FINE ? finish(ctl, new_name.text, "renamed", is_changed) : status;
}

/* ---- rotate ---- */

#define OVERLAP_S (14 * 86400)
#define TIME_SIZE 21

struct rotation {
    const struct host *const *group; /* the rows to change; NULL: those of the name */
    size_t group_count;
    const uint8_t *shared; /* SHA-256 of the secret that the group has */
    const char *hostname;
    char secret[EDIT_SECRET_SIZE];
    char until[TIME_SIZE]; /* "": the old secret ends now */
};

static int rotate(struct hosts_edit *edit, void *context)
{
    const struct rotation *rotation = context;
    const char *until = rotation->until[0] != '\0' ? rotation->until : NULL;

    if (!rotation->group) {
        return hosts_edit_rotate(edit, rotation->hostname, 0, rotation->secret, until);
    }
    for (size_t i = 0; i < rotation->group_count; i++) {
        const struct host *host = rotation->group[i];
        bool is_current = memcmp(host->secret->sha256, rotation->shared, SHA256_SIZE) == 0;
        int r = is_current ? hosts_edit_rotate(edit, host->hostname, host->record_types, rotation->secret, until) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int read_overlap(const char *text, int64_t *ret_overlap_s)
{
    *ret_overlap_s = OVERLAP_S;
    if (text && strcmp(text, "0") == 0) {
        *ret_overlap_s = 0;
    } else if (text && when_parse_span(text, ret_overlap_s) < 0) {
        ctl_error("--overlap %s: is no time; write 12h, 14d or 2w, or 0 for none", text);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

/* The other hosts that have the secret as their current one: they are changed along with --group. */
static void take_group(const struct hosts *hosts, const struct host *host, bool is_wanted, struct rotation *rotation)
{
    size_t count, others = 0;
    const struct host *const *members = hosts_by_secret(hosts, host->secret->sha256, &count);

    for (size_t i = 0; host->secret->is_set && i < count; i++) {
        bool is_current = memcmp(members[i]->secret->sha256, host->secret->sha256, SHA256_SIZE) == 0;
        others += is_current && strcmp(members[i]->hostname, host->hostname) != 0 ? 1 : 0;
    }
    if (others > 0 && is_wanted) {
        rotation->group = members;
        rotation->group_count = count;
        rotation->shared = host->secret->sha256;
    } else if (others > 0) {
        ctl_warning("%s shares its secret with %zu other%s, which keep%s the old one; --group changes all of them",
                    host->hostname, others, others == 1 ? "" : "s", others == 1 ? "s" : "");
    }
}

static int tell_rotation(struct ctl *ctl, const struct rotation *rotation, const struct device *device)
{
    const char *until = rotation->until[0] != '\0' ? rotation->until : NULL;
    const struct host *host;

    if (ctl->is_json) {
        return ctl_print_json(json_pack("{s:s, s:b, s:s, s:s?, s:s}", "hostname", rotation->hostname, "changed", 1,
                                        "secret", rotation->secret, "previous_secret_until", until, "file",
                                        ctl->settings->hosts_file));
    }
    if (until) {
        ctl_print("the old secret is valid until %s; ddns53ctl list --old-secret shows who still uses it\n", until);
    } else {
        ctl_print("the old secret opens nothing any more\n");
    }
    if (!device) {
        ctl_print("the new secret: %s\nwhat to type into its device: ddns53ctl client %s --for DEVICE\n",
                  rotation->secret, rotation->hostname);
        return EXIT_FINE;
    }
    ctl_print("\n");
    int status = ctl_host(ctl, rotation->hostname, &host);
    return status == EXIT_FINE ? client_print(ctl, ctl->settings, host, device, false) : status;
}

static int rotate_and_tell(struct ctl *ctl, struct rotation *rotation, const struct device *device)
{
    bool is_changed;
    int status = edit_hosts(ctl, rotate, rotation, &is_changed);

    if (status != EXIT_FINE) {
        return status;
    }
    status = edit_tell(ctl, rotation->hostname, "has a new secret", is_changed);
    int told = tell_rotation(ctl, rotation, device);
    return status == EXIT_FINE ? told : status;
}

static int run_rotate(struct ctl *ctl, const struct arguments *arguments)
{
    struct rotation rotation = {.group = NULL};
    const struct device *device;
    const struct hosts *hosts;
    const struct host *host;
    int64_t overlap_s;
    int status = read_overlap(option_value(arguments, "overlap"), &overlap_s);

    status = status == EXIT_FINE ? client_device(option_value(arguments, "for"), &device) : status;
    status = status == EXIT_FINE ? ctl_host(ctl, argument_at(arguments, 0), &host) : status;
    status = status == EXIT_FINE ? ctl_hosts(ctl, &hosts) : status;
    if (status != EXIT_FINE) {
        return status;
    }
    /* The hosts of before the edit: edit_hosts puts new ones in their place. */
    _cleanup_(hosts_unrefp) struct hosts *before = hosts_ref(ctl->hosts);
    rotation.hostname = host->hostname;
    take_group(before, host, option_given(arguments, "group"), &rotation);
    edit_make_secret(rotation.secret);
    if (overlap_s > 0) {
        clock_print_iso8601(clock_realtime_s(clock_system()) + overlap_s, rotation.until);
    }
    status = rotate_and_tell(ctl, &rotation, device);
    wipe(rotation.secret, sizeof(rotation.secret));
    return status;
}
