#include "ctl/import.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/parse.h"
#include "base/table.h"

#define SECONDS_TEXT_SIZE 32
#define TTL_MAX_S INT32_MAX
/* The records that the old system itself puts into a new table. */
#define EXAMPLE_PREFIX "example-record."
#define EXAMPLE_COMMENT "example record"

struct reading {
    struct import *import;
    struct table *by_name; /* -> the first row of that name */
    size_t capacity;
};

/* ---- values ---- */

/* What DynamoDB calls an attribute: {"S": text}, {"N": number as text}, {"BOOL": truth}; or the value itself. */
static const json_t *attribute(const json_t *item, const char *key)
{
    static const char *const types[] = {"S", "N", "BOOL"};
    const json_t *value = json_object_get(item, key);

    for (size_t i = 0; json_is_object(value) && i < ELEMENTS(types); i++) {
        const json_t *inner = json_object_get(value, types[i]);
        if (inner) {
            return inner;
        }
    }
    return json_is_object(value) ? NULL : value;
}

/* Owned; NULL: it is not there, or is empty. */
static char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(attribute(item, key));

    return text && text[0] != '\0' ? strdup(text) : NULL;
}

static bool truth_of(const json_t *item, const char *key)
{
    const json_t *value = attribute(item, key);
    const char *text = json_string_value(value);

    return json_is_true(value) || (text && strcasecmp(text, "true") == 0);
}

/* -1: it is not there; -2: no number of seconds. */
static int64_t seconds_of(const json_t *item, const char *key)
{
    const json_t *value = attribute(item, key);
    const char *text = json_string_value(value);
    uint64_t seconds = 0;

    if (!value || json_is_null(value)) {
        return -1;
    }
    if (json_is_integer(value)) {
        const int64_t number = (int64_t)json_integer_value(value);
        return number >= 0 && number <= TTL_MAX_S ? number : -2;
    }
    return text && parse_uint(text, strlen(text), 0, TTL_MAX_S, &seconds) == 0 ? (int64_t)seconds : -2;
}

/* "2017-06-20 12:34:56.789012", UTC, as Python's str(datetime.now()) has it in a Lambda; 0: nothing. */
static int64_t time_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(attribute(item, key));
    char iso[SECONDS_TEXT_SIZE];
    int64_t time_s = 0;

    if (!text) {
        return 0;
    }
    (void)snprintf(iso, sizeof(iso), "%.19sZ", text);
    if (strlen(iso) > 10 && iso[10] == ' ') {
        iso[10] = 'T';
    }
    return parse_iso8601(iso, &time_s) == 0 ? time_s : 0;
}

static struct address address_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(attribute(item, key));
    struct address address = {.family = ADDRESS_NONE};

    if (!text || address_parse(text, strlen(text), &address) < 0) {
        address = (struct address){.family = ADDRESS_NONE};
    }
    return address;
}

/* ---- rows ---- */

static struct bytes name_of_row(const void *value)
{
    const struct import_row *row = value;

    return (struct bytes){row->hostname.text, strlen(row->hostname.text)};
}

static void row_free(struct import_row *row)
{
    if (!row) {
        return;
    }
    if (row->secret) {
        wipe(row->secret, strlen(row->secret));
    }
    free(row->given);
    free(row->secret);
    free(row->mac_address);
    free(row->comment);
    free(row->zone_id);
    free(row);
}

