/* Completion for bash, zsh and fish, made from the rows of all commands. Names of hosts come from hosts.yaml, by
 * "ddns53ctl completion hosts", which says nothing where that cannot be read. */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"

#define HOSTS_MAX 1000 /* more than that nobody chooses from */

static int run_completion(struct ctl *ctl, const struct arguments *arguments);

static const char *const kinds[] = {"bash", "zsh", "fish", "hosts", NULL};

const struct command commands_completion[] = {
    {
        .name = "completion",
        .arguments = "SHELL [PREFIX]",
        .least = 1,
        .most = 2,
        .summary = "prints the completion of a shell: bash, zsh or fish",
        .description = "Packages install it. By hand, in bash: source <(ddns53ctl completion bash)\n"
                       "In place of a shell, hosts prints the names in hosts.yaml that begin with PREFIX.",
        .example = "ddns53ctl completion bash",
        .completion = COMPLETE_WORDS,
        .words = kinds,
        .run = run_completion,
    },
    {.name = NULL},
};

/* ---- what the three have in common ---- */

static void print_quoted(const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            ctl_print("%s", escaped);
        } else {
            ctl_print("%c", *text);
        }
    }
}

static bool is_two_words(const struct command *row)
{
    return strchr(row->name, ' ') != NULL;
}

/* Is `row` the first whose name has that first word? */
static bool is_first_of_its_word(const struct command *row)
{
    size_t length = strcspn(row->name, " ");
    const struct command *other;

    for (size_t i = 0; (other = command_at(i)) && other != row; i++) {
        if (strcspn(other->name, " ") == length && strncmp(other->name, row->name, length) == 0) {
            return false;
        }
    }
    return true;
}

static void print_first_words(const char *between)
{
    const struct command *row;

    for (size_t i = 0; (row = command_at(i)); i++) {
        if (is_first_of_its_word(row)) {
            ctl_print("%s%.*s", i > 0 ? between : "", (int)strcspn(row->name, " "), row->name);
        }
    }
}

/* The first words of names of two, each once: `zone|key`. "" where there are none. */
static void print_words_of_two(const char *between)
{
    const struct command *row;
    bool is_next = false;

    for (size_t i = 0; (row = command_at(i)); i++) {
        if (is_two_words(row) && is_first_of_its_word(row)) {
            ctl_print("%s%.*s", is_next ? between : "", (int)strcspn(row->name, " "), row->name);
            is_next = true;
        }
    }
}

static void print_words(const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        ctl_print("%s%s", i > 0 ? " " : "", words[i]);
    }
}

/* ---- bash ---- */

static const char bash_begin[] = "# bash completion of ddns53ctl, made by \"ddns53ctl completion bash\"\n"
                                 "_ddns53ctl() {\n"
                                 "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} "
                                 "command='' i words='' config=()\n"
                                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                                 "        case ${COMP_WORDS[i]} in\n"
                                 "        -c | --config) config=(-c \"${COMP_WORDS[++i]}\") ;;\n"
                                 "        -*) ;;\n"
                                 "        *)\n"
                                 "            command=${command:+$command }${COMP_WORDS[i]}\n"
                                 "            case $command in\n"
                                 "            '";
static const char bash_middle[] =
    "') ;;\n"
    "            *) break ;;\n"
    "            esac\n"
    "            ;;\n"
    "        esac\n"
    "    done\n"
    "    case $command:$previous in\n"
    "    *:-c | *:--config) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n";

static void print_bash_values(const struct command *row, const struct command_option *option)
{
    ctl_print("    '%s:--%s'", row->name, option->name);
    if (option->letter != '\0') {
        ctl_print(" | '%s:-%c'", row->name, option->letter);
    }
    ctl_print(") ");
    switch (option->completion) {
    case COMPLETE_FILE: ctl_print("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\")"); break;
    case COMPLETE_FOLDER:
        ctl_print("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\")");
        break;
    case COMPLETE_HOST:
        ctl_print("mapfile -t COMPREPLY < <(ddns53ctl \"${config[@]}\" completion hosts \"$current\" 2>/dev/null)");
        break;
    case COMPLETE_WORDS:
        ctl_print("mapfile -t COMPREPLY < <(compgen -W '");
        print_words(option->words);
        ctl_print("' -- \"$current\")");
        break;
    default: ctl_print("COMPREPLY=()"); break;
    }
    ctl_print("; return ;;\n");
}

