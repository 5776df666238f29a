#include "acme/uacme.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "io/command.h"

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"
#define FOLDER_MODE 0700
#define ARGUMENTS_MAX 128 /* options, and as many names as there can be */
#define BASE_TIMEOUT_MS ((int64_t)10 * 60 * 1000)
#define NAME_TIMEOUT_MS ((int64_t)6 * 60 * 1000) /* what a challenge may take at most, and some more */

char *uacme_find(const char *path)
{
    _cleanup_free_ char *folders = strdup(path && path[0] != '\0' ? path : USUAL_PATH);
    char *rest = folders;

    for (const char *folder; rest && (folder = strsep(&rest, ":"));) {
        _cleanup_free_ char *program = folder[0] == '/' ? path_join(folder, "uacme") : NULL;
        struct stat info;
        if (program && stat(program, &info) == 0 && S_ISREG(info.st_mode) && access(program, X_OK) == 0) {
            return TAKE_PTR(program);
        }
    }
    return NULL;
}

/* ---- what went wrong ---- */

/* Let's Encrypt's words: `..., retry after 2026-11-23 10:00:00 UTC: see ...` */
static int64_t read_retry(const char *detail)
{
    static const char words[] = "retry after ";
    const char *at = strstr(detail, words);
    struct tm time = {0};

    return at && strptime(at + strlen(words), "%Y-%m-%d %H:%M:%S", &time) ? (int64_t)timegm(&time) : 0;
}

static const char *after_last(const char *text, const char *word)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) {
        found = at + strlen(word);
    }
    return found;
}

