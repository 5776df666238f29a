#include "ctl/device.h"

#include <string.h>

/* ---- programs: each of these is run by tests/e2e/test_ctl_client.py ---- */

static const char curl[] =
    "url={url|sh} host={fqdn} secret={secret|sh}\n"
    "for family in{?A} -4{/}{?AAAA} -6{/}; do\n"
    "{?hash}"
    "    address=$(curl -sS --fail-with-body $family \"$url/ip\") &&\n"
    "        hash=$(printf %s \"$address$host$secret\" | sha256sum | cut -d ' ' -f 1) &&\n"
    "        curl -sS --fail-with-body $family \"$url/?mode=set&hostname=$host&hash=$hash\"\n"
    "{/}"
    "{?signed}"
    "    address=$(curl -sS --fail-with-body $family \"$url/ip\") && time=$(date +%s) && nonce=$(openssl rand -hex 16) "
    "&&\n"
    "        signature=$(printf '%s\\n' ddns53-1 set \"$host\" \"$address\" \"$time\" \"$nonce\" |\n"
    "            openssl dgst -sha256 -hmac \"$secret\" | sed 's/.* //') &&\n"
    "        curl -sS --fail-with-body $family \\\n"
    "            \"$url/?mode=set&hostname=$host&time=$time&nonce=$nonce&signature=$signature\"\n"
    "{/}"
    "{?basic}"
    "    curl -sS --fail-with-body $family -u \"any:$secret\" \"$url/nic/update?hostname=$host\"\n"
    "{/}"
    "{?secret}"
    "    curl -sS --fail-with-body $family --get --data-urlencode \"secret=$secret\" "
    "\"$url/?hostname=$host&newip=auto\"\n"
    "{/}"
    "done\n";

static const char shell[] = "# contrib/clients/ddns53-client, in PATH\n"
                            "(umask 077 && printf '%s\\n' {secret|sh} >\"$HOME/.ddns53-{name}\")\n"
                            "ddns53-client --url {url|sh}/ --hostname {name} --secret-file \"$HOME/.ddns53-{name}\""
                            "{?both} --both{:}{?AAAA} -6{/}{/}\n";

static const char cron[] =
    "# crontab -e; contrib/clients/ddns53-client is in PATH. Once, in a shell:\n"
    "#   (umask 077 && printf '%s\\n' {secret|sh} >\"$HOME/.ddns53-{name}\")\n"
    "*/5 * * * * ddns53-client --quiet --url {url|sh}/ --hostname {name} --secret-file \"$HOME/.ddns53-{name}\""
    " --cache \"$HOME/.cache/ddns53-{name}\"{?both} --both{:}{?AAAA} -6{/}{/}\n";

static const char systemd[] =
    "# As root, in contrib/clients of ddns53:\n"
    "install -D -m 0755 ddns53-client /usr/bin/ddns53-client\n"
    "install -D -m 0644 -t /etc/systemd/system systemd/ddns53-client@.service systemd/ddns53-client@.timer\n"
    "install -d -m 0700 /etc/ddns53-client\n"
    "(umask 077 && printf '%s\\n' {secret|sh} >/etc/ddns53-client/{name}.secret)\n"
    "printf '%s\\n' DDNS53_URL={url}/ OPTIONS={?both}--both{:}{?AAAA}-6{/}{/} >/etc/ddns53-client/{name}.env\n"
    "systemctl enable --now ddns53-client@{name}.timer\n";

static const char powershell[] =
    "# In a PowerShell of an administrator; contrib/clients/ddns53-client.ps1 is C:\\ddns53-client.ps1\n"
    "New-Item -ItemType Directory -Force C:\\ProgramData\\ddns53\n"
    "Set-Content -Path C:\\ProgramData\\ddns53\\secret -Value {secret|ps}\n"
    "icacls C:\\ProgramData\\ddns53\\secret /inheritance:r /grant SYSTEM:R Administrators:F\n"
    "C:\\ddns53-client.ps1 -Url {url}/ -Hostname {name} -SecretFile C:\\ProgramData\\ddns53\\secret{?hash} -Auth "
    "hash{/}\n"
    "schtasks /Create /TN ddns53 /SC MINUTE /MO 5 /RU SYSTEM /TR \"powershell -NoProfile -ExecutionPolicy Bypass "
    "-File C:\\ddns53-client.ps1 -Quiet -Url {url}/ -Hostname {name} -SecretFile C:\\ProgramData\\ddns53\\secret"
    "{?hash} -Auth hash{/}\"\n";

