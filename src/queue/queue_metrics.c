#include "queue/queue_internal.h"

#include <errno.h>

static const double batch_buckets[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
static const double latency_buckets[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600};

static const struct metric_row changes_row = {
    .name = "ddns53_changes_total",
    .help = "Changes of records by how they ended.",
    .type = METRIC_COUNTER,
    .labels = {"zone", "result"},
};
static const struct metric_row depth_row = {
    .name = "ddns53_queue_depth",
    .help = "Changes that are queued, under way or not saved yet.",
    .type = METRIC_GAUGE,
    .labels = {"zone"},
};
static const struct metric_row oldest_row = {
    .name = "ddns53_queue_oldest_seconds",
    .help = "Age of the oldest change in the queue; 0 when it is empty.",
    .type = METRIC_GAUGE,
    .labels = {"zone"},
};
static const struct metric_row batch_row = {
    .name = "ddns53_batch_changes",
    .help = "Changes in one call to the provider.",
    .type = METRIC_HISTOGRAM,
    .labels = {"zone"},
    .buckets = batch_buckets,
    .bucket_count = ELEMENTS(batch_buckets),
};
static const struct metric_row retries_row = {
    .name = "ddns53_retries_total",
    .help = "Calls that failed and are tried again.",
    .type = METRIC_COUNTER,
    .labels = {"zone"},
};
static const struct metric_row throttles_row = {
    .name = "ddns53_throttles_total",
    .help = "Calls that the provider turned away as too many.",
    .type = METRIC_COUNTER,
    .labels = {"zone"},
};
static const struct metric_row bisections_row = {
    .name = "ddns53_bisections_total",
    .help = "Batches that were refused and taken apart to find the bad change.",
    .type = METRIC_COUNTER,
    .labels = {"zone"},
};
static const struct metric_row drift_row = {
    .name = "ddns53_drift_total",
    .help = "Records found changed by somebody else since they were last set.",
    .type = METRIC_COUNTER,
    .labels = {"zone"},
};
static const struct metric_row pace_row = {
    .name = "ddns53_pace_requests_per_second",
    .help = "The pace at which the provider is called at most, now.",
    .type = METRIC_GAUGE,
};
static const struct metric_row latency_row = {
    .name = "ddns53_update_seconds",
    .help = "From a change's arrival to its being accepted and saved.",
    .type = METRIC_HISTOGRAM,
    .buckets = latency_buckets,
    .bucket_count = ELEMENTS(latency_buckets),
};

/* Any thread. */
static void collect(void *userdata)
{
    const struct queue *queue = userdata;
    const int64_t now_ms = loop_now_ms(queue->shared.loop);
    double pace = 0;

    for (size_t i = 0; i < queue->zone_count; i++) {
        const struct zone *zone = queue->zones[i];
        const int64_t oldest_ms = atomic_load(&zone->backlog.oldest_ms);
        const double age_s = oldest_ms == NO_CHANGE_MS ? 0 : (double)(now_ms - oldest_ms) / 1000;
        const double zone_pace = pacer_rate(zone->pacer);

        metric_set(queue->depth, (double)atomic_load(&zone->backlog.depth), zone->name, NULL, NULL);
        metric_set(queue->oldest, age_s > 0 ? age_s : 0, zone->name, NULL, NULL);
        if (zone_pace > 0 && (pace <= 0 || zone_pace < pace)) {
            pace = zone_pace;
        }
    }
    if (pace > 0) {
        metric_set(queue->pace, pace, NULL, NULL, NULL);
    }
}

int queue_metrics_init(struct queue *queue, struct metrics *metrics)
{
    struct zone_metrics *zones = &queue->shared.metrics;
    const struct {
        const struct metric_row *row;
        struct metric **ret_metric;
    } table[] = {
        {&changes_row, &queue->shared.tally.ended},
        {&depth_row, &queue->depth},
        {&oldest_row, &queue->oldest},
        {&batch_row, &zones->batch_sizes},
        {&retries_row, &zones->retries},
        {&throttles_row, &zones->throttles},
        {&bisections_row, &zones->bisections},
        {&drift_row, &zones->drift},
        {&pace_row, &queue->pace},
        {&latency_row, &queue->shared.saver.latency},
    };

    if (!metrics) {
        return 0;
    }
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        *table[i].ret_metric = metrics_family(metrics, table[i].row);
        if (!*table[i].ret_metric) {
            return -ENOMEM;
        }
    }
    return metrics_on_collect(metrics, collect, queue);
}

void queue_count_from_zero(const struct queue *queue, const struct zone *zone)
{
    const struct zone_metrics *metrics = &queue->shared.metrics;
    struct metric *const counters[] = {metrics->retries, metrics->throttles, metrics->bisections, metrics->drift};

    for (size_t i = 0; i < ELEMENTS(counters); i++) {
        metric_add(counters[i], 0, zone->name, NULL, NULL);
    }
}
