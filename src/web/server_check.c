#include "web/server_check.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"
#include "web/client_address.h"
#include "web/head.h"
#include "web/server_library.h"

#define PEER_GROUPS_MAX 1024

static const struct refusal line_too_long = {
    414, true, "line_too_long",
    "the request line is longer than 4096 bytes; send long values as a form in a POST body\n"};
static const struct refusal headers_too_large = {
    431, true, "headers_too_large",
    "the headers are larger than 16384 bytes, or too many; send fewer or shorter ones\n"};
static const struct refusal bad_head = {400, true, "head",
                                        "the request line or a header is malformed; end each line with CR LF, put no "
                                        "blank before a colon, don't continue a "
                                        "header in the next line, and send no control characters\n"};
static const struct refusal bad_target = {400, true, "target",
                                          "there is a space or a control character in the URL; encode it as %XX\n"};
static const struct refusal no_host = {400, true, "host", "HTTP/1.1 needs one Host header; send it\n"};
static const struct refusal ambiguous_body = {
    400, true, "ambiguous_body",
    "the length of the body is not clear; send one Content-Length, or Transfer-Encoding: "
    "chunked alone\n"};
static const struct refusal bad_forwarding = {400, false, "forwarded",
                                              "X-Forwarded-For or Forwarded is malformed, or they differ; the proxy in "
                                              "front of this server must put the client's address into the one "
                                              "that server.proxy_header names, and remove the other\n"};
static const struct refusal no_api_key = {
    403, false, "api_key", "this server needs an API key; send one that it knows in the header x-api-key\n"};

static const struct refusal wrong_peer = {403, false, "peer",
                                          "this socket is for root, the daemon's own user and its group; run the "
                                          "command as one of them\n"};

const struct refusal refusal_body_too_large = {413, true, "body_too_large",
                                               "the body is larger than 8192 bytes; send less\n"};
const struct refusal refusal_method = {405, false, "method", "only GET and POST are understood here\n"};
const struct refusal refusal_not_found = {404, false, "not_found",
                                          "there is nothing at this path; check the URL against the manual\n"};

/* ---- headers ---- */

struct lookup {
    const char *name;
    size_t count;
    const char *value; /* the first */
    bool differ;
};

static enum MHD_Result visit(void *userdata, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct lookup *lookup = userdata;

    (void)kind;
    if (strcasecmp(name, lookup->name) != 0) {
        return MHD_YES;
    }
    const char *text = value != NULL ? value : "";
    if (lookup->count++ == 0) {
        lookup->value = text;
    } else if (strcmp(lookup->value, text) != 0) {
        lookup->differ = true;
    }
    return MHD_YES;
}

static struct lookup look_up(struct MHD_Connection *mhd, const char *name)
{
    struct lookup lookup = {.name = name};

    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, visit, &lookup);
    return lookup;
}

const char *check_header(const struct request *request, const char *name)
{
    struct lookup lookup = look_up(((const struct exchange *)request)->mhd, name);

    return lookup.differ ? NULL : lookup.value;
}

struct joined {
    const char *name;
    bool any;
    struct buffer value;
};

static enum MHD_Result join(void *userdata, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct joined *joined = userdata;

    (void)kind;
    if (strcasecmp(name, joined->name) == 0) {
        buffer_append_text(&joined->value, joined->any ? ", " : "");
        buffer_append_text(&joined->value, value != NULL ? value : "");
        joined->any = true;
    }
    return MHD_YES;
}

/* ---- the checks, in the order in which they count ---- */

static size_t head_size(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info ? info->header_size : 0;
}

static enum MHD_Result visit_field(void *userdata, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                   const char *value, size_t value_length)
{
    (void)kind;
    head_field(userdata, name, name_length, value ? value : "", value_length);
    return MHD_YES;
}

static const struct refusal *check_head(const struct exchange *exchange, const char *method, const char *version)
{
    struct head head;

    head_begin(&head, library_parses_in_place(), method, exchange->sent_target, exchange->target_length, version);
    (void)MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, visit_field, &head);
    return head_is_good(&head, head_size(exchange->mhd)) ? NULL : &bad_head;
}

