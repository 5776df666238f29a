#include "config/value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "config/settings.h"

bool value_is_empty(const struct yaml_node *node)
{
    return yaml_is_empty(node);
}

struct value_shown value_show(const char *text)
{
    struct value_shown shown;
    size_t length = strnlen(text, VALUE_SHOWN_SIZE);
    bool cut = length > VALUE_SHOWN_SIZE - 4;

    if (cut) {
        length = VALUE_SHOWN_SIZE - 4;
        while (length > 0 && ((unsigned char)text[length] & 0xC0U) == 0x80) {
            length--; /* not in the middle of a character */
        }
    }
    memcpy(shown.text, text, length);
    memcpy(shown.text + length, cut ? "..." : "", cut ? 4 : 1);
    return shown;
}

struct value_shown value_show_warily(const char *text)
{
    static const char *const words[] = {"secret", "api_key", "passw", "token"};
    struct value_shown shown = value_show(text);
    size_t end = SIZE_MAX;

    for (size_t i = 0; i < ELEMENTS(words); i++) {
        const char *word = strcasestr(shown.text, words[i]);
        if (word != NULL && (size_t)(word - shown.text) < end) {
            end = (size_t)(word - shown.text);
        }
    }
    if (end == SIZE_MAX) {
        return shown;
    }
    while (end > 0 && shown.text[end - 1] != ' ') {
        end--; /* the whole word */
    }
    end = end < VALUE_SHOWN_SIZE - 4 ? end : VALUE_SHOWN_SIZE - 4;
    memcpy(shown.text + end, "...", 4);
    return shown;
}

void value_add_error(struct problems *problems, const char *key, const struct yaml_node *node, const char *what)
{
    problems_add(problems, node->line, node->column, "%s: \"%s\" %s", key, value_show_warily(node->text).text, what);
}

static int check_scalar(struct problems *problems, const char *key, const struct yaml_node *node, const char *wanted)
{
    if (node->kind != YAML_SCALAR) {
        problems_add(problems, node->line, node->column, "%s: is a %s, must be %s", key,
                     node->kind == YAML_SEQUENCE ? "list" : "mapping", wanted);
        return -EINVAL;
    }
    if (value_is_empty(node)) {
        problems_add(problems, node->line, node->column, "%s: has no value, write %s or remove the key", key, wanted);
        return -EINVAL;
    }
    return 0;
}

int value_read_bool(struct problems *problems, const char *key, const struct yaml_node *node, bool *ret_value)
{
    int r = check_scalar(problems, key, node, "true or false");
    if (r < 0) {
        return r;
    }

    bool is_true = strcmp(node->text, "true") == 0;
    if (!is_true && strcmp(node->text, "false") != 0) {
        value_add_error(problems, key, node, "is neither true nor false");
        return -EINVAL;
    }
    if (!node->plain) {
        value_add_error(problems, key, node, "is quoted, write it without quotes");
        return -EINVAL;
    }
    *ret_value = is_true;
    return 0;
}

int value_read_uint(struct problems *problems, const char *key, const struct yaml_node *node, uint64_t minimum,
                    uint64_t maximum, const char *unit, uint64_t *ret_value)
{
    int r = check_scalar(problems, key, node, "a number");
    if (r < 0) {
        return r;
    }
    r = parse_uint(node->text, node->length, minimum, maximum, ret_value);
    if (r == -ERANGE) {
        problems_add(problems, node->line, node->column,
                     "%s: %s is out of range, must be %" PRIu64 " to %" PRIu64 "%s%s", key, value_show(node->text).text,
                     minimum, maximum, unit[0] == '\0' ? "" : " ", unit);
        return -EINVAL;
    }
    if (r < 0) {
        value_add_error(problems, key, node, "is not a whole number, write decimal digits only");
        return -EINVAL;
    }
    if (!node->plain) {
        value_add_error(problems, key, node, "is quoted, write the number without quotes");
        return -EINVAL;
    }
    return 0;
}

/* What stands in a setting is printed again: by --dump-config, in a log line, in a header of HTTP. So no control
 * characters (C0, DEL, C1), no line separators, nothing that YAML cannot hold unescaped (YAML 1.1 section 5.1). */
static bool is_printable(const char *text, size_t length)
{
    uint32_t c = 0;

    for (size_t taken; length > 0; text += taken, length -= taken) {
        taken = utf8_decode(text, length, &c);
        if (taken == 0 || c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
            c == 0xFFFE || c == 0xFFFF) {
            return false;
        }
    }
    return true;
}

int value_read_text(struct problems *problems, const char *key, const struct yaml_node *node, const char **ret_text)
{
    int r = check_scalar(problems, key, node, "a text");
    if (r < 0) {
        return r;
    }
    if (!is_printable(node->text, node->length)) {
        problems_add(problems, node->line, node->column, "%s: has a control character in it, remove that", key);
        return -EINVAL;
    }
    *ret_text = node->text;
    return 0;
}

