#include "api/dialect.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

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

/* A media type without its parameters, RFC 9110 section 8.3.1. */
static bool is_media_type(const char *header, const char *type)
{
    size_t length = strlen(type);

    return strncasecmp(header, type, length) == 0 && strchr("; \t", header[length]) != NULL;
}

/* Without a Content-Type it counts as one, and an empty body is one of any type. */
static bool is_form(const struct request *request)
{
    if (request->body_length == 0) {
        return true;
    }
    const char *encoding = request_header(request, "content-encoding");
    const char *type = request_header(request, "content-type");
    return (!encoding || strcasecmp(encoding, "identity") == 0) &&
           (!type || is_media_type(type, "application/x-www-form-urlencoded"));
}

int dialect_all_params(const struct request *request, const char *const *names, size_t count, struct params *ret_params,
                       const char **ret_reason)
{
    const char *form = request->method == REQUEST_POST ? request->body : NULL;

    if (request->body_dropped) {
        *ret_reason = "a body means nothing with this method; send it with POST, or the parameters in the URL";
        return -EMEDIUMTYPE;
    }
    if (form && !is_form(request)) {
        *ret_reason = "the body is no form; send application/x-www-form-urlencoded, or the parameters in the URL";
        return -EMEDIUMTYPE;
    }
    return params_parse(request->query, form, request->body_length, names, count, ret_params, ret_reason);
}

int dialect_params(const struct request *request, const char *const *names, size_t count, struct params *ret_params,
                   const char **ret_reason)
{
    struct params params = {0};
    int r = dialect_all_params(request, names, count, &params, ret_reason);

    if (r == 0 && params.unspoken) {
        *ret_reason = params.unspoken;
        params_done(&params);
        return -ENOTSUP;
    }
    if (r == 0) {
        *ret_params = params;
    }
    return r;
}

unsigned dialect_status_of(int params_status)
{
    switch (params_status) {
    case -ENOMEM: return 503;
    case -EMEDIUMTYPE: return 415;
    default: return 400;
    }
}

/* Is it the name of a network and of no machine in it? A link of two addresses has no such name (RFC 3021, RFC
 * 6164). An address that no record can hold is never taken for a network: a router whose WAN is down may send
 * 0.0.0.0/0, and is told so. */
static bool is_network(const struct prefix *prefix, const struct address *address)
{
    int bits = address->family == ADDRESS_IPV4 ? 32 : 128;

    return prefix->length < bits - 1 && address_equal(&prefix->address, address) &&
           address_classify(address) != ADDRESS_NEVER;
}

int dialect_address(const char *text, size_t length, struct address *ret_address)
{
    struct prefix prefix;

    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    const char *slash = memchr(text, '/', length);
    if (!slash) {
        return address_parse(text, length, ret_address);
    }
    struct address address;
    if (prefix_parse(text, length, true, &prefix) < 0 || address_parse(text, (size_t)(slash - text), &address) < 0 ||
        is_network(&prefix, &address)) {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
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
