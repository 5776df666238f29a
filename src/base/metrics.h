/*
 * Counters, gauges and histograms in Prometheus' text format (exposition format 0.0.4). A family is one table
 * row; its series appear when they are first touched. Label values come only from sets that we know (a dialect,
 * a result, a zone of ours), never from a client. Thread-safe: a family has its own lock.
 */
#ifndef DDNS53_BASE_METRICS_H
#define DDNS53_BASE_METRICS_H

#include <stddef.h>

#include "base/buffer.h"

#define METRIC_LABELS_MAX 3

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_row {
    const char *name; /* ddns53_..., with unit and _total as Prometheus wants them */
    const char *help;
    enum metric_type type;
    const char *labels[METRIC_LABELS_MAX]; /* names, NULL-terminated where fewer */
    const double *buckets;                 /* histogram: ascending upper bounds */
    size_t bucket_count;
};

struct metrics;
struct metric;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
DEFINE_CLEANUP(struct metrics *, metrics_free)

/* `row` is borrowed for ever (a static table). Returns borrowed, the same for the same row; NULL: no memory.
 * All functions below accept NULL and do nothing, so that a unit can be tested without metrics. */
struct metric *metrics_family(struct metrics *metrics, const struct metric_row *row);

/* As many label values as the row has names; missing ones are NULL. */
void metric_add(struct metric *metric, double amount, const char *label1, const char *label2, const char *label3);
void metric_set(struct metric *metric, double value, const char *label1, const char *label2, const char *label3);
void metric_observe(struct metric *metric, double value, const char *label1, const char *label2, const char *label3);
double metric_value(struct metric *metric, const char *label1, const char *label2, const char *label3); /* for tests */

/* Called in order before every rendering, to set gauges that are counted elsewhere. */
typedef void (*metrics_collect)(void *userdata);
int metrics_on_collect(struct metrics *metrics, metrics_collect collect, void *userdata);

void metrics_render(struct metrics *metrics, struct buffer *buffer);

#endif
