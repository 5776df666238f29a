#include "api/dialects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/decision.h"
#include "api/dialect.h"
#include "api/dyndns_addresses.h"
#include "api/dyndns_answer.h"
#include "api/dyndns_credentials.h"
#include "api/ratelimit.h"
#include "api/service.h"
#include "api/unspoken.h"
#include "base/secret.h"
#include "update/auth.h"
#include "update/follow.h"
#include "update/update.h"
#include "update/withdraw.h"
#include "web/refused.h"

#define HOSTS_MAX 20

/* What both paths have comes first. */
enum {
    HOSTNAME,
    USERNAME,
    PASSWORD,
    TOKEN,
    TYPE,        /* of a deletion */
    MYIP = TYPE, /* and from here on of an update */
    MYIPV6,
    MYIP6,
    IPV6,
    IP6ADDR,
    MYIPV4,
    IP,
    IPV4,
    IPADDR,
    IP6LANPREFIX,
    PREFIX,
    OFFLINE,
};

static const char *const delete_names[] = {
    [HOSTNAME] = "hostname", [USERNAME] = "username", [PASSWORD] = "password", [TOKEN] = "token", [TYPE] = "type",
};

static const char *const names[] = {
    [HOSTNAME] = "hostname",
    [USERNAME] = "username",
    [PASSWORD] = "password",
    [TOKEN] = "token",
    [MYIP] = "myip",
    [MYIPV6] = "myipv6",
    [MYIP6] = "myip6",
    [IPV6] = "ipv6",
    [IP6ADDR] = "ip6addr",
    [MYIPV4] = "myipv4",
    [IP] = "ip",
    [IPV4] = "ipv4",
    [IPADDR] = "ipaddr",
    [IP6LANPREFIX] = "ip6lanprefix",
    [PREFIX] = "prefix",
    [OFFLINE] = "offline",
};

/* Who asks for which hosts: only until they are found, so that no password waits for a provider. */
struct asked {
    struct name hostnames[HOSTS_MAX]; /* empty text: not a name */
    struct bytes sent[HOSTS_MAX];     /* the same as it came, in the request's parameters */
    bool find_by_secret;              /* no hostname was sent */
    struct dyndns_credentials credentials;
};

static void asked_done(struct asked *asked)
{
    wipe(asked, sizeof(*asked));
}

/* What a request asks for, kept until its outcome is known. */
struct job {
    struct request *request;
    struct asked *asked; /* NULL once the hosts are found */
    struct dyndns_addresses addresses;
    unsigned withdrawn; /* the types of record to withdraw; 0: the addresses are to be set */
    struct dyndns_line lines[HOSTS_MAX];
    size_t line_count;
};

/* ---- parameters ------------------------------------------------------------------------------------------------ */

static int read_credentials(struct job *job, const struct params *params)
{
    const int parameter = params->values[PASSWORD] ? PASSWORD : TOKEN;

    return dyndns_credentials_read(request_header(job->request, "authorization"),
                                   &(struct dyndns_parameters){
                                       .username = params->values[USERNAME],
                                       .password = params->values[parameter],
                                       .other_password = params->others[parameter],
                                   },
                                   &job->asked->credentials);
}

static int read_addresses(struct job *job, const struct params *params)
{
    static const struct {
        int parameter;
        enum address_family family;
    } families[] = {
        {MYIPV4, ADDRESS_IPV4}, {IP, ADDRESS_NONE},    {IPV4, ADDRESS_IPV4}, {IPADDR, ADDRESS_IPV4},
        {MYIPV6, ADDRESS_IPV6}, {MYIP6, ADDRESS_IPV6}, {IPV6, ADDRESS_IPV6}, {IP6ADDR, ADDRESS_IPV6},
    };
    static const int prefixes[] = {IP6LANPREFIX, PREFIX};
    int status = params->values[MYIP] ? dyndns_add_addresses(&job->addresses, params->values[MYIP]) : 0;

    for (size_t i = 0; i < ELEMENTS(families) && status == 0; i++) {
        const char *text = params->values[families[i].parameter];
        status = text ? dyndns_add_family(&job->addresses, families[i].family, text) : 0;
    }
    for (size_t i = 0; i < ELEMENTS(prefixes) && status == 0; i++) {
        const char *text = params->values[prefixes[i]];
        status = text ? dyndns_add_prefix(&job->addresses, text) : 0;
    }
    dyndns_default(&job->addresses, &job->request->source);
    for (size_t i = 0; i < ELEMENTS(job->request->decision.asked); i++) {
        job->request->decision.asked[i] = job->addresses.families[i].address;
    }
    return status;
}

