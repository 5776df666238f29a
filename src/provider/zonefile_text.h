/*
 * A zone file as a value: the owner's text, which stays as it is byte for byte but for the SOA serial, and our
 * records, which stand between two marker lines in the order of their reversed labels. Read, changed and written
 * without touching a disk. Owns everything it hands out. Not thread-safe.
 */
#ifndef DDNS53_PROVIDER_ZONEFILE_TEXT_H
#define DDNS53_PROVIDER_ZONEFILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/file_update.h"
#include "base/name.h"
#include "provider/provider.h"

struct zone_text;

/* A file for a zone that has none yet. Its name server is `localhost.`: the owner puts in the real ones. */
void zone_text_make(const char *zone_name, uint32_t default_ttl_s, uint32_t serial, struct buffer *buffer);

/* Copies. -EBADMSG with `LINE: what is wrong: what to do` in `message`; -ENOMEM. Without markers our block is to
 * stand at the end. */
int zone_text_read(const char *text, size_t length, const char *zone_name, struct buffer *message,
                   struct zone_text **ret_zone);
void zone_text_free(struct zone_text *zone);
DEFINE_CLEANUP(struct zone_text *, zone_text_free)

/* -ENOENT with what is wrong in `message`: no SOA, or its serial cannot be raised. */
int zone_text_serial(const struct zone_text *zone, struct buffer *message, uint32_t *ret_serial);

/* RFC 1982 section 3.2: less than half of the numbers ahead. `serial` 0 stands for none, and is never later. */
bool zone_serial_is_later(uint32_t serial, uint32_t before);

/* YYYYMMDDnn of that day (UTC), or the old one and 1 where that would not be later by RFC 1982. */
uint32_t zone_serial_next(uint32_t serial, int64_t now_s);

/* The line on which the owner has a record of that type, or a CNAME, for the name; 0: none. */
unsigned zone_text_owners_line(const struct zone_text *zone, const char *hostname, enum record_type type);

/* RECORD_ABSENT, PLAIN (ours), or FOREIGN where the owner has the name. ret_found->hostname is `hostname`. */
void zone_text_find(const struct zone_text *zone, const char *hostname, enum record_type type,
                    struct provider_found *ret_found);
/* Everything that zone_text_find would not call RECORD_ABSENT, in pages of at most `max` names. The cursor is zeroed at
 * first. It holds a name, not a position, so the next page may be of a later version of the file. True: there is more. */
struct zone_cursor {
    bool is_past_owners; /* ours come last */
    char key[NAME_SIZE]; /* the last one of the page before */
    enum record_type type;
};
bool zone_text_page(const struct zone_text *zone, struct zone_cursor *cursor, size_t max, provider_each each,
                    void *userdata);

/* `ret_changed` false: all was as asked already. -ENOMEM: a part may be set, throw the value away. */
int zone_text_set(struct zone_text *zone, const struct change_request *const *changes, size_t count, bool *ret_changed);

/* The whole file with that serial, as parts that are to stand one after the other. They are borrowed until the next
 * call for the zone. Lines that stay as they were are not formatted again, and lie in a part with the same stamp; one
 * value never gives a stamp twice. `has_room`: between the parts is some room (white space), so that a line that gets
 * longer does not move all that comes after it. Needs a serial that zone_text_serial accepts. -ENOMEM. */
int zone_text_write(struct zone_text *zone, uint32_t serial, bool has_room, const struct file_part **ret_parts,
                    size_t *ret_count);
/* That serial is the file's now. */
void zone_text_keep_serial(struct zone_text *zone, uint32_t serial);

#endif
