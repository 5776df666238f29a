/*
 * Which name servers DNS has for a zone. Blocks for some seconds at most. Main thread only.
 */
#ifndef DDNS53_CTL_DELEGATION_H
#define DDNS53_CTL_DELEGATION_H

#include "base/buffer.h"
#include "config/settings.h"

/* Appends the names of its NS records, sorted, a line each, lower case and with the final dot; none: nobody delegates it.
 * `resolver` NULL: the system's; otherwise an IPv4 address and port. -EIO with a sentence in `message`: nobody answers. */
int delegation_look_up(const char *zone, const struct endpoint *resolver, struct buffer *names, struct buffer *message);

#endif
