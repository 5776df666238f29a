/*
 * Bytes through the real libmicrohttpd and then web/head, against a reading of the same bytes that knows no leniency:
 * a head that is let pass must be well-formed, and its headers must be those that stand there. A library that treats
 * the memory of a head otherwise than web/head believes shows here.
 */
#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "web/head.h"
#include "web/server_library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES 8192

static struct MHD_Daemon *server;
static struct MHD_Response *response;
static char target_text[INPUT_MAX_BYTES + 1]; /* the library decodes its own in place */
static const char *target_place;
static size_t passed; /* heads of this input */
static struct buffer seen;

static void *keep_target(void *userdata, const char *target, struct MHD_Connection *mhd)
{
    (void)userdata;
    (void)mhd;
    target_place = target;
    (void)snprintf(target_text, sizeof(target_text), "%s", target);
    return NULL;
}

static enum MHD_Result visit(void *userdata, enum MHD_ValueKind kind, const char *name, size_t name_length,
                             const char *value, size_t value_length)
{
    (void)kind;
    head_field(userdata, name, name_length, value ? value : "", value_length);
    buffer_printf(&seen, "%.*s:%.*s\n", (int)name_length, name, (int)value_length, value ? value : "");
    return MHD_YES;
}

/* Refuses the body, so that the first head is the only one. */
static enum MHD_Result handle(void *userdata, struct MHD_Connection *mhd, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_length, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct head head;

    (void)userdata;
    (void)url;
    (void)data;
    (void)data_length;
    (void)context;
    buffer_clear(&seen);
    buffer_printf(&seen, "%s %s %s\n", method, target_text, version);
    head_begin(&head, library_parses_in_place(), method, target_place, strlen(target_text), version);
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, visit, &head);
    passed += info && head_is_good(&head, info->header_size);
    return library_queue_response(mhd, 200, response);
}

static void start(void)
{
    static const char nothing[] = "";

    log_init(LOG_LEVEL_ERROR);
    server = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, handle, NULL,           /**/
                              MHD_OPTION_URI_LOG_CALLBACK, keep_target, NULL,                  /**/
                              MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32 * 1024,           /**/
                              MHD_OPTION_STRICT_FOR_CLIENT, library_parses_in_place() ? 0 : 1, /**/
                              MHD_OPTION_END);
    response = MHD_create_response_from_buffer(0, (void *)nothing, MHD_RESPMEM_PERSISTENT);
    if (!server || !response || MHD_add_response_header(response, "Connection", "close") != MHD_YES) {
        abort();
    }
}

/* ---- the strict reading ---- */

struct line {
    const char *text;
    size_t length;
    size_t end_bytes; /* CR, LF and the NULs before them, all of which libmicrohttpd leaves as NULs */
};

static bool next_line(const char **position, const char *end, struct line *ret_line)
{
    const char *newline = memchr(*position, '\n', (size_t)(end - *position));
    const char *text = *position;

    if (!newline) {
        return false;
    }
    const char *text_end = newline > text && newline[-1] == '\r' ? newline - 1 : newline;
    while (text_end > text && text_end[-1] == '\0') {
        text_end--;
    }
    *ret_line = (struct line){text, (size_t)(text_end - text), (size_t)(newline + 1 - text_end)};
    *position = newline + 1;
    return true;
}

static bool is_name(const char *text, size_t length)
{
    static const char others[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t i = 0; i < length; i++) {
        if (!memchr(others, text[i], sizeof(others) - 1)) {
            return false;
        }
    }
    return length > 0;
}

static bool read_field(const struct line *field, struct buffer *buffer)
{
    const char *line = field->text;
    size_t length = field->length;
    const char *colon = memchr(line, ':', length);

    if (!colon || !is_name(line, (size_t)(colon - line))) {
        return false;
    }
    const char *value = colon + 1;
    while (value < line + length && (*value == ' ' || *value == '\t')) {
        value++;
    }
    for (const char *c = value; c < line + length; c++) {
        if ((unsigned char)*c == 0x7f || ((unsigned char)*c < ' ' && *c != '\t')) {
            return false;
        }
    }
    buffer_printf(buffer, "%.*s:%.*s\n", (int)(colon - line), line, (int)(line + length - value), value);
    return true;
}

static bool read_request_line(const struct line *line, struct buffer *buffer)
{
    const char *blank = memchr(line->text, ' ', line->length);
    const char *last = memrchr(line->text, ' ', line->length);

    if (memchr(line->text, '\0', line->length) || !blank || last == blank || blank[1] == ' ' ||
        !is_name(line->text, (size_t)(blank - line->text))) {
        return false;
    }
    buffer_printf(buffer, "%.*s\n", (int)line->length, line->text);
    return true;
}

/* The first head; false: malformed. Lines that are empty may stand before it, and what begins with a NUL is empty. Each
 * line ends in two bytes, which must be CR LF as far as the memory of a head still tells. */
static bool read_strictly(const char *text, size_t size, struct buffer *buffer)
{
    const char *end = text + size;
    const char *position = text;
    struct line line;
    struct line next;

    do {
        if (!next_line(&position, end, &line)) {
            return false;
        }
    } while (line.length == 0 || line.text[0] == '\0');
    if (!read_request_line(&line, buffer)) {
        return false;
    }
    for (;; line = next) {
        if (!next_line(&position, end, &next)) {
            return false;
        }
        if (next.length == 0) {
            return line.end_bytes + next.end_bytes == 4;
        }
        if (line.end_bytes != 2 || !read_field(&next, buffer)) {
            return false;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_(buffer_done) struct buffer expected = BUFFER_INIT;
    int pair[2];

    if (!server) {
        start();
    }
    if (size > INPUT_MAX_BYTES || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        return 0;
    }
    passed = 0;
    if (MHD_add_connection(server, pair[0], (const struct sockaddr *)&address, sizeof(address)) != MHD_YES ||
        send(pair[1], data, size, MSG_NOSIGNAL) != (ssize_t)size) {
        abort();
    }
    (void)shutdown(pair[1], SHUT_WR);
    const union MHD_DaemonInfo *info;
    do {
        (void)MHD_run(server);
        info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    } while (info->num_connections > 0);
    close(pair[1]);
    if (passed > 0 && (!read_strictly((const char *)data, size, &expected) ||
                       strcmp(buffer_text(&expected), buffer_text(&seen)) != 0)) {
        abort();
    }
    return 0;
}