int value_check_list(struct problems *problems, const char *key, const struct yaml_node *node, const char *example)
{
    if (node->kind != YAML_SEQUENCE) {
        problems_add(problems, node->line, node->column, "%s: is %s, must be a list such as %s", key,
                     node->kind == YAML_MAPPING ? "a mapping" : (value_is_empty(node) ? "empty" : "a single value"),
                     example);
        return -EINVAL;
    }
    return 0;
}

int value_read_schemes(struct problems *problems, const char *key, const struct yaml_node *node, unsigned *ret_set)
{
    unsigned set = 0;
    int result = 0;

    int r = value_check_list(problems, key, node, "[hash, signed]");
    if (r < 0) {
        return r;
    }
    if (node->count == 0) {
        problems_add(problems, node->line, node->column,
                     "%s: is empty, name at least one of hash, signed, secret, basic", key);
        return -EINVAL;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        const char *text;
        r = value_read_text(problems, key, item, &text);
        if (r < 0) {
            result = r;
            continue;
        }
        unsigned scheme = auth_scheme_parse(text);
        if (scheme == 0) {
            value_add_error(problems, key, item, "is none of hash, signed, secret, basic");
            result = -EINVAL;
        } else if ((set & scheme) != 0) {
            value_add_error(problems, key, item, "is named twice, remove one");
            result = -EINVAL;
        }
        set |= scheme;
    }
    if (result == 0) {
        *ret_set = set;
    }
    return result;
}

/* Others may neither write it (they could let themselves in) nor, without a warning, read it. */
static int check_secret_file(struct problems *problems, const char *key, const char *path, const struct yaml_node *node)
{
    struct stat info;

    if (stat(path, &info) < 0) {
        return -errno;
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        problems_add(problems, node->line, node->column, "%s: group or others may write %s, run chmod go-w on it", key,
                     value_show(path).text);
        return -EINVAL;
    }
    if ((info.st_mode & S_IROTH) != 0) {
        problems_warn(problems, node->line, node->column, "%s: others may read %s, run chmod o-r on it", key,
                      value_show(path).text);
    }
    return 0;
}

static int read_short_secret(const char *path, size_t max_bytes, struct secret **ret_secret)
{
    _cleanup_(secret_freep) struct secret *secret = NULL;

    int r = secret_read_file(path, &secret);
    if (r < 0) {
        return r;
    }
    if (secret_length(secret) > max_bytes) {
        return -EFBIG;
    }
    *ret_secret = TAKE_PTR(secret);
    return 0;
}

#define CREDENTIALS "${CREDENTIALS_DIRECTORY}/"

static const char *credentials_folder(void)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY"); // NOLINT(concurrency-mt-unsafe): nobody calls setenv

    return folder && folder[0] != '\0' ? folder : NULL;
}

int value_expand_path(struct problems *problems, const char *key, const struct yaml_node *node, const char *text,
                      char **ret_path)
{
    char *path;

    if (strncmp(text, CREDENTIALS, strlen(CREDENTIALS)) != 0) {
        path = strdup(text);
    } else {
        const char *folder = credentials_folder();
        if (!folder) {
            problems_add(
                problems, node->line, node->column,
                "%s: there are no credentials; the service's unit hands them over with LoadCredential=%s:PATH, "
                "and only what systemd starts sees them",
                key, value_show(text + strlen(CREDENTIALS)).text);
            return -EINVAL;
        }
        path = path_join(folder, text + strlen(CREDENTIALS));
    }
    if (!path) {
        return -ENOMEM;
    }
    *ret_path = path;
    return 0;
}

bool value_are_credentials_hidden(void)
{
    const char *folder = credentials_folder();

    return folder && faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) < 0;
}

bool value_is_hidden_credential(const char *path)
{
    const char *folder = credentials_folder();
    size_t length = folder ? strlen(folder) : 0;

    return path && folder && strncmp(path, folder, length) == 0 && path[length] == '/' &&
           value_are_credentials_hidden();
}

static int read_hidden(struct problems *problems, const char *key, const struct yaml_node *node,
                       struct secret **ret_secret)
{
    char unknown[32];

    random_bytes(unknown, sizeof(unknown));
    *ret_secret = secret_new(unknown, sizeof(unknown));
    explicit_bzero(unknown, sizeof(unknown));
    problems_warn(problems, node->line, node->column,
                  "%s: is not checked, for only the service itself sees the credentials that systemd hands over", key);
    return *ret_secret ? 0 : -ENOMEM;
}

