/*
 * What each record is now, as far as we know: one hash table with striped locks, keyed by (hostname, type),
 * that survives a reload. Workers read views and count a record as busy when they submit a change; only the I/O
 * thread (queue/zone) writes knowledge.
 * A record that nobody configures any more leaves the table in records_sweep, once nobody needs it: it is held by
 * whoever found it (until record_release), by the changes that were begun, by its touch until that is saved. Finding a
 * record and taking it away happen under one lock, so that a pointer always comes with a hold. It holds its name, which it
 * shares with the hosts that it comes from (base/names.h).
 */
#ifndef DDNS53_QUEUE_RECORDS_H
#define DDNS53_QUEUE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/hosts.h"
#include "provider/provider.h"
#include "store/store.h"

/* How long it is believed that a record must not be overwritten; then it is looked at again. */
#define RECORD_FOREIGN_FRESH_MS 60000

struct records;

struct record_view {
    enum record_knowledge knowledge;
    enum record_foreign foreign;
    struct rdata value; /* RECORD_PLAIN: what DNS holds */
    uint32_t ttl_s;
    int64_t looked_at_ms;  /* monotonic, the second it began in; when a look or an accepted change last confirmed it */
    bool busy;             /* a change is queued or under way: the knowledge is about to be out of date */
    struct rdata last_set; /* what we last set, from the store; empty: nothing, or we withdrew it */
    uint32_t last_set_ttl_s;
};

struct records *records_new(void);
void records_free(struct records *records);
DEFINE_CLEANUP(struct records *, records_free)

/* Main thread at start and at a reload: makes the records of all hosts that may set something, marks those that
 * left as not configured. -ENOMEM leaves the table usable. */
int records_configure(struct records *records, const struct hosts *hosts);
/* What the store remembers; before the I/O thread starts. Only for records that are configured. */
void records_remember(struct records *records, const struct store_record *remembered);

/* Any thread. NULL: not one of ours. `hostname` normalised. Returns it held: record_release lets go of it. */
struct record *records_find(struct records *records, const char *hostname, enum record_type type);
/* Holds its values: end it with record_view_done. */
void record_view(const struct record *record, struct record_view *ret_view);
void record_view_done(struct record_view *view);
/* Adds a hold. The caller has one already. */
void record_hold(struct record *record);
void record_release(struct record *record);
uint32_t record_zone(const struct record *record); /* index into the settings' zones */
bool record_is_configured(const struct record *record);

/* Any thread: an authenticated set request came for it (written to the store in batches). The record is held until
 * that is written. */
void record_touch(struct record *record, const struct address *source, int64_t now_s);

/* Any thread: counts a change on its way. Returns true when it is the first one (the record was not busy). */
bool record_begin(struct record *record);
/* Any thread: as many as were begun have ended. Returns true when none is left (the record is not busy any more). */
bool record_end(struct record *record, uint32_t count);

/* I/O thread. */
struct knowledge {
    enum record_knowledge knowledge;
    enum record_foreign foreign;
    const struct rdata *value; /* RECORD_PLAIN; else NULL */
    uint32_t ttl_s;
};
void record_know(struct record *record, const struct knowledge *knowledge, int64_t now_ms);
/* What was known does not count any more. */
void record_forget(struct record *record);
void record_set_last(struct record *record, const struct rdata *value, uint32_t ttl_s);
/* A slot for queue/zone: what is queued for this record. I/O thread only. */
void *record_slot(const struct record *record);
void record_set_slot(struct record *record, void *slot);

/* What queue/zone notes about a record; zero at first. I/O thread only.
 * The number of the zone's last listing that had it, or during which we changed it. */
uint32_t *record_listing(struct record *record);
/* DNS holds something else than we last set, and that has been told. */
bool *record_drift_told(struct record *record);

/* Counts the calls of records_configure. record_since is the count at which the record was (again) configured: a
 * listing that began earlier must not overwrite it. Any thread. */
uint32_t records_generation(const struct records *records);
uint32_t record_since(const struct record *record);
/* The last record_since of the zone's records: another one than before means that the zone has got records. What is
 * being configured meanwhile counts when all of it is. */
uint32_t records_zone_since(struct records *records, uint32_t zone);

/* Makes one record, or finds it, as records_configure does for each of a host's; returns borrowed, NULL: no memory.
 * At the start, or on the thread of a reload. It is configured until a records_configure leaves it out; not held. */
struct record *records_add(struct records *records, const char *hostname, enum record_type type, uint32_t zone);

/* I/O thread: the record after `after` in a zone's list, configured or not. `after` NULL: the first one. NULL: there is
 * none. New records come at the end, so that a walk may pause, as long as it holds the record from which it goes on. */
struct record *records_next(struct records *records, uint32_t zone, const struct record *after);

/* I/O thread: calls `each` for every configured record of a zone (for read-back); returns their number.
 * `each` may be NULL. */
size_t records_each(struct records *records, uint32_t zone, void (*each)(struct record *record, void *userdata),
                    void *userdata);

/* I/O thread: takes up to `count` touches out of the table (oldest first). Their records stay held until
 * records_touches_done. */
size_t records_take_touches(struct records *records, struct store_touch *ret_touches, size_t count);
void records_touches_done(const struct store_touch *touches, size_t count);

struct entry;

/* A pass over all records, in slices. Zeroed at first. */
struct records_sweep {
    uint32_t zone;
    struct entry *after; /* held; NULL: at the beginning of the zone */
    size_t left;         /* not configured, but needed */
    size_t removed;
};
/* I/O thread: looks at the next `count` records, takes away those that nobody configures or needs. False: the pass is
 * over, and the struct's counts are those of the whole pass. */
bool records_sweep(struct records *records, struct records_sweep *sweep, size_t count);
/* I/O thread: ends a pass where it is. */
void records_sweep_end(struct records_sweep *sweep);
/* Any thread: has a pass ended since the last call, and taken records away? Their memory may go back to the system
 * then. */
bool records_have_shrunk(struct records *records);
size_t records_count(struct records *records); /* configured or not */

#endif
