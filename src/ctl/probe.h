/* Finds a zone at its server by the provider's own first call, for providers that cannot say more: for "ddns53ctl check". */
#ifndef DDNS53_CTL_PROBE_H
#define DDNS53_CTL_PROBE_H

#include "ctl/reach.h"
#include "ctl/report.h"

/* One finding. `shared` as reach_shared has it. -ENOMEM. */
int probe_zone(struct report *report, const struct reach *reach, void *shared, const struct zone_settings *zone);

#endif
