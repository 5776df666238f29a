#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "ctl/call.h"

void ctl_init(struct ctl *ctl, const struct common_options *common)
{
    const char *no_color = getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe): no thread yet
    const char *terminal = getenv("TERM");     // NOLINT(concurrency-mt-unsafe): no thread yet
    bool is_shown = isatty(STDOUT_FILENO) == 1;
    bool is_dumb = !terminal || strcmp(terminal, "dumb") == 0;

    *ctl = (struct ctl){
        .config = common->config ? common->config : SYSCONFDIR "/ddns53/ddns53d.yaml",
        .is_config_given = common->config != NULL,
        .is_json = common->json,
        .is_terminal = is_shown && isatty(STDIN_FILENO) == 1,
        /* https://no-color.org: set, and not empty. */
        .is_colored = is_shown && !is_dumb && !common->json && !(no_color && no_color[0] != '\0'),
    };
}

void ctl_done(struct ctl *ctl)
{
    caller_free(TAKE_PTR(ctl->caller));
    ctl_forget_files(ctl);
}

/* ---- the two files ---- */

void ctl_forget_files(struct ctl *ctl)
{
    settings_unref(TAKE_PTR(ctl->settings));
    hosts_unref(TAKE_PTR(ctl->hosts));
}

/* A command that only looks something up says nothing of what could be better: that is "check"'s to tell. */
static void tell_errors(const struct problems *problems)
{
    const char *line;

    (void)fflush(stdout);
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        (void)fprintf(stderr, "%s\n", line);
    }
}

/* Says why a file was not loaded, and returns the exit status. `problems` NULL: no memory. */
static int load_failed(const struct problems *problems, int r)
{
    if (problems) {
        tell_errors(problems);
    }
    return r == -ENOMEM ? ctl_no_memory() : EXIT_SETTINGS;
}

int ctl_settings(struct ctl *ctl, const struct settings **ret_settings)
{
    if (!ctl->settings) {
        _cleanup_(problems_freep) struct problems *problems = problems_new(ctl->config);
        int r = problems ? settings_load(ctl->config, problems, &ctl->settings) : -ENOMEM;
        if (r < 0) {
            return load_failed(problems, r);
        }
    }
    *ret_settings = ctl->settings;
    return EXIT_FINE;
}

int ctl_hosts(struct ctl *ctl, const struct hosts **ret_hosts)
{
    const struct settings *settings;
    int status = ctl_settings(ctl, &settings);

    if (status != EXIT_FINE) {
        return status;
    }
    if (!ctl->hosts) {
        _cleanup_(problems_freep) struct problems *problems = problems_new(settings->hosts_file);
        int r = problems ? hosts_load(settings->hosts_file, settings, NULL, problems, &ctl->hosts) : -ENOMEM;
        if (r < 0) {
            return load_failed(problems, r);
        }
    }
    *ret_hosts = ctl->hosts;
    return EXIT_FINE;
}

int ctl_name(struct ctl *ctl, const char *text, struct name *ret_name)
{
    const char *reason;

    (void)ctl;
    if (name_parse(text, strlen(text), ret_name, &reason) < 0) {
        _cleanup_buffer_ struct buffer shown = BUFFER_INIT;
        buffer_append_escaped(&shown, text, strlen(text));
        ctl_error("\"%s\" is no hostname: %s", buffer_text(&shown), reason);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

int ctl_host(struct ctl *ctl, const char *text, const struct host **ret_host)
{
    const struct hosts *hosts;
    struct name name;
    int status = ctl_name(ctl, text, &name);

    if (status == EXIT_FINE) {
        status = ctl_hosts(ctl, &hosts);
    }
    if (status != EXIT_FINE) {
        return status;
    }
    *ret_host = hosts_find(hosts, name.text);
    if (!*ret_host) {
        ctl_error("%s is not in %s; \"ddns53ctl list\" shows the hosts, \"ddns53ctl add %s\" makes it", name.text,
                  ctl->settings->hosts_file, name.text);
        return EXIT_UNKNOWN;
    }
    return EXIT_FINE;
}

/* ---- what is printed ---- */

const char *ctl_color(const struct ctl *ctl, enum color color)
{
    static const char *const sequences[] = {
        [COLOR_NONE] = "",        [COLOR_GOOD] = "\033[32m", [COLOR_WARN] = "\033[33m",
        [COLOR_BAD] = "\033[31m", [COLOR_DIM] = "\033[2m",   [COLOR_STRONG] = "\033[1m",
    };

    return ctl->is_colored ? sequences[color] : "";
}

const char *ctl_plain(const struct ctl *ctl)
{
    return ctl->is_colored ? "\033[0m" : "";
}

void ctl_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
}

int ctl_print_json(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_INDENT(2)) : NULL;

    json_decref(value);
    if (!text) {
        return ctl_no_memory();
    }
    (void)puts(text);
    free(text);
    return EXIT_FINE;
}

static void print_message(const char *kind, const char *format, va_list arguments) _printf_(2, 0);
static void print_message(const char *kind, const char *format, va_list arguments)
{
    (void)fflush(stdout); /* so that both stand in order where they go to one place */
    (void)fprintf(stderr, "ddns53ctl: %s", kind);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

void ctl_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_message("", format, arguments);
    va_end(arguments);
}

void ctl_warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_message("warning: ", format, arguments);
    va_end(arguments);
}

void ctl_tell_problems(const struct problems *problems)
{
    const char *line;

    (void)fflush(stdout);
    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        (void)fprintf(stderr, "warning: %s\n", line);
    }
    tell_errors(problems);
}

int ctl_no_memory(void)
{
    ctl_error("out of memory");
    return EXIT_NO_MEMORY;
}

const char *exit_status_help(int status)
{
    switch (status) {
    case EXIT_FINE: return "it is done";
    case EXIT_FAILED: return "it could not be done; standard error says why";
    case EXIT_USAGE: return "the command line is wrong";
    case EXIT_UNKNOWN: return "there is no such host, zone or file";
    case EXIT_NO_DAEMON: return "the daemon does not run, or does not answer";
    case EXIT_NO_MEMORY: return "there is no memory, or the system refuses something else that everybody needs";
    case EXIT_EXISTS: return "a file is there already, or cannot be written";
    case EXIT_OUTPUT: return "standard output cannot be written";
    case EXIT_AGAIN: return "somebody else is at it; try again";
    case EXIT_FORBIDDEN: return "this user may not do that";
    case EXIT_SETTINGS: return "ddns53d.yaml or hosts.yaml is wrong";
    default: return NULL;
    }
}
