#include "provider/rfc2136.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "provider/rfc2136_call.h"
#include "provider/rfc2136_owner.h"

/* An UPDATE has at most 65,535 bytes, and each change puts its name four times into it, with some 70 bytes besides.
 * Names of up to 70 characters below the zone's fit; a batch of longer ones comes back as refused and is split. */
#define CHANGES_MAX 180
#define VALUE_CHARACTERS_MAX 16000 /* texts: the old values are in the message as well as the new ones */

/* A server that takes longer for a batch gets smaller ones. PowerDNS looks through the whole zone for each record that it
 * deletes or replaces. */
#define BATCH_SLOW_MS 5000

/* So many records of a zone transfer cost about as much as one query and its check. */
#define RECORDS_PER_LOOK_UP 500

struct provider_zone {
    struct rfc2136_server server;
    struct name name;
    char server_text[ADDRESS_TEXT_SIZE + sizeof(" port 65535")];
    struct name key_name;
    bool may_transfer;
    uint64_t record_count; /* of the last transfer; 0: not known */

    struct rfc2136_call prepare;
    provider_prepared prepared;

    struct rfc2136_call apply;
    provider_applied applied;
    size_t change_count;
    size_t change_max;  /* a batch of more is refused, so that it is split */
    int64_t applied_ms; /* when it was sent */
    struct buffer refusal;

    struct rfc2136_call look_up;
    provider_looked_up looked_up;
    const struct record *looked_up_record;
    struct rfc2136_owner looked_up_owner;
    bool is_below_dname;

    struct rfc2136_call list;
    provider_each each;
    provider_listed listed;
    struct rfc2136_owner listed_owner;
    uint64_t listed_count;
    unsigned listed_ends; /* SOA records: it begins and ends with one (RFC 5936 section 2.2) */

    struct rfc2136_call sync;
    provider_synced synced;
    const struct record *synced_record;
    const struct rdata *synced_value;
};

/* ---- what is asked more than once ---- */

static struct provider_result result_of(enum provider_outcome outcome, struct buffer *words)
{
    return (struct provider_result){
        .outcome = outcome, .message = buffer_text(words), .change_id = "", .culprit = PROVIDER_NO_CULPRIT};
}

/* Does the answer have the zone's SOA record? */
static bool has_soa(const struct provider_zone *zone, const struct rfc2136_call *call)
{
    struct rfc2136_cursor cursor = {.packet = 0};
    struct rfc2136_record record;

    while (rfc2136_next(&call->request, RFC2136_ANSWER, &cursor, &record)) {
        if (record.type == DNS_SOA && strcmp(record.owner.text, zone->name.text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_authoritative(const struct provider_zone *zone, const struct rfc2136_call *call)
{
    return call->answer.is_authoritative && has_soa(zone, call);
}

static void ask_for_soa(struct provider_zone *zone, struct rfc2136_call *call, rfc2136_step step)
{
    const int r = rfc2136_write_query(&call->request, zone->server.key, zone->name.text, DNS_SOA);

    rfc2136_call_send(call, r, false, NULL, step);
}

/* Changes nothing. */
static void ask_for_permission(struct provider_zone *zone, struct rfc2136_call *call, rfc2136_step step)
{
    const int r = rfc2136_write_update(&call->request, zone->server.key, zone->name.text, NULL, 0);

    rfc2136_call_send(call, r, true, NULL, step);
}

/* NOTAUTH from a server that is authoritative: RFC 2136 has one code for "not the zone's primary" and "not authorised". */
static struct provider_result not_permitted(const struct provider_zone *zone, struct buffer *words)
{
    buffer_printf(
        words,
        "%s answers NOTAUTH for %s, which it serves: permit %s%s to update it there (Knot: an acl with action: "
        "update), or name the primary name server as the zone's server",
        zone->server_text, zone->name.text, zone->server.key ? "key " : "us",
        zone->server.key ? zone->key_name.text : "");
    return result_of(PROVIDER_CREDENTIALS, words);
}

/* ---- prepare: the zone is there, we may update it, and may we transfer it? ---- */

static void tell_prepared(struct provider_zone *zone)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    const struct provider_result result = result_of(PROVIDER_DONE, &words);
    const uint64_t cost = zone->may_transfer ? zone->record_count / RECORDS_PER_LOOK_UP : UINT32_MAX;

    zone->prepared(&result, false, cost, zone->prepare.userdata);
}

/* The first message says whether transfers are allowed. */
static int on_probed(struct rfc2136_call *call)
{
    (void)call;
    return 0;
}

static void on_transfer_probed(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, prepare);

    /* Knot's answer does not say that it is authoritative. */
    zone->may_transfer = result->outcome == PROVIDER_DONE && has_soa(zone, call);
    tell_prepared(zone);
}

static void on_permission(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, prepare);
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;

    if (result->outcome == PROVIDER_NO_ZONE) {
        const struct provider_result refused = not_permitted(zone, &words);
        zone->prepared(&refused, false, 0, call->userdata);
    } else if (result->outcome == PROVIDER_CREDENTIALS || result->outcome == PROVIDER_TRANSIENT) {
        zone->prepared(result, false, 0, call->userdata);
    } else if (zone->may_transfer || zone->server.is_udp_only) {
        zone->may_transfer = !zone->server.is_udp_only;
        tell_prepared(zone);
    } else {
        const int r = rfc2136_write_transfer(&call->request, zone->server.key, zone->name.text);
        rfc2136_call_send(call, r, false, on_probed, on_transfer_probed);
    }
}

static void on_soa(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, prepare);
    const struct rfc2136_answer *answer = &call->answer;
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;

    const bool is_refused = result->outcome == PROVIDER_CREDENTIALS && answer->rcode == DNS_REFUSED &&
                            answer->signature == SIGNATURE_GOOD && answer->tsig_error == 0;
    if (is_refused || (result->outcome == PROVIDER_DONE && !is_authoritative(zone, call))) {
        buffer_printf(&words, "%s answers ", zone->server_text);
        rfc2136_print_rcode(answer->rcode, &words);
        buffer_printf(&words,
                      " for %s and does not serve it: correct the zone's name or server, add the zone there, or permit "
                      "us to query it",
                      zone->name.text);
        const struct provider_result missing = result_of(PROVIDER_NO_ZONE, &words);
        zone->prepared(&missing, false, 0, call->userdata);
    } else if (result->outcome != PROVIDER_DONE) {
        struct provider_result failed = *result;
        failed.outcome = result->outcome == PROVIDER_REFUSED ? PROVIDER_TRANSIENT : result->outcome;
        zone->prepared(&failed, false, 0, call->userdata);
    } else {
        ask_for_permission(zone, call, on_permission);
    }
}

