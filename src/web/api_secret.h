/* The plain secret, for routers that can only open a URL: `/?newip=ADDRESS&secret=SECRET[&hostname=HOST]`. */
#ifndef DDNS53_WEB_API_SECRET_H
#define DDNS53_WEB_API_SECRET_H

#include "web/request.h"

bool api_secret_matches(const struct request *request);
void api_secret(struct request *request);

#endif
