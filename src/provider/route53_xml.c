#include "provider/route53_xml.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

/* ---- requests ---- */

/* A deletion names the values that are there. Where none are known, as when a call failed that may have set them, one
 * that cannot stand in a record of ours asks: Route 53 refuses it, and the record is looked up. */
static void write_placeholder(enum record_type type, struct buffer *buffer)
{
    buffer_append_text(buffer, "<ResourceRecord>");
    xml_append_element(buffer, "Value", record_type_placeholder(type));
    buffer_append_text(buffer, "</ResourceRecord>");
}

/* The order of the elements is the service model's, and Route 53 insists on it. */
static void write_change(const struct change_request *change, struct buffer *buffer)
{
    const bool is_withdrawn = rdata_is_empty(&change->value);
    const struct rdata *value = is_withdrawn ? &change->was : &change->value;
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_printf(buffer, "<Change><Action>%s</Action><ResourceRecordSet>", is_withdrawn ? "DELETE" : "UPSERT");
    xml_append_element(buffer, "Name", change->record->hostname);
    xml_append_element(buffer, "Type", record_type_text(change->record->type));
    buffer_printf(buffer, "<TTL>%u</TTL><ResourceRecords>", is_withdrawn ? change->was_ttl_s : change->ttl_s);
    for (size_t i = 0; i < rdata_count(value); i++) {
        buffer_clear(&text);
        rdata_print_value(value, i, TEXT_OCTAL, &text);
        buffer_append_text(buffer, "<ResourceRecord>");
        xml_append_element(buffer, "Value", buffer_text(&text));
        buffer_append_text(buffer, "</ResourceRecord>");
    }
    if (rdata_is_empty(value)) {
        write_placeholder(change->record->type, buffer);
    }
    buffer_append_text(buffer, "</ResourceRecords></ResourceRecordSet></Change>");
}

