#include "config/zone_index.h"

#include <errno.h>
#include <string.h>

#include "base/table.h"

struct zone_index {
    const struct zone_settings *zones;
    struct table *by_name;      /* -> struct zone_settings */
    bool has_length[NAME_SIZE]; /* is there a zone whose name is that long? Other suffixes need no look-up. */
};

static struct bytes zone_name(const void *value)
{
    const struct zone_settings *zone = value;
    return (struct bytes){zone->name.text, strlen(zone->name.text)};
}

static int add_zones(struct zone_index *index, struct zone_settings *zones, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(zones[i].name.text);
        const int r = length == 0 ? 0 : table_put(index->by_name, &zones[i]);
        if (r < 0 && r != -EEXIST) { /* of two zones with one name the first counts */
            return r;
        }
        index->has_length[length] = true;
    }
    return 0;
}

struct zone_index *zone_index_new(struct zone_settings *zones, size_t count)
{
    struct zone_index *index = calloc(1, sizeof(*index));

    if (!index) {
        return NULL;
    }
    index->zones = zones;
    index->by_name = table_new(zone_name);
    if (!index->by_name || add_zones(index, zones, count) < 0) {
        zone_index_free(index);
        return NULL;
    }
    return index;
}

void zone_index_free(struct zone_index *index)
{
    if (index) {
        table_free(index->by_name);
        free(index);
    }
}

int zone_index_find(const struct zone_index *index, const char *hostname)
{
    size_t length = strlen(hostname);

    /* From the longest suffix, which is the whole name, to the last label. */
    for (const char *suffix = hostname; length > 0;) {
        const struct zone_settings *zone = index->has_length[length] ? table_get(index->by_name, suffix, length) : NULL;
        if (zone) {
            return (int)(zone - index->zones);
        }
        const size_t label = strcspn(suffix, ".") + 1; /* a name ends in a dot */
        suffix += label;
        length -= label;
    }
    return -ENOENT;
}
