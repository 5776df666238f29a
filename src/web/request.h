/*
 * A request as a dialect sees it, and the one way to answer. The server fills it and owns it; a dialect answers
 * exactly once, inside its handler or later from any thread, and must not touch the request after that. While it
 * is not answered the connection is suspended and costs no thread.
 */
#ifndef DDNS53_WEB_REQUEST_H
#define DDNS53_WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/metrics.h"
#include "base/name.h"
#include "config/current.h"

struct answer;
struct decisions;
struct log_limit;
struct logins;

/* What a server and its handlers work with; made once by the wiring, lives longer than the server. */
struct service {
    struct current *current;
    const void *handlers;        /* what the routes work with; they know its type */
    struct log_limit *log_limit; /* of lines that strangers cause; NULL in tests */
    struct decisions *decisions; /* where what is refused is kept; NULL: nowhere */
    struct logins *logins;       /* addresses that logged in lately; NULL in tests */
    const struct clock *clock;
    struct metric *requests;        /* ddns53_requests_total{dialect,result}; NULL in tests */
    struct metric *request_seconds; /* ddns53_request_seconds{dialect} */
    struct metric *connections_open;
    struct metric *connections_refused;
    struct metric *connections_closed;
};

enum request_method { REQUEST_GET, REQUEST_POST }; /* HEAD is a GET whose answer loses its body */

/* What the log and the decisions that are kept say of a request, see web/refused.h. Texts are borrowed until the answer is
 * given. */
struct decision_note {
    char host[NAME_SIZE];    /* as asked, "": none */
    bool is_ours;            /* it is in hosts.yaml */
    bool is_withdrawal;      /* a record is to be withdrawn */
    struct address asked[2]; /* addresses that it asks for; family NONE: none */
    const char *type;        /* of the record, where no address says it; static; NULL: not known */
    const char *secret;      /* "current" or "previous", once the credentials fit; static */
    const char *reason;      /* one word; NULL: the answer's result says it */
    const char *message;     /* a sentence, logged up to its semicolon; NULL: none */
    bool is_written;         /* a line says it already */
};

struct request {
    const struct service *service;
    enum request_method method;
    const char *path;  /* as sent, before '?' */
    const char *query; /* as sent, after '?'; "" when there is none */
    const char *body;  /* NUL-terminated, "" when there is none; may hold NULs */
    size_t body_length;
    bool body_dropped;     /* one came with a method that has none */
    struct address source; /* trusted proxies peeled off; family NONE: a unix socket without a proxy's header */
    uid_t peer_uid;        /* of a server that checks its peers */
    int64_t started_ms;    /* monotonic */
    void *dialect_data;    /* the dialect's own; `dialect_free` is called with it when the request ends */
    void (*dialect_free)(void *data);
    struct decision_note decision; /* the dialect notes what it knows */

    /* the server's */
    const char *(*header)(const struct request *request, const char *name);
    void (*answer)(struct request *request, struct answer *answer);
};

struct answer_header {
    const char *name;
    const char *value;
};
#define ANSWER_HEADERS_MAX 4

/* A body that is long: asked for piece by piece, on a worker of the server, whenever the connection can take more. */
struct answer_rest {
    ssize_t (*read)(void *userdata, char *ret_bytes, size_t size); /* 0: that was all; -ENOMEM: it is cut off */
    void (*free)(void *userdata);                                  /* in any case, at the end */
    void *userdata;
};

struct answer {
    unsigned status;
    const char *content_type;                         /* static */
    struct answer_header headers[ANSWER_HEADERS_MAX]; /* static texts; name NULL ends */
    uint32_t retry_after_s;                           /* 0: no Retry-After header */
    struct buffer body;                               /* taken */
    struct answer_rest rest;                          /* taken; `read` not NULL: it stands for the body */
    const char *dialect;                              /* static; for the metrics */
    const char *result;                               /* static; for the metrics: "good", "badauth", ... */
};

/* The value of a header, NULL: none or sent more than once with different values. Borrowed, only inside the handler. */
static inline const char *request_header(const struct request *request, const char *name)
{
    return request->header(request, name);
}

/* Takes the body of `answer`. Cache-Control: no-store is added, and Content-Length where the body is there as a whole. */
static inline void request_answer(struct request *request, struct answer *answer)
{
    request->answer(request, answer);
}

/* The first row whose path fits and whose `matches` (NULL: always) says so gets the request. */
struct route {
    const char *path;
    const char *dialect;
    bool (*matches)(const struct request *request);
    void (*handle)(struct request *request);
    bool (*only_reads)(const struct request *request); /* may it be asked by HEAD? NULL: never */
};

#endif