static void read_name(const char *text, size_t length, struct name *ret_name)
{
    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    if (name_parse(text, length, ret_name, NULL) < 0) {
        ret_name->text[0] = '\0';
    }
}

/* -E2BIG: more than 20; -ENOENT: none in the list. */
static int read_hostnames(struct job *job, const char *text)
{
    if (!text || text[0] == '\0' || strcasecmp(text, "YES") == 0) {
        job->asked->find_by_secret = true;
        return 0;
    }
    for (;;) {
        size_t length = strcspn(text, ",");
        if (length > 0) {
            if (job->line_count == HOSTS_MAX) {
                return -E2BIG;
            }
            job->asked->sent[job->line_count] = (struct bytes){text, length};
            read_name(text, length, &job->asked->hostnames[job->line_count++]);
        }
        if (text[length] == '\0') {
            return job->line_count > 0 ? 0 : -ENOENT;
        }
        text += length + 1;
    }
}

/* `status` of read_hostnames. False: answered. */
static bool is_named(struct job *job, int status)
{
    if (status < 0) {
        dyndns_answer_word(job->request, status == -E2BIG ? &word_numhost : &word_notfqdn,
                           status == -E2BIG ? "too_many_hosts" : "no_hostname");
    }
    return status == 0;
}

/* False: answered. */
static bool read_parameters(struct job *job, const struct params *params)
{
    if (!is_named(job, read_hostnames(job, params->values[HOSTNAME]))) {
        return false;
    }
    if (read_addresses(job, params) < 0) {
        dyndns_answer_word(job->request, &word_not_an_address, "not_an_address");
        return false;
    }
    return true;
}

/* ---- hosts ------------------------------------------------------------------------------------------------------ */

static struct proof proof_of(const struct job *job)
{
    const struct dyndns_credentials *credentials = &job->asked->credentials;

    return (struct proof){
        .scheme = AUTH_BASIC,
        .source = job->request->source,
        .secret = credentials->password,
        .secret_length = credentials->password_length,
        .other_secret = credentials->other_password_length > 0 ? credentials->other_password : NULL,
        .other_secret_length = credentials->other_password_length,
    };
}

/* For the log. */
static void note_host(struct job *job, size_t index, const struct hosts *hosts)
{
    const struct bytes *sent = &job->asked->sent[index];

    decision_note_host(job->request, hosts, sent->data, sent->length, &job->asked->hostnames[index]);
}

/* Without a hostname: the user name where that is a host, else the one host that the secret belongs to. -EACCES: none;
 * -EINVAL: several. */
static int find_hostname(struct job *job, const struct hosts *hosts, int64_t now_s, enum auth_reason *ret_reason)
{
    const struct proof proof = proof_of(job);
    const struct host *found[2 * RECORD_TYPE_COUNT];
    struct name *hostname = &job->asked->hostnames[0];
    const char *user = job->asked->credentials.user;
    enum auth_reason of_user = AUTH_UNKNOWN_HOST;

    job->line_count = 1;
    job->asked->sent[0] = (struct bytes){user, strlen(user)};
    if (name_parse(user, strlen(user), hostname, NULL) == 0 &&
        auth_host(hosts, &proof, hostname, RECORD_A, now_s, &of_user)) {
        return 0;
    }
    size_t count = auth_hosts_of_secret(hosts, &proof, now_s, found, ELEMENTS(found), ret_reason);
    if (count == 0 && of_user != AUTH_UNKNOWN_HOST) {
        note_host(job, 0, hosts); /* the user name is a host's; any other might be a secret */
        *ret_reason = of_user;
    }
    if (count == 0) {
        return -EACCES;
    }
    for (size_t i = 1; i < count; i++) {
        if (i >= ELEMENTS(found) || strcmp(found[i]->hostname, found[0]->hostname) != 0) {
            return -EINVAL;
        }
    }
    job->asked->sent[0] = (struct bytes){found[0]->hostname, strlen(found[0]->hostname)};
    return name_parse(found[0]->hostname, strlen(found[0]->hostname), &job->asked->hostnames[0], NULL);
}

