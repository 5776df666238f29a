#include "api/dialects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/decision.h"
#include "api/dialect.h"
#include "api/ratelimit.h"
#include "api/sentence.h"
#include "api/service.h"
#include "update/auth.h"
#include "update/follow.h"
#include "update/update.h"

#define DIALECT "secret"

enum { NEWIP, SECRET, HOSTNAME };

static const char *const names[] = {[NEWIP] = "newip", [SECRET] = "secret", [HOSTNAME] = "hostname"};

bool api_secret_matches(const struct request *request)
{
    return !dialect_names(request, "mode") && (dialect_names(request, "secret") || dialect_names(request, "newip"));
}

static void refuse(struct request *request, unsigned status, const char *result, uint32_t retry_after_s,
                   const char *text)
{
    char body[1100];

    (void)snprintf(body, sizeof(body), "error: %s", text);
    request->decision.message = text;
    dialect_answer_text(request, DIALECT, status, result, retry_after_s, status == 401 ? "DDNS-Secret" : NULL, body);
}

static void answer_outcome(struct update *update, void *userdata)
{
    struct request *request = userdata;
    struct sentence sentence;

    sentence_of(update_item(update, 0), &sentence);
    update_free(update);
    request->decision.is_written = true; /* by event=update */
    if (sentence.success) {
        dialect_answer_text(request, DIALECT, 200, sentence.result, 0, NULL, "OK");
    } else {
        refuse(request, sentence.status, sentence.result, sentence.retry_after_s, sentence.text);
    }
}

/* The host that is meant; NULL: answered. */
static const struct host *find_host(struct request *request, const struct hosts *hosts, const struct proof *proof,
                                    const char *hostname, enum record_type type)
{
    int64_t now_s = clock_realtime_s(request->service->clock);
    const struct host *found[64];
    struct name name;
    const struct host *host = NULL;
    size_t with_type = 0;
    enum auth_reason reason;

    if (hostname) {
        if (name_parse(hostname, strlen(hostname), &name, NULL) < 0) {
            name.text[0] = '\0';
        }
        decision_note_host(request, hosts, hostname, strlen(hostname), &name);
        host = auth_host(hosts, proof, &name, type, now_s, &reason);
    } else {
        size_t count = auth_hosts_of_secret(hosts, proof, now_s, found, ELEMENTS(found), &reason);
        for (size_t i = 0; i < count && i < ELEMENTS(found); i++) {
            if (host_has_type(found[i], type)) {
                with_type++;
                host = found[i];
            }
        }
        if (with_type > 1 || count > ELEMENTS(found)) {
            refuse(request, 400, "bad_request", 0, "several hosts have this secret; send hostname=HOST as well");
            return NULL;
        }
        if (count > 0 && !host) {
            host = found[0]; /* to be told that it has no such record */
        }
    }
    if (!host) {
        decision_failed_login(request, DIALECT, reason);
        refuse(request, 401, "badauth", 0,
               "the secret does not fit; check the secret and the hostname, and that the host's "
               "auth in hosts.yaml has secret");
        return NULL;
    }
    decision_login(request, DIALECT, host, reason);
    return host;
}

/* Takes `update`. */
static void set_address(struct request *request, const struct hosts *hosts, const struct host *host,
                        const struct address *address, struct update *update)
{
    if (!update || update_add(update, host, address, false) < 0 ||
        follow_add_address(update, hosts, host, address) < 0) {
        update_free(update);
        refuse(request, 503, "out_of_memory", RETRY_AFTER_S, "the server is out of memory; try again later");
        return;
    }
    update_run(update, answer_outcome, request);
}

/* What is asked for, checked; false: answered. */
static bool read_request(struct request *request, const struct params *params, struct address *ret_address)
{
    const char *newip = params->values[NEWIP];
    uint32_t retry_after_s;

    if (!params->values[SECRET] || params->values[SECRET][0] == '\0') {
        refuse(request, 400, "bad_request", 0, "the secret is missing; send secret=SECRET");
        return false;
    }
    *ret_address = request->source;
    if (newip && newip[0] != '\0' && strcmp(newip, "auto") != 0) {
        if (dialect_address(newip, strlen(newip), ret_address) < 0) {
            refuse(request, 400, "bad_request", 0, "newip is not an address; send an IPv4 or IPv6 address, or auto");
            return false;
        }
    } else if (request->source.family == ADDRESS_NONE) {
        refuse(request, 400, "bad_request", 0, "your address is not known; send newip=ADDRESS");
        return false;
    }
    if (!ratelimit_may_try(request, &retry_after_s)) {
        refuse(request, 429, "too_many", retry_after_s, "too many failed logins from your address; try again later");
        return false;
    }
    return true;
}

void api_secret(struct request *request)
{
    _cleanup_(params_done) struct params params = {0};
    const char *reason = "";
    struct address address;
    int status = dialect_params(request, names, ELEMENTS(names), &params, &reason);

    if (status < 0) {
        refuse(request, dialect_status_of(status), "bad_request", 0,
               status == -ENOMEM ? "the server is out of memory; try again later" : reason);
        return;
    }
    if (!read_request(request, &params, &address)) {
        return;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const struct proof proof = {
        .scheme = AUTH_SECRET,
        .source = request->source,
        .secret = params.values[SECRET],
        .secret_length = strlen(params.values[SECRET]),
        .other_secret = params.others[SECRET],
        .other_secret_length = params.others[SECRET] ? strlen(params.others[SECRET]) : 0,
    };
    const struct host *host = find_host(request, hosts, &proof, params.values[HOSTNAME], record_type_of(&address));
    if (host) {
        decision_succeeded(request);
        set_address(request, hosts, host, &address,
                    update_new(api_of(request)->updater, DIALECT, hosts, &request->source, AUTH_SECRET));
    }
}
