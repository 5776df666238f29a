#include "aws/aws_request.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"

/* Further off than this, a signature may fail because of the clock: AWS accepts 5 minutes (15 in some services). */
#define SKEW_MIN_S 300

void signed_request_done(struct signed_request *signed_request)
{
    buffer_done(&signed_request->url);
    for (size_t i = 0; i < SIGNED_HEADERS_MAX; i++) {
        buffer_wipe(&signed_request->lines[i]); /* a session token is among them */
    }
}

/* "https://host:port/base" in its parts, borrowed. */
static int split_endpoint(const char *endpoint, const char **ret_host, size_t *ret_host_length)
{
    const char *host = strstr(endpoint, "://");
    if (!host) {
        return -EINVAL;
    }
    host += 3;
    const size_t length = strcspn(host, "/?#");
    if (length == 0 || host[length] == '?' || host[length] == '#') {
        return -EINVAL;
    }
    *ret_host = host;
    *ret_host_length = length;
    return 0;
}

struct signer {
    const struct aws_request *request;
    struct signed_request *output;
    struct sigv4_header headers[SIGNED_HEADERS_MAX];
    size_t count;
};

/* Lines are "Name: value"; the value that is signed is a part of its line. */
static void add_header(struct signer *signer, const char *name, const char *value, size_t length)
{
    struct buffer *line = &signer->output->lines[signer->count];

    buffer_reserve(line, strlen(name) + length + 2);
    buffer_append_text(line, name);
    buffer_append_text(line, ": ");
    buffer_append(line, value, length);
    if (buffer_status(line) < 0) {
        return; /* seen by aws_request_sign */
    }
    signer->headers[signer->count] = (struct sigv4_header){name, buffer_text(line) + strlen(name) + 2};
    signer->output->headers[signer->count] = buffer_text(line);
    signer->count++;
}

static int sign(struct signer *signer, const char *path, const char *payload_sha256)
{
    const struct aws_request *request = signer->request;
    _cleanup_buffer_ struct buffer authorization = BUFFER_INIT;
    const struct sigv4_request to_sign = {
        .method = request->method,
        .path = path,
        .query = request->query,
        .headers = signer->headers,
        .header_count = signer->count,
        .payload_sha256 = payload_sha256,
    };
    const struct sigv4_scope scope = {.region = request->region,
                                      .service = request->service,
                                      .time_s = request->time_s};

    int r = sigv4_authorization(&to_sign, &scope, request->keys->access_key_id, request->keys->secret_access_key,
                                request->key, &authorization);
    if (r < 0) {
        return r;
    }
    add_header(signer, "Authorization", buffer_text(&authorization), authorization.length);
    return 0;
}

static void add_headers_to_sign(struct signer *signer, const char *payload_sha256)
{
    const struct aws_request *request = signer->request;
    char time_text[17];

    clock_print_basic_iso8601(request->time_s, time_text);
    add_header(signer, "X-Amz-Date", time_text, strlen(time_text));
    add_header(signer, "X-Amz-Content-SHA256", payload_sha256, strlen(payload_sha256));
    if (request->keys->session_token) {
        add_header(signer, "X-Amz-Security-Token", (const char *)secret_bytes(request->keys->session_token),
                   secret_length(request->keys->session_token));
    }
}

int aws_request_sign(const struct aws_request *request, struct signed_request *ret_signed)
{
    struct signer signer = {.request = request, .output = ret_signed};
    char payload_sha256[2 * SHA256_SIZE + 1];
    const char *host = NULL;
    size_t host_length = 0;

    *ret_signed = (struct signed_request){0};
    int r = split_endpoint(request->endpoint, &host, &host_length);
    if (r < 0) {
        return r;
    }
    const char *base = host + host_length;
    const size_t base_length = strlen(base) - (*base && base[strlen(base) - 1] == '/' ? 1 : 0);
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    buffer_append(&path, base, base_length);
    buffer_append_text(&path, request->path);
    buffer_append(&ret_signed->url, request->endpoint, (size_t)(host + host_length - request->endpoint));
    buffer_printf(&ret_signed->url, "%s%s%s", buffer_text(&path), request->query ? "?" : "",
                  request->query ? request->query : "");

    add_header(&signer, "Host", host, host_length);
    if (request->body && request->content_type) {
        add_header(&signer, "Content-Type", request->content_type, strlen(request->content_type));
    }
    if (request->keys) {
        sigv4_payload_sha256(request->body, request->body ? request->body_length : 0, payload_sha256);
        add_headers_to_sign(&signer, payload_sha256);
        r = sign(&signer, buffer_text(&path), payload_sha256);
    }
    for (size_t i = 0; i < SIGNED_HEADERS_MAX && r == 0; i++) {
        r = buffer_status(&ret_signed->lines[i]);
    }
    if (r == 0) {
        r = buffer_status(&path);
    }
    return r < 0 ? r : buffer_status(&ret_signed->url);
}

