/*
 * The answers of dyndns2: the words of the protocol, and of an update the line that each hostname gets and the status of
 * all of them. Nothing but these words and the addresses is ever in a body, because clients look for words in it.
 */
#ifndef DDNS53_API_DYNDNS_ANSWER_H
#define DDNS53_API_DYNDNS_ANSWER_H

#include <stddef.h>

#include "api/dyndns_addresses.h"
#include "update/update.h"
#include "web/request.h"

#define DYNDNS_DIALECT "dyndns2"

/* A word and the status that goes with it when no host was done. */
struct dyndns_word {
    const char *text;
    unsigned status;
};

extern const struct dyndns_word word_good;
extern const struct dyndns_word word_nochg;
extern const struct dyndns_word word_nohost;
extern const struct dyndns_word word_notfqdn;
extern const struct dyndns_word word_numhost;
extern const struct dyndns_word word_badagent; /* a client that does not speak the protocol */
extern const struct dyndns_word word_no_form;  /* the same, by the type of its body */
extern const struct dyndns_word word_badauth;
extern const struct dyndns_word word_not_an_address;
extern const struct dyndns_word word_dnserr;
extern const struct dyndns_word word_abuse;
extern const struct dyndns_word word_provider_down;

/* One hostname of the request. */
struct dyndns_line {
    const struct dyndns_word *word; /* known before the update; NULL: from the items */
    const char *reason;             /* of that word, for the log */
    size_t first_item;              /* of the update: the host's own, in the order of the families */
    size_t item_count;
    size_t first_follower;
    size_t follower_count;
};

/* A word alone; `reason`: for the log, static, NULL: none. */
void dyndns_answer_word(struct request *request, const struct dyndns_word *word, const char *reason);
/* A line each, once every outcome is known. */
void dyndns_answer_lines(struct request *request, const struct dyndns_addresses *addresses,
                         const struct dyndns_line *all, size_t count, const struct update *update);

#endif
