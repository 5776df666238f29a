/* From a zone file's bytes to struct zone_text, and what there is to its SOA serial. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "provider/zonefile_internal.h"

/* ---- serial ---- */

bool zone_serial_is_later(uint32_t serial, uint32_t before)
{
    const uint32_t distance = serial - before;

    return serial != 0 && distance > 0 && distance < UINT32_C(0x80000000);
}

uint32_t zone_serial_next(uint32_t serial, int64_t now_s)
{
    time_t time = (time_t)now_s;
    struct tm day;
    uint32_t dated = 0;

    if (gmtime_r(&time, &day) && day.tm_year >= 0 && day.tm_year < 2390) {
        dated = (uint32_t)(((1900 + day.tm_year) * 100 + day.tm_mon + 1) * 100 + day.tm_mday) * 100U;
    }
    if (zone_serial_is_later(dated, serial)) {
        return dated;
    }
    return serial == UINT32_MAX ? 1 : serial + 1; /* 0 is left out: some servers take it for "none" */
}

int zone_text_serial(const struct zone_text *zone, struct buffer *message, uint32_t *ret_serial)
{
    switch (zone->serial_problem) {
    case SERIAL_GOOD: *ret_serial = zone->serial; return 0;
    case SERIAL_NO_SOA:
        buffer_append_text(message, "no SOA record, whose serial is to be raised at each change: write one");
        break;
    case SERIAL_NOT_MARKED:
        buffer_printf(
            message,
            "%u: the serial of the SOA record is not marked: put it on a line that ends in \"; serial\", so that "
            "ddns53 may raise it",
            zone->soa_line);
        break;
    case SERIAL_NOT_A_NUMBER:
        buffer_printf(message, "%u: the serial of the SOA record is not a number from 0 to 4294967295: correct it",
                      zone->soa_line);
        break;
    }
    return -ENOENT;
}

void zone_text_keep_serial(struct zone_text *zone, uint32_t serial)
{
    zone->serial = serial;
}

/* Does the comment on the line of `at` begin with the word "serial"? */
static bool is_marked_serial(const char *text, size_t length, size_t at)
{
    static const char word[] = "serial";

    while (at < length && text[at] != '\n' && text[at] != ';') {
        at++;
    }
    while (at < length && (text[at] == ';' || text[at] == ' ' || text[at] == '\t')) {
        at++;
    }
    if (length - at < sizeof(word) - 1 || strncasecmp(text + at, word, sizeof(word) - 1) != 0) {
        return false;
    }
    at += sizeof(word) - 1;
    return at == length || strchr(" \t\r\n:.,(", text[at]) != NULL;
}

static void take_soa(struct zone_text *zone, const struct zone_scanner *scanner, const struct zone_entry *entry)
{
    const struct zone_token *token = &entry->data[2];
    const char *digits = scanner->text + token->at;
    size_t length = token->length;
    uint64_t serial = 0;

    if (zone->serial_problem != SERIAL_NO_SOA) {
        return; /* a second one is the name server's to complain about */
    }
    zone->soa_line = entry->line;
    while (entry->data_count > 2 && length > 1 && digits[0] == '0') {
        digits++;
        length--;
    }
    if (entry->data_count <= 2 || token->is_quoted || parse_uint(digits, length, 0, UINT32_MAX, &serial) < 0) {
        zone->serial_problem = SERIAL_NOT_A_NUMBER;
    } else if (!is_marked_serial(scanner->text, scanner->length, token->at)) {
        zone->serial_problem = SERIAL_NOT_MARKED;
    } else {
        zone->serial_problem = SERIAL_GOOD;
        zone->serial = (uint32_t)serial;
        zone->serial_at = token->at;
        zone->serial_length = token->length;
    }
}

/* ---- reading ---- */

static int compare_names(const void *a, const void *b)
{
    const struct owners_name *left = a, *right = b;
    int order = strcmp(left->key, right->key);

    return order ? order : (left->line > right->line) - (left->line < right->line);
}

static const char *keep_key(struct zone_text *zone, const char *name)
{
    char key[NAME_SIZE];

    zone_key_of(name, key);
    return arena_copy_text(&zone->arena, key, strlen(key));
}

struct reader {
    struct zone_scanner scanner;
    struct zone_text *zone;
    struct buffer *message;
    struct zone_entry begin, end; /* the markers; line 0: not seen */
};

