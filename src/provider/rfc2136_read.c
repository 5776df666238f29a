/* Reading: one record, the whole zone, and whether the server answers with what was set. */
#include <errno.h>
#include <string.h>

#include "provider/rfc2136_internal.h"

/* ---- look_up ---- */

static void tell_found(struct provider_zone *zone, bool is_there)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    const struct provider_result result = rfc2136_result_of(PROVIDER_DONE, &words);
    struct provider_found found;

    rfc2136_owner_find(&zone->looked_up_owner, zone->looked_up_record->type, &found);
    if (!is_there) {
        found = (struct provider_found){.hostname = found.hostname, .type = found.type, .knowledge = RECORD_ABSENT};
    }
    found.value = rdata_hold(&found.value); /* the callback may well begin the next look-up */
    zone->looked_up(&result, &found, zone->look_up.userdata);
    rdata_drop(&found.value);
}

static void fail_look_up(struct provider_zone *zone, enum provider_outcome outcome, struct buffer *words)
{
    const struct provider_result result = rfc2136_result_of(outcome, words);

    zone->looked_up(&result, NULL, zone->look_up.userdata);
}

/* An answer that a wildcard has made up is none at exactly this name. */
static void on_checked(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, look_up);
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;

    if (result->outcome == PROVIDER_DONE || result->is_outdated) {
        tell_found(zone, result->outcome == PROVIDER_DONE);
    } else if (result->outcome == PROVIDER_NO_ZONE) {
        const struct provider_result refused = rfc2136_not_permitted(zone, &words);
        zone->looked_up(&refused, NULL, call->userdata);
    } else {
        zone->looked_up(result, NULL, call->userdata);
    }
}

/* Collects what the answer has of the name itself. */
static int read_answer(struct provider_zone *zone)
{
    struct rfc2136_owner *owner = &zone->looked_up_owner;
    const struct rfc2136_call *call = &zone->look_up;
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_record record;
    int r = 0;

    rfc2136_owner_begin(owner, zone->looked_up_record->hostname);
    zone->is_below_dname = false;
    while (r == 0 && rfc2136_next(&call->request, RFC2136_ANSWER, &cursor, &record)) {
        if (strcmp(record.owner.text, owner->name.text) == 0) {
            r = rfc2136_owner_add(owner, &record);
        } else if (record.type == DNS_DNAME && name_is_within(owner->name.text, record.owner.text)) {
            zone->is_below_dname = true; /* its CNAME is made up, but nothing can stand there (RFC 6672 section 2.4) */
        }
    }
    return r;
}

/* Is the name below NS records of the zone? Then other servers answer for it (RFC 1034 section 4.2.1). */
static bool is_delegated(const struct provider_zone *zone, struct name *ret_cut)
{
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_record record;

    while (rfc2136_next(&zone->look_up.request, RFC2136_AUTHORITY, &cursor, &record)) {
        if (record.type == DNS_NS && strcmp(record.owner.text, zone->name.text) != 0 &&
            name_is_within(record.owner.text, zone->name.text) &&
            name_is_within(zone->looked_up_record->hostname, record.owner.text)) {
            *ret_cut = record.owner;
            return true;
        }
    }
    return false;
}

static void refuse_answer(struct provider_zone *zone)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    const char *hostname = zone->looked_up_record->hostname;
    struct name cut;

    if (zone->look_up.answer.is_truncated) {
        buffer_printf(&words, "%s cuts its answer about %s short, for UDP: open its port for TCP", zone->server_text,
                      hostname);
        fail_look_up(zone, PROVIDER_TRANSIENT, &words);
    } else if (is_delegated(zone, &cut)) {
        buffer_printf(
            &words,
            "%s has handed %s to other name servers: name that zone and its server in the settings, or take %s "
            "out of the hosts file",
            zone->server_text, cut.text, hostname);
        fail_look_up(zone, PROVIDER_REFUSED, &words);
    } else {
        buffer_printf(&words, "%s is not authoritative for %s: name the primary name server as the zone's server",
                      zone->server_text, zone->name.text);
        fail_look_up(zone, PROVIDER_NO_ZONE, &words);
    }
}

static void on_looked_up(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, look_up);
    const struct record *record = zone->looked_up_record;
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    struct provider_found found;

    if (result->outcome != PROVIDER_DONE) {
        zone->looked_up(result, NULL, call->userdata);
        return;
    }
    if (call->answer.is_truncated || !call->answer.is_authoritative) {
        refuse_answer(zone);
        return;
    }
    if (read_answer(zone) < 0) {
        buffer_append_text(&words, "out of memory");
        fail_look_up(zone, PROVIDER_TRANSIENT, &words);
        return;
    }
    rfc2136_owner_find(&zone->looked_up_owner, record->type, &found);
    if (found.knowledge == RECORD_ABSENT || zone->is_below_dname) {
        tell_found(zone, true);
        return;
    }
    const uint16_t type = found.foreign == FOREIGN_ALIAS ? DNS_CNAME : record_type_number(record->type);
    const int r = rfc2136_write_check(&call->request, zone->server.key, zone->name.text, record->hostname, type);
    rfc2136_call_send(call, r, true, NULL, on_checked);
}

