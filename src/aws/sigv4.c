#include "aws/sigv4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/parse.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define TERMINATOR "aws4_request"
#define DATE_LENGTH 8 /* YYYYMMDD */

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

static void append_hex_sha256(struct buffer *buffer, const char *text)
{
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    const struct bytes part = bytes_of(text);

    sha256(&part, 1, digest);
    print_hex(digest, sizeof(digest), hex);
    buffer_append_text(buffer, hex);
}

void sigv4_payload_sha256(const void *payload, size_t length, char ret_text[2 * SHA256_SIZE + 1])
{
    uint8_t digest[SHA256_SIZE];

    sha256(&(struct bytes){payload, length}, 1, digest);
    print_hex(digest, sizeof(digest), ret_text);
}

/* ---- percent-encoding: the function UriEncode() of AWS's pages ---- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static void append_encoded(struct buffer *buffer, unsigned char c)
{
    if (is_unreserved(c)) {
        buffer_append_char(buffer, (char)c);
    } else {
        buffer_printf(buffer, "%%%02X", c);
    }
}

static bool is_escape(const char *text, size_t left)
{
    uint8_t byte;
    return left >= 3 && text[0] == '%' && parse_hex(text + 1, 2, &byte, 1) == 0;
}

/* Neither can stand in a request line. */
static bool has_control_character(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

/* ---- the path ---- */

/* RFC 3986 section 5.2.4 and no empty segments. As the SDKs do it, a final slash is kept only where there was one: "/a/."
 * becomes "/a". `ret_path` has room for the path itself. */
static void normalize_path(const char *path, char *ret_path)
{
    const bool ends_in_slash = path[strlen(path) - 1] == '/';
    size_t length = 0; /* of the segments that stay, each with its slash in front */

    while (*path) {
        path += strspn(path, "/");
        const size_t segment = strcspn(path, "/");
        if (segment == 2 && memcmp(path, "..", 2) == 0) {
            while (length > 0 && ret_path[--length] != '/') {}
        } else if (segment > 0 && !(segment == 1 && *path == '.')) {
            ret_path[length++] = '/';
            memcpy(ret_path + length, path, segment);
            length += segment;
        }
        path += segment;
    }
    if (length == 0 || ends_in_slash) {
        ret_path[length++] = '/';
    }
    ret_path[length] = '\0';
}

static int append_canonical_path(const struct sigv4_request *request, struct buffer *buffer)
{
    const char *path = *request->path ? request->path : "/";

    if (path[0] != '/' || strpbrk(path, "?#") || has_control_character(path)) {
        return -EINVAL;
    }
    _cleanup_free_ char *normalized = malloc(strlen(path) + 1);
    if (!normalized) {
        return -ENOMEM;
    }
    normalize_path(path, normalized);
    for (const char *p = normalized; *p; p++) {
        if (*p == '/') {
            buffer_append_char(buffer, *p);
        } else {
            append_encoded(buffer, (unsigned char)*p); /* once more than on the wire */
        }
    }
    return 0;
}

/* ---- the query ---- */

/* A parameter as offsets of two strings in one buffer. */
struct parameter {
    size_t key;
    size_t value;
};

static int compare_parameters(const void *a, const void *b, void *userdata)
{
    const struct parameter *first = a;
    const struct parameter *second = b;
    const char *text = userdata;

    const int keys = strcmp(text + first->key, text + second->key);
    return keys ? keys : strcmp(text + first->value, text + second->value);
}

/* Decodes and encodes again, so that every spelling of a text becomes the same one. A '+' is a plus (RFC 3986), a '%'
 * that begins no escape is itself. */
static void append_reencoded(struct buffer *buffer, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (is_escape(text + i, length - i)) {
            (void)parse_hex(text + i + 1, 2, &byte, 1);
            i += 2;
        }
        append_encoded(buffer, byte);
    }
    buffer_append_char(buffer, '\0');
}

static size_t count_parameters(const char *query)
{
    size_t count = 1;
    for (; *query; query++) {
        count += *query == '&';
    }
    return count;
}

static size_t encode_parameters(const char *query, struct buffer *text, struct parameter *parameters)
{
    size_t count = 0;

    while (*query) {
        const size_t length = strcspn(query, "&");
        if (length > 0) {
            const char *equals = memchr(query, '=', length);
            const size_t key_length = equals ? (size_t)(equals - query) : length;
            parameters[count].key = text->length;
            append_reencoded(text, query, key_length);
            parameters[count].value = text->length;
            append_reencoded(text, equals ? equals + 1 : query, equals ? length - key_length - 1 : 0);
            count++;
        }
        query += length + (query[length] == '&');
    }
    return count;
}

