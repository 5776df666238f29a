#include "admin/admin.h"

#include <string.h>

static void healthz(struct request *request)
{
    const struct admin *admin = request->service->handlers;
    struct answer answer = {
        .status = 200, .content_type = "text/plain; charset=utf-8", .dialect = "admin", .result = "healthy"};

    if (admin->trouble(admin->userdata, &answer.body) > 0) {
        answer.status = 503;
        answer.result = "trouble";
        request->decision.is_written = true; /* an answer as asked; event=zone_trouble and others tell of the trouble */
    } else {
        buffer_clear(&answer.body);
        buffer_append_text(&answer.body, "ok\n");
    }
    request_answer(request, &answer);
}

static void metrics(struct request *request)
{
    const struct admin *admin = request->service->handlers;
    struct answer answer = {.status = 200,
                            .content_type = "text/plain; version=0.0.4; charset=utf-8",
                            .dialect = "admin",
                            .result = "metrics"};

    metrics_render(admin->metrics, &answer.body);
    request_answer(request, &answer);
}

static bool only_reads(const struct request *request)
{
    (void)request;
    return true;
}

static const struct route admin_routes[] = {
    {"/healthz", "admin", NULL, healthz, only_reads},
    {"/metrics", "admin", NULL, metrics, only_reads},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct route *admin_route_find(const struct request *request)
{
    for (const struct route *route = admin_routes; route->path != NULL; route++) {
        if (strcmp(route->path, request->path) == 0) {
            return route;
        }
    }
    return NULL;
}
