/*
 * The inside of struct hosts, for hosts.c (reading) and hosts_build.c (making); for these only.
 */
#ifndef DDNS53_CONFIG_HOSTS_INTERNAL_H
#define DDNS53_CONFIG_HOSTS_INTERNAL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/hash_index.h"
#include "base/names.h"
#include "base/rows.h"
#include "config/hosts.h"

#define HOSTS_MAX (HASH_INDEX_NONE - 1)

/* The hosts that one secret speaks for. */
struct secret_group {
    struct host_secret secret; /* as most of its hosts have it: what their rows point to */
    const struct secret *text; /* NULL while only the digest is known */
    union {
        const struct host *only; /* `count` is 1 */
        const struct host **members;
    } hosts;
    uint32_t count;
    uint32_t capacity; /* rows that name it, until the members are linked */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct secret_group) == 72, "a million secrets must fit");

struct hosts {
    atomic_uint references;
    struct rows rows;   /* of struct host, in the order of the file */
    struct rows groups; /* of struct secret_group */
    size_t record_count;
    size_t longest_secret;
    size_t most_rows;             /* of a name that has several; 0: none has */
    struct hash_index *by_name;   /* -> the first row of that name */
    struct hash_index *by_secret; /* -> the group */
    struct names *names;          /* shared with the tables before and after */
    struct arena arena;           /* secrets and what few hosts have */
    const struct host **links;    /* the arrays behind followers and members, one after the other */
};

extern const struct host_secret host_secret_unset;
extern const struct host_more host_more_none;

/* NULL: none. */
struct host *row_by_name(const struct hosts *hosts, const char *hostname);
struct secret_group *group_by_digest(const struct hosts *hosts, const uint8_t sha256[SHA256_SIZE]);

/* Empty; for names that `before` (NULL: none) has not, they share a pool. NULL: no memory. */
struct hosts *hosts_new(const struct hosts *before);

#endif