static const struct refusal *check_sizes(const struct exchange *exchange, const char *method, const char *version)
{
    size_t line_length = strlen(method) + 1 + exchange->target_length + 1 + strlen(version);

    if (line_length > REQUEST_LINE_MAX_BYTES) {
        return &line_too_long;
    }
    /* It counts from the first byte of the line to the empty line. */
    if (head_size(exchange->mhd) > line_length + 2 + REQUEST_HEADERS_MAX_BYTES) {
        return &headers_too_large;
    }
    return NULL;
}

/* ---- the body's length ---- */

static size_t length_without_blanks(const char *text)
{
    size_t length = strlen(text);

    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    return length;
}

/* Leading zeros are allowed there. */
static const struct refusal *read_length(const char *text, struct body_framing *framing)
{
    size_t length = length_without_blanks(text);
    uint64_t bytes = 0;

    if (length == 0 || strspn(text, "0123456789") != length) {
        return &ambiguous_body;
    }
    size_t zeros = strspn(text, "0");
    if (zeros < length && parse_uint(text + zeros, length - zeros, 0, REQUEST_BODY_MAX_BYTES, &bytes) < 0) {
        return &refusal_body_too_large;
    }
    *framing = (struct body_framing){.kind = BODY_OF_LENGTH, .length = text, .length_size = length};
    return NULL;
}

/* libmicrohttpd takes the first Content-Length, prefers Transfer-Encoding, and reads one that it does not know until
 * the end of the connection: a proxy in front may see another request than we do (RFC 9112 section 11.2). */
const struct refusal *body_framing(struct MHD_Connection *mhd, struct body_framing *ret_framing)
{
    static const char chunked[] = "chunked";
    struct lookup length = look_up(mhd, MHD_HTTP_HEADER_CONTENT_LENGTH);
    struct lookup encoding = look_up(mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING);

    *ret_framing = (struct body_framing){.kind = BODY_NONE};
    if (encoding.count > 0) {
        bool is_chunked = encoding.count == 1 && length_without_blanks(encoding.value) == strlen(chunked) &&
                          strncasecmp(encoding.value, chunked, strlen(chunked)) == 0;
        if (!is_chunked || length.count > 0) {
            return &ambiguous_body;
        }
        ret_framing->kind = BODY_CHUNKED;
        return NULL;
    }
    if (length.differ) {
        return &ambiguous_body;
    }
    return length.count == 0 ? NULL : read_length(length.value, ret_framing);
}

/* Where a chunked body ends, libmicrohttpd alone decides, and it takes a NUL for the end of the trailers: so that
 * nothing after it is ever run, it is the last request of its connection. */
static const struct refusal *check_framing(struct exchange *exchange)
{
    struct body_framing framing;
    const struct refusal *refusal = body_framing(exchange->mhd, &framing);

    exchange->is_last = framing.kind == BODY_CHUNKED;
    return refusal;
}

/* RFC 9112 section 3.2. */
static const struct refusal *check_target(const struct exchange *exchange, const char *version)
{
    if (!exchange->is_target_clean) {
        return &bad_target;
    }
    bool needs_host = strcmp(version, MHD_HTTP_VERSION_1_0) != 0;
    size_t hosts = look_up(exchange->mhd, MHD_HTTP_HEADER_HOST).count;
    return hosts > 1 || (hosts == 0 && needs_host) ? &no_host : NULL;
}

static const struct refusal *check_method(struct exchange *exchange, const char *method)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        exchange->request.method = REQUEST_GET;
        return NULL;
    }
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) { /* as GET, where the route allows it */
        exchange->request.method = REQUEST_GET;
        exchange->is_head = true;
        return NULL;
    }
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0) {
        exchange->request.method = REQUEST_POST;
        return NULL;
    }
    return &refusal_method;
}