static const char inadyn[] = "# /etc/inadyn.conf, mode 0600\n"
                             "period = 300\n"
                             "{?AAAA}allow-ipv6 = true\n{/}"
                             "{?A}"
                             "custom ddns53 {\n"
                             "    ddns-server = \"{server}\"\n"
                             "    ddns-path = \"/nic/update?hostname=%h&myip=%i\"\n"
                             "    username = any\n"
                             "    password = \"{secret|conf}\"\n"
                             "    hostname = \"{name}\"\n"
                             "    checkip-command = \"/usr/bin/curl -fsS4 {url}/ip\"\n"
                             "}\n"
                             "{/}"
                             "{?AAAA}"
                             "custom ddns53:6 {\n"
                             "    ddns-server = \"{server}\"\n"
                             "    ddns-path = \"/nic/update?hostname=%h&myip=%i\"\n"
                             "    username = any\n"
                             "    password = \"{secret|conf}\"\n"
                             "    hostname = \"{name}\"\n"
                             "    checkip-command = \"/usr/bin/curl -fsS6 {url}/ip\"\n"
                             "}\n"
                             "{/}";

static const char merlin[] =
    "# /jffs/inadyn.conf, mode 0600. Then WAN / DDNS: Enable the DDNS Client: Yes, Server: Custom, Host Name: {name}\n"
    "iterations = 1\n"
    "{?A}"
    "custom ddns53 {\n"
    "    ddns-server = \"{server}\"\n"
    "    ddns-path = \"/nic/update?hostname=%h&myip=%i\"\n"
    "    username = any\n"
    "    password = \"{secret|conf}\"\n"
    "    hostname = \"{name}\"\n"
    "    checkip-command = \"/usr/sbin/curl -fsS4 {url}/ip\"\n"
    "}\n"
    "{:}# inadyn of this firmware is set up for IPv4 here; the host has no A record\n{/}";

static const char ddclient3[] =
    "# /etc/ddclient.conf, mode 0600, of ddclient 3.10 and 3.11, which set the A record only\n"
    "daemon=300\n"
    "syslog=yes\n"
    "ssl=yes\n"
    "pid=/run/ddclient.pid\n"
    "cache=/var/cache/ddclient/ddclient.cache\n"
    "usev4=webv4, webv4={url}/ip\n"
    "protocol=dyndns2, server={server}, login=any, password='{secret}' {name}\n";

static const char ddclient4[] =
    "# /etc/ddclient.conf, mode 0600, of ddclient 4{?AAAA}; eth0 is the interface that has the IPv6 address{/}\n"
    "daemon=300\n"
    "syslog=yes\n"
    "ssl=yes\n"
    "pid=/run/ddclient.pid\n"
    "cache=/var/cache/ddclient/ddclient.cache\n"
    "{?A}usev4=webv4, webv4={url}/ip\n{/}"
    "{?AAAA}usev6=ifv6, ifv6=eth0\n{/}"
    "protocol=dyndns2, server={server}, login=any, password='{secret}' {name}\n";

/* ---- devices ---- */

