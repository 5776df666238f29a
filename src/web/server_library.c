#include "web/server_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "web/server_check.h"
#include "web/server_exchange.h"

typedef enum MHD_Result (*queue_response)(struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response);
typedef enum MHD_Result (*lookup_value)(struct MHD_Connection *mhd, enum MHD_ValueKind kind, const char *key,
                                        size_t key_size, const char **value, size_t *value_size);

typedef enum MHD_Result (*set_value)(struct MHD_Connection *mhd, enum MHD_ValueKind kind, const char *key,
                                     size_t key_size, const char *value, size_t value_size);

static queue_response real_queue_response;
static set_value real_set_value;
static lookup_value real_lookup_value;
static bool parses_in_place;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The next of that name behind the program's own. POSIX lets a function's address pass through a void *. */
static void *find(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    if (!function) {
        log_error("http_library", "libmicrohttpd has no %s; install the one that ddns53d was built with", name);
        abort();
    }
    return function;
}

static void find_all(void)
{
    *(void **)&real_queue_response = find("MHD_queue_response");
    *(void **)&real_set_value = find("MHD_set_connection_value_n");
    *(void **)&real_lookup_value = find("MHD_lookup_connection_value_n");
    parses_in_place = strverscmp(MHD_get_version(), "0.9.77") < 0;
}

enum MHD_Result library_queue_response(struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response)
{
    pthread_once(&once, find_all);
    return real_queue_response(mhd, status, response);
}

bool library_parses_in_place(void)
{
    pthread_once(&once, find_all);
    return parses_in_place;
}

/* ---- its headers ---- */

/* Set where a header is refused, until the library answers right after it. */
static _Thread_local bool is_malformed;

/* After the value come the two NULs of its CR LF, then the next line, which has been read. It may not begin with a colon,
 * where a NUL would be put that ends the head, nor with a blank, for then the value has been joined with it. */
static bool is_followed_well(const char *value_end)
{
    return value_end[0] == '\0' && value_end[1] == '\0' && value_end[2] != ':' && value_end[2] != ' ' &&
           value_end[2] != '\t';
}

enum MHD_Result MHD_set_connection_value_n(struct MHD_Connection *mhd, enum MHD_ValueKind kind, const char *key,
                                           size_t key_size, const char *value, size_t value_size)
{
    pthread_once(&once, find_all);
    if (kind == MHD_HEADER_KIND && value && library_parses_in_place() && !is_followed_well(value + value_size)) {
        is_malformed = true;
        return MHD_NO;
    }
    return real_set_value(mhd, kind, key, key_size, value, value_size);
}

/* ---- its questions ---- */

static bool is_header(const char *key, size_t key_size, const char *name)
{
    return key_size == strlen(name) && strncasecmp(key, name, key_size) == 0;
}

static enum MHD_Result give(const char *text, size_t length, const char **value, size_t *value_size)
{
    if (value) {
        *value = text;
    }
    if (value_size) {
        *value_size = length;
    }
    return MHD_YES;
}

enum MHD_Result MHD_lookup_connection_value_n(struct MHD_Connection *mhd, enum MHD_ValueKind kind, const char *key,
                                              size_t key_size, const char **value, size_t *value_size)
{
    pthread_once(&once, find_all);
    bool is_cookie = is_header(key, key_size, MHD_HTTP_HEADER_COOKIE);
    bool is_length = is_header(key, key_size, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool is_encoding = is_header(key, key_size, MHD_HTTP_HEADER_TRANSFER_ENCODING);

    if (kind != MHD_HEADER_KIND || (!is_cookie && !is_length && !is_encoding)) {
        return real_lookup_value(mhd, kind, key, key_size, value, value_size);
    }
    if (is_cookie) {
        return MHD_NO;
    }
    struct body_framing framing;
    if (body_framing(mhd, &framing)) {
        return MHD_NO; /* no body, for the refusal comes with the headers and closes the connection */
    }
    if (is_length && framing.kind == BODY_OF_LENGTH) {
        return give(framing.length, framing.length_size, value, value_size);
    }
    if (is_encoding && framing.kind == BODY_CHUNKED) {
        return give("chunked", strlen("chunked"), value, value_size);
    }
    return MHD_NO;
}

/* ---- its answers ---- */

static struct MHD_Response *make_response(const struct refusal *refusal)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(refusal->sentence), (void *)refusal->sentence, MHD_RESPMEM_PERSISTENT);

    if (response &&
        (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8") != MHD_YES ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") != MHD_YES ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") != MHD_YES)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/* Only the library calls it by this name: to refuse what it cannot read, and to close the connection then. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response)
{
    const struct refusal *refusal = refusal_of_library(is_malformed ? MHD_HTTP_BAD_REQUEST : status);
    struct MHD_Response *ours = make_response(refusal);

    (void)response; /* the caller's */
    is_malformed = false;
    exchange_note_refusal(mhd, refusal);
    if (!ours) {
        return MHD_NO;
    }
    enum MHD_Result result = library_queue_response(mhd, refusal->status, ours);
    MHD_destroy_response(ours);
    return result;
}
