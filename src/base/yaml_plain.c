#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/yaml_internal.h"

/* Walks through the text line by line. Without a builder it only tells whether the form is kept. */
struct scanner {
    const char *at;
    const char *end; /* of the text, or of those of its lines that are in memory */
    const char *line_start;
    unsigned line;
    struct file_lines *lines; /* where more of them come from; NULL: the whole text is there */
    struct builder *builder;
    int r;
};

/* ---- characters ---- */

static char current(const struct scanner *scanner)
{
    return scanner->at < scanner->end ? *scanner->at : '\n';
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_key_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* What is nothing but itself within a word of a list. */
static bool is_list_character(char c)
{
    return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-' || c == '/' || c == '+';
}

/* What is nothing but itself within a value that has its line alone, and in front of it. */
static bool is_word_character(char c)
{
    return c > ' ' && c < 0x7f && c != ':' && c != '#';
}

static bool begins_value(char c)
{
    return is_letter_or_digit(c) || c == '.' || c == '_' || c == '/';
}

/* Over a character of a comment or of a quoted value. Beyond ASCII it is none with a lead byte that a line break of YAML
 * 1.1 (U+0085, U+2028, U+2029), a byte order mark or what YAML does not allow may have. False: another. */
static bool skip_text_character(struct scanner *scanner)
{
    const char c = current(scanner);
    size_t bytes = 0;

    if (c >= ' ' && c < 0x7f) {
        bytes = 1;
    } else if ((unsigned char)c >= 0xc3 && (unsigned char)c != 0xe2 && (unsigned char)c != 0xef) {
        bytes = utf8_decode(scanner->at, (size_t)(scanner->end - scanner->at), NULL);
    }
    scanner->at += bytes;
    return bytes > 0;
}

static size_t skip_spaces(struct scanner *scanner)
{
    const char *start = scanner->at;

    while (current(scanner) == ' ') {
        scanner->at++;
    }
    return (size_t)(scanner->at - start);
}

/* ---- lines ---- */

/* Where that fails, it is the end. */
static void read_lines(struct scanner *scanner)
{
    size_t length = 0;

    (void)file_lines_next(scanner->lines, &scanner->at, &length);
    scanner->end = scanner->at + length;
}

static void next_line(struct scanner *scanner)
{
    scanner->at += scanner->at < scanner->end ? 1 : 0;
    if (scanner->at == scanner->end && scanner->lines) {
        read_lines(scanner);
    }
    scanner->line_start = scanner->at;
    scanner->line++;
}

/* A comment, or nothing, up to the end of the line. */
static bool end_line(struct scanner *scanner)
{
    const bool is_apart = scanner->at == scanner->line_start || scanner->at[-1] == ' ' || current(scanner) == ' ';

    skip_spaces(scanner);
    if (current(scanner) == '#' && is_apart) {
        while (skip_text_character(scanner)) {}
    }
    if (current(scanner) != '\n') {
        return false;
    }
    next_line(scanner);
    return true;
}

/* To the next line with more than a comment, and to the column where that begins; false: there is none, or not of the
 * form. */
static bool find_content(struct scanner *scanner, size_t *ret_column)
{
    while (scanner->at < scanner->end) {
        *ret_column = skip_spaces(scanner);
        if (current(scanner) != '#' && current(scanner) != '\n') {
            return true;
        }
        if (!end_line(scanner)) {
            return false;
        }
    }
    return false;
}

/* ---- what is found ---- */

static struct yaml_place place_of(const struct scanner *scanner, const char *at)
{
    return (struct yaml_place){scanner->line, (unsigned)(at - scanner->line_start) + 1};
}

static void found_scalar(struct scanner *scanner, const char *text, size_t length, bool plain, const char *start)
{
    if (scanner->builder && scanner->r == 0) {
        scanner->r = yaml_build_scalar(scanner->builder, text, length, plain, place_of(scanner, start));
    }
}

static void found_open(struct scanner *scanner, enum yaml_kind kind, bool flow)
{
    if (scanner->builder && scanner->r == 0) {
        scanner->r = yaml_build_open(scanner->builder, kind, flow, place_of(scanner, scanner->at));
    }
}

static void found_close(struct scanner *scanner)
{
    if (scanner->builder && scanner->r == 0) {
        scanner->r = yaml_build_close(scanner->builder);
    }
}

/* ---- keys and values ---- */

#define KEY_MAX 100 /* libyaml looks 1,024 characters far for the colon */

static bool read_key(struct scanner *scanner, const char *only)
{
    const char *start = scanner->at;

    while (is_key_character(current(scanner)) && scanner->at - start < KEY_MAX) {
        scanner->at++;
    }
    const size_t length = (size_t)(scanner->at - start);
    if (length == 0 || current(scanner) != ':' ||
        (only && (strlen(only) != length || memcmp(only, start, length) != 0))) {
        return false;
    }
    found_scalar(scanner, start, length, true, start);
    scanner->at++;
    return true;
}

static bool read_quoted(struct scanner *scanner)
{
    const char *start = scanner->at;
    const char quote = *scanner->at++;

    while (current(scanner) != quote && current(scanner) != '\\' && skip_text_character(scanner)) {}
    if (current(scanner) != quote) {
        return false;
    }
    found_scalar(scanner, start + 1, (size_t)(scanner->at - start - 1), false, start);
    scanner->at++;
    return current(scanner) == ' ' || current(scanner) == '\n';
}

static bool read_list_word(struct scanner *scanner)
{
    const char *start = scanner->at;

    if (!is_letter_or_digit(current(scanner))) {
        return false;
    }
    while (is_list_character(current(scanner))) {
        scanner->at++;
    }
    found_scalar(scanner, start, (size_t)(scanner->at - start), true, start);
    skip_spaces(scanner);
    return true;
}

static bool read_list(struct scanner *scanner)
{
    found_open(scanner, YAML_SEQUENCE, true);
    do {
        scanner->at++; /* the bracket, or a comma */
        skip_spaces(scanner);
        if (!read_list_word(scanner)) {
            return false;
        }
    } while (current(scanner) == ',');
    if (current(scanner) != ']') {
        return false;
    }
    found_close(scanner);
    scanner->at++;
    return current(scanner) == ' ' || current(scanner) == '\n';
}

/* Words with blanks between. A colon is a letter in front of one. */
static bool read_words(struct scanner *scanner)
{
    const char *start = scanner->at, *end;

    if (!begins_value(current(scanner))) {
        return false;
    }
    do {
        while (is_word_character(current(scanner)) ||
               (current(scanner) == ':' && scanner->at + 1 < scanner->end && is_word_character(scanner->at[1]))) {
            scanner->at++;
        }
        end = scanner->at;
        skip_spaces(scanner);
    } while (scanner->at > end && is_word_character(current(scanner)));
    found_scalar(scanner, start, (size_t)(end - start), true, start);
    return true;
}

static bool read_value(struct scanner *scanner)
{
    if (skip_spaces(scanner) == 0) {
        return false;
    }
    switch (current(scanner)) {
    case '"':
    case '\'': return read_quoted(scanner);
    case '[': return read_list(scanner);
    default: return read_words(scanner);
    }
}

static bool read_pair(struct scanner *scanner)
{
    return read_key(scanner, NULL) && read_value(scanner) && end_line(scanner) && scanner->r == 0;
}

/* ---- the document ---- */

/* From the dash on, `column` characters into the line, to the content after the item. */
static bool read_item(struct scanner *scanner, size_t *column)
{
    scanner->at++;
    const size_t keys_at = *column + 1 + skip_spaces(scanner);
    bool is_good = keys_at > *column + 1;

    found_open(scanner, YAML_MAPPING, false);
    do {
        is_good = is_good && read_pair(scanner);
    } while (is_good && find_content(scanner, column) && *column == keys_at);
    found_close(scanner);
    return is_good;
}

static bool read_document(struct scanner *scanner, const char *key)
{
    size_t column;

    if (!find_content(scanner, &column) || column != 0) {
        return false;
    }
    found_open(scanner, YAML_MAPPING, false);
    if (!read_key(scanner, key) || !end_line(scanner) || !find_content(scanner, &column)) {
        return false;
    }
    const size_t dash_at = column;
    found_open(scanner, YAML_SEQUENCE, false);
    while (scanner->at < scanner->end) {
        if (current(scanner) != '-' || column != dash_at || !read_item(scanner, &column)) {
            return false;
        }
    }
    found_close(scanner);
    found_close(scanner);
    return true;
}

static struct scanner scanner_of(const struct yaml_source *source)
{
    const char *text = source->lines ? "" : source->text;
    struct scanner scanner = {.at = text, .end = text + source->length, .lines = source->lines};

    if (scanner.lines) {
        read_lines(&scanner);
    }
    scanner.line_start = scanner.at;
    scanner.line = 1;
    return scanner;
}

static int status_of(const struct scanner *scanner)
{
    return scanner->lines ? file_lines_status(scanner->lines) : 0;
}

bool yaml_is_plain(const struct yaml_source *source, const char *key)
{
    struct scanner scanner = scanner_of(source);

    return read_document(&scanner, key) && status_of(&scanner) == 0;
}

int yaml_read_plain(struct builder *builder, const struct yaml_source *source, const char *key)
{
    struct scanner scanner = scanner_of(source);

    scanner.builder = builder;
    const bool is_plain = read_document(&scanner, key);
    if (scanner.r < 0 || status_of(&scanner) < 0) {
        return scanner.r < 0 ? scanner.r : status_of(&scanner);
    }
    return is_plain ? 0 : -ESTALE;
}
