#include "io/http_call.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/unix_socket.h"

/* All lines of a response's header together; what we talk to sends less than 2 KiB. */
#define RESPONSE_HEADER_MAX_BYTES (64 * 1024)

/* A call, and what curl works on for it. */
struct transfer {
    struct http_call call;
    struct curl_slist *headers;
    char *body;
    int folder_fd; /* of a unix socket whose path is long, open until the call ends; -1: none */
    struct buffer received;
    size_t response_max_bytes;
    size_t header_bytes;
    bool is_too_big;
    CURLcode setting; /* the first option that could not be set */
    char reason[CURL_ERROR_SIZE];
};

/* ---- the response as it comes ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata)
{
    struct transfer *transfer = userdata;
    const size_t length = size * count;

    if (length > transfer->response_max_bytes - transfer->received.length) {
        transfer->is_too_big = true;
        return 0; /* other than length: curl ends the transfer */
    }
    buffer_append(&transfer->received, bytes, length);
    return buffer_status(&transfer->received) == 0 ? length : 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *userdata)
{
    (void)bytes;
    struct transfer *transfer = userdata;
    const size_t length = size * count;

    transfer->header_bytes += length;
    if (transfer->header_bytes > RESPONSE_HEADER_MAX_BYTES) {
        transfer->is_too_big = true;
        return 0;
    }
    return length;
}

/* ---- the request ---- */

/* Link-local and loopback addresses, and AWS's own fd00:ec2::/32, are this machine's: no proxy can reach them for us. */
static bool is_local(const char *host)
{
    static const char *const networks[] = {"127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "fd00:ec2::/32"};
    const size_t length = strlen(host);
    struct address address;

    if (strcasecmp(host, "localhost") == 0) {
        return true;
    }
    const int r =
        host[0] == '[' ? address_parse(host + 1, length - 2, &address) : address_parse(host, length, &address);
    return r == 0 && address_is_in(&address, networks, ELEMENTS(networks));
}

static void curl_urlp(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_textp(char **text)
{
    curl_free(*text);
}

/* -EINVAL: not an http or https URL with a host and without a user. */
static int url_check(const char *text, bool *ret_is_local)
{
    _cleanup_(curl_urlp) CURLU *url = curl_url();
    _cleanup_(curl_textp) char *scheme = NULL;
    _cleanup_(curl_textp) char *host = NULL;

    if (!url) {
        return -ENOMEM;
    }
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        return -EINVAL;
    }
    if (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0) {
        return -EINVAL;
    }
    *ret_is_local = is_local(host);
    return 0;
}

static int slist_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer) {
        return -ENOMEM;
    }
    *list = longer;
    return 0;
}

static bool has_header(const char *const *headers, const char *name)
{
    const size_t length = strlen(name);

    for (size_t i = 0; headers && headers[i]; i++) {
        if (strncasecmp(headers[i], name, length) == 0 && headers[i][length] == ':') {
            return true;
        }
    }
    return false;
}

/* To curl "Name:" means "without that header" and "Name;" is the one with an empty value. */
static int add_header(struct curl_slist **list, const char *header)
{
    const char *colon = strchr(header, ':');
    if (!colon || colon == header || strpbrk(header, "\r\n")) {
        return -EINVAL;
    }
    if (colon[1 + strspn(colon + 1, " \t")]) {
        return slist_add(list, header);
    }
    _cleanup_free_ char *empty = strndup(header, (size_t)(colon - header) + 1);
    if (!empty) {
        return -ENOMEM;
    }
    empty[colon - header] = ';';
    return slist_add(list, empty);
}

