#include "io/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/unix_socket.h"
#include "io/http_library.h"

/* All lines of a response's header together; what we talk to sends less than 2 KiB. */
#define RESPONSE_HEADER_MAX_BYTES (64 * 1024)

/* How long to stay away from a multi handle that cannot poll (no memory), so that the loop does not spin. */
#define POLL_FAILED_MS 10

/* Kept between uses; a stale one is noticed and replaced by curl. */
#define IDLE_CONNECTIONS_MAX 8L
/* Without a call for so long, all are closed: with GnuTLS each holds the authorities that were read for it, 2 to 4 MB. */
#define IDLE_MS (60 * 1000)

struct http_client {
    struct loop *loop;
    CURLM *multi;
    char *ca_file; /* NULL: what libcurl was built with */
    struct list calls;
    struct loop_timer idle; /* set while there is no call */
};

struct http_call {
    struct http_client *client;
    struct list_link link;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    int folder_fd; /* of a unix socket whose path is long, open until the call ends; -1: none */
    struct buffer received;
    size_t response_max_bytes;
    size_t header_bytes;
    bool is_too_big;
    CURLcode setting; /* the first option that could not be set */
    char reason[CURL_ERROR_SIZE];
    struct http_response response;
    http_done done;
    void *userdata;
};

/* ---- the poller ---- */

static void finish_calls(struct http_client *client);

static void poller_wait(void *userdata, int timeout_ms, int watched_fd)
{
    struct http_client *client = userdata;
    struct curl_waitfd watched = {.fd = watched_fd, .events = CURL_WAIT_POLLIN};
    int running = 0;

    if (curl_multi_poll(client->multi, &watched, 1, timeout_ms < 0 ? INT_MAX : timeout_ms, NULL) != CURLM_OK) {
        (void)poll(NULL, 0, POLL_FAILED_MS);
    }
    (void)curl_multi_perform(client->multi, &running);
    finish_calls(client);
}

static void poller_wake(void *userdata)
{
    const struct http_client *client = userdata;
    curl_multi_wakeup(client->multi);
}

/* ---- the client ---- */

static CURLM *new_multi(void)
{
    CURLM *multi = curl_multi_init();

    if (multi) {
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    }
    return multi;
}

static void set_poller(struct http_client *client)
{
    loop_set_poller(client->loop, &(struct loop_poller){.wait = poller_wait, .wake = poller_wake, .userdata = client});
}

/* curl closes connections only with their handle. Other threads wake the old one until the poller is taken away. */
static void close_idle_connections(struct loop_timer *timer)
{
    struct http_client *client = CONTAINER_OF(timer, struct http_client, idle);
    CURLM *fresh = new_multi();

    if (!fresh) {
        return; /* no memory: they stay until the next pause */
    }
    loop_set_poller(client->loop, NULL);
    curl_multi_cleanup(client->multi);
    client->multi = fresh;
    set_poller(client);
    (void)malloc_trim(0);
}

struct http_client *http_client_new(struct loop *loop)
{
    if (!http_library_start()) {
        return NULL;
    }

    _cleanup_(http_client_freep) struct http_client *client = calloc(1, sizeof(*client));
    if (!client) {
        return NULL;
    }
    client->multi = new_multi();
    if (!client->multi) {
        return NULL;
    }
    client->idle.run = close_idle_connections;
    const char *ca_file = http_library_ca_file();
    if (ca_file) {
        client->ca_file = strdup(ca_file);
        if (!client->ca_file) {
            return NULL;
        }
    }

    client->loop = loop;
    set_poller(client);
    return TAKE_PTR(client);
}

static void call_free(struct http_call *call)
{
    if (!call) {
        return;
    }
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    if (call->folder_fd >= 0) {
        close(call->folder_fd);
    }
    buffer_wipe(&call->received); /* it may have been credentials */
    free(call);
}
DEFINE_CLEANUP(struct http_call *, call_free)

static void call_unlink(struct http_call *call)
{
    struct http_client *client = call->client;

    list_remove(&client->calls, &call->link);
    curl_multi_remove_handle(client->multi, call->easy);
    if (!client->calls.first) {
        /* without memory for it the connections stay until the next pause */
        (void)loop_timer_set(client->loop, &client->idle, loop_now_ms(client->loop) + IDLE_MS);
    }
}

