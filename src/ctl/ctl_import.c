/* import: the hosts of the systems that ddns53d replaces. */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "ctl/call.h"
#include "ctl/commands.h"
#include "ctl/edit.h"
#include "ctl/grid.h"
#include "ctl/import.h"
#include "ctl/import_state.h"

#define FILE_MAX_BYTES (512UL * 1024 * 1024)
#define VALUES_MAX 10

static int run_import(struct ctl *ctl, const struct arguments *arguments);

static const struct command_option options[] = {
    {.name = "write", .help = "do it; without, it is only shown what would be done"},
    {.name = NULL},
};
static const struct command_exit exits[] = {
    {EXIT_FINE, "all of the file is in hosts.yaml now, or with --write will be"},
    {EXIT_FAILED, "some hosts of the file cannot be hosts of ours; they are named with the reason"},
    {EXIT_AGAIN, "the running daemon has state.db: the hosts are in, what the old system noted of them is not"},
    {0, NULL},
};

const struct command commands_import[] = {
    {
        .name = "import",
        .arguments = "FILE",
        .least = 1,
        .most = 1,
        .summary = "takes over the hosts of route53-dynamic-dns-with-lambda, versions 1 to 3",
        .description =
            "FILE is what \"aws dynamodb scan --table-name NAME\" prints, or the config.json of version 1. Hosts that\n"
            "are there already stay as they are, so that a second run changes nothing.",
        .options = options,
        .exits = exits,
        .example = "ddns53ctl import table.json",
        .completion = COMPLETE_FILE,
        .has_json = true,
        .run = run_import,
    },
    {.name = NULL},
};

/* ---- what is added ---- */

static const char *types_text(unsigned types)
{
    const unsigned both = 1U << RECORD_A | 1U << RECORD_AAAA;

    return types == both ? "A,AAAA" : record_type_text((types & 1U << RECORD_A) != 0 ? RECORD_A : RECORD_AAAA);
}

struct addition {
    const struct import *import;
    const struct settings *settings;
};

static int add_row(struct hosts_edit *edit, const struct import_row *row, const struct settings *settings)
{
    struct host_value values[VALUES_MAX] = {{"hostname", row->hostname.text},
                                            {"record_type", types_text(row->types)},
                                            {"shared_secret", row->secret}};
    size_t count = 3;

    /* The clients of the old system know nothing else. */
    if ((settings->default_auth & AUTH_HASH) == 0) {
        values[count++] = (struct host_value){"auth", "hash"};
    }
    if (row->ttl_s >= 0) {
        values[count++] = (struct host_value){"ttl", row->ttl_text};
    }
    if (row->allow_internal) {
        values[count++] = (struct host_value){"allow_internal", "true"};
    }
    if (row->lock_record) {
        values[count++] = (struct host_value){"lock_record", "true"};
    }
    if (row->read_privilege) {
        values[count++] = (struct host_value){"read_privilege", "true"};
    }
    if (row->mac_address) {
        values[count++] = (struct host_value){"mac_address", row->mac_address};
    }
    if (row->comment) {
        values[count++] = (struct host_value){"comment", row->comment};
    }
    return hosts_edit_add(edit, values, count);
}

static int add_rows(struct hosts_edit *edit, void *context)
{
    const struct addition *addition = context;
    int r = 0;

    for (size_t i = 0; r == 0 && i < addition->import->count; i++) {
        const struct import_row *row = addition->import->rows[i];
        if (row->action == IMPORT_ADD) {
            r = add_row(edit, row, addition->settings);
        }
    }
    return r;
}

/* ---- what is said ---- */

static const char *const action_words[] = {[IMPORT_ADD] = "add", [IMPORT_THERE] = "there", [IMPORT_SKIP] = "skip"};

static size_t count_of(const struct import *import, enum import_action action)
{
    size_t count = 0;

    for (size_t i = 0; i < import->count; i++) {
        count += import->rows[i]->action == action ? 1 : 0;
    }
    return count;
}

/* Those that cannot be hosts of ours, and that somebody may miss. */
static bool has_left_out(const struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        if (import->rows[i]->action == IMPORT_SKIP && !import->rows[i]->is_example) {
            return true;
        }
    }
    return false;
}

static const char *shown_name(const struct import_row *row)
{
    return row->hostname.text[0] != '\0' ? row->hostname.text : row->given;
}

static int print_plan(struct ctl *ctl, const struct import *import)
{
    static const struct grid_column columns[] = {{"HOST", false}, {"TYPES", false}, {"WHAT", false}, {"NOTE", false}};
    static const enum color colors[] = {
        [IMPORT_ADD] = COLOR_GOOD, [IMPORT_THERE] = COLOR_DIM, [IMPORT_SKIP] = COLOR_WARN};
    _cleanup_grid_ struct grid grid;

    grid_init(&grid, columns, ELEMENTS(columns));
    for (size_t i = 0; i < import->count; i++) {
        const struct import_row *row = import->rows[i];
        grid_add(&grid, COLOR_NONE, "%s", shown_name(row));
        grid_add(&grid, COLOR_NONE, "%s", row->types != 0 ? types_text(row->types) : "");
        grid_add(&grid, colors[row->action], "%s", action_words[row->action]);
        grid_add(&grid, COLOR_NONE, "%s", row->reason);
    }
    return grid_print(&grid, ctl);
}

/* What came of it. */
struct outcome {
    bool is_written;
    size_t state_there; /* records of which the old system said something */
    size_t state_count; /* of them written */
    const char *state;  /* "written", "nothing", "not asked", "daemon", "no state_dir", "failed" */
};

