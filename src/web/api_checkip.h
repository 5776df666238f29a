/* What is my address: `/ip` as plain text, `/checkip` and `/nic/checkip` as the HTML that old clients cut it out of. */
#ifndef DDNS53_WEB_API_CHECKIP_H
#define DDNS53_WEB_API_CHECKIP_H

#include "web/request.h"

void api_ip(struct request *request);
void api_checkip(struct request *request);
bool api_checkip_only_reads(const struct request *request); /* always */

#endif
