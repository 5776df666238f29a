/* Lines of the input: path, query, then headers as "name:value"; whatever is accepted must be canonical already. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/sigv4.h"

#define HEADERS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *take_line(char **text)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    if (end) {
        *end = '\0';
        *text = end + 1;
    } else {
        *text = strchr(line, '\0');
    }
    return line;
}

static size_t take_headers(char *text, struct sigv4_header headers[HEADERS_MAX])
{
    size_t count = 0;
    while (*text && count < HEADERS_MAX) {
        const char *line = take_line(&text);
        char *colon = strchr(line, ':');
        if (colon) {
            *colon = '\0';
        }
        headers[count++] = (struct sigv4_header){.name = line, .value = colon ? colon + 1 : ""};
    }
    return count;
}

/* The query of a canonical request is its third line; sorting and encoding it again must change nothing. */
static void check_query_is_stable(const struct sigv4_request *request, const char *canonical)
{
    _cleanup_buffer_ struct buffer again = BUFFER_INIT;
    const char *query = strchr(strchr(canonical, '\n') + 1, '\n') + 1;
    const size_t length = strcspn(query, "\n");
    _cleanup_free_ char *copy = strndup(query, length);
    struct sigv4_request second = *request;

    second.query = copy;
    assert(sigv4_canonical_request(&second, &again) == 0);
    assert(strcmp(buffer_text(&again), canonical) == 0);
}

static void check(const struct sigv4_request *request)
{
    const struct sigv4_scope scope = {.region = "us-east-1", .service = "route53", .time_s = 1440938160};
    _cleanup_buffer_ struct buffer canonical = BUFFER_INIT;
    _cleanup_buffer_ struct buffer authorization = BUFFER_INIT;
    _cleanup_(secret_freep) struct secret *secret = secret_new("secret", 6);

    if (sigv4_canonical_request(request, &canonical) < 0) {
        return;
    }
    const char *path = strchr(buffer_text(&canonical), '\n') + 1;
    assert(*path == '/');
    for (unsigned lines = 0; lines < 2; path++) { /* path and query: nothing that is not plain ASCII */
        assert((*path > 0x20 && *path < 0x7f) || *path == '\n');
        lines += *path == '\n';
    }
    check_query_is_stable(request, buffer_text(&canonical));
    assert(sigv4_authorization(request, &scope, "AKIDEXAMPLE", secret, NULL, &authorization) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    struct sigv4_header headers[HEADERS_MAX];
    char *rest = text;

    struct sigv4_request request = {.method = "GET", .payload_sha256 = "UNSIGNED-PAYLOAD", .headers = headers};
    request.path = take_line(&rest);
    request.query = take_line(&rest);
    request.header_count = take_headers(rest, headers);
    check(&request);
    return 0;
}
