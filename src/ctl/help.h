/* --help of ddns53ctl and of each command, made from the rows of command.h. To standard output. */
#ifndef DDNS53_CTL_HELP_H
#define DDNS53_CTL_HELP_H

#include "ctl/ctl.h"

/* The overview. */
void help_print(const struct ctl *ctl);
void help_print_command(const struct ctl *ctl, const struct command *command);
/* The same for programs: all commands, their options and their exit statuses. The exit status. */
int help_print_json(void);

#endif
