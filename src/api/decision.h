/*
 * Which host a request asks for and whether its credentials fit, as the log is to tell it: a hostname is shown only
 * where it cannot be a secret in the wrong field. web/refused.h writes what is refused. Any worker thread.
 */
#ifndef DDNS53_API_DECISION_H
#define DDNS53_API_DECISION_H

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
/* Credentials that fit, and nothing else speaks against the request: while all connections are in use, its source is
 * preferred to strangers. */
void decision_succeeded(const struct request *request);
/* Credentials that fit: logs it where it was a previous secret that fitted. */
void decision_login(const struct request *request, const char *dialect, const struct host *host,
                    enum auth_reason reason);
#endif