/* ---- errors ---- */

static bool is_one_of(const char *text, const char *const *choices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, choices[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* After its first line a refused signature is explained with the whole canonical request, a session token in it; an
 * incomplete one with the Authorization header. Neither may reach a log. */
static void append_message(const char *code, const char *text, struct buffer *message)
{
    if (strcmp(code, "IncompleteSignature") == 0) {
        buffer_append_text(message, "the Authorization header is not what AWS expects");
    } else if (aws_is_credentials_code(code)) {
        buffer_append(message, text, strcspn(text, "\r\n"));
    } else {
        buffer_append_text(message, text);
    }
}

void aws_error_read(const struct xml_element *root, struct buffer *code, struct buffer *message)
{
    if (!root) {
        return;
    }
    const struct xml_element *messages = xml_child(root, "Messages");
    if (messages) {
        buffer_append_text(code, root->name); /* InvalidChangeBatch */
        for (const struct xml_element *child = messages->first_child; child; child = child->next) {
            if (strcmp(child->name, "Message") == 0) {
                buffer_append_text(message, message->length ? "\n" : "");
                buffer_append_text(message, child->text);
            }
        }
        return;
    }
    const struct xml_element *error = strcmp(root->name, "Error") == 0 ? root : xml_child(root, "Error");
    const char *code_text = xml_child_text(error, "Code");
    const char *message_text = xml_child_text(error, "Message");
    buffer_append_text(code, code_text ? code_text : "");
    if (code_text && message_text) {
        append_message(code_text, message_text, message);
    }
}

bool aws_clock_skew(const char *code, const char *date, int64_t now_s, int64_t offset_s, int64_t *ret_offset_s)
{
    static const char *const time_codes[] = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"};
    static const char *const signature_codes[] = {"SignatureDoesNotMatch", "InvalidSignatureException"};
    const bool is_about_time = is_one_of(code, time_codes, ELEMENTS(time_codes));
    int64_t date_s = 0;

    if (!is_about_time && !is_one_of(code, signature_codes, ELEMENTS(signature_codes))) {
        return false;
    }
    if (!date || parse_http_date(date, &date_s) < 0) {
        return false;
    }
    const int64_t error_s = date_s - (now_s + offset_s);
    if (!is_about_time && error_s >= -SKEW_MIN_S && error_s <= SKEW_MIN_S) {
        return false; /* the signature fails for another reason */
    }
    *ret_offset_s = date_s - now_s;
    return true;
}

bool aws_is_credentials_code(const char *code)
{
    static const char *const codes[] = {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "AuthFailure",
        "AccessDenied",
        "AccessDeniedException",
        "NotAuthorized",
        "OptInRequired",
    };
    return is_one_of(code, codes, ELEMENTS(codes));
}

bool aws_is_throttling_code(const char *code, const char *message)
{
    static const char *const codes[] = {"Throttling",
                                        "ThrottlingException",
                                        "ThrottledException",
                                        "RequestThrottled",
                                        "RequestThrottledException",
                                        "TooManyRequests",
                                        "TooManyRequestsException",
                                        "RequestLimitExceeded",
                                        "SlowDown",
                                        "PriorRequestNotComplete"};
    return is_one_of(code, codes, ELEMENTS(codes)) || strcmp(message, "Rate exceeded") == 0;
}