static int bad(struct reader *reader, unsigned line, const char *what)
{
    buffer_printf(reader->message, "%u: %s", line, what);
    return -EBADMSG;
}

static bool type_of(const struct reader *reader, const struct zone_entry *entry, enum record_type *ret_type)
{
    for (enum record_type type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (zone_token_is(&reader->scanner, &entry->type, record_type_text(type))) {
            *ret_type = type;
            return true;
        }
    }
    return false;
}

static int take_owners(struct reader *reader, const struct zone_entry *entry)
{
    struct zone_text *zone = reader->zone;
    struct owners_name name = {.line = entry->line}, *names;
    enum record_type type;

    if (zone_token_is(&reader->scanner, &entry->type, "SOA")) {
        take_soa(zone, &reader->scanner, entry);
        return 0;
    }
    if (type_of(reader, entry, &type)) {
        name.has = 1U << type;
    } else if (zone_token_is(&reader->scanner, &entry->type, "CNAME")) {
        name.has = OWNER_HAS_CNAME;
    }
    if (!name.has || !entry->owner) {
        return 0;
    }
    name.key = keep_key(zone, entry->owner);
    names = zone_grow(zone->names, &zone->name_size, zone->name_count + 1, sizeof(*names));
    if (!names) {
        return -ENOMEM;
    }
    zone->names = names;
    if (!name.key) {
        return -ENOMEM;
    }
    zone->names[zone->name_count++] = name;
    return 0;
}

/* One value of a set. It may go over several lines, with comments between. */
static int read_value(const struct reader *reader, const struct zone_entry *entry, enum record_type type,
                      struct rdata *ret_value)
{
    _cleanup_buffer_ struct buffer strings = BUFFER_INIT;
    struct zone_token token = {0};
    const struct zone_token *first = &entry->data[0];

    if (entry->data_count == 1 && !first->is_quoted) {
        return record_value_add(type, reader->scanner.text + first->at, first->length, TEXT_DECIMAL, ret_value);
    }
    while (zone_data_next(&reader->scanner, entry, &token)) {
        buffer_append_text(&strings, strings.length > 0 ? " " : "");
        buffer_append(&strings, reader->scanner.text + token.at - token.is_quoted, token.length + 2U * token.is_quoted);
    }
    const int r = buffer_status(&strings);
    return r < 0 ? r : record_value_add(type, buffer_text(&strings), strings.length, TEXT_DECIMAL, ret_value);
}

/* Anything that we could not write back the same is refused rather than lost. */
static int take_ours(struct reader *reader, const struct zone_entry *entry)
{
    struct zone_text *zone = reader->zone;
    struct our_record record = {.line = entry->line, .ttl_s = entry->ttl_s}, *records;

    const bool is_like_ours =
        entry->kind == ZONE_RECORD && entry->owner && entry->has_ttl && type_of(reader, entry, &record.type);
    const int r = is_like_ours ? read_value(reader, entry, record.type, &record.value) : -EINVAL;
    if (r == -ENOMEM) {
        return r;
    }
    if (r < 0) {
        return bad(reader, entry->line,
                   "between the ddns53 markers, but not a record of ddns53's: move it outside of them");
    }
    record.key = keep_key(zone, entry->owner);
    records = zone_grow(zone->records, &zone->record_size, zone->record_count + 1, sizeof(*records));
    if (records) {
        zone->records = records;
    }
    if (!records || !record.key) {
        rdata_drop(&record.value);
        return -ENOMEM;
    }
    zone->records[zone->record_count++] = record;
    return 0;
}

static int take_marker(struct reader *reader, const struct zone_entry *entry)
{
    struct zone_entry *marker = entry->kind == ZONE_BEGIN ? &reader->begin : &reader->end;

    if (marker->line != 0 || (entry->kind == ZONE_END && reader->begin.line == 0)) {
        return bad(reader, entry->line,
                   "a ddns53 marker too many: leave one \"" ZONE_MARKER_BEGIN "\" and, after it, one \"" ZONE_MARKER_END
                   "\", or none (they are made anew)");
    }
    *marker = *entry;
    return 0;
}

static int take_entry(struct reader *reader, const struct zone_entry *entry)
{
    if (entry->kind == ZONE_BEGIN || entry->kind == ZONE_END) {
        return take_marker(reader, entry);
    }
    if (reader->begin.line != 0 && reader->end.line == 0) {
        return take_ours(reader, entry);
    }
    return entry->kind == ZONE_RECORD ? take_owners(reader, entry) : 0;
}

