/*
 * The handlers of all dialects, for routes.c: each parses its request, lets auth, decide and the queue do their work,
 * and words the answer. One file a dialect: checkip.c, dyndns.c, json.c, plain_secret.c, query.c. Worker threads.
 */
#ifndef DDNS53_API_DIALECTS_H
#define DDNS53_API_DIALECTS_H

#include "web/request.h"

/* `/ip`, and `/checkip` as routers cut it up: the source address. */
void api_ip(struct request *request);
void api_checkip(struct request *request);
bool api_checkip_only_reads(const struct request *request); /* always */

/* `/nic/update` and its other paths: dyndns2. */
void api_dyndns(struct request *request);
/* `/nic/delete`: withdraws records, with the credentials and the words of dyndns2. */
void api_dyndns_delete(struct request *request);

/* `/`: the query API, its JSON form (version 3 of the old system), and `?newip=...&secret=...`. */
void api_query(struct request *request);
bool api_query_only_reads(const struct request *request);
bool api_json_matches(const struct request *request);
void api_json(struct request *request);
bool api_secret_matches(const struct request *request);
void api_secret(struct request *request);

#endif
