#include "queue/reader.h"

/* ---- which call is next ---- */

static uint64_t pages_in_all(const struct reader *reader)
{
    const uint64_t count = reader->record_count;
    const uint64_t page = reader->page_records;

    return count == 0 || page == 0 ? 1 : (count + page - 1) / page;
}

static uint64_t pages_left(const struct reader *reader)
{
    const uint64_t all = pages_in_all(reader);

    if (reader->phase != READER_LISTING) {
        return all;
    }
    return all > reader->pages_done ? all - reader->pages_done : 1;
}

enum reading reader_for_changes(const struct reader *reader, const struct reader_wants *wants)
{
    if (!reader->is_found) {
        return !reader->is_finding && wants->has_changes ? READ_ZONE : READ_NOTHING;
    }
    if (wants->looking > pages_left(reader)) {
        return reader->is_listing ? READ_NOTHING : READ_PAGE;
    }
    return !reader->is_looking_up && wants->has_look_up ? READ_CHANGE : READ_NOTHING;
}

enum reading reader_for_itself(const struct reader *reader)
{
    switch (reader->phase) {
    case READER_IDLE: return reader->newcomer && !reader->is_looking_up ? READ_NEWCOMER : READ_NOTHING;
    case READER_FINDING: return reader->is_finding ? READ_NOTHING : READ_ZONE;
    case READER_LISTING: return reader->is_listing ? READ_NOTHING : READ_PAGE;
    case READER_RECORDS: return reader->is_looking_up ? READ_NOTHING : READ_RECORD;
    }
    return READ_NOTHING;
}

/* ---- from phase to phase ---- */

/* A pointer that stays between turns of the loop holds its record. */
void reader_point_at(struct record **pointer, struct record *record)
{
    if (record) {
        record_hold(record);
    }
    if (*pointer) {
        record_release(*pointer);
    }
    *pointer = record;
}

void reader_done(struct reader *reader)
{
    reader_point_at(&reader->cursor, NULL);
    reader_point_at(&reader->looked_up, NULL);
    reader_point_at(&reader->newcomer, NULL);
}

bool reader_meet(struct reader *reader, size_t count, struct record *first)
{
    if (count > pages_in_all(reader)) {
        return false;
    }
    reader_point_at(&reader->newcomer, first);
    reader->newcomers = count;
    return true;
}

void reader_met(struct reader *reader, struct record *next)
{
    reader_point_at(&reader->newcomer, next);
    reader->newcomers--;
}

void reader_begin(struct reader *reader)
{
    if (reader->phase == READER_IDLE) {
        reader->phase = READER_FINDING;
    }
}

void reader_renew(struct reader *reader)
{
    reader->is_again = reader->phase != READER_IDLE;
    reader_begin(reader);
}

static void finish(struct reader *reader)
{
    reader->phase = reader->is_again ? READER_FINDING : READER_IDLE;
    reader->is_again = false;
    reader_point_at(&reader->cursor, NULL);
    reader_point_at(&reader->newcomer, NULL);
    reader->is_complete = true;
}

static void begin_listing(struct reader *reader, uint32_t generation)
{
    reader->phase = READER_LISTING;
    reader->listing++;
    reader->generation = generation;
    reader->pages_done = 0;
}

void reader_found(struct reader *reader, uint64_t record_count, size_t ours, struct record *first, uint32_t generation)
{
    reader->is_found = true;
    reader->record_count = record_count;
    if (reader->phase != READER_FINDING) {
        return;
    }
    /* A page costs as much as a look-up. */
    if (ours == 0) {
        finish(reader);
    } else if (pages_in_all(reader) > ours) {
        reader->phase = READER_RECORDS;
        reader_point_at(&reader->cursor, first);
    } else {
        begin_listing(reader, generation);
    }
}

bool reader_list(struct reader *reader, uint32_t generation)
{
    if (reader->phase != READER_LISTING) {
        begin_listing(reader, generation);
    }
    return reader->pages_done == 0;
}

bool reader_page(struct reader *reader, bool more)
{
    reader->pages_done++;
    if (!more) {
        finish(reader);
    }
    return !more;
}

void reader_refused(struct reader *reader)
{
    reader->phase = READER_FINDING;
    reader->is_found = false;
}

bool reader_advance(struct reader *reader, struct record *next)
{
    if (reader->phase != READER_RECORDS) {
        return false; /* a listing has taken over */
    }
    reader_point_at(&reader->cursor, next);
    if (!next) {
        finish(reader);
    }
    return !next;
}

void reader_lost(struct reader *reader)
{
    reader->phase = READER_FINDING;
    reader->is_found = false;
    reader->is_complete = false;
    reader->is_stale = reader->is_listing;
    reader->is_overtaken = true;
}

void reader_overtake(struct reader *reader, struct record *record)
{
    *record_listing(record) = reader->listing;
    if (reader->looked_up == record) {
        reader->is_overtaken = true;
    }
}
