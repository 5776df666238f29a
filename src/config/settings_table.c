#include "config/settings_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/settings.h"
#include "config/value.h"

#define KEY SETTING_KEY
#define TOP(of) .name = (of), .section = "", .key = (of)
#define AT(field) SETTING_AT(struct settings, field)
#define LIST_AT(field, count) SETTING_LIST_AT(struct settings, field, count)
#define ZONE_AT(field) SETTING_AT(struct zone_settings, field)
#define RANGE SETTING_RANGE

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
    {KEY("server", "second_certificate"), .type = &setting_path_or_none, AT(second_certificate), .default_text = "\"\"",
     .help =
         "PEM file with another chain, one of the two with an RSA key and one with an ECDSA key: each client is shown "
         "one that it can check"},
    {KEY("server", "second_private_key"), .type = &setting_path_or_none, AT(second_private_key), .default_text = "\"\"",
     .help = "PEM file with the key of the second certificate"},
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
    {KEY("server.acme", "email"), .type = &setting_email, AT(acme.email), .default_text = "\"\"",
     .help = "where the authority writes to; with it and no certificate, one is obtained and renewed by ACME"},
    {KEY("server.acme", "directory"), .type = &setting_https_url, AT(acme.directory),
     .default_text = "\"https://acme-v02.api.letsencrypt.org/directory\"",
     .help = "URL of the authority's ACME directory; whoever sets email agrees to the authority's terms"},
    {KEY("server.acme", "names"), .type = &setting_names, LIST_AT(acme.names, acme.name_count), RANGE(0, 99, ""),
     .default_text = "[]",
     .help = "names that the certificate has besides that of public_url, wildcards too; all within the zones"},
    {KEY("server.acme", "ask"), .type = &setting_name_servers, LIST_AT(acme.ask, acme.ask_count), RANGE(0, 16, ""),
     .default_text = "[]",
     .help =
         "name servers, ADDRESS or ADDRESS:PORT, that have to answer with a challenge before the authority is told; "
         "none: the provider knows, or else those of the zone's NS records are asked"},
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
     .restart = true, .help = "what carries changes to the DNS server"},
    {KEY("zones[]", "default_ttl"), .type = &setting_uint, ZONE_AT(default_ttl_s), RANGE(0, INT32_MAX, "seconds"),
     .default_text = "60", .restart = true, .help = "for hosts that name no ttl"},
};

const struct setting *settings_row_of(size_t index, const struct provider_settings **ret_owner)
{
    const struct provider_settings *owner = NULL;
    const struct setting *of_owner = rows;
    size_t count = ELEMENTS(rows);

    for (size_t i = 0; index >= count; i++) {
        index -= count;
        owner = provider_table[i];
        if (!owner) {
            return NULL;
        }
        of_owner = owner->rows;
        count = owner->row_count;
    }
    if (ret_owner) {
        *ret_owner = owner;
    }
    return &of_owner[index];
}

const struct setting *settings_row(size_t index)
{
    return settings_row_of(index, NULL);
}

const struct setting *settings_next_row(const char *section, const struct provider_settings *owner, size_t *index)
{
    const struct provider_settings *owner_of_row = NULL;

    for (const struct setting *row; (row = settings_row_of(*index, &owner_of_row));) {
        (*index)++;
        if (owner_of_row == owner && strcmp(row->section, section) == 0) {
            return row;
        }
    }
    return NULL;
}

bool setting_is_of_zone(const struct setting *row)
{
    return strncmp(row->section, "zones[]", strlen("zones[]")) == 0;
}

const char *settings_key_name(size_t index)
{
    const struct setting *row = settings_row(index);
    return row ? row->name : NULL;
}

const char *settings_key_help(size_t index)
{
    const struct setting *row = settings_row(index);
    return row ? row->help : NULL;
}

const char *settings_key_default(size_t index)
{
    const struct setting *row = settings_row(index);
    return row ? row->default_text : NULL;
}

static bool has_key(const char *section, const char *key)
{
    const struct setting *row;

    for (size_t i = 0; (row = settings_row(i)); i++) {
        if (strcmp(row->section, section) == 0 && strcmp(row->key, key) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_section(const char *section)
{
    const struct setting *row;

    for (size_t i = 0; (row = settings_row(i)); i++) {
        if (strcmp(row->section, section) == 0 && section[0] != '\0' && !setting_is_of_zone(row)) {
            return true;
        }
    }
    return false;
}

/* The last part of `inner` where it is a mapping in `section`, NULL: elsewhere. */
static const char *part_within(const char *inner, const char *section)
{
    const size_t length = strlen(section);

    return length > 0 && strncmp(inner, section, length) == 0 && inner[length] == '.' ? inner + length + 1 : NULL;
}

static void add_unknown_key(struct problems *problems, const char *section, const struct yaml_node *mapping,
                            size_t index)
{
    const struct value_shown word = value_key_word(mapping->keys[index]->text);
    char before[64];
    struct nearest nearest;

    (void)snprintf(before, sizeof(before), "%s%s", section, section[0] == '\0' ? "" : ".");
    nearest_init(&nearest, word.text);
    const struct setting *row;
    for (size_t i = 0; (row = settings_row(i)); i++) {
        /* The right key in the wrong section is a near miss too. */
        bool is_here = strcmp(row->section, section) == 0;
        nearest_offer(&nearest, row->key, is_here ? 0 : 1, row->name);
        if (part_within(row->section, section)) {
            nearest_offer(&nearest, part_within(row->section, section), 0, row->section);
        }
        if (section[0] == '\0' && has_section(row->section)) {
            nearest_offer(&nearest, row->section, 0, row->section);
            nearest_offer(&nearest, row->name, 1, row->name); /* "server.listen:" as one key */
        }
    }
    value_add_unknown_key(problems, before, mapping, index, &nearest, "remove it");
}

const struct yaml_node *settings_section_node(const struct yaml_node *root, const char *section)
{
    const struct yaml_node *node = root;

    while (node && node->kind == YAML_MAPPING && section[0] != '\0') {
        const size_t length = strcspn(section, ".");
        char part[32];

        (void)snprintf(part, sizeof(part), "%.*s", (int)length, section);
        node = yaml_get(node, part);
        section += length + (section[length] == '.' ? 1 : 0);
    }
    return node && node->kind == YAML_MAPPING ? node : NULL;
}

void settings_check_keys(struct problems *problems, const char *section, const struct yaml_node *mapping)
{
    for (size_t i = 0; i < mapping->count; i++) {
        const char *key = mapping->keys[i]->text;
        const struct yaml_node *value = mapping->items[i];
        char inner[64]; /* none of ours is cut off */

        if (has_key(section, key)) {
            continue;
        }
        (void)snprintf(inner, sizeof(inner), "%s%s%s", section, section[0] == '\0' ? "" : ".", key);
        if (strchr(key, '.') || !has_section(inner)) {
            add_unknown_key(problems, section, mapping, i);
        } else if (value->kind == YAML_MAPPING) {
            settings_check_keys(problems, inner, value);
        } else if (!value_is_empty(value)) {
            problems_add(problems, value->line, value->column, "%s: must be a mapping, put its keys below it, indented",
                         inner);
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
