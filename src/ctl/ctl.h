/*
 * What every command of ddns53ctl works with: where the settings are, how to print, and the two files, which are loaded
 * when a command first asks for them. Data goes to standard output through ctl_print and ctl_print_json (tables:
 * grid.h), what is wrong to standard error through ctl_error, in one line that says what to do. Main thread only.
 */
#ifndef DDNS53_CTL_CTL_H
#define DDNS53_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <sysexits.h>

#include "base/problems.h"
#include "config/hosts.h"
#include "config/settings.h"
#include "ctl/command.h"

/* What ddns53ctl ends with. Commands that mean something else by 1 and 2 say so in their rows. */
enum exit_status {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,                 /* the command could not do it, and said why */
    EXIT_WARNED = 1,                 /* check, plan: something is not as it should be */
    EXIT_BROKEN = 2,                 /* check: something does not work */
    EXIT_USAGE = EX_USAGE,           /* 64: the command line is wrong */
    EXIT_UNKNOWN = EX_NOINPUT,       /* 66: no such host, zone or file */
    EXIT_NO_DAEMON = EX_UNAVAILABLE, /* 69: the daemon does not run, or does not answer */
    EXIT_NO_MEMORY = EX_OSERR,       /* 71 */
    EXIT_EXISTS = EX_CANTCREAT,      /* 73: a file is there already, or cannot be written */
    EXIT_OUTPUT = EX_IOERR,          /* 74: standard output cannot be written */
    EXIT_AGAIN = EX_TEMPFAIL,        /* 75: somebody else is at it: try again */
    EXIT_FORBIDDEN = EX_NOPERM,      /* 77: this user may not */
    EXIT_SETTINGS = EX_CONFIG,       /* 78: ddns53d.yaml or hosts.yaml is wrong */
};

/* What the statuses of all commands mean; NULL: no such status. */
const char *exit_status_help(int status);

struct ctl {
    const char *config;            /* path of ddns53d.yaml */
    const struct command *command; /* the one that runs; for messages */
    struct settings *settings;     /* see ctl_settings; NULL: not loaded yet */
    struct hosts *hosts;
    struct caller *caller; /* see ctl/call.h; NULL: nothing was asked yet */
    bool is_config_given;  /* by -c */
    bool is_json;
    bool is_colored;  /* standard output is a terminal, and NO_COLOR is not set */
    bool is_terminal; /* standard input and output are: somebody can be asked */
};

void ctl_init(struct ctl *ctl, const struct common_options *common);
void ctl_done(struct ctl *ctl);

/* ---- the two files ---- */

/* Loaded at the first call. 0, or the exit status after everything that is wrong was said; warnings are not. Borrowed until
 * ctl_done. */
int ctl_settings(struct ctl *ctl, const struct settings **ret_settings);
int ctl_hosts(struct ctl *ctl, const struct hosts **ret_hosts);
/* After an edit: the next call loads them again. */
void ctl_forget_files(struct ctl *ctl);
/* The rows of a host, by a name as a person types it (any case, without the final dot). EXIT_UNKNOWN after having said
 * so. */
int ctl_host(struct ctl *ctl, const char *text, const struct host **ret_host);
/* A hostname as a person types it. EXIT_USAGE after having said what is wrong. */
int ctl_name(struct ctl *ctl, const char *text, struct name *ret_name);

/* ---- what is printed ---- */

enum color { COLOR_NONE, COLOR_GOOD, COLOR_WARN, COLOR_BAD, COLOR_DIM, COLOR_STRONG };
/* What switches a colour on, and all of them off again; "" where nothing is coloured. */
const char *ctl_color(const struct ctl *ctl, enum color color);
const char *ctl_plain(const struct ctl *ctl);

/* To standard output. Text from files and from the network goes through buffer_append_escaped first. */
void ctl_print(const char *format, ...) _printf_(1, 2);
/* Takes the value; indented, keys in the order in which they were set. EXIT_FINE, EXIT_NO_MEMORY where it is NULL. */
int ctl_print_json(json_t *value);

/* To standard error, as `ddns53ctl: message`: the thing first, what is wrong, what to do. */
void ctl_error(const char *format, ...) _printf_(1, 2);
/* The same as `ddns53ctl: warning: message`. */
void ctl_warning(const char *format, ...) _printf_(1, 2);
/* Every warning and every error of a file, as they are. */
void ctl_tell_problems(const struct problems *problems);
/* Says so; EXIT_NO_MEMORY. */
int ctl_no_memory(void);

#endif
