#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/problems.h"
#include "config/settings.h"
#include "config/settings_table.h"
#include "provider/registry.h"
#include "provider/rfc2136.h"
#include "provider/route53.h"
#include "provider/zonefile.h"
#include "temporary.h"

#define FILE_NAME "/etc/ddns53/ddns53d.yaml"
#define ZONES "zones: [{name: example.com}]\n"

static int load(const char *text, struct problems **ret_problems, struct settings **ret_settings)
{
    *ret_problems = problems_new("d.yaml");
    assert_non_null(*ret_problems);
    return settings_load_text(text, strlen(text), FILE_NAME, *ret_problems, ret_settings);
}

static struct settings *load_good(const char *text)
{
    _cleanup_(problems_freep) struct problems *problems = NULL;
    struct settings *settings = NULL;
    int r = load(text, &problems, &settings);
    if (problems_count(problems) > 0) {
        fail_msg("%s", problems_text(problems, 0));
    }
    assert_int_equal(r, 0);
    return settings;
}

static const struct route53_settings *route53_of(const struct settings *settings)
{
    return settings_of_provider(settings, &route53_provider.settings);
}

static const struct zonefile_settings *zonefile_of(const struct settings *settings)
{
    return settings_of_provider(settings, &zonefile_provider.settings);
}

