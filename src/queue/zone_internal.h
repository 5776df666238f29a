/*
 * The inside of queue/zone. Arrows go one way: zone.c (grants, making, freeing) -> zone_apply.c (batches), zone_read.c
 * (what is read), zone_sync.c (do the servers have it) -> zone_state.c (what it could do, where a change goes, failures).
 */
#ifndef DDNS53_QUEUE_ZONE_INTERNAL_H
#define DDNS53_QUEUE_ZONE_INTERNAL_H

#include "queue/zone.h"

static inline int64_t zone_now_ms(const struct zone *zone)
{
    return loop_now_ms(zone->shared->loop);
}

/* ---- zone_state.c ---- */

bool zone_may_apply(const struct zone *zone);
/* The call that changes wait for, and the next one of the read-back itself. */
enum reading zone_reading_for_changes(const struct zone *zone);
enum reading zone_reading_for_itself(const struct zone *zone);
/* The oldest change that a look-up would help, NULL: none. */
struct change *zone_first_to_look_up(const struct zone *zone);

/* After a call that failed: counts it, logs the trouble, and waits before the next. Not for PROVIDER_DONE, _REFUSED (of
 * a batch) and _NO_ZONE. */
void zone_call_failed(struct zone *zone, struct retry *retry, struct trouble *trouble,
                      const struct provider_result *result);
void zone_call_worked(struct zone *zone, struct retry *retry, struct trouble *trouble);
/* What comes meanwhile goes with the next batch. */
void zone_rest(struct zone *zone, uint32_t rest_ms);
void zone_stop_waiting(struct zone *zone, struct retry *retry);

/* Call it before a read-back begins: notes the time. */
void zone_note_reading(struct zone *zone);
void zone_set_state(struct zone *zone, enum zone_state state);
/* The provider says that the zone is not there. */
void zone_lose(struct zone *zone, const char *message);

/* ---- zone_sync.c ---- */

void zone_sync_init(struct zone *zone);
/* Ends what waits with -ESHUTDOWN. */
void zone_sync_stop(struct zone *zone);
/* Once the provider's zone is freed. */
void zone_sync_done(struct zone *zone);

/* ---- zone_apply.c, zone_read.c: with a token of the pacer ---- */

void zone_apply(struct zone *zone);
void zone_read(struct zone *zone, enum reading reading);

/* ---- zone_read.c ---- */

/* Goes on with the meeting, if one is wanted and no read-back is under way: the end of that begins it. */
void zone_meet(struct zone *zone);
/* Ends the walk; the next one begins at the first record. */
void zone_meet_anew(struct zone *zone);

#endif
