#include "web/dialect.h"

#include <string.h>

static bool text_names(const char *text, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    const char *end = text + length;

    while (text < end) {
        const char *next = memchr(text, '&', (size_t)(end - text));
        size_t pair_length = (size_t)((next ? next : end) - text);
        if (pair_length >= name_length && memcmp(text, name, name_length) == 0 &&
            (pair_length == name_length || text[name_length] == '=')) {
            return true;
        }
        text += pair_length + 1;
    }
    return false;
}

bool dialect_names(const struct request *request, const char *name)
{
    return text_names(request->query, strlen(request->query), name) ||
           (request->method == REQUEST_POST && text_names(request->body, request->body_length, name));
}

int dialect_params(const struct request *request, const char *const *names, size_t count, struct params *ret_params,
                   const char **ret_reason)
{
    const char *form = request->method == REQUEST_POST ? request->body : NULL;

    return params_parse(request->query, form, request->body_length, names, count, ret_params, ret_reason);
}

int dialect_address(const char *text, size_t length, struct address *ret_address)
{
    const char *slash;
    struct prefix prefix;

    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    slash = memchr(text, '/', length);
    if (slash) { /* checked as a prefix, so that "/rubbish" is refused */
        int status = prefix_parse(text, length, true, &prefix);
        if (status < 0) {
            return status;
        }
        length = (size_t)(slash - text);
    }
    return address_parse(text, length, ret_address);
}

void dialect_answer_text(struct request *request, const char *dialect, unsigned status, const char *result,
                         uint32_t retry_after_s, const char *challenge, const char *body)
{
    struct answer answer = {
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .retry_after_s = retry_after_s,
        .dialect = dialect,
        .result = result,
    };

    if (challenge) {
        answer.headers[0] = (struct answer_header){"WWW-Authenticate", challenge};
    }
    buffer_append_text(&answer.body, body);
    request_answer(request, &answer);
}
