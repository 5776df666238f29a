/*
 * The log's word on a request that is not served as asked: one line for each answer of 400 and more, whoever gives it,
 * with the reason that the client is not told. A dialect notes in the request what it knows; the server writes the line
 * with the answer, unless another line (event=update) says it already. Never a secret: a hostname is shown only where
 * it cannot be one. Any worker thread.
 */
#ifndef DDNS53_WEB_DECISION_H
#define DDNS53_WEB_DECISION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/name.h"
#include "update/auth.h"
#include "web/request.h"

/* Notes which host is asked for: `sent` as it came, `name` parsed from it (empty: it is no name). What may be a secret
 * in the wrong field is noted as "withheld". The same work for every name. */
void decision_note_host(struct request *request, const struct hosts *hosts, const char *sent, size_t length,
                        const struct name *name);

/* Credentials that fit no host: counts the failure, and writes event=auth_failure for fail2ban. */
void decision_failed_login(struct request *request, const char *dialect, enum auth_reason reason);
/* Credentials that fit: says so where a previous secret did. */
void decision_login(const struct request *request, const char *dialect, const struct host *host,
                    enum auth_reason reason);
/* Writes event=refused. A request of several hosts gets a line for each that is refused before the update. */
void decision_refused(struct request *request, const char *dialect, unsigned status, const char *result);

#endif
