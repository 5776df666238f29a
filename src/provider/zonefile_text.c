#include "provider/zonefile_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/zonefile_internal.h"

/* ---- keys ---- */

void zone_key_of(const char *name, char ret_key[NAME_SIZE])
{
    size_t end = strlen(name), used = 0;

    while (end > 0) {
        size_t start = --end; /* name[end] is the dot after a label */

        while (start > 0 && name[start - 1] != '.') {
            start--;
        }
        if (used > 0) {
            ret_key[used++] = LABEL_SEPARATOR;
        }
        memcpy(ret_key + used, name + start, end - start);
        used += end - start;
        end = start;
    }
    ret_key[used] = '\0';
}

void zone_name_of(const char *key, char ret_name[NAME_SIZE])
{
    size_t end = strlen(key), used = 0;

    while (end > 0) {
        size_t start = end;

        while (start > 0 && key[start - 1] != LABEL_SEPARATOR) {
            start--;
        }
        memcpy(ret_name + used, key + start, end - start);
        used += end - start;
        ret_name[used++] = '.';
        end = start > 0 ? start - 1 : 0;
    }
    ret_name[used] = '\0';
}

int zone_compare_records(const void *a, const void *b)
{
    const struct our_record *left = a, *right = b;
    int order = strcmp(left->key, right->key);

    order = order ? order : (int)left->type - (int)right->type;
    return order ? order : (left->line > right->line) - (left->line < right->line);
}

bool zone_is_same_record(const struct our_record *a, const struct our_record *b)
{
    return a->type == b->type && strcmp(a->key, b->key) == 0;
}

void *zone_grow(void *array, size_t *size, size_t needed, size_t element_size)
{
    size_t larger = *size ? 2 * *size : 64;
    void *grown;

    if (needed <= *size) {
        return array;
    }
    larger = larger < needed ? needed : larger;
    grown = reallocarray(array, larger, element_size);
    if (grown) {
        *size = larger;
    }
    return grown;
}

void zone_text_free(struct zone_text *zone)
{
    if (!zone) {
        return;
    }
    for (size_t i = 0; i < zone->record_count; i++) {
        rdata_drop(&zone->records[i].value);
    }
    zone_lines_done(zone);
    buffer_done(&zone->owner);
    free(zone->records);
    free(zone->names);
    arena_done(&zone->arena);
    free(zone);
}

/* ---- looking ---- */

static unsigned line_in_group(const struct zone_text *zone, size_t first, const char *key, unsigned has)
{
    for (size_t i = first; i < zone->name_count && strcmp(zone->names[i].key, key) == 0; i++) {
        if (zone->names[i].has & has) {
            return zone->names[i].line;
        }
    }
    return 0;
}

static unsigned in_the_way(enum record_type type)
{
    return (1U << type) | OWNER_HAS_CNAME;
}