void http_client_free(struct http_client *client)
{
    if (!client) {
        return;
    }
    if (client->loop) {
        loop_set_poller(client->loop, NULL);
    }
    while (client->calls.first) {
        http_call_cancel(LIST_ITEM(client->calls.first, struct http_call, link));
    }
    if (client->loop) {
        loop_timer_cancel(client->loop, &client->idle);
    }
    curl_multi_cleanup(client->multi);
    free(client->ca_file);
    free(client);
}

void http_call_cancel(struct http_call *call)
{
    if (!call) {
        return;
    }
    call_unlink(call);
    call_free(call);
}

/* ---- sending ---- */

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
static int add_headers(struct http_call *call, const char *const *headers)
{
    static const char *const curls_own[] = {"Accept", "Content-Type", "Expect"};
    int r;

    for (size_t i = 0; headers && headers[i]; i++) {
        r = add_header(&call->headers, headers[i]);
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
        r = slist_add(&call->headers, line);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata)
{
    struct http_call *call = userdata;
    const size_t length = size * count;

    if (length > call->response_max_bytes - call->received.length) {
        call->is_too_big = true;
        return 0; /* other than length: curl ends the transfer */
    }
    buffer_append(&call->received, bytes, length);
    return buffer_status(&call->received) == 0 ? length : 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *userdata)
{
    (void)bytes;
    struct http_call *call = userdata;
    const size_t length = size * count;

    call->header_bytes += length;
    if (call->header_bytes > RESPONSE_HEADER_MAX_BYTES) {
        call->is_too_big = true;
        return 0;
    }
    return length;
}

/* Like appending to a buffer: the first failure is kept, what follows does nothing. */
static void set_long(struct http_call *call, CURLoption option, long value)
{
    if (call->setting == CURLE_OK) {
        call->setting = curl_easy_setopt(call->easy, option, value);
    }
}

static void set_pointer(struct http_call *call, CURLoption option, const void *value)
{
    if (call->setting == CURLE_OK) {
        call->setting = curl_easy_setopt(call->easy, option, value);
    }
}

static int setting_status(const struct http_call *call)
{
    if (call->setting == CURLE_OK) {
        return 0;
    }
    return call->setting == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* The same for every request. */
static const struct {
    CURLoption option;
    long value;
} transport[] = {
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

static int set_transport(struct http_call *call, bool is_on_this_machine)
{
    for (size_t i = 0; i < ELEMENTS(transport); i++) {
        set_long(call, transport[i].option, transport[i].value);
    }
    set_pointer(call, CURLOPT_PROTOCOLS_STR, "http,https");
    if (call->client->ca_file) {
        set_pointer(call, CURLOPT_CAINFO, call->client->ca_file);
        /* Debian's libcurl also trusts what is in /etc/ssl/certs, and reads all of that folder for each connection. */
        set_pointer(call, CURLOPT_CAPATH, NULL);
    }
    if (is_on_this_machine) {
        set_pointer(call, CURLOPT_PROXY, ""); /* also none of the environment */
    }
    set_pointer(call, CURLOPT_PRIVATE, call);
    set_pointer(call, CURLOPT_ERRORBUFFER, call->reason);
    set_pointer(call, CURLOPT_WRITEDATA, call);
    set_pointer(call, CURLOPT_HEADERDATA, call);
    if (call->setting == CURLE_OK) {
        call->setting = curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
    }
    if (call->setting == CURLE_OK) {
        call->setting = curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    }
    return setting_status(call);
}

static int set_body(struct http_call *call, const struct http_request *request)
{
    const size_t length = request->body ? request->body_length : 0;

    call->body = malloc(length + 1);
    if (!call->body) {
        return -ENOMEM;
    }
    if (request->body) {
        memcpy(call->body, request->body, length);
    }
    set_long(call, CURLOPT_POST, 1);
    set_pointer(call, CURLOPT_POSTFIELDS, call->body);
    set_long(call, CURLOPT_POSTFIELDSIZE, (long)length);
    set_pointer(call, CURLOPT_CUSTOMREQUEST, request->method);
    return 0;
}

static int set_unix_socket(struct http_call *call, const char *path)
{
    struct sockaddr_un address;
    int r = unix_socket_address(path, &address, &call->folder_fd);

    if (r < 0) {
        return r;
    }
    set_pointer(call, CURLOPT_UNIX_SOCKET_PATH, address.sun_path);
    if (call->folder_fd >= 0) {
        set_long(call, CURLOPT_FORBID_REUSE, 1); /* by then the descriptor's number may be another folder's */
    }
    return 0;
}

static int set_request(struct http_call *call, const struct http_request *request)
{
    const bool is_get = strcmp(request->method, "GET") == 0;
    int r = request->unix_socket ? set_unix_socket(call, request->unix_socket) : 0;

    if (r < 0) {
        return r;
    }
    if (request->body || !is_get) {
        r = set_body(call, request);
        if (r < 0) {
            return r;
        }
    } else {
        set_long(call, CURLOPT_HTTPGET, 1);
    }
    r = add_headers(call, request->headers);
    if (r < 0) {
        return r;
    }
    set_pointer(call, CURLOPT_URL, request->url);
    set_pointer(call, CURLOPT_HTTPHEADER, call->headers);
    set_long(call, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    set_long(call, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    return setting_status(call);
}

int http_client_send(struct http_client *client, const struct http_request *request, http_done done, void *userdata,
                     struct http_call **ret_call)
{
    bool is_on_this_machine = false;
    int r = url_check(request->url, &is_on_this_machine);
    if (r < 0) {
        return r;
    }

    _cleanup_(call_freep) struct http_call *call = calloc(1, sizeof(*call));
    if (!call) {
        return -ENOMEM;
    }
    call->client = client;
    call->folder_fd = -1;
    call->done = done;
    call->userdata = userdata;
    call->response_max_bytes = request->response_max_bytes;
    call->easy = curl_easy_init();
    if (!call->easy) {
        return -ENOMEM;
    }
    r = set_transport(call, is_on_this_machine);
    if (r == 0) {
        r = set_request(call, request);
    }
    if (r < 0) {
        return r;
    }
    if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        return -ENOMEM;
    }
    loop_timer_cancel(client->loop, &client->idle);
    list_append(&client->calls, &call->link);
    if (ret_call) {
        *ret_call = call;
    }
    (void)TAKE_PTR(call);
    return 0;
}

/* ---- ending ---- */

static int error_of_connect(CURL *easy)
{
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    return os_error == ETIMEDOUT ? -ETIMEDOUT : -ECONNREFUSED;
}

static int error_of(const struct http_call *call, CURLcode code)
{
    if (call->is_too_big) {
        return -EFBIG;
    }
    if (buffer_status(&call->received) < 0) {
        return buffer_status(&call->received);
    }
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
    case CURLE_COULDNT_CONNECT: return error_of_connect(call->easy);
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

static const char *reason_of(const struct http_call *call, CURLcode code)
{
    if (call->is_too_big) {
        return "the response is larger than it may be";
    }
    if (code == CURLE_OK) {
        return "";
    }
    return call->reason[0] ? call->reason : curl_easy_strerror(code);
}

static void fill_response(struct http_call *call, CURLcode code)
{
    struct http_response *response = &call->response;
    curl_off_t duration_us = 0;
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &duration_us);
    response->error = error_of(call, code);
    response->reason = reason_of(call, code);
    response->status = (unsigned)status;
    response->body = response->error ? "" : buffer_text(&call->received); /* half a body is of no use to anyone */
    response->length = response->error ? 0 : call->received.length;
    response->duration_ms = (uint32_t)(duration_us / 1000);
}

static void finish_calls(struct http_client *client)
{
    const CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        void *private = NULL;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct http_call *call = private;
        fill_response(call, message->data.result);
        call_unlink(call);
        call->done(&call->response, call->userdata); /* may send and cancel others: `message` is gone */
        call_free(call);
    }
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
