/*
 * What the machine's resolver knows of a zone: the addresses of its name servers. Blocks: for a worker's thread.
 */
#ifndef DDNS53_IO_RESOLVER_H
#define DDNS53_IO_RESOLVER_H

#include "base/buffer.h"
#include "io/dns_client.h"

/* The addresses of all name servers in the NS records of a zone, port 53 each; of those past `max` none. Takes some seconds
 * at most. -ENOENT with a sentence in `message`: none could be found, for now. */
int resolver_name_servers(const char *zone, struct dns_server *ret_servers, size_t max, size_t *ret_count,
                          struct buffer *message);

#endif