/* The last problem document of the authority (RFC 8555 section 6.7). False: there is none. */
static bool explain_problem(const char *output, struct buffer *message, enum uacme_end *ret_end, int64_t *ret_retry_s)
{
    static const char prefix[] = "urn:ietf:params:acme:error:";
    const char *document = after_last(output, "the server reported the following error:");
    json_t *problem = document ? json_loads(document, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const char *type = json_string_value(json_object_get(problem, "type"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    if (!type) {
        json_decref(problem);
        return false;
    }
    type = strncmp(type, prefix, strlen(prefix)) == 0 ? type + strlen(prefix) : type;
    buffer_printf(message, "the authority says %s: %s", type, detail ? detail : "no more than that");
    *ret_end = UACME_FAILED;
    if (strcmp(type, "rateLimited") == 0) {
        *ret_end = UACME_LIMITED;
        *ret_retry_s = detail ? read_retry(detail) : 0;
    } else if (strcmp(type, "accountDoesNotExist") == 0) {
        *ret_end = UACME_NO_ACCOUNT;
    }
    json_decref(problem);
    return true;
}

static void append_line(const char *line, struct buffer *message)
{
    static const char own[] = "uacme: ";

    line = strncmp(line, own, strlen(own)) == 0 ? line + strlen(own) : line;
    buffer_append(message, line, strcspn(line, "\n"));
}

/* The beginning of the line that `at` is in. */
static const char *line_of(const char *output, const char *at)
{
    while (at > output && at[-1] != '\n') {
        at--;
    }
    return at;
}

static const char *last_line(const char *output)
{
    size_t end = strlen(output);

    while (end > 0 && (unsigned char)output[end - 1] <= ' ') {
        end--;
    }
    return end > 0 ? line_of(output, output + end - 1) : "";
}

enum uacme_end uacme_explain(const char *output, const char *otherwise, struct buffer *message, int64_t *ret_retry_s)
{
    const char *of_hook = after_last(output, UACME_HOOK ": ");
    const char *failed = after_last(output, " failed: ");
    enum uacme_end end = UACME_FAILED;

    *ret_retry_s = 0;
    if (explain_problem(output, message, &end, ret_retry_s)) {
        return end;
    }
    if (strstr(output, "no account associated with")) {
        buffer_append_text(message, "the authority has no account of ours");
        return UACME_NO_ACCOUNT;
    }
    if (of_hook) {
        append_line(of_hook, message);
    } else if (failed) {
        append_line(line_of(output, failed - 1), message);
    } else if (last_line(output)[0] != '\0') {
        append_line(last_line(output), message);
    } else {
        buffer_append_text(message, otherwise);
    }
    return UACME_FAILED;
}

/* ---- running it ---- */

/* Its ends are pairs of a name and a value, owned. */
struct environment {
    char *entries[8];
    size_t count;
};

static void environment_done(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->entries[i]);
    }
}

static void add_variable(struct environment *environment, const char *name, const char *value)
{
    char *entry = NULL;

    if (value && environment->count + 1 < ELEMENTS(environment->entries) &&
        asprintf(&entry, "%s=%s", name, value) >= 0) {
        environment->entries[environment->count++] = entry;
    }
}

static enum uacme_end run(const struct uacme *uacme, char *const argv[], struct buffer *message, int64_t *ret_retry_s)
{
    static const char *const proxies[] = {"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"};
    _cleanup_(environment_done) struct environment environment = {.count = 0};
    _cleanup_buffer_ struct buffer output = BUFFER_INIT;
    _cleanup_buffer_ struct buffer otherwise = BUFFER_INIT;
    const struct command_options options = {
        .environment = environment.entries,
        .output = &output,
        .timeout_ms = BASE_TIMEOUT_MS + (int64_t)uacme->name_count * NAME_TIMEOUT_MS,
        .stop_fd = uacme->stop_fd,
    };

    add_variable(&environment, UACME_HOOK_SOCKET, uacme->socket);
    for (size_t i = 0; i < ELEMENTS(proxies); i++) {
        add_variable(&environment, proxies[i], uacme->environment(proxies[i]));
    }
    if (command_run_with(argv, &options, &otherwise) == 0) {
        return UACME_ISSUED;
    }
    return uacme_explain(buffer_text(&output), buffer_text(&otherwise), message, ret_retry_s);
}

/* posix_spawn(3) does not write to them, only its type says so. */
static char *word(const char *text)
{
    return (char *)(uintptr_t)text;
}

static enum uacme_end make_account(const struct uacme *uacme, struct buffer *message, int64_t *ret_retry_s)
{
    char *const argv[] = {word(uacme->program), word("-y"),         word("-c"),
                          word(uacme->folder),  word("-a"),         word(uacme->directory),
                          word("new"),          word(uacme->email), NULL};

    return run(uacme, argv, message, ret_retry_s);
}

/* Names without their final dots. */
static enum uacme_end issue(const struct uacme *uacme, struct buffer *message, int64_t *ret_retry_s)
{
    char *argv[ARGUMENTS_MAX + 1] = {word(uacme->program), word("-f"),        word("-o"),
                                     word("-t"),           word("EC"),        word("-c"),
                                     word(uacme->folder),  word("-a"),        word(uacme->directory),
                                     word("-h"),           word(uacme->hook), word("issue")};
    size_t first = 0;
    size_t count = 0;
    enum uacme_end end = UACME_FAILED;

    while (argv[first]) {
        first++;
    }
    while (count < uacme->name_count && first + count < ARGUMENTS_MAX) {
        const char *name = uacme->names[count].text;
        argv[first + count] = strndup(name, strlen(name) - 1);
        if (!argv[first + count]) {
            break;
        }
        count++;
    }
    if (count == uacme->name_count) {
        end = run(uacme, argv, message, ret_retry_s);
    } else {
        buffer_append_text(message, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        free(argv[first + i]);
    }
    return end;
}

static bool has_account(const struct uacme *uacme)
{
    _cleanup_free_ char *key = path_join(uacme->folder, "private/key.pem");
    struct stat info;

    return key && stat(key, &info) == 0;
}

enum uacme_end uacme_obtain(const struct uacme *uacme, struct buffer *message, int64_t *ret_retry_s)
{
    const bool is_known = has_account(uacme);
    int r = folder_make(uacme->folder, FOLDER_MODE);

    *ret_retry_s = 0;
    if (r < 0) {
        buffer_printf(message, "%s: cannot be made: %s; make state_dir writable", uacme->folder, strerror(-r));
        return UACME_FAILED;
    }
    enum uacme_end end = is_known ? issue(uacme, message, ret_retry_s) : UACME_NO_ACCOUNT;
    if (end == UACME_NO_ACCOUNT) {
        buffer_clear(message);
        end = make_account(uacme, message, ret_retry_s);
        end = end == UACME_ISSUED ? issue(uacme, message, ret_retry_s) : end;
    }
    return end == UACME_NO_ACCOUNT ? UACME_FAILED : end;
}
