/*
 * Credentials from a metadata service: the container endpoint of ECS and EKS, and EC2 instance metadata version 2. Both
 * answer with JSON. A try that fails is made again twice at once: the services are on this machine or next to it, and
 * instances are known to lose a packet. Loop thread only.
 */
#ifndef DDNS53_AWS_CREDENTIALS_HTTP_H
#define DDNS53_AWS_CREDENTIALS_HTTP_H

#include "aws/credentials_plan.h"

struct metadata_fetch;

/* `done` as of credentials_get: keys, or NULL with a reason; never called from inside, once, and the fetch is gone
 * after it. Borrows the plan (PLAN_CONTAINER or PLAN_INSTANCE). Negative errno with a reason in `message`: it could
 * not begin. */
int metadata_fetch_start(struct loop *loop, struct http_client *client, const struct credentials_plan *plan,
                         credentials_done done, void *userdata, struct buffer *message,
                         struct metadata_fetch **ret_fetch);
void metadata_fetch_cancel(struct metadata_fetch *fetch); /* NULL is fine */

#endif