static void print_bash_command(const struct command *row)
{
    ctl_print("    '%s')\n        words='", row->name);
    if (row->completion == COMPLETE_WORDS) {
        print_words(row->words);
    }
    for (const struct command_option *option = row->options; option && option->name; option++) {
        ctl_print(" --%s", option->name);
    }
    ctl_print("'\n");
    if (row->completion == COMPLETE_HOST) {
        ctl_print("        [[ $current = -* ]] ||\n"
                  "            words+=\" $(ddns53ctl \"${config[@]}\" completion hosts \"$current\" 2>/dev/null)\"\n");
    } else if (row->completion == COMPLETE_FILE) {
        ctl_print("        [[ $current = -* ]] || { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "
                  "\"$current\"); return; }\n");
    }
    ctl_print("        ;;\n");
}

/* The second words of the commands whose names begin with the word of `first`. */
static void print_second_words(const struct command *first)
{
    size_t length = strcspn(first->name, " ") + 1;
    const struct command *row;
    bool is_next = false;

    for (size_t i = 0; (row = command_at(i)); i++) {
        if (strncmp(row->name, first->name, length) == 0) {
            ctl_print("%s%s", is_next ? " " : "", row->name + length);
            is_next = true;
        }
    }
}

static void print_bash(void)
{
    const struct command *row;

    ctl_print("%s", bash_begin);
    print_words_of_two("' | '");
    ctl_print("%s", bash_middle);
    for (size_t i = 0; (row = command_at(i)); i++) {
        for (const struct command_option *option = row->options; option && option->name; option++) {
            if (option->value) {
                print_bash_values(row, option);
            }
        }
    }
    ctl_print("    esac\n    case $command in\n    '') words='");
    print_first_words(" ");
    ctl_print("' ;;\n");
    for (size_t i = 0; (row = command_at(i)); i++) {
        if (is_two_words(row) && is_first_of_its_word(row)) {
            ctl_print("    '%.*s') words='", (int)strcspn(row->name, " "), row->name);
            print_second_words(row);
            ctl_print("' ;;\n");
        }
        print_bash_command(row);
    }
    ctl_print("    esac\n    [[ $current != -* ]] || words+='");
    for (const struct command_option *option = common_option_rows; option->name; option++) {
        ctl_print(" --%s", option->name);
    }
    ctl_print("'\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n}\ncomplete -F _ddns53ctl "
              "ddns53ctl\n");
}

/* ---- zsh ---- */

/* In single quotes; `special` characters get a backslash in front. */
static void print_zsh_text(const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            ctl_print("'\\''");
        } else {
            ctl_print("%s%c", strchr(special, *text) ? "\\" : "", *text);
        }
    }
}

static void print_zsh_action(enum completion completion, const char *const *words)
{
    switch (completion) {
    case COMPLETE_FILE: ctl_print("_files"); break;
    case COMPLETE_FOLDER: ctl_print("_files -/"); break;
    case COMPLETE_HOST: ctl_print("_ddns53ctl_hosts"); break;
    case COMPLETE_WORDS:
        ctl_print("(");
        print_words(words);
        ctl_print(")");
        break;
    default: ctl_print(" "); break;
    }
}

static void print_zsh_option(const struct command_option *option)
{
    char letter[3] = {'-', option->letter, '\0'};

    for (int form = 0; form < (option->letter != '\0' ? 2 : 1); form++) {
        ctl_print("            '%s%s%s%s[", option->repeats ? "*" : "", form == 0 ? "--" : "",
                  form == 0 ? option->name : letter, option->value ? (form == 0 ? "=" : "+") : "");
        print_zsh_text(option->help, "[]:\\");
        ctl_print("]");
        if (option->value) {
            ctl_print(":%s:", option->value);
            print_zsh_action(option->completion, option->words);
        }
        ctl_print("' \\\n");
    }
}

static void print_zsh_options(const struct command_option *rows)
{
    for (const struct command_option *option = rows; option && option->name; option++) {
        print_zsh_option(option);
    }
}

static void print_zsh_described(const char *name, size_t length, const char *summary)
{
    ctl_print("            '%.*s:", (int)length, name);
    print_zsh_text(summary, ":\\");
    ctl_print("'\n");
}

