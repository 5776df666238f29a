#include "web/server_exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "web/refused.h"
#include "web/server_check.h"
#include "web/server_library.h"
#include "web/server_session.h"
#include "web/server_worker.h"

/* A chunked body shows its length only as it comes, and libmicrohttpd cannot answer in the middle of it: past the
 * limit it is read and dropped, and past this the connection is closed without an answer. */
#define DROPPED_MAX_BYTES 65536
/* Of a daemon that ends: another one is up by then, or somebody is at work on it. */
#define STOPPING_RETRY_S 5

static const struct refusal refusal_stopping = {MHD_HTTP_SERVICE_UNAVAILABLE, true, "stopping",
                                                "the server is stopping; try again in a few seconds\n"};

void exchanges_init(struct exchanges *exchanges)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&exchanges->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&exchanges->all_sent, &attributes);
    pthread_condattr_destroy(&attributes);
}

void exchanges_done(struct exchanges *exchanges)
{
    pthread_cond_destroy(&exchanges->all_sent);
    pthread_mutex_destroy(&exchanges->lock);
}

void exchanges_refuse(struct exchanges *exchanges)
{
    pthread_mutex_lock(&exchanges->lock);
    exchanges->refusing = true;
    pthread_mutex_unlock(&exchanges->lock);
}

size_t exchanges_unsent(struct exchanges *exchanges)
{
    pthread_mutex_lock(&exchanges->lock);
    size_t unsent = exchanges->unsent;
    pthread_mutex_unlock(&exchanges->lock);
    return unsent;
}

void exchanges_wait(struct exchanges *exchanges, uint32_t linger_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += linger_ms / 1000;
    until.tv_nsec += (long)(linger_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&exchanges->lock);
    while (exchanges->unsent > 0 &&
           pthread_cond_timedwait(&exchanges->all_sent, &exchanges->lock, &until) != ETIMEDOUT) {}
    pthread_mutex_unlock(&exchanges->lock);
}

static int64_t now_ms(const struct exchanges *exchanges)
{
    return clock_monotonic_ms(exchanges->service->clock);
}

/* ---- the answer ---- */

static bool add_headers(struct MHD_Response *response, const struct answer *answer, bool closing)
{
    char seconds[16];
    bool ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type) == MHD_YES &&
              MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES;

    for (size_t i = 0; ok && i < ANSWER_HEADERS_MAX && answer->headers[i].name != NULL; i++) {
        ok = MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value) == MHD_YES;
    }
    if (ok && answer->retry_after_s > 0) {
        (void)snprintf(seconds, sizeof(seconds), "%u", answer->retry_after_s);
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds) == MHD_YES;
    }
    if (ok && closing) {
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    }
    return ok;
}

#define REST_BLOCK_BYTES 16384

static ssize_t read_rest(void *userdata, uint64_t position, char *bytes, size_t size)
{
    const struct answer_rest *rest = userdata;
    (void)position;
    const ssize_t length = rest->read(rest->userdata, bytes, size);

    if (length > 0) {
        return length;
    }
    return length == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_rest(void *userdata)
{
    struct answer_rest *rest = userdata;

    rest->free(rest->userdata);
    free(rest);
}

static struct MHD_Response *response_of_rest(const struct answer_rest *rest)
{
    struct answer_rest *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        rest->free(rest->userdata);
        return NULL;
    }
    *copy = *rest;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, REST_BLOCK_BYTES, read_rest, copy, free_rest);
    if (response == NULL) {
        free_rest(copy);
    }
    return response;
}

static struct MHD_Response *response_of_body(struct buffer *buffer)
{
    size_t length = buffer->length;
    char *body = buffer_take(buffer);

    buffer_done(buffer);
    if (body == NULL) {
        return NULL;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
    }
    return response;
}

/* Takes the body. NULL: no memory. */
static struct MHD_Response *make_response(struct answer *answer, bool closing)
{
    struct MHD_Response *response =
        answer->rest.read != NULL ? response_of_rest(&answer->rest) : response_of_body(&answer->body);

