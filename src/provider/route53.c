#include "provider/route53.h"

#include <errno.h>
#include <string.h>

#include "provider/deferred.h"
#include "provider/route53_xml.h"

/* 1,000 ResourceRecord elements and 32,000 characters of Value a batch, and UPSERT counts both twice:
 * Amazon Route 53 Developer Guide, "Quotas", ChangeResourceRecordSets. */
#define CHANGES_MAX 500
#define VALUE_CHARACTERS_MAX 32000
#define UPSERT_FACTOR 2
#define PAGE_RECORDS 300

#define API "/2013-04-01"

/* One kind of call; at most one of each is under way. */
struct operation {
    struct provider_zone *zone;
    aws_done done;
    struct aws_call *call;    /* NULL: none under way */
    struct deferred deferred; /* tells that the call could not even begin, and why: */
    int error;
    void *userdata;
};

struct provider_zone {
    struct aws_service *service;
    struct name name;
    bool is_private;
    bool is_id_given;
    char id[ROUTE53_ID_SIZE]; /* "": not looked up yet */

    struct operation prepare;
    provider_prepared prepared;
    bool is_finding; /* ListHostedZonesByName is under way, not GetHostedZone */

    struct operation apply;
    provider_applied applied;
    const struct change_request *const *changes; /* what is being applied, for the culprit; borrowed */
    size_t change_count;

    struct operation look_up;
    provider_looked_up looked_up;
    const struct record *looked_up_record;

    struct operation list;
    provider_listed listed;
    provider_each each;
    struct route53_cursor cursor; /* not set: the beginning */
    struct route53_last last;

    struct operation sync;
    provider_synced synced;
    bool is_old; /* there is no change to ask about */
};

/* ---- calls ---- */

/* -ENOENT: the zone's id is not known (any more); the caller is told what it would be told with a wrong one. */
static void on_not_begun(struct deferred *deferred)
{
    struct operation *operation = CONTAINER_OF(deferred, struct operation, deferred);
    struct aws_result result = {
        .outcome = operation->error == -ENOENT ? AWS_REFUSED : AWS_TRANSIENT,
        .code = operation->error == -ENOENT ? "NoSuchHostedZone" : "",
        .message = operation->error == -ENOENT ? "not found yet" : strerror(-operation->error),
    };

    operation->done(&result, operation);
}

static void fail(struct operation *operation, int error)
{
    operation->call = NULL;
    operation->error = error;
    deferred_call(&operation->deferred);
}

static void start(struct operation *operation, const char *name, const char *method, const struct buffer *path,
                  const struct buffer *query, const struct buffer *body)
{
    int r = buffer_status(path);

    r = r < 0 || !query ? r : buffer_status(query);
    r = r < 0 || !body ? r : buffer_status(body);
    if (r == 0) {
        r = aws_call(operation->zone->service, name, method, buffer_text(path), query ? buffer_text(query) : NULL,
                     body ? buffer_text(body) : NULL, body ? body->length : 0, operation->done, operation,
                     &operation->call);
    }
    if (r < 0) {
        fail(operation, r);
    }
}