/* What follows `word` ("" at the beginning): each word once, with what it does. */
static void print_zsh_words(const char *word, size_t length)
{
    const struct command *row;

    ctl_print("        list=(\n");
    for (size_t i = 0; (row = command_at(i)); i++) {
        if (length == 0 && is_first_of_its_word(row)) {
            print_zsh_described(row->name, strcspn(row->name, " "), row->summary);
        } else if (length > 0 && strncmp(row->name, word, length) == 0 && row->name[length] == ' ') {
            print_zsh_described(row->name + length + 1, strlen(row->name + length + 1), row->summary);
        }
    }
    ctl_print("        )\n        _describe command list\n");
}

static const char zsh_begin[] = "#compdef ddns53ctl\n"
                                "# zsh completion of ddns53ctl, made by \"ddns53ctl completion zsh\"\n"
                                "_ddns53ctl_hosts() {\n"
                                "    local -a names\n"
                                "    names=(${(f)\"$(ddns53ctl $config completion hosts \"$PREFIX\" 2>/dev/null)\"})\n"
                                "    compadd -a names\n"
                                "}\n"
                                "_ddns53ctl() {\n"
                                "    local command='' i used=0\n"
                                "    local -a list config\n"
                                "    for ((i = 2; i < CURRENT; i++)); do\n"
                                "        case ${words[i]} in\n"
                                "        -c | --config) config=(-c \"${words[++i]}\") ;;\n"
                                "        -*) ;;\n"
                                "        *)\n"
                                "            command=${command:+$command }${words[i]}\n"
                                "            used=$((i - 1))\n"
                                "            case $command in\n"
                                "            '";

static void print_zsh(void)
{
    const struct command *row;

    ctl_print("%s", zsh_begin);
    print_words_of_two("' | '");
    ctl_print("') ;;\n            *) break ;;\n            esac\n            ;;\n        esac\n    done\n"
              "    shift $used words\n    ((CURRENT -= used))\n    case $command in\n    '')\n");
    ctl_print(
        "        if [[ $PREFIX = -* || ${words[CURRENT - 1]} = (-c|--config) ]]; then\n            _arguments \\\n");
    print_zsh_options(common_option_rows);
    ctl_print("            && return\n        fi\n");
    print_zsh_words("", 0);
    ctl_print("        ;;\n");
    for (size_t i = 0; (row = command_at(i)); i++) {
        if (is_two_words(row) && is_first_of_its_word(row)) {
            ctl_print("    '%.*s')\n", (int)strcspn(row->name, " "), row->name);
            print_zsh_words(row->name, strcspn(row->name, " "));
            ctl_print("        ;;\n");
        }
        ctl_print("    '%s')\n        _arguments \\\n", row->name);
        print_zsh_options(row->options);
        print_zsh_options(common_option_rows);
        ctl_print("            '*:%s:", row->arguments[0] != '\0' ? row->arguments : "no argument");
        print_zsh_action(row->completion, row->words);
        ctl_print("'\n        ;;\n");
    }
    ctl_print(
        "    esac\n}\ncompdef _ddns53ctl ddns53ctl 2>/dev/null\n[[ ${funcstack[1]} != _ddns53ctl ]] || _ddns53ctl\n");
}

/* ---- fish ---- */

static void print_fish_option(const char *command, const struct command_option *option)
{
    ctl_print("complete -c ddns53ctl -n '__ddns53ctl_in \"%s\"' -l %s", command, option->name);
    if (option->letter != '\0') {
        ctl_print(" -s %c", option->letter);
    }
    if (option->value) {
        ctl_print(option->completion == COMPLETE_FILE || option->completion == COMPLETE_FOLDER ? " -r -F" : " -x");
    }
    if (option->completion == COMPLETE_WORDS) {
        ctl_print(" -a '");
        print_words(option->words);
        ctl_print("'");
    } else if (option->completion == COMPLETE_HOST) {
        ctl_print(" -a '(__ddns53ctl_hosts)'");
    }
    ctl_print(" -d '");
    print_quoted(option->help, "\\'");
    ctl_print("'\n");
}

