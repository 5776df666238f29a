#include "base/yaml_write.h"

#include <stdint.h>
#include <string.h>

#include "base/parse.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Can it stand without quotes, in brackets too? More than the rules of YAML ask for (1.1, section 9.1.3) is quoted. */
static bool can_be_plain(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || !strchr(LETTERS DIGITS "/", text[0]) || strspn(text, LETTERS DIGITS " _-./+=@:") != length) {
        return false;
    }
    return text[length - 1] != ' ' && text[length - 1] != ':' && !strstr(text, ": ");
}

/* Would another reader of YAML take it for a number, a date, a truth value or nothing? */
static bool is_like_another_type(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};

    for (size_t i = 0; i < ELEMENTS(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    if (!strchr(DIGITS, text[0])) {
        return false;
    }
    return strncmp(text, "0x", 2) == 0 || strspn(text, DIGITS "_-+.:eETtZzo ") == strlen(text);
}

static void append_character(struct buffer *buffer, const char *text, size_t length, uint32_t character)
{
    switch (character) {
    case '"':
    case '\\': buffer_printf(buffer, "\\%c", (char)character); return;
    case '\n': buffer_append_text(buffer, "\\n"); return;
    case '\t': buffer_append_text(buffer, "\\t"); return;
    default: break;
    }
    if (character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0x2028 || character == 0x2029 ||
        character == 0xFEFF || character == 0xFFFE || character == 0xFFFF) {
        buffer_printf(buffer, "\\u%04X", (unsigned)character);
    } else {
        buffer_append(buffer, text, length);
    }
}

/* As JSON has it, too. What is no UTF-8 is copied: a reader says so better. */
static void write_double_quoted(struct buffer *buffer, const char *text)
{
    buffer_append_char(buffer, '"');
    for (size_t left = strlen(text); left > 0;) {
        uint32_t character = 0;
        size_t length = utf8_decode(text, left, &character);
        if (length == 0) {
            length = 1;
            buffer_append(buffer, text, 1);
        } else {
            append_character(buffer, text, length, character);
        }
        text += length;
        left -= length;
    }
    buffer_append_char(buffer, '"');
}

static bool can_be_single_quoted(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7F) {
            return false;
        }
    }
    return true;
}

static void write_single_quoted(struct buffer *buffer, const char *text)
{
    buffer_append_char(buffer, '\'');
    for (; *text != '\0'; text++) {
        buffer_append_text(buffer, *text == '\'' ? "''" : (const char[]){*text, '\0'});
    }
    buffer_append_char(buffer, '\'');
}

/* Numbers and truth values are the only words of JSON. */
static bool is_word(const char *text, const struct yaml_manner *manner)
{
    bool is_json_word = strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strspn(text, DIGITS) == strlen(text);

    return can_be_plain(text) && (is_json_word || !manner->is_json);
}

/* May it stand as it is, given how it was written before? */
static bool stays_plain(const char *text, enum yaml_form form, enum yaml_style style, const struct yaml_manner *manner)
{
    if (form == YAML_WORD) {
        return is_word(text, manner);
    }
    if (manner->is_json || style == YAML_SINGLE_QUOTED || style == YAML_DOUBLE_QUOTED) {
        return false;
    }
    return can_be_plain(text) && !is_like_another_type(text) && (form != YAML_SECRET || style == YAML_PLAIN);
}

static void write_text(struct buffer *buffer, const char *text, enum yaml_form form, enum yaml_style style,
                       const struct yaml_manner *manner)
{
    if (stays_plain(text, form, style, manner)) {
        buffer_append_text(buffer, text);
    } else if (style == YAML_SINGLE_QUOTED && can_be_single_quoted(text)) {
        write_single_quoted(buffer, text);
    } else {
        write_double_quoted(buffer, text);
    }
}

void yaml_write_value(struct buffer *buffer, const struct yaml_value *value, enum yaml_style style,
                      const struct yaml_manner *manner)
{
    if (!value->is_list) {
        write_text(buffer, value->texts[0], value->form, style, manner);
        return;
    }
    if (!manner->indentation) {
        buffer_append_char(buffer, '[');
    }
    for (size_t i = 0; i < value->count; i++) {
        if (manner->indentation) {
            buffer_append_text(buffer, i > 0 ? manner->line_break : "");
            buffer_append_text(buffer, i > 0 ? manner->indentation : "");
            buffer_append_text(buffer, "- ");
        } else {
            buffer_append_text(buffer, i > 0 ? ", " : "");
        }
        write_text(buffer, value->texts[i], value->form, style, manner);
    }
    if (!manner->indentation) {
        buffer_append_char(buffer, ']');
    }
}

void yaml_write_key(struct buffer *buffer, const char *key, const struct yaml_manner *manner)
{
    if (manner->keys == YAML_SINGLE_QUOTED) {
        write_single_quoted(buffer, key);
    } else if (manner->keys == YAML_DOUBLE_QUOTED || !can_be_plain(key)) {
        write_double_quoted(buffer, key);
    } else {
        buffer_append_text(buffer, key);
    }
    buffer_append_char(buffer, ':');
}

void yaml_write_pair(struct buffer *buffer, const char *key, const struct yaml_value *value, enum yaml_style style,
                     const struct yaml_manner *manner)
{
    yaml_write_key(buffer, key, manner);
    buffer_append_char(buffer, ' ');
    yaml_write_value(buffer, value, style, manner);
}
