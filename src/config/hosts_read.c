/* One mapping of hosts.yaml: its keys each by itself, then what they say together. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "config/hosts_table.h"
#include "config/value.h"

/* ---- keys ---- */

int host_read_bool(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                   struct host_draft *draft)
{
    bool *field = (bool *)(void *)((char *)&draft->host + row->offset);
    return value_read_bool(file->problems, row->name, node, field);
}

static int read_name(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                     struct name *ret_name)
{
    const char *text, *reason;

    int r = value_read_text(file->problems, row->name, node, &text);
    if (r == 0 && name_parse(text, node->length, ret_name, &reason) < 0) {
        problems_add(file->problems, node->line, node->column, "%s: \"%s\" is no host name: %s", row->name,
                     value_show_warily(text).text, reason);
        r = -EINVAL;
    }
    return r;
}

static void add_outside_zones(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                              const char *hostname)
{
    _cleanup_buffer_ struct buffer zones = BUFFER_INIT;
    const size_t shown_max = 5;

    for (size_t i = 0; i < file->settings->zone_count && i < shown_max; i++) {
        buffer_printf(&zones, "%s%s", i == 0 ? "" : ", ", file->settings->zones[i].name.text);
    }
    if (file->settings->zone_count > shown_max) {
        buffer_printf(&zones, " and %zu more", file->settings->zone_count - shown_max);
    }
    problems_add(file->problems, node->line, node->column,
                 "%s: %s is in none of the zones (%s), correct it or add its zone to the settings", row->name, hostname,
                 buffer_text(&zones));
}

int host_read_hostname(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                       struct host_draft *draft)
{
    int r = read_name(file, row, node, &draft->hostname);
    if (r < 0) {
        return r;
    }
    int zone = settings_zone_of(file->settings, draft->hostname.text);
    if (zone < 0) {
        add_outside_zones(file, row, node, draft->hostname.text);
        return -EINVAL;
    }
    draft->host.zone = (uint16_t)zone;
    return 0;
}

static int add_record_type(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                           struct host_draft *draft)
{
    const char *text;

    int r = value_read_text(file->problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    unsigned bit = 0;
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        bit |= strcmp(text, record_type_text((enum record_type)type)) == 0 ? 1U << type : 0;
    }
    if (bit == 0) {
        value_add_error(file->problems, row->name, node, "is none of A, AAAA and TXT");
        return -EINVAL;
    }
    if ((draft->host.record_types & bit) != 0) {
        value_add_error(file->problems, row->name, node, "is named twice, remove one");
        return -EINVAL;
    }
    draft->host.record_types = (uint8_t)(draft->host.record_types | bit);
    return 0;
}

int host_read_record_type(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                          struct host_draft *draft)
{
    int result = 0;

    if (node->kind != YAML_SEQUENCE) {
        return add_record_type(file, row, node, draft);
    }
    if (node->count == 0) {
        problems_add(file->problems, node->line, node->column, "%s: is empty, name A, AAAA, TXT or several of them",
                     row->name);
        return -EINVAL;
    }
    for (size_t i = 0; i < node->count; i++) {
        int r = add_record_type(file, row, node->items[i], draft);
        result = r < 0 ? r : result;
    }
    return result;
}

int host_read_auth(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                   struct host_draft *draft)
{
    unsigned set;

    int r = value_read_schemes(file->problems, row->name, node, &set);
    if (r == 0) {
        draft->host.auth = (uint8_t)set;
    }
    return r;
}

int host_read_ttl(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                  struct host_draft *draft)
{
    uint64_t value;

    int r = value_read_uint(file->problems, row->name, node, row->minimum, row->maximum, row->unit, &value);
    if (r == 0) {
        draft->host.ttl_s = (uint32_t)value;
    }
    return r;
}