/* Escapes all but the unreserved characters of RFC 3986 section 2.3, as the signature takes for granted. */
static void append_encoded(struct buffer *buffer, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("-._~", *c)) {
            buffer_append_char(buffer, *c);
        } else {
            buffer_printf(buffer, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

static void append_parameter(struct buffer *query, const char *name, const char *value)
{
    buffer_printf(query, "%s%s=", query->length ? "&" : "", name);
    append_encoded(query, value);
}

static void append_zone_path(const struct provider_zone *zone, struct buffer *path)
{
    buffer_append_text(path, API "/hostedzone/");
    append_encoded(path, zone->id);
}

/* ---- outcomes ---- */

static bool is_code(const struct aws_result *result, const char *code)
{
    return strcmp(result->code, code) == 0;
}

static enum provider_outcome outcome_of(const struct aws_result *result)
{
    switch (result->outcome) {
    case AWS_OK: return PROVIDER_DONE;
    case AWS_THROTTLED: return PROVIDER_THROTTLED;
    case AWS_CREDENTIALS: return PROVIDER_CREDENTIALS;
    case AWS_REFUSED: return is_code(result, "NoSuchHostedZone") ? PROVIDER_NO_ZONE : PROVIDER_REFUSED;
    case AWS_TRANSIENT: break;
    }
    return PROVIDER_TRANSIENT;
}

/* The zone is looked up anew: it may have been deleted and made again with another id. */
static void forget_id(struct provider_zone *zone)
{
    if (!zone->is_id_given) {
        zone->id[0] = '\0';
    }
}

static void explain_no_zone(const struct provider_zone *zone, const char *words, struct buffer *message)
{
    if (zone->is_id_given) {
        buffer_printf(message, "Route 53 has no zone with the id %s (%s): correct zone_id of %s, or leave it out",
                      zone->id, words, zone->name.text);
    } else {
        buffer_printf(message, "Route 53 does not have the zone %s (%s): make it, or set zone_id", zone->name.text,
                      words);
    }
}

/* `message` holds our words where AWS's do not do. */
static struct provider_result result_of(struct provider_zone *zone, const struct aws_result *result,
                                        struct buffer *message)
{
    struct provider_result made = {
        .outcome = outcome_of(result),
        .message = result->outcome == AWS_OK ? "" : result->message,
        .change_id = "",
        .retry_after_ms = result->retry_after_ms,
        .culprit = PROVIDER_NO_CULPRIT,
    };

    if (made.outcome == PROVIDER_NO_ZONE) {
        explain_no_zone(zone, result->message, message);
        made.message = buffer_text(message);
        forget_id(zone);
    }
    return made;
}

/* A 2xx that says something else than the service model has. */
static void set_not_understood(struct provider_result *result, const char *what)
{
    result->outcome = PROVIDER_TRANSIENT;
    result->message = what;
}

/* ---- prepare ---- */

static void explain_not_found(const struct provider_zone *zone, int error, struct provider_result *result,
                              struct buffer *message)
{
    const char *kind = zone->is_private ? "private" : "public";
    const char *name = zone->name.text;

    result->outcome = PROVIDER_NO_ZONE;
    switch (error) {
    case -ENOENT:
        buffer_printf(message,
                      "the account has no %s Route 53 zone named %s: make it, set zone_id, or use that account's "
                      "credentials",
                      kind, name);
        break;
    case -EXDEV:
        buffer_printf(message, "the account's Route 53 zone named %s is not %s: set \"private: %s\" for the zone", name,
                      kind, zone->is_private ? "false" : "true");
        break;
    case -ENOTUNIQ:
        buffer_printf(message,
                      "the account has several %s Route 53 zones named %s: set zone_id to the one that is meant", kind,
                      name);
        break;
    default:
        result->outcome = PROVIDER_TRANSIENT;
        buffer_append_text(message, "Route 53's list of zones cannot be understood");
        break;
    }
    result->message = buffer_text(message);
}

static void on_zones(struct provider_zone *zone, const struct aws_result *answer)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct provider_result result = result_of(zone, answer, &message);

    if (result.outcome == PROVIDER_DONE) {
        int r = route53_find_zone(xml_root(answer->document), zone->name.text, zone->is_private, zone->id);
        if (r < 0) {
            explain_not_found(zone, r, &result, &message);
        }
    } else if (result.outcome == PROVIDER_CREDENTIALS) {
        buffer_printf(&message, "%s (setting zone_id for %s would spare this call)", answer->message, zone->name.text);
        result.message = buffer_text(&message);
    } else if (result.outcome == PROVIDER_REFUSED) {
        result.outcome = PROVIDER_NO_ZONE;
    }
    zone->prepared(&result, result.outcome == PROVIDER_DONE, 0, zone->prepare.userdata);
}

/* A zone_id that belongs to another zone would have every single change refused. */
static void check_zone(const struct provider_zone *zone, const struct aws_result *answer,
                       struct provider_result *result, struct buffer *message, uint64_t *ret_record_count)
{
    const char *text = NULL;
    struct name name;

    if (route53_read_zone(xml_root(answer->document), &text, ret_record_count) < 0) {
        set_not_understood(result, "Route 53's description of the zone cannot be understood");
    } else if (route53_read_name(text, strlen(text), &name) < 0 || strcmp(name.text, zone->name.text) != 0) {
        result->outcome = PROVIDER_NO_ZONE;
        buffer_printf(message, "Route 53's zone %s is not %s but %s: correct its zone_id, or leave it out", zone->id,
                      zone->name.text, text);
        result->message = buffer_text(message);
    }
}

static void on_zone(struct provider_zone *zone, const struct aws_result *answer)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct provider_result result = result_of(zone, answer, &message);
    uint64_t record_count = 0;

    if (result.outcome == PROVIDER_DONE) {
        check_zone(zone, answer, &result, &message, &record_count);
    } else if (result.outcome == PROVIDER_CREDENTIALS && is_code(answer, "AccessDenied")) {
        /* The policy may permit changes and listings only. If it permits nothing, the next call says so. */
        result.outcome = PROVIDER_DONE;
        result.message = "";
    } else if (result.outcome == PROVIDER_REFUSED) {
        /* An id that is none: InvalidInput. */
        result.outcome = PROVIDER_NO_ZONE;
        explain_no_zone(zone, answer->message, &message);
        result.message = buffer_text(&message);
    }
    zone->prepared(&result, false, record_count, zone->prepare.userdata);
}

