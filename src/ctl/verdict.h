/*
 * The words of decisions, as base/decisions.h keeps them and the control socket answers them, in sentences: the rule that
 * applied, and what mends it. Pure.
 */
#ifndef DDNS53_CTL_VERDICT_H
#define DDNS53_CTL_VERDICT_H

#include "base/buffer.h"
#include "ctl/ctl.h"

/* Texts are borrowed; NULL: none. */
struct verdict {
    const char *word;    /* "good", "badauth", ... */
    const char *reason;  /* "wrong_secret", ... */
    const char *message; /* the server's or the provider's own sentence */
    bool is_withdrawal;
};

/* Appends the rule in a sentence. Never nothing. */
void verdict_explain(const struct verdict *verdict, struct buffer *buffer);
/* How good it is. */
enum color verdict_color(const struct verdict *verdict);

#endif