static void every_default(void **state)
{
    (void)state;
    _cleanup_(settings_unrefp) struct settings *settings = load_good(ZONES);

    assert_int_equal(settings->listen_count, 1);
    assert_string_equal(settings->listen[0].text, "[::]:443");
    assert_int_equal(settings->listen[0].address.family, ADDRESS_IPV6);
    assert_int_equal(settings->listen[0].port, 443);
    assert_null(settings->certificate);
    assert_null(settings->private_key);
    assert_null(settings->second_certificate);
    assert_null(settings->second_private_key);
    assert_true(settings->tls);
    assert_int_equal(settings->threads, 0);
    assert_string_equal(settings->public_url, "");
    assert_int_equal(settings->trusted_proxy_count, 0);
    assert_int_equal(settings->proxy_header, PROXY_X_FORWARDED_FOR);
    assert_int_equal(settings->api_key_count, 0);
    assert_string_equal(settings->acme.email, "");
    assert_string_equal(settings->acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_int_equal(settings->acme.name_count, 0);
    assert_int_equal(settings->acme.ask_count, 0);
    assert_string_equal(settings->admin_listen->text, "127.0.0.1:9053");
    assert_string_equal(settings->control_socket, "/run/ddns53/control.sock");
    assert_string_equal(settings->hosts_file, "/etc/ddns53/hosts.yaml");
    assert_string_equal(settings->state_dir, "/var/lib/ddns53");
    assert_int_equal(settings->update_timeout_s, 10);
    assert_int_equal(settings->reconcile_s, 3600);
    assert_int_equal(settings->default_auth, AUTH_HASH | AUTH_SIGNED);
    assert_int_equal(settings->connections, 4096);
    assert_int_equal(settings->connections_per_address, 64);
    assert_int_equal(settings->request_s, 10);
    assert_int_equal(settings->reads_per_minute, 120);
    assert_int_equal(settings->auth_failures_per_minute, 10);
    assert_int_equal(settings->queued_changes, 100000);
    assert_int_equal(settings->decisions_mib, 32);
    assert_int_equal(settings->zone_count, 1);
    assert_string_equal(settings->zones[0].name.text, "example.com.");
    assert_ptr_equal(settings->zones[0].provider, &route53_provider.settings);
    const struct route53_zone_settings *zone = settings->zones[0].own;
    assert_null(zone->zone_id);
    assert_false(zone->is_private);
    assert_int_equal(settings->zones[0].default_ttl_s, 60);
    assert_string_equal(route53_of(settings)->endpoint, "");
    assert_string_equal(route53_of(settings)->region, "us-east-1");
    assert_string_equal(route53_of(settings)->profile, "");
    assert_int_equal(route53_of(settings)->requests_per_second, 5);
    assert_string_equal(zonefile_of(settings)->directory, "/var/lib/ddns53/zones");
}

/* Nothing in it is a default. */
static const char everything[] =
    "server:\n"
    "  listen: [\"127.0.0.1:0\", \"[::1]:8443\", \"unix:/run/a \\\"b\\\".sock\"]\n"
    "  certificate: tls/chain.pem\n"
    "  private_key: /etc/ssl/key.pem\n"
    "  second_certificate: tls/rsa.pem\n"
    "  second_private_key: /etc/ssl/rsa.pem\n"
    "  tls: false\n"
    "  threads: 3\n"
    "  public_url: https://ddns.example.com/x\n"
    "  trusted_proxies: [10.0.0.0/8, \"2001:db8::/64\", 192.0.2.1]\n"
    "  proxy_header: Forwarded\n"
    "  api_keys: [\"0123456789abcdef\", \"fedcba9876543210\"]\n"
    "  acme:\n"
    "    email: me@example.com\n"
    "    directory: https://localhost:14000/dir\n"
    "    names: [Example.com, \"*.example.com.\"]\n"
    "    ask: [192.0.2.1, \"2001:db8::1\", \"[::1]:5353\", \"127.0.0.1:5353\"]\n"
    "admin:\n"
    "  listen: \"\"\n"
    "  socket: \"\"\n"
    "hosts_file: \"a \\\\ b.yaml\"\n"
    "state_dir: state\n"
    "update: {timeout_s: 1, reconcile_s: 60, default_auth: [basic, secret]}\n"
    "limits:\n"
    "  connections: 1\n"
    "  connections_per_address: 2\n"
    "  request_s: 3\n"
    "  reads_per_minute: 4\n"
    "  auth_failures_per_minute: 5\n"
    "  queued_changes: 6\n"
    "  decisions_mib: 7\n"
    "zones:\n"
    "  - {name: Example.COM, zone_id: /hostedzone/Z1FXLQ1OABKR4O, private: true, default_ttl: 0}\n"
    "  - {name: sub.example.com., provider: zonefile, default_ttl: 2147483647}\n"
    "route53: {endpoint: \"http://127.0.0.1:4566\", region: eu-west-1, profile: \"d\\u00e4mon\", requests_per_second: "
    "1}\n"
    "zonefile:\n"
    "  directory: z\n"
    "  on_change: [/bin/x, \"a b\", \"{zone}\", \"\"]\n";

static void every_key(void **state)
{
    (void)state;
    _cleanup_(settings_unrefp) struct settings *settings = load_good(everything);

    assert_int_equal(settings->listen_count, 3);
    assert_int_equal(settings->listen[0].port, 0);
    assert_string_equal(settings->listen[2].unix_path, "/run/a \"b\".sock");
    assert_string_equal(settings->certificate, "/etc/ddns53/tls/chain.pem");
    assert_string_equal(settings->private_key, "/etc/ssl/key.pem");
    assert_string_equal(settings->second_certificate, "/etc/ddns53/tls/rsa.pem");
    assert_string_equal(settings->second_private_key, "/etc/ssl/rsa.pem");
    assert_false(settings->tls);
    assert_int_equal(settings->threads, 3);
    assert_string_equal(settings->public_url, "https://ddns.example.com/x");
    assert_int_equal(settings->trusted_proxy_count, 3);
    assert_int_equal(settings->proxy_header, PROXY_FORWARDED);
    assert_int_equal(settings->trusted_proxies[2].length, 32);
    assert_int_equal(settings->api_key_count, 2);
    assert_true(secret_equals(settings->api_keys[1], "fedcba9876543210", 16));
    assert_string_equal(settings->acme.email, "me@example.com");
    assert_string_equal(settings->acme.directory, "https://localhost:14000/dir");
    assert_int_equal(settings->acme.name_count, 2);
    assert_string_equal(settings->acme.names[0].text, "example.com.");
    assert_string_equal(settings->acme.names[1].text, "*.example.com.");
    assert_int_equal(settings->acme.ask_count, 4);
    assert_int_equal(settings->acme.ask[0].port, 53);
    assert_int_equal(settings->acme.ask[1].address.family, ADDRESS_IPV6);
    assert_int_equal(settings->acme.ask[1].port, 53);
    assert_int_equal(settings->acme.ask[2].port, 5353);
    assert_int_equal(settings->acme.ask[3].port, 5353);
    assert_null(settings->admin_listen);
    assert_null(settings->control_socket);
    assert_string_equal(settings->hosts_file, "/etc/ddns53/a \\ b.yaml");
    assert_string_equal(settings->state_dir, "/etc/ddns53/state");
    assert_int_equal(settings->update_timeout_s, 1);
    assert_int_equal(settings->reconcile_s, 60);
    assert_int_equal(settings->default_auth, AUTH_BASIC | AUTH_SECRET);
    assert_int_equal(settings->connections, 1);
    assert_int_equal(settings->connections_per_address, 2);
    assert_int_equal(settings->request_s, 3);
    assert_int_equal(settings->reads_per_minute, 4);
    assert_int_equal(settings->auth_failures_per_minute, 5);
    assert_int_equal(settings->queued_changes, 6);
    assert_int_equal(settings->decisions_mib, 7);
    assert_int_equal(settings->zone_count, 2);
    assert_string_equal(settings->zones[0].name.text, "example.com.");
    const struct route53_zone_settings *zone = settings->zones[0].own;
    assert_string_equal(zone->zone_id, "Z1FXLQ1OABKR4O");
    assert_true(zone->is_private);
    assert_int_equal(settings->zones[0].default_ttl_s, 0);
    assert_ptr_equal(settings->zones[1].provider, &zonefile_provider.settings);
    assert_int_equal(settings->zones[1].default_ttl_s, INT32_MAX);
    assert_string_equal(route53_of(settings)->endpoint, "http://127.0.0.1:4566");
    assert_string_equal(route53_of(settings)->region, "eu-west-1");
    assert_string_equal(route53_of(settings)->profile, "d\xc3\xa4mon");
    assert_int_equal(route53_of(settings)->requests_per_second, 1);
    assert_string_equal(zonefile_of(settings)->directory, "/etc/ddns53/state/z");
    assert_int_equal(zonefile_of(settings)->on_change_count, 4);
    assert_string_equal(zonefile_of(settings)->on_change[0], "/bin/x");
    assert_string_equal(zonefile_of(settings)->on_change[1], "a b");
    assert_string_equal(zonefile_of(settings)->on_change[2], "{zone}");
    assert_string_equal(zonefile_of(settings)->on_change[3], "");
}

#define RFC2136_ZONE "zones: [{name: a.test, provider: rfc2136, server: 192.0.2.1, "
#define KEY_TEXT "MDEyMzQ1Njc4OWFiY2RlZg==" /* 0123456789abcdef */

static void a_dump_loads_again_and_dumps_the_same(void **state)
{
    (void)state;
    const char *texts[] = {
        ZONES,
        everything,
#ifdef HAVE_KNOT
        "zones: [{name: a.test, provider: rfc2136, server: \"::1\", port: 5353, default_ttl: 1}]\n",
#endif
    };

    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_buffer_ struct buffer first = BUFFER_INIT;
        _cleanup_buffer_ struct buffer second = BUFFER_INIT;
        _cleanup_(settings_unrefp) struct settings *settings = load_good(texts[i]);
        settings_dump(settings, &first);
        _cleanup_(settings_unrefp) struct settings *again = load_good(buffer_text(&first));
        settings_dump(again, &second);
        assert_string_equal(buffer_text(&first), buffer_text(&second));
        assert_null(strstr(buffer_text(&first), "0123456789abcdef"));

        /* Every key is in it. */
        for (size_t key = 0; settings_key_name(key) != NULL; key++) {
            const char *dot = strrchr(settings_key_name(key), '.');
            char line[64];
            (void)snprintf(line, sizeof(line), "%s:", dot != NULL ? dot + 1 : settings_key_name(key));
            assert_non_null(strstr(buffer_text(&first), line));
        }
    }
}

