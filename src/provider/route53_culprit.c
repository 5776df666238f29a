/*
 * Which change of a batch Route 53 complains about. Its messages name the record in several ways:
 *   Tried to create resource record set [name='x.', type='A'] but ...
 *   RRSet of type A with DNS name x. is not permitted because a conflicting RRSet of type CNAME ...
 *   RRSet with DNS name x., type A, SetIdentifier null cannot be created as ...
 *   RRSet with DNS name x. is not permitted in zone z.
 *   The request contains an invalid set of changes for a resource record set 'A x.'
 *   ... in Change with [Name=x., Type=A, SetIdentifier=null]
 * so it is read as a row of words: a name of the batch, with the type that was said last before it, or right after
 * it. A wrong guess would refuse an innocent change, so only what fits exactly one change counts.
 */
#include <string.h>

#include "provider/route53_xml.h"

struct word {
    const char *text;
    size_t length;
};

static bool is_in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.*\\:", c));
}

/* The word at or after *position, which moves behind it. */
static bool next_word(const char **position, struct word *ret_word)
{
    const char *start = *position;
    const char *end;

    while (*start != '\0' && !is_in_word(*start)) {
        start++;
    }
    for (end = start; is_in_word(*end); end++) {}
    *position = end;
    *ret_word = (struct word){.text = start, .length = (size_t)(end - start)};
    return end > start;
}

static bool is_word(const struct word *word, const char *text)
{
    return word->length == strlen(text) && strncasecmp(word->text, text, word->length) == 0;
}

enum said_type { SAID_NONE = -2, SAID_OTHER = -1 }; /* else enum record_type */

/* After "type", or as in `set 'A x.'`. "A" alone is an article. */
static int read_type(const struct word *before, const struct word *word)
{
    if (!is_word(before, "type") && !(is_word(before, "set") && word->text[-1] == '\'')) {
        return SAID_NONE;
    }
    for (int type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (is_word(word, record_type_text((enum record_type)type))) {
            return type;
        }
    }
    return SAID_OTHER;
}

/* The type that follows a name in one breath: `x., type A` or `x.', type='A'`. */
static int type_after(const char *position)
{
    struct word type, value;

    if (!next_word(&position, &type) || !is_word(&type, "type") || !next_word(&position, &value)) {
        return SAID_NONE;
    }
    return read_type(&type, &value);
}

static bool fits(const struct change_request *change, const struct name *name, int type)
{
    return (type == SAID_NONE || type == (int)change->record->type) &&
           strcmp(change->record->hostname, name->text) == 0;
}

static size_t find_only(const struct change_request *const *changes, size_t count, const struct name *name, int type)
{
    size_t found = PROVIDER_NO_CULPRIT;

    for (size_t i = 0; i < count; i++) {
        if (!fits(changes[i], name, type)) {
            continue;
        }
        if (found != PROVIDER_NO_CULPRIT) {
            return PROVIDER_NO_CULPRIT;
        }
        found = i;
    }
    return found;
}

size_t route53_find_culprit(const char *message, const struct change_request *const *changes, size_t count)
{
    const char *position = message;
    struct word before = {.text = "", .length = 0}, word;
    int type = SAID_NONE;

    for (; next_word(&position, &word); before = word) {
        const int said = read_type(&before, &word);
        struct name name;

        if (said != SAID_NONE) {
            type = said;
        } else if (memchr(word.text, '.', word.length) && route53_read_name(word.text, word.length, &name) == 0) {
            const int after = type_after(position);
            size_t found = PROVIDER_NO_CULPRIT;

            if (!is_word(&before, "zone")) {
                found = find_only(changes, count, &name, after != SAID_NONE ? after : type);
            }
            if (found != PROVIDER_NO_CULPRIT) {
                return found;
            }
            type = SAID_NONE;
        }
    }
    return PROVIDER_NO_CULPRIT;
}

/* "Tried to delete resource record set [name='x.', type='A'] but it was not found", or "... but the values provided do
 * not match the current values". */
bool route53_is_outdated(const char *message)
{
    return strstr(message, "Tried to delete") &&
           (strstr(message, "was not found") || strstr(message, "do not match the current values"));
}
