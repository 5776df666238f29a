/*
 * The tables of hosts of the systems that ddns53d replaces, all of them versions of one project:
 * - version 2: `aws dynamodb scan` of its table, an item a record (hostname, record_type, shared_secret, ttl, lock_record,
 *   read_privilege, allow_internal, mac_address, comment; and what it noted itself: ip_address, last_updated,
 *   last_checked, last_accessed);
 * - version 3: the same of its table, items of `hostname` and `data`, which is JSON as text (route_53_zone_id,
 *   route_53_record_ttl, shared_secret), for A records;
 * - version 1: config.json, an object of hostnames with aws_region, route_53_zone_id, route_53_record_ttl,
 *   route_53_record_type, shared_secret.
 * They say so themselves: nobody has to name the version. Pure, but for import_decide, which looks at the hosts that
 * there are.
 */
#ifndef DDNS53_CTL_IMPORT_H
#define DDNS53_CTL_IMPORT_H

#include "base/address.h"
#include "base/name.h"
#include "config/hosts.h"
#include "config/settings.h"

/* What the old system noted of a record; family NONE and 0: nothing. */
struct import_state {
    struct address address;
    struct address last_accessed;
    int64_t last_updated_s;
    int64_t last_checked_s;
};

enum import_action { IMPORT_ADD, IMPORT_THERE, IMPORT_SKIP };

/* A row that hosts.yaml is to have. Texts are owned. */
struct import_row {
    char *given; /* the name as it was written */
    struct name hostname;
    unsigned types; /* bits 1 << enum record_type */
    char *secret;
    char *mac_address; /* NULL: none */
    char *comment;     /* NULL: none */
    char *zone_id;     /* NULL: not said */
    int64_t ttl_s;     /* -1: not said */
    char ttl_text[16]; /* the same; "": not said */
    bool allow_internal;
    bool lock_record;
    bool read_privilege;
    struct import_state state[2]; /* of RECORD_A, RECORD_AAAA */
    enum import_action action;
    bool is_example;         /* of the old system: nobody misses it */
    char reason[160];        /* of IMPORT_SKIP: why; of the others: what to know, or "" */
    struct import_row *next; /* another row of that name */
};

struct import {
    struct import_row **rows;
    size_t count;
    const char *format; /* "version 2", static */
};

/* -EINVAL: `message` says what is wrong. Rows that cannot be hosts of ours are there, with IMPORT_SKIP. */
int import_read(const char *text, size_t length, struct import *ret_import, struct buffer *message);
void import_done(struct import *import);

/* What is to be done with each row, given the hosts that there are. */
void import_decide(const struct import *import, const struct settings *settings, const struct hosts *hosts);

#endif
