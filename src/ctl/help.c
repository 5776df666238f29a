#include "ctl/help.h"

#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"

/* ---- for people ---- */

/* `-c, --config FILE`. */
static void format_option(const struct command_option *row, char *text, size_t size)
{
    char letter[5] = "    ";

    if (row->letter != '\0') {
        (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    }
    (void)snprintf(text, size, "%s--%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : "");
}

static void print_options(const struct command_option *rows)
{
    char text[80];
    int width = 0;

    for (const struct command_option *row = rows; row->name; row++) {
        format_option(row, text, sizeof(text));
        width = (int)strlen(text) > width ? (int)strlen(text) : width;
    }
    for (const struct command_option *row = rows; row->name; row++) {
        format_option(row, text, sizeof(text));
        ctl_print("  %-*s  %s%s\n", width, text, row->help, row->repeats ? "; may be repeated" : "");
    }
}

static void format_command(const struct command *row, char *text, size_t size)
{
    (void)snprintf(text, size, "%s%s%s", row->name, row->arguments[0] != '\0' ? " " : "", row->arguments);
}

static void print_heading(const struct ctl *ctl, const char *heading)
{
    ctl_print("\n%s%s%s\n", ctl_color(ctl, COLOR_STRONG), heading, ctl_plain(ctl));
}

void help_print(const struct ctl *ctl)
{
    const struct command *row;
    char text[80];
    int width = 0;

    ctl_print("usage: ddns53ctl [--config FILE] COMMAND [ARGUMENT]...\n"
              "Sets up and runs ddns53d, the dynamic-DNS server.\n");
    print_heading(ctl, "commands");
    for (size_t i = 0; (row = command_at(i)); i++) {
        format_command(row, text, sizeof(text));
        width = (int)strlen(text) > width ? (int)strlen(text) : width;
    }
    for (size_t i = 0; (row = command_at(i)); i++) {
        format_command(row, text, sizeof(text));
        ctl_print("  %-*s  %s\n", width, text, row->summary);
    }
    print_heading(ctl, "options of all commands");
    print_options(common_option_rows);
    ctl_print("\n\"ddns53ctl COMMAND --help\" tells more of a command; ddns53ctl(8) has an example of each.\n");
}

static void print_exits(const struct command *command)
{
    for (const struct command_exit *row = command->exits; row && row->help; row++) {
        ctl_print("  %-3d  %s\n", row->status, row->help);
    }
    if (!command->exits) {
        ctl_print("  %-3d  %s\n", EXIT_FINE, exit_status_help(EXIT_FINE));
        ctl_print("  %-3d  %s\n", EXIT_FAILED, exit_status_help(EXIT_FAILED));
    }
    ctl_print("  64 and more: as ddns53ctl(8) has them for all commands\n");
}

void help_print_command(const struct ctl *ctl, const struct command *command)
{
    char text[80];

    format_command(command, text, sizeof(text));
    ctl_print("usage: ddns53ctl %s%s\n%s\n", text, command->options ? " [OPTION]..." : "", command->summary);
    if (command->description) {
        ctl_print("\n%s\n", command->description);
    }
    if (command->options) {
        print_heading(ctl, "options");
        print_options(command->options);
    }
    print_heading(ctl, "options of all commands");
    print_options(common_option_rows);
    print_heading(ctl, "exit status");
    print_exits(command);
    print_heading(ctl, "example");
    ctl_print("  %s\n", command->example);
}

/* ---- for programs ---- */

static json_t *option_as_json(const struct command_option *row)
{
    char letter[2] = {row->letter, '\0'};

    return json_pack("{s:s, s:s*, s:s*, s:s, s:b}", "name", row->name, "letter", row->letter != '\0' ? letter : NULL,
                     "value", row->value, "help", row->help, "repeats", (int)row->repeats);
}

static json_t *options_as_json(const struct command_option *rows)
{
    json_t *array = json_array();

    for (const struct command_option *row = rows; row && row->name; row++) {
        if (json_array_append_new(array, option_as_json(row)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *exits_as_json(const struct command *command)
{
    json_t *array = json_array();

    for (const struct command_exit *row = command->exits; row && row->help; row++) {
        if (json_array_append_new(array, json_pack("{s:i, s:s}", "status", row->status, "help", row->help)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *command_as_json(const struct command *row)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "name", row->name, "arguments", row->arguments, "summary",
                     row->summary, "example", row->example, "json", (int)row->has_json, "options",
                     options_as_json(row->options), "exit_statuses", exits_as_json(row));
}

static json_t *statuses_as_json(void)
{
    json_t *array = json_array();

    for (int status = 0; status < 128; status++) {
        const char *help = exit_status_help(status);
        if (help && json_array_append_new(array, json_pack("{s:i, s:s}", "status", status, "help", help)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

int help_print_json(void)
{
    const struct command *row;
    json_t *commands = json_array();

    for (size_t i = 0; (row = command_at(i)); i++) {
        if (json_array_append_new(commands, command_as_json(row)) < 0) {
            json_decref(commands);
            commands = NULL;
            break;
        }
    }
    return ctl_print_json(json_pack("{s:o, s:o, s:o}", "commands", commands, "options",
                                    options_as_json(common_option_rows), "exit_statuses", statuses_as_json()));
}