/* A file, and every problem it has, a line each. */
static const struct {
    const char *text;
    const char *problems;
} broken[] = {
    {"", "d.yaml:1:1: zones: is missing, add the zones that are served; at least one\n"},
    {"- a\n", "d.yaml:1:1: must be a mapping of keys such as server: and zones:\n"},
    {"zones: []\n", "d.yaml:1:8: zones: has 0 zones, must be 1 to 10000\n"},
    {"zones: example.com\n", "d.yaml:1:8: zones: is a single value, must be a list such as - name: example.com.\n"},
    {"zones: [example.com]\n", "d.yaml:1:9: zones: must be a list of mappings, write - name: ZONE\n"},
    {"zones:\n", "d.yaml:1:7: zones: is empty, must be a list such as - name: example.com.\n"},
    {ZONES "server:\n  lisen: []\nsever: {}\nlisten: 1\ncolour: red\n",
     "d.yaml:3:3: server.lisen: unknown key, did you mean server.listen?\n"
     "d.yaml:4:1: sever: unknown key, did you mean server?\n"
     "d.yaml:5:1: listen: unknown key, did you mean server.listen?\n"
     "d.yaml:6:1: colour: unknown key, remove it\n"},
    {ZONES "server.threads: 1\nzones[]: {}\n", "d.yaml:2:1: server.threads: unknown key, did you mean server.threads?\n"
                                               "d.yaml:3:1: zones[]: unknown key, did you mean zones?\n"},
    {ZONES "server: 5\nlimits: []\n", "d.yaml:2:9: server: must be a mapping, put its keys below it, indented\n"
                                      "d.yaml:3:9: limits: must be a mapping, put its keys below it, indented\n"},
    {ZONES "server: {tls: \"true\", threads: \"4\"}\n",
     "d.yaml:2:15: server.tls: \"true\" is quoted, write it without quotes\n"
     "d.yaml:2:32: server.threads: \"4\" is quoted, write the number without quotes\n"},
    {ZONES "server: {tls: yes, threads: 257}\n",
     "d.yaml:2:15: server.tls: \"yes\" is neither true nor false\n"
     "d.yaml:2:29: server.threads: 257 is out of range, must be 0 to 256\n"},
    {ZONES "update: {timeout_s: 0, reconcile_s: 1e3}\n",
     "d.yaml:2:21: update.timeout_s: 0 is out of range, must be 1 to 300 seconds\n"
     "d.yaml:2:37: update.reconcile_s: \"1e3\" is not a whole number, write decimal digits only\n"},
    {ZONES "limits: {connections: -1, request_s: 010, queued_changes: 99999999999999999999}\n",
     "d.yaml:2:23: limits.connections: \"-1\" is not a whole number, write decimal digits only\n"
     "d.yaml:2:38: limits.request_s: \"010\" is not a whole number, write decimal digits only\n"
     "d.yaml:2:59: limits.queued_changes: 99999999999999999999 is out of range, must be 1 to 100000000\n"},
    {ZONES "limits:\n  connections:\n  request_s: [1]\n",
     "d.yaml:3:15: limits.connections: has no value, write a number or remove the key\n"
     "d.yaml:4:14: limits.request_s: is a list, must be a number\n"},
    {ZONES "server: {listen: \"[::]:443\"}\n",
     "d.yaml:2:18: server.listen: is a single value, must be a list such as [\"[::]:443\"]\n"},
    {ZONES "server: {listen: []}\n", "d.yaml:2:18: server.listen: names 0 places to listen at, must be 1 to 64\n"},
    {ZONES "server: {listen: [\"[::]:443\", \"localhost:80\", \"[0::0]:443\"]}\n",
     "d.yaml:2:31: server.listen: \"localhost:80\" is no place to listen at, write ADDRESS:PORT, [IPV6]:PORT or "
     "unix:/PATH\n"
     "d.yaml:2:47: server.listen: \"[0::0]:443\" is named twice, remove one\n"},
    {ZONES "server: {tls: false, listen: [\"127.0.0.1:80\", \"0.0.0.0:80\", \"unix:/x\"]}\n",
     "d.yaml:2:15: server.tls: must be true, for 0.0.0.0:80 of server.listen is neither a loopback address nor a unix "
     "socket\n"},
    {ZONES "server: {tls: false}\n",
     "d.yaml:2:15: server.tls: must be true, for [::]:443 of server.listen is neither a loopback address nor a unix "
     "socket\n"},
    {ZONES "server: {certificate: a.pem}\n",
     "d.yaml:2:23: server.certificate: comes without server.private_key, name both or neither\n"},
    {ZONES "server: {private_key: a.pem, certificate: \"\"}\n",
     "d.yaml:2:23: server.private_key: comes without server.certificate, name both or neither\n"},
    {ZONES "server: {certificate: a, private_key: b, second_private_key: c}\n",
     "d.yaml:2:62: server.second_private_key: comes without server.second_certificate, name both or neither\n"},
    {ZONES "server: {certificate: a, private_key: b, second_certificate: c}\n",
     "d.yaml:2:62: server.second_certificate: comes without server.second_private_key, name both or neither\n"},
    {ZONES "server: {second_certificate: c, second_private_key: d}\n",
     "d.yaml:2:30: server.second_certificate: comes without server.certificate, which it is to stand beside; name that "
     "one, too\n"},
    {ZONES "server: {public_url: \"https://x/\"}\nroute53: {endpoint: ftp://x}\n",
     "d.yaml:2:22: server.public_url: \"https://x/\" must not end in a slash, remove it\n"
     "d.yaml:3:21: route53.endpoint: \"ftp://x\" must begin with https:// or http://\n"},
    {ZONES "server: {public_url: \"https://\"}\nroute53: {endpoint: \"http://a b\"}\n",
     "d.yaml:2:22: server.public_url: \"https://\" names no host\n"
     "d.yaml:3:21: route53.endpoint: \"http://a b\" must be scheme, host, port and path only, in characters of a "
     "URL\n"},
    {ZONES "server: {trusted_proxies: [10.0.0.1/8, foo, 1.2.3.4/33]}\n",
     "d.yaml:2:28: server.trusted_proxies: \"10.0.0.1/8\" has bits set past its length, write 10.0.0.0/8\n"
     "d.yaml:2:40: server.trusted_proxies: \"foo\" is neither an address nor a prefix such as 10.0.0.0/8\n"
     "d.yaml:2:45: server.trusted_proxies: \"1.2.3.4/33\" is neither an address nor a prefix such as 10.0.0.0/8\n"},
    {ZONES "server: {proxy_header: x-real-ip}\n", "d.yaml:2:24: server.proxy_header: \"x-real-ip\" is no header of a "
                                                  "proxy, write x-forwarded-for or forwarded\n"},
    {ZONES "server: {api_keys: [\"\", {}]}\n",
     "d.yaml:2:21: server.api_keys: has an empty key, write one of at least 16 characters\n"
     "d.yaml:2:25: server.api_keys: is a mapping, must be a text\n"},
    {ZONES "server: {acm: {}, acme: 5}\nacme: {}\n",
     "d.yaml:2:10: server.acm: unknown key, did you mean server.acme?\n"
     "d.yaml:2:25: server.acme: must be a mapping, put its keys below it, indented\n"
     "d.yaml:3:1: acme: unknown key, remove it\n"},
    {ZONES "server: {acme: {emial: a@b.c}}\nserver.acme: {}\n",
     "d.yaml:2:17: server.acme.emial: unknown key, did you mean server.acme.email?\n"
     "d.yaml:3:1: server.acme: unknown key, did you mean server.acme?\n"},
    {ZONES
     "server: {acme: {email: -c@example.com, directory: \"http://x/d\", names: [a..b, .], ask: [ns.x, \"unix:/x\"]}}\n",
     "d.yaml:2:24: server.acme.email: \"-c@example.com\" is no e-mail address, write one such as me@example.com\n"
     "d.yaml:2:51: server.acme.directory: \"http://x/d\" must begin with https://\n"
     "d.yaml:2:73: server.acme.names: \"a..b\" is no domain name: empty label (two dots in a row)\n"
     "d.yaml:2:79: server.acme.names: \".\" is no domain name: only a dot\n"
     "d.yaml:2:89: server.acme.ask: \"ns.x\" is no name server, write its address, ADDRESS:PORT or [IPV6]:PORT\n"
     "d.yaml:2:95: server.acme.ask: \"unix:/x\" is no name server, write its address, ADDRESS:PORT or [IPV6]:PORT\n"},
    {ZONES "server: {acme: {names: [a.example.com]}}\n",
     "d.yaml:2:16: server.acme.email: is missing, and nothing is obtained without it; add yours\n"},
    {ZONES "server: {acme: {email: me@example.com}}\nadmin: {socket: \"\"}\n",
     "d.yaml:2:16: server.acme.names: is empty, and server.public_url has no domain name; set one of them\n"
     "d.yaml:2:16: server.acme: needs admin.socket, over which challenges are set; leave that out for its default\n"},
    {ZONES "server: {acme: {email: me@example.com, names: [a.example.com]}, public_url: \"https://b.test\"}\n",
     "d.yaml:2:16: server.acme: b.test. is in none of the zones, so that its challenge cannot be set: add its zone, or "
     "remove the name\n"},
    {ZONES "admin: {listen: \"0.0.0.0:9053\"}\n", "d.yaml:2:17: admin.listen: \"0.0.0.0:9053\" can be reached from "
                                                  "outside, write a loopback address, unix:/PATH, or "
                                                  "\"\" for none\n"},
    {ZONES "hosts_file: \"\"\nstate_dir: \"a\\tb\"\n", "d.yaml:2:13: hosts_file: \"\" is no path, name one\n"
                                                       "d.yaml:3:12: state_dir: has a control character in it, remove "
                                                       "that\n"},
    {ZONES "update: {default_auth: []}\n",
     "d.yaml:2:24: update.default_auth: is empty, name at least one of hash, signed, secret, basic\n"},
    {ZONES "update: {default_auth: [hash, plain, hash]}\n",
     "d.yaml:2:31: update.default_auth: \"plain\" is none of hash, signed, secret, basic\n"
     "d.yaml:2:38: update.default_auth: \"hash\" is named twice, remove one\n"},
    {ZONES "route53: {region: US East}\n",
     "d.yaml:2:19: route53.region: \"US East\" is no region, write one such as us-east-1\n"},
    {"zones:\n  - name: example.com\n  - name: b.test\n  - name: EXAMPLE.com.\n",
     "d.yaml:4:5: zones[].name: zone example.com. is there already, see line 2, remove one\n"},
    {"zones: [{nam: a.test}]\n",
     "d.yaml:1:9: zones[].name: is missing, add the name of the zone; the final dot is optional\n"
     "d.yaml:1:10: zones[].nam: unknown key, did you mean zones[].name?\n"},
    {"zones: [{name: \"*.a.test\"}, {name: a..test}]\n",
     "d.yaml:1:16: zones[].name: \"*.a.test\" cannot be the name of a zone, write one such as example.com\n"
     "d.yaml:1:36: zones[].name: \"a..test\" is no domain name: empty label (two dots in a row)\n"},
    {"zones: [{name: a.test, provider: bind, zone_id: z1, private: 1, default_ttl: 2147483648}]\n",
     "d.yaml:1:34: zones[].provider: \"bind\" is no provider, write route53, zonefile or rfc2136\n"
     "d.yaml:1:49: zones[].zone_id: \"z1\" is no zone id: up to 32 capital letters and digits such as Z1FXLQ1OABKR4O, "
     "or \"\"\n"
     "d.yaml:1:62: zones[].private: \"1\" is neither true nor false\n"
     "d.yaml:1:78: zones[].default_ttl: 2147483648 is out of range, must be 0 to 2147483647 seconds\n"},
    {"zones: [{name: a.test, provider: bind, server: 192.0.2.1, private: true}]\n", /* any may be meant */
     "d.yaml:1:34: zones[].provider: \"bind\" is no provider, write route53, zonefile or rfc2136\n"},
    {"zones: [{name: a.test, provider: zonefile, zone_id: Z1}, {name: b.test, provider: zonefile, private: true}]\n",
     "d.yaml:1:53: zones[].zone_id: only a zone of provider route53 has it, remove it\n"
     "d.yaml:1:102: zones[].private: only a zone of provider route53 has it, remove it\n"},
    {"zones: [{name: a.test, server: 192.0.2.1}, {name: b.test, port: 5353}, {name: c.test, tsig: {name: k}}]\n",
     "d.yaml:1:32: zones[].server: only a zone of provider rfc2136 has it, remove it\n"
     "d.yaml:1:65: zones[].port: only a zone of provider rfc2136 has it, remove it\n"
     "d.yaml:1:93: zones[].tsig: only a zone of provider rfc2136 has it, remove it\n"},
#ifdef HAVE_KNOT
    {"zones: [{name: a.test, provider: rfc2136, zone_id: Z1}, {name: b.test, provider: rfc2136, server: ns.b.test}]\n",
     "d.yaml:1:9: zones[].server: is missing, add the address of the zone's primary name server\n"
     "d.yaml:1:52: zones[].zone_id: only a zone of provider route53 has it, remove it\n"
     "d.yaml:1:99: zones[].server: \"ns.b.test\" is no address, write one such as 192.0.2.1 or 2001:db8::1\n"},
    {"zones: [{name: a.test, provider: rfc2136, server: 192.0.2.1}]\n",
     "d.yaml:1:9: zones[].tsig: is missing, and only a server on a loopback address may do without: add name and "
     "secret_file of a key\n"},
    {RFC2136_ZONE "tsig: [a]}]\n",
     "d.yaml:1:68: zones[].tsig: must be a mapping, write {name: NAME, secret_file: PATH}\n"},
    {RFC2136_ZONE "tsig: {nam: k, algorithm: hmac-md5}}]\n",
     "d.yaml:1:69: zones[].tsig.nam: unknown key, did you mean zones[].tsig.name?\n"
     "d.yaml:1:88: zones[].tsig.algorithm: \"hmac-md5\" is no algorithm, write hmac-sha256, hmac-sha384 or "
     "hmac-sha512\n"},
    {RFC2136_ZONE "tsig: {name: k..k, secret: \"***\"}}]\n",
     "d.yaml:1:75: zones[].tsig.name: \"k..k\" is no name of a key: empty label (two dots in a row)\n"
     "d.yaml:1:89: zones[].tsig.secret: is no base64 of 1 to 1024 bytes, write what tsig-keygen prints as secret\n"},
    {RFC2136_ZONE "tsig: {name: k}}]\n", "d.yaml:1:68: zones[].tsig.secret_file: is missing, add it or secret\n"},
    {RFC2136_ZONE "tsig: {secret: " KEY_TEXT "}}]\n",
     "d.yaml:1:68: zones[].tsig.name: is missing, add the key's name\n"},
    {RFC2136_ZONE "tsig: {name: k, secret: " KEY_TEXT ", secret_file: none}}]\n",
     "d.yaml:1:68: zones[].tsig.secret: stands beside secret_file, remove one of them\n"},
    {RFC2136_ZONE "tsig: {name: k, secret_file: none}}]\n",
     "d.yaml:1:91: zones[].tsig.secret_file: cannot read the secret from /etc/ddns53/none: No such file or "
     "directory\n"},
#else
    {"zones: [{name: a.test, provider: rfc2136, server: 127.0.0.1}]\n",
     "d.yaml:1:34: zones[].provider: \"rfc2136\" is not in this ddns53d, which was built without libknot: build one "
     "with "
     "it\n"},
#endif
};

