/* The first line is a query string, all after it a form-encoded body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/params.h"
#include "base/cleanup.h"
#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"mode", "hostname", "hash", "internalIp", "", "a b"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *newline = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t query_length = newline != NULL ? (size_t)(newline - text) : size;
    _cleanup_free_ char *query = strndup(size > 0 ? text : "", query_length);
    const char *form = newline != NULL ? newline + 1 : NULL;
    size_t form_length = newline != NULL ? size - query_length - 1 : 0;
    struct params params = {0};
    const char *reason = NULL;

    if (query == NULL) {
        return 0;
    }
    int r = params_parse(query, form, form_length, names, ELEMENTS(names), &params, &reason);
    if (r < 0 && reason == NULL) {
        abort();
    }
    for (size_t i = 0; r == 0 && i < ELEMENTS(names); i++) {
        const char *value = params.values[i];
        if (value != NULL && (value < params.storage || value >= params.storage + params.storage_bytes ||
                              !utf8_is_valid(value, strlen(value)))) {
            abort();
        }
    }
    if (r == 0) {
        params_done(&params);
    }
    return 0;
}
