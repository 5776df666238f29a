#include "config/settings_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/settings.h"
#include "config/value.h"

#define KEY(in, of) .name = in "." of, .section = (in), .key = (of)
#define TOP(of) .name = (of), .section = "", .key = (of)
#define AT(field) .offset = offsetof(struct settings, field)
#define LIST_AT(field, count) AT(field), .count_offset = offsetof(struct settings, count)
#define ZONE_AT(field) .offset = offsetof(struct zone_settings, field)
#define RANGE(low, high, what) .minimum = (low), .maximum = (high), .unit = (what)

/* In the order of the sample file, which is that of --dump-config. */
static const struct setting rows[] = {
    {KEY("server", "listen"), .type = &setting_listen, LIST_AT(listen, listen_count), RANGE(1, 64, ""),
     .default_text = "[\"[::]:443\"]", .restart = true,
     .help = "where to listen: ADDRESS:PORT, [IPV6]:PORT or unix:/PATH each; [::] serves IPv4 too; sockets from "
             "systemd take its place"},
    {KEY("server", "certificate"), .type = &setting_path_or_none, AT(certificate), .default_text = "\"\"",
     .help = "PEM file with the certificate chain; goes with private_key. Neither: a self-signed pair is made in "
             "state_dir"},
    {KEY("server", "private_key"), .type = &setting_path_or_none, AT(private_key), .default_text = "\"\"",
     .help = "PEM file with the key of the certificate"},
    {KEY("server", "tls"), .type = &setting_bool, AT(tls), .default_text = "true", .restart = true,
     .help = "false only behind a proxy, on loopback addresses or unix sockets"},
    {KEY("server", "threads"), .type = &setting_uint, AT(threads), RANGE(0, 256, ""), .default_text = "0",
     .restart = true, .help = "threads that serve requests; 0: one per core"},
    {KEY("server", "public_url"), .type = &setting_url, AT(public_url), .default_text = "\"\"",
     .help = "the URL under which clients reach the daemon, printed in client recipes; \"\" derives it from listen"},
    {KEY("server", "trusted_proxies"), .type = &setting_prefixes, LIST_AT(trusted_proxies, trusted_proxy_count),
     .default_text = "[]", .help = "addresses and prefixes of proxies that are believed about the source address"},
    {KEY("server", "proxy_header"), .type = &setting_proxy_header, AT(proxy_header), .default_text = "x-forwarded-for",
     .help = "the header in which trusted_proxies name the client, x-forwarded-for or forwarded; the other is ignored"},
    {KEY("server", "api_keys"), .type = &setting_secrets, LIST_AT(api_keys, api_key_count), .default_text = "[]",
     .help = "not empty: every API request needs one of them as x-api-key"},
    {KEY("admin", "listen"), .type = &setting_admin_listen, AT(admin_listen), .default_text = "\"127.0.0.1:9053\"",
     .restart = true,
     .help = "plain HTTP for /healthz and /metrics: a loopback address or a unix socket; \"\" turns it off"},
    {KEY("admin", "socket"), .type = &setting_control_socket, AT(control_socket), .default_text = "auto",
     .restart = true,
     .help = "the unix socket for ddns53ctl; auto: /run/NAME/control.sock where state_dir is /var/lib/NAME, else "
             "control.sock in state_dir; \"\" turns it off"},
    {TOP("hosts_file"), .type = &setting_path, AT(hosts_file), .default_text = "hosts.yaml",
     .help = "the file with the hosts, relative to this file"},
    {TOP("state_dir"), .type = &setting_path, AT(state_dir), .default_text = "/var/lib/ddns53", .restart = true,
     .help = "the folder for state.db, the certificate that was made, and zone files"},
    {KEY("update", "timeout_s"), .type = &setting_uint, AT(update_timeout_s), RANGE(1, 300, "seconds"),
     .default_text = "10", .help = "a set that no provider has accepted by then is answered 503; it stays queued"},
    {KEY("update", "reconcile_s"), .type = &setting_uint, AT(reconcile_s), RANGE(1, 2678400, "seconds"),
     .default_text = "3600", .help = "how often a zone is read back"},
    {KEY("update", "default_auth"), .type = &setting_schemes, AT(default_auth), .default_text = "[hash, signed]",
     .help = "how hosts that name no auth may prove themselves: hash, signed, secret, basic"},
    {KEY("limits", "connections"), .type = &setting_uint, AT(connections), RANGE(1, 1000000, ""),
     .default_text = "4096", .restart = true, .help = "connections at a time"},
    {KEY("limits", "connections_per_address"), .type = &setting_uint, AT(connections_per_address),
     RANGE(1, 1000000, ""), .default_text = "64", .restart = true, .help = "connections at a time from one address"},
    {KEY("limits", "request_s"), .type = &setting_uint, AT(request_s), RANGE(1, 300, "seconds"), .default_text = "10",
     .help = "from accept to the last byte of the request"},
    {KEY("limits", "reads_per_minute"), .type = &setting_uint, AT(reads_per_minute), RANGE(1, 1000000, "a minute"),
     .default_text = "120", .help = "requests that only read, per source: an IPv4 address or an IPv6 /64"},
    {KEY("limits", "auth_failures_per_minute"), .type = &setting_uint, AT(auth_failures_per_minute),
     RANGE(1, 1000000, "a minute"), .default_text = "10",
     .help = "failed logins per source; past it requests are refused until it has drained"},
    {KEY("limits", "queued_changes"), .type = &setting_uint, AT(queued_changes), RANGE(1, 100000000, ""),
     .default_text = "100000", .help = "changes that may wait for a provider; past it a new one is answered 503"},
    {KEY("limits", "decisions_mib"), .type = &setting_uint, AT(decisions_mib), RANGE(0, 4096, "MiB"),
     .default_text = "32", .restart = true,
     .help = "how much of the disk of state_dir decisions are kept on, for ddns53ctl why and tail; 0: none are kept"},
    {TOP("zones"), .type = &setting_zones, LIST_AT(zones, zone_count), RANGE(1, 10000, ""), .restart = true,
     .help = "the zones that are served; at least one"},
    {KEY("zones[]", "name"), .type = &setting_zone_name, ZONE_AT(name), .restart = true,
     .help = "the name of the zone; the final dot is optional"},
    {KEY("zones[]", "provider"), .type = &setting_provider, ZONE_AT(provider), .default_text = "route53",
     .restart = true, .help = "what carries changes to the DNS server: route53, zonefile or rfc2136"},
    {KEY("zones[]", "zone_id"), .type = &setting_zone_id, ZONE_AT(zone_id), .default_text = "\"\"", .restart = true,
     .help = "Route 53's id of the zone; without one it is looked up by name"},
    {KEY("zones[]", "private"), .type = &setting_bool, ZONE_AT(is_private), .default_text = "false", .restart = true,
     .help = "which one, where a public and a private zone share the name"},
    {KEY("zones[]", "default_ttl"), .type = &setting_uint, ZONE_AT(default_ttl_s), RANGE(0, INT32_MAX, "seconds"),
     .default_text = "60", .restart = true, .help = "for hosts that name no ttl"},
    {KEY("zones[]", "server"), .type = &setting_server, ZONE_AT(rfc2136.server), .default_text = "\"\"",
     .restart = true, .help = "rfc2136: the address of the zone's primary name server"},
    {KEY("zones[]", "port"), .type = &setting_uint, ZONE_AT(rfc2136.port), RANGE(1, UINT16_MAX, ""),
     .default_text = "53", .restart = true, .help = "rfc2136: its port"},
    {KEY("zones[]", "tsig"), .type = &setting_tsig, .default_text = "{}", .restart = true,
     .help = "rfc2136: the key that updates are signed with; none only towards a loopback address"},
    {KEY("zones[].tsig", "name"), .type = &setting_key_name, ZONE_AT(rfc2136.key_name), .default_text = "\"\"",
     .restart = true, .help = "the name of the key, as the name server has it"},
    {KEY("zones[].tsig", "algorithm"), .type = &setting_algorithm, ZONE_AT(rfc2136.algorithm),
     .default_text = "hmac-sha256", .restart = true, .help = "hmac-sha256, hmac-sha384 or hmac-sha512"},
    {KEY("zones[].tsig", "secret"), .type = &setting_key_secret, ZONE_AT(rfc2136.secret), .default_text = "\"\"",
     .restart = true, .help = "the secret of the key, in base64"},
    {KEY("zones[].tsig", "secret_file"), .type = &setting_path_or_none, ZONE_AT(rfc2136.secret_file),
     .default_text = "\"\"", .restart = true,
     .help = "a file with that in its first line, relative to this file; one of both is needed"},
    {KEY("route53", "endpoint"), .type = &setting_url, AT(route53_endpoint), .default_text = "\"\"", .restart = true,
     .help = "URL of the API; \"\" is that of AWS_ENDPOINT_URL_ROUTE_53 or AWS_ENDPOINT_URL, else AWS's own"},
    {KEY("route53", "region"), .type = &setting_region, AT(route53_region), .default_text = "us-east-1",
     .restart = true, .help = "the region that requests are signed for"},
    {KEY("route53", "profile"), .type = &setting_text, AT(route53_profile), .default_text = "\"\"", .restart = true,
     .help = "profile of the shared credentials file; \"\" is that of AWS_PROFILE, else default"},
    {KEY("route53", "requests_per_second"), .type = &setting_uint, AT(route53_requests_per_second),
     RANGE(1, 1000, "a second"), .default_text = "5", .help = "the ceiling of the adaptive pace, per account"},
    {KEY("zonefile", "directory"), .type = &setting_path, AT(zonefile_directory), .default_text = "zones",
     .restart = true, .help = "the folder of the zone files, one per zone, relative to state_dir"},
    {KEY("zonefile", "on_change"), .type = &setting_command, LIST_AT(zonefile_on_change, zonefile_on_change_count),
     .default_text = "[]", .restart = true,
     .help = "a command and its arguments, run without a shell, at most once a second, after zone files were written; "
             "{zone} and {file} in an argument stand for a zone's name and file: it is run for each zone then"},
};

