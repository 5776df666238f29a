/*
 * What carries changes to a DNS server: a table of functions, one file per provider. All of them are called on the I/O
 * thread, never block on a network or a disk, and answer later through the callback that they were given, never from
 * inside the call. Every function makes at most one call to the server, so that the caller can pace them. One call of
 * each kind at a time per zone. A provider never retries: it says what happened, queue/zone decides.
 * Everything that a call is given by pointer stays as it is until its callback, or until `free`.
 */
#ifndef DDNS53_PROVIDER_PROVIDER_H
#define DDNS53_PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/record.h"

enum record_knowledge {
    RECORD_UNKNOWN, /* nobody has looked yet */
    RECORD_ABSENT,
    RECORD_PLAIN,   /* no alias, no routing policy, one value where it is an address: ours to overwrite */
    RECORD_FOREIGN, /* must never be overwritten: see record_foreign */
};
enum record_foreign { FOREIGN_NONE, FOREIGN_ALIAS, FOREIGN_SEVERAL_VALUES, FOREIGN_ROUTING_POLICY };

enum provider_outcome {
    PROVIDER_DONE,
    PROVIDER_THROTTLED,   /* too fast, or a change of the zone is still under way: slow down, try again */
    PROVIDER_TRANSIENT,   /* no connection, time-out, 5xx, disk full: try again */
    PROVIDER_CREDENTIALS, /* we may not: keep the changes, try again every minute */
    PROVIDER_NO_ZONE,     /* the zone is not there: its changes are refused, look again every minute */
    PROVIDER_REFUSED,     /* the batch itself is bad and nothing of it was applied */
};

#define PROVIDER_NO_CULPRIT SIZE_MAX

struct provider_result {
    enum provider_outcome outcome;
    const char *message;     /* the server's own words or ours, "" when done; never NULL; borrowed for the call */
    const char *change_id;   /* "" where there is none */
    uint32_t retry_after_ms; /* 0: not said */
    uint32_t
        rest_ms; /* PROVIDER_DONE of apply: the next batch is to wait that long, because one costs much however small */
    /* PROVIDER_REFUSED */
    size_t culprit;              /* index of the change that the message names, or PROVIDER_NO_CULPRIT */
    enum record_foreign foreign; /* why the culprit must not be overwritten; FOREIGN_NONE: refused for something else */
    bool is_outdated;            /* the culprit's `was` is not what DNS holds: look at the record again */
};

/* A record as the server has it. */
struct provider_found {
    const char *hostname; /* normalised; borrowed for the call */
    enum record_type type;
    enum record_knowledge knowledge; /* RECORD_ABSENT, RECORD_PLAIN or RECORD_FOREIGN */
    enum record_foreign foreign;
    struct rdata value; /* borrowed for the call */
    uint32_t ttl_s;
};

struct provider_zone;

typedef void (*provider_applied)(const struct provider_result *result, void *userdata);
/* `found` is NULL unless the outcome is PROVIDER_DONE. */
typedef void (*provider_looked_up)(const struct provider_result *result, const struct provider_found *found,
                                   void *userdata);
/* Called for each set of a page that is of one of our types, before its `done`. Several sets of one name and type
 * (routing policies) come as one RECORD_FOREIGN. */
typedef void (*provider_each)(const struct provider_found *found, void *userdata);
typedef void (*provider_listed)(const struct provider_result *result, bool more, void *userdata);
/* `more`: call prepare again. `record_count`: all record sets of the zone, 0 when it is cheap to list. */
typedef void (*provider_prepared)(const struct provider_result *result, bool more, uint64_t record_count,
                                  void *userdata);
/* `is_in_sync` is false unless the outcome is PROVIDER_DONE. */
typedef void (*provider_synced)(const struct provider_result *result, bool is_in_sync, void *userdata);

/* Until `free`. */
struct provider_watcher {
    void (*changed)(void *userdata); /* on the loop, soon after each time that somebody else has changed the zone */
    /* Any thread: is it a record of ours? A listing may leave out the others. */
    bool (*knows)(const char *hostname, enum record_type type, void *userdata);
    void *userdata;
};

struct provider_ops {
    const char *name;
    size_t changes_max;          /* per batch; 0: as many as the queue makes */
    size_t value_characters_max; /* per batch, each change counts value_characters_factor times its values' text */
    size_t value_characters_factor;
    size_t page_records; /* records that one list_page brings at most; 0: all */

    /* Finds the zone at the server (its id, its size). */
    void (*prepare)(struct provider_zone *zone, provider_prepared done, void *userdata);
    /* All or none. A record is in it once at most. */
    void (*apply)(struct provider_zone *zone, const struct change_request *const *changes, size_t count,
                  provider_applied done, void *userdata);
    /* `record` lives until `done`. */
    void (*look_up)(struct provider_zone *zone, const struct record *record, provider_looked_up done, void *userdata);
    /* The next page of the zone in the server's order; `restart` begins anew. */
    void (*list_page)(struct provider_zone *zone, bool restart, provider_each each, provider_listed done,
                      void *userdata);
    /* Do the servers that answer for the zone have what was applied: does the record have the value? `change_id` is what
     * apply gave for it, or "". All live until `done`. NULL: the provider cannot tell. */
    void (*in_sync)(struct provider_zone *zone, const struct record *record, const struct rdata *value,
                    const char *change_id, provider_synced done, void *userdata);
    /* NULL: nobody tells when somebody else changes the zone. Copies the watcher. -ENOMEM. */
    int (*watch)(struct provider_zone *zone, const struct provider_watcher *watcher);
    /* What is under way is dropped without its callback. NULL is fine. */
    void (*free)(struct provider_zone *zone);
};

#endif
