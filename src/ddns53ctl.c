/* ddns53ctl, the operator's tool: the command line and exit statuses; src/ctl/ does the rest. */
#include <errno.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/standard_files.h"
#include "ctl/command.h"
#include "ctl/ctl.h"
#include "ctl/help.h"

static int run(struct ctl *ctl, const struct common_options *common, const struct command *command,
               const struct arguments *arguments)
{
    if (common->version) {
        ctl_print("ddns53ctl " PACKAGE_VERSION "\n");
        return EXIT_FINE;
    }
    if (common->help && command) {
        help_print_command(ctl, command);
        return EXIT_FINE;
    }
    if (common->help) {
        if (common->json) {
            return help_print_json();
        }
        help_print(ctl);
        return EXIT_FINE;
    }
    if (!command) {
        ctl_error("name a command; \"ddns53ctl --help\" lists them");
        return EXIT_USAGE;
    }
    ctl->command = command;
    return command->run(ctl, arguments);
}

int main(int argc, char **argv)
{
    _cleanup_(arguments_freep) struct arguments *arguments = NULL;
    const struct command *command;
    struct common_options common;
    struct ctl ctl;

    memory_hide();
    standard_files_hold();
    log_init(LOG_LEVEL_ERROR);
    if (crypto_init() < 0) {
        ctl_error("libsodium cannot be initialised; is there a source of random numbers?");
        return EXIT_NO_MEMORY;
    }
    int r = command_parse(argc, argv, &common, &command, &arguments);
    if (r < 0) {
        return r == -ENOMEM ? ctl_no_memory() : EXIT_USAGE;
    }
    ctl_init(&ctl, &common);
    int status = run(&ctl, &common, command, arguments);
    ctl_done(&ctl);
    return standard_output_finish("ddns53ctl") < 0 ? EXIT_OUTPUT : status;
}
