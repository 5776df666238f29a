/*
 * What zonefile_read.c (from bytes), zonefile_text.c (looking, changing) and zonefile_lines.c (to bytes) share; for these
 * only.
 */
#ifndef DDNS53_PROVIDER_ZONEFILE_INTERNAL_H
#define DDNS53_PROVIDER_ZONEFILE_INTERNAL_H

#include "base/arena.h"
#include "provider/zonefile_scan.h"
#include "provider/zonefile_text.h"

#define MARKER_BEGIN_LINE ZONE_MARKER_BEGIN ": the lines up to the next marker are ddns53's; yours go outside"
#define MARKER_END_LINE ZONE_MARKER_END

/* Names are kept with their labels reversed, joined by a character that sorts before all that a label has, so that
 * a plain comparison gives the order of the labels from the right. */
#define LABEL_SEPARATOR '\x01'

struct our_record {
    const char *key;
    struct rdata value;
    enum record_type type;
    uint32_t ttl_s;
    unsigned line; /* of the file; while changes are taken in: which came later */
};

/* What stands in the way of our records. */
#define OWNER_HAS_CNAME (1U << RECORD_TYPE_COUNT) /* below it: 1 << enum record_type */

struct owners_name {
    const char *key;
    unsigned line;
    unsigned has;
};

enum serial_problem { SERIAL_GOOD, SERIAL_NO_SOA, SERIAL_NOT_MARKED, SERIAL_NOT_A_NUMBER };

/* Neighbouring records and their lines as they stand in the file. A block has the records from its first one to that
 * of the next block; the first block has also what comes before it. */
struct line_block {
    const char *key;
    enum record_type type;
    bool is_stale; /* to be formatted again */
    struct buffer text;
    uint64_t stamp; /* of the text, from 1 on */
};

struct zone_text {
    struct buffer owner; /* the file without our records, but with the markers */
    size_t block_at;     /* where in it our records go */
    const char *line_end;

    enum serial_problem serial_problem;
    unsigned soa_line;
    size_t serial_at; /* in `owner` */
    size_t serial_length;
    uint32_t serial;

    struct our_record *records; /* sorted */
    size_t record_count;
    size_t record_size;
    struct owners_name *names; /* sorted; a name may come more than once */
    size_t name_count;
    size_t name_size;
    struct arena arena; /* the keys */

    struct line_block *blocks;
    size_t block_count;
    char serial_text[12];    /* as it was last written */
    struct file_part *parts; /* of the whole file, as it was last written */
    uint64_t stamp;          /* the last one that was given */
};

/* The name's labels reversed; back again. */
void zone_key_of(const char *name, char ret_key[NAME_SIZE]);
void zone_name_of(const char *key, char ret_name[NAME_SIZE]);

/* By key and type, then line; qsort's kind. */
int zone_compare_records(const void *a, const void *b);
bool zone_is_same_record(const struct our_record *a, const struct our_record *b);

/* The index of the first record from that one on; `is_past`: after it. */
size_t zone_records_from(const struct zone_text *zone, const char *key, enum record_type type, bool is_past);

/* The record was added, changed or withdrawn: its lines are to be formatted again. */
void zone_lines_touch(struct zone_text *zone, const struct our_record *record);
void zone_lines_done(struct zone_text *zone);

/* The array with room for `needed` elements, moved where it must be; NULL: no memory, and it is as it was. */
void *zone_grow(void *array, size_t *size, size_t needed, size_t element_size);

#endif