#ifdef HAVE_KNOT
static void the_key_of_a_zone(void **state)
{
    (void)state;
    _cleanup_(settings_unrefp) struct settings *settings =
        load_good("zones:\n"
                  "  - {name: a.test, provider: rfc2136, server: \"2001:db8::1\", port: 5353,\n"
                  "     tsig: {name: Key, algorithm: hmac-sha512, secret: " KEY_TEXT "}}\n"
                  "  - {name: b.test, provider: rfc2136, server: 127.0.0.1}\n");
    const struct rfc2136_zone_settings *with_key = settings->zones[0].own;
    const struct rfc2136_zone_settings *without = settings->zones[1].own;
    _cleanup_buffer_ struct buffer dump = BUFFER_INIT;

    assert_ptr_equal(settings->zones[0].provider, &rfc2136_provider.settings);
    assert_int_equal(with_key->server.family, ADDRESS_IPV6);
    assert_int_equal(with_key->port, 5353);
    assert_string_equal(with_key->key_name.text, "key.");
    assert_string_equal(with_key->algorithm, "hmac-sha512");
    assert_true(secret_equals(with_key->secret, "0123456789abcdef", 16));
    assert_int_equal(without->port, 53);
    assert_null(without->secret);
    settings_dump(settings, &dump);
    assert_null(strstr(buffer_text(&dump), "MDEy"));
    assert_non_null(strstr(buffer_text(&dump), "tsig: {name: \"key.\", algorithm: hmac-sha512, secret: \"***\", "
                                               "secret_file: \"\"}"));
}

