/* Changes by the operator's hand: they go through the queue as a client's do, and nothing that is not ours is overwritten. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/control_internal.h"
#include "base/log.h"

#define DIALECT "operator"
#define REPAIR_MAX 500
#define REPAIR_SCAN_MAX 50000

static json_t *item_object(const struct update_item *item)
{
    _cleanup_buffer_ struct buffer value = BUFFER_INIT;

    rdata_print(item_value(item), &value);
    return json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:s?}", "hostname", item->host->hostname, "type",
                     record_type_text(item->type), "value", value.length > 0 ? buffer_text(&value) : NULL, "verdict",
                     outcome_word(item_outcome(item)), "message", item->waiter.message, "change_id",
                     item->waiter.change_id[0] ? item->waiter.change_id : NULL);
}

/* Kept until all outcomes are known. */
struct pending {
    struct request *request;
    json_t *next; /* of a repair: where the next page begins; NULL: of another request */
};

static bool is_done(const struct update_item *item)
{
    return item_outcome(item) == OUTCOME_SET || item_outcome(item) == OUTCOME_UNCHANGED;
}

static void answer_outcome(struct update *update, void *userdata)
{
    _cleanup_free_ struct pending *pending = userdata;
    json_t *records = json_array();
    bool ok = true;

    for (size_t i = 0; records && i < update_count(update); i++) {
        const struct update_item *item = update_item(update, i);
        ok = ok && is_done(item);
        if (json_array_append_new(records, item_object(item)) < 0) {
            json_decref(TAKE_PTR(records));
        }
    }
    update_free(update);
    json_t *body = records ? json_pack("{s:b, s:o}", "ok", ok, "records", records) : NULL;
    if (body && pending->next) {
        (void)json_object_set(body, "next", pending->next);
    }
    json_decref(pending->next);
    pending->request->decision.is_written = true; /* by event=update */
    control_answer(pending->request, ok ? 200 : 409, ok ? "good" : "failed", body);
}

/* Takes both. */
static void run(struct request *request, struct update *update, json_t *next, int r)
{
    struct pending *pending = r == 0 ? malloc(sizeof(*pending)) : NULL;

    if (!pending) {
        update_free(update);
        json_decref(next);
        control_refuse(request, r == -E2BIG ? 400 : 500, r == -E2BIG ? "bad_request" : "out_of_memory",
                       r == -E2BIG ? "these are too many values; a record has at most 100 of 4000 characters"
                                   : "out of memory; try again");
        return;
    }
    *pending = (struct pending){request, next};
    update_run(update, answer_outcome, pending);
}

static struct update *new_update(struct request *request, struct hosts *hosts)
{
    return update_new(control_of(request)->updater, DIALECT, hosts, &request->source, AUTH_OPERATOR);
}

static void log_operator(const struct request *request, const char *action, const char *hostname, const char *type)
{
    char uid[16];

    (void)snprintf(uid, sizeof(uid), "%" PRIu32, (uint32_t)request->peer_uid);
    log_event(LOG_LEVEL_NOTICE, "operator", "uid", uid, "action", action, "host", hostname, "type", type, NULL);
}

/* ---- what is asked for ---- */

struct asked {
    struct name hostname;
    bool has_type;
    enum record_type type;
};

/* False: answered. */
static bool read_asked(struct request *request, const json_t *body, struct asked *ret)
{
    const char *type = json_string_value(json_object_get(body, "type"));

    *ret = (struct asked){.has_type = type != NULL};
    if (!control_name(request, body, &ret->hostname)) {
        return false;
    }
    if (type && record_type_parse(type, &ret->type) < 0) {
        control_refuse(request, 400, "bad_request", "type is none of the record types that hosts.yaml may have");
        return false;
    }
    return true;
}

static int read_address(const json_t *text, struct rdata *ret_value)
{
    struct address address;

    if (!json_is_string(text) || address_parse(json_string_value(text), json_string_length(text), &address) < 0) {
        return -EINVAL;
    }
    *ret_value = rdata_of_address(&address);
    return 0;
}

static int read_texts(const json_t *values, struct rdata *ret_value)
{
    struct rdata value = {0};
    int r = json_array_size(values) > 0 ? 0 : -EINVAL;
    size_t index;
    const json_t *text;

    json_array_foreach(values, index, text)
    {
        if (r == 0) {
            r = json_is_string(text) ? rdata_add_bytes(&value, json_string_value(text), json_string_length(text))
                                     : -EINVAL;
        }
    }
    if (r < 0) {
        rdata_drop(&value);
        return r;
    }
    *ret_value = value;
    return 0;
}

