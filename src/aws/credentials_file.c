#include "aws/credentials_file.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/secret.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define WHITE " \t\r\v\f"

struct setting {
    const char *profile;
    const char *key; /* lower case; NULL: the section itself, which may be empty */
    const char *value;
};

struct profile_file {
    char *text; /* a copy of all, cut into strings in place */
    size_t length;
    struct setting *settings;
    size_t count;
    size_t size;
};

void profile_file_free(struct profile_file *file)
{
    if (!file) {
        return;
    }
    if (file->text) {
        wipe(file->text, file->length);
    }
    free(file->text);
    free(file->settings);
    free(file);
}

bool profile_file_has(const struct profile_file *file, const char *profile)
{
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->settings[i].profile, profile) == 0) {
            return true;
        }
    }
    return false;
}

const char *profile_file_get(const struct profile_file *file, const char *profile, const char *key)
{
    for (size_t i = file->count; i > 0; i--) {
        const struct setting *setting = &file->settings[i - 1];
        if (setting->key && strcmp(setting->key, key) == 0 && strcmp(setting->profile, profile) == 0) {
            return setting->value;
        }
    }
    return NULL;
}

/* ---- parsing ---- */

struct parser {
    struct profile_file *file;
    enum profile_naming naming;
    const char *profile; /* of the section; NULL: none yet, or one that names no profile */
    bool has_section;
    bool has_key;      /* since the section's head */
    size_t key_indent; /* of the last one: what is indented deeper belongs to it */
    const char *reason;
};

static int parser_add(struct parser *parser, const char *key, const char *value)
{
    struct profile_file *file = parser->file;

    if (!parser->profile) {
        return 0; /* [services x], [sso-session x]: not ours */
    }
    if (file->count == file->size) {
        const size_t size = file->size ? 2 * file->size : 16;
        struct setting *settings = reallocarray(file->settings, size, sizeof(*settings));
        if (!settings) {
            return -ENOMEM;
        }
        file->settings = settings;
        file->size = size;
    }
    file->settings[file->count++] = (struct setting){parser->profile, key, value};
    return 0;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    text += strspn(text, WHITE);
    size_t length = strlen(text);
    while (length > 0 && strchr(WHITE, text[length - 1])) {
        length--;
    }
    text[length] = '\0';
    return text;
}

/* A comment begins a line, or follows white space: a secret may have '#' in it. */
static void cut_comment(char *text)
{
    for (char *p = text; *p; p++) {
        if ((*p == '#' || *p == ';') && (p == text || strchr(WHITE, p[-1]))) {
            *p = '\0';
            return;
        }
    }
}

static char *unquote(char *name)
{
    const size_t length = strlen(name);
    if (length >= 2 && (name[0] == '"' || name[0] == '\'') && name[length - 1] == name[0]) {
        name[length - 1] = '\0';
        return name + 1;
    }
    return name;
}

/* Which profile a section's name means in this kind of file; NULL: none. */
static char *profile_of_section(char *name, enum profile_naming naming)
{
    static const char word[] = "profile";
    const size_t length = strlen(word);
    const bool has_word = strncmp(name, word, length) == 0 && name[length] && strchr(WHITE, name[length]);

    if (naming != PROFILES_OF_CREDENTIALS && has_word) {
        return unquote(trim(name + length));
    }
    if (naming == PROFILES_OF_CONFIG && strcmp(name, "default") != 0) {
        return NULL;
    }
    return unquote(name);
}

static int parse_section(struct parser *parser, char *line)
{
    char *end = strchr(line, ']');
    if (!end) {
        parser->reason = "a section's name without its closing bracket";
        return -EINVAL;
    }
    *end = '\0';
    cut_comment(end + 1);
    if (*trim(end + 1)) {
        parser->reason = "text after a section's name";
        return -EINVAL;
    }
    char *name = trim(line + 1);
    if (!*name) {
        parser->reason = "a section without a name";
        return -EINVAL;
    }
    parser->has_section = true;
    parser->has_key = false;
    parser->profile = profile_of_section(name, parser->naming);
    return parser_add(parser, NULL, NULL);
}

static int parse_setting(struct parser *parser, char *line, size_t indent)
{
    char *delimiter = line + strcspn(line, "=:");
    if (!*delimiter || delimiter == line) {
        parser->reason = "neither a [section] nor a KEY = VALUE";
        return -EINVAL;
    }
    if (!parser->has_section) {
        parser->reason = "a setting before the first [section]";
        return -EINVAL;
    }
    *delimiter = '\0';
    char *key = trim(line);
    for (char *p = key; *p; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            *p = (char)(*p - 'A' + 'a');
        }
    }
    char *value = delimiter + 1;
    cut_comment(value);
    parser->has_key = true;
    parser->key_indent = indent;
    return parser_add(parser, key, trim(value));
}

static int parse_line(struct parser *parser, char *line)
{
    const size_t indent = strspn(line, " \t");
    char *text = trim(line);

    if (!*text || *text == '#' || *text == ';') {
        return 0;
    }
    if (parser->has_key && indent > parser->key_indent) {
        return 0; /* a sub-setting, as of "s3 =" */
    }
    return *text == '[' ? parse_section(parser, text) : parse_setting(parser, text, indent);
}