static void on_prepared(const struct aws_result *answer, void *userdata)
{
    struct operation *operation = userdata;
    struct provider_zone *zone = operation->zone;

    operation->call = NULL;
    if (zone->is_finding) {
        on_zones(zone, answer);
    } else {
        on_zone(zone, answer);
    }
}

static void route53_prepare(struct provider_zone *zone, provider_prepared done, void *userdata)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    _cleanup_buffer_ struct buffer query = BUFFER_INIT;

    zone->prepared = done;
    zone->prepare.userdata = userdata;
    zone->is_finding = zone->id[0] == '\0';
    if (zone->is_finding) {
        /* Zones of one name come together, beginning with that name. */
        append_parameter(&query, "dnsname", zone->name.text);
        append_parameter(&query, "maxitems", "100");
        buffer_append_text(&path, API "/hostedzonesbyname");
        start(&zone->prepare, "ListHostedZonesByName", "GET", &path, &query, NULL);
        return;
    }
    append_zone_path(zone, &path);
    start(&zone->prepare, "GetHostedZone", "GET", &path, NULL, NULL);
}

/* ---- apply ---- */

static void on_applied(const struct aws_result *answer, void *userdata)
{
    struct operation *operation = userdata;
    struct provider_zone *zone = operation->zone;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct provider_result result;

    operation->call = NULL;
    result = result_of(zone, answer, &message);
    if (result.outcome == PROVIDER_DONE) {
        result.change_id = route53_change_id(xml_root(answer->document));
        if (result.change_id[0] == '\0') { /* a captive portal's page can be a well-formed 200 too */
            set_not_understood(&result, "Route 53's answer to the change cannot be understood");
        }
    } else if (result.outcome == PROVIDER_REFUSED) {
        result.culprit = route53_find_culprit(answer->message, zone->changes, zone->change_count);
        result.is_outdated = route53_is_outdated(answer->message);
    }
    zone->applied(&result, operation->userdata);
}

static void route53_apply(struct provider_zone *zone, const struct change_request *const *changes, size_t count,
                          provider_applied done, void *userdata)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    _cleanup_buffer_ struct buffer body = BUFFER_INIT;

    zone->applied = done;
    zone->apply.userdata = userdata;
    zone->changes = changes;
    zone->change_count = count;
    if (zone->id[0] == '\0') {
        fail(&zone->apply, -ENOENT);
        return;
    }
    append_zone_path(zone, &path);
    buffer_append_text(&path, "/rrset/");
    route53_write_changes(changes, count, &body);
    start(&zone->apply, "ChangeResourceRecordSets", "POST", &path, NULL, &body);
}

/* ---- look_up ---- */

