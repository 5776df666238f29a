/*
 * Which zone a name belongs to, found by a hash over the zones' names: the cost is a few look-ups per name, however
 * many zones there are. Made with the zones of the settings, which everybody asks by settings_zone_of. Once it is made,
 * any thread.
 */
#ifndef DDNS53_CONFIG_ZONE_INDEX_H
#define DDNS53_CONFIG_ZONE_INDEX_H

#include "config/settings.h"

struct zone_index;

/* Borrows the zones, of which those without a name yet are left out. NULL: no memory. */
struct zone_index *zone_index_new(struct zone_settings *zones, size_t count);
void zone_index_free(struct zone_index *index);
DEFINE_CLEANUP(struct zone_index *, zone_index_free)

/* Index into the zones of the one with the longest name that `hostname` (normalised) is within; -ENOENT: none. */
int zone_index_find(const struct zone_index *index, const char *hostname);

#endif
