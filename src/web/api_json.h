/* The query API as a JSON object in a POST body: version 3 of the project that it comes from. */
#ifndef DDNS53_WEB_API_JSON_H
#define DDNS53_WEB_API_JSON_H

#include "web/request.h"

/* A POST whose body begins with '{', whatever its Content-Type says. */
bool api_json_matches(const struct request *request);
void api_json(struct request *request);

#endif