void route53_write_changes(const struct change_request *const *changes, size_t count, struct buffer *buffer)
{
    buffer_append_text(
        buffer,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest xmlns=\"" ROUTE53_NAMESPACE
        "\"><ChangeBatch><Comment>ddns53</Comment><Changes>");
    for (size_t i = 0; i < count; i++) {
        write_change(changes[i], buffer);
    }
    buffer_append_text(buffer, "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
}

/* ---- names ---- */

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

int route53_read_name(const char *text, size_t length, struct name *ret_name)
{
    char plain[NAME_SIZE];
    size_t used = 0;

    for (size_t i = 0; i < length;) {
        char c = text[i++];

        if (c == '\\') {
            if (length - i < 3 || !is_octal(text[i]) || !is_octal(text[i + 1]) || !is_octal(text[i + 2])) {
                return -EINVAL;
            }
            c = (char)(unsigned char)((text[i] - '0') * 64 + (text[i + 1] - '0') * 8 + (text[i + 2] - '0'));
            i += 3;
            if (c == '.') { /* a dot within a label: another name than the one with labels */
                return -EINVAL;
            }
        }
        if (used == sizeof(plain)) {
            return -EINVAL;
        }
        plain[used++] = c;
    }
    return name_parse(plain, used, ret_name, NULL);
}

/* ---- answers ---- */

const char *route53_change_id(const struct xml_element *root)
{
    static const char prefix[] = "/change/";
    const char *id = xml_child_text(xml_child(root, "ChangeInfo"), "Id");

    if (!id) {
        return "";
    }
    return strncmp(id, prefix, sizeof(prefix) - 1) == 0 ? id + sizeof(prefix) - 1 : id;
}

int route53_read_change(const struct xml_element *root, bool *ret_in_sync)
{
    const char *status = xml_child_text(xml_child(root, "ChangeInfo"), "Status");

    if (!status || (strcmp(status, "INSYNC") != 0 && strcmp(status, "PENDING") != 0)) {
        return -EBADMSG;
    }
    *ret_in_sync = strcmp(status, "INSYNC") == 0;
    return 0;
}

static int copy_text(const char *text, char *ret_text, size_t size)
{
    size_t length = strlen(text);

    if (length >= size) {
        return -EBADMSG;
    }
    memcpy(ret_text, text, length + 1);
    return 0;
}

/* `/hostedzone/Z...`, or the id alone. It goes into the path of requests: letters and digits only. */
static int read_id(const char *text, char ret_id[ROUTE53_ID_SIZE])
{
    static const char prefix[] = "/hostedzone/";
    const char *id = text && strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? text + sizeof(prefix) - 1 : text;

    if (!id || id[0] == '\0' ||
        id[strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] != '\0') {
        return -EBADMSG;
    }
    return copy_text(id, ret_id, ROUTE53_ID_SIZE);
}

static bool is_true(const char *text)
{
    return text && strcmp(text, "true") == 0;
}

int route53_find_zone(const struct xml_element *root, const char *name, bool is_private, char ret_id[ROUTE53_ID_SIZE])
{
    const struct xml_element *zones = xml_child(root, "HostedZones");
    const char *found = NULL;
    bool is_other_kind = false;

    if (!zones) {
        return -EBADMSG;
    }
    for (const struct xml_element *zone = zones->first_child; zone; zone = zone->next) {
        const char *text = xml_child_text(zone, "Name");
        struct name its_name;

        if (!text || route53_read_name(text, strlen(text), &its_name) < 0 || strcmp(its_name.text, name) != 0) {
            continue;
        }
        if (is_true(xml_child_text(xml_child(zone, "Config"), "PrivateZone")) != is_private) {
            is_other_kind = true;
            continue;
        }
        if (found) {
            return -ENOTUNIQ;
        }
        found = xml_child_text(zone, "Id");
        if (!found) {
            return -EBADMSG;
        }
    }
    if (!found) {
        return is_other_kind ? -EXDEV : -ENOENT;
    }
    return read_id(found, ret_id);
}

/* -ENOENT: its name is none that we could serve. */
static int read_hosted_zone(const struct xml_element *element, struct route53_hosted_zone *zone)
{
    const struct xml_element *config = xml_child(element, "Config");
    const char *name = xml_child_text(element, "Name");
    const char *count = xml_child_text(element, "ResourceRecordSetCount");
    const char *comment = xml_child_text(config, "Comment");

    if (!name || (count && parse_uint(count, strlen(count), 0, UINT64_MAX, &zone->record_count) < 0)) {
        return -EBADMSG;
    }
    zone->is_private = is_true(xml_child_text(config, "PrivateZone"));
    zone->comment = comment ? comment : "";
    int r = read_id(xml_child_text(element, "Id"), zone->id);
    return r < 0 ? r : (route53_read_name(name, strlen(name), &zone->name) < 0 ? -ENOENT : 0);
}

int route53_read_hosted(const struct xml_element *root, route53_each_zone each, void *userdata)
{
    const struct xml_element *element = xml_child(root, "HostedZone");
    struct route53_hosted_zone zone = {.record_count = 0};
    int r = element ? read_hosted_zone(element, &zone) : -EBADMSG;

    if (r == 0) {
        each(&zone, userdata);
    }
    return r;
}

int route53_read_zones(const struct xml_element *root, route53_each_zone each, void *userdata,
                       char ret_marker[ROUTE53_ID_SIZE])
{
    const struct xml_element *zones = xml_child(root, "HostedZones");
    const char *marker = is_true(xml_child_text(root, "IsTruncated")) ? xml_child_text(root, "NextMarker") : NULL;

    if (!zones || (marker && read_id(marker, ret_marker) < 0)) {
        return -EBADMSG;
    }
    for (int pass = 0; pass < 2; pass++) { /* all are read before one is told */
        for (const struct xml_element *element = zones->first_child; element; element = element->next) {
            struct route53_hosted_zone zone = {.record_count = 0};
            int r = read_hosted_zone(element, &zone);
            if (r == -EBADMSG) {
                return r;
            }
            if (pass == 1 && r == 0) {
                each(&zone, userdata);
            }
        }
    }
    if (!marker) {
        ret_marker[0] = '\0';
    }
    return 0;
}

int route53_read_zone(const struct xml_element *root, const char **ret_name, uint64_t *ret_record_count)
{
    const struct xml_element *zone = xml_child(root, "HostedZone");
    const char *name = xml_child_text(zone, "Name");
    const char *count = xml_child_text(zone, "ResourceRecordSetCount"); /* optional in the model */
    uint64_t record_count = 0;

    if (!name || (count && parse_uint(count, strlen(count), 0, UINT32_MAX, &record_count) < 0)) {
        return -EBADMSG;
    }
    *ret_name = name;
    *ret_record_count = record_count;
    return 0;
}

/* ---- listings ---- */

/* One of ours. */
static bool read_type(const struct xml_element *set, enum record_type *ret_type)
{
    const char *type = xml_child_text(set, "Type");

    return type && record_type_parse(type, ret_type) == 0;
}

/* One address, or any number of texts. A value that we cannot read counts like several addresses: it is not ours to
 * overwrite. */
static bool read_value(const struct xml_element *set, enum record_type type, struct rdata *ret_value)
{
    const struct xml_element *records = xml_child(set, "ResourceRecords");
    const struct xml_element *first = records ? records->first_child : NULL;

    struct rdata read = {0};

    if (!first) {
        return false;
    }
    for (const struct xml_element *record = first; record; record = record->next) {
        const char *value = xml_child_text(record, "Value");
        if (!value || record_value_add(type, value, strlen(value), TEXT_OCTAL, &read) < 0) {
            rdata_drop(&read);
            return false;
        }
    }
    *ret_value = read;
    return true;
}

static uint32_t read_ttl_s(const struct xml_element *set)
{
    const char *text = xml_child_text(set, "TTL");
    uint64_t ttl_s = 0;

    if (!text || parse_uint(text, strlen(text), 0, INT32_MAX, &ttl_s) < 0) {
        return 0;
    }
    return (uint32_t)ttl_s;
}

static void read_set(const struct xml_element *set, struct provider_found *found)
{
    found->knowledge = RECORD_FOREIGN;
    if (xml_child(set, "SetIdentifier") || xml_child(set, "TrafficPolicyInstanceId")) {
        found->foreign = FOREIGN_ROUTING_POLICY;
    } else if (xml_child(set, "AliasTarget")) {
        found->foreign = FOREIGN_ALIAS;
    } else if (!read_value(set, found->type, &found->value)) {
        found->foreign = FOREIGN_SEVERAL_VALUES;
    } else {
        found->knowledge = RECORD_PLAIN;
        found->ttl_s = read_ttl_s(set);
    }
}

/* The sets of one name and type follow each other. All of them have identifiers, so that the first one is foreign
 * already; should one come after a plain one, what was said is corrected. */
static void report_set(const struct xml_element *set, struct route53_last *last, provider_each each, void *userdata)
{
    const char *text = xml_child_text(set, "Name");
    struct provider_found found = {.foreign = FOREIGN_NONE};
    struct name name;

    if (!read_type(set, &found.type) || !text || route53_read_name(text, strlen(text), &name) < 0) {
        return;
    }
    found.hostname = name.text;
    read_set(set, &found);
    if (last->is_set && last->type == found.type && strcmp(last->name.text, name.text) == 0) {
        if (last->is_foreign) {
            rdata_drop(&found.value);
            return;
        }
        rdata_drop(&found.value);
        found.ttl_s = 0;
        found.knowledge = RECORD_FOREIGN;
        found.foreign = FOREIGN_ROUTING_POLICY;
    }
    *last = (struct route53_last){
        .name = name,
        .type = found.type,
        .is_set = true,
        .is_foreign = found.knowledge == RECORD_FOREIGN,
    };
    each(&found, userdata);
    rdata_drop(&found.value);
}

static int read_cursor(const struct xml_element *root, struct route53_cursor *ret_next)
{
    const char *name = xml_child_text(root, "NextRecordName");
    const char *type = xml_child_text(root, "NextRecordType");
    const char *identifier = xml_child_text(root, "NextRecordIdentifier");
    struct route53_cursor next = {.is_set = true};

    if (!name || name[0] == '\0' || copy_text(name, next.name, sizeof(next.name)) < 0 ||
        copy_text(type ? type : "", next.type, sizeof(next.type)) < 0 ||
        copy_text(identifier ? identifier : "", next.identifier, sizeof(next.identifier)) < 0) {
        return -EBADMSG;
    }
    *ret_next = next;
    return 0;
}

int route53_read_page(const struct xml_element *root, struct route53_last *last, provider_each each, void *userdata,
                      struct route53_cursor *ret_next)
{
    const struct xml_element *sets = xml_child(root, "ResourceRecordSets");
    const char *is_truncated = xml_child_text(root, "IsTruncated");
    struct route53_cursor next = {.is_set = false};

    if (!sets || !is_truncated) {
        return -EBADMSG;
    }
    if (is_true(is_truncated)) {
        int r = read_cursor(root, &next);
        if (r < 0) {
            return r;
        }
    }
    for (const struct xml_element *set = sets->first_child; set; set = set->next) {
        report_set(set, last, each, userdata);
    }
    *ret_next = next;
    return 0;
}
