/*
 * Reads an RFC 1035 section 5 master file entry by entry: as much of it as tells whose names stand where, not what
 * every type's data means. Knows $ORIGIN, relative names, '@', owners left out, parentheses, quotes and comments.
 * $INCLUDE is not followed and $GENERATE not unrolled. Pure; borrows the text.
 */
#ifndef DDNS53_PROVIDER_ZONEFILE_SCAN_H
#define DDNS53_PROVIDER_ZONEFILE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"

/* Comment lines that begin so, at the beginning of a line; the rest of the line is for people. */
#define ZONE_MARKER_BEGIN "; ddns53 begin"
#define ZONE_MARKER_END "; ddns53 end"

struct zone_token {
    size_t at; /* offset into the text */
    size_t length;
    bool is_quoted;
};

enum zone_entry_kind { ZONE_RECORD, ZONE_DIRECTIVE, ZONE_BEGIN, ZONE_END };

#define ZONE_DATA_MAX 3

struct zone_entry {
    enum zone_entry_kind kind;
    unsigned line;     /* from 1, where it begins */
    size_t start, end; /* bytes of a marker line, with its line end */
    /* ZONE_RECORD */
    const char *owner; /* absolute and normalised, until the next call; NULL: no name that a host could have */
    struct zone_token type;
    struct zone_token data[ZONE_DATA_MAX]; /* the first ones */
    size_t data_count;                     /* how many there are in all */
    struct zone_token last;                /* of them */
    uint32_t ttl_s;
    bool has_ttl;
};

struct zone_scanner {
    const char *text;
    size_t length;
    size_t position;
    unsigned line;
    unsigned depth; /* of parentheses */
    struct name owner;
    bool has_owner;
    struct name origin;  /* "." is the root */
    bool has_origin;     /* false: $ORIGIN names something that we cannot read, so do relative names */
    const char *problem; /* why -EBADMSG, a constant phrase; at `line` */
};

void zone_scanner_init(struct zone_scanner *scanner, const char *text, size_t length, const char *zone_name);

/* 1: an entry, 0: the end, -EBADMSG. */
int zone_scanner_next(struct zone_scanner *scanner, struct zone_entry *ret_entry);

/* Walks through the data of the last entry, all of it: the token after `token`, which is zeroed at first. False: there
 * was none. */
bool zone_data_next(const struct zone_scanner *scanner, const struct zone_entry *entry, struct zone_token *token);

bool zone_token_is(const struct zone_scanner *scanner, const struct zone_token *token, const char *word); /* any case */

#endif