static const char openwrt[] =
    "# /etc/config/ddns; packages ddns-scripts, ca-bundle, and wget-ssl or curl\n"
    "{?A}"
    "config service 'ddns53_ipv4'\n"
    "\toption enabled '1'\n"
    "\toption interface 'wan'\n"
    "\toption use_ipv6 '0'\n"
    "\toption ip_source 'network'\n"
    "\toption ip_network 'wan'\n"
    "\toption lookup_host '{name}'\n"
    "\toption domain '{name}'\n"
    "\toption username 'any'\n"
    "\toption password {secret|sh}\n"
    "\toption use_https '1'\n"
    "\toption cacert '/etc/ssl/certs/ca-certificates.crt'\n"
    "\toption update_url 'http://[USERNAME]:[PASSWORD]@{server}/nic/update?hostname=[DOMAIN]&myip=[IP]'\n"
    "\n"
    "{/}"
    "{?AAAA}"
    "config service 'ddns53_ipv6'\n"
    "\toption enabled '1'\n"
    "\toption interface 'wan6'\n"
    "\toption use_ipv6 '1'\n"
    "\toption ip_source 'network'\n"
    "\toption ip_network 'wan6'\n"
    "\toption lookup_host '{name}'\n"
    "\toption domain '{name}'\n"
    "\toption username 'any'\n"
    "\toption password {secret|sh}\n"
    "\toption use_https '1'\n"
    "\toption cacert '/etc/ssl/certs/ca-certificates.crt'\n"
    "\toption update_url 'http://[USERNAME]:[PASSWORD]@{server}/nic/update?hostname=[DOMAIN]&myip=[IP]'\n"
    "{/}";

/* `?` is written as \3F, since the console of version 6 takes it for a call for help. The brackets find one address. */
#define ROUTEROS_FETCH(family, variable)                                            \
    "{?basic}"                                                                      \
    "    /tool fetch url=\"{url}/nic/update\\3Fhostname={name}&myip=$" variable     \
    "\" user=\"any\" password=\"{secret|ros}\" check-certificate=yes output=none\n" \
    "{:}"                                                                           \
    "    /tool fetch url=\"{url}/\\3Fhostname={name}&newip=$" variable              \
    "&secret={secret|url}\" check-certificate=yes output=none\n"                    \
    "{/}"
#define ROUTEROS(check)                                                                                                \
    "# In a terminal; ether1 is the interface that has the public address.\n" check                                    \
    "/system script add name=ddns53 policy=read,write,policy,test,ftp source={\n"                                      \
    "    :local wan \"ether1\"\n"                                                                                      \
    "{?A}"                                                                                                             \
    "    :local ip4 [/ip address get [find interface=$wan disabled=no] address]\n" ROUTEROS_FETCH(                     \
        "A",                                                                                                           \
        "ip4") "{/}"                                                                                                   \
               "{?AAAA}"                                                                                               \
               "    :local ip6 [/ipv6 address get [find interface=$wan global disabled=no] address]\n" ROUTEROS_FETCH( \
                   "AAAA", "ip6") "{/}"                                                                                \
                                  "}\n"                                                                                \
                                  "/system scheduler add name=ddns53 interval=5m start-time=startup on-event=ddns53 "  \
                                  "policy=read,write,policy,test,ftp\n"

static const char routeros6[] =
    ROUTEROS("# The authority of the server's certificate must be imported: /certificate import file-name=ca.pem\n");
static const char routeros7[] = ROUTEROS(
    "# For the usual authorities: /certificate settings set builtin-trust-anchors=trusted (from 7.19 on); before\n"
    "# that, /certificate import file-name=ca.pem\n");

static const char unifi[] = "Settings / Internet / (the WAN) / Dynamic DNS / Create New Dynamic DNS\n"
                            "  Service:  custom\n"
                            "  Hostname: {name}\n"
                            "  Username: any\n"
                            "  Password: {secret}\n"
                            "  Server:   {server}/nic/update?hostname=%h&myip=%i\n";

static const char fritzbox[] =
    "Internet / Permit Access / DynDNS\n"
    "  Use DynDNS:       yes\n"
    "  DynDNS provider:  User-defined\n"
    "  Update URL:       {url}/nic/update?hostname=<domain>{?A}&myip=<ipaddr>{/}{?AAAA}&myipv6=<ip6addr>{/}"
    "{?followers}&ip6lanprefix=<ip6lanprefix>{/}\n"
    "  Domain name:      {name}\n"
    "  User name:        any\n"
    "  Password:         {secret}\n"
    "{?both}Where each family shall come by itself, two URLs in the same field, with a space between them:\n"
    "  Update URL:       {url}/nic/update?hostname=<domain>&myip=<ipaddr> "
    "{url}/nic/update?hostname=<domain>&myipv6=<ip6addr>{?followers}&prefix=<ip6lanprefix>{/}\n{/}";

