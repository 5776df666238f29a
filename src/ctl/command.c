#include "ctl/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"

const struct command_option common_option_rows[] = {
    {.name = "config",
     .letter = 'c',
     .value = "FILE",
     .help = "the settings (default " SYSCONFDIR "/ddns53/ddns53d.yaml)",
     .completion = COMPLETE_FILE},
    {.name = "json", .help = "print data as JSON"},
    {.name = "help", .letter = 'h', .help = "print help, of the command where one is named"},
    {.name = "version", .help = "print the version"},
    {.name = NULL},
};
enum { COMMON_CONFIG, COMMON_JSON, COMMON_HELP, COMMON_VERSION, COMMON_COUNT };

struct given {
    const struct command_option *option;
    const char *value;
};

struct arguments {
    const struct command *command;
    char *const *words;
    size_t word_count;
    struct given *given; /* in the order of the command line */
    size_t given_count;
};

void arguments_free(struct arguments *arguments)
{
    if (arguments) {
        free(arguments->given);
    }
    free(arguments);
}

/* ---- what was given ---- */

const char *argument_at(const struct arguments *arguments, size_t index)
{
    return index < arguments->word_count ? arguments->words[index] : NULL;
}

size_t argument_count(const struct arguments *arguments)
{
    return arguments->word_count;
}

static size_t option_count(const struct command_option *rows)
{
    size_t count = 0;

    while (rows && rows[count].name) {
        count++;
    }
    return count;
}

