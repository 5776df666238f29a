#include "api/modes.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/decision.h"
#include "api/list_hosts.h"
#include "api/ratelimit.h"
#include "api/sentence.h"
#include "api/service.h"
#include "api/unspoken.h"
#include "base/escape.h"
#include "base/parse.h"
#include "update/auth.h"
#include "update/follow.h"
#include "update/replay.h"
#include "update/update.h"
#include "update/withdraw.h"

struct reply {
    unsigned status;
    const char *result; /* static, for the metrics */
    bool success;
    uint32_t retry_after_s;
};

static const struct answer_header challenge = {"WWW-Authenticate", "DDNS-Hash"};

/* As version 3 of the API this was sent with every answer, for the pages in browsers that its clients have. */
static const struct answer_header cors[] = {
    {"Access-Control-Allow-Headers", "Content-Type"},
    {"Access-Control-Allow-Origin", "*"},
    {"Access-Control-Allow-Methods", "GET"},
};

static void add_headers(struct answer *answer, bool for_pages)
{
    size_t count = 0;

    if (answer->status == 401) {
        answer->headers[count++] = challenge;
    }
    for (size_t i = 0; for_pages && i < ELEMENTS(cors); i++) {
        answer->headers[count++] = cors[i];
    }
}

/* Takes `body`: an object of JSON. */
static void answer_body(struct request *request, const char *dialect, const struct reply *reply, struct buffer *body)
{
    struct answer answer = {
        .status = reply->status,
        .content_type = "application/json",
        .retry_after_s = reply->retry_after_s,
        .dialect = dialect,
        .result = reply->result,
    };

    add_headers(&answer, strcmp(dialect, MODES_JSON_DIALECT) == 0);
    if (buffer_status(body) == 0) {
        answer.body = *body;
    } else {
        buffer_done(body);
        answer.status = 500;
        buffer_append_text(&answer.body,
                           "{\"return_message\": \"out of memory; try again\", \"return_status\": \"fail\"}");
    }
    request_answer(request, &answer);
}

static const char before_message[] = "{\"return_message\": ";

static void append_status(struct buffer *body, const struct reply *reply)
{
    buffer_append_text(body, reply->success ? ", \"return_status\": \"success\"}" : ", \"return_status\": \"fail\"}");
}

static void answer_message(struct request *request, const char *dialect, const struct reply *reply, const char *message)
{
    struct buffer body = BUFFER_INIT;

    buffer_reserve(&body, strlen(message) + 64);
    buffer_append_text(&body, before_message);
    buffer_append_json(&body, message);
    append_status(&body, reply);
    answer_body(request, dialect, reply, &body);
}

/* A message that lives until the request has been answered. */
static void answer_text(struct request *request, const char *dialect, const struct reply *reply, const char *message)
{
    request->decision.message = message;
    answer_message(request, dialect, reply, message);
}

void modes_refuse(struct request *request, const char *dialect, unsigned status, const char *result,
                  const char *message)
{
    answer_text(request, dialect, &(struct reply){.status = status, .result = result}, message);
}

static void refuse_too_many(struct request *request, const char *dialect, uint32_t retry_after_s)
{
    char message[96];

    (void)snprintf(message, sizeof(message), "too many requests from your address; try again in %u seconds",
                   retry_after_s);
    answer_text(request, dialect, &(struct reply){429, "too_many", false, retry_after_s}, message);
}

/* A unix socket behind a proxy that does not say who asks. */
static bool has_source(struct request *request, const char *dialect)
{
    if (request->source.family != ADDRESS_NONE) {
        return true;
    }
    modes_refuse(request, dialect, 400, "bad_request",
                 "your address is not known; the proxy in front of this server must send X-Forwarded-For");
    return false;
}

static void run_get(struct request *request, const struct query *query)
{
    char text[ADDRESS_TEXT_SIZE];
    uint32_t retry_after_s;

    if (!ratelimit_may_read(request, &retry_after_s)) {
        refuse_too_many(request, query->dialect, retry_after_s);
        return;
    }
    if (!has_source(request, query->dialect)) {
        return;
    }
    address_print(&request->source, text);
    answer_text(request, query->dialect, &(struct reply){200, "good", true, 0}, text);
}

/* Of several records, the first that failed is the answer, else one that was changed. */
static void weigh(struct reply *reply, const struct sentence *sentence, bool is_changed)
{
    if (reply->success && (!sentence->success || is_changed)) {
        *reply = (struct reply){sentence->status, sentence->result, sentence->success, sentence->retry_after_s};
    }
}