int value_read_secret_file(struct problems *problems, const char *file, const char *key, const struct yaml_node *node,
                           size_t max_bytes, struct secret **ret_secret)
{
    const char *text;

    int r = value_read_text(problems, key, node, &text);
    if (r < 0) {
        return r;
    }
    if (node->length == 0) {
        problems_add(problems, node->line, node->column, "%s: is no path, name one", key);
        return -EINVAL;
    }
    _cleanup_free_ char *expanded = NULL;
    r = value_expand_path(problems, key, node, text, &expanded);
    if (r < 0) {
        return r;
    }
    _cleanup_free_ char *path = path_beside(file, expanded);
    if (path == NULL) {
        return -ENOMEM;
    }
    if (value_is_hidden_credential(path)) {
        return read_hidden(problems, key, node, ret_secret);
    }
    size_t problems_before = problems_count(problems);
    r = check_secret_file(problems, key, path, node);
    if (r == 0) {
        r = read_short_secret(path, max_bytes, ret_secret);
    }
    if (r == -ENOMEM || r == 0 || problems_count(problems) > problems_before) {
        return r;
    }
    if (r == -EFBIG) {
        problems_add(problems, node->line, node->column,
                     "%s: cannot read the secret from %s: its first line is longer than %zu bytes", key,
                     value_show(path).text, max_bytes);
        return -EINVAL;
    }
    problems_add(problems, node->line, node->column, "%s: cannot read the secret from %s: %s", key,
                 value_show(path).text,
                 r == -EINVAL ? "its first line is empty or has a NUL in it, or it is no file" : strerror(-r));
    return -EINVAL;
}

#define WORD_MAX 40
#define LONG_KEY 8

/* Levenshtein with adjacent letters that changed places counted as one (optimal string alignment). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_length = strnlen(a, WORD_MAX + 1);
    size_t b_length = strnlen(b, WORD_MAX + 1);

    if (a_length > WORD_MAX || b_length > WORD_MAX) {
        return SIZE_MAX / 2;
    }
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best) {
                best = above2[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

void nearest_init(struct nearest *ret_nearest, const char *word)
{
    /* A third of the letters may be wrong: "ttll" is ttl, "pasword" is nothing of ours. */
    *ret_nearest = (struct nearest){.word = word, .distance = strnlen(word, WORD_MAX) / 3 + 2};
}

void nearest_offer(struct nearest *nearest, const char *candidate, size_t extra, const char *name)
{
    size_t distance = edit_distance(nearest->word, candidate) + extra;
    size_t length = strlen(candidate);

    /* A long key of ours with something stuck to it is meant, whatever that is. */
    if (length >= LONG_KEY && strncmp(nearest->word, candidate, length) == 0) {
        distance = extra;
    }
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->found = name;
        nearest->like = candidate;
    }
}

/* ---- unknown keys ---- */

#define WORD_SHOWN_MAX 16
#define SLIP_MAX 2 /* letters that a slip adds */

struct value_shown value_key_word(const char *key)
{
    struct value_shown word = value_show(key);

    word.text[strcspn(word.text, ":= \t\r\n\"'")] = '\0';
    return word;
}

/* May it be the rest of a secret that has a comma in it? */
static bool is_behind_a_secret(const struct yaml_node *mapping, size_t index)
{
    for (size_t i = 0; mapping->flow && i < index; i++) {
        const struct yaml_node *value = mapping->items[i];
        const char *key = mapping->keys[i]->text;
        bool is_plain = value->kind != YAML_SCALAR || value->plain;
        if (is_plain && (strcasestr(key, "secret") != NULL || strcasestr(key, "key") != NULL)) {
            return true;
        }
    }
    return false;
}

static bool is_short_word(const char *text)
{
    size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");

    return letters > 0 && letters <= WORD_SHOWN_MAX && text[letters] == '\0';
}

/* What is shown of the key, "": nothing. */
static struct value_shown show_key(const struct yaml_node *mapping, size_t index, const struct nearest *nearest)
{
    struct value_shown word = value_key_word(mapping->keys[index]->text);

    if (nearest->found != NULL) {
        size_t length = strlen(nearest->like);
        if (strlen(word.text) > length + SLIP_MAX && length < VALUE_SHOWN_SIZE - 4) {
            memcpy(word.text + length, "...", 4);
        }
        return word;
    }
    if (!is_short_word(mapping->keys[index]->text) || value_is_empty(mapping->items[index]) ||
        is_behind_a_secret(mapping, index)) {
        word.text[0] = '\0';
    }
    return word;
}

void value_add_unknown_key(struct problems *problems, const char *section, const struct yaml_node *mapping,
                           size_t index, const struct nearest *nearest, const char *advice)
{
    const struct yaml_node *key = mapping->keys[index];
    const struct value_shown shown = show_key(mapping, index, nearest);

    if (shown.text[0] == '\0') {
        problems_add(problems, key->line, key->column,
                     "%s%sunknown key, not shown since it may hold a secret; correct or remove it", section,
                     section[0] == '\0' ? "" : ": ");
    } else if (nearest->found != NULL) {
        problems_add(problems, key->line, key->column, "%s%s: unknown key, did you mean %s?", section, shown.text,
                     nearest->found);
    } else {
        problems_add(problems, key->line, key->column, "%s%s: unknown key, %s", section, shown.text, advice);
    }
}

void value_warn_readable(const char *path, struct problems *problems)
{
    struct stat info;

    if (stat(path, &info) == 0 && (info.st_mode & S_IROTH) != 0) {
        problems_warn(problems, 0, 0, "holds secrets and others may read it, run chmod o-r %s", path);
    }
}