    if (response == NULL) {
        return NULL;
    }
    if (!add_headers(response, answer, closing)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

static void count(const struct exchange *exchange, const struct answer *answer)
{
    const struct service *service = exchange->request.service;
    int64_t took_ms = now_ms(exchange->exchanges) - exchange->request.started_ms;

    metric_add(service->requests, 1, answer->dialect, answer->result, NULL);
    metric_observe(service->request_seconds, (double)took_ms / 1000, answer->dialect, NULL, NULL);
}

/* Any thread. The worker frees the exchange as soon as it can have the lock, so that nothing is touched after. */
static void take_answer(struct request *request, struct answer *answer)
{
    struct exchange *exchange = (struct exchange *)request;
    bool closing = exchange->is_last || (exchange->refusal != NULL && exchange->refusal->at_once);

    count(exchange, answer);
    if (answer->status >= 400 && !request->decision.is_written) {
        refused_log(request, answer->dialect, answer->status, answer->result);
    }
    size_t bytes = answer->body.length;
    struct MHD_Response *response = make_response(answer, closing || atomic_load(&exchange->exchanges->closing));
    pthread_mutex_lock(&exchange->lock);
    if (exchange->is_answered) {
        pthread_mutex_unlock(&exchange->lock);
        log_error("request", "the dialect %s answered twice; this is a bug, please report it", answer->dialect);
        if (response != NULL) {
            MHD_destroy_response(response);
        }
        return;
    }
    exchange->is_answered = true;
    exchange->response = response;
    exchange->response_bytes = bytes;
    exchange->status = answer->status;
    if (exchange->is_suspended) {
        server_worker_resume(connection_worker(exchange->connection), exchange->mhd);
    }
    if (exchange->is_pending) {
        atomic_fetch_sub(&exchange->exchanges->pending, 1); /* last: from then on the server may be taken apart */
    }
    pthread_mutex_unlock(&exchange->lock);
}

static void refuse(struct exchange *exchange, const struct refusal *refusal)
{
    struct answer answer = {.status = refusal->status,
                            .content_type = "text/plain; charset=utf-8",
                            .dialect = "server",
                            .result = refusal->result};

    exchange->refusal = refusal;
    if (refusal->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        answer.headers[0] = (struct answer_header){MHD_HTTP_HEADER_ALLOW, "GET, POST"};
    }
    if (refusal == &refusal_stopping) {
        answer.retry_after_s = STOPPING_RETRY_S;
    }
    buffer_append_text(&answer.body, refusal->sentence);
    request_answer(&exchange->request, &answer);
}

/* ---- the request, from its first line ---- */

/* Where the path starts: a proxy's absolute form (RFC 9112 section 3.2.2) loses its scheme and authority. */
static const char *path_of(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], length) == 0) {
            return target + length + strcspn(target + length, "/?");
        }
    }
    return target;
}