/* A name that no row has is a slip in a command, which every use of it shows. */
static const struct command_option *row_of(const struct arguments *arguments, const char *name)
{
    const struct command_option *row = arguments->command ? arguments->command->options : NULL;

    for (; row && row->name; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    abort();
}

const char *option_value_at(const struct arguments *arguments, const char *name, size_t index)
{
    const struct command_option *row = row_of(arguments, name);

    for (size_t i = 0; i < arguments->given_count; i++) {
        if (arguments->given[i].option == row && index-- == 0) {
            return arguments->given[i].value;
        }
    }
    return NULL;
}

const char *option_value(const struct arguments *arguments, const char *name)
{
    return option_value_at(arguments, name, 0);
}

bool option_given(const struct arguments *arguments, const char *name)
{
    const struct command_option *row = row_of(arguments, name);

    for (size_t i = 0; i < arguments->given_count; i++) {
        if (arguments->given[i].option == row) {
            return true;
        }
    }
    return false;
}

/* ---- reading the command line ---- */

/* What getopt_long is told: the common options, then those of the command. The index into `rows` comes back as `val`
 * behind the letters. */
struct grammar {
    const struct command_option **rows;
    struct option *options;
    char *letters;
    size_t count;
};
enum { FIRST_LONG = 256 };

static void grammar_done(struct grammar *grammar)
{
    free(grammar->rows);
    free(grammar->options);
    free(grammar->letters);
}

static int grammar_init(struct grammar *grammar, const struct command *command)
{
    size_t own = command ? option_count(command->options) : 0;
    size_t count = COMMON_COUNT + own;
    char *letter;

    *grammar = (struct grammar){
        .rows = calloc(count, sizeof(*grammar->rows)),
        .options = calloc(count + 1, sizeof(*grammar->options)),
        .letters = malloc(2 * count + 3),
        .count = count,
    };
    if (!grammar->rows || !grammar->options || !grammar->letters) {
        return -ENOMEM;
    }
    letter = grammar->letters;
    /* "+": options in front of the command are read up to the command; ":": we say what is wrong. */
    if (!command) {
        *letter++ = '+';
    }
    *letter++ = ':';
    for (size_t i = 0; i < count; i++) {
        const struct command_option *row =
            i < COMMON_COUNT ? &common_option_rows[i] : &command->options[i - COMMON_COUNT];
        grammar->rows[i] = row;
        grammar->options[i] =
            (struct option){row->name, row->value ? required_argument : no_argument, NULL, FIRST_LONG + (int)i};
        if (row->letter != '\0') {
            *letter++ = row->letter;
            if (row->value) {
                *letter++ = ':';
            }
        }
    }
    *letter = '\0';
    return 0;
}

/* The index of the row that getopt_long found; -1: none. */
static ptrdiff_t grammar_row(const struct grammar *grammar, int found)
{
    if (found >= FIRST_LONG) {
        return found - FIRST_LONG;
    }
    for (size_t i = 0; i < grammar->count; i++) {
        if (grammar->rows[i]->letter != '\0' && grammar->rows[i]->letter == found) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

static int wrong_option(const struct grammar *grammar, const struct command *command, int found, const char *word)
{
    const char *name = command ? command->name : "";
    const char *space = command ? " " : "";
    ptrdiff_t row = grammar_row(grammar, optopt);
    _cleanup_buffer_ struct buffer shown = BUFFER_INIT;

    buffer_append_escaped(&shown, word, strlen(word));
    if (found == ':' && row >= 0) {
        ctl_error("--%s needs its %s; see \"ddns53ctl%s%s --help\"", grammar->rows[row]->name,
                  grammar->rows[row]->value, space, name);
    } else {
        ctl_error("%s: there is no such option, or it has no value; see \"ddns53ctl%s%s --help\"", buffer_text(&shown),
                  space, name);
    }
    return -EINVAL;
}

static int take_option(const struct command_option *row, ptrdiff_t index, const char *value,
                       struct common_options *common, struct arguments *arguments)
{
    switch (index) {
    case COMMON_CONFIG: common->config = value; return 0;
    case COMMON_JSON: common->json = true; return 0;
    case COMMON_HELP: common->help = true; return 0;
    case COMMON_VERSION: common->version = true; return 0;
    default: break;
    }
    if (!row->repeats && option_given(arguments, row->name)) {
        ctl_error("--%s is given twice", row->name);
        return -EINVAL;
    }
    arguments->given[arguments->given_count++] = (struct given){row, value};
    return 0;
}

/* Options from `optind` on, up to the first word (no command yet) or all of them. `arguments` has room for argc. */
static int read_options(int argc, char **argv, const struct command *command, struct common_options *common,
                        struct arguments *arguments)
{
    _cleanup_(grammar_done) struct grammar grammar;
    int found;
    int r = grammar_init(&grammar, command);

    while (r == 0) {
        int at = optind > 0 ? optind : 1;
        found =
            getopt_long(argc, argv, grammar.letters, grammar.options, NULL); // NOLINT(concurrency-mt-unsafe): no thread
        if (found == -1) {
            break;
        }
        ptrdiff_t index = grammar_row(&grammar, found);
        if (index < 0) {
            /* getopt_long moved the words in front of the option behind it, so the option is the last that it read. */
            return wrong_option(&grammar, command, found, argv[optind > at ? optind - 1 : at]);
        }
        r = take_option(grammar.rows[index], index, optarg, common, arguments);
    }
    return r;
}

static int unknown_command(char *const *words, size_t count)
{
    _cleanup_buffer_ struct buffer shown = BUFFER_INIT;

    buffer_append_escaped(&shown, words[0], strlen(words[0]));
    /* "zone" alone, or with a word that is none of its own. */
    const struct command *row;
    for (size_t i = 0; (row = command_at(i)); i++) {
        size_t length = strlen(words[0]);
        if (strncmp(row->name, words[0], length) == 0 && row->name[length] == ' ') {
            ctl_error("%s needs one more word, such as \"%s\"; see \"ddns53ctl --help\"", words[0], row->name);
            return -EINVAL;
        }
    }
    (void)count;
    ctl_error("%s: there is no such command; see \"ddns53ctl --help\"", buffer_text(&shown));
    return -EINVAL;
}

static int check_count(const struct arguments *arguments)
{
    const struct command *command = arguments->command;
    size_t count = arguments->word_count;

    if (count >= command->least && (command->most == COMMAND_ANY || count <= command->most)) {
        return 0;
    }
    ctl_error("%s: it wants %s; see \"ddns53ctl %s --help\"", command->name,
              command->arguments[0] != '\0' ? command->arguments : "no arguments", command->name);
    return -EINVAL;
}

static int check_json(const struct common_options *common, const struct command *command)
{
    if (common->json && !common->help && !command->has_json) {
        ctl_error("%s: it prints no data, so that there is no --json", command->name);
        return -EINVAL;
    }
    return 0;
}

int command_parse(int argc, char **argv, struct common_options *ret_common, const struct command **ret_command,
                  struct arguments **ret_arguments)
{
    _cleanup_(arguments_freep) struct arguments *arguments = calloc(1, sizeof(*arguments));
    size_t used;

    *ret_common = (struct common_options){0};
    *ret_command = NULL;
    *ret_arguments = NULL;
    if (arguments) {
        arguments->given = calloc((size_t)argc + 1, sizeof(*arguments->given));
    }
    if (!arguments || !arguments->given) {
        return -ENOMEM;
    }
    optind = 0; /* begins anew, whatever was read before */
    int r = read_options(argc, argv, NULL, ret_common, arguments);
    if (r < 0 || optind >= argc) {
        return r;
    }
    const struct command *command = command_find(argv + optind, (size_t)(argc - optind), &used);
    if (!command) {
        return unknown_command(argv + optind, (size_t)(argc - optind));
    }
    arguments->command = command;
    /* getopt_long reads from index 1 on: the last word of the command's name stands for the program's. */
    int offset = optind + (int)used - 1;
    optind = 0;
    r = read_options(argc - offset, argv + offset, command, ret_common, arguments);
    if (r == 0) {
        arguments->words = argv + offset + optind;
        arguments->word_count = (size_t)(argc - offset - optind);
    }
    if (r == 0 && !ret_common->help && !ret_common->version) {
        r = check_count(arguments);
    }
    if (r == 0) {
        r = check_json(ret_common, command);
    }
    if (r == 0) {
        *ret_command = command;
        *ret_arguments = TAKE_PTR(arguments);
    }
    return r;
}
