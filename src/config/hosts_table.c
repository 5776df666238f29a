#include "config/hosts_table.h"

#include <errno.h>
#include <string.h>

#include "config/value.h"

#define BOOL_AT(field) .read = host_read_bool, .offset = offsetof(struct host, field), .default_text = "false"

static const struct host_key rows[HOST_KEY_COUNT] = {
    [HOST_HOSTNAME] = {"hostname", host_read_hostname,
                       .help = "the name whose records may be set; the final dot is optional, case does not count, a "
                               "first label * is a wildcard record"},
    [HOST_RECORD_TYPE] = {"record_type", host_read_record_type, .help = "A, AAAA, TXT, or a list of several"},
    [HOST_SHARED_SECRET] = {"shared_secret", .help = "what the host proves itself with; at least 16 random characters"},
    [HOST_SHARED_SECRET_FILE] = {"shared_secret_file",
                                 .help = "a file with the secret in its first line, relative to this file"},
    [HOST_SECRET_SHA256] = {"secret_sha256",
                            .help =
                                "SHA-256 of the secret in 64 hex digits, where auth has neither hash nor signed; the "
                                "secret must have 128 random bits"},
    [HOST_PREVIOUS_SECRET] = {"previous_secret",
                              .help = "an old secret that still counts while devices are changed over"},
    [HOST_PREVIOUS_SECRET_UNTIL] = {"previous_secret_until",
                                    .help = "how long it does: a date, whose whole day counts, or a time such as "
                                            "2026-12-31T12:00:00Z; UTC"},
    [HOST_AUTH] = {"auth", host_read_auth,
                   .help = "how it may prove itself: hash, signed, secret, basic; default update.default_auth"},
    [HOST_TTL] = {"ttl", host_read_ttl, .maximum = INT32_MAX, .unit = "seconds",
                  .help = "of its records; default zones[].default_ttl"},
    [HOST_ALLOW_INTERNAL] = {"allow_internal", BOOL_AT(allow_internal),
                             .help = "may it set a private address, or with hash one other than the source address"},
    [HOST_LOCK_RECORD] = {"lock_record", BOOL_AT(lock_record), .help = "its records stay as they are"},
    [HOST_READ_PRIVILEGE] = {"read_privilege", BOOL_AT(read_privilege),
                             .help = "member of the group of hosts that share its secret: list_hosts shows them"},
    [HOST_MAC_ADDRESS] = {"mac_address", host_read_mac_address,
                          .help = "shown by list_hosts; also the interface_id of a follower that names none"},
    [HOST_FOLLOWS] =
        {"follows", host_read_follows,
         .help = "the router that this host gets its addresses from: its IPv4 address for A, its IPv6 prefix for AAAA"},
    [HOST_INTERFACE_ID] = {"interface_id", host_read_interface_id,
                           .help = "the low 64 bits of a follower's address, such as ::211:32ff:fe12:3456"},
    [HOST_SUBNET_ID] = {"subnet_id", host_read_subnet_id, .maximum = UINT64_MAX, .unit = "", .default_text = "0",
                        .help = "the bits between the router's prefix and the low 64 bits"},
    [HOST_COMMENT] = {"comment", host_read_comment, .help = "for people"},
};

const struct host_key *host_key_row(enum host_key_id id)
{
    return &rows[id];
}

const char *hosts_key_name(size_t index)
{
    return index < ELEMENTS(rows) ? rows[index].name : NULL;
}

const char *hosts_key_help(size_t index)
{
    return index < ELEMENTS(rows) ? rows[index].help : NULL;
}

const char *hosts_key_default(size_t index)
{
    return index < ELEMENTS(rows) ? rows[index].default_text : NULL;
}

int host_key_find(struct problems *problems, const struct yaml_node *mapping, size_t index, enum host_key_id *ret_id)
{
    const char *key = mapping->keys[index]->text;
    struct nearest nearest;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, key) == 0) {
            *ret_id = (enum host_key_id)i;
            return 0;
        }
    }
    const struct value_shown word = value_key_word(key);
    nearest_init(&nearest, word.text);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        nearest_offer(&nearest, rows[i].name, 0, rows[i].name);
    }
    value_add_unknown_key(problems, "", mapping, index, &nearest, "remove it");
    return -ENOENT;
}