/* Neither may stand in a request target (RFC 9112 section 3.2); libmicrohttpd lets them pass. */
static bool is_clean(const char *target)
{
    for (const char *c = target; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* libmicrohttpd decodes its own copy in place, so that this is the only chance to see it as sent. */
static int keep_target(struct exchange *exchange, const char *target)
{
    exchange->sent_target = target;
    exchange->target_length = strlen(target);
    exchange->is_target_clean = is_clean(target);
    if (exchange->target_length > REQUEST_LINE_MAX_BYTES) {
        return 0; /* will be refused; nobody looks */
    }
    exchange->target = strdup(path_of(target));
    if (exchange->target == NULL) {
        return -ENOMEM;
    }
    exchange->target_bytes = strlen(exchange->target);
    char *question = strchr(exchange->target, '?');
    if (question != NULL) {
        *question = '\0';
        exchange->request.query = question + 1;
    }
    exchange->request.path = exchange->target[0] != '\0' ? exchange->target : "/";
    return 0;
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

void exchange_note_refusal(struct MHD_Connection *mhd, const struct refusal *refusal)
{
    const struct connection *connection = connection_of(mhd);

    if (!connection) {
        return;
    }
    const struct exchanges *exchanges = connection_owner(connection);
    const struct exchange *exchange = connection_userdata(connection);
    bool is_source_known = exchange && exchange->phase != EXCHANGE_LINE;
    struct request request = {
        .service = exchanges->service,
        .source = is_source_known ? exchange->request.source : *connection_peer(connection),
    };
    refused_log(&request, "server", refusal->status, refusal->result);
    metric_add(exchanges->service->requests, 1, "server", refusal->result, NULL);
}

static void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL) {
        return;
    }
    if (exchange->request.dialect_free != NULL) {
        exchange->request.dialect_free(exchange->request.dialect_data);
    }
    if (exchange->target != NULL) {
        wipe(exchange->target, exchange->target_bytes); /* the query may have a secret */
        free(exchange->target);
    }
    buffer_wipe(&exchange->body);
    pthread_mutex_destroy(&exchange->lock);
    free(exchange);
}

void exchange_abandon(struct connection *connection)
{
    /* Never one that a handler has seen: that one libmicrohttpd keeps and ends. */
    exchange_free(connection_userdata(connection));
    connection_set_userdata(connection, NULL);
}

/* Makes libmicrohttpd see an empty query. It would take the parameters apart for nobody, and where there are too many for
 * its memory (some 250), 0.9.75 forgets that it has refused the request: it neither answers nor closes nor ends it. The
 * target stands in the connection's own memory, which is written to right after this. */
static void hide_query(const char *target)
{
    char *question = strchr((char *)target, '?');

    if (question != NULL && question[1] != '\0') {
        question[1] = '\0';
    }
}

void *exchange_begin(void *userdata, const char *target, struct MHD_Connection *mhd)
{
    struct exchanges *exchanges = userdata;
    struct connection *connection = connection_of(mhd);
    struct exchange *exchange = connection != NULL ? malloc(sizeof(*exchange)) : NULL;

    if (exchange == NULL) {
        return NULL; /* exchange_go_on closes the connection */
    }
    exchange_abandon(connection);
    *exchange = (struct exchange){
        .request = {.service = exchanges->service,
                    .path = "",
                    .query = "",
                    .body = "",
                    .header = check_header,
                    .answer = take_answer},
        .exchanges = exchanges,
        .connection = connection,
        .mhd = mhd,
    };
    pthread_mutex_init(&exchange->lock, NULL);
    if (target != NULL) {
        if (keep_target(exchange, target) < 0) {
            exchange_free(exchange);
            return NULL;
        }
        hide_query(target);
    }
    connection_set_userdata(connection, exchange);
    connection_set_idle(connection, false);
    return exchange;
}

/* From here on it takes as long as the handler takes. False: the server is stopping, and no handler may be called. The
 * request is counted under the same lock as it is asked, so that whoever stops the server waits for it, or it is refused. */
static bool begin_answering(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;

    exchange->phase = EXCHANGE_HANDED;
    exchange->request.started_ms = now_ms(exchanges);
    connections_request_complete(exchanges->connections, exchange->connection);
    pthread_mutex_lock(&exchanges->lock);
    exchanges->unsent++;
    exchange->is_pending = !exchanges->refusing;
    if (exchange->is_pending) {
        atomic_fetch_add(&exchanges->pending, 1);
    }
    pthread_mutex_unlock(&exchanges->lock);
    return exchange->is_pending;
}

/* Larger ones fill records of their own. */
#define JOINED_MAX_BYTES 8192

static void join_answer(const struct exchange *exchange)
{
    struct session *session = connection_session(exchange->connection);

    if (session && !exchange->is_head && exchange->response_bytes > 0 && exchange->response_bytes <= JOINED_MAX_BYTES) {
        session_join_answer(session);
    }
}

/* Gives the answer to libmicrohttpd, or suspends the connection until there is one. Both under the lock, so that an
 * answer never resumes a connection that is not suspended yet. */
static enum MHD_Result send_answer(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    if (!exchange->is_answered) {
        exchange->is_suspended = true;
        MHD_suspend_connection(exchange->mhd);
        pthread_mutex_unlock(&exchange->lock);
        return MHD_YES;
    }
    struct MHD_Response *response = TAKE_PTR(exchange->response);
    pthread_mutex_unlock(&exchange->lock);
    if (response == NULL) {
        return MHD_NO;
    }
    unsigned idle_s = (atomic_load(&exchange->exchanges->request_ms) + 999) / 1000;
    (void)MHD_set_connection_option(exchange->mhd, MHD_CONNECTION_OPTION_TIMEOUT, idle_s);
    join_answer(exchange);
    enum MHD_Result result = library_queue_response(exchange->mhd, exchange->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result take_headers(struct exchange *exchange, const char *method, const char *version)
{
    exchange->phase = EXCHANGE_BODY;
    exchange->refusal = check_headers(exchange, method, version);
    if (exchange->refusal == NULL) {
        return MHD_YES;
    }
    /* A refusal keeps the connection where it can; who waits for "100 Continue" is spared sending the body. */
    if (!exchange->refusal->at_once && check_header(&exchange->request, MHD_HTTP_HEADER_EXPECT) == NULL) {
        return MHD_YES;
    }
    (void)begin_answering(exchange);
    refuse(exchange, exchange->refusal);
    return send_answer(exchange);
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *data_length)
{
    size_t length = *data_length;

    *data_length = 0;
    exchange->body_bytes += length;
    if (exchange->body_bytes > DROPPED_MAX_BYTES) {
        return MHD_NO;
    }
    if (exchange->body_bytes > REQUEST_BODY_MAX_BYTES) {
        exchange->refusal = &refusal_body_too_large;
    }
    if (exchange->refusal != NULL || exchange->request.method != REQUEST_POST) {
        return MHD_YES;
    }
    if (exchange->body.length == 0) {
        buffer_reserve(&exchange->body, REQUEST_BODY_MAX_BYTES); /* growing would leave copies of secrets behind */
    }
    buffer_append(&exchange->body, data, length);
    return buffer_status(&exchange->body) < 0 ? MHD_NO : MHD_YES;
}

static enum MHD_Result hand_over(struct exchange *exchange)
{
    const struct route *route = NULL;

    if (!begin_answering(exchange) && !exchange->refusal) {
        exchange->refusal = &refusal_stopping;
    }
    exchange->request.body = buffer_text(&exchange->body);
    exchange->request.body_length = exchange->body.length;
    exchange->request.body_dropped = exchange->body_bytes > exchange->body.length;
    if (exchange->refusal == NULL) {
        route = exchange->exchanges->find(&exchange->request);
    }
    if (route == NULL) {
        refuse(exchange, exchange->refusal != NULL ? exchange->refusal : &refusal_not_found);
    } else if (exchange->is_head && (!route->only_reads || !route->only_reads(&exchange->request))) {
        refuse(exchange, &refusal_method);
    } else {
        route->handle(&exchange->request);
    }
    return send_answer(exchange);
}

enum MHD_Result exchange_go_on(void *userdata, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *data_length, void **context)
{
    struct exchange *exchange = *context;

    (void)userdata;
    (void)mhd;
    (void)url;
    if (exchange == NULL) {
        return MHD_NO;
    }
    server_worker_note_progress(connection_worker(exchange->connection));
    switch (exchange->phase) {
    case EXCHANGE_LINE: return take_headers(exchange, method, version);
    case EXCHANGE_BODY: return *data_length > 0 ? take_body(exchange, data, data_length) : hand_over(exchange);
    case EXCHANGE_HANDED: break;
    }
    return send_answer(exchange);
}

void exchange_end(void *userdata, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
    struct exchanges *exchanges = userdata;
    struct exchange *exchange = TAKE_PTR(*context);

    if (exchange == NULL) {
        return;
    }
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) { /* the connection may live on, and waits as any other */
        (void)MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)EXCHANGE_IDLE_MAX_S);
    }
    pthread_mutex_lock(&exchange->lock); /* whoever answered may still hold it */
    pthread_mutex_unlock(&exchange->lock);
    if (exchange->response != NULL) {
        MHD_destroy_response(exchange->response);
    }
    connections_request_over(exchanges->connections, exchange->connection, now_ms(exchanges));
    connection_set_userdata(exchange->connection, NULL);
    connection_set_idle(exchange->connection, true);
    bool was_handed = exchange->phase == EXCHANGE_HANDED;
    exchange_free(exchange);
    if (was_handed) {
        pthread_mutex_lock(&exchanges->lock);
        if (--exchanges->unsent == 0) {
            pthread_cond_broadcast(&exchanges->all_sent);
        }
        pthread_mutex_unlock(&exchanges->lock);
    }
}