void rfc2136_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up done, void *userdata)
{
    zone->looked_up = done;
    zone->look_up.userdata = userdata;
    zone->looked_up_record = record;
    const int r = rfc2136_write_query(&zone->look_up.request, zone->server.key, record->hostname,
                                      record_type_number(record->type));
    rfc2136_call_send(&zone->look_up, r, false, NULL, on_looked_up);
}

/* ---- list_page: all of the zone is one page ---- */

static void tell_owner(struct provider_zone *zone)
{
    struct provider_found found;

    for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++) {
        rfc2136_owner_find(&zone->listed_owner, (enum record_type)i, &found);
        if (found.knowledge != RECORD_ABSENT) {
            zone->each(&found, zone->list.userdata);
        }
    }
}

/* The records of a name come one after another. */
static int on_message(struct rfc2136_call *call)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, list);
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_record record;
    int r = 0;

    while (r == 0 && zone->listed_ends < 2 && rfc2136_next(&call->request, RFC2136_ANSWER, &cursor, &record)) {
        zone->listed_count++;
        if (record.type == DNS_SOA && strcmp(record.owner.text, zone->name.text) == 0) {
            zone->listed_ends++;
        } else if (zone->listed_ends == 0) {
            return -EBADMSG;
        }
        if (strcmp(record.owner.text, zone->listed_owner.name.text) != 0) {
            tell_owner(zone);
            rfc2136_owner_begin(&zone->listed_owner, record.owner.text);
        }
        r = rfc2136_owner_add(&zone->listed_owner, &record);
    }
    return r < 0 ? r : zone->listed_ends < 2;
}

static void on_listed(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, list);
    struct provider_result told = *result;

    if (told.outcome == PROVIDER_DONE) {
        tell_owner(zone);
        zone->record_count = zone->listed_count;
    } else if (told.outcome != PROVIDER_TRANSIENT) {
        zone->may_transfer = false; /* the next prepare tries anew */
    }
    if (told.outcome == PROVIDER_REFUSED) {
        told.outcome = PROVIDER_TRANSIENT; /* no batch is at fault here */
    } else if (told.outcome == PROVIDER_NO_ZONE) {
        told.outcome = PROVIDER_CREDENTIALS; /* servers that refuse a transfer say NOTAUTH, too */
    }
    rfc2136_owner_begin(&zone->listed_owner, "");
    zone->listed(&told, false, call->userdata);
}

void rfc2136_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                       void *userdata)
{
    (void)restart;
    zone->each = each;
    zone->listed = done;
    zone->list.userdata = userdata;
    zone->listed_count = 0;
    zone->listed_ends = 0;
    rfc2136_owner_begin(&zone->listed_owner, "");
    const int r = rfc2136_write_transfer(&zone->list.request, zone->server.key, zone->name.text);
    rfc2136_call_send(&zone->list, r, false, on_message, on_listed);
}

/* ---- in_sync ---- */

/* What the answer has of that name and type. */
static int collect_values(const struct provider_zone *zone, struct rdata *values)
{
    const struct record *record = zone->synced_record;
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_record found;
    int r = 0;

    while (r == 0 && rfc2136_next(&zone->sync.request, RFC2136_ANSWER, &cursor, &found)) {
        if (found.type == record_type_number(record->type) && strcmp(found.owner.text, record->hostname) == 0) {
            r = record_value_add_wire(record->type, found.data, found.length, values);
        }
    }
    return r;
}

static void on_synced(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, sync);
    struct provider_result told = *result;
    struct rdata values = {0};
    bool is_in_sync = false;

    if (result->outcome == PROVIDER_DONE) {
        is_in_sync = collect_values(zone, &values) == 0 && rdata_equal(&values, zone->synced_value);
    } else if (result->outcome == PROVIDER_REFUSED) {
        told.outcome = PROVIDER_TRANSIENT; /* no batch is at fault here */
    }
    rdata_drop(&values);
    zone->synced(&told, is_in_sync, call->userdata);
}

/* A server may answer from a cache for some time after it has accepted an update (PowerDNS). */
void rfc2136_in_sync(struct provider_zone *zone, const struct record *record, const struct rdata *value,
                     const char *change_id, provider_synced done, void *userdata)
{
    (void)change_id;
    zone->synced = done;
    zone->sync.userdata = userdata;
    zone->synced_record = record;
    zone->synced_value = value;
    const int r =
        rfc2136_write_query(&zone->sync.request, zone->server.key, record->hostname, record_type_number(record->type));
    rfc2136_call_send(&zone->sync, r, false, NULL, on_synced);
}