static void answer_outcome(struct update *update, void *userdata)
{
    struct request *request = userdata;
    const char *dialect = update_dialect(update);
    const unsigned status_when_changed = strcmp(dialect, MODES_JSON_DIALECT) == 0 ? 201 : 200;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct reply reply = {.status = 200, .result = outcome_word(OUTCOME_UNCHANGED), .success = true};

    for (size_t i = 0; i < update_count(update); i++) {
        const struct update_item *item = update_item(update, i);
        const bool is_changed = item_outcome(item) == OUTCOME_SET;
        struct sentence sentence;
        if (item->follower) {
            continue;
        }
        sentence_of(item, &sentence);
        sentence.status = is_changed ? status_when_changed : sentence.status;
        weigh(&reply, &sentence, is_changed);
        buffer_printf(&message, "%s%s", i == 0 ? "" : "; ", sentence.text);
    }
    update_free(update);
    request->decision.is_written = true; /* by event=update */
    answer_message(request, dialect, &reply, buffer_text(&message));
}

/* Takes `update`, NULL or whose items could not all be added. */
static void refuse_without_memory(struct request *request, const struct query *query, struct update *update)
{
    update_free(update);
    answer_text(request, query->dialect, &(struct reply){503, "out_of_memory", false, RETRY_AFTER_S},
                "the server is out of memory; try again later");
}

static bool nonce_is_valid(const char *nonce)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = strspn(nonce, allowed);

    return nonce[length] == '\0' && length >= 16 && length <= 64;
}

static void refuse_stale(struct request *request, const struct query *query)
{
    modes_refuse(request, query->dialect, 401, "stale",
                 "the time is more than 300 seconds from the server's, or from before it started; set the clock and "
                 "sign anew");
}

/* Time, nonce and signature; false: answered. */
static bool read_signature(struct request *request, const struct query *query, struct proof *proof)
{
    uint64_t signed_s;

    proof->scheme = AUTH_SIGNED;
    proof->mode = query->mode;
    proof->address_sent = query->internal_ip;
    proof->time_sent = query->time;
    proof->nonce = query->nonce;
    if (parse_hex(query->signature, strlen(query->signature), proof->digest, sizeof(proof->digest)) < 0) {
        modes_refuse(request, query->dialect, 400, "bad_request",
                     "the signature is not 64 hex digits; send an HMAC-SHA256");
        return false;
    }
    if (!query->time || parse_uint(query->time, strlen(query->time), 0, INT32_MAX * (uint64_t)64, &signed_s) < 0) {
        modes_refuse(request, query->dialect, 400, "bad_request",
                     "the time is missing or not a number; send Unix seconds");
        return false;
    }
    if (!query->nonce || !nonce_is_valid(query->nonce)) {
        modes_refuse(
            request, query->dialect, 400, "bad_request",
            "the nonce is missing or not 16 to 64 letters, digits, _ or -; make a new random one for each request");
        return false;
    }
    proof->time_s = (int64_t)signed_s;
    if (replay_check_time(api_of(request)->replay, proof->time_s) != REPLAY_NEW) {
        refuse_stale(request, query);
        return false;
    }
    return true;
}

static bool read_hash(struct request *request, const struct query *query, struct proof *proof)
{
    proof->scheme = AUTH_HASH;
    if (!query->hash || parse_hex(query->hash, strlen(query->hash), proof->digest, sizeof(proof->digest)) < 0) {
        modes_refuse(
            request, query->dialect, 400, "bad_request",
            "the hash is missing or not 64 hex digits; send the SHA-256 of your address, the hostname and the secret");
        return false;
    }
    return true;
}

/* The parameters that set, clear and list_hosts share; false: answered. */
static bool read_proof(struct request *request, const struct query *query, struct proof *ret_proof,
                       struct name *ret_name)
{
    if (!query->hostname || query->hostname[0] == '\0') {
        modes_refuse(request, query->dialect, 400, "bad_request", "the hostname is missing; send hostname=HOST");
        return false;
    }
    *ret_proof = (struct proof){.hostname_sent = query->hostname, .source = request->source};
    if (!(query->signature ? read_signature : read_hash)(request, query, ret_proof)) {
        return false;
    }
    if (name_parse(query->hostname, strlen(query->hostname), ret_name, NULL) < 0) {
        ret_name->text[0] = '\0'; /* no host has it: answered as any unknown one */
    }
    return has_source(request, query->dialect);
}

