/* check: the doctor. Looks at everything that has to be right, and says what mends what is not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "check/start.h"
#include "ctl/check_port.h"
#include "ctl/commands.h"
#include "ctl/delegation.h"
#include "ctl/probe.h"
#include "ctl/reach.h"
#include "ctl/report.h"
#include "web/server_certificate_source.h"
#include "web/server_certificate_view.h"

static int run_check(struct ctl *ctl, const struct arguments *arguments);

static const struct command_option check_options[] = {
    {.name = "offline", .help = "only this machine: no provider, no DNS"},
    {.name = "try-change",
     .help = "ask Route 53 to delete a record that does not exist: it shows whether changes are permitted"},
    {.name = "resolver", .value = "IPV4:PORT", .help = "look the delegation up there, not at the system's resolver"},
    {.name = NULL},
};
static const struct command_exit check_exits[] = {
    {EXIT_FINE, "all is fine"},
    {EXIT_WARNED, "something is to be looked at (WARN)"},
    {EXIT_BROKEN, "something does not work (FAIL)"},
    {0, NULL},
};

const struct command commands_check[] = {
    {
        .name = "check",
        .arguments = "",
        .least = 0,
        .most = 0,
        .summary = "looks at everything that has to be right, and says what mends what is not",
        .description =
            "Both files, ports, certificate, state_dir, credentials, the clock, each zone and its delegation.\n"
            "Nothing is changed. As root it judges folders and files as the owner of state_dir.",
        .options = check_options,
        .exits = check_exits,
        .example = "ddns53ctl check",
        .has_json = true,
        .run = run_check,
    },
    {.name = NULL},
};

struct doctor {
    struct report report;
    const char *config;
    const struct settings *settings;
    struct endpoint resolver;
    bool has_resolver;
    bool is_offline;
    bool may_try;
};

/* ---- both files ---- */

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* A line of a file says what to do itself. */
static void add_problems(struct report *report, const char *what, const struct problems *problems)
{
    const char *line;

    for (size_t i = 0; (line = problems_warning_text(problems, i)); i++) {
        report_add(report, VERDICT_WARN, what, NULL, "%s", line);
    }
    for (size_t i = 0; (line = problems_text(problems, i)); i++) {
        report_add(report, VERDICT_FAIL, what, NULL, "%s", line);
    }
}

static int check_settings(struct doctor *doctor, struct ctl *ctl)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(ctl->config);
    int r = problems ? settings_load(ctl->config, problems, &ctl->settings) : -ENOMEM;

    if (r == -ENOMEM) {
        return r;
    }
    add_problems(&doctor->report, "settings", problems);
    if (r == 0) {
        doctor->settings = ctl->settings;
        report_add(&doctor->report, VERDICT_OK, "settings", NULL, "%s: %zu zone%s", ctl->config,
                   ctl->settings->zone_count, plural(ctl->settings->zone_count));
    }
    return r;
}

static int check_hosts(struct doctor *doctor, struct ctl *ctl)
{
    const char *path = doctor->settings->hosts_file;
    _cleanup_(problems_freep) struct problems *problems = problems_new(path);
    int r = problems ? hosts_load(path, doctor->settings, NULL, problems, &ctl->hosts) : -ENOMEM;

    if (r == -ENOMEM) {
        return r;
    }
    add_problems(&doctor->report, "hosts", problems);
    if (r == 0 && hosts_count(ctl->hosts) == 0) {
        report_add(&doctor->report, VERDICT_WARN, "hosts", "ddns53ctl add HOST", "%s has no host yet", path);
    } else if (r == 0) {
        report_add(&doctor->report, VERDICT_OK, "hosts", NULL, "%s: %zu host%s with %zu record%s", path,
                   hosts_count(ctl->hosts), plural(hosts_count(ctl->hosts)), hosts_record_count(ctl->hosts),
                   plural(hosts_record_count(ctl->hosts)));
    }
    return 0; /* the rest does not need them */
}

/* ---- zones ---- */

