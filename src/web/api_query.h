/* The query API: get, set and list_hosts by URL or form. See ddns53-api(7). */
#ifndef DDNS53_WEB_API_QUERY_H
#define DDNS53_WEB_API_QUERY_H

#include "web/request.h"

void api_query(struct request *request);
/* For struct route: only mode=get. */
bool api_query_only_reads(const struct request *request);

#endif