/* The request is signed by that host: has its nonce been used? False: answered. */
static bool use_nonce(struct request *request, const struct query *query, const struct host *host, int64_t signed_s)
{
    switch (replay_use(api_of(request)->replay, host->hostname, query->nonce, signed_s)) {
    case REPLAY_NEW: return true;
    case REPLAY_SEEN:
        modes_refuse(request, query->dialect, 409, "replay",
                     "this nonce was used before; make a new one for each request");
        return false;
    case REPLAY_STALE: refuse_stale(request, query); return false;
    case REPLAY_HOST_FULL:
    case REPLAY_FULL: break;
    }
    refuse_too_many(request, query->dialect, REPLAY_WINDOW_S);
    return false;
}

/* Of every request that names one, so that whoever looks for it finds what is wrong with the others, too. */
static void note_host(struct request *request, const struct query *query)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    struct name name;

    if (!query->hostname || query->hostname[0] == '\0') {
        return;
    }
    if (name_parse(query->hostname, strlen(query->hostname), &name, NULL) < 0) {
        name.text[0] = '\0';
    }
    decision_note_host(request, hosts, query->hostname, strlen(query->hostname), &name);
}

/* Authenticates; NULL: answered. The host belongs to `hosts`. */
static const struct host *authenticate(struct request *request, const struct query *query, const struct hosts *hosts,
                                       const struct proof *proof, const struct name *name, enum record_type type)
{
    uint32_t retry_after_s;
    enum auth_reason reason;

    if (!ratelimit_may_try(request, &retry_after_s)) {
        refuse_too_many(request, query->dialect, retry_after_s);
        return NULL;
    }
    const struct host *host = auth_host(hosts, proof, name, type, clock_realtime_s(request->service->clock), &reason);
    if (!host) {
        decision_failed_login(request, query->dialect, reason);
        modes_refuse(
            request, query->dialect, 401, "badauth",
            "the hostname and the hash do not fit; check the hostname, the secret and the address that was hashed");
        return NULL;
    }
    decision_login(request, query->dialect, host, reason);
    if (proof->scheme == AUTH_SIGNED && !use_nonce(request, query, host, proof->time_s)) {
        return NULL;
    }
    decision_succeeded(request);
    return host;
}

/* A PowerShell client of the API's version 2 (route53-ddns-client-lite.ps1 of 2020-05) cuts the address out of mode=get's
 * answer for another order of the keys. What it is left with, it sends as internalIp, and hashes in the source address'
 * place. */
static bool is_uncut_answer(const char *internal_ip, const struct address *source)
{
    char address[ADDRESS_TEXT_SIZE];
    char text[ADDRESS_TEXT_SIZE + 64];

    address_print(source, address);
    (void)snprintf(text, sizeof(text), "{\"return_message\": \"%s\", \"return_status\": \"success", address);
    return strcmp(internal_ip, text) == 0;
}

/* The address to set, in `ret_address`; false: answered. */
static bool read_internal_ip(struct request *request, const struct query *query, struct proof *proof,
                             struct address *ret_address)
{
    *ret_address = request->source;
    if (!query->internal_ip) {
        return true;
    }
    if (proof->scheme == AUTH_HASH && is_uncut_answer(query->internal_ip, &request->source)) {
        proof->source_sent = query->internal_ip;
        return true;
    }
    if (address_parse(query->internal_ip, strlen(query->internal_ip), ret_address) < 0) {
        modes_refuse(request, query->dialect, 400, "bad_request",
                     "internalIp (in JSON: internal_ip) is not an address; send an IPv4 or IPv6 address without zone "
                     "or prefix length");
        return false;
    }
    return true;
}

static struct update *new_update(struct request *request, const struct query *query, struct hosts *hosts,
                                 enum auth_scheme scheme)
{
    struct update *update = update_new(api_of(request)->updater, query->dialect, hosts, &request->source, scheme);

    if (update) {
        update_note_secret(update, request->decision.secret);
    }
    return update;
}

static void run_set(struct request *request, const struct query *query)
{
    struct address address;
    struct proof proof;
    struct name name;

    if (query->type) {
        modes_refuse(request, query->dialect, 400, "bad_request", unspoken_reason("type", query->type));
        return;
    }
    if (!read_proof(request, query, &proof, &name) || !read_internal_ip(request, query, &proof, &address)) {
        return;
    }
    request->decision.asked[0] = address;
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct host *host = authenticate(request, query, hosts, &proof, &name, record_type_of(&address));
    if (!host) {
        return;
    }
    struct update *update = new_update(request, query, hosts, proof.scheme);
    int r = update ? update_add(update, host, &address, false) : -ENOMEM;
    r = r < 0 ? r : follow_add_address(update, hosts, host, &address);
    if (r < 0) {
        refuse_without_memory(request, query, update);
    } else {
        update_run(update, answer_outcome, request);
    }
}

