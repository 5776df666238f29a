#include "provider/zonefile_scan.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

void zone_scanner_init(struct zone_scanner *scanner, const char *text, size_t length, const char *zone_name)
{
    *scanner = (struct zone_scanner){.text = text, .length = length, .line = 1};
    scanner->has_origin = name_parse(zone_name, strlen(zone_name), &scanner->origin, NULL) == 0;
}

bool zone_token_is(const struct zone_scanner *scanner, const struct zone_token *token, const char *word)
{
    return token->length == strlen(word) && strncasecmp(scanner->text + token->at, word, token->length) == 0;
}

static int fail(struct zone_scanner *scanner, const char *problem)
{
    scanner->problem = problem;
    return -EBADMSG;
}

/* ---- tokens ---- */

static bool is_at_end(const struct zone_scanner *scanner)
{
    return scanner->position == scanner->length;
}

static char current(const struct zone_scanner *scanner)
{
    return scanner->text[scanner->position];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool ends_word(char c)
{
    return is_blank(c) || c == '\n' || c == ';' || c == '(' || c == ')' || c == '"';
}

static void skip_to_line_end(struct zone_scanner *scanner)
{
    while (!is_at_end(scanner) && current(scanner) != '\n') {
        scanner->position++;
    }
}

/* Stops before a newline that ends the entry. */
static int skip_to_token(struct zone_scanner *scanner)
{
    for (; !is_at_end(scanner); scanner->position++) {
        char c = current(scanner);

        if (c == ';') {
            skip_to_line_end(scanner);
            if (is_at_end(scanner)) {
                break;
            }
            c = current(scanner);
        }
        if (c == '(') {
            scanner->depth++;
        } else if (c == ')') {
            if (scanner->depth == 0) {
                return fail(scanner, "')' without '('");
            }
            scanner->depth--;
        } else if (c == '\n' && scanner->depth > 0) {
            scanner->line++;
        } else if (!is_blank(c)) {
            return 0;
        }
    }
    return scanner->depth > 0 ? fail(scanner, "'(' without ')'") : 0;
}

/* A backslash and the character that it takes its meaning from. */
static bool is_escape(const struct zone_scanner *scanner)
{
    return current(scanner) == '\\' && scanner->position + 1 < scanner->length &&
           scanner->text[scanner->position + 1] != '\n';
}

static int read_quoted(struct zone_scanner *scanner, struct zone_token *ret_token)
{
    size_t start = ++scanner->position;

    while (!is_at_end(scanner) && current(scanner) != '\n') {
        if (current(scanner) == '"') {
            *ret_token = (struct zone_token){.at = start, .length = scanner->position - start, .is_quoted = true};
            scanner->position++;
            return 1;
        }
        scanner->position += is_escape(scanner) ? 2 : 1;
    }
    return fail(scanner, "a quote that is not closed on its line");
}

static void read_word(struct zone_scanner *scanner, struct zone_token *ret_token)
{
    size_t start = scanner->position;

    while (!is_at_end(scanner) && !ends_word(current(scanner))) {
        scanner->position += is_escape(scanner) ? 2 : 1;
    }
    *ret_token = (struct zone_token){.at = start, .length = scanner->position - start, .is_quoted = false};
}

/* 1: a token of the entry, 0: the entry has ended. */
static int next_token(struct zone_scanner *scanner, struct zone_token *ret_token)
{
    int r = skip_to_token(scanner);

    if (r < 0) {
        return r;
    }
    if (is_at_end(scanner)) {
        return 0;
    }
    if (current(scanner) == '\n') {
        scanner->position++;
        scanner->line++;
        return 0;
    }
    if (current(scanner) == '"') {
        return read_quoted(scanner, ret_token);
    }
    read_word(scanner, ret_token);
    return 1;
}

bool zone_data_next(const struct zone_scanner *scanner, const struct zone_entry *entry, struct zone_token *token)
{
    struct zone_scanner inner = *scanner;

    if (entry->data_count == 0 || token->at == entry->last.at) {
        return false;
    }
    if (token->at == 0) {
        *token = entry->data[0];
        return true;
    }
    inner.position = token->at + token->length + token->is_quoted;
    inner.depth = UINT_MAX / 2; /* parentheses have been counted before */
    return next_token(&inner, token) > 0;
}

/* ---- names, TTLs, classes ---- */

/* Escapes are for names that no host has. */
static bool read_name(const struct zone_scanner *scanner, const struct zone_token *token, struct name *ret_name)
{
    const char *text = scanner->text + token->at;
    char full[2 * NAME_SIZE];

    if (token->length == 0 || token->length >= NAME_SIZE || token->is_quoted || memchr(text, '\\', token->length)) {
        return false;
    }
    if (token->length == 1 && text[0] == '@') {
        *ret_name = scanner->origin;
        return scanner->has_origin;
    }
    memcpy(full, text, token->length);
    full[token->length] = '\0';
    if (text[token->length - 1] != '.') {
        const char *origin = strcmp(scanner->origin.text, ".") == 0 ? "" : scanner->origin.text;

        if (!scanner->has_origin) {
            return false;
        }
        full[token->length] = '.';
        memcpy(full + token->length + 1, origin, strlen(origin) + 1);
    }
    return name_parse(full, strlen(full), ret_name, NULL) == 0;
}

static void read_origin(struct zone_scanner *scanner, const struct zone_token *token)
{
    struct name origin;

    if (zone_token_is(scanner, token, ".")) {
        origin = (struct name){.text = "."};
        scanner->has_origin = true;
    } else {
        scanner->has_origin = read_name(scanner, token, &origin);
    }
    if (scanner->has_origin) {
        scanner->origin = origin;
    }
}

/* 0: no unit. */
static uint32_t unit_seconds(char c)
{
    switch (c) {
    case 's':
    case 'S': return 1;
    case 'm':
    case 'M': return 60;
    case 'h':
    case 'H': return 3600;
    case 'd':
    case 'D': return 86400;
    case 'w':
    case 'W': return 604800;
    default: return 0;
    }
}

/* Digits, or digits with units as BIND has them (1h30m). Types and classes begin with a letter. */
static bool read_ttl(const struct zone_scanner *scanner, const struct zone_token *token, uint32_t *ret_ttl_s)
{
    const char *text = scanner->text + token->at;
    uint64_t total = 0, number = 0;

    if (token->length == 0 || token->is_quoted || text[0] < '0' || text[0] > '9') {
        return false;
    }
    for (size_t i = 0; i < token->length; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            number = 10 * number + (uint64_t)(text[i] - '0');
        } else if (unit_seconds(text[i]) != 0) {
            total += number * unit_seconds(text[i]);
            number = 0;
        } else {
            return false;
        }
        if (number > UINT32_MAX || total > UINT32_MAX) {
            return false;
        }
    }
    total += number;
    if (total > INT32_MAX) { /* RFC 2181 section 8 */
        return false;
    }
    *ret_ttl_s = (uint32_t)total;
    return true;
}

