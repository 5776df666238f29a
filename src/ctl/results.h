/*
 * What came of changes by the operator's hand: the daemon's answer to put, withdraw and repair. Main thread only.
 */
#ifndef DDNS53_CTL_RESULTS_H
#define DDNS53_CTL_RESULTS_H

#include <jansson.h>

#include "ctl/ctl.h"

/* Tells each record of the answer, which it takes; the exit status. */
int results_tell(struct ctl *ctl, json_t *answer, unsigned http_status);

#endif