static const char pfsense[] =
    "Services / Dynamic DNS / Dynamic DNS Clients / Add{?both}, once for each of the two types{/}\n"
    "  Service Type:         {?A}Custom{/}{?both} | {/}{?AAAA}Custom (v6){/}\n"
    "  Interface to monitor: WAN\n"
    "  Interface to send update from: WAN\n"
    "  Verify SSL/TLS Certificate Trust: yes\n"
    "  Username:             any\n"
    "  Password:             {secret}\n"
    "  Update URL:           {url}/nic/update?hostname={name}&myip=%IP%\n"
    "  Result Match:         good %IP%|nochg %IP%\n";

static const char opnsense[] =
    "Services / Dynamic DNS / Settings / General settings: Enable: yes, Backend: native; then Accounts / +\n"
    "  Enabled:         yes\n"
    "  Service:         Custom\n"
    "  Protocol:        DynDns2\n"
    "  Server:          {server}\n"
    "  Username:        any\n"
    "  Password:        {secret}\n"
    "  Hostname(s):     {name}\n"
    "  Check ip method: Interface [{?both}IPv4] | [IPv6{:}{?A}IPv4{:}IPv6{/}{/}]{?both}, an account for each{/}\n"
    "  Interface to monitor: WAN\n"
    "  Force SSL:       yes\n";

static const char synology[] =
    "Control Panel / External Access / DDNS / Customize Provider\n"
    "  Service Provider: ddns53\n"
    "  Query URL: {url}/nic/update?hostname=__HOSTNAME__&myip=__MYIP__&username=__USERNAME__&password=__PASSWORD__\n"
    "then External Access / DDNS / Add\n"
    "  Service provider: *ddns53\n"
    "  Hostname:         {name}\n"
    "  Username/Email:   any\n"
    "  Password/Key:     {secret}\n";

static const char ddwrt[] = "Setup / DDNS\n"
                            "  DDNS Service:  Custom\n"
                            "  DYNDNS Server: {server}\n"
                            "  User Name:     any\n"
                            "  Password:      {secret}\n"
                            "  Hostname:      {name}\n"
                            "  URL:           /nic/update?hostname=%h&myip=%i\n"
                            "  Use HTTPS:     yes\n";

static const char draytek[] = "Applications / Dynamic DNS / (an index)\n"
                              "  Enable Dynamic DNS Account: yes\n"
                              "  WAN Interface:    WAN1 First\n"
                              "  Service Provider: User-Defined\n"
                              "  Provider Host:    {server}\n"
                              "  Service API:      /nic/update?hostname={name}&myip=###IP###\n"
                              "  Auth Type:        basic\n"
                              "  Connection Type:  Https\n"
                              "  Server Response:  good\n"
                              "  Login Name:       any\n"
                              "  Password:         {secret}\n";

static const char fortigate[] =
    "config system automation-action\n"
    "    edit \"ddns53\"\n"
    "        set action-type webhook\n"
    "        set protocol https\n"
    "        set method get\n"
    "        set uri \"{server}/nic/update?hostname={name}&username=any&password={secret|url}\"\n"
    "        set port 443\n"
    "        set verify-host-cert enable\n"
    "    next\n"
    "end\n"
    "config system automation-trigger\n"
    "    edit \"ddns53\"\n"
    "        set trigger-type scheduled\n"
    "        set trigger-frequency hourly\n"
    "        set trigger-minute 7\n"
    "    next\n"
    "end\n"
    "config system automation-stitch\n"
    "    edit \"ddns53\"\n"
    "        set trigger \"ddns53\"\n"
    "        config actions\n"
    "            edit 1\n"
    "                set action \"ddns53\"\n"
    "            next\n"
    "        end\n"
    "    next\n"
    "end\n";