static bool is_class(const struct zone_scanner *scanner, const struct zone_token *token)
{
    return zone_token_is(scanner, token, "IN") || zone_token_is(scanner, token, "CH") ||
           zone_token_is(scanner, token, "HS") || zone_token_is(scanner, token, "CS");
}

/* ---- entries ---- */

static bool is_marker(const struct zone_scanner *scanner, const char *marker)
{
    size_t length = strlen(marker), rest = scanner->length - scanner->position;
    const char *text = scanner->text + scanner->position;

    return rest >= length && memcmp(text, marker, length) == 0 &&
           (rest == length || text[length] == ':' || text[length] == '\n' || is_blank(text[length]));
}

static void read_marker(struct zone_scanner *scanner, enum zone_entry_kind kind, struct zone_entry *ret_entry)
{
    *ret_entry = (struct zone_entry){.kind = kind, .line = scanner->line, .start = scanner->position};
    skip_to_line_end(scanner);
    if (!is_at_end(scanner)) {
        scanner->position++;
        scanner->line++;
    }
    ret_entry->end = scanner->position;
}

/* TTL and class in either order, then the type, then its data. */
static void add_token(const struct zone_scanner *scanner, const struct zone_token *token, struct zone_entry *entry)
{
    if (entry->type.length > 0) {
        if (entry->data_count < ZONE_DATA_MAX) {
            entry->data[entry->data_count] = *token;
        }
        entry->data_count++;
        entry->last = *token;
    } else if (!entry->has_ttl && read_ttl(scanner, token, &entry->ttl_s)) {
        entry->has_ttl = true;
    } else if (!is_class(scanner, token)) {
        entry->type = *token;
    }
}

static int read_directive(struct zone_scanner *scanner, bool is_origin, struct zone_entry *entry)
{
    struct zone_token token;
    bool is_first = true;
    int r;

    entry->kind = ZONE_DIRECTIVE;
    while ((r = next_token(scanner, &token)) > 0) {
        if (is_origin && is_first) {
            read_origin(scanner, &token);
        }
        is_first = false;
    }
    return r < 0 ? r : 1;
}

static int read_record(struct zone_scanner *scanner, bool has_owner, struct zone_entry *entry)
{
    struct zone_token token;
    int r = next_token(scanner, &token);

    if (r <= 0) {
        return r; /* an empty line */
    }
    if (has_owner) {
        if (scanner->text[token.at] == '$' && !token.is_quoted) {
            return read_directive(scanner, zone_token_is(scanner, &token, "$ORIGIN"), entry);
        }
        scanner->has_owner = read_name(scanner, &token, &scanner->owner);
    } else {
        add_token(scanner, &token, entry);
    }
    while ((r = next_token(scanner, &token)) > 0) {
        add_token(scanner, &token, entry);
    }
    entry->owner = scanner->has_owner ? scanner->owner.text : NULL;
    return r < 0 ? r : 1;
}

int zone_scanner_next(struct zone_scanner *scanner, struct zone_entry *ret_entry)
{
    while (!is_at_end(scanner)) {
        struct zone_entry entry = {.kind = ZONE_RECORD, .line = scanner->line};
        int r;

        if (is_marker(scanner, ZONE_MARKER_BEGIN)) {
            read_marker(scanner, ZONE_BEGIN, ret_entry);
            return 1;
        }
        if (is_marker(scanner, ZONE_MARKER_END)) {
            read_marker(scanner, ZONE_END, ret_entry);
            return 1;
        }
        r = read_record(scanner, !is_blank(current(scanner)), &entry);
        if (r != 0) {
            *ret_entry = entry;
            return r;
        }
    }
    return 0;
}
