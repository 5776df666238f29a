#include <errno.h>

#include "dns/changes_internal.h"

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
    struct changes *changes = userdata;
    const int64_t now_ms = loop_now_ms(changes->loop);
    double pace = 0;

    for (size_t i = 0; i < changes->zone_count; i++) {
        struct zone *zone = changes->zones[i];
        const int64_t oldest_ms = atomic_load(&zone->oldest_ms);
        const double age_s = oldest_ms == NO_CHANGE_MS ? 0 : (double)(now_ms - oldest_ms) / 1000;
        const double zone_pace = account_pace(zone->account);

        metric_set(changes->families.depth, (double)atomic_load(&zone->depth), zone->name, NULL, NULL);
        metric_set(changes->families.oldest, age_s > 0 ? age_s : 0, zone->name, NULL, NULL);
        if (zone_pace > 0 && (pace <= 0 || zone_pace < pace)) {
            pace = zone_pace;
        }
    }
    if (pace > 0) {
        metric_set(changes->families.pace, pace, NULL, NULL, NULL);
    }
}

int changes_families_init(struct changes *changes, struct metrics *metrics)
{
    struct changes_families *families = &changes->families;
    const struct {
        const struct metric_row *row;
        struct metric **ret_metric;
    } table[] = {
        {&changes_row, &families->changes},
        {&depth_row, &families->depth},
        {&oldest_row, &families->oldest},
        {&batch_row, &families->batch_sizes},
        {&retries_row, &families->retries},
        {&throttles_row, &families->throttles},
        {&bisections_row, &families->bisections},
        {&drift_row, &families->drift},
        {&pace_row, &families->pace},
        {&latency_row, &families->latency},
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
    return metrics_on_collect(metrics, collect, changes);
}

void changes_count_from_zero(const struct zone *zone)
{
    const struct changes_families *families = &zone->changes->families;
    struct metric *const counters[] = {families->retries, families->throttles, families->bisections, families->drift};

    for (size_t i = 0; i < ELEMENTS(counters); i++) {
        metric_add(counters[i], 0, zone->name, NULL, NULL);
    }
}

const char *change_result_word(enum change_result result)
{
    switch (result) {
    case CHANGE_PENDING: return "superseded";
    case CHANGE_SET: return "set";
    case CHANGE_ALREADY: return "already";
    case CHANGE_CONFLICT: return "conflict";
    case CHANGE_REFUSED: return "refused";
    case CHANGE_NO_ZONE: return "no_zone";
    case CHANGE_TIMED_OUT: return "timed_out";
    case CHANGE_QUEUE_FULL: return "queue_full";
    case CHANGE_STOPPING: return "stopping";
    }
    return "unknown";
}

void changes_count(const struct zone *zone, enum change_result result)
{
    metric_add(zone->changes->families.changes, 1, zone->name, change_result_word(result), NULL);
}