static void rfc2136_prepare(struct provider_zone *zone, provider_prepared done, void *userdata)
{
    zone->prepared = done;
    zone->prepare.userdata = userdata;
    zone->server.is_udp_only = false;
    ask_for_soa(zone, &zone->prepare, on_soa);
}

/* ---- apply ---- */

static void on_zone_checked(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, apply);
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    struct provider_result refused;

    if (result->outcome == PROVIDER_DONE && is_authoritative(zone, call)) {
        refused = not_permitted(zone, &words);
    } else {
        buffer_printf(&words, "%s does not serve %s any more: add the zone there, or correct the zone's server",
                      zone->server_text, zone->name.text);
        refused = result_of(PROVIDER_NO_ZONE, &words);
    }
    zone->applied(&refused, call->userdata);
}

/* Servers have rules about names and types, too (BIND: check-names, update-policy; Knot: update-owner): one change must
 * not keep all others from being made. */
static void on_permission_asked(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, apply);
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    struct provider_result told = *result;

    if (result->outcome == PROVIDER_NO_ZONE) {
        ask_for_soa(zone, call, on_zone_checked);
        return;
    }
    if (result->outcome == PROVIDER_DONE) {
        buffer_printf(&words, "%s; it takes others, so see what its log says about this one",
                      buffer_text(&zone->refusal));
        told = result_of(PROVIDER_REFUSED, &words);
    }
    zone->applied(&told, call->userdata);
}

/* Knot says BADKEY, without a signature, of a change that its rules do not permit. */
static bool may_be_about_a_change(const struct rfc2136_call *call, const struct provider_result *result)
{
    const struct rfc2136_answer *answer = &call->answer;

    if (result->outcome == PROVIDER_NO_ZONE) {
        return true;
    }
    return result->outcome == PROVIDER_CREDENTIALS &&
           (answer->tsig_error == DNS_BADKEY ? call->transport == DNS_TCP
                                             : answer->tsig_error == 0 && answer->signature == SIGNATURE_GOOD);
}

/* What was sent and had no answer may have been too much. */
static void adapt(struct provider_zone *zone, const struct provider_result *result)
{
    const bool is_slow = loop_now_ms(zone->server.loop) - zone->applied_ms >= BATCH_SLOW_MS;

    if (is_slow && zone->change_count > 1 && (result->outcome == PROVIDER_DONE || zone->apply.error == -ETIMEDOUT)) {
        zone->change_max = zone->change_count / 2;
    } else if (!is_slow && result->outcome == PROVIDER_DONE && zone->change_count == zone->change_max) {
        zone->change_max = 2 * zone->change_max < CHANGES_MAX ? 2 * zone->change_max : CHANGES_MAX;
    }
}

