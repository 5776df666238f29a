/*
 * One role assumed through STS (Query API, version 2011-06-15): AssumeRole, signed with the keys at hand, or
 * AssumeRoleWithWebIdentity, which a token stands for. Failures that may pass are tried again twice, and a clock that
 * is off is corrected from the Date header once. Loop thread only.
 */
#ifndef DDNS53_AWS_CREDENTIALS_STS_H
#define DDNS53_AWS_CREDENTIALS_STS_H

#include "aws/credentials_plan.h"

struct sts_call;

/* `done` as of credentials_get: keys, or NULL with a reason; never called from inside, once, and the call is gone
 * after it. Borrows plan and role, references `keys` (NULL for a web identity). Negative errno with a reason in
 * `message`: it could not begin. */
int sts_assume_role(struct loop *loop, struct http_client *client, const struct credentials_plan *plan,
                    const struct plan_role *role, struct aws_keys *keys, credentials_done done, void *userdata,
                    struct buffer *message, struct sts_call **ret_call);
void sts_call_cancel(struct sts_call *call); /* NULL is fine */

#endif
