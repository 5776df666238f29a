/*
 * What every dialect asks before it looks at credentials, may this source try again, and what it tells after it.
 * api/decision.h has what is logged. Any worker thread.
 */
#ifndef DDNS53_API_ACCESS_H
#define DDNS53_API_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "web/request.h"

/* False: too many reads from this source in the last minute (limits.reads_per_minute). */
bool access_may_read(const struct request *request, uint32_t *ret_retry_after_s);
/* False: too many failed logins (limits.auth_failures_per_minute). Counts nothing. */
bool access_may_try(const struct request *request, uint32_t *ret_retry_after_s);
/* Credentials that fit: while all connections are in use, this source is preferred to strangers. */
void access_succeeded(const struct request *request);

#endif