static void keep_looked_up(const struct provider_found *found, void *userdata)
{
    struct provider_found *kept = userdata;

    if (found->type == kept->type && strcmp(found->hostname, kept->hostname) == 0) {
        kept->knowledge = found->knowledge;
        kept->foreign = found->foreign;
        kept->ttl_s = found->ttl_s;
        rdata_assign(&kept->value, &found->value);
    }
}

static void on_looked_up(const struct aws_result *answer, void *userdata)
{
    struct operation *operation = userdata;
    struct provider_zone *zone = operation->zone;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct provider_found found = {
        .hostname = zone->looked_up_record->hostname,
        .type = zone->looked_up_record->type,
        .knowledge = RECORD_ABSENT,
    };
    struct route53_last last = {.is_set = false};
    struct route53_cursor next;
    struct provider_result result;

    operation->call = NULL;
    result = result_of(zone, answer, &message);
    if (result.outcome == PROVIDER_DONE &&
        route53_read_page(xml_root(answer->document), &last, keep_looked_up, &found, &next) < 0) {
        set_not_understood(&result, "Route 53's answer about the record cannot be understood");
    }
    zone->looked_up(&result, result.outcome == PROVIDER_DONE ? &found : NULL, operation->userdata);
    rdata_drop(&found.value);
}

static void append_rrset_path(const struct provider_zone *zone, struct buffer *path)
{
    append_zone_path(zone, path);
    buffer_append_text(path, "/rrset");
}

static void route53_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up done,
                            void *userdata)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    _cleanup_buffer_ struct buffer query = BUFFER_INIT;

    zone->looked_up = done;
    zone->look_up.userdata = userdata;
    zone->looked_up_record = record;
    if (zone->id[0] == '\0') {
        fail(&zone->look_up, -ENOENT);
        return;
    }
    /* The listing begins at the record or at what would follow it; the second shows a set of the same name. */
    append_parameter(&query, "maxitems", "2");
    append_parameter(&query, "name", record->hostname);
    append_parameter(&query, "type", record_type_text(record->type));
    append_rrset_path(zone, &path);
    start(&zone->look_up, "ListResourceRecordSets", "GET", &path, &query, NULL);
}

/* ---- list_page ---- */

static bool is_same_cursor(const struct route53_cursor *a, const struct route53_cursor *b)
{
    return a->is_set == b->is_set && strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0 &&
           strcmp(a->identifier, b->identifier) == 0;
}

static void on_listed(const struct aws_result *answer, void *userdata)
{
    struct operation *operation = userdata;
    struct provider_zone *zone = operation->zone;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct route53_cursor next = {.is_set = false};
    struct provider_result result;

    operation->call = NULL;
    result = result_of(zone, answer, &message);
    if (result.outcome == PROVIDER_DONE) {
        /* A cursor that stands still would list for ever. */
        if (route53_read_page(xml_root(answer->document), &zone->last, zone->each, operation->userdata, &next) < 0 ||
            (next.is_set && is_same_cursor(&next, &zone->cursor))) {
            set_not_understood(&result, "Route 53's listing of the zone cannot be understood");
        } else {
            zone->cursor = next;
        }
    } else if (result.outcome == PROVIDER_REFUSED) {
        result.outcome = PROVIDER_TRANSIENT; /* no batch is at fault here */
    }
    zone->listed(&result, result.outcome == PROVIDER_DONE && next.is_set, operation->userdata);
}

static void route53_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                              void *userdata)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;
    _cleanup_buffer_ struct buffer query = BUFFER_INIT;

    zone->each = each;
    zone->listed = done;
    zone->list.userdata = userdata;
    if (restart) {
        zone->cursor = (struct route53_cursor){.is_set = false};
        zone->last = (struct route53_last){.is_set = false};
    }
    if (zone->id[0] == '\0') {
        fail(&zone->list, -ENOENT);
        return;
    }
    if (zone->cursor.identifier[0] != '\0') {
        append_parameter(&query, "identifier", zone->cursor.identifier);
    }
    buffer_printf(&query, "%smaxitems=%d", query.length ? "&" : "", PAGE_RECORDS);
    if (zone->cursor.is_set) {
        append_parameter(&query, "name", zone->cursor.name);
        append_parameter(&query, "type", zone->cursor.type);
    }
    append_rrset_path(zone, &path);
    start(&zone->list, "ListResourceRecordSets", "GET", &path, &query, NULL);
}

