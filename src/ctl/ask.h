/* Questions on a terminal. Answers come from standard input, a line each. Main thread only. */
#ifndef DDNS53_CTL_ASK_H
#define DDNS53_CTL_ASK_H

#include "base/buffer.h"
#include "ctl/ctl.h"

/* Prints the question, with the proposal in brackets, and reads a line; an empty one is the proposal. `answer` is
 * replaced. -ENODATA: the input has ended. */
int ask_line(const struct ctl *ctl, const char *question, const char *proposal, struct buffer *answer);

/* A number from 1 to `count`; `proposal` likewise. Asks again until it is one. */
int ask_choice(const struct ctl *ctl, const char *question, size_t count, size_t proposal, size_t *ret_choice);

#endif
