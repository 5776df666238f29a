#include "api/unspoken.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

enum meaning {
    MEANS_SWITCH,  /* harmless where it says no */
    MEANS_ACTION,  /* harmless where it says to update */
    MEANS_HOST,    /* harmless where it is empty */
    MEANS_ADDRESS, /* the same */
    MEANS_RECORD,  /* never harmless: an empty TXT is a TXT as well */
};

static const char *const reasons[] = {
    [MEANS_SWITCH] =
        "a parameter asks for something that this path does not do (a deletion, going offline, a trial); leave it out, "
        "or withdraw a record as ddns53-api(7) has it",
    [MEANS_ACTION] = "a parameter asks for another action than an update, which this path does not have; leave it out",
    [MEANS_HOST] = "a parameter names a host as another protocol does; send hostname=HOST",
    [MEANS_ADDRESS] = "a parameter names an address as another protocol does; ddns53-api(7) has the names that are "
                      "understood at this path",
    [MEANS_RECORD] =
        "a parameter is about a type of record, and an update sets A and AAAA by the address alone; leave it out",
};
static const char not_a_name[] = "a parameter's name is not one, or it has no value; send NAME=VALUE with a plain & "
                                 "between them";

/* Sorted by name, for the search. Dyn, No-IP, DuckDNS, dynv6, deSEC, Dynu, Namecheap, FreeDNS, Hurricane Electric and
 * the dialects of this server among themselves. */
static const struct row {
    const char *name; /* lower case */
    enum meaning meaning;
} rows[] = {
    {"a", MEANS_ADDRESS},
    {"aaaa", MEANS_ADDRESS},
    {"action", MEANS_ACTION},
    {"addr", MEANS_ADDRESS},
    {"address", MEANS_ADDRESS},
    {"addresses", MEANS_ADDRESS},
    {"alias", MEANS_HOST},
    {"clear", MEANS_SWITCH},
    {"cmd", MEANS_ACTION},
    {"cname", MEANS_RECORD},
    {"command", MEANS_ACTION},
    {"ddns_hostname", MEANS_HOST},
    {"del", MEANS_SWITCH},
    {"delete", MEANS_SWITCH},
    {"disable", MEANS_SWITCH},
    {"dnsto", MEANS_ADDRESS},
    {"domain", MEANS_HOST},
    {"domainname", MEANS_HOST},
    {"domains", MEANS_HOST},
    {"dry-run", MEANS_SWITCH},
    {"dry_run", MEANS_SWITCH},
    {"dryrun", MEANS_SWITCH},
    {"fqdn", MEANS_HOST},
    {"group", MEANS_HOST},
    {"host", MEANS_HOST},
    {"host_id", MEANS_HOST},
    {"hostid", MEANS_HOST},
    {"hostname", MEANS_HOST},
    {"hostnames", MEANS_HOST},
    {"hosts", MEANS_HOST},
    {"internal_ip", MEANS_ADDRESS},
    {"internalip", MEANS_ADDRESS},
    {"ip", MEANS_ADDRESS},
    {"ip4", MEANS_ADDRESS},
    {"ip4addr", MEANS_ADDRESS},
    {"ip6", MEANS_ADDRESS},
    {"ip6addr", MEANS_ADDRESS},
    {"ip6lanprefix", MEANS_ADDRESS},
    {"ip6prefix", MEANS_ADDRESS},
    {"ipaddr", MEANS_ADDRESS},
    {"ipaddress", MEANS_ADDRESS},
    {"ips", MEANS_ADDRESS},
    {"ipv4", MEANS_ADDRESS},
    {"ipv4addr", MEANS_ADDRESS},
    {"ipv6", MEANS_ADDRESS},
    {"ipv6addr", MEANS_ADDRESS},
    {"ipv6lanprefix", MEANS_ADDRESS},
    {"ipv6prefix", MEANS_ADDRESS},
    {"lanprefix", MEANS_ADDRESS},
    {"location", MEANS_HOST},
    {"mode", MEANS_ACTION},
    {"my_ip", MEANS_ADDRESS},
    {"myaddress", MEANS_ADDRESS},
    {"myip", MEANS_ADDRESS},
    {"myip4", MEANS_ADDRESS},
    {"myip6", MEANS_ADDRESS},
    {"myips", MEANS_ADDRESS},
    {"myipv4", MEANS_ADDRESS},
    {"myipv6", MEANS_ADDRESS},
    {"newip", MEANS_ADDRESS},
    {"offline", MEANS_SWITCH},
    {"op", MEANS_ACTION},
    {"operation", MEANS_ACTION},
    {"prefix", MEANS_ADDRESS},
    {"publicip", MEANS_ADDRESS},
    {"record", MEANS_HOST},
    {"record_type", MEANS_RECORD},
    {"remove", MEANS_SWITCH},
    {"rrtype", MEANS_RECORD},
    {"subdomain", MEANS_HOST},
    {"subdomains", MEANS_HOST},
    {"txt", MEANS_RECORD},
    {"type", MEANS_RECORD},
    {"wanip", MEANS_ADDRESS},
    {"zone", MEANS_HOST},
};

static bool is_one_of(const char *value, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool unspoken_is_off(const char *value)
{
    static const char *const words[] = {"", "0", "no", "off", "false", "nochg"};

    return is_one_of(value, words, ELEMENTS(words));
}

static bool is_update(const char *value)
{
    static const char *const words[] = {"", "set", "update"};

    return is_one_of(value, words, ELEMENTS(words));
}

/* Letters, digits, `_`, `-` and `.`: what `&amp;` and a query that was encoded twice leave behind is no name. */
static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

static int compare(const void *name, const void *row)
{
    return strcasecmp(name, ((const struct row *)row)->name);
}

static bool is_harmless(enum meaning meaning, const char *value)
{
    switch (meaning) {
    case MEANS_SWITCH: return unspoken_is_off(value);
    case MEANS_ACTION: return is_update(value);
    case MEANS_HOST:
    case MEANS_ADDRESS: return value[0] == '\0';
    case MEANS_RECORD: break;
    }
    return false;
}

const char *unspoken_reason(const char *name, const char *value)
{
    if (!is_name(name) || !value) {
        return not_a_name;
    }
    const struct row *row = bsearch(name, rows, ELEMENTS(rows), sizeof(rows[0]), compare);
    return !row || is_harmless(row->meaning, value) ? NULL : reasons[row->meaning];
}