/* The host's own addresses, in the order in which they were sent; returns how many of its families are named, or a
 * negative errno. */
static int add_own(struct job *job, struct dyndns_line *line, struct update *update, const struct hosts *hosts,
                   const struct proof *proof, const struct name *name, int64_t now_s)
{
    enum auth_reason reason;

    line->first_item = update_count(update);
    for (int i = 0; i < 2; i++) {
        enum record_type type = (enum record_type)(job->addresses.ipv6_first ? 1 - i : i);
        const struct address *address = &job->addresses.families[type].address;
        const struct host *host = auth_host(hosts, proof, name, type, now_s, &reason);
        if (address->family == ADDRESS_NONE || !host || !host_has_type(host, type)) {
            continue;
        }
        int status = update_add(update, host, address, false);
        if (status < 0) {
            return status;
        }
    }
    line->item_count = update_count(update) - line->first_item;
    return 0;
}

/* Followers by the prefix may stand for the router in the answer. Followers by its IPv4 address come only along with
 * its own record. */
static int add_followers(struct job *job, struct dyndns_line *line, struct update *update, const struct hosts *hosts,
                         const struct host *router)
{
    int status = 0;

    line->first_follower = update_count(update);
    if (job->addresses.has_prefix) {
        status = follow_add_prefix(update, router, &job->addresses.prefix);
    }
    line->follower_count = update_count(update) - line->first_follower;
    for (size_t i = line->first_item; status == 0 && i < line->first_item + line->item_count; i++) {
        const struct update_item *item = update_item(update, i);
        const struct address address = item_value(item)->address;
        status = follow_add_address(update, hosts, item->host, &address);
    }
    return status;
}

static int add_withdrawals(struct job *job, struct dyndns_line *line, struct update *update, const struct hosts *hosts,
                           const struct proof *proof, const struct name *name, int64_t now_s)
{
    line->first_item = update_count(update);
    int status = withdraw_add(update, hosts, proof, name, job->withdrawn, now_s);
    line->item_count = update_count(update) - line->first_item;
    if (line->item_count == 0) {
        line->word = &word_nohost;
        line->reason = "no_such_record";
    }
    return status < 0 ? status : 1;
}

/* Can the followers have addresses in that prefix? Asked before anything of the host is added. */
static bool prefix_fits(const struct job *job, const struct host *router)
{
    struct address address;

    if (!job->addresses.has_prefix) {
        return true;
    }
    if (job->addresses.prefix.length > 64) {
        return false;
    }
    for (uint32_t i = 0; i < router->more->follower_count; i++) {
        const struct host *follower = router->more->followers[i];
        if (host_has_type(follower, RECORD_AAAA) &&
            prefix_make_address(&job->addresses.prefix, follower->more->subnet_id, follower->more->interface_id,
                                &address) < 0) {
            return false;
        }
    }
    return true;
}

/* Returns whether the credentials fit, or a negative errno. */
static int add_line(struct job *job, size_t index, struct update *update, const struct hosts *hosts, int64_t now_s,
                    enum auth_reason *ret_reason)
{
    const struct proof proof = proof_of(job);
    const struct name *name = &job->asked->hostnames[index];
    struct dyndns_line *line = &job->lines[index];
    /* Followers hang on the row that has AAAA, where a name has a row for each family. */
    const struct host *host = auth_host(hosts, &proof, name, RECORD_AAAA, now_s, ret_reason);