static void add_finding(const struct provider_finding *finding, void *userdata)
{
    static const enum verdict verdicts[] = {
        [PROVIDER_FINE] = VERDICT_OK, [PROVIDER_DOUBTFUL] = VERDICT_WARN, [PROVIDER_BROKEN] = VERDICT_FAIL};

    report_add(userdata, verdicts[finding->verdict], finding->what, finding->mend, "%s", finding->message);
}

/* Is the line one of `lines`? */
static bool has_line(const char *lines, const char *line, size_t length)
{
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") == length && strncasecmp(at, line, length) == 0) {
            return true;
        }
    }
    return false;
}

/* How many of the lines are among the others, which may have a final dot or not. */
static size_t count_common(const char *lines, const char *others, size_t *ret_count)
{
    size_t common = 0;

    *ret_count = 0;
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        size_t length = strcspn(at, "\n");
        bool has_dot = length > 0 && at[length - 1] == '.';
        *ret_count += 1;
        common += has_line(others, at, length) || (has_dot && has_line(others, at, length - 1));
    }
    return common;
}

static void append_joined(struct buffer *buffer, const char *lines)
{
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        buffer_printf(buffer, "%s%.*s", at == lines ? "" : ", ", (int)strcspn(at, "\n"), at);
    }
}

/* `servers`: those that the provider has for the zone, a line each; "": it does not say. */
static void check_delegation(struct doctor *doctor, const char *zone, const char *servers)
{
    _cleanup_buffer_ struct buffer found = BUFFER_INIT, message = BUFFER_INIT, shown = BUFFER_INIT, mend = BUFFER_INIT;
    struct report *report = &doctor->report;
    size_t count;
    int r = delegation_look_up(zone, doctor->has_resolver ? &doctor->resolver : NULL, &found, &message);

    if (r < 0) {
        report_add(report, VERDICT_WARN, "delegation", "see that this machine can look names up, or give --resolver",
                   "%s: %s", zone, buffer_text(&message));
        return;
    }
    append_joined(&shown, buffer_text(&found));
    buffer_append_text(&mend, "at the registrar of the zone, or in the zone above it, enter the name servers ");
    append_joined(&mend, servers);
    const char *todo = servers[0] != '\0' ? buffer_text(&mend) : "let the zone above it delegate to its name servers";
    size_t common = count_common(buffer_text(&found), servers, &count);
    if (count == 0) {
        report_add(report, VERDICT_FAIL, "delegation", todo,
                   "%s: DNS has no name servers for it, so that nobody finds "
                   "what is set",
                   zone);
    } else if (servers[0] != '\0' && common == 0) {
        report_add(report, VERDICT_FAIL, "delegation", todo,
                   "%s: DNS has other name servers, which know nothing of what "
                   "is set: %s",
                   zone, buffer_text(&shown));
    } else if (servers[0] != '\0' && common < count) {
        report_add(report, VERDICT_WARN, "delegation", todo, "%s: some of the name servers in DNS are others: %s", zone,
                   buffer_text(&shown));
    } else {
        report_add(report, VERDICT_OK, "delegation", NULL, "%s is served by %s", zone, buffer_text(&shown));
    }
}

static int check_zone(struct doctor *doctor, struct reach *reach, const struct zone_settings *zone)
{
    const struct provider *provider = provider_of(zone->provider);
    _cleanup_buffer_ struct buffer servers = BUFFER_INIT;
    void *shared;
    int r = reach_shared(reach, provider, &shared);

    if (r < 0) {
        return r;
    }
    if (provider->examine_zone) {
        provider->examine_zone(reach_means(reach), shared, zone, doctor->may_try, add_finding, &doctor->report,
                               &servers);
    } else if (!provider->start) { /* those with threads have files, which check_start looks at */
        r = probe_zone(&doctor->report, reach, shared, zone);
    } else {
        report_add(&doctor->report, VERDICT_OK, "zone", NULL, "%s: by %s, in files", zone->name.text,
                   zone->provider->name);
    }
    if (!provider->is_private || !provider->is_private(zone)) {
        check_delegation(doctor, zone->name.text, buffer_text(&servers));
    }
    return r;
}

