/*
 * Making keys, for the sources of the credential chain.
 */
#ifndef DDNS53_AWS_CREDENTIALS_KEYS_H
#define DDNS53_AWS_CREDENTIALS_KEYS_H

#include "aws/credentials.h"

/* Copies all; `session_token` may be NULL or "". Returns owned with one reference, NULL: no memory. */
struct aws_keys *aws_keys_new(const char *access_key_id, const char *secret_access_key, const char *session_token,
                              int64_t expires_s, const char *origin);

static inline void aws_keys_unrefp(struct aws_keys **keys)
{
    aws_keys_unref(*keys);
}

/* Temporary keys as a service told them: `expiration` is ISO 8601 by the clock of that service, whose Date header is
 * `date` (NULL: it had none); a clock of ours that is off must not make them live longer or shorter than they do.
 * -EBADMSG: a part is missing or the time is none; -ENOMEM. */
int aws_keys_new_temporary(const char *access_key_id, const char *secret_access_key, const char *session_token,
                           const char *expiration, const char *date, int64_t now_s, const char *origin,
                           struct aws_keys **ret_keys);

#endif
