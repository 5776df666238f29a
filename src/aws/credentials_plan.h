/*
 * Where the credentials of an environment are to come from: the chain's decision, made from variables and files
 * before anything is asked over the network. A plan is what to begin with (keys that are there, a metadata service,
 * or nothing but a web identity token) and the roles to assume from there, one after the other.
 */
#ifndef DDNS53_AWS_CREDENTIALS_PLAN_H
#define DDNS53_AWS_CREDENTIALS_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "base/buffer.h"

#define PLAN_ROLES_MAX 5 /* of one chain of source_profile */

enum plan_base {
    PLAN_KEYS,         /* `keys` */
    PLAN_WEB_IDENTITY, /* none: the first role has a token file */
    PLAN_CONTAINER,    /* `url`, with `authorization` or `authorization_file` */
    PLAN_INSTANCE,     /* `url`, the base address of the instance metadata service */
};

struct plan_role {
    char *arn;
    char *session_name;
    char *external_id;   /* NULL: none */
    char *token_file;    /* of a web identity; NULL: assumed with the keys at hand */
    char *region;        /* whose STS endpoint is asked */
    uint32_t duration_s; /* 0: STS's default, an hour */
};

struct credentials_plan {
    enum plan_base base;
    struct aws_keys *keys;
    char *url;
    char *authorization;
    char *authorization_file;
    struct plan_role roles[PLAN_ROLES_MAX]; /* the one to assume first, first */
    size_t role_count;
    char *sts_endpoint; /* NULL: AWS's own of the role's region */
    char *origin;
    /* What goes before and after the reason when the plan fails: where else it was looked, and what to do. NULL: the
     * origin and nothing. */
    char *failure_prefix;
    char *failure_advice;
};

/* `profile` "" means AWS_PROFILE, else "default". -ENOENT: there are none to be had; -EINVAL: what there is cannot be
 * used; both with a sentence in `message` that says where it was looked and what to do. -ENOMEM. */
int credentials_plan_make(environment getenv_like, const char *profile, const char *region, struct buffer *message,
                          struct credentials_plan **ret_plan);
void credentials_plan_free(struct credentials_plan *plan);
DEFINE_CLEANUP(struct credentials_plan *, credentials_plan_free)

#endif