static int append_canonical_query(const char *query, struct buffer *buffer)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    if (!query || !*query) {
        return 0;
    }
    if (strchr(query, '#') || has_control_character(query)) {
        return -EINVAL;
    }
    _cleanup_free_ struct parameter *parameters = calloc(count_parameters(query), sizeof(*parameters));
    if (!parameters) {
        return -ENOMEM;
    }
    const size_t count = encode_parameters(query, &text, parameters);
    if (buffer_status(&text) < 0) {
        return -ENOMEM;
    }
    qsort_r(parameters, count, sizeof(*parameters), compare_parameters, text.data);
    for (size_t i = 0; i < count; i++) {
        buffer_printf(buffer, "%s%s=%s", i ? "&" : "", text.data + parameters[i].key, text.data + parameters[i].value);
    }
    return 0;
}

/* ---- the headers ---- */

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *text)
{
    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) {
            return false;
        }
    }
    return true;
}

static void append_lower(struct buffer *buffer, const char *text)
{
    for (; *text; text++) {
        buffer_append_char(buffer, *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text);
    }
}

/* Without white space at the ends, one space for each run of it; a folded line is such a run. */
static void append_trimmed(struct buffer *buffer, const char *text)
{
    static const char white[] = " \t\r\n\v\f";

    for (text += strspn(text, white); *text; text += strspn(text, white)) {
        const size_t length = strcspn(text, white);
        buffer_append(buffer, text, length);
        text += length;
        if (text[strspn(text, white)]) {
            buffer_append_char(buffer, ' ');
        }
    }
}

static int compare_headers(const void *a, const void *b)
{
    const struct sigv4_header *const *first = a;
    const struct sigv4_header *const *second = b;

    const int names = strcasecmp((*first)->name, (*second)->name);
    /* those of one name stay in the order they were given in: they are parts of one array */
    return names ? names : (*first > *second) - (*first < *second);
}

/* Returns owned in `ret_headers`: pointers to the request's headers, by lower-case name. */
static int sort_headers(const struct sigv4_request *request, const struct sigv4_header ***ret_headers)
{
    const struct sigv4_header **headers = calloc(request->header_count + 1, sizeof(*headers));
    if (!headers) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        headers[i] = &request->headers[i];
    }
    qsort(headers, request->header_count, sizeof(*headers), compare_headers);
    *ret_headers = headers;
    return 0;
}

static bool is_same_name(const struct sigv4_header *const *headers, size_t index)
{
    return index > 0 && strcasecmp(headers[index - 1]->name, headers[index]->name) == 0;
}

static void append_canonical_headers(const struct sigv4_header *const *headers, size_t count, struct buffer *buffer)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same_name(headers, i)) {
            buffer_append_char(buffer, ',');
        } else {
            buffer_append_text(buffer, i ? "\n" : "");
            append_lower(buffer, headers[i]->name);
            buffer_append_char(buffer, ':');
        }
        append_trimmed(buffer, headers[i]->value);
    }
    buffer_append_text(buffer, count ? "\n" : "");
}

static void append_signed_headers(const struct sigv4_header *const *headers, size_t count, struct buffer *buffer)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_same_name(headers, i)) {
            buffer_append_text(buffer, i ? ";" : "");
            append_lower(buffer, headers[i]->name);
        }
    }
}

/* ---- the three steps ---- */

int sigv4_canonical_request(const struct sigv4_request *request, struct buffer *buffer)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_token(request->headers[i].name)) {
            return -EINVAL;
        }
    }
    _cleanup_free_ const struct sigv4_header **headers = NULL;
    int r = sort_headers(request, &headers);
    if (r < 0) {
        return r;
    }

    buffer_printf(buffer, "%s\n", request->method);
    r = append_canonical_path(request, buffer);
    if (r < 0) {
        return r;
    }
    buffer_append_char(buffer, '\n');
    r = append_canonical_query(request->query, buffer);
    if (r < 0) {
        return r;
    }
    buffer_append_char(buffer, '\n');
    append_canonical_headers(headers, request->header_count, buffer);
    buffer_append_char(buffer, '\n');
    append_signed_headers(headers, request->header_count, buffer);
    buffer_printf(buffer, "\n%s", request->payload_sha256);
    return buffer_status(buffer);
}

static void append_scope(const struct sigv4_scope *scope, const char *time_text, struct buffer *buffer)
{
    buffer_append(buffer, time_text, DATE_LENGTH);
    buffer_printf(buffer, "/%s/%s/" TERMINATOR, scope->region, scope->service);
}

int sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical_request, struct buffer *buffer)
{
    char time_text[17];

    clock_print_basic_iso8601(scope->time_s, time_text);
    buffer_printf(buffer, ALGORITHM "\n%s\n", time_text);
    append_scope(scope, time_text, buffer);
    buffer_append_char(buffer, '\n');
    append_hex_sha256(buffer, canonical_request);
    return buffer_status(buffer);
}

static int derive_key(const struct sigv4_scope *scope, const char *time_text, const struct secret *secret_access_key,
                      uint8_t ret_key[SHA256_SIZE])
{
    const struct bytes steps[] = {
        {time_text, DATE_LENGTH}, bytes_of(scope->region), bytes_of(scope->service), bytes_of(TERMINATOR)};
    _cleanup_(buffer_wipe) struct buffer first = BUFFER_INIT;

    buffer_reserve(&first, strlen("AWS4") + secret_length(secret_access_key));
    buffer_append_text(&first, "AWS4");
    buffer_append(&first, secret_bytes(secret_access_key), secret_length(secret_access_key));
    if (buffer_status(&first) < 0) {
        return -ENOMEM;
    }
    hmac_sha256(first.data, first.length, &steps[0], 1, ret_key);
    for (size_t i = 1; i < ELEMENTS(steps); i++) {
        hmac_sha256(ret_key, SHA256_SIZE, &steps[i], 1, ret_key);
    }
    return 0;
}

/* Derives the key again only when the day, the scope or the secret is another one. */
static int use_key(const struct sigv4_scope *scope, const char *time_text, const struct secret *secret_access_key,
                   struct sigv4_key *key)
{
    uint8_t fingerprint[SHA256_SIZE];
    const struct bytes end = {"", 1};
    const struct bytes parts[] = {{time_text, DATE_LENGTH},
                                  end,
                                  bytes_of(scope->region),
                                  end,
                                  bytes_of(scope->service),
                                  end,
                                  {secret_bytes(secret_access_key), secret_length(secret_access_key)}};

    sha256(parts, ELEMENTS(parts), fingerprint);
    if (key->is_set && constant_time_equal(key->fingerprint, fingerprint, sizeof(fingerprint))) {
        return 0;
    }
    int r = derive_key(scope, time_text, secret_access_key, key->key);
    if (r < 0) {
        return r;
    }
    memcpy(key->fingerprint, fingerprint, sizeof(fingerprint));
    key->is_set = true;
    return 0;
}

static void append_signature(const struct sigv4_key *key, const char *string_to_sign, struct buffer *buffer)
{
    uint8_t signature[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    const struct bytes part = bytes_of(string_to_sign);

    hmac_sha256(key->key, sizeof(key->key), &part, 1, signature);
    print_hex(signature, sizeof(signature), hex);
    buffer_append_text(buffer, hex);
}

static void wipe_key(struct sigv4_key *key)
{
    wipe(key, sizeof(*key));
}

int sigv4_authorization(const struct sigv4_request *request, const struct sigv4_scope *scope, const char *access_key_id,
                        const struct secret *secret_access_key, struct sigv4_key *key, struct buffer *buffer)
{
    _cleanup_buffer_ struct buffer canonical_request = BUFFER_INIT;
    _cleanup_buffer_ struct buffer string_to_sign = BUFFER_INIT;
    _cleanup_free_ const struct sigv4_header **headers = NULL;
    _cleanup_(wipe_key) struct sigv4_key own_key = {0};
    char time_text[17];

    int r = sigv4_canonical_request(request, &canonical_request);
    if (r < 0) {
        return r;
    }
    r = sigv4_string_to_sign(scope, buffer_text(&canonical_request), &string_to_sign);
    if (r < 0) {
        return r;
    }
    r = sort_headers(request, &headers);
    if (r < 0) {
        return r;
    }
    clock_print_basic_iso8601(scope->time_s, time_text);
    key = key ? key : &own_key;
    r = use_key(scope, time_text, secret_access_key, key);
    if (r < 0) {
        return r;
    }
    buffer_printf(buffer, ALGORITHM " Credential=%s/", access_key_id);
    append_scope(scope, time_text, buffer);
    buffer_append_text(buffer, ", SignedHeaders=");
    append_signed_headers(headers, request->header_count, buffer);
    buffer_append_text(buffer, ", Signature=");
    append_signature(key, buffer_text(&string_to_sign), buffer);
    return buffer_status(buffer);
}