static bool is_used(const struct settings *settings, const struct provider_settings *provider)
{
    for (size_t i = 0; i < settings->zone_count; i++) {
        if (settings->zones[i].provider == provider) {
            return true;
        }
    }
    return false;
}

static int check_zones(struct doctor *doctor)
{
    _cleanup_(reach_closep) struct reach *reach = reach_open(doctor->settings, doctor->config);
    int r = reach ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && provider_table[i]; i++) {
        const struct provider *provider = provider_of(provider_table[i]);
        void *shared;
        if (!is_used(doctor->settings, provider_table[i])) {
            continue;
        }
        r = provider->examine ? reach_shared(reach, provider, &shared) : 0;
        bool goes_on = r == 0 && (!provider->examine ||
                                  provider->examine(reach_means(reach), shared, add_finding, &doctor->report));
        for (size_t zone = 0; r == 0 && goes_on && zone < doctor->settings->zone_count; zone++) {
            if (doctor->settings->zones[zone].provider == provider_table[i]) {
                r = check_zone(doctor, reach, &doctor->settings->zones[zone]);
            }
        }
    }
    return r;
}

/* ---- the certificate ---- */

#define WARN_BEFORE_S ((int64_t)14 * 86400)

static void judge_times(struct report *report, const struct certificate_view *view, const char *what, const char *place,
                        int64_t now_s)
{
    char time[21];

    clock_print_iso8601(view->expires_s <= now_s || view->begins_s <= now_s ? view->expires_s : view->begins_s, time);
    if (view->begins_s > now_s) {
        report_add(report, VERDICT_FAIL, what, "see that this machine's clock is right",
                   "%s: it is valid only from %s on", place, time);
    } else if (view->expires_s <= now_s) {
        report_add(report, VERDICT_FAIL, what, "renew it, and \"systemctl reload ddns53d\"", "%s: it has expired at %s",
                   place, time);
    } else if (view->expires_s - now_s < WARN_BEFORE_S) {
        report_add(report, VERDICT_WARN, what, "renew it, and \"systemctl reload ddns53d\"", "%s: it expires at %s",
                   place, time);
    } else {
        report_add(report, VERDICT_OK, what, NULL, "%s: it names %s, until %s", place, view->names, time);
    }
}

static void judge_trust(struct report *report, const struct certificate_view *view, const char *what, const char *place)
{
    if (!view->distrust) {
        report_add(report, VERDICT_OK, what, NULL, "%s: devices that know the usual authorities trust it", place);
    } else if (view->is_self_signed) {
        report_add(report, VERDICT_WARN, what,
                   "get one of a public authority, such as Let's Encrypt; or give this one to every client",
                   "%s: it is self-signed, which most routers refuse", place);
    } else if (view->is_issuer_missing && view->chain_length == 1) {
        report_add(
            report, VERDICT_FAIL, what,
            "give server.certificate the whole chain (fullchain.pem, not cert.pem), or have clients trust your own "
            "authority",
            "%s: nothing but the server's own certificate is sent, so that devices cannot follow it to an authority",
            place);
    } else {
        report_add(report, VERDICT_WARN, what, "get one of a public authority, or have every client trust your own",
                   "%s: %s", place, view->distrust);
    }
}

static void judge_view(struct report *report, const struct certificate_view *view, const char *what, const char *place,
                       const struct certificate_judge *judge)
{
    judge_times(report, view, what, place, judge->now_s);
    judge_trust(report, view, what, place);
    if (!view->names_host) {
        report_add(report, VERDICT_FAIL, what, "get one that does, or correct server.public_url",
                   "%s: it names %s, but not %s, the host of server.public_url", place, view->names, judge->host);
    }
}

/* Where the endpoint can be reached from this machine. */
static struct address near_address(const struct endpoint *endpoint)
{
    static const uint8_t zeros[16];
    struct address address = endpoint->address;

    if (memcmp(address.bytes, zeros, sizeof(zeros)) == 0) {
        bool is_ipv6 = address.family == ADDRESS_IPV6;
        (void)address_parse(is_ipv6 ? "::1" : "127.0.0.1", is_ipv6 ? 3 : 9, &address);
    }
    return address;
}

