/*
 * What a zone reads from its provider next: it finds the zone, then either lists it page by page or looks its records
 * up one at a time, whichever takes fewer calls; look-ups that changes wait for come in between. Records that a reload
 * brings are looked up when no read-back is under way. Keeps where the read-back stands and says which call is next;
 * calls nobody. I/O thread only.
 *
 *            reader_begin            zone found               last page, last record
 *   IDLE ------------------> FINDING ----------> LISTING ----------------------------> IDLE
 *    ^                         ^   \-----------> RECORDS ------------------------------^
 *    | nothing of ours is in it |                    \--- so many changes wait that ---> LISTING
 *    +------------------------- +                         pages are fewer calls
 *                               |
 *            the zone is gone --+  (from any), or may not be listed
 */
#ifndef DDNS53_QUEUE_READER_H
#define DDNS53_QUEUE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/records.h"

enum reader_phase {
    READER_IDLE,
    READER_FINDING,
    READER_LISTING, /* page by page */
    READER_RECORDS, /* record by record */
};

/* Calls to a provider. */
enum reading {
    READ_NOTHING,
    READ_ZONE,     /* prepare */
    READ_PAGE,     /* list_page */
    READ_CHANGE,   /* look_up the record of the oldest change that waits for it */
    READ_RECORD,   /* look_up the read-back's next record, the cursor */
    READ_NEWCOMER, /* look_up the next record that a reload brought */
};

struct reader {
    size_t page_records; /* the provider's */
    enum reader_phase phase;
    bool is_found;   /* the zone has been found at the provider */
    bool is_finding; /* calls under way */
    bool is_listing;
    bool is_looking_up;
    bool is_stale;       /* the zone is gone since the page was asked for */
    bool is_overtaken;   /* a change of `looked_up` was accepted meanwhile, or the zone is gone */
    bool is_for_cursor;  /* the look-up is the read-back's own */
    bool is_again;       /* the zone has changed: another read-back follows this one */
    bool is_complete;    /* the zone has been read back once since it was found */
    uint32_t listing;    /* number, from 1 */
    uint32_t generation; /* of the records when it began */
    uint64_t pages_done;
    uint64_t record_count;    /* of the zone, 0: it is cheap to list */
    struct record *cursor;    /* READER_RECORDS: the next one; held */
    struct record *looked_up; /* held */
    struct record *newcomer;  /* the next one of those that a reload brought; held */
    size_t newcomers;         /* it, and at most so many after it */
};

/* What the changes of the zone want. */
struct reader_wants {
    size_t looking;   /* changes that wait for knowledge of their record */
    bool has_changes; /* any at all */
    bool has_look_up; /* one of the former can be looked up now */
};

/* The next call that changes wait for. */
enum reading reader_for_changes(const struct reader *reader, const struct reader_wants *wants);
/* The next call of the read-back itself. */
enum reading reader_for_itself(const struct reader *reader);

/* Lets go of what it holds. */
void reader_done(struct reader *reader);
/* `looked_up` or `cursor` becomes the record, which may be NULL. */
void reader_point_at(struct record **pointer, struct record *record);

/* Between two read-backs: `count` records are new, `first` is the first of them. True: each will be looked up; false: a
 * read-back takes no more calls. */
bool reader_meet(struct reader *reader, size_t count, struct record *first);
/* The newcomer is known now; `next`, NULL for none, comes after it. */
void reader_met(struct reader *reader, struct record *next);
/* A read-back is due. */
void reader_begin(struct reader *reader);
/* The zone has changed: what is being read may be old already. */
void reader_renew(struct reader *reader);
/* The zone was found; `ours` records are configured in it. `first`: the first of them. */
void reader_found(struct reader *reader, uint64_t record_count, size_t ours, struct record *first, uint32_t generation);
/* Makes sure that a listing has begun; true: it begins with the page that is asked for now. */
bool reader_list(struct reader *reader, uint32_t generation);
/* A page came; true: it was the last one. */
bool reader_page(struct reader *reader, bool more);
/* The zone may not be listed: it is found anew, which says how it is to be read. */
void reader_refused(struct reader *reader);
/* The cursor's record is known; `next` NULL: it was the last one. True: the read-back is complete. */
bool reader_advance(struct reader *reader, struct record *next);
/* The zone is gone: finding it is next, and what is under way does not count. */
void reader_lost(struct reader *reader);
/* A change of our own was accepted for the record: it is newer than any answer that is under way. */
void reader_overtake(struct reader *reader, struct record *record);

#endif