static int print_json(struct ctl *ctl, const struct import *import, const struct outcome *outcome)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < import->count; i++) {
        const struct import_row *row = import->rows[i];
        (void)json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "hostname", shown_name(row), "record_types",
                                                    row->types != 0 ? types_text(row->types) : "", "action",
                                                    action_words[row->action], "note", row->reason));
    }
    return ctl_print_json(json_pack("{s:s, s:o, s:b, s:s, s:{s:s, s:I}}", "format", import->format, "hosts", rows,
                                    "written", (int)outcome->is_written, "file", ctl->settings->hosts_file, "state",
                                    "outcome", outcome->state, "records", (json_int_t)outcome->state_count));
}

static int print_sum(const struct import *import, const struct outcome *outcome)
{
    size_t added = count_of(import, IMPORT_ADD), skipped = count_of(import, IMPORT_SKIP);

    ctl_print("%s: %zu %s, %zu there already, %zu left out\n", import->format, added,
              outcome->is_written ? "added" : "to add", count_of(import, IMPORT_THERE), skipped);
    if (!outcome->is_written && (added > 0 || outcome->state_there > 0)) {
        ctl_print("nothing was changed; with --write, that is done%s\n",
                  outcome->state_there > 0 ? ", and what the old system noted of records goes into state.db" : "");
    }
    return EXIT_FINE;
}

/* ---- doing it ---- */

static int write_state(struct ctl *ctl, const struct import *import, struct outcome *outcome)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int r = import_state(import, ctl->settings, ctl->hosts, &message, &outcome->state_count);

    outcome->state = "written";
    if (r == -EBUSY) {
        outcome->state = "daemon";
        ctl_warning("the running daemon has state.db, so that what the old system noted of %zu records (address, last "
                    "updated, last checked) is not in it; to have that, stop the daemon and run this again",
                    outcome->state_there);
        return EXIT_AGAIN;
    }
    if (r == -ENOENT) {
        outcome->state = "no state_dir";
        ctl_warning("%s is not there yet, so that what the old system noted of %zu records is not in it; to have that, "
                    "start the daemon once, stop it, and run this again",
                    ctl->settings->state_dir, outcome->state_there);
        return EXIT_AGAIN;
    }
    if (r < 0) {
        outcome->state = "failed";
        ctl_error("state.db: %s", buffer_text(&message));
        return EXIT_FAILED;
    }
    if (!ctl->is_json) {
        ctl_print("state.db: %zu records were new to it\n", outcome->state_count);
    }
    return EXIT_FINE;
}

static int write_hosts(struct ctl *ctl, const struct import *import, struct outcome *outcome)
{
    struct addition addition = {import, ctl->settings};
    bool is_changed = false;
    int status = EXIT_FINE;

    if (count_of(import, IMPORT_ADD) > 0) {
        status = edit_hosts(ctl, add_rows, &addition, &is_changed);
        if (status != EXIT_FINE) {
            return status;
        }
        status = ctl_reload(ctl);
    }
    outcome->is_written = true;
    return status;
}

static int write_all(struct ctl *ctl, const struct import *import, struct outcome *outcome)
{
    const struct hosts *hosts;
    int status = write_hosts(ctl, import, outcome);

    if (status != EXIT_FINE) {
        return status;
    }
    status = ctl_hosts(ctl, &hosts);
    if (status != EXIT_FINE) {
        return status;
    }
    outcome->state_there = import_state_count(import, hosts);
    outcome->state = "nothing";
    return outcome->state_there > 0 ? write_state(ctl, import, outcome) : EXIT_FINE;
}

static int import_and_tell(struct ctl *ctl, const struct import *import, bool is_writing)
{
    struct outcome outcome = {.state = "not asked"};
    const struct settings *settings;
    const struct hosts *hosts;
    int status = ctl_settings(ctl, &settings);

    status = status == EXIT_FINE ? ctl_hosts(ctl, &hosts) : status;
    if (status != EXIT_FINE) {
        return status;
    }
    import_decide(import, settings, hosts);
    outcome.state_there = import_state_count(import, NULL);
    if (!ctl->is_json) {
        (void)print_plan(ctl, import);
    }
    if (is_writing) {
        status = write_all(ctl, import, &outcome);
    }
    int told = ctl->is_json ? print_json(ctl, import, &outcome) : print_sum(import, &outcome);
    status = status == EXIT_FINE ? told : status;
    return status == EXIT_FINE && has_left_out(import) ? EXIT_FAILED : status;
}

static int run_import(struct ctl *ctl, const struct arguments *arguments)
{
    _cleanup_(import_done) struct import import = {.format = ""};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct buffer text = BUFFER_INIT;
    const char *path = argument_at(arguments, 0);
    int r = file_read(path, FILE_MAX_BYTES, &text, NULL);

    if (r < 0) {
        buffer_done(&text);
        ctl_error("%s: %s", path, r == -EFBIG ? "is larger than 512 MiB" : strerror(-r));
        return r == -ENOENT ? EXIT_UNKNOWN : EXIT_FAILED;
    }
    r = import_read(buffer_text(&text), text.length, &import, &message);
    buffer_wipe(&text);
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    if (r < 0) {
        ctl_error("%s: %s", path, buffer_text(&message));
        return EXIT_FAILED;
    }
    return import_and_tell(ctl, &import, option_given(arguments, "write"));
}