/* What is written of both is the same. */
static void another_secret_needs_a_restart(void **state)
{
    (void)state;
    _cleanup_(settings_unrefp) struct settings *running =
        load_good(RFC2136_ZONE "tsig: {name: k, secret: " KEY_TEXT "}}]\n");
    _cleanup_(settings_unrefp) struct settings *same =
        load_good(RFC2136_ZONE "tsig: {name: k, secret: " KEY_TEXT "}}]\n");
    _cleanup_(settings_unrefp) struct settings *other =
        load_good(RFC2136_ZONE "tsig: {name: k, secret: AAAAAAAAAAAAAAAAAAAAAAAA}}]\n");
    _cleanup_buffer_ struct buffer keys = BUFFER_INIT;

    assert_int_equal(settings_merge(running, same, &keys), 0);
    assert_string_equal(buffer_text(&keys), "");
    assert_int_equal(settings_merge(running, other, &keys), 0);
    assert_string_equal(buffer_text(&keys), "zones");
    const struct rfc2136_zone_settings *kept = other->zones[0].own;
    assert_true(secret_equals(kept->secret, "0123456789abcdef", 16)); /* the running one */
    assert_string_equal(kept->algorithm, "hmac-sha256");
}
#endif

static void every_problem_in_one_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(broken); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_buffer_ struct buffer all = BUFFER_INIT;
        struct settings *settings = NULL;

        assert_int_equal(load(broken[i].text, &problems, &settings), -EINVAL);
        assert_null(settings);
        for (size_t line = 0; problems_text(problems, line) != NULL; line++) {
            buffer_printf(&all, "%s\n", problems_text(problems, line));
        }
        assert_string_equal(buffer_text(&all), broken[i].problems);
    }
}

static void a_key_twice_is_refused(void **state)
{
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = NULL;
    struct settings *settings = NULL;

    assert_int_equal(load(ZONES "hosts_file: a\nhosts_file: b\n", &problems, &settings), -EINVAL);
    assert_int_equal(problems_count(problems), 1);
    assert_non_null(strstr(problems_text(problems, 0), "d.yaml:3:1: "));
}