/* ---- in_sync ---- */

static void on_synced(const struct aws_result *answer, void *userdata)
{
    struct operation *operation = userdata;
    struct provider_zone *zone = operation->zone;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    bool is_in_sync = false;

    operation->call = NULL;
    struct provider_result result = result_of(zone, answer, &message);
    if (zone->is_old) {
        result = (struct provider_result){.message = "", .change_id = "", .culprit = PROVIDER_NO_CULPRIT};
        is_in_sync = true;
    } else if (result.outcome == PROVIDER_DONE && route53_read_change(xml_root(answer->document), &is_in_sync) < 0) {
        set_not_understood(&result, "Route 53's answer about the change cannot be understood");
    }
    zone->synced(&result, is_in_sync, operation->userdata);
}

/* The value does not matter: the change is asked for. Without an id DNS had the value before we looked. */
static void route53_in_sync(struct provider_zone *zone, const struct record *record, const struct rdata *value,
                            const char *change_id, provider_synced done, void *userdata)
{
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;

    (void)record;
    (void)value;
    zone->synced = done;
    zone->sync.userdata = userdata;
    zone->is_old = change_id[0] == '\0';
    if (zone->is_old) {
        fail(&zone->sync, -ENOENT);
        return;
    }
    buffer_append_text(&path, API "/change/");
    append_encoded(&path, change_id);
    start(&zone->sync, "GetChange", "GET", &path, NULL, NULL);
}

/* ---- the zone ---- */

static void operation_done(struct operation *operation)
{
    if (operation->call) {
        aws_call_cancel(operation->call);
    }
    deferred_done(&operation->deferred);
}

static void route53_free(struct provider_zone *zone)
{
    if (!zone) {
        return;
    }
    operation_done(&zone->prepare);
    operation_done(&zone->apply);
    operation_done(&zone->look_up);
    operation_done(&zone->list);
    operation_done(&zone->sync);
    free(zone);
}
DEFINE_CLEANUP(struct provider_zone *, route53_free)

static int operation_init(struct operation *operation, struct provider_zone *zone, struct loop *loop, aws_done done)
{
    operation->zone = zone;
    operation->done = done;
    return deferred_init(&operation->deferred, loop, on_not_begun);
}

struct provider_zone *route53_zone_new(struct loop *loop, struct aws_service *service, const char *name,
                                       const char *zone_id, bool is_private)
{
    _cleanup_(route53_freep) struct provider_zone *zone = calloc(1, sizeof(*zone));

    if (!zone || name_parse(name, strlen(name), &zone->name, NULL) < 0 ||
        (zone_id && strlen(zone_id) >= sizeof(zone->id))) {
        return NULL;
    }
    zone->service = service;
    zone->is_private = is_private;
    if (zone_id) {
        zone->is_id_given = true;
        memcpy(zone->id, zone_id, strlen(zone_id) + 1);
    }
    if (operation_init(&zone->prepare, zone, loop, on_prepared) < 0 ||
        operation_init(&zone->apply, zone, loop, on_applied) < 0 ||
        operation_init(&zone->look_up, zone, loop, on_looked_up) < 0 ||
        operation_init(&zone->list, zone, loop, on_listed) < 0 ||
        operation_init(&zone->sync, zone, loop, on_synced) < 0) {
        return NULL;
    }
    return TAKE_PTR(zone);
}

const struct provider_ops route53_ops = {
    .name = "route53",
    .changes_max = CHANGES_MAX,
    .value_characters_max = VALUE_CHARACTERS_MAX,
    .value_characters_factor = UPSERT_FACTOR,
    .page_records = PAGE_RECORDS,
    .prepare = route53_prepare,
    .apply = route53_apply,
    .look_up = route53_look_up,
    .list_page = route53_list_page,
    .in_sync = route53_in_sync,
    .free = route53_free,
};
