/* Every record of hosts.yaml against what DNS has, as far as the queue knows. */
#include <stdlib.h>
#include <string.h>

#include "admin/control_internal.h"

#define PAGE_MAX 1000
#define PAGE_DEFAULT 500
/* Hosts that one request looks at, at most: some ten milliseconds' worth. */
#define SCAN_MAX 50000

static const char *const state_words[RECORD_STATE_COUNT] = {
    [STATE_IN_STEP] = "in_step", [STATE_UNSET] = "unset",     [STATE_WAITING] = "waiting",
    [STATE_DRIFTED] = "drifted", [STATE_MISSING] = "missing", [STATE_NOT_OURS] = "not_ours",
    [STATE_UNKNOWN] = "unknown",
};

const char *record_state_word(enum record_state state)
{
    return state_words[state];
}

static enum record_state state_of_view(const struct record_view *view, const struct host *host)
{
    if (view->busy) {
        return STATE_WAITING;
    }
    switch (view->knowledge) {
    case RECORD_UNKNOWN: return STATE_UNKNOWN;
    case RECORD_FOREIGN: return STATE_NOT_OURS;
    case RECORD_ABSENT: return rdata_is_empty(&view->last_set) ? STATE_UNSET : STATE_MISSING;
    case RECORD_PLAIN: break;
    }
    if (rdata_is_empty(&view->last_set)) {
        return STATE_UNSET;
    }
    return rdata_equal(&view->value, &view->last_set) && view->ttl_s == host->ttl_s ? STATE_IN_STEP : STATE_DRIFTED;
}

enum record_state record_state_of(struct records *records, const struct host *host, enum record_type type,
                                  struct record_view *ret_view)
{
    struct record *record = records_find(records, host->hostname, type);

    if (!record) { /* the host has just come or left */
        *ret_view = (struct record_view){.knowledge = RECORD_UNKNOWN};
        return STATE_UNKNOWN;
    }
    record_view(record, ret_view);
    record_release(record);
    return state_of_view(ret_view, host);
}

size_t (*control_count_states(const struct control *control, size_t zone_count))[RECORD_STATE_COUNT]
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(control->current);
    size_t(*counts)[RECORD_STATE_COUNT] = calloc(zone_count + 1, sizeof(*counts));

    for (size_t i = 0; counts && i < hosts_count(hosts); i++) {
        const struct host *host = hosts_at(hosts, i);
        for (unsigned type = 0; type < RECORD_TYPE_COUNT && host->zone < zone_count; type++) {
            struct record_view view;
            if (host_has_type(host, (enum record_type)type)) {
                counts[host->zone][record_state_of(control->records, host, (enum record_type)type, &view)]++;
                record_view_done(&view);
            }
        }
    }
    return counts;
}

/* ---- one page ---- */

struct page {
    const struct control *control;
    unsigned states; /* bits 1 << enum record_state */
    json_t *records; /* array */
    size_t limit;
};

static const char *foreign_word(enum record_foreign foreign)
{
    switch (foreign) {
    case FOREIGN_ALIAS: return "alias";
    case FOREIGN_ROUTING_POLICY: return "routing_policy";
    case FOREIGN_SEVERAL_VALUES: return "several_values";
    case FOREIGN_NONE: break;
    }
    return NULL;
}

/* {"value", "ttl"}, or null for nothing. */
static json_t *value_object(const struct rdata *value, uint32_t ttl_s)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    if (rdata_is_empty(value)) {
        return json_null();
    }
    rdata_print(value, &text);
    return json_pack("{s:s, s:I}", "value", buffer_text(&text), "ttl", (json_int_t)ttl_s);
}

static json_t *record_object(const struct host *host, enum record_type type, enum record_state state,
                             const struct record_view *view)
{
    const bool is_plain = view->knowledge == RECORD_PLAIN;
    static const struct rdata nothing;

    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:s?}", "hostname", host->hostname, "type", record_type_text(type),
                     "state", record_state_word(state), "locked", host->lock_record, "set",
                     value_object(&view->last_set, host->ttl_s), "dns",
                     value_object(is_plain ? &view->value : &nothing, view->ttl_s), "foreign",
                     view->knowledge == RECORD_FOREIGN ? foreign_word(view->foreign) : NULL);
}