static void skip(struct import_row *row, const char *format, ...) _printf_(2, 3);
static void skip(struct import_row *row, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    row->action = IMPORT_SKIP;
    (void)vsnprintf(row->reason, sizeof(row->reason), format, arguments);
    va_end(arguments);
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Whatever a host cannot be, told before hosts.yaml is. */
static void check_row(struct import_row *row, const char *type)
{
    const char *reason = NULL;
    enum record_type parsed = RECORD_A;
    uint8_t mac[6];

    if (name_parse(row->given, strlen(row->given), &row->hostname, &reason) < 0) {
        skip(row, "is no hostname: %s", reason);
    } else if (record_type_parse(type ? type : "A", &parsed) < 0 || parsed > RECORD_AAAA) {
        skip(row, "record_type is neither A nor AAAA");
    } else if (!row->secret) {
        skip(row, "has no shared_secret");
    } else if (strlen(row->secret) > HOST_SECRET_MAX_BYTES || !is_printable(row->secret)) {
        skip(row, "its shared_secret is longer than %d bytes, or has a control character in it", HOST_SECRET_MAX_BYTES);
    } else if (row->ttl_s < -1) {
        skip(row, "its TTL is no number of seconds");
    } else if (row->mac_address && mac_parse(row->mac_address, mac) < 0) {
        skip(row, "its mac_address is none; correct it there, or leave it out");
    } else if (strncmp(row->given, EXAMPLE_PREFIX, strlen(EXAMPLE_PREFIX)) == 0 && row->comment &&
               strcmp(row->comment, EXAMPLE_COMMENT) == 0) {
        skip(row, "is the example that the old system came with");
        row->is_example = true;
    }
    row->types = 1U << parsed;
    if (row->ttl_s >= 0) {
        (void)snprintf(row->ttl_text, sizeof(row->ttl_text), "%" PRId32, (int32_t)row->ttl_s);
    }
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Can they be one row of hosts.yaml, with both record types? */
static bool are_alike(const struct import_row *a, const struct import_row *b)
{
    return is_same_text(a->secret, b->secret) && is_same_text(a->mac_address, b->mac_address) &&
           is_same_text(a->comment, b->comment) && a->ttl_s == b->ttl_s && a->allow_internal == b->allow_internal &&
           a->lock_record == b->lock_record && a->read_privilege == b->read_privilege;
}

static int append_row(struct reading *reading, struct import_row *row)
{
    struct import *import = reading->import;

    if (import->count == reading->capacity) {
        size_t capacity = reading->capacity == 0 ? 64 : reading->capacity * 2;
        struct import_row **rows = reallocarray(import->rows, capacity, sizeof(struct import_row *));
        if (!rows) {
            return -ENOMEM;
        }
        import->rows = rows;
        reading->capacity = capacity;
    }
    import->rows[import->count++] = row;
    return 0;
}

/* Puts it into the row of the same host with another record type where they are alike. Takes the row. */
static int take_row(struct reading *reading, struct import_row *row)
{
    struct import_row *first =
        row->action == IMPORT_SKIP ? NULL : table_get(reading->by_name, row->hostname.text, strlen(row->hostname.text));
    struct import_row *last = NULL, *alike = NULL;

    for (struct import_row *other = first; other; other = other->next) {
        if ((other->types & row->types) != 0) {
            skip(row, "is there twice; the first one counts");
        }
        alike = are_alike(other, row) ? other : alike;
        last = other;
    }
    if (row->action != IMPORT_SKIP && alike) {
        size_t type = (row->types & (1U << RECORD_A)) != 0 ? RECORD_A : RECORD_AAAA;
        alike->types |= row->types;
        alike->state[type] = row->state[type];
        row_free(row);
        return 0;
    }
    int r = append_row(reading, row);
    if (r < 0) {
        row_free(row);
    } else if (row->action != IMPORT_SKIP && last) {
        last->next = row;
    } else if (row->action != IMPORT_SKIP) {
        r = table_put(reading->by_name, row);
    }
    return r;
}

static struct import_row *row_new(const char *hostname)
{
    struct import_row *row = calloc(1, sizeof(*row));

    if (row) {
        row->given = strdup(hostname);
        row->ttl_s = -1;
        if (!row->given) {
            row_free(row);
            return NULL;
        }
    }
    return row;
}

/* ---- the three formats ---- */

/* What versions 1 and 3 say of a host. */
static void read_short(const json_t *entry, struct import_row *row)
{
    row->secret = text_of(entry, "shared_secret");
    row->zone_id = text_of(entry, "route_53_zone_id");
    row->ttl_s = seconds_of(entry, "route_53_record_ttl");
    check_row(row, json_string_value(json_object_get(entry, "route_53_record_type")));
}

static void read_data(const char *data, struct import_row *row)
{
    json_t *entry = json_loads(data, 0, NULL);

    if (json_is_object(entry)) {
        read_short(entry, row);
    } else {
        skip(row, "its data is no JSON object");
    }
    json_decref(entry);
}

static void read_full(const json_t *item, struct import_row *row)
{
    const char *type = json_string_value(attribute(item, "record_type"));

    row->secret = text_of(item, "shared_secret");
    row->mac_address = text_of(item, "mac_address");
    row->comment = text_of(item, "comment");
    row->ttl_s = seconds_of(item, "ttl");
    row->allow_internal = truth_of(item, "allow_internal");
    row->lock_record = truth_of(item, "lock_record");
    row->read_privilege = truth_of(item, "read_privilege");
    struct import_state *state = &row->state[type && strcmp(type, "AAAA") == 0 ? RECORD_AAAA : RECORD_A];
    *state = (struct import_state){
        .address = address_of(item, "ip_address"),
        .last_accessed = address_of(item, "last_accessed"),
        .last_updated_s = time_of(item, "last_updated"),
        .last_checked_s = time_of(item, "last_checked"),
    };
    check_row(row, type ? type : "");
}

static int read_item(struct reading *reading, const json_t *item)
{
    const char *hostname = json_string_value(attribute(item, "hostname"));
    const char *data = json_string_value(attribute(item, "data"));
    struct import_row *row = row_new(hostname ? hostname : "?");

    if (!row) {
        return -ENOMEM;
    }
    if (!hostname) {
        skip(row, "an item without a hostname");
    } else if (data) {
        reading->import->format = "version 3";
        read_data(data, row);
    } else {
        read_full(item, row);
    }
    return take_row(reading, row);
}

static int read_items(struct reading *reading, const json_t *items)
{
    const json_t *item;
    size_t index;

    reading->import->format = "version 2";
    json_array_foreach(items, index, item)
    {
        int r = read_item(reading, item);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int read_config(struct reading *reading, json_t *root)
{
    const char *hostname;
    json_t *entry;

    reading->import->format = "version 1";
    json_object_foreach(root, hostname, entry)
    {
        struct import_row *row = row_new(hostname);
        if (!row) {
            return -ENOMEM;
        }
        read_short(entry, row);
        int r = take_row(reading, row);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* An object of objects with secrets in them. */
static bool is_config(json_t *root)
{
    const char *hostname;
    json_t *entry;

    json_object_foreach(root, hostname, entry)
    {
        if (!json_object_get(entry, "shared_secret")) {
            return false;
        }
    }
    return json_object_size(root) > 0;
}

static int read_root(struct reading *reading, json_t *root, struct buffer *message)
{
    const json_t *items = json_object_get(root, "Items");

    if (json_is_array(items)) {
        return read_items(reading, items);
    }
    if (json_is_object(root) && is_config(root)) {
        return read_config(reading, root);
    }
    buffer_append_text(message,
                       "is neither the output of \"aws dynamodb scan --table-name NAME\" nor the config.json of "
                       "version 1");
    return -EINVAL;
}

int import_read(const char *text, size_t length, struct import *ret_import, struct buffer *message)
{
    struct reading reading = {.import = ret_import};
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

    *ret_import = (struct import){.format = ""};
    if (!root) {
        buffer_printf(message, "line %d, column %d: is no JSON: %s", error.line, error.column, error.text);
        return -EINVAL;
    }
    reading.by_name = table_new(name_of_row);
    int r = reading.by_name ? read_root(&reading, root, message) : -ENOMEM;
    table_free(reading.by_name);
    json_decref(root);
    return r;
}

void import_done(struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        row_free(import->rows[i]);
    }
    free(import->rows);
    *import = (struct import){.format = ""};
}

/* ---- against the hosts that there are ---- */

static bool has_secret(const struct host *host, const struct import_row *row)
{
    const struct bytes part = {row->secret, strlen(row->secret)};
    uint8_t digest[SHA256_SIZE];

    sha256(&part, 1, digest);
    return host->secret->is_set && constant_time_equal(digest, host->secret->sha256, SHA256_SIZE);
}

static void decide_row(struct import_row *row, const struct settings *settings, const struct hosts *hosts)
{
    const struct host *host = hosts_find(hosts, row->hostname.text);
    unsigned there = 0;

    if (settings_zone_of(settings, row->hostname.text) < 0) {
        skip(row, "is in none of the zones; add its zone to the settings");
        return;
    }
    for (; host; host = host->more->next_same_name) {
        if ((host->record_types & row->types) != 0) {
            there |= host->record_types;
            row->action = IMPORT_THERE;
            (void)snprintf(row->reason, sizeof(row->reason), "%s",
                           has_secret(host, row) ? "" : "with another secret, which stays");
        }
    }
    if (row->action == IMPORT_THERE) {
        if ((row->types & ~there) != 0) {
            (void)snprintf(row->reason, sizeof(row->reason), "but not with all of its record types; add those by hand");
        }
        return;
    }
    row->action = IMPORT_ADD;
    if (row->zone_id) {
        (void)snprintf(row->reason, sizeof(row->reason), "was in the hosted zone %.60s", row->zone_id);
    }
}

void import_decide(const struct import *import, const struct settings *settings, const struct hosts *hosts)
{
    for (size_t i = 0; i < import->count; i++) {
        if (import->rows[i]->action != IMPORT_SKIP) {
            decide_row(import->rows[i], settings, hosts);
        }
    }
}
