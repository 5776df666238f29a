#include "queue/drift.h"

#include <stdio.h>

#include "base/log.h"

void drift_note(struct drift *drift, const struct record *record)
{
    if (drift->count++ < DRIFT_NAMED_MAX) {
        buffer_printf(&drift->named, "%s%s %s", drift->count == 1 ? "" : ", ", record->hostname,
                      record_type_text(record->type));
    }
}

void drift_tell(struct drift *drift, const char *zone)
{
    char count[24];

    if (drift->count == 0) {
        return;
    }
    (void)snprintf(count, sizeof(count), "%zu", drift->count);
    log_event(LOG_LEVEL_WARNING, "drift", "zone", zone, "count", count, "records", buffer_text(&drift->named), NULL);
    drift_done(drift);
}

void drift_done(struct drift *drift)
{
    buffer_done(&drift->named);
    *drift = (struct drift){0};
}
