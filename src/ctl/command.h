/*
 * A command of ddns53ctl is a row of a table: its name, arguments and options with what they mean, an example, its exit
 * status, and the function that does it. The rows feed the dispatcher, --help, the completion of three shells, and the
 * test that ddns53ctl(8) has them all. Each family of commands has its rows in a file of its own; commands.c gathers them.
 * Rows are constants. Main thread only.
 */
#ifndef DDNS53_CTL_COMMAND_H
#define DDNS53_CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct ctl;
struct arguments;

/* How a shell completes a word. */
enum completion { COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_FOLDER, COMPLETE_HOST, COMPLETE_WORDS };

struct command_option {
    const char *name;  /* without its dashes; NULL ends the rows */
    char letter;       /* '\0': none */
    const char *value; /* what --help calls the value, such as "SECONDS"; NULL: the option has none */
    const char *help;  /* a phrase; ddns53ctl(8) says more */
    enum completion completion;
    const char *const *words; /* of COMPLETE_WORDS, ends with NULL */
    bool repeats;             /* may be given more than once; otherwise that is refused */
};

/* A status that means something of its own for a command; see enum exit_status in ctl.h for those of all. */
struct command_exit {
    int status;
    const char *help; /* NULL ends the rows */
};

struct command {
    const char *name;                     /* "add", "zone list"; NULL ends the rows */
    const char *arguments;                /* "HOST ADDRESS", "[HOST]", "HOST KEY=VALUE..."; "": none */
    unsigned least;                       /* how many arguments */
    unsigned most;                        /* COMMAND_ANY: no limit */
    const char *summary;                  /* a phrase */
    const char *description;              /* what --help says below; NULL: nothing more */
    const struct command_option *options; /* NULL: none but those of all commands */
    const struct command_exit *exits;     /* NULL: those of all commands */
    const char *example;                  /* a whole command line that stands in ddns53ctl(8) */
    enum completion completion;           /* of the arguments */
    const char *const *words;             /* of COMPLETE_WORDS, ends with NULL */
    bool has_json;                        /* knows --json */
    /* The exit status. Output goes through ctl.h. */
    int (*run)(struct ctl *ctl, const struct arguments *arguments);
};

#define COMMAND_ANY 0xffffU

/* ---- what was given, for `run` ---- */

/* Borrowed, as are all texts: they are those of main. NULL past the end. */
const char *argument_at(const struct arguments *arguments, size_t index);
size_t argument_count(const struct arguments *arguments);

/* `name` must be in the row's options; another one aborts. */
bool option_given(const struct arguments *arguments, const char *name);
/* Of the last one given; NULL: not given. */
const char *option_value(const struct arguments *arguments, const char *name);
/* Of the one with that index, for those that repeat; NULL past the end. */
const char *option_value_at(const struct arguments *arguments, const char *name, size_t index);

/* ---- for the dispatcher ---- */

/* Options that stand before or behind any command. */
struct common_options {
    const char *config; /* NULL: not given */
    bool json;
    bool help;
    bool version;
};
/* Their rows, for help and completion. */
extern const struct command_option common_option_rows[];

/* Reads the command line. 0, or -EINVAL once what is wrong was said; -ENOMEM. No command at all: `ret_command` is NULL
 * and so are the arguments. The caller frees those. */
int command_parse(int argc, char **argv, struct common_options *ret_common, const struct command **ret_command,
                  struct arguments **ret_arguments);
void arguments_free(struct arguments *arguments);
DEFINE_CLEANUP(struct arguments *, arguments_free)

#endif
