/*
 * Calls of the Route 53 API that are waited for, one after the other, for a program that has no I/O thread: the loop is
 * run until the answer is there.
 */
#ifndef DDNS53_PROVIDER_ROUTE53_ACCOUNT_H
#define DDNS53_PROVIDER_ROUTE53_ACCOUNT_H

#include "provider/registry.h"
#include "provider/route53.h"
#include "provider/route53_xml.h"

/* What came of a call. */
struct account_answer {
    enum aws_outcome outcome;
    unsigned status;       /* HTTP; 0: none */
    struct buffer code;    /* "AccessDenied" */
    struct buffer message; /* AWS's words or ours */
};
void account_answer_done(struct account_answer *answer);

/* Looks at a well-formed answer while it is there. 0 or -EBADMSG, which makes it AWS_TRANSIENT. NULL: nobody looks. */
typedef int (*account_read)(const struct xml_element *root, void *userdata);

struct account_call {
    const char *operation; /* "GetHostedZone" */
    const char *method;
    const char *path;
    const char *query; /* NULL: none */
    const char *body;  /* NULL: none */
    account_read read;
    void *userdata;
};
/* Clears the answer first. */
void account_call(const struct provider_means *means, struct route53_shared *shared, const struct account_call *call,
                  struct account_answer *answer);

/* Where the credentials are from, for people: "environment", "profile default of /x". -ENOENT with a sentence that says
 * where it was looked and what to do. */
int account_credentials(const struct provider_means *means, struct route53_shared *shared, struct buffer *words);

/* Seconds that the API's clock is ahead of ours, by the Date of an answer without credentials. -EIO with a sentence:
 * the API cannot be reached. */
int account_clock(const struct provider_means *means, struct route53_shared *shared, int64_t *ret_ahead_s,
                  struct buffer *message);

#endif