    if (!host) {
        line->word = &word_nohost;
        line->reason = auth_reason_word(*ret_reason);
        return 0;
    }
    decision_login(job->request, DYNDNS_DIALECT, host, *ret_reason);
    update_note_secret(update, job->request->decision.secret);
    if (job->withdrawn != 0) {
        return add_withdrawals(job, line, update, hosts, &proof, name, now_s);
    }
    if (job->addresses.has_prefix && follow_has_prefix(host) &&
        address_classify(&job->addresses.prefix.address) == ADDRESS_NEVER) {
        line->word = &word_dnserr; /* a router that has no prefix for an hour */
        line->reason = "unusable_prefix";
        return 1;
    }
    if (!prefix_fits(job, host)) {
        line->word = &word_not_an_address;
        line->reason = "prefix_too_long";
        return 1;
    }
    int status = add_own(job, line, update, hosts, &proof, name, now_s);
    if (status == 0) {
        status = add_followers(job, line, update, hosts, host);
    }
    if (line->item_count + line->follower_count == 0) {
        /* Every follower is locked, or it has none of the families that are named. */
        bool are_locked = job->addresses.has_prefix && follow_has_prefix(host);
        line->word = are_locked ? &word_abuse : &word_nohost;
        line->reason = are_locked ? "followers_locked" : "no_such_record";
    }
    return status < 0 ? status : 1;
}

static void answer_outcome(struct update *update, void *userdata)
{
    _cleanup_free_ struct job *job = userdata;

    dyndns_answer_lines(job->request, &job->addresses, job->lines, job->line_count, update);
    update_free(update);
}

/* ---- the request -------------------------------------------------------------------------------------------------- */

static void refuse_credentials(struct job *job, enum auth_reason reason)
{
    decision_failed_login(job->request, DYNDNS_DIALECT, reason);
    dyndns_answer_word(job->request, &word_badauth, NULL);
}

/* A line for each host that gets no further. */
static void log_refused_lines(struct job *job, const struct hosts *hosts)
{
    for (size_t i = 0; i < job->line_count; i++) {
        const struct dyndns_line *line = &job->lines[i];
        if (line->word) {
            note_host(job, i, hosts);
            job->request->decision.reason = line->reason;
            refused_log(job->request, DYNDNS_DIALECT, line->word->status, line->word->text);
        }
    }
}

/* Takes both. */
static void run_job(struct job *job_taken, struct update *update, const struct hosts *hosts, int64_t now_s)
{
    _cleanup_free_ struct job *job = job_taken;
    enum auth_reason reason = AUTH_UNKNOWN_HOST; /* of the first, where none fits */
    bool any_fits = false;

    for (size_t i = 0; update && i < job->line_count; i++) {
        enum auth_reason another;
        int status = add_line(job, i, update, hosts, now_s, i == 0 ? &reason : &another);
        if (status < 0) {
            update_free(TAKE_PTR(update));
            break;
        }
        any_fits |= status > 0;
    }
    if (!update) {
        dyndns_answer_word(job->request, &word_provider_down, "out_of_memory");
    } else if (!any_fits) {
        note_host(job, 0, hosts);
        refuse_credentials(job, reason);
        update_free(update);
    } else {
        decision_succeeded(job->request);
        log_refused_lines(job, hosts);
        job->asked = NULL;
        update_run(update, answer_outcome, TAKE_PTR(job));
    }
}

/* Takes the job. */
static void find_hosts(struct job *job_taken)
{
    _cleanup_free_ struct job *job = job_taken;
    const struct service *service = job->request->service;
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(service->current);
    int64_t now_s = clock_realtime_s(service->clock);
    enum auth_reason reason = AUTH_WRONG_SECRET;
    int status = job->asked->find_by_secret ? find_hostname(job, hosts, now_s, &reason) : 0;

    if (status == -EACCES) {
        refuse_credentials(job, reason);
    } else if (status < 0) {
        dyndns_answer_word(job->request, &word_notfqdn, "several_hosts_have_the_secret");
    } else {
        struct update *update =
            update_new(api_of(job->request)->updater, DYNDNS_DIALECT, hosts, &job->request->source, AUTH_BASIC);
        run_job(TAKE_PTR(job), update, hosts, now_s);
    }
}

