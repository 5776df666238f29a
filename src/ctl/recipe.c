#include "ctl/recipe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* ---- how a value is written where it stands ---- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

static void append_url(struct buffer *buffer, const char *text)
{
    for (; *text != '\0'; text++) {
        if (is_unreserved(*text)) {
            buffer_append_char(buffer, *text);
        } else {
            buffer_printf(buffer, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}

/* In single quotes; `quote` is what stands for one of the text's own. */
static void append_quoted(struct buffer *buffer, const char *text, const char *quote)
{
    buffer_append_char(buffer, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            buffer_append_text(buffer, quote);
        } else {
            buffer_append_char(buffer, *text);
        }
    }
    buffer_append_char(buffer, '\'');
}

static void append_escaped(struct buffer *buffer, const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text)) {
            buffer_append_char(buffer, '\\');
        }
        buffer_append_char(buffer, *text);
    }
}

/* The console of version 6 takes a `?` for a call for help, wherever it stands. */
static void append_routeros(struct buffer *buffer, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '?') {
            buffer_append_text(buffer, "\\3F");
        } else {
            append_escaped(buffer, (const char[]){*text, '\0'}, "\\\"$");
        }
    }
}

static int append_form(struct buffer *buffer, const char *text, const char *form)
{
    if (strcmp(form, "") == 0) {
        buffer_append_text(buffer, text);
    } else if (strcmp(form, "url") == 0) {
        append_url(buffer, text);
    } else if (strcmp(form, "sh") == 0) {
        append_quoted(buffer, text, "'\\''");
    } else if (strcmp(form, "ps") == 0) {
        append_quoted(buffer, text, "''");
    } else if (strcmp(form, "ros") == 0) {
        append_routeros(buffer, text);
    } else if (strcmp(form, "conf") == 0) {
        append_escaped(buffer, text, "\\\"");
    } else {
        return -EINVAL;
    }
    return 0;
}

/* ---- words ---- */

static const char *value_of(const struct recipe_values *values, const char *word, struct name *name)
{
    if (strcmp(word, "url") == 0) {
        return values->url;
    }
    if (strcmp(word, "server") == 0) {
        return values->server;
    }
    if (strcmp(word, "secret") == 0) {
        return values->secret;
    }
    if (strcmp(word, "fqdn") == 0) {
        return values->host->hostname;
    }
    if (strcmp(word, "name") == 0) {
        size_t length = strlen(values->host->hostname);
        memcpy(name->text, values->host->hostname, length);
        name->text[length > 0 ? length - 1 : 0] = '\0';
        return name->text;
    }
    return NULL;
}

/* 1: true, 0: not; -EINVAL: no such word. */
static int truth_of(const struct recipe_values *values, const char *word)
{
    const unsigned a = 1U << RECORD_A, aaaa = 1U << RECORD_AAAA;
    const struct {
        const char *word;
        bool is_true;
    } rows[] = {
        {"A", (values->record_types & a) != 0},
        {"AAAA", (values->record_types & aaaa) != 0},
        {"both", (values->record_types & (a | aaaa)) == (a | aaaa)},
        {"hash", values->scheme == AUTH_HASH},
        {"signed", values->scheme == AUTH_SIGNED},
        {"secret", values->scheme == AUTH_SECRET},
        {"basic", values->scheme == AUTH_BASIC},
        {"followers", values->host->more->follower_count > 0},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (strcmp(rows[i].word, word) == 0) {
            return rows[i].is_true;
        }
    }
    return -EINVAL;
}

/* ---- the text ---- */

#define NESTING_MAX 4

struct reader {
    const struct recipe_values *values;
    struct buffer *buffer;
    bool shown[NESTING_MAX + 1]; /* is what stands at that depth written? [0]: always */
    bool was_true[NESTING_MAX + 1];
    unsigned depth;
};

/* `{?WORD}`, `{:}`, `{/}`. */
static int read_condition(struct reader *reader, const char *word)
{
    unsigned depth = reader->depth;

    if (word[0] == '?') {
        int truth = truth_of(reader->values, word + 1);
        if (truth < 0 || depth == NESTING_MAX) {
            return -EINVAL;
        }
        reader->was_true[depth + 1] = truth == 1;
        reader->shown[depth + 1] = reader->shown[depth] && truth == 1;
        reader->depth++;
        return 0;
    }
    if (depth == 0) {
        return -EINVAL;
    }
    if (word[0] == ':') {
        reader->shown[depth] = reader->shown[depth - 1] && !reader->was_true[depth];
    } else {
        reader->depth--;
    }
    return 0;
}

/* A word in braces, without them. */
static int read_word(struct reader *reader, char *word)
{
    struct name name;

    if (word[0] == '?' || strcmp(word, ":") == 0 || strcmp(word, "/") == 0) {
        return read_condition(reader, word);
    }
    char *bar = strchr(word, '|');
    if (bar) {
        *bar = '\0';
    }
    const char *value = value_of(reader->values, word, &name);
    if (!value) {
        return -EINVAL;
    }
    return reader->shown[reader->depth] ? append_form(reader->buffer, value, bar ? bar + 1 : "") : 0;
}

/* Braces that enclose no word of ours, such as those of inadyn's sections, stand for themselves. */
static size_t word_length(const char *text)
{
    size_t length = text[0] == '{' ? strcspn(text + 1, "{} \n") : 0;

    return length > 0 && text[1 + length] == '}' ? length : 0;
}

int recipe_write(const char *recipe, const struct recipe_values *values, struct buffer *buffer)
{
    struct reader reader = {.values = values, .buffer = buffer, .shown = {true}};
    char word[32];
    int r = 0;

    for (const char *c = recipe; r == 0 && *c != '\0'; c++) {
        size_t length = word_length(c);
        if (length > 0 && length < sizeof(word)) {
            memcpy(word, c + 1, length);
            word[length] = '\0';
            r = read_word(&reader, word);
            c += length + 1;
        } else if (reader.shown[reader.depth]) {
            buffer_append_char(buffer, *c);
        }
    }
    return r < 0 || reader.depth > 0 ? -EINVAL : 0;
}

/* ---- the server's URL ---- */

static const struct endpoint *reachable_endpoint(const struct settings *settings)
{
    for (size_t i = 0; i < settings->listen_count; i++) {
        if (!endpoint_is_local(&settings->listen[i])) {
            return &settings->listen[i];
        }
    }
    for (size_t i = 0; i < settings->listen_count; i++) {
        if (settings->listen[i].address.family != ADDRESS_NONE) {
            return &settings->listen[i];
        }
    }
    return NULL;
}

void recipe_url(const struct settings *settings, struct buffer *url, bool *ret_is_guess)
{
    const struct endpoint *endpoint = reachable_endpoint(settings);
    char name[NAME_SIZE] = "";

    *ret_is_guess = settings->public_url[0] == '\0';
    if (!*ret_is_guess) {
        buffer_append_text(url, settings->public_url);
        return;
    }
    if (gethostname(name, sizeof(name) - 1) < 0) {
        name[0] = '\0';
    }
    buffer_printf(url, "%s://%s", settings->tls ? "https" : "http", name[0] != '\0' ? name : "localhost");
    if (endpoint && endpoint->port != (settings->tls ? 443 : 80)) {
        buffer_printf(url, ":%u", (unsigned)endpoint->port);
    }
}