static const char zyxel[] = "Configuration / Network / DDNS / Add\n"
                            "  Enable DDNS Profile: yes\n"
                            "  Profile Name:    ddns53\n"
                            "  DDNS Type:       User custom\n"
                            "  HTTPS:           yes\n"
                            "  Username:        any\n"
                            "  Password:        {secret}\n"
                            "  Domain Name:     {name}\n"
                            "  Primary Binding Address, IP Address: Interface\n"
                            "  DYNDNS Server:   {server}\n"
                            "  URL:             /nic/update?hostname=\n"
                            "  Additional DDNS Options: dyndns_system=custom@http_svr_basic_auth\n";

static const char cisco[] =
    "! configure terminal; type Ctrl-V in front of the \"?\"; Dialer1 is the interface that has the public address\n"
    "ip ddns update method ddns53\n"
    " HTTP\n"
    "  add https://any:{secret|url}@{server}/nic/update?hostname=<h>&myip=<a>\n"
    " interval maximum 0 1 0 0\n"
    "interface Dialer1\n"
    " ip ddns update hostname {name}\n"
    " ip ddns update ddns53\n";

static const char generic[] = "{?basic}"
                              "What speaks dyndns2 (DynDNS, DynDNS v2, No-IP; custom, user-defined):\n"
                              "  Server:   {server}\n"
                              "  Path:     /nic/update?hostname={name}&myip=(the device's word for its address)\n"
                              "  User:     any\n"
                              "  Password: {secret}\n"
                              "  Success:  good, nochg\n"
                              "What can only open a URL; the address that it comes from is set:\n"
                              "  {url}/nic/update?hostname={name}&username=any&password={secret|url}\n"
                              "{:}"
                              "What can only open a URL; the address that it comes from is set, and the answer is OK:\n"
                              "  {url}/?hostname={name}&newip=auto&secret={secret|url}\n"
                              "{/}";

static const char generic_url[] = "{?basic}{url}/nic/update?hostname={name}&username=any&password={secret|url}"
                                  "{:}{url}/?hostname={name}&newip=auto&secret={secret|url}{/}";

/* ---- the table ---- */