static void refuse_params(struct request *request, int status, const char *sentence)
{
    request->decision.message = status == -ENOMEM ? NULL : sentence;
    switch (status) {
    case -ENOMEM: dyndns_answer_word(request, &word_provider_down, "out_of_memory"); break;
    case -EMEDIUMTYPE: dyndns_answer_word(request, &word_no_form, "bad_body"); break;
    case -ENOTSUP: dyndns_answer_word(request, &word_badagent, "unspoken"); break;
    default: dyndns_answer_word(request, &word_notfqdn, "bad_parameters"); break;
    }
}

/* `YES` and nothing else takes records away. False: answered. */
static bool read_offline(struct job *job, const struct params *params)
{
    const char *value = params->values[OFFLINE];
    const bool is_bare = (params->bare & (UINT32_C(1) << OFFLINE)) != 0;

    if (value && strcasecmp(value, "YES") == 0) {
        job->withdrawn = WITHDRAW_ADDRESSES;
    } else if (value && (is_bare || !unspoken_is_off(value))) {
        dyndns_answer_word(job->request, &word_badagent, "offline");
        return false;
    }
    return true;
}

static bool read_update(struct job *job, const struct params *params)
{
    return read_parameters(job, params) && read_offline(job, params);
}

/* A deletion names its host. */
static bool read_deletion(struct job *job, const struct params *params)
{
    if (withdraw_parse_type(params->values[TYPE], &job->withdrawn) < 0) {
        dyndns_answer_word(job->request, &word_notfqdn, "no_such_type");
        return false;
    }
    int status = read_hostnames(job, params->values[HOSTNAME]);
    if (status == 0 && job->asked->find_by_secret) {
        status = -ENOENT;
    }
    return is_named(job, status);
}

/* Whatever is refused next: whoever looks for the host is to find it. */
static void note_first_host(struct request *request, const char *hostnames)
{
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(request->service->current);
    const size_t length = hostnames ? strcspn(hostnames, ",") : 0;
    struct name name;

    if (length > 0 && strcasecmp(hostnames, "YES") != 0) {
        read_name(hostnames, length, &name);
        decision_note_host(request, hosts, hostnames, length, &name);
    }
}

/* `read` looks at the parameters but for the credentials; false: it has answered. */
static void run(struct request *request, const char *const *known, size_t known_count,
                bool (*read)(struct job *job, const struct params *params))
{
    _cleanup_(params_done) struct params params = {0};
    _cleanup_(asked_done) struct asked asked = {0};
    _cleanup_free_ struct job *job = calloc(1, sizeof(*job));
    const char *reason = NULL;
    int status = job ? dialect_all_params(request, known, known_count, &params, &reason) : -ENOMEM;

    if (status == 0) {
        note_first_host(request, params.values[HOSTNAME]);
        request->decision.is_withdrawal = read == read_deletion;
    }
    if (status == 0 && params.unspoken) {
        status = -ENOTSUP;
        reason = params.unspoken;
    }
    if (status == 0 && read == read_deletion && params.has_others) { /* no router sends it by itself */
        status = -ENOTSUP;
        reason = "a deletion comes with a parameter that it does not have; send hostname, type and credentials";
    }
    if (status < 0) {
        refuse_params(request, status, reason);
        return;
    }
    job->request = request;
    job->asked = &asked;
    status = read_credentials(job, &params);
    if (status == -ENOENT) { /* challenged, not counted as a failed login */
        dyndns_answer_word(request, &word_badauth, "no_credentials");
    } else if (!ratelimit_may_try(request, NULL)) {
        dyndns_answer_word(request, &word_abuse, "too_many_failures");
    } else if (status < 0) {
        refuse_credentials(job, AUTH_UNREADABLE);
    } else if (read(job, &params)) {
        find_hosts(TAKE_PTR(job));
    }
}

void api_dyndns(struct request *request)
{
    run(request, names, ELEMENTS(names), read_update);
}

void api_dyndns_delete(struct request *request)
{
    run(request, delete_names, ELEMENTS(delete_names), read_deletion);
}