/* Of the files; "" where there is none. */
struct expected {
    char fingerprints[2][65];
};

static bool is_expected(const struct expected *expected, const struct certificate_view *view)
{
    const bool are_known = expected->fingerprints[0][0] != '\0';

    return !are_known || strcmp(expected->fingerprints[0], view->fingerprint) == 0 ||
           strcmp(expected->fingerprints[1], view->fingerprint) == 0;
}

static int check_handshake(struct doctor *doctor, const struct endpoint *endpoint,
                           const struct certificate_judge *judge, const struct expected *expected)
{
    struct address address = near_address(endpoint);
    struct report *report = &doctor->report;

    for (int is_tls12 = 0; is_tls12 < 2; is_tls12++) {
        _cleanup_(certificate_view_done) struct certificate_view view = {.names = NULL};
        _cleanup_buffer_ struct buffer message = BUFFER_INIT;
        const char *version = is_tls12 ? "TLS 1.2" : "TLS 1.3";
        int r = certificate_view_server(&address, endpoint->port, judge, is_tls12, &message, &view);
        if (r == -ENOMEM) {
            return r;
        }
        if (r < 0) {
            report_add(report, VERDICT_FAIL, "handshake", "see the daemon's log", "%s, %s: %s", endpoint->text, version,
                       buffer_text(&message));
        } else if (!is_expected(expected, &view)) {
            report_add(report, VERDICT_WARN, "handshake", "systemctl reload ddns53d",
                       "%s, %s: the daemon shows another certificate than the one in the file", endpoint->text,
                       version);
        } else {
            report_add(report, VERDICT_OK, "handshake", NULL, "%s, %s: done, with the certificate of the file",
                       endpoint->text, version);
        }
    }
    return 0;
}

static bool is_answering(const struct endpoint *endpoint)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_(certificate_view_done) struct certificate_view view = {.names = NULL};
    const struct certificate_judge judge = {.host = NULL};
    struct address address = near_address(endpoint);

    return certificate_view_server(&address, endpoint->port, &judge, false, &message, &view) == 0;
}

/* Of the daemon, where it runs. */
static int check_handshakes(struct doctor *doctor, const struct certificate_judge *judge,
                            const struct expected *expected)
{
    const struct settings *settings = doctor->settings;
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->listen_count; i++) {
        const struct endpoint *endpoint = &settings->listen[i];
        if (endpoint->address.family != ADDRESS_NONE && endpoint->port != 0 && is_answering(endpoint)) {
            r = check_handshake(doctor, endpoint, judge, expected);
        }
    }
    return r;
}

static int check_file(struct doctor *doctor, const char *path, const struct certificate_judge *judge,
                      char ret_fingerprint[65])
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_(certificate_view_done) struct certificate_view view = {.names = NULL};
    int r = certificate_view_file(path, judge, &message, &view);

    if (r == 0) { /* what is wrong otherwise, check_start says */
        judge_view(&doctor->report, &view, "certificate", path, judge);
        memcpy(ret_fingerprint, view.fingerprint, sizeof(view.fingerprint));
    }
    return r == -ENOMEM ? r : 0;
}

static int check_certificate(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    _cleanup_(certificate_sources_done) struct certificate_sources sources;
    _cleanup_free_ char *host = NULL;
    struct expected expected = {.fingerprints = {"", ""}};
    const char *text;
    size_t length;

    if (url_host(settings->public_url, &text, &length)) {
        host = strndup(text, length);
    } else {
        report_add(&doctor->report, VERDICT_WARN, "public_url",
                   "set it to the URL under which clients reach the daemon",
                   "server.public_url is not set: recipes for clients are a guess");
    }
    const struct certificate_judge judge = {.host = host, .now_s = clock_realtime_s(clock_system())};
    int r = certificate_sources_find(settings, &sources);
    if (r < 0) {
        return r;
    }
    const struct certificate_source *source = certificate_sources_choose(&sources);
    const char *path = source->certificate;
    if (source == &sources.own && access(path, F_OK) < 0) {
        report_add(&doctor->report, VERDICT_WARN, "certificate",
                   "get one of a public authority, such as Let's Encrypt: set server.acme.email",
                   "the daemon will make a self-signed one at its first start, which most routers refuse");
        return 0;
    }
    r = check_file(doctor, path, &judge, expected.fingerprints[0]);
    if (r == 0 && source->second_certificate) {
        r = check_file(doctor, source->second_certificate, &judge, expected.fingerprints[1]);
    }
    return r < 0 ? r : check_handshakes(doctor, &judge, &expected);
}