static const struct device devices[] = {
    {"curl", "curl in a shell", {AUTH_SIGNED, AUTH_HASH, AUTH_BASIC, AUTH_SECRET}, NULL, curl, NULL},
    {"sh", "ddns53-client in any POSIX shell", {AUTH_SIGNED, AUTH_HASH}, NULL, shell, NULL},
    {"powershell",
     "ddns53-client.ps1 on Windows",
     {AUTH_SIGNED, AUTH_HASH},
     "contrib/clients/ddns53-client.ps1, whose requests a test sends",
     powershell,
     NULL},
    {"cron", "ddns53-client from cron", {AUTH_SIGNED, AUTH_HASH}, NULL, cron, NULL},
    {"systemd", "ddns53-client from a systemd timer", {AUTH_SIGNED, AUTH_HASH}, NULL, systemd, NULL},
    {"routeros6",
     "MikroTik RouterOS 6",
     {AUTH_BASIC, AUTH_SECRET},
     "MikroTik's manual, Tools / Fetch and System / Scheduler",
     routeros6,
     NULL},
    {"routeros7",
     "MikroTik RouterOS 7",
     {AUTH_BASIC, AUTH_SECRET},
     "MikroTik's manual, Tools / Fetch and System / Scheduler",
     routeros7,
     NULL},
    {"inadyn", "inadyn 2.10", {AUTH_BASIC}, NULL, inadyn, NULL},
    {"ddclient3", "ddclient 3.10, 3.11", {AUTH_BASIC}, NULL, ddclient3, NULL},
    {"ddclient4",
     "ddclient 4",
     {AUTH_BASIC},
     "the source of ddclient 4.0.0; 3.10 is what reads it in a test",
     ddclient4,
     NULL},
    {"openwrt",
     "OpenWrt (ddns-scripts)",
     {AUTH_BASIC},
     "the source of ddns-scripts, dynamic_dns_functions.sh, do_transfer",
     openwrt,
     NULL},
    {"unifi", "UniFi gateway", {AUTH_BASIC}, "the source of inadyn 2.9.1, which the gateway runs", unifi, NULL},
    {"fritzbox",
     "FRITZ!Box",
     {AUTH_BASIC},
     "AVM's help of Internet / Permit Access / DynDNS: its placeholders",
     fritzbox,
     NULL},
    {"pfsense",
     "pfSense",
     {AUTH_BASIC},
     "the source of pfSense, dyndns.class, services custom and custom-v6",
     pfsense,
     NULL},
    {"opnsense",
     "OPNsense (os-ddclient)",
     {AUTH_BASIC},
     "the source of os-ddclient, account/dyndns2.py",
     opnsense,
     NULL},
    {"synology",
     "Synology DSM",
     {AUTH_BASIC},
     "Synology's help of External Access / DDNS / Customize Provider",
     synology,
     NULL},
    {"asuswrt-merlin",
     "Asuswrt-Merlin",
     {AUTH_BASIC},
     "Asuswrt-Merlin's wiki, Custom DDNS; inadyn itself is run in a test",
     merlin,
     NULL},
    {"dd-wrt", "DD-WRT", {AUTH_BASIC}, "the source of DD-WRT, services/networking/ddns.c", ddwrt, NULL},
    {"draytek",
     "DrayTek Vigor",
     {AUTH_BASIC},
     "DrayTek's manual, Applications / Dynamic DNS, User-Defined",
     draytek,
     NULL},
    {"fortigate",
     "FortiGate (automation stitch)",
     {AUTH_BASIC},
     "FortiOS 7.2 CLI Reference, system automation-action: webhook",
     fortigate,
     NULL},
    {"zyxel",
     "Zyxel USG, ATP, VPN",
     {AUTH_BASIC},
     "Zyxel's user's guide of ZLD, Network / DDNS, User custom; inadyn 1, which it runs, puts the hostname behind the "
     "URL",
     zyxel,
     NULL},
    {"cisco",
     "Cisco IOS, IOS XE",
     {AUTH_BASIC},
     "Cisco's IP Addressing: DNS Configuration Guide, Dynamic DNS Support, HTTP Updates",
     cisco,
     NULL},
    {"generic",
     "any other device",
     {AUTH_BASIC, AUTH_SECRET},
     "what ddns53-api(7) says of /nic/update and of secret",
     generic,
     generic_url},
};

const char *const device_words[] = {
    "curl",           "sh",        "powershell", "cron",      "systemd",  "routeros6", "routeros7", "inadyn",
    "ddclient3",      "ddclient4", "openwrt",    "unifi",     "fritzbox", "pfsense",   "opnsense",  "synology",
    "asuswrt-merlin", "dd-wrt",    "draytek",    "fortigate", "zyxel",    "cisco",     "generic",   NULL,
};
_Static_assert(ELEMENTS(devices) + 1 == ELEMENTS(device_words), "each device has its word");

const struct device *device_at(size_t index)
{
    return index < ELEMENTS(devices) ? &devices[index] : NULL;
}

const struct device *device_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(devices); i++) {
        if (strcmp(devices[i].name, name) == 0) {
            return &devices[i];
        }
    }
    return NULL;
}

unsigned device_scheme(const struct device *device, unsigned auth)
{
    for (const unsigned *scheme = device->schemes; *scheme != 0; scheme++) {
        if ((auth & *scheme) != 0) {
            return *scheme;
        }
    }
    return 0;
}

void device_print_schemes(const struct device *device, struct buffer *buffer)
{
    buffer_append_char(buffer, '[');
    for (const unsigned *scheme = device->schemes; *scheme != 0; scheme++) {
        buffer_printf(buffer, "%s%s", scheme == device->schemes ? "" : ", ", auth_scheme_text(*scheme));
    }
    buffer_append_char(buffer, ']');
}