static int parse_lines(struct parser *parser, char *text, unsigned *ret_line)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";

    if (strncmp(text, byte_order_mark, 3) == 0) {
        text += 3;
    }
    for (unsigned line = 1; *text; line++) {
        char *end = text + strcspn(text, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        int r = parse_line(parser, text);
        if (r < 0) {
            if (r == -EINVAL) {
                *ret_line = line;
            }
            return r;
        }
        text = next;
    }
    return 0;
}

int profile_file_parse(const char *text, size_t length, enum profile_naming naming, struct profile_file **ret_file,
                       unsigned *ret_line, const char **ret_reason)
{
    _cleanup_(profile_file_freep) struct profile_file *file = calloc(1, sizeof(*file));
    struct parser parser = {.file = file, .naming = naming};

    if (!file) {
        return -ENOMEM;
    }
    if (length && memchr(text, '\0', length)) {
        *ret_line = 0;
        *ret_reason = "not a text: it has a NUL byte";
        return -EINVAL;
    }
    file->length = length;
    file->text = strndup(length ? text : "", length);
    if (!file->text) {
        return -ENOMEM;
    }
    int r = parse_lines(&parser, file->text, ret_line);
    if (r < 0) {
        if (r == -EINVAL) {
            *ret_reason = parser.reason;
        }
        return r;
    }
    *ret_file = TAKE_PTR(file);
    return 0;
}

/* ---- the files of an environment ---- */

static const char *variable(environment getenv_like, const char *name)
{
    const char *value = getenv_like(name);
    return value && *value ? value : NULL;
}

/* The value of `name`, a leading "~/" as the home folder; or `name_at_home` there. NULL without a home. */
static char *shared_path(environment getenv_like, const char *name, const char *name_at_home)
{
    const char *path = variable(getenv_like, name);
    const char *home = variable(getenv_like, "HOME");

    if (path && strncmp(path, "~/", 2) != 0) {
        return strdup(path);
    }
    return home ? path_join(home, path ? path + 2 : name_at_home) : NULL;
}

static int load_file(struct shared_file *shared, enum profile_naming naming, struct buffer *message)
{
    _cleanup_(buffer_wipe) struct buffer text = BUFFER_INIT;
    const char *reason = NULL;
    unsigned line = 0;

    shared->error = file_read(shared->path, FILE_MAX_BYTES, &text, NULL);
    if (shared->error < 0) {
        return shared->error == -ENOMEM ? -ENOMEM : 0;
    }
    int r = profile_file_parse(buffer_text(&text), text.length, naming, &shared->file, &line, &reason);
    if (r == -EINVAL) {
        buffer_printf(message, "%s:%u: %s; mend the file", shared->path, line, reason);
    }
    return r;
}

int shared_files_load(environment getenv_like, struct shared_files *ret_files, struct buffer *message)
{
    const char *directory = variable(getenv_like, "CREDENTIALS_DIRECTORY");
    const struct {
        char *path;
        enum profile_naming naming;
    } rows[SHARED_FILES_MAX] = {
        {directory ? path_join(directory, "aws") : NULL, PROFILES_OF_EITHER},
        {shared_path(getenv_like, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), PROFILES_OF_CREDENTIALS},
        {shared_path(getenv_like, "AWS_CONFIG_FILE", ".aws/config"), PROFILES_OF_CONFIG},
    };
    struct shared_files files = {0};
    int r = 0;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (!rows[i].path) {
            continue;
        }
        struct shared_file *file = &files.files[files.count++];
        file->path = rows[i].path;
        if (r == 0) {
            r = load_file(file, rows[i].naming, message);
        }
    }
    if (r < 0) {
        shared_files_done(&files);
        return r;
    }
    *ret_files = files;
    return 0;
}

void shared_files_done(struct shared_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->files[i].path);
        profile_file_free(files->files[i].file);
    }
    *files = (struct shared_files){0};
}

const struct shared_file *shared_files_find(const struct shared_files *files, const char *profile)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->files[i].file && profile_file_has(files->files[i].file, profile)) {
            return &files->files[i];
        }
    }
    return NULL;
}

const struct shared_file *shared_files_find_key(const struct shared_files *files, const char *profile, const char *key)
{
    for (size_t i = 0; i < files->count; i++) {
        const char *value = files->files[i].file ? profile_file_get(files->files[i].file, profile, key) : NULL;
        if (value && *value) {
            return &files->files[i];
        }
    }
    return NULL;
}

const char *shared_files_get(const struct shared_files *files, const char *profile, const char *key)
{
    const struct shared_file *found = shared_files_find_key(files, profile, key);
    return found ? profile_file_get(found->file, profile, key) : NULL;
}

void shared_files_describe(const struct shared_files *files, struct buffer *buffer)
{
    for (size_t i = 0; i < files->count; i++) {
        buffer_append_text(buffer, i == 0 ? "" : i + 1 == files->count ? " and " : ", ");
        buffer_append_text(buffer, files->files[i].path);
        if (files->files[i].error < 0) {
            buffer_printf(buffer, " (%s)", strerror(-files->files[i].error));
        }
    }
    if (files->count == 0) {
        buffer_append_text(buffer, "the shared files (HOME is not set)");
    }
}