/* ---- folders and files, as the service's user ---- */

/* Root becomes the owner of state_dir, for good: this comes last. Returns the name for messages, NULL: nobody else. */
static const char *become_owner(struct doctor *doctor, struct check_user *user)
{
    if (getuid() != 0 || check_owner(doctor->settings, user) < 0 || user->uid == 0) {
        return NULL;
    }
    int r = check_become(user->has_name ? user->shown : NULL, user->uid, user->gid);
    if (r < 0) {
        report_add(&doctor->report, VERDICT_WARN, "user", NULL, "cannot judge as %s: %s", user->shown, strerror(-r));
        return NULL;
    }
    return user->shown;
}

static void check_readable(struct doctor *doctor, const char *path, const char *user)
{
    if (user && access(path, R_OK) < 0) {
        report_add(&doctor->report, VERDICT_FAIL, "files", "chgrp the group of the service to it, and chmod 0640",
                   "%s may not read %s: %s", user, path, strerror(errno));
    }
}

static int check_machine(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    _cleanup_(problems_freep) struct problems *problems = problems_new(doctor->config);
    struct check_user owner;
    const char *user = become_owner(doctor, &owner);

    check_readable(doctor, doctor->config, user);
    check_readable(doctor, settings->hosts_file, user);
    int r = problems ? check_start(settings, user, problems) : -ENOMEM;
    if (r < 0) {
        return r;
    }
    add_problems(&doctor->report, "start", problems);
    if (problems_count(problems) == 0) {
        report_add(&doctor->report, VERDICT_OK, "start", NULL, "%s: folders, certificate and key are as %s needs them",
                   settings->state_dir, user ? user : "the daemon");
    }
    return settings->tls ? check_certificate(doctor) : 0;
}

/* ---- all of it ---- */

static int examine(struct doctor *doctor, struct ctl *ctl)
{
    int r = check_settings(doctor, ctl);

    if (r == 0) {
        r = check_hosts(doctor, ctl);
    }
    if (r < 0) {
        return r == -EINVAL ? 0 : r;
    }
    const struct settings *settings = doctor->settings;
    check_ports(&doctor->report, settings->listen, settings->listen_count, "port");
    check_ports(&doctor->report, settings->admin_listen, settings->admin_listen ? 1 : 0, "admin port");
    if (!doctor->is_offline) {
        r = check_zones(doctor);
    }
    return r == 0 ? check_machine(doctor) : r;
}

static int take_resolver(struct doctor *doctor, const char *text)
{
    if (text && (endpoint_parse(text, &doctor->resolver) < 0 || doctor->resolver.address.family != ADDRESS_IPV4)) {
        ctl_error("--resolver %s: is no IPv4 address with a port, such as 127.0.0.1:53", text);
        return EXIT_USAGE;
    }
    doctor->has_resolver = text != NULL;
    return EXIT_FINE;
}

static int run_check(struct ctl *ctl, const struct arguments *arguments)
{
    struct doctor doctor = {
        .config = ctl->config,
        .is_offline = option_given(arguments, "offline"),
        .may_try = option_given(arguments, "try-change"),
    };
    int status = take_resolver(&doctor, option_value(arguments, "resolver"));

    if (status == EXIT_FINE) {
        report_init(&doctor.report, ctl);
        status = examine(&doctor, ctl) < 0 ? ctl_no_memory() : EXIT_FINE;
        int verdict = report_finish(&doctor.report);
        status = status == EXIT_FINE ? verdict : status;
    }
    endpoint_done(&doctor.resolver);
    return status;
}