/* -1: no memory. */
static int add_record(struct page *page, const struct host *host, enum record_type type)
{
    struct record_view view;
    const enum record_state state = record_state_of(page->control->records, host, type, &view);
    int r = 0;

    if (page->states & 1U << state) {
        r = json_array_append_new(page->records, record_object(host, type, state, &view));
    }
    record_view_done(&view);
    return r;
}

static int add_host(struct page *page, const struct host *host)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (host_has_type(host, (enum record_type)type) && add_record(page, host, (enum record_type)type) < 0) {
            return -1;
        }
    }
    return 0;
}

static void answer_host(struct request *request, struct page *page, const struct hosts *hosts, const char *hostname)
{
    const struct host *host = hosts_find(hosts, hostname);

    if (!host) {
        json_decref(page->records);
        control_refuse(request, 404, "no_host", "the running daemon has no such host; add it and reload");
        return;
    }
    for (; host; host = host->more->next_same_name) {
        if (add_host(page, host) < 0) {
            json_decref(TAKE_PTR(page->records));
            break;
        }
    }
    control_answer(request, 200, "records",
                   page->records ? json_pack("{s:o, s:n}", "records", page->records, "next") : NULL);
}

/* `after`: so many hosts were looked at before. */
static void answer_page(struct request *request, struct page *page, const struct hosts *hosts, size_t after)
{
    const size_t count = hosts_count(hosts);
    size_t index = after;

    while (index < count && index - after < SCAN_MAX && json_array_size(page->records) < page->limit) {
        if (add_host(page, hosts_at(hosts, index++)) < 0) {
            json_decref(page->records);
            control_answer(request, 500, "out_of_memory", NULL);
            return;
        }
    }
    /* Where the hosts are others than on the page before, whoever collects pages begins anew. */
    control_answer(request, 200, "records",
                   json_pack("{s:o, s:o, s:I}", "records", page->records, "next",
                             index < count ? json_integer((json_int_t)index) : json_null(), "generation",
                             (json_int_t)records_generation(page->control->records)));
}

/* Bits; all where none are named; 0: a word is unknown. */
static unsigned read_states(const json_t *states)
{
    unsigned bits = 0;
    size_t index;
    const json_t *word;

    if (!states) {
        return (1U << RECORD_STATE_COUNT) - 1;
    }
    json_array_foreach(states, index, word)
    {
        unsigned bit = 0;
        for (unsigned state = 0; state < RECORD_STATE_COUNT; state++) {
            bit |= json_is_string(word) && strcmp(json_string_value(word), state_words[state]) == 0 ? 1U << state : 0;
        }
        if (bit == 0) {
            return 0;
        }
        bits |= bit;
    }
    return bits;
}

void control_records(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);

    if (!body) {
        return;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const bool is_one = json_object_get(body, "hostname") != NULL;
    struct name hostname;
    const json_int_t after = json_integer_value(json_object_get(body, "after"));
    const json_int_t limit = json_integer_value(json_object_get(body, "limit"));
    struct page page = {
        .control = control_of(request),
        .states = read_states(json_object_get(body, "states")),
        .limit = limit <= 0         ? PAGE_DEFAULT
                 : limit > PAGE_MAX ? PAGE_MAX
                                    : (size_t)limit,
    };

    if (page.states == 0 || after < 0) {
        control_refuse(request, 400, "bad_request",
                       "states or after is none; states are in_step, unset, waiting, drifted, missing, not_ours, "
                       "unknown");
        return;
    }
    if (is_one && !control_name(request, body, &hostname)) {
        return;
    }
    page.records = json_array();
    if (!page.records) {
        control_answer(request, 500, "out_of_memory", NULL);
    } else if (is_one) {
        answer_host(request, &page, hosts, hostname.text);
    } else {
        answer_page(request, &page, hosts, (size_t)after);
    }
}
