/*
 * What hosts_build.c builds the table from, private to src/config: one row per key of a host (hosts_table.c), and the
 * reader that turns one mapping of hosts.yaml into a draft (hosts_read.c). What concerns several hosts together
 * (records twice, routers, groups) is hosts_build.c's.
 */
#ifndef DDNS53_CONFIG_HOSTS_TABLE_H
#define DDNS53_CONFIG_HOSTS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "base/yaml.h"
#include "config/hosts.h"

enum host_key_id {
    HOST_HOSTNAME,
    HOST_RECORD_TYPE,
    HOST_SHARED_SECRET,
    HOST_SHARED_SECRET_FILE,
    HOST_SECRET_SHA256,
    HOST_PREVIOUS_SECRET,
    HOST_PREVIOUS_SECRET_UNTIL,
    HOST_AUTH,
    HOST_TTL,
    HOST_ALLOW_INTERNAL,
    HOST_LOCK_RECORD,
    HOST_READ_PRIVILEGE,
    HOST_MAC_ADDRESS,
    HOST_FOLLOWS,
    HOST_INTERFACE_ID,
    HOST_SUBNET_ID,
    HOST_COMMENT,
    HOST_KEY_COUNT
};

/* A host as its mapping says, before it has a place in the table. */
struct host_draft {
    struct host host;           /* its pointers are not set */
    struct host_more more;      /* the same */
    struct host_secret current; /* the same of its `secret`, as of more.previous */
    struct name hostname;       /* empty: missing or wrong */
    struct secret *secret;      /* owned; NULL where only the digest is known */
    struct secret *previous;
    const struct yaml_node *node; /* borrowed: the mapping */
    const struct yaml_node *given[HOST_KEY_COUNT];
};

struct host_file {
    const char *path; /* for files named relative to it */
    const struct settings *settings;
    struct problems *problems;
};

struct host_key {
    const char *name;
    /* 0, -EINVAL with a problem added, -ENOMEM; NULL: read with others of its kind, or not kept. */
    int (*read)(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                struct host_draft *draft);
    size_t offset; /* in struct host */
    uint64_t minimum;
    uint64_t maximum;
    const char *unit;
    const char *default_text; /* as YAML; NULL: none */
    const char *help;
};

const struct host_key *host_key_row(enum host_key_id id);
/* -ENOENT: no such key, and a problem was added. */
int host_key_find(struct problems *problems, const struct yaml_node *mapping, size_t index, enum host_key_id *ret_id);

/* The readers that the rows name; hosts_read.c. */
int host_read_bool(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                   struct host_draft *draft);
int host_read_hostname(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                       struct host_draft *draft);
int host_read_record_type(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                          struct host_draft *draft);
int host_read_auth(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                   struct host_draft *draft);
int host_read_ttl(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                  struct host_draft *draft);
int host_read_mac_address(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                          struct host_draft *draft);
int host_read_follows(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                      struct host_draft *draft);
int host_read_interface_id(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                           struct host_draft *draft);
int host_read_subnet_id(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                        struct host_draft *draft);
int host_read_comment(const struct host_file *file, const struct host_key *row, const struct yaml_node *node,
                      struct host_draft *draft);
/* hosts_secret.c: the keys of secrets together, after all others. */
int host_read_secrets(const struct host_file *file, struct host_draft *draft);

/* 0: a draft, which may have problems (then its host is not for use); -ENOMEM. host_draft_done in any case. */
int host_read(const struct host_file *file, const struct yaml_node *node, struct host_draft *ret_draft);
void host_draft_done(struct host_draft *draft);

#endif