static int read_entries(struct reader *reader)
{
    struct zone_entry entry;
    int r;

    while ((r = zone_scanner_next(&reader->scanner, &entry)) > 0) {
        r = take_entry(reader, &entry);
        if (r < 0) {
            return r;
        }
    }
    if (r < 0) {
        buffer_printf(reader->message, "%u: %s: correct the zone file", reader->scanner.line, reader->scanner.problem);
        return r;
    }
    if (reader->begin.line != 0 && reader->end.line == 0) {
        return bad(reader, reader->begin.line,
                   "\"" ZONE_MARKER_BEGIN "\" without \"" ZONE_MARKER_END "\": write that line after ddns53's records");
    }
    return 0;
}

/* A set of texts has a line a value; an address stands alone. */
static int join_texts(struct reader *reader)
{
    struct zone_text *zone = reader->zone;
    size_t kept = 0;
    int r = 0;

    for (size_t i = 0; i < zone->record_count; i++) {
        struct our_record *record = &zone->records[i];
        struct our_record *before = kept > 0 ? &zone->records[kept - 1] : NULL;
        if (r < 0 || !before || !zone_is_same_record(before, record)) {
            zone->records[kept++] = *record;
            continue;
        }
        r = record->value.texts ? rdata_add_all(&before->value, &record->value) : -EEXIST;
        if (r == -EEXIST) {
            r = bad(reader, record->line,
                    "a second record of that name and type between the ddns53 markers: delete one");
        } else if (r == -E2BIG) {
            r = bad(reader, record->line, "too many texts of one name between the ddns53 markers: delete some");
        }
        rdata_drop(&record->value);
    }
    zone->record_count = kept;
    return r;
}

static int sort_and_check(struct reader *reader)
{
    struct zone_text *zone = reader->zone;

    if (zone->record_count > 0) {
        qsort(zone->records, zone->record_count, sizeof(zone->records[0]), zone_compare_records);
    }
    if (zone->name_count > 0) {
        qsort(zone->names, zone->name_count, sizeof(zone->names[0]), compare_names);
    }
    return join_texts(reader);
}

static const char *line_end_of(const char *text, size_t length)
{
    const char *newline = memchr(text, '\n', length);

    return newline && newline > text && newline[-1] == '\r' ? "\r\n" : "\n";
}

static int keep_owners_text(struct reader *reader, const char *text, size_t length)
{
    struct zone_text *zone = reader->zone;
    struct buffer *owner = &zone->owner;

    if (reader->begin.line != 0) {
        zone->line_end = line_end_of(text + reader->begin.start, reader->begin.end - reader->begin.start);
        buffer_append(owner, text, reader->begin.end);
        zone->block_at = owner->length;
        buffer_append(owner, text + reader->end.start, length - reader->end.start);
        if (zone->serial_at >= reader->end.start) {
            zone->serial_at -= reader->end.start - reader->begin.end;
        }
    } else {
        zone->line_end = line_end_of(text, length);
        buffer_append(owner, text, length);
        if (length > 0 && text[length - 1] != '\n') {
            buffer_append_text(owner, zone->line_end);
        }
        buffer_append_text(owner, MARKER_BEGIN_LINE);
        buffer_append_text(owner, zone->line_end);
        zone->block_at = owner->length;
        buffer_append_text(owner, MARKER_END_LINE);
        buffer_append_text(owner, zone->line_end);
    }
    return buffer_status(owner);
}

int zone_text_read(const char *text, size_t length, const char *zone_name, struct buffer *message,
                   struct zone_text **ret_zone)
{
    _cleanup_(zone_text_freep) struct zone_text *zone = calloc(1, sizeof(*zone));
    struct reader reader = {.zone = zone, .message = message};
    int r;

    if (!zone) {
        return -ENOMEM;
    }
    zone->serial_problem = SERIAL_NO_SOA;
    zone_scanner_init(&reader.scanner, text, length, zone_name);
    r = read_entries(&reader);
    r = r < 0 ? r : sort_and_check(&reader);
    r = r < 0 ? r : keep_owners_text(&reader, text, length);
    if (r < 0) {
        return r;
    }
    *ret_zone = TAKE_PTR(zone);
    return 0;
}