static void empty_sections_are_fine(void **state)
{
    (void)state;
    _cleanup_(settings_unrefp) struct settings *settings = load_good("server:\n  # threads: 4\nupdate: {}\n" ZONES);
    assert_int_equal(settings->threads, 0);
}

static void a_short_api_key_is_warned_about(void **state)
{
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = NULL;
    _cleanup_(settings_unrefp) struct settings *settings = NULL;

    assert_int_equal(load(ZONES "server: {api_keys: [hunter2]}\n", &problems, &settings), 0);
    assert_int_equal(problems_warning_count(problems), 1);
    assert_string_equal(problems_warning_text(problems, 0),
                        "d.yaml:2:21: server.api_keys: has a key of under 16 characters, make it longer");
}

static void what_needs_a_restart(void **state)
{
    static const struct {
        const char *text;
        const char *keys;
    } rows[] = {
        {ZONES, ""},
        {"zones: [{name: example.com., default_ttl: 60, provider: route53}]\n", ""},
        {ZONES "server: {api_keys: [\"0123456789abcdef\"], public_url: \"https://x\", trusted_proxies: [10.1.1.1]}\n",
         ""},
        {ZONES "server: {proxy_header: forwarded}\n", ""},
        {ZONES "hosts_file: other.yaml\nupdate: {timeout_s: 3, reconcile_s: 3, default_auth: [basic]}\n", ""},
        {ZONES "limits: {request_s: 1, reads_per_minute: 1, auth_failures_per_minute: 1, queued_changes: 1}\n", ""},
        {ZONES "server: {certificate: a, private_key: b}\nroute53: {requests_per_second: 9}\n", ""},
        {"zones: [{name: example.com, default_ttl: 61}]\n", "zones"},
        {"zones: [{name: example.com}, {name: b.test}]\n", "zones"},
        {ZONES "server: {listen: [\"[::]:8443\"], threads: 1}\n", "server.listen, server.threads"},
        {ZONES "server: {listen: [\"127.0.0.1:1\"], tls: false}\n", "server.listen, server.tls"},
        {ZONES "admin: {listen: \"\"}\nlimits: {connections: 1, connections_per_address: 1}\n",
         "admin.listen, limits.connections, limits.connections_per_address"},
        {ZONES "state_dir: /x\n", "admin.socket, state_dir, zonefile.directory"},
        {ZONES "route53: {endpoint: \"http://x\", region: x, profile: x}\nzonefile: {directory: x}\n",
         "route53.endpoint, route53.region, route53.profile, zonefile.directory"},
    };
    _cleanup_(settings_unrefp) struct settings *running = load_good(ZONES);

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(settings_unrefp) struct settings *loaded = load_good(rows[i].text);
        _cleanup_buffer_ struct buffer keys = BUFFER_INIT;
        assert_int_equal(settings_merge(running, loaded, &keys), 0);
        assert_string_equal(buffer_text(&keys), rows[i].keys);
    }
}

/* Every row of `merged` has the value of `running` where it needs a restart, else that of `loaded`. */
static void check_merged(const struct settings *merged, const struct settings *running, const struct settings *loaded)
{
    const struct setting *row;
    void *base, *wanted_base;

    for (size_t i = 0; (row = settings_row_in(merged, i, &base)); i++) {
        _cleanup_buffer_ struct buffer is = BUFFER_INIT;
        _cleanup_buffer_ struct buffer wanted = BUFFER_INIT;
        if (!base) {
            continue;
        }
        assert_non_null(settings_row_in(row->restart ? running : loaded, i, &wanted_base));
        row->type->write(row, base, &is);
        row->type->write(row, wanted_base, &wanted);
        if (strcmp(buffer_text(&is), buffer_text(&wanted)) != 0) {
            fail_msg("%s is %s, not %s", row->name, buffer_text(&is), buffer_text(&wanted));
        }
    }
}

/* Every row that can differ does, so that a new row needs no new test. */
static void check_all_differ(const struct settings *a, const struct settings *b)
{
    const struct setting *row;
    void *base_a, *base_b;

    for (size_t i = 0; (row = settings_row_in(a, i, &base_a)); i++) {
        _cleanup_buffer_ struct buffer of_a = BUFFER_INIT;
        _cleanup_buffer_ struct buffer of_b = BUFFER_INIT;
        if (!base_a) {
            continue;
        }
        assert_non_null(settings_row_in(b, i, &base_b));
        row->type->write(row, base_a, &of_a);
        row->type->write(row, base_b, &of_b);
        if (strcmp(buffer_text(&of_a), buffer_text(&of_b)) == 0) {
            fail_msg("%s: is a default in `everything`; give it another value there", row->name);
        }
    }
}

static void a_reload_of_every_row_twice(void **state)
{
    _cleanup_(settings_unrefp) struct settings *started = load_good(ZONES);
    _cleanup_(settings_unrefp) struct settings *same = load_good(everything);
    _cleanup_(settings_unrefp) struct settings *first = load_good(everything);
    _cleanup_(settings_unrefp) struct settings *second = load_good(ZONES);
    _cleanup_buffer_ struct buffer names = BUFFER_INIT;

    (void)state;
    check_all_differ(started, same);
    assert_int_equal(settings_merge(started, first, &names), 0);
    check_merged(first, started, same);
    assert_int_equal(first->api_key_count, 2);
    assert_true(secret_equals(first->api_keys[0], "0123456789abcdef", 16));
    assert_int_equal(first->zone_count, 1);
    assert_string_equal(first->zones[0].name.text, "example.com.");
    assert_non_null(strstr(buffer_text(&names), "zones"));

    /* Back to what it was: nothing needs a restart any more, and nothing of the first reload is left. */
    buffer_clear(&names);
    assert_int_equal(settings_merge(first, second, &names), 0);
    check_merged(second, started, started);
    assert_string_equal(buffer_text(&names), "");

    /* And the other way round, from a start with everything. */
    _cleanup_(settings_unrefp) struct settings *defaults = load_good(ZONES);
    _cleanup_(settings_unrefp) struct settings *again = load_good(ZONES);
    assert_int_equal(settings_merge(same, defaults, &names), 0);
    check_merged(defaults, same, started);
    assert_int_equal(settings_merge(defaults, again, &names), 0);
    check_merged(again, same, started);
}

