/* From struct zone_text to a zone file's bytes: the lines of our records are kept in blocks, and a block is formatted
 * again only when one of its records has changed. Formatting 100,000 records takes about 20 ms. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/zonefile_internal.h"

/* Records of a block: when the blocks are made, and at most, before they are all made anew. */
#define BLOCK_RECORDS 256
#define BLOCK_RECORDS_MAX 1024
#define BLOCK_ROOM 256 /* bytes; about a fiftieth */

/* Of the owner's text, which stays as it is. */
#define OWNER_STAMP 0

/* ---- lines ---- */

/* No format strings but for the TTL: a large zone has many of these. */
static void write_address(const struct our_record *record, const char *line_end, struct buffer *buffer)
{
    char line[NAME_SIZE + 32 + ADDRESS_TEXT_SIZE];
    char *end = line;

    zone_name_of(record->key, end);
    end += strlen(end);
    end += snprintf(end, 16, " %u IN ", record->ttl_s);
    end = stpcpy(stpcpy(end, record_type_text(record->type)), " ");
    address_print(&record->value.address, end);
    buffer_append_text(buffer, line);
    buffer_append_text(buffer, line_end);
}

/* A line a value. */
static void write_texts(const struct our_record *record, const char *line_end, struct buffer *buffer)
{
    char name[NAME_SIZE];

    zone_name_of(record->key, name);
    for (size_t i = 0; i < rdata_count(&record->value); i++) {
        buffer_printf(buffer, "%s %u IN %s ", name, record->ttl_s, record_type_text(record->type));
        rdata_print_value(&record->value, i, TEXT_DECIMAL, buffer);
        buffer_append_text(buffer, line_end);
    }
}

static void write_ours(const struct our_record *record, const char *line_end, struct buffer *buffer)
{
    if (record->value.texts) {
        write_texts(record, line_end, buffer);
    } else {
        write_address(record, line_end, buffer);
    }
}

/* ---- blocks ---- */

static void drop_blocks(struct zone_text *zone)
{
    for (size_t i = 0; i < zone->block_count; i++) {
        buffer_done(&zone->blocks[i].text);
    }
    free(TAKE_PTR(zone->blocks));
    zone->block_count = 0;
}

static int make_blocks(struct zone_text *zone)
{
    const size_t count = (zone->record_count + BLOCK_RECORDS - 1) / BLOCK_RECORDS;

    drop_blocks(zone);
    zone->blocks = calloc(count + 1, sizeof(*zone->blocks));
    if (!zone->blocks) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct our_record *first = &zone->records[i * BLOCK_RECORDS];
        zone->blocks[i] = (struct line_block){.key = first->key, .type = first->type, .is_stale = true};
    }
    zone->block_count = count;
    return 0;
}

/* The last block that begins with the record or before it, else the first one. */
static size_t block_of(const struct zone_text *zone, const struct our_record *record)
{
    size_t low = 0, high = zone->block_count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        const struct line_block *block = &zone->blocks[middle];
        int order = strcmp(block->key, record->key);

        order = order ? order : (int)block->type - (int)record->type;
        if (order <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void zone_lines_touch(struct zone_text *zone, const struct our_record *record)
{
    if (zone->block_count > 0) {
        zone->blocks[block_of(zone, record)].is_stale = true;
    }
}

/* The index of the first record of the block; that of the block past the last: the number of records. */
static size_t first_of_block(const struct zone_text *zone, size_t index)
{
    if (index == 0) {
        return 0;
    }
    if (index == zone->block_count) {
        return zone->record_count;
    }
    return zone_records_from(zone, zone->blocks[index].key, zone->blocks[index].type, false);
}

/* Spaces before the end of the last line: as many as keep the block's length, or give it room anew. */
static void add_room(const struct zone_text *zone, size_t length_before, struct buffer *text)
{
    const size_t lines = text->length;

    if (lines == 0) {
        return;
    }
    const bool fits = lines <= length_before && length_before <= lines + 2 * BLOCK_ROOM;
    const size_t length = fits ? length_before : lines + BLOCK_ROOM;
    text->length -= strlen(zone->line_end);
    buffer_printf(text, "%*s%s", (int)(length - lines), "", zone->line_end);
}

/* -E2BIG: it has grown too large. */
static int format_block(struct zone_text *zone, size_t index, bool has_room)
{
    const size_t first = first_of_block(zone, index), end = first_of_block(zone, index + 1);
    struct line_block *block = &zone->blocks[index];
    const size_t length_before = block->text.length;

    if (end - first > BLOCK_RECORDS_MAX) {
        return -E2BIG;
    }
    buffer_clear(&block->text);
    for (size_t i = first; i < end; i++) {
        write_ours(&zone->records[i], zone->line_end, &block->text);
    }
    if (has_room && buffer_status(&block->text) == 0) {
        add_room(zone, length_before, &block->text);
    }
    block->stamp = ++zone->stamp;
    block->is_stale = buffer_status(&block->text) < 0;
    return buffer_status(&block->text);
}

static int format_stale(struct zone_text *zone, bool has_room)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < zone->block_count; i++) {
        r = zone->blocks[i].is_stale ? format_block(zone, i, has_room) : 0;
    }
    return r;
}

static int format(struct zone_text *zone, bool has_room)
{
    int r = zone->block_count > 0 || zone->record_count == 0 ? format_stale(zone, has_room) : -E2BIG;

    if (r == -E2BIG) {
        r = make_blocks(zone);
        r = r < 0 ? r : format_stale(zone, has_room);
    }
    return r;
}

void zone_lines_done(struct zone_text *zone)
{
    drop_blocks(zone);
    free(TAKE_PTR(zone->parts));
}

/* ---- the file ---- */

static void add_part(struct zone_text *zone, size_t *count, const char *text, size_t length, uint64_t stamp)
{
    if (length > 0) {
        zone->parts[(*count)++] = (struct file_part){text, length, stamp};
    }
}

/* The owner's text, with the serial in its place. */
static void add_owners(struct zone_text *zone, size_t *count, size_t from, size_t to)
{
    const char *text = zone->owner.data;

    if (zone->serial_at >= from && zone->serial_at < to) {
        add_part(zone, count, text + from, zone->serial_at - from, OWNER_STAMP);
        add_part(zone, count, zone->serial_text, strlen(zone->serial_text), ++zone->stamp);
        from = zone->serial_at + zone->serial_length;
    }
    add_part(zone, count, text + from, to - from, OWNER_STAMP);
}

int zone_text_write(struct zone_text *zone, uint32_t serial, bool has_room, const struct file_part **ret_parts,
                    size_t *ret_count)
{
    size_t count = 0;

    const int r = format(zone, has_room);
    if (r < 0) {
        return r;
    }
    struct file_part *parts = reallocarray(zone->parts, zone->block_count + 6, sizeof(*parts)); /* 3 of each half */
    if (!parts) {
        return -ENOMEM;
    }
    zone->parts = parts;
    (void)snprintf(zone->serial_text, sizeof(zone->serial_text), "%u", serial);
    add_owners(zone, &count, 0, zone->block_at);
    for (size_t i = 0; i < zone->block_count; i++) {
        const struct line_block *block = &zone->blocks[i];
        add_part(zone, &count, block->text.data, block->text.length, block->stamp);
    }
    add_owners(zone, &count, zone->block_at, zone->owner.length);
    *ret_parts = zone->parts;
    *ret_count = count;
    return 0;
}
