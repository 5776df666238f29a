/*
 * The log's word on a request that is not served as asked: one line for each answer of 400 and more, whoever gives it,
 * with the reason that the client is not told. A handler notes in the request what it knows (struct decision_note); the
 * server writes the line with the answer, unless another line says it already. The same is kept as a decision
 * (base/decisions.h). Never a secret. Any worker thread.
 */
#ifndef DDNS53_WEB_REFUSED_H
#define DDNS53_WEB_REFUSED_H

#include "base/log.h"
#include "web/request.h"

/* Keeps the decision and writes event=refused. A request of several hosts gets a line for each that is refused before the update. */
void refused_log(struct request *request, const char *dialect, unsigned status, const char *result);

/* Keeps the decision alone. */
void refused_keep(const struct request *request, const char *dialect, unsigned status, const char *result);
/* A line with what the request's note holds; `status` and `result` may be NULL. */
void refused_write(const struct request *request, enum log_level level, const char *event, const char *dialect,
                   const char *status, const char *result);
/* The source address, or "local". */
const char *refused_source(const struct request *request, char text[ADDRESS_TEXT_SIZE]);

#endif