static void endpoints(void **state)
{
    static const char *const bad[] = {
        "",           ":443",        "443",       "[::]",          "::1:443",     "[::1]443",   "[127.0.0.1]:80",
        "1.2.3.4",    "1.2.3.4:",    "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:-1",  "[::1]:0443", "localhost:80",
        "unix:",      "unix:/",      "unix:x",    "[::1%lo]:80",   "[]:80",       "[:80",       " 1.2.3.4:80",
        "1.2.3.4:8 ", "01.2.3.4:80", "[::1]:",    "[[::1]]:80",    "[::1]:80:80",
    };
    struct endpoint endpoint;
    char long_path[200] = "unix:/";

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        assert_int_equal(endpoint_parse(bad[i], &endpoint), -EINVAL);
    }
    memset(long_path + 6, 'a', 107);
    assert_int_equal(endpoint_parse(long_path, &endpoint), -EINVAL);
    long_path[5 + 107] = '\0';
    assert_int_equal(endpoint_parse(long_path, &endpoint), 0);
    assert_true(endpoint_is_local(&endpoint));
    endpoint_done(&endpoint);

    assert_int_equal(endpoint_parse("127.0.0.1:0", &endpoint), 0);
    assert_int_equal(endpoint.address.family, ADDRESS_IPV4);
    assert_int_equal(endpoint.port, 0);
    assert_true(endpoint_is_local(&endpoint));
    endpoint_done(&endpoint);

    assert_int_equal(endpoint_parse("[::1]:65535", &endpoint), 0);
    assert_int_equal(endpoint.port, 65535);
    assert_true(endpoint_is_local(&endpoint));
    endpoint_done(&endpoint);

    assert_int_equal(endpoint_parse("[2001:db8::1]:443", &endpoint), 0);
    assert_false(endpoint_is_local(&endpoint));
    assert_string_equal(endpoint.text, "[2001:db8::1]:443");
    endpoint_done(&endpoint);

    assert_int_equal(endpoint_parse("unix:/run/x.sock", &endpoint), 0);
    assert_int_equal(endpoint.address.family, ADDRESS_NONE);
    assert_string_equal(endpoint.unix_path, "/run/x.sock");
    endpoint_done(&endpoint);
}

static void the_control_socket_is_where_systemd_makes_its_folder(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *path; /* NULL: off */
    } rows[] = {
        {"state_dir: /var/lib/ddns53\n", "/run/ddns53/control.sock"},
        {"state_dir: /var/lib/other\n", "/run/other/control.sock"},
        {"state_dir: /var/lib/a/b\n", "/var/lib/a/b/control.sock"},
        {"state_dir: /var/lib/\n", "/var/lib/control.sock"},
        {"state_dir: /srv/x\n", "/srv/x/control.sock"},
        {"state_dir: x\n", "/etc/ddns53/x/control.sock"},
        {"admin: {socket: auto}\n", "/run/ddns53/control.sock"},
        {"admin: {socket: \"\"}\n", NULL},
        {"admin: {socket: c.sock}\n", "/etc/ddns53/c.sock"},
        {"admin: {socket: /a/c.sock}\n", "/a/c.sock"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer text = BUFFER_INIT;
        buffer_printf(&text, ZONES "%s", rows[i].text);
        _cleanup_(settings_unrefp) struct settings *settings = load_good(buffer_text(&text));
        if (rows[i].path) {
            assert_string_equal(settings->control_socket, rows[i].path);
        } else {
            assert_null(settings->control_socket);
        }
    }
}

static void the_longest_zone_wins(void **state)
{
    (void)state;
    _cleanup_(settings_unrefp) struct settings *settings =
        load_good("zones: [{name: example.com}, {name: dyn.example.com}, {name: test}]\n");

    assert_int_equal(settings_zone_of(settings, "a.example.com."), 0);
    assert_int_equal(settings_zone_of(settings, "example.com."), 0);
    assert_int_equal(settings_zone_of(settings, "a.dyn.example.com."), 1);
    assert_int_equal(settings_zone_of(settings, "dyn.example.com."), 1);
    assert_int_equal(settings_zone_of(settings, "xdyn.example.com."), 0);
    assert_int_equal(settings_zone_of(settings, "a.test."), 2);
    assert_int_equal(settings_zone_of(settings, "notexample.com."), -ENOENT);
    assert_int_equal(settings_zone_of(settings, "com."), -ENOENT);
}

static int load_from(const char *path, struct problems **ret_problems, struct settings **ret_settings)
{
    *ret_problems = problems_new("d.yaml");
    assert_non_null(*ret_problems);
    return settings_load(path, *ret_problems, ret_settings);
}

#ifdef HAVE_KNOT
static void the_file_of_a_key(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        int status;
        size_t warnings;
    } rows[] = {
        {KEY_TEXT "\nmore\n", 0600, 0, 0}, {KEY_TEXT, 0644, 0, 1},           {KEY_TEXT, 0666, -EINVAL, 0},
        {"c2hvcnQ=\n", 0600, 0, 1},        {"no base64!", 0600, -EINVAL, 0}, {"\n", 0600, -EINVAL, 0},
    };
    static const char text[] = RFC2136_ZONE "tsig: {name: k, secret_file: a.key}}]\n";
    char *folder = temporary_folder_make();

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_(settings_unrefp) struct settings *settings = NULL;
        (void)temporary_file(folder, "a.key", rows[i].text, strlen(rows[i].text), rows[i].mode);
        const char *path = temporary_file(folder, "d.yaml", text, strlen(text), 0644);
        assert_int_equal(load_from(path, &problems, &settings), rows[i].status);
        assert_int_equal(problems_count(problems), rows[i].status == 0 ? 0 : 1);
        assert_int_equal(problems_warning_count(problems), rows[i].warnings);
        if (settings && rows[i].mode == 0644) {
            const struct rfc2136_zone_settings *zone = settings->zones[0].own;
            _cleanup_buffer_ struct buffer dump = BUFFER_INIT;
            assert_true(secret_equals(zone->secret, "0123456789abcdef", 16));
            settings_dump(settings, &dump); /* names the file, and so loads again */
            assert_null(strstr(buffer_text(&dump), "***"));
        }
    }
    temporary_folder_remove(folder);
}
#endif

