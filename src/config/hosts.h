/*
 * hosts.yaml as an immutable table with a reference count: who may set which record, and how they prove it.
 * A reload builds a new table and swaps it (config/current.h). Everything that a host points to lives as long
 * as its table; only a hostname may be held for longer (base/names.h), and a table that takes another's place shares its
 * names. Sized for a million hosts: a row has 40 bytes, its secret lies beside others' in one pool, what few hosts have is
 * apart, and the two indexes take 8 bytes a slot. A look-up costs a hash.
 */
#ifndef DDNS53_CONFIG_HOSTS_H
#define DDNS53_CONFIG_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/record.h"
#include "config/settings.h"

#define HOST_SECRET_MAX_BYTES 256
/* What one update sets at most, and how many records of followers that leaves a router: those with lock_record do not
 * count. */
#define UPDATE_RECORDS_MAX 4096
#define HOST_FOLLOWERS_MAX (UPDATE_RECORDS_MAX - 2)

/* What proves a host: the secret itself, or only its SHA-256 (then `secret` is NULL). Hosts of a group share it. */
struct host_secret {
    const struct secret *secret;
    uint8_t sha256[SHA256_SIZE]; /* of the secret; also the key of the group of hosts that share it */
    bool is_set;
};

/* What most hosts have none of. */
struct host_more {
    const char *mac_address;             /* as written, NULL: none */
    const struct host *next_same_name;   /* another row for the same name with other record types, file order */
    const struct host *follows;          /* the router whose address or prefix it gets; NULL: none */
    const struct host *const *followers; /* hosts that follow this one, file order */
    struct host_secret previous;         /* while devices are changed over */
    int64_t previous_until_s;            /* Unix time, exclusive; of a previous secret that is set */
    uint64_t subnet_id;
    uint32_t follower_count;
    uint8_t interface_id[8];
};

/* A row: hosts.yaml may have a million. */
struct host {
    const char *hostname;             /* normalised, final dot; may be held */
    const struct host_secret *secret; /* never NULL: one that is not set */
    const struct host_more *more;     /* never NULL: one that is all zero */
    uint32_t ttl_s;
    uint32_t line;        /* of hosts.yaml */
    uint16_t zone;        /* index into settings->zones */
    uint8_t record_types; /* bit 1 << enum record_type */
    uint8_t auth;         /* set of enum auth_scheme */
    bool allow_internal;
    bool lock_record;
    bool read_privilege;
    bool names_router; /* follows is given, rightly or not */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct host) == 40, "a million hosts must fit");

static inline bool host_has_type(const struct host *host, enum record_type type)
{
    return (host->record_types & (1U << type)) != 0;
}

struct hosts;

/* Every error of the file in `problems`; -EINVAL then, nothing returned. Zones, their default TTL and
 * update.default_auth come from `settings` (only read during the call). `before` is the table whose place it takes, to
 * share its names, NULL: none; of such tables one is loaded at a time. */
int hosts_load(const char *path, const struct settings *settings, const struct hosts *before, struct problems *problems,
               struct hosts **ret_hosts);
int hosts_load_text(const char *text, size_t length, const char *path, const struct settings *settings,
                    struct problems *problems, struct hosts **ret_hosts);
struct hosts *hosts_ref(struct hosts *hosts);
/* The last one frees them, which takes 50 ms for a million. */
void hosts_unref(struct hosts *hosts);
/* Whether somebody besides the caller has a reference. */
bool hosts_are_shared(const struct hosts *hosts);
DEFINE_CLEANUP(struct hosts *, hosts_unref)

/* Rows of hosts.yaml that came, went, or say something else. Rows are the same host when they share a record. */
struct hosts_difference {
    size_t added;
    size_t removed;
    size_t changed;
};
void hosts_compare(const struct hosts *before, const struct hosts *after, struct hosts_difference *ret_difference);

size_t hosts_count(const struct hosts *hosts);
const struct host *hosts_at(const struct hosts *hosts, size_t index); /* file order */
size_t hosts_record_count(const struct hosts *hosts);                 /* (hostname, type) pairs */

/* Bytes of the longest secret that is known itself; for update/auth, whose work must not depend on one host's. */
size_t hosts_longest_secret(const struct hosts *hosts);
/* The rows of the name that has most of them, at least 1; for the same purpose. */
size_t hosts_most_rows(const struct hosts *hosts);

/* First row for that name (follow more->next_same_name for others), NULL: none. `hostname` normalised. */
const struct host *hosts_find(const struct hosts *hosts, const char *hostname);
/* The row that has the record, NULL: none. */
const struct host *hosts_find_record(const struct hosts *hosts, const char *hostname, enum record_type type);

/* The rows whose current or previous secret has that SHA-256, file order; `ret_count` 0 and NULL: none. */
const struct host *const *hosts_by_secret(const struct hosts *hosts, const uint8_t sha256[SHA256_SIZE],
                                          size_t *ret_count);

/* For tests and documentation: the keys of a host, help, and default as YAML text (NULL: none); NULL past the end. */
const char *hosts_key_name(size_t index);
const char *hosts_key_help(size_t index);
const char *hosts_key_default(size_t index);

#endif
