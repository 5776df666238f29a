/*
 * The process figures that Prometheus expects of every program: CPU seconds, memory, open files, start time,
 * threads; read from /proc at each rendering.
 */
#ifndef DDNS53_BASE_PROCESS_METRICS_H
#define DDNS53_BASE_PROCESS_METRICS_H

#include "base/metrics.h"

/* 0 or -ENOMEM. */
int process_metrics_add(struct metrics *metrics);

#endif
