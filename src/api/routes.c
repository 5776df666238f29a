#include "api/routes.h"

#include <stddef.h>
#include <string.h>

#include "api/dialects.h"

const struct route routes[] = {
    {"/", "json", api_json_matches, api_json, NULL},
    {"/", "secret", api_secret_matches, api_secret, NULL},
    {"/", "query", NULL, api_query, api_query_only_reads},
    {"/nic/update", "dyndns2", NULL, api_dyndns, NULL},
    {"/v3/update", "dyndns2", NULL, api_dyndns, NULL},
    {"/v2/update", "dyndns2", NULL, api_dyndns, NULL},
    {"/update", "dyndns2", NULL, api_dyndns, NULL},
    {"/nic/delete", "dyndns2", NULL, api_dyndns_delete, NULL},
    {"/ip", "checkip", NULL, api_ip, api_checkip_only_reads},
    {"/checkip", "checkip", NULL, api_checkip, api_checkip_only_reads},
    {"/nic/checkip", "checkip", NULL, api_checkip, api_checkip_only_reads},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Equal but for doubled slashes and a final one. */
static bool path_fits(const char *route, const char *path)
{
    for (;;) {
        while (*path == '/' && (path[1] == '/' || path[1] == '\0')) {
            path++;
        }
        while (*route == '/' && route[1] == '\0') {
            route++;
        }
        if (*route != *path) {
            return false;
        }
        if (*route == '\0') {
            return true;
        }
        route++;
        path++;
    }
}

const struct route *route_find(const struct request *request)
{
    for (const struct route *route = routes; route->path; route++) {
        if (path_fits(route->path, request->path) && (!route->matches || route->matches(request))) {
            return route;
        }
    }
    return NULL;
}