/* {"address": TEXT}, or {"type": "TXT", "values": [TEXT, ...]}. */
static int read_value(const json_t *body, struct asked *asked, struct rdata *ret_value)
{
    const json_t *address = json_object_get(body, "address");
    const json_t *values = json_object_get(body, "values");
    int r = -EINVAL;

    if (address && !values) {
        r = read_address(address, ret_value);
        asked->type = r == 0 && !asked->has_type ? record_type_of(&ret_value->address) : asked->type;
    } else if (values && !address && asked->has_type) {
        r = read_texts(values, ret_value);
    }
    return r == 0 && !record_value_fits(asked->type, ret_value) ? -EINVAL : r;
}

/* The row that has the record, else the first of that name, which is then told that it has none; NULL: answered. */
static const struct host *find_host(struct request *request, const struct hosts *hosts, const struct asked *asked)
{
    const struct host *host = hosts_find_record(hosts, asked->hostname.text, asked->type);

    host = host ? host : hosts_find(hosts, asked->hostname.text);
    if (!host) {
        control_refuse(request, 404, "no_host", "the running daemon has no such host; add it and reload");
    }
    return host;
}

/* ---- the three of them ---- */

void control_put(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);
    _cleanup_(rdata_drop) struct rdata value = {0};
    struct asked asked;

    if (!body || !read_asked(request, body, &asked)) {
        return;
    }
    int r = read_value(body, &asked, &value);
    if (r < 0 && r != -ENOMEM && r != -E2BIG) {
        control_refuse(request, 400, "bad_request",
                       "address is no address, or not of that type; send address, or type TXT with a list of values");
        return;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct host *host = find_host(request, hosts, &asked);
    if (host) {
        log_operator(request, "put", host->hostname, record_type_text(asked.type));
        struct update *update = r == 0 ? new_update(request, hosts) : NULL;
        r = r == 0 && !update ? -ENOMEM : r;
        r = r == 0 ? update_add_value(update, host, asked.type, &value) : r;
        run(request, update, NULL, r);
    }
}

/* Of one type, or of all that the rows of the name have. */
static int add_withdrawals(struct update *update, const struct hosts *hosts, const struct host *host,
                           const struct asked *asked)
{
    if (asked->has_type) {
        return update_add_withdrawal(update, host, asked->type);
    }
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        const struct host *row = hosts_find_record(hosts, host->hostname, (enum record_type)type);
        int r = row ? update_add_withdrawal(update, row, (enum record_type)type) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

void control_withdraw(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);
    struct asked asked;

    if (!body || !read_asked(request, body, &asked)) {
        return;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct host *host = find_host(request, hosts, &asked);
    if (!host) {
        return;
    }
    log_operator(request, "withdraw", host->hostname, asked.has_type ? record_type_text(asked.type) : NULL);
    struct update *update = new_update(request, hosts);
    run(request, update, NULL, update ? add_withdrawals(update, hosts, host, &asked) : -ENOMEM);
}

/* What somebody else has changed or deleted is set again to what was set last. */
static int add_repairs(struct update *update, const struct control *control, const struct host *host)
{
    int r = 0;

    for (unsigned type = 0; r == 0 && type < RECORD_TYPE_COUNT; type++) {
        struct record_view view;
        if (!host_has_type(host, (enum record_type)type)) {
            continue;
        }
        const enum record_state state = record_state_of(control->records, host, (enum record_type)type, &view);
        if (state == STATE_DRIFTED || state == STATE_MISSING) {
            r = update_add_value(update, host, (enum record_type)type, &view.last_set);
        }
        record_view_done(&view);
    }
    return r;
}

static int add_page(struct update *update, const struct control *control, const struct hosts *hosts, size_t after,
                    json_t **ret_next)
{
    const size_t count = hosts_count(hosts);
    size_t index = after;
    int r = 0;

    while (r == 0 && index < count && index - after < REPAIR_SCAN_MAX && update_count(update) < REPAIR_MAX) {
        r = add_repairs(update, control, hosts_at(hosts, index++));
    }
    *ret_next = index < count ? json_integer((json_int_t)index) : json_null();
    return *ret_next ? r : -ENOMEM;
}

void control_repair(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);

    if (!body) {
        return;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct control *control = control_of(request);
    const json_int_t after = json_integer_value(json_object_get(body, "after"));
    const bool is_one = json_object_get(body, "hostname") != NULL;
    struct asked asked = {.has_type = false};

    if (is_one && !read_asked(request, body, &asked)) {
        return;
    }
    const struct host *host = is_one ? find_host(request, hosts, &asked) : NULL;
    if (is_one && !host) {
        return;
    }
    if (after == 0) {
        log_operator(request, "repair", host ? host->hostname : NULL, NULL);
    }
    struct update *update = new_update(request, hosts);
    json_t *next = NULL;
    int r = update ? 0 : -ENOMEM;
    for (const struct host *row = host ? hosts_find(hosts, host->hostname) : NULL; r == 0 && row;
         row = row->more->next_same_name) {
        r = add_repairs(update, control, row);
    }
    if (r == 0 && !host) {
        r = add_page(update, control, hosts, after > 0 ? (size_t)after : 0, &next);
    }
    run(request, update, next, r);
}