const struct setting *settings_row(size_t index)
{
    return index < ELEMENTS(rows) ? &rows[index] : NULL;
}

bool setting_is_of_zone(const struct setting *row)
{
    return strncmp(row->section, "zones[]", strlen("zones[]")) == 0;
}

const struct setting *setting_next(const char *section, size_t *index)
{
    while (*index < ELEMENTS(rows)) {
        const struct setting *row = &rows[(*index)++];
        if (strcmp(row->section, section) == 0) {
            return row;
        }
    }
    return NULL;
}

const char *settings_key_name(size_t index)
{
    return index < ELEMENTS(rows) ? rows[index].name : NULL;
}

const char *settings_key_help(size_t index)
{
    return index < ELEMENTS(rows) ? rows[index].help : NULL;
}

const char *settings_key_default(size_t index)
{
    return index < ELEMENTS(rows) ? rows[index].default_text : NULL;
}

static bool has_key(const char *section, const char *key)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (strcmp(rows[i].section, section) == 0 && strcmp(rows[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_section(const char *section)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (strcmp(rows[i].section, section) == 0 && section[0] != '\0' && !setting_is_of_zone(&rows[i])) {
            return true;
        }
    }
    return false;
}

static void add_unknown_key(struct problems *problems, const char *section, const struct yaml_node *mapping,
                            size_t index)
{
    const struct value_shown word = value_key_word(mapping->keys[index]->text);
    char before[32];
    struct nearest nearest;

    (void)snprintf(before, sizeof(before), "%s%s", section, section[0] == '\0' ? "" : ".");
    nearest_init(&nearest, word.text);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        /* The right key in the wrong section is a near miss too. */
        bool is_here = strcmp(rows[i].section, section) == 0;
        nearest_offer(&nearest, rows[i].key, is_here ? 0 : 1, rows[i].name);
        if (section[0] == '\0' && has_section(rows[i].section)) {
            nearest_offer(&nearest, rows[i].section, 0, rows[i].section);
            nearest_offer(&nearest, rows[i].name, 1, rows[i].name); /* "server.listen:" as one key */
        }
    }
    value_add_unknown_key(problems, before, mapping, index, &nearest, "remove it");
}

