/* All commands of ddns53ctl, gathered from the files that have their rows. See command.h. */
#ifndef DDNS53_CTL_COMMANDS_H
#define DDNS53_CTL_COMMANDS_H

#include "ctl/command.h"

/* ---- the rows of each file, in the order in which --help shows them; a row without a name ends them ---- */

/* setting up */
extern const struct command commands_init[];
extern const struct command commands_check[];

/* hosts and devices */
extern const struct command commands_client[];

/* hosts.yaml */
extern const struct command commands_add[];
extern const struct command commands_edit[];
extern const struct command commands_import[];

/* the running daemon */
extern const struct command commands_list[];
extern const struct command commands_show[];
extern const struct command commands_why[];
extern const struct command commands_daemon[];
extern const struct command commands_certificate[];
extern const struct command commands_plan[];
extern const struct command commands_zone[];

/* the tool itself */
extern const struct command commands_completion[];

/* ---- all of them ---- */

/* The command with that index, NULL past the end. */
const struct command *command_at(size_t index);

/* The command that the words begin with, and how many words its name has (1 or 2). NULL: there is none. */
const struct command *command_find(char *const *words, size_t count, size_t *ret_used);

#endif
