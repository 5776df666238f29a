/*
 * One look for credentials: makes the plan, asks the metadata service or takes the keys that are there, and assumes
 * the plan's roles one after the other. Loop thread only.
 */
#ifndef DDNS53_AWS_CREDENTIALS_FETCH_H
#define DDNS53_AWS_CREDENTIALS_FETCH_H

#include "aws/credentials.h"

struct credentials_fetch;

/* `done` as of credentials_get, never called from inside, once, and the fetch is gone after it. -ENOMEM. */
int credentials_fetch_start(struct loop *loop, struct http_client *client, const char *profile, const char *region,
                            environment getenv_like, credentials_done done, void *userdata,
                            struct credentials_fetch **ret_fetch);
void credentials_fetch_cancel(struct credentials_fetch *fetch); /* NULL is fine */

#endif