static void files_and_their_modes(void **state)
{
    static const char with_key[] = ZONES "server: {api_keys: [\"0123456789abcdef\"]}\n";
#ifdef HAVE_KNOT
    static const char with_secret[] = RFC2136_ZONE "tsig: {name: k, secret: " KEY_TEXT "}}]\n";
    static const char with_both[] = RFC2136_ZONE "tsig: {name: k, secret: " KEY_TEXT "}}]\n"
                                                 "server: {api_keys: [\"0123456789abcdef\"]}\n";
#endif
    static const struct {
        const char *text;
        mode_t mode;
        int status;
        size_t warnings;
    } rows[] = {
        {ZONES, 0644, 0, 0},          {with_key, 0640, 0, 0},    {with_key, 0644, 0, 1},
        {with_key, 0660, -EINVAL, 0}, {ZONES, 0602, -EINVAL, 0},
#ifdef HAVE_KNOT
        {with_secret, 0640, 0, 0},    {with_secret, 0644, 0, 1}, {with_both, 0644, 0, 1},
#endif
    };
    char *folder = temporary_folder_make();

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        _cleanup_(settings_unrefp) struct settings *settings = NULL;
        const char *path = temporary_file(folder, "d.yaml", rows[i].text, strlen(rows[i].text), rows[i].mode);
        assert_int_equal(load_from(path, &problems, &settings), rows[i].status);
        assert_int_equal(problems_count(problems), rows[i].status == 0 ? 0 : 1);
        assert_int_equal(problems_warning_count(problems), rows[i].warnings);
    }

    _cleanup_(problems_freep) struct problems *problems = NULL;
    struct settings *settings = NULL;
    assert_int_equal(load_from(temporary_path(folder, "none.yaml"), &problems, &settings), -EINVAL);
    assert_int_equal(problems_count(problems), 1);
    temporary_folder_remove(folder);
}

static void a_relative_path_becomes_absolute(void **state)
{
    (void)state;
    _cleanup_(problems_freep) struct problems *problems = problems_new("d.yaml");
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_free_ char *folder = getcwd(NULL, 0);
    _cleanup_free_ char *expected = path_join(folder, "demo/hosts.yaml");

    assert_int_equal(settings_load_text(ZONES, strlen(ZONES), "demo/d.yaml", problems, &settings), 0);
    assert_string_equal(settings->hosts_file, expected);
}

/* The node of a key by its dotted name, NULL: not there. */
static const struct yaml_node *find_key(const struct yaml_node *root, const char *name)
{
    const char *dot = strrchr(name, '.');
    char section[64] = "";

    if (dot == NULL) {
        return yaml_get(root, name);
    }
    memcpy(section, name, (size_t)(dot - name));
    if (strcmp(section, "zones[]") == 0) {
        return yaml_get(yaml_get(root, "zones")->items[0], dot + 1);
    }
    if (strcmp(section, "zones[].tsig") == 0) {
        return yaml_get(yaml_get(yaml_get(root, "zones")->items[0], "tsig"), dot + 1);
    }
    const struct yaml_node *mapping = settings_section_node(root, section);
    return mapping == NULL ? NULL : yaml_get(mapping, dot + 1);
}

/* Both are read from the top of the sources, where make starts the tests. */
static void the_sample_file_has_every_key_with_its_default(void **state)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("etc/ddns53d.yaml");
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_buffer_ struct buffer sample = BUFFER_INIT;
    _cleanup_buffer_ struct buffer of_sample = BUFFER_INIT;
    _cleanup_buffer_ struct buffer of_defaults = BUFFER_INIT;

    (void)state;
    assert_int_equal(file_read("etc/ddns53d.yaml", 1024 * 1024, &sample, NULL), 0);
    assert_int_equal(yaml_load_text(sample.data, sample.length, problems, &document), 0);
    for (size_t i = 0; settings_key_name(i) != NULL; i++) {
        if (find_key(yaml_root(document), settings_key_name(i)) == NULL) {
            fail_msg("etc/ddns53d.yaml does not have %s", settings_key_name(i));
        }
    }
    _cleanup_(settings_unrefp) struct settings *sampled = load_good(buffer_text(&sample));
    _cleanup_(settings_unrefp) struct settings *defaults = load_good(ZONES);
    settings_dump(sampled, &of_sample);
    settings_dump(defaults, &of_defaults);
    assert_string_equal(buffer_text(&of_sample), buffer_text(&of_defaults));
}

static void the_manual_page_has_every_key(void **state)
{
    _cleanup_buffer_ struct buffer manual = BUFFER_INIT;
    char item[128], heading[128];

    (void)state;
    assert_int_equal(file_read("man/ddns53d.yaml.5", 1024 * 1024, &manual, NULL), 0);
    for (size_t i = 0; settings_key_name(i) != NULL; i++) {
        assert_true(strlen(settings_key_help(i)) > 0);
        (void)snprintf(item, sizeof(item), "\n.It Cm %s\n", settings_key_name(i));
        (void)snprintf(heading, sizeof(heading), "\n.Ss %s\n", settings_key_name(i)); /* zones, with keys below it */
        if (strstr(buffer_text(&manual), item) == NULL && strstr(buffer_text(&manual), heading) == NULL) {
            fail_msg("man/ddns53d.yaml.5 does not have %s", settings_key_name(i));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default),
        cmocka_unit_test(every_key),
        cmocka_unit_test(a_dump_loads_again_and_dumps_the_same),
#ifdef HAVE_KNOT
        cmocka_unit_test(the_key_of_a_zone),
        cmocka_unit_test(another_secret_needs_a_restart),
        cmocka_unit_test(the_file_of_a_key),
#endif
        cmocka_unit_test(every_problem_in_one_go),
        cmocka_unit_test(a_key_twice_is_refused),
        cmocka_unit_test(empty_sections_are_fine),
        cmocka_unit_test(a_short_api_key_is_warned_about),
        cmocka_unit_test(what_needs_a_restart),
        cmocka_unit_test(a_reload_of_every_row_twice),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(the_control_socket_is_where_systemd_makes_its_folder),
        cmocka_unit_test(the_longest_zone_wins),
        cmocka_unit_test(files_and_their_modes),
        cmocka_unit_test(a_relative_path_becomes_absolute),
        cmocka_unit_test(the_sample_file_has_every_key_with_its_default),
        cmocka_unit_test(the_manual_page_has_every_key),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
