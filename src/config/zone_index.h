/*
 * Which zone a name belongs to, found by a hash over the zones' names: the cost is a few look-ups per name, however
 * many zones there are. Built for one load of the hosts; borrows the settings. One thread.
 */
#ifndef DDNS53_CONFIG_ZONE_INDEX_H
#define DDNS53_CONFIG_ZONE_INDEX_H

#include "config/settings.h"

struct zone_index;

/* NULL: no memory. */
struct zone_index *zone_index_new(const struct settings *settings);
void zone_index_free(struct zone_index *index);
DEFINE_CLEANUP(struct zone_index *, zone_index_free)

/* Index into settings->zones of the zone with the longest name that `hostname` (normalised) is within; -ENOENT: none. */
int zone_index_find(const struct zone_index *index, const char *hostname);

#endif