static const struct refusal *check_source(struct exchange *exchange, const struct settings *settings)
{
    struct joined x_forwarded_for = {.name = "X-Forwarded-For", .value = BUFFER_INIT};
    struct joined forwarded = {.name = "Forwarded", .value = BUFFER_INIT};

    (void)MHD_get_connection_values(exchange->mhd, MHD_HEADER_KIND, join, &x_forwarded_for);
    (void)MHD_get_connection_values(exchange->mhd, MHD_HEADER_KIND, join, &forwarded);
    struct client_headers headers = {
        .believed = settings->proxy_header,
        .x_forwarded_for = x_forwarded_for.any ? buffer_text(&x_forwarded_for.value) : NULL,
        .forwarded = forwarded.any ? buffer_text(&forwarded.value) : NULL,
    };
    bool failed = buffer_status(&x_forwarded_for.value) < 0 || buffer_status(&forwarded.value) < 0 ||
                  client_address(connection_peer(exchange->connection), settings->trusted_proxies,
                                 settings->trusted_proxy_count, &headers, &exchange->request.source) < 0;
    buffer_done(&x_forwarded_for.value);
    buffer_done(&forwarded.value);
    return failed ? &bad_forwarding : NULL;
}

/* Every key is looked at, so that the time does not tell which one fits. */
static const struct refusal *check_api_key(const struct exchange *exchange, const struct settings *settings)
{
    const char *key = check_header(&exchange->request, "x-api-key");
    bool fits = false;

    if (settings->api_key_count == 0) {
        return NULL;
    }
    for (size_t i = 0; key != NULL && i < settings->api_key_count; i++) {
        fits |= secret_equals(settings->api_keys[i], key, strlen(key));
    }
    return fits ? NULL : &no_api_key;
}

/* Is that group among the peer's supplementary ones? Linux tells since 4.13. */
static bool peer_has_group(int fd, gid_t group)
{
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t length = sizeof(groups);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0) {
        return false;
    }
    for (size_t i = 0; i < length / sizeof(groups[0]); i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

/* Root, our own user, and who is in our own group: whom the mode of the socket lets in as well. It is asked once more, for
 * a mode is easily changed. */
static const struct refusal *check_peer(struct exchange *exchange)
{
    const int fd = connection_fd(exchange->connection);
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) {
        return &wrong_peer;
    }
    exchange->request.peer_uid = peer.uid;
    if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == getegid() || peer_has_group(fd, getegid())) {
        return NULL;
    }
    return &wrong_peer;
}

const struct refusal *check_headers(struct exchange *exchange, const char *method, const char *version)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(exchange->exchanges->service->current);
    /* First of all, so that the log has it whatever else is wrong. */
    const struct refusal *source = check_source(exchange, settings);
    const struct refusal *refusal = check_head(exchange, method, version);

    if (refusal == NULL) {
        refusal = check_sizes(exchange, method, version);
    }
    if (refusal == NULL) {
        refusal = check_target(exchange, version);
    }
    if (refusal == NULL) {
        refusal = check_framing(exchange);
    }
    if (refusal == NULL) {
        refusal = check_method(exchange, method);
    }
    if (refusal == NULL) {
        refusal = source;
    }
    if (refusal == NULL && exchange->exchanges->check_peers) {
        refusal = check_peer(exchange);
    }
    if (refusal == NULL && exchange->exchanges->check_api_keys) {
        refusal = check_api_key(exchange, settings);
    }
    return refusal;
}

const struct refusal *refusal_of_library(unsigned status)
{
    static const struct refusal malformed = {
        400, true, "malformed",
        "this is no well-formed request of HTTP/1.1; send one, with a body that is as it says\n"};
    static const struct refusal version = {505, true, "version",
                                           "this version of HTTP is not spoken here; send HTTP/1.1\n"};

    switch (status) {
    case MHD_HTTP_CONTENT_TOO_LARGE: return &refusal_body_too_large;
    case MHD_HTTP_URI_TOO_LONG: return &line_too_long;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE: return &headers_too_large;
    case MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED: return &version;
    default: return &malformed; /* 400, and 500 where a chunk's first line is longer than its memory */
    }
}