static unsigned owners_line(const struct zone_text *zone, const char *key, enum record_type type)
{
    size_t low = 0, high = zone->name_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(zone->names[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return line_in_group(zone, low, key, in_the_way(type));
}

static int compare_to(const struct our_record *record, const char *key, enum record_type type)
{
    const int order = strcmp(record->key, key);

    return order ? order : (int)record->type - (int)type;
}

static struct our_record *find_ours(const struct zone_text *zone, const char *key, enum record_type type)
{
    const size_t index = zone_records_from(zone, key, type, false);

    if (index == zone->record_count || compare_to(&zone->records[index], key, type) != 0) {
        return NULL;
    }
    return &zone->records[index];
}

unsigned zone_text_owners_line(const struct zone_text *zone, const char *hostname, enum record_type type)
{
    char key[NAME_SIZE];

    zone_key_of(hostname, key);
    return owners_line(zone, key, type);
}

void zone_text_find(const struct zone_text *zone, const char *hostname, enum record_type type,
                    struct provider_found *ret_found)
{
    struct provider_found found = {.hostname = hostname, .type = type, .knowledge = RECORD_ABSENT};
    const struct our_record *record;
    char key[NAME_SIZE];

    zone_key_of(hostname, key);
    record = find_ours(zone, key, type);
    if (owners_line(zone, key, type) != 0) {
        found.knowledge = RECORD_FOREIGN;
        found.foreign = FOREIGN_SEVERAL_VALUES;
    } else if (record) {
        found.knowledge = RECORD_PLAIN;
        found.value = record->value;
        found.ttl_s = record->ttl_s;
    }
    *ret_found = found;
}

static size_t first_name_after(const struct zone_text *zone, const char *key)
{
    size_t low = 0, high = zone->name_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(zone->names[middle].key, key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t zone_records_from(const struct zone_text *zone, const char *key, enum record_type type, bool is_past)
{
    size_t low = 0, high = zone->record_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_to(&zone->records[middle], key, type);

        if (order < 0 || (order == 0 && is_past)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void keep_key(struct zone_cursor *cursor, const char *key)
{
    (void)snprintf(cursor->key, sizeof(cursor->key), "%s", key);
}

/* Returns how many of `max` are left. */
static size_t page_names(const struct zone_text *zone, struct zone_cursor *cursor, size_t max, provider_each each,
                         void *userdata)
{
    struct provider_found found;
    char name[NAME_SIZE];
    size_t i = first_name_after(zone, cursor->key);

    for (; i < zone->name_count && max > 0; i = first_name_after(zone, cursor->key)) {
        const char *key = zone->names[i].key;

        zone_name_of(key, name);
        for (enum record_type type = 0; type < RECORD_TYPE_COUNT; type++) {
            if (line_in_group(zone, i, key, in_the_way(type)) != 0) {
                zone_text_find(zone, name, type, &found);
                each(&found, userdata);
            }
        }
        keep_key(cursor, key);
        max--;
    }
    if (i == zone->name_count) {
        *cursor = (struct zone_cursor){.is_past_owners = true};
    }
    return max;
}

static bool page_records(const struct zone_text *zone, struct zone_cursor *cursor, size_t max, provider_each each,
                         void *userdata)
{
    struct provider_found found;
    char name[NAME_SIZE];
    size_t i = zone_records_from(zone, cursor->key, cursor->type, true);

    for (; i < zone->record_count && max > 0; i++, max--) {
        const struct our_record *record = &zone->records[i];

        if (owners_line(zone, record->key, record->type) == 0) {
            zone_name_of(record->key, name);
            zone_text_find(zone, name, record->type, &found);
            each(&found, userdata);
        }
        keep_key(cursor, record->key);
        cursor->type = record->type;
    }
    return i < zone->record_count;
}

bool zone_text_page(const struct zone_text *zone, struct zone_cursor *cursor, size_t max, provider_each each,
                    void *userdata)
{
    if (!cursor->is_past_owners) {
        max = page_names(zone, cursor, max, each, userdata);
    }
    return !cursor->is_past_owners || page_records(zone, cursor, max, each, userdata);
}

/* ---- changing ---- */

/* Both sorted, no record in both. From the end, so that it can be done in place. */
static int merge(struct zone_text *zone, const struct our_record *added, size_t count)
{
    size_t to = zone->record_count + count, from = zone->record_count;

    struct our_record *records = zone_grow(zone->records, &zone->record_size, to, sizeof(*records));

    if (!records) {
        return -ENOMEM;
    }
    zone->records = records;
    zone->record_count = to;
    while (count > 0) {
        if (from > 0 && zone_compare_records(&zone->records[from - 1], &added[count - 1]) > 0) {
            zone->records[--to] = zone->records[--from];
        } else {
            zone->records[--to] = added[--count];
        }
    }
    return 0;
}

/* Of two for one record the later counts. Returns how many are left. */
static size_t sort_added(struct our_record *added, size_t count)
{
    size_t kept = 0;

    qsort(added, count, sizeof(*added), zone_compare_records);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && zone_is_same_record(&added[kept - 1], &added[i])) {
            rdata_drop(&added[--kept].value);
        }
        added[kept++] = added[i];
    }
    return kept;
}

/* Those without a value are withdrawn. */
static void remove_empty(struct zone_text *zone)
{
    size_t kept = 0;

    for (size_t i = 0; i < zone->record_count; i++) {
        if (!rdata_is_empty(&zone->records[i].value)) {
            zone->records[kept++] = zone->records[i];
        }
    }
    zone->record_count = kept;
}

/* Appends to `added` what is not there yet. */
static int set_one(struct zone_text *zone, const struct change_request *change, struct our_record *added,
                   size_t *added_count, bool *is_changed, bool *is_withdrawn)
{
    char key[NAME_SIZE];

    zone_key_of(change->record->hostname, key);
    struct our_record *record = find_ours(zone, key, change->record->type);
    if (record ? record->ttl_s == change->ttl_s && rdata_equal(&record->value, &change->value)
               : rdata_is_empty(&change->value) && *added_count == 0) {
        return 0;
    }
    *is_changed |= record || !rdata_is_empty(&change->value);
    if (!record) {
        record = &added[*added_count];
        record->key = arena_copy_text(&zone->arena, key, strlen(key));
        record->type = change->record->type;
        record->line = (unsigned)*added_count;
        if (!record->key) {
            return -ENOMEM;
        }
        (*added_count)++;
    }
    *is_withdrawn |= rdata_is_empty(&change->value);
    rdata_assign(&record->value, &change->value);
    record->ttl_s = change->ttl_s;
    zone_lines_touch(zone, record);
    return 0;
}

int zone_text_set(struct zone_text *zone, const struct change_request *const *changes, size_t count, bool *ret_changed)
{
    _cleanup_free_ struct our_record *added = calloc(count ? count : 1, sizeof(*added));
    size_t added_count = 0;
    bool is_changed = false, is_withdrawn = false;
    int r = added ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < count; i++) {
        r = set_one(zone, changes[i], added, &added_count, &is_changed, &is_withdrawn);
    }
    if (r == 0 && added_count > 0) {
        added_count = sort_added(added, added_count);
        r = merge(zone, added, added_count);
    }
    if (r < 0) {
        for (size_t i = 0; i < added_count; i++) {
            rdata_drop(&added[i].value);
        }
        return r;
    }
    if (is_withdrawn) {
        remove_empty(zone);
    }
    *ret_changed = is_changed;
    return 0;
}

void zone_text_make(const char *zone_name, uint32_t default_ttl_s, uint32_t serial, struct buffer *buffer)
{
    buffer_printf(buffer,
                  "; the zone %s as ddns53 made it; all but the lines between the two ddns53 markers is yours to edit\n"
                  "$ORIGIN %s\n"
                  "$TTL %u\n"
                  "@ IN SOA localhost. hostmaster (\n"
                  "        %u ; serial\n"
                  "        3600 ; refresh\n"
                  "        600 ; retry\n"
                  "        1209600 ; expire\n"
                  "        %u ; how long a name's absence may be remembered\n"
                  "        )\n"
                  "; the zone's real name servers belong here\n"
                  "@ IN NS localhost.\n"
                  "\n" MARKER_BEGIN_LINE "\n" MARKER_END_LINE "\n",
                  zone_name, zone_name, default_ttl_s, serial, default_ttl_s);
}
