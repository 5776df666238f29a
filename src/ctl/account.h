/*
 * The Route 53 account of the settings, asked by ddns53ctl itself: with the daemon's own credentials chain, signer and
 * HTTP client, one call after the other, each of which is waited for. Main thread only.
 */
#ifndef DDNS53_CTL_ACCOUNT_H
#define DDNS53_CTL_ACCOUNT_H

#include "aws/aws_call.h"
#include "provider/route53.h"
#include "provider/route53_xml.h"

struct account;

/* NULL: no memory. `settings` is only read during the call. */
struct account *account_open(const struct route53_settings *settings);
void account_close(struct account *account);
DEFINE_CLEANUP(struct account *, account_close)

/* What came of a call. */
struct account_answer {
    enum aws_outcome outcome;
    unsigned status;       /* HTTP; 0: none */
    struct buffer code;    /* "AccessDenied" */
    struct buffer message; /* AWS's words or ours */
};
void account_answer_done(struct account_answer *answer);

/* Looks at a well-formed answer while it is there. 0 or -EBADMSG, which makes it AWS_TRANSIENT; may be NULL. */
typedef int (*account_read)(const struct xml_element *root, void *userdata);

/* As aws_call. Clears the answer first. */
void account_call(struct account *account, const char *operation, const char *method, const char *path,
                  const char *query, const struct buffer *body, account_read read, void *userdata,
                  struct account_answer *answer);

/* All hosted zones that the credentials can see, page by page. The answer is that of the last call. */
void account_zones(struct account *account, route53_each_zone each, void *userdata, struct account_answer *answer);

/* Where the credentials are from, for people: "environment", "profile default of /x". -ENOENT with a sentence that says
 * where it was looked and what to do. */
int account_credentials(struct account *account, struct buffer *words);

/* Seconds that the API's clock is ahead of ours, by the Date of an answer without credentials. -EIO with a sentence:
 * the API cannot be reached. */
int account_clock(struct account *account, int64_t *ret_ahead_s, struct buffer *message);

#endif