/* Which types of record are to be withdrawn; false: answered. */
static bool read_types(struct request *request, const struct query *query, unsigned *ret_types)
{
    if (query->internal_ip || query->has_others) {
        modes_refuse(request, query->dialect, 400, "bad_request",
                     "with mode=clear comes a parameter that it does not have; send hostname and hash (or time, nonce "
                     "and signature), and type (in JSON: record_type) to withdraw only one record");
        return false;
    }
    if (withdraw_parse_type(query->type, ret_types) < 0) {
        modes_refuse(request, query->dialect, 400, "bad_request",
                     "type (in JSON: record_type) is none of A, AAAA and TXT; leave it out to withdraw all of the "
                     "host's records");
        return false;
    }
    return true;
}

static void run_clear(struct request *request, const struct query *query)
{
    unsigned types = 0;
    struct proof proof;
    struct name name;
    enum record_type type = RECORD_A; /* the row that is meant, or any */

    request->decision.is_withdrawal = true;
    if (!read_types(request, query, &types) || !read_proof(request, query, &proof, &name)) {
        return;
    }
    proof.type_sent = query->type;
    if (query->type) {
        (void)record_type_parse(query->type, &type);
        request->decision.type = record_type_text(type);
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct host *host = authenticate(request, query, hosts, &proof, &name, type);
    if (!host) {
        return;
    }
    struct update *update = new_update(request, query, hosts, proof.scheme);
    const int64_t now_s = clock_realtime_s(request->service->clock);
    int r = update ? withdraw_add(update, hosts, &proof, &name, types, now_s) : -ENOMEM;
    if (r == 0 && update_count(update) == 0) {
        r = update_add_withdrawal(update, host, type); /* to be told that it has no such record */
    }
    if (r < 0) {
        refuse_without_memory(request, query, update);
    } else {
        update_run(update, answer_outcome, request);
    }
}

static ssize_t read_listing(void *userdata, char *ret_bytes, size_t size)
{
    return listing_read(userdata, ret_bytes, size);
}

static void free_listing(void *userdata)
{
    listing_free(userdata);
}

/* A short list goes as one body, as every other answer does. */
static void answer_listing(struct request *request, const char *dialect, struct hosts *hosts, const struct host *host)
{
    struct answer answer = {.status = 200, .content_type = "application/json", .dialect = dialect, .result = "good"};
    struct listing *listing = listing_new(hosts, host);

    if (!listing) {
        modes_refuse(request, dialect, 500, "out_of_memory", "the server is out of memory; try again later");
        return;
    }
    if (listing_take(listing, &answer.body)) {
        listing_free(listing);
    } else {
        answer.rest = (struct answer_rest){.read = read_listing, .free = free_listing, .userdata = listing};
    }
    add_headers(&answer, strcmp(dialect, MODES_JSON_DIALECT) == 0);
    request_answer(request, &answer);
}

static void run_list_hosts(struct request *request, const struct query *query)
{
    struct proof proof;
    struct name name;
    uint32_t retry_after_s;

    if (!ratelimit_may_read(request, &retry_after_s)) {
        refuse_too_many(request, query->dialect, retry_after_s);
        return;
    }
    if (!read_proof(request, query, &proof, &name)) {
        return;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct host *host = authenticate(request, query, hosts, &proof, &name, record_type_of(&request->source));
    if (!host) {
        return;
    }
    if (!host->read_privilege) {
        modes_refuse(request, query->dialect, 403, "no_read_privilege",
                     "this host may not list others; set read_privilege for it in hosts.yaml");
        return;
    }
    answer_listing(request, query->dialect, hosts, host);
}

void modes_run(struct request *request, const struct query *query)
{
    static const struct {
        const char *mode;
        void (*run)(struct request *request, const struct query *query);
        bool changes; /* parameters that ask for something else are refused */
    } modes[] = {
        {"get", run_get, false},
        {"set", run_set, true},
        {"clear", run_clear, false}, /* refuses every other parameter by itself */
        {"list_hosts", run_list_hosts, false},
    };

    for (size_t i = 0; query->mode && i < ELEMENTS(modes); i++) {
        if (strcmp(query->mode, modes[i].mode) != 0) {
            continue;
        }
        note_host(request, query);
        if (modes[i].changes && query->unspoken) {
            modes_refuse(request, query->dialect, 400, "bad_request", query->unspoken);
        } else {
            modes[i].run(request, query);
        }
        return;
    }
    modes_refuse(request, query->dialect, 400, "bad_request",
                 "the mode is missing or unknown; send mode=get, set, clear or list_hosts");
}
