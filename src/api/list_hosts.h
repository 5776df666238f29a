/*
 * What list_hosts answers: every record of the hosts that share a secret, in the order of the file, as JSON. A group may
 * have all hosts of the file, so the text is made in pieces of about a millisecond at most, each when the connection can
 * take it. Holds the table of hosts. One thread at a time.
 */
#ifndef DDNS53_API_LIST_HOSTS_H
#define DDNS53_API_LIST_HOSTS_H

#include <sys/types.h>

#include "base/buffer.h"
#include "config/hosts.h"

struct listing;

/* Of the group of `asking`, which belongs to `hosts`. NULL: no memory. */
struct listing *listing_new(struct hosts *hosts, const struct host *asking);
void listing_free(struct listing *listing);
DEFINE_CLEANUP(struct listing *, listing_free)

/* A short one is one piece: true, and moved to `ret_text`. Before anything was read. */
bool listing_take(struct listing *listing, struct buffer *ret_text);
/* As struct answer_rest wants it: at most `size` bytes, 0 at the end, -ENOMEM. */
ssize_t listing_read(struct listing *listing, char *ret_bytes, size_t size);

#endif
