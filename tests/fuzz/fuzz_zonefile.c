/* Any owner's text: a file that is understood takes our records, is understood again, and is then written the same. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/zonefile_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ZONE "example.test."
#define SERIAL 2026112101

static void insist(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct zone_text *read_text(const void *text, size_t length)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    struct zone_text *zone = NULL;
    int r = zone_text_read(text, length, ZONE, &message, &zone);

    insist((r < 0) == (message.length > 0));
    return zone;
}

/* What is listed is what a look-up finds. */
static void check_found(const struct provider_found *found, void *userdata)
{
    struct provider_found again;

    zone_text_find(userdata, found->hostname, found->type, &again);
    insist(found->knowledge != RECORD_ABSENT && again.knowledge == found->knowledge);
    insist((zone_text_owners_line(userdata, found->hostname, found->type) != 0) ==
           (found->knowledge == RECORD_FOREIGN));
}

static void check_set(const struct zone_text *zone, const struct change_request *change)
{
    struct provider_found found;

    zone_text_find(zone, change->record->hostname, change->record->type, &found);
    if (rdata_is_empty(&change->value)) {
        insist(found.knowledge == RECORD_FOREIGN || found.knowledge == RECORD_ABSENT);
        return;
    }
    insist(found.knowledge == RECORD_FOREIGN || (found.knowledge == RECORD_PLAIN && found.ttl_s == change->ttl_s &&
                                                 rdata_equal(&found.value, &change->value)));
}

static void write_text(struct zone_text *zone, bool has_room, struct buffer *buffer)
{
    const struct file_part *parts = NULL;
    size_t count = 0;

    insist(zone_text_write(zone, SERIAL, has_room, &parts, &count) == 0);
    buffer_clear(buffer);
    for (size_t i = 0; i < count; i++) {
        buffer_append(buffer, parts[i].data, parts[i].length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct record records[] = {
        {"a.example.test.", RECORD_A},     {"*.example.test.", RECORD_AAAA}, {"example.test.", RECORD_A},
        {"txt.example.test.", RECORD_TXT}, {"b.example.test.", RECORD_A},    {"c.example.test.", RECORD_TXT},
    };
    static struct change_request requests[] = {
        {.record = &records[0], .value.address = {ADDRESS_IPV4, {192, 0, 2, 1}}, .ttl_s = 60},
        {.record = &records[1], .value.address = {ADDRESS_IPV6, {0x20, 0x01, 0x0d, 0xb8}}, .ttl_s = 2147483647},
        {.record = &records[2], .value.address = {ADDRESS_IPV4, {192, 0, 2, 2}}, .ttl_s = 0},
        {.record = &records[3], .ttl_s = 60}, /* its value comes below */
        {.record = &records[4]},              /* withdrawn */
        {.record = &records[5]},
    };
    static const struct change_request *const changes[] = {&requests[0], &requests[1], &requests[2],
                                                           &requests[3], &requests[4], &requests[5]};
    _cleanup_(zone_text_freep) struct zone_text *zone = read_text(data, size);
    _cleanup_(zone_text_freep) struct zone_text *again = NULL;
    _cleanup_buffer_ struct buffer written = BUFFER_INIT;
    _cleanup_buffer_ struct buffer written_again = BUFFER_INIT;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    bool is_changed = false;
    uint32_t serial = 0;

    if (!zone) {
        return 0;
    }
    if (rdata_is_empty(&requests[3].value)) {
        insist(rdata_add_bytes(&requests[3].value, "\"; \n(", 5) == 0);
        insist(rdata_add_bytes(&requests[3].value, "", 0) == 0);
    }
    struct zone_cursor cursor = {0};
    while (zone_text_page(zone, &cursor, 1, check_found, zone)) {}
    /* Written in between: then only what changes is formatted again. */
    insist(zone_text_set(zone, changes, 2, &is_changed) == 0);
    if (zone_text_serial(zone, &message, &serial) == 0) {
        write_text(zone, true, &written);
    }
    buffer_clear(&message);
    insist(zone_text_set(zone, changes, ELEMENTS(changes), &is_changed) == 0);
    if (zone_text_serial(zone, &message, &serial) < 0) {
        insist(message.length > 0);
        return 0;
    }
    write_text(zone, true, &written);
    _cleanup_(zone_text_freep) struct zone_text *with_room = read_text(written.data, written.length);
    insist(with_room != NULL);
    write_text(with_room, false, &written);
    again = read_text(written.data, written.length);
    insist(again != NULL);
    insist(zone_text_serial(again, &message, &serial) == 0 && serial == SERIAL);
    for (size_t i = 0; i < ELEMENTS(changes); i++) {
        check_set(again, changes[i]);
    }
    write_text(again, false, &written_again);
    insist(written.length == written_again.length && memcmp(written.data, written_again.data, written.length) == 0);
    return 0;
}