static const char fish_begin[] = "# fish completion of ddns53ctl, made by \"ddns53ctl completion fish\"\n"
                                 "function __ddns53ctl_words\n"
                                 "    set -l words (commandline -opc)\n"
                                 "    set -e words[1]\n"
                                 "    set -l skip 0\n"
                                 "    for word in $words\n"
                                 "        if test $skip = 1\n"
                                 "            set skip 0\n"
                                 "        else if contains -- $word -c --config\n"
                                 "            set skip 1\n"
                                 "        else if not string match -q -- '-*' $word\n"
                                 "            echo $word\n"
                                 "        end\n"
                                 "    end\n"
                                 "end\n"
                                 "function __ddns53ctl_at\n" /* the command so far is exactly that */
                                 "    set -l words (__ddns53ctl_words)\n"
                                 "    test \"$words\" = \"$argv[1]\"\n"
                                 "end\n"
                                 "function __ddns53ctl_in\n" /* the command is that, whatever follows */
                                 "    set -l words (__ddns53ctl_words)\n"
                                 "    test \"$argv[1]\" = ''; or string match -q -- \"$argv[1] *\" \"$words \"\n"
                                 "end\n"
                                 "function __ddns53ctl_hosts\n"
                                 "    set -l words (commandline -opc)\n"
                                 "    set -l config\n"
                                 "    for i in (seq 2 (count $words))\n"
                                 "        if contains -- $words[$i] -c --config\n"
                                 "            set config -c $words[(math $i + 1)]\n"
                                 "        end\n"
                                 "    end\n"
                                 "    ddns53ctl $config completion hosts (commandline -ct) 2>/dev/null\n"
                                 "end\n"
                                 "complete -c ddns53ctl -f\n";

static void print_fish_word(const char *behind, size_t behind_length, const struct command *row, const char *word,
                            size_t length)
{
    ctl_print("complete -c ddns53ctl -n '__ddns53ctl_at \"%.*s\"' -a %.*s -d '", (int)behind_length, behind,
              (int)length, word);
    print_quoted(row->summary, "\\'");
    ctl_print("'\n");
}

static void print_fish_arguments(const struct command *row)
{
    switch (row->completion) {
    case COMPLETE_WORDS:
        ctl_print("complete -c ddns53ctl -n '__ddns53ctl_at \"%s\"' -a '", row->name);
        print_words(row->words);
        ctl_print("'\n");
        break;
    case COMPLETE_HOST:
        ctl_print("complete -c ddns53ctl -n '__ddns53ctl_in \"%s\"' -a '(__ddns53ctl_hosts)'\n", row->name);
        break;
    case COMPLETE_FILE: ctl_print("complete -c ddns53ctl -n '__ddns53ctl_in \"%s\"' -F\n", row->name); break;
    default: break;
    }
}

static void print_fish(void)
{
    const struct command *row;

    ctl_print("%s", fish_begin);
    for (const struct command_option *option = common_option_rows; option->name; option++) {
        print_fish_option("", option);
    }
    for (size_t i = 0; (row = command_at(i)); i++) {
        size_t first = strcspn(row->name, " ");
        if (is_first_of_its_word(row)) {
            print_fish_word("", 0, row, row->name, first);
        }
        if (is_two_words(row)) {
            print_fish_word(row->name, first, row, row->name + first + 1, strlen(row->name + first + 1));
        }
        print_fish_arguments(row);
        for (const struct command_option *option = row->options; option && option->name; option++) {
            print_fish_option(row->name, option);
        }
    }
}

/* ---- hosts ---- */

/* Silent: whoever completes a word does not want to read about a file. */
static void print_hosts(const char *config, const char *prefix)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(hosts_unrefp) struct hosts *hosts = NULL;
    size_t printed = 0;

    if (!problems || settings_load(config, problems, &settings) < 0 ||
        hosts_load(settings->hosts_file, settings, NULL, problems, &hosts) < 0) {
        return;
    }
    for (size_t i = 0; i < hosts_count(hosts) && printed < HOSTS_MAX; i++) {
        const char *name = hosts_at(hosts, i)->hostname;
        if (strncasecmp(name, prefix, strlen(prefix)) == 0) {
            ctl_print("%.*s\n", (int)strlen(name) - 1, name); /* as people type it, without the final dot */
            printed++;
        }
    }
}

static int run_completion(struct ctl *ctl, const struct arguments *arguments)
{
    const char *kind = argument_at(arguments, 0);
    const char *prefix = argument_at(arguments, 1);

    if (strcmp(kind, "hosts") == 0) {
        print_hosts(ctl->config, prefix ? prefix : "");
    } else if (strcmp(kind, "bash") == 0) {
        print_bash();
    } else if (strcmp(kind, "zsh") == 0) {
        print_zsh();
    } else if (strcmp(kind, "fish") == 0) {
        print_fish();
    } else {
        ctl_error("%s: name one of bash, zsh and fish", kind);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}