/* The caller's headers and nothing of curl's own but Host and Content-Length. */
static int add_headers(struct transfer *transfer, const char *const *headers)
{
    static const char *const curls_own[] = {"Accept", "Content-Type", "Expect"};
    int r;

    for (size_t i = 0; headers && headers[i]; i++) {
        r = add_header(&transfer->headers, headers[i]);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < ELEMENTS(curls_own); i++) {
        if (has_header(headers, curls_own[i])) {
            continue;
        }
        char line[32];
        (void)snprintf(line, sizeof(line), "%s:", curls_own[i]);
        r = slist_add(&transfer->headers, line);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Like appending to a buffer: the first failure is kept, what follows does nothing. */
static void set_long(struct transfer *transfer, CURLoption option, long value)
{
    if (transfer->setting == CURLE_OK) {
        transfer->setting = curl_easy_setopt(transfer->call.easy, option, value);
    }
}

static void set_pointer(struct transfer *transfer, CURLoption option, const void *value)
{
    if (transfer->setting == CURLE_OK) {
        transfer->setting = curl_easy_setopt(transfer->call.easy, option, value);
    }
}

static int setting_status(const struct transfer *transfer)
{
    if (transfer->setting == CURLE_OK) {
        return 0;
    }
    return transfer->setting == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* The same for every request. */
static const struct {
    CURLoption option;
    long value;
} common_options[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* a name look-up that hangs must not hold us when its call times out */
    {CURLOPT_PATH_AS_IS, 1}, /* what was signed is what is sent */
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2}, /* or later */
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
};

static int set_common_options(struct transfer *transfer, const char *ca_file, bool is_on_this_machine)
{
    for (size_t i = 0; i < ELEMENTS(common_options); i++) {
        set_long(transfer, common_options[i].option, common_options[i].value);
    }
    set_pointer(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    if (ca_file) {
        set_pointer(transfer, CURLOPT_CAINFO, ca_file);
        /* Debian's libcurl also trusts what is in /etc/ssl/certs, and reads all of that folder for each connection. */
        set_pointer(transfer, CURLOPT_CAPATH, NULL);
    }
    /* What is added to the bundle counts from the next connection on. With OpenSSL, and from 8.9 on with GnuTLS, libcurl
     * keeps for a day what it has read; a TLS library that keeps nothing may refuse the option. */
    (void)curl_easy_setopt(transfer->call.easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    if (is_on_this_machine) {
        set_pointer(transfer, CURLOPT_PROXY, ""); /* also none of the environment */
    }
    set_pointer(transfer, CURLOPT_ERRORBUFFER, transfer->reason);
    set_pointer(transfer, CURLOPT_WRITEDATA, transfer);
    set_pointer(transfer, CURLOPT_HEADERDATA, transfer);
    if (transfer->setting == CURLE_OK) {
        transfer->setting = curl_easy_setopt(transfer->call.easy, CURLOPT_WRITEFUNCTION, on_body);
    }
    if (transfer->setting == CURLE_OK) {
        transfer->setting = curl_easy_setopt(transfer->call.easy, CURLOPT_HEADERFUNCTION, on_header);
    }
    return setting_status(transfer);
}

static int set_body(struct transfer *transfer, const struct http_request *request)
{
    const size_t length = request->body ? request->body_length : 0;

    transfer->body = malloc(length + 1);
    if (!transfer->body) {
        return -ENOMEM;
    }
    if (request->body) {
        memcpy(transfer->body, request->body, length);
    }
    set_long(transfer, CURLOPT_POST, 1);
    set_pointer(transfer, CURLOPT_POSTFIELDS, transfer->body);
    set_long(transfer, CURLOPT_POSTFIELDSIZE, (long)length);
    set_pointer(transfer, CURLOPT_CUSTOMREQUEST, request->method);
    return 0;
}

static int set_unix_socket(struct transfer *transfer, const char *path)
{
    struct sockaddr_un address;
    int r = unix_socket_address(path, &address, &transfer->folder_fd);

    if (r < 0) {
        return r;
    }
    set_pointer(transfer, CURLOPT_UNIX_SOCKET_PATH, address.sun_path);
    if (transfer->folder_fd >= 0) {
        set_long(transfer, CURLOPT_FORBID_REUSE, 1); /* by then the descriptor's number may be another folder's */
    }
    return 0;
}

static int set_request(struct transfer *transfer, const struct http_request *request)
{
    const bool is_get = strcmp(request->method, "GET") == 0;
    int r = request->unix_socket ? set_unix_socket(transfer, request->unix_socket) : 0;

    if (r < 0) {
        return r;
    }
    if (request->body || !is_get) {
        r = set_body(transfer, request);
        if (r < 0) {
            return r;
        }
    } else {
        set_long(transfer, CURLOPT_HTTPGET, 1);
    }
    r = add_headers(transfer, request->headers);
    if (r < 0) {
        return r;
    }
    set_pointer(transfer, CURLOPT_URL, request->url);
    set_pointer(transfer, CURLOPT_HTTPHEADER, transfer->headers);
    set_long(transfer, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    set_long(transfer, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    return setting_status(transfer);
}

/* ---- making and freeing ---- */

int http_call_new(const struct http_request *request, const char *ca_file, struct http_call **ret_call)
{
    bool is_on_this_machine = false;
    int r = url_check(request->url, &is_on_this_machine);
    if (r < 0) {
        return r;
    }

    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer) {
        return -ENOMEM;
    }
    _cleanup_(http_call_freep) struct http_call *call = &transfer->call;
    transfer->folder_fd = -1;
    transfer->response_max_bytes = request->response_max_bytes;
    call->easy = curl_easy_init();
    if (!call->easy) {
        return -ENOMEM;
    }
    r = set_common_options(transfer, ca_file, is_on_this_machine);
    if (r == 0) {
        r = set_request(transfer, request);
    }
    if (r < 0) {
        return r;
    }
    *ret_call = TAKE_PTR(call);
    return 0;
}

void http_call_free(struct http_call *call)
{
    if (!call) {
        return;
    }
    struct transfer *transfer = CONTAINER_OF(call, struct transfer, call);

    curl_easy_cleanup(call->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer->body);
    if (transfer->folder_fd >= 0) {
        close(transfer->folder_fd);
    }
    buffer_wipe(&transfer->received); /* it may have been credentials */
    free(transfer);
}

/* ---- the end ---- */

static int error_of_connect(CURL *easy)
{
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    return os_error == ETIMEDOUT ? -ETIMEDOUT : -ECONNREFUSED;
}

static int error_of(const struct transfer *transfer, CURLcode code)
{
    if (transfer->is_too_big) {
        return -EFBIG;
    }
    if (buffer_status(&transfer->received) < 0) {
        return buffer_status(&transfer->received);
    }
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
    case CURLE_COULDNT_CONNECT: return error_of_connect(transfer->call.easy);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return -ENOENT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return -ECONNRESET;
    case CURLE_FILESIZE_EXCEEDED: return -EFBIG;
    case CURLE_OUT_OF_MEMORY: return -ENOMEM;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS: return -EPROTO;
    default: return -EIO;
    }
}

static const char *reason_of(const struct transfer *transfer, CURLcode code)
{
    if (transfer->is_too_big) {
        return "the response is larger than it may be";
    }
    if (code == CURLE_OK) {
        return "";
    }
    return transfer->reason[0] ? transfer->reason : curl_easy_strerror(code);
}

void http_call_end(struct http_call *call, unsigned code)
{
    const struct transfer *transfer = CONTAINER_OF(call, struct transfer, call);
    struct http_response *response = &call->response;
    curl_off_t duration_us = 0;
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &duration_us);
    response->error = error_of(transfer, code);
    response->reason = reason_of(transfer, code);
    response->status = (unsigned)status;
    response->body = response->error ? "" : buffer_text(&transfer->received); /* half a body is of no use to anyone */
    response->length = response->error ? 0 : transfer->received.length;
    response->duration_ms = (uint32_t)(duration_us / 1000);
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    const struct http_call *call = CONTAINER_OF(response, struct http_call, response);
    struct curl_header *header = NULL;

    if (curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return NULL;
    }
    return header->value;
}
