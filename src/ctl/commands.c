#include "ctl/commands.h"

#include <string.h>

/* In the order of --help. A file adds its line below its heading, here and in commands.h. */
static const struct command *const families[] = {
    /* setting up */
    commands_init,
    commands_check,

    /* hosts and devices */
    commands_client,

    /* hosts.yaml */
    commands_add,
    commands_edit,
    commands_import,

    /* the running daemon */
    commands_list,
    commands_show,
    commands_why,
    commands_daemon,
    commands_certificate,
    commands_plan,
    commands_zone,

    /* the tool itself */
    commands_completion,
};

const struct command *command_at(size_t index)
{
    for (size_t family = 0; family < ELEMENTS(families); family++) {
        for (const struct command *row = families[family]; row->name; row++, index--) {
            if (index == 0) {
                return row;
            }
        }
    }
    return NULL;
}

/* Does the name, of one word or two, begin the words? Returns how many words it has, 0: no. */
static size_t name_matches(const char *name, char *const *words, size_t count)
{
    const char *space = strchr(name, ' ');
    size_t first = space ? (size_t)(space - name) : strlen(name);

    if (count == 0 || strlen(words[0]) != first || strncmp(words[0], name, first) != 0) {
        return 0;
    }
    if (!space) {
        return 1;
    }
    return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

const struct command *command_find(char *const *words, size_t count, size_t *ret_used)
{
    const struct command *row;

    for (size_t i = 0; (row = command_at(i)); i++) {
        size_t used = name_matches(row->name, words, count);
        if (used > 0) {
            *ret_used = used;
            return row;
        }
    }
    return NULL;
}
