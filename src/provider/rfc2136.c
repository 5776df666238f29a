#include "provider/rfc2136.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "provider/rfc2136_internal.h"

/* An UPDATE has at most 65,535 bytes, and each change puts its name four times into it, with some 70 bytes besides.
 * Names of up to 70 characters below the zone's fit; a batch of longer ones comes back as refused and is split. */
#define CHANGES_MAX 180
#define VALUE_CHARACTERS_MAX 16000 /* texts: the old values are in the message as well as the new ones */

/* A server that takes longer for a batch gets smaller ones. PowerDNS looks through the whole zone for each record that it
 * deletes or replaces. */
#define BATCH_SLOW_MS 5000

/* So many records of a zone transfer cost about as much as one query and its check. */
#define RECORDS_PER_LOOK_UP 500

/* ---- what is asked more than once ---- */

struct provider_result rfc2136_result_of(enum provider_outcome outcome, struct buffer *words)
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

struct provider_result rfc2136_not_permitted(const struct provider_zone *zone, struct buffer *words)
{
    buffer_printf(
        words,
        "%s answers NOTAUTH for %s, which it serves: permit %s%s to update it there (Knot: an acl with action: "
        "update), or name the primary name server as the zone's server",
        zone->server_text, zone->name.text, zone->server.key ? "key " : "us",
        zone->server.key ? zone->key_name.text : "");
    return rfc2136_result_of(PROVIDER_CREDENTIALS, words);
}

/* ---- prepare: the zone is there, we may update it, and may we transfer it? ---- */

static void tell_prepared(struct provider_zone *zone)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    const struct provider_result result = rfc2136_result_of(PROVIDER_DONE, &words);
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
        const struct provider_result refused = rfc2136_not_permitted(zone, &words);
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
        const struct provider_result missing = rfc2136_result_of(PROVIDER_NO_ZONE, &words);
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
        refused = rfc2136_not_permitted(zone, &words);
    } else {
        buffer_printf(&words, "%s does not serve %s any more: add the zone there, or correct the zone's server",
                      zone->server_text, zone->name.text);
        refused = rfc2136_result_of(PROVIDER_NO_ZONE, &words);
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
        told = rfc2136_result_of(PROVIDER_REFUSED, &words);
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
