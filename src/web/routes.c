#include <stddef.h>
#include <string.h>

#include "web/api_query.h"
#include "web/request.h"

const struct route routes[] = {
    {"/", "query", NULL, api_query},
    {NULL, NULL, NULL, NULL},
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
