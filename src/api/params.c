#include "api/params.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "api/unspoken.h"
#include "base/parse.h"
#include "base/secret.h"

static const char broken[] = "a parameter has a broken percent-escape, a NUL or bytes that are not UTF-8; encode "
                             "names and values as UTF-8 with %XX escapes";
static const char repeated[] = "a parameter is given twice; send each only once";
static const char other_letters[] = "a parameter is written with other capital and small letters than it has; "
                                    "ddns53-api(7) has its spelling";

/* What is being read: `next` walks through the storage, where names and values go one after the other. */
struct reader {
    const char *const *names;
    size_t count;
    struct params *params;
    char *next;
};

static int fail(const char *reason, const char **ret_reason)
{
    *ret_reason = reason;
    return -EINVAL;
}

/* Decodes into the storage; never longer than the encoded text and its NUL. */
static int read_text(struct reader *reader, const char *text, size_t length, bool is_form, const char **ret_text)
{
    size_t decoded = 0;
    int r = percent_decode(text, length, is_form, reader->next, &decoded);

    if (r < 0) {
        return r;
    }
    *ret_text = reader->next;
    reader->next += decoded + 1;
    return 0;
}

/* Of an unknown parameter. `value` NULL: no '='. */
static const char *reason_against(const struct reader *reader, const char *name, const char *value)
{
    for (size_t i = 0; i < reader->count; i++) {
        if (strcasecmp(reader->names[i], name) == 0) {
            return other_letters;
        }
    }
    return unspoken_reason(name, value);
}

static int read_pair(struct reader *reader, const char *pair, size_t length, bool is_form, const char **ret_reason)
{
    const char *equals = memchr(pair, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - pair) : length;
    size_t value_start = equals != NULL ? name_length + 1 : length;
    const char *name = NULL;
    const char *value = NULL;

    if (read_text(reader, pair, name_length, is_form, &name) < 0 ||
        read_text(reader, pair + value_start, length - value_start, is_form, &value) < 0) {
        return fail(broken, ret_reason);
    }
    for (size_t i = 0; i < reader->count; i++) {
        if (strcmp(reader->names[i], name) != 0) {
            continue;
        }
        if (reader->params->values[i] != NULL) {
            return fail(repeated, ret_reason);
        }
        reader->params->values[i] = value;
        if (memchr(pair + value_start, '+', length - value_start) != NULL) {
            (void)read_text(reader, pair + value_start, length - value_start, !is_form, &reader->params->others[i]);
        }
        reader->params->bare |= equals == NULL ? UINT32_C(1) << i : 0;
        return 0;
    }
    reader->params->has_others = true;
    if (reader->params->unspoken == NULL) {
        reader->params->unspoken = reason_against(reader, name, equals != NULL ? value : NULL);
    }
    return 0;
}

/* `a=1&b=2`. A semicolon separates nothing: the URL Standard knows only '&', and whoever splits at both sees other
 * parameters than the proxy in front of it. */
static int read_pairs(struct reader *reader, const char *text, size_t length, bool is_form, const char **ret_reason)
{
    for (size_t start = 0; start < length;) {
        const char *end = memchr(text + start, '&', length - start);
        size_t pair_length = end != NULL ? (size_t)(end - (text + start)) : length - start;

        if (pair_length > 0) {
            int r = read_pair(reader, text + start, pair_length, is_form, ret_reason);
            if (r < 0) {
                return r;
            }
        }
        start += pair_length + 1;
    }
    return 0;
}

int params_parse(const char *query, const char *form, size_t form_length, const char *const *names, size_t count,
                 struct params *ret_params, const char **ret_reason)
{
    size_t query_length = strlen(query);
    size_t form_bytes = form != NULL ? form_length : 0;

    if (count > PARAMS_MAX) {
        return fail("the dialect has more parameters than PARAMS_MAX", ret_reason);
    }
    if (query_length > SIZE_MAX / 8 || form_bytes > SIZE_MAX / 8) {
        return -ENOMEM;
    }
    /* A pair of n bytes, its '=' included if it has one, takes at most n and two NULs, and the n - 1 bytes and NUL of
     * its value a second time. */
    struct params params = {.storage_bytes = 2 * (query_length + form_bytes) + 4};
    params.storage = malloc(params.storage_bytes);
    if (params.storage == NULL) {
        return -ENOMEM;
    }
    struct reader reader = {names, count, &params, params.storage};
    int r = read_pairs(&reader, query, query_length, false, ret_reason);
    if (r == 0 && form != NULL) {
        r = read_pairs(&reader, form, form_bytes, true, ret_reason);
    }
    if (r < 0) {
        params_done(&params);
        return r;
    }
    *ret_params = params;
    return 0;
}

void params_done(struct params *params)
{
    if (params->storage != NULL) {
        wipe(params->storage, params->storage_bytes);
        free(params->storage);
    }
    *params = (struct params){0};
}
