/* dyndns2: `/nic/update` and its other paths, as routers speak it. See ddns53-api(7). */
#ifndef DDNS53_WEB_API_DYNDNS_H
#define DDNS53_WEB_API_DYNDNS_H

#include "web/request.h"

void api_dyndns(struct request *request);

#endif