int host_read_mac_address(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                          struct host_draft *draft)
{
    uint8_t mac[6];
    const char *text;

    int r = value_read_text(file->problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    if (mac_parse(text, mac) < 0) {
        value_add_error(file->problems, row->name, node, "is no MAC address, write it like 51:6B:00:A6:F5:77");
        return -EINVAL;
    }
    if (draft->given[HOST_INTERFACE_ID] == NULL) { /* one that comes later replaces it */
        eui64_from_mac(mac, draft->more.interface_id);
    }
    return 0;
}

int host_read_follows(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                      struct host_draft *draft)
{
    struct name router; /* looked for when all hosts are known */
    (void)draft;
    return read_name(file, row, node, &router);
}

int host_read_interface_id(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                           struct host_draft *draft)
{
    static const uint8_t zero[8];
    uint8_t bytes[16]; /* not a struct address: ::ffff:0:1 is an interface id like any other here, not IPv4 */
    const char *text;

    int r = value_read_text(file->problems, row->name, node, &text);
    if (r < 0) {
        return r;
    }
    if (inet_pton(AF_INET6, text, bytes) != 1) {
        value_add_error(file->problems, row->name, node,
                        "is no interface id, write the low 64 bits like ::211:32ff:fe12:3456");
        return -EINVAL;
    }
    if (memcmp(bytes, zero, sizeof(zero)) != 0) {
        value_add_error(file->problems, row->name, node,
                        "has bits set in its high 64, which come from the prefix: begin it with ::");
        return -EINVAL;
    }
    if (memcmp(bytes + 8, zero, sizeof(zero)) == 0) { /* the subnet-router anycast address, RFC 4291 section 2.6.1 */
        value_add_error(file->problems, row->name, node, "is all zero, which is the address of every router");
        return -EINVAL;
    }
    memcpy(draft->more.interface_id, bytes + 8, sizeof(draft->more.interface_id));
    return 0;
}

int host_read_subnet_id(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                        struct host_draft *draft)
{
    return value_read_uint(file->problems, row->name, node, row->minimum, row->maximum, row->unit,
                           &draft->more.subnet_id);
}

int host_read_comment(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                      struct host_draft *draft)
{
    (void)draft;
    if (node->kind != YAML_SCALAR) {
        problems_add(file->problems, node->line, node->column, "%s: must be a text, put it into quotes", row->name);
        return -EINVAL;
    }
    return 0;
}

/* ---- together ---- */

/* The keys that make a follower's IPv6 address. */
static void check_means_something(const struct host_file *file, const struct host_draft *draft, const char *where)
{
    static const enum host_key_id ids[] = {HOST_INTERFACE_ID, HOST_SUBNET_ID};

    for (size_t i = 0; i < ELEMENTS(ids); i++) {
        const struct yaml_node *node = draft->given[ids[i]];
        if (node != NULL) {
            problems_add(file->problems, node->line, node->column, "%s: means nothing %s, remove it",
                         host_key_row(ids[i])->name, where);
        }
    }
}

static void check_follower(const struct host_file *file, const struct host_draft *draft)
{
    const struct yaml_node *follows = draft->given[HOST_FOLLOWS];
    const struct yaml_node *type = draft->given[HOST_RECORD_TYPE];

    if (follows == NULL) {
        check_means_something(file, draft, "without follows");
        return;
    }
    if (host_has_type(&draft->host, RECORD_TXT)) {
        problems_add(file->problems, type->line, type->column,
                     "record_type: must be A, AAAA or both, for the host has its addresses from a router");
    }
    if (draft->host.record_types == 1U << RECORD_A) {
        check_means_something(file, draft, "without an AAAA record");
    }
    if (host_has_type(&draft->host, RECORD_AAAA) && draft->given[HOST_INTERFACE_ID] == NULL &&
        draft->given[HOST_MAC_ADDRESS] == NULL) {
        problems_add(file->problems, follows->line, follows->column,
                     "follows: needs interface_id or mac_address for the low 64 bits, add one");
    }
}

static void check_needed(const struct host_file *file, const struct host_draft *draft)
{
    static const enum host_key_id needed[] = {HOST_HOSTNAME, HOST_RECORD_TYPE};

    for (size_t i = 0; i < ELEMENTS(needed); i++) {
        if (draft->given[needed[i]] == NULL) {
            const struct host_key *row = host_key_row(needed[i]);
            problems_add(file->problems, draft->node->line, draft->node->column, "%s: is missing, add %s", row->name,
                         row->help);
        }
    }
}

/* In the order of the file, so that its problems come in that order too. */
static int read_keys(const struct host_file *file, struct host_draft *draft)
{
    for (size_t i = 0; i < draft->node->count; i++) {
        const struct yaml_node *node = draft->node->items[i];
        enum host_key_id id;
        if (host_key_find(file->problems, draft->node, i, &id) < 0) {
            continue;
        }
        const struct host_key *row = host_key_row(id);
        draft->given[id] = node;
        int r = row->read != NULL ? row->read(file, row, node, draft) : 0;
        if (r < 0 && r != -EINVAL) {
            return r;
        }
    }
    return 0;
}

int host_read(const struct host_file *file, const struct yaml_node *node, struct host_draft *ret_draft)
{
    *ret_draft = (struct host_draft){.node = node};
    ret_draft->host.line = node->line;
    ret_draft->host.auth = (uint8_t)file->settings->default_auth;
    if (node->kind != YAML_MAPPING) {
        problems_add(file->problems, node->line, node->column,
                     "hosts: must be a list of mappings, write - hostname: NAME");
        return 0;
    }

    int r = read_keys(file, ret_draft);
    if (r < 0) {
        return r;
    }
    if (ret_draft->given[HOST_TTL] == NULL && file->settings->zone_count > 0) {
        ret_draft->host.ttl_s = file->settings->zones[ret_draft->host.zone].default_ttl_s;
    }
    check_needed(file, ret_draft);
    check_follower(file, ret_draft);
    return host_read_secrets(file, ret_draft);
}

void host_draft_done(struct host_draft *draft)
{
    secret_free(draft->secret);
    secret_free(draft->previous);
    draft->secret = NULL;
    draft->previous = NULL;
}