void settings_check_keys(struct problems *problems, const char *section, const struct yaml_node *mapping)
{
    for (size_t i = 0; i < mapping->count; i++) {
        const char *key = mapping->keys[i]->text;
        const struct yaml_node *value = mapping->items[i];

        if (has_key(section, key)) {
            continue;
        }
        if (section[0] != '\0' || !has_section(key)) {
            add_unknown_key(problems, section, mapping, i);
        } else if (value->kind == YAML_MAPPING) {
            settings_check_keys(problems, key, value);
        } else if (!value_is_empty(value)) {
            problems_add(problems, value->line, value->column, "%s: must be a mapping, put its keys below it, indented",
                         key);
        }
    }
}

static int read_default(struct problems *problems, const struct setting *row, void *base)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_printf(&text, "default: %s\n", row->default_text);
    int r = buffer_status(&text);
    if (r == 0) {
        r = yaml_load_text(text.data, text.length, problems, &document);
    }
    return r < 0 ? r : row->type->read(problems, row, yaml_get(yaml_root(document), "default"), base);
}

int setting_read(struct problems *problems, const struct setting *row, const struct yaml_node *node,
                 const struct yaml_node *whole, void *base)
{
    if (node != NULL) {
        return row->type->read(problems, row, node, base);
    }
    if (row->default_text != NULL) {
        return read_default(problems, row, base);
    }
    problems_add(problems, whole->line, whole->column, "%s: is missing, add %s", row->name, row->help);
    return -EINVAL;
}
