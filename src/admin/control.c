#include "admin/control.h"

#include <stdlib.h>
#include <string.h>

#include "admin/control_internal.h"
#include "base/clock.h"

#define DIALECT "control"

/* ---- answers ---- */

void control_answer(struct request *request, unsigned status, const char *result, json_t *body)
{
    struct answer answer = {.status = status, .content_type = "application/json", .dialect = DIALECT, .result = result};
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    json_decref(body);
    if (text) {
        buffer_append_text(&answer.body, text);
        buffer_append_char(&answer.body, '\n');
        free(text);
    } else {
        answer.status = 500;
        buffer_append_text(&answer.body, "{\"error\":\"out of memory; try again\"}\n");
    }
    request_answer(request, &answer);
}

void control_refuse(struct request *request, unsigned status, const char *result, const char *sentence)
{
    request->decision.message = sentence;
    control_answer(request, status, result, json_pack("{s:s}", "error", sentence));
}

json_t *control_body(struct request *request)
{
    if (request->body_length == 0) {
        return json_object();
    }
    json_t *body = json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        json_decref(body);
        control_refuse(request, 400, "bad_request", "the body is not a JSON object with each key once");
        return NULL;
    }
    return body;
}

bool control_name(struct request *request, const json_t *body, struct name *ret_name)
{
    const json_t *text = json_object_get(body, "hostname");

    if (json_is_string(text) && name_parse(json_string_value(text), json_string_length(text), ret_name, NULL) == 0) {
        return true;
    }
    control_refuse(request, 400, "bad_request", "hostname is missing or no domain name");
    return false;
}

/* ---- what is ---- */

static json_t *zone_object(const struct queue_zone_view *view, const struct zone_settings *zone)
{
    return json_pack("{s:s, s:s, s:I, s:b, s:b, s:I, s:I, s:f, s:I, s:s?}", "name", view->name, "provider",
                     view->provider, "default_ttl", (json_int_t)zone->default_ttl_s, "ready", view->is_ready, "read",
                     view->is_read, "queued", (json_int_t)view->queued, "oldest_ms", (json_int_t)view->oldest_ms,
                     "pace", view->pace, "failing_s", (json_int_t)(view->failing_ms < 0 ? -1 : view->failing_ms / 1000),
                     "trouble", view->failing_ms < 0 ? NULL : view->trouble);
}

static json_t *zones_array(const struct request *request, const struct queue_view *view)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(request->service->current);
    json_t *zones = json_array();

    /* Zones need a restart: those in force are those of the queue. */
    for (size_t i = 0; zones && i < view->zone_count && i < settings->zone_count; i++) {
        if (json_array_append_new(zones, zone_object(&view->zones[i], &settings->zones[i])) < 0) {
            json_decref(zones);
            return NULL;
        }
    }
    return zones;
}

static void status(struct request *request)
{
    const struct control *control = control_of(request);
    struct queue_view view;

    if (queue_snapshot(control->queue, &view) < 0) {
        control_answer(request, 500, "out_of_memory", NULL);
        return;
    }
    json_t *body = control->describe(control->userdata);
    json_t *zones = zones_array(request, &view);
    if (body && zones) {
        (void)json_object_set_new(body, "zones", zones);
        (void)json_object_set_new(body, "queue",
                                  json_pack("{s:I, s:I, s:b}", "records", (json_int_t)view.queued, "limit",
                                            (json_int_t)view.queued_max, "draining", view.is_draining));
        (void)json_object_set_new(body, "store_failing_s",
                                  json_integer(view.store_failing_ms < 0 ? -1
                                                                         : (json_int_t)(view.store_failing_ms / 1000)));
    } else {
        json_decref(zones);
        json_decref(TAKE_PTR(body));
    }
    queue_view_done(&view);
    control_answer(request, 200, "status", body);
}

static int add_counts(json_t *zones, size_t (*counts)[RECORD_STATE_COUNT])
{
    size_t index;
    json_t *zone;

    json_array_foreach(zones, index, zone)
    {
        json_t *records = json_object();
        for (enum record_state state = 0; state < RECORD_STATE_COUNT; state++) {
            if (json_object_set_new(records, record_state_word(state), json_integer((json_int_t)counts[index][state])) <
                0) {
                json_decref(records);
                return -1;
            }
        }
        if (json_object_set_new(zone, "records", records) < 0) {
            return -1;
        }
    }
    return 0;
}

static void zones(struct request *request)
{
    const struct control *control = control_of(request);
    struct queue_view view;
    json_t *array = NULL;

    if (queue_snapshot(control->queue, &view) == 0) {
        array = zones_array(request, &view);
        size_t(*counts)[RECORD_STATE_COUNT] = control_count_states(control, view.zone_count);
        if (!array || !counts || add_counts(array, counts) < 0) {
            json_decref(TAKE_PTR(array));
        }
        free(counts);
        queue_view_done(&view);
    }
    control_answer(request, 200, "zones", array ? json_pack("{s:o}", "zones", array) : NULL);
}

static void reload(struct request *request)
{
    const struct control *control = control_of(request);

    control->reload(control->userdata, request);
}

/* ---- routes ---- */

struct control_route {
    struct route route;
    enum request_method method;
};

static void wrong_method(struct request *request)
{
    control_refuse(request, 405, "method", "this path is asked by the other one of GET and POST; see ddns53ctl(8)");
}

static const struct route wrong_method_route = {"", DIALECT, NULL, wrong_method, NULL};

static const struct control_route control_routes[] = {
    {{"/status", DIALECT, NULL, status, NULL}, REQUEST_GET},
    {{"/zones", DIALECT, NULL, zones, NULL}, REQUEST_GET},
    {{"/records", DIALECT, NULL, control_records, NULL}, REQUEST_POST},
    {{"/reload", DIALECT, NULL, reload, NULL}, REQUEST_POST},
    {{"/certificate", DIALECT, NULL, control_certificate, NULL}, REQUEST_GET},
    {{"/certificate/renew", DIALECT, NULL, control_certificate_renew, NULL}, REQUEST_POST},
    {{"/certificate/test", DIALECT, NULL, control_certificate_test, NULL}, REQUEST_POST},
    {{"/acme/challenge", DIALECT, NULL, control_challenge, NULL}, REQUEST_POST},
    {{"/put", DIALECT, NULL, control_put, NULL}, REQUEST_POST},
    {{"/withdraw", DIALECT, NULL, control_withdraw, NULL}, REQUEST_POST},
    {{"/repair", DIALECT, NULL, control_repair, NULL}, REQUEST_POST},
};

const struct route *control_route_find(const struct request *request)
{
    for (size_t i = 0; i < ELEMENTS(control_routes); i++) {
        const struct control_route *row = &control_routes[i];
        if (strcmp(row->route.path, request->path) == 0) {
            return row->method == request->method ? &row->route : &wrong_method_route;
        }
    }
    return NULL;
}
