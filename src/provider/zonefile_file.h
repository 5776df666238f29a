/*
 * A zone file on the disk: reads it when it is not the version that was last read or written, changes it, and notices
 * what its owner does to it meanwhile. Everything may block; one thread at a time, a worker's.
 * `message`: `FILE[:LINE]: what is wrong: what to do`, appended where a function fails. All of them may return
 * -EBUSY: somebody edits the file at this moment, try again soon.
 */
#ifndef DDNS53_PROVIDER_ZONEFILE_FILE_H
#define DDNS53_PROVIDER_ZONEFILE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "provider/zonefile_text.h"

struct zone_file;

struct zone_now {
    int64_t monotonic_ms;
    int64_t realtime_s;
};

/* Copies; does not touch the disk. NULL: no memory, or no name. */
struct zone_file *zone_file_new(const char *folder, const char *name, uint32_t default_ttl_s);
void zone_file_free(struct zone_file *file);
DEFINE_CLEANUP(struct zone_file *, zone_file_free)

/* FOLDER/ZONE.zone, where `name` has its final dot. Returns owned, NULL: no memory. */
char *zone_file_path_of(const char *folder, const char *name);
const char *zone_file_path(const struct zone_file *file);
/* Takes so long to read and write that others should not wait for it. */
bool zone_file_is_large(const struct zone_file *file);
/* Is it another version than the one that was last read, written or asked about? Only its inode is looked at. */
bool zone_file_has_changed(struct zone_file *file);
/* Has it been written since the last call? */
bool zone_file_take_written(struct zone_file *file);

/* Reads the file where that is needed; makes it where it never was. A value of ours that an edit has undone, because
 * it was made from a copy that is older than the value, is put in again. */
int zone_file_load(struct zone_file *file, struct zone_now now, struct buffer *message);
/* -ENOENT: the serial cannot be raised. After zone_file_load. */
int zone_file_check_serial(const struct zone_file *file, struct buffer *message);
/* All or none. -EEXIST: the owner's records stand in the way of changes[*ret_culprit]. `ret_serial` 0: nothing was to
 * be changed. */
int zone_file_set(struct zone_file *file, const struct change_request *const *changes, size_t count,
                  struct zone_now now, struct buffer *message, size_t *ret_culprit, uint32_t *ret_serial);
/* After zone_file_load. */
void zone_file_find(const struct zone_file *file, const char *hostname, enum record_type type,
                    struct provider_found *ret_found);
/* As zone_text_page, of what zone_file_load has read. */
bool zone_file_page(const struct zone_file *file, struct zone_cursor *cursor, size_t max, provider_each each,
                    void *userdata);

#endif