static void on_applied(struct rfc2136_call *call, const struct provider_result *result)
{
    struct provider_zone *zone = CONTAINER_OF(call, struct provider_zone, apply);
    struct provider_result told = *result;

    adapt(zone, result);
    if (may_be_about_a_change(call, result)) {
        buffer_clear(&zone->refusal);
        buffer_append_text(&zone->refusal, result->message);
        ask_for_permission(zone, call, on_permission_asked);
        return;
    }
    if (call->error == -EFBIG && zone->change_count > 1) {
        told.outcome = PROVIDER_REFUSED; /* it goes by UDP in smaller parts */
    }
    zone->applied(&told, call->userdata);
}

static void rfc2136_apply(struct provider_zone *zone, const struct change_request *const *changes, size_t count,
                          provider_applied done, void *userdata)
{
    zone->applied = done;
    zone->apply.userdata = userdata;
    zone->change_count = count;
    zone->applied_ms = loop_now_ms(zone->server.loop);
    const int r = count > zone->change_max
                      ? -EMSGSIZE
                      : rfc2136_write_update(&zone->apply.request, zone->server.key, zone->name.text, changes, count);
    rfc2136_call_send(&zone->apply, r, true, NULL, on_applied);
}

/* ---- look_up ---- */

static void tell_found(struct provider_zone *zone, bool is_there)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    const struct provider_result result = result_of(PROVIDER_DONE, &words);
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
    const struct provider_result result = result_of(outcome, words);

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
        const struct provider_result refused = not_permitted(zone, &words);
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

static void rfc2136_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up done,
                            void *userdata)
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

static void rfc2136_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
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
static void rfc2136_in_sync(struct provider_zone *zone, const struct record *record, const struct rdata *value,
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

/* ---- the zone ---- */

static void rfc2136_free(struct provider_zone *zone)
{
    if (!zone) {
        return;
    }
    rfc2136_call_done(&zone->prepare);
    rfc2136_call_done(&zone->apply);
    rfc2136_call_done(&zone->look_up);
    rfc2136_call_done(&zone->list);
    rfc2136_call_done(&zone->sync);
    buffer_done(&zone->refusal);
    rfc2136_owner_done(&zone->looked_up_owner);
    rfc2136_owner_done(&zone->listed_owner);
    rfc2136_key_free(zone->server.key);
    free(zone);
}
DEFINE_CLEANUP(struct provider_zone *, rfc2136_free)

static void print_server(struct provider_zone *zone)
{
    char address[ADDRESS_TEXT_SIZE];

    address_print(&zone->server.address.address, address);
    (void)snprintf(zone->server_text, sizeof(zone->server_text), "%s port %u", address,
                   (unsigned)zone->server.address.port);
}

struct provider_zone *rfc2136_zone_new(struct loop *loop, const char *name,
                                       const struct rfc2136_zone_settings *settings)
{
    _cleanup_(rfc2136_freep) struct provider_zone *zone = calloc(1, sizeof(*zone));

    if (!zone || name_parse(name, strlen(name), &zone->name, NULL) < 0) {
        return NULL;
    }
    zone->server.loop = loop;
    zone->change_max = CHANGES_MAX;
    zone->server.address = (struct dns_server){settings->server, (uint16_t)settings->port};
    print_server(zone);
    zone->server.context = (struct rfc2136_context){.zone = zone->name.text, .server = zone->server_text};
    if (settings->secret) {
        zone->key_name = settings->key_name;
        zone->server.context.key = zone->key_name.text;
        if (rfc2136_key_new(zone->key_name.text, settings->algorithm, settings->secret, &zone->server.key) < 0) {
            return NULL;
        }
    }
    struct rfc2136_call *calls[] = {&zone->prepare, &zone->apply, &zone->look_up, &zone->list, &zone->sync};
    for (size_t i = 0; i < ELEMENTS(calls); i++) {
        if (rfc2136_call_init(calls[i], &zone->server) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(zone);
}

const struct provider_ops rfc2136_ops = {
    .name = "rfc2136",
    .changes_max = CHANGES_MAX,
    .value_characters_max = VALUE_CHARACTERS_MAX,
    .value_characters_factor = 1,
    .page_records = 1,
    .prepare = rfc2136_prepare,
    .apply = rfc2136_apply,
    .look_up = rfc2136_look_up,
    .list_page = rfc2136_list_page,
    .in_sync = rfc2136_in_sync,
    .free = rfc2136_free,
};
