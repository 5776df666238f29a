#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"

static const struct metric_row requests = {
    .name = "ddns53_requests_total",
    .help = "Requests by dialect and result.",
    .type = METRIC_COUNTER,
    .labels = {"dialect", "result"},
};
static const struct metric_row queue = {.name = "ddns53_queue_depth",
                                        .help = "A \"gauge\"\nwith \\ in it",
                                        .type = METRIC_GAUGE};
static const double bounds[] = {0.005, 0.1, 2.5, 10};
static const struct metric_row seconds = {
    .name = "ddns53_update_seconds",
    .help = "Time.",
    .type = METRIC_HISTOGRAM,
    .labels = {"zone"},
    .buckets = bounds,
    .bucket_count = 4,
};

static void expect_rendering(struct metrics *metrics, const char *expected)
{
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    metrics_render(metrics, &buffer);
    assert_int_equal(buffer_status(&buffer), 0);
    assert_string_equal(buffer_text(&buffer), expected);
}

static void test_without_metrics(void **state)
{
    (void)state;
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    assert_null(metrics_family(NULL, &requests));
    metric_add(NULL, 1, NULL, NULL, NULL);
    metric_set(NULL, 1, NULL, NULL, NULL);
    metric_observe(NULL, 1, NULL, NULL, NULL);
    assert_true(metric_value(NULL, NULL, NULL, NULL) == 0);
    assert_int_equal(metrics_on_collect(NULL, NULL, NULL), 0);
    metrics_render(NULL, &buffer);
    assert_int_equal(buffer.length, 0);
    metrics_free(NULL);
}

static void test_counter(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    struct metric *metric = metrics_family(metrics, &requests);
    struct metric_row same_name = requests;
    assert_ptr_equal(metrics_family(metrics, &requests), metric);
    assert_ptr_equal(metrics_family(metrics, &same_name), metric);
    expect_rendering(metrics, "");

    metric_add(metric, 1, "query", "good", NULL);
    metric_add(metric, 2, "query", "bad", NULL);
    metric_add(metric, 1, "query", "good", NULL);
    metric_add(metric, 0.25, "dyndns2", "good", NULL);
    metric_add(metric, 1, "a\\b\"c\nd", NULL, NULL);
    metric_add(metric, -1, "query", "good", NULL);
    metric_add(metric, NAN, "query", "good", NULL);
    metric_observe(metric, 1, "query", "good", NULL);
    assert_true(metric_value(metric, "query", "good", NULL) == 2);
    assert_true(metric_value(metric, "query", "none", NULL) == 0);
    expect_rendering(metrics, "# HELP ddns53_requests_total Requests by dialect and result.\n"
                              "# TYPE ddns53_requests_total counter\n"
                              "ddns53_requests_total{dialect=\"a\\\\b\\\"c\\nd\",result=\"\"} 1\n"
                              "ddns53_requests_total{dialect=\"dyndns2\",result=\"good\"} 0.25\n"
                              "ddns53_requests_total{dialect=\"query\",result=\"bad\"} 2\n"
                              "ddns53_requests_total{dialect=\"query\",result=\"good\"} 2\n");
}

static void test_gauge(void **state)
{
    static const struct {
        double value;
        const char *printed;
    } rows[] = {
        {0, "0"},
        {-1.5, "-1.5"},
        {1795302951, "1795302951"},
        {0.1, "0.1"},
        {1.0 / 3, "0.33333333333333331"},
        {1e300, "1e+300"},
        {9007199254740991, "9007199254740991"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
    };
    (void)state;
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    struct metric *metric = metrics_family(metrics, &queue);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[256];
        metric_set(metric, rows[i].value, NULL, NULL, NULL);
        (void)snprintf(expected, sizeof(expected),
                       "# HELP ddns53_queue_depth A \"gauge\"\\nwith \\\\ in it\n"
                       "# TYPE ddns53_queue_depth gauge\n"
                       "ddns53_queue_depth %s\n",
                       rows[i].printed);
        expect_rendering(metrics, expected);
    }
    metric_set(metric, 5, NULL, NULL, NULL);
    metric_add(metric, -2, NULL, NULL, NULL);
    assert_true(metric_value(metric, NULL, NULL, NULL) == 3);
}

static void test_histogram(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    struct metric *metric = metrics_family(metrics, &seconds);
    metric_observe(metric, 0.005, "b.", NULL, NULL); /* a bound is within its bucket */
    metric_observe(metric, 0.006, "b.", NULL, NULL);
    metric_observe(metric, 2, "b.", NULL, NULL);
    metric_observe(metric, 11, "b.", NULL, NULL);
    metric_observe(metric, -1, "a.", NULL, NULL);
    metric_observe(metric, NAN, "a.", NULL, NULL);
    metric_add(metric, 1, "a.", NULL, NULL);
    metric_set(metric, 1, "a.", NULL, NULL);
    assert_true(metric_value(metric, "b.", NULL, NULL) == 4);
    expect_rendering(metrics, "# HELP ddns53_update_seconds Time.\n"
                              "# TYPE ddns53_update_seconds histogram\n"
                              "ddns53_update_seconds_bucket{zone=\"a.\",le=\"0.005\"} 1\n"
                              "ddns53_update_seconds_bucket{zone=\"a.\",le=\"0.1\"} 1\n"
                              "ddns53_update_seconds_bucket{zone=\"a.\",le=\"2.5\"} 1\n"
                              "ddns53_update_seconds_bucket{zone=\"a.\",le=\"10\"} 1\n"
                              "ddns53_update_seconds_bucket{zone=\"a.\",le=\"+Inf\"} 1\n"
                              "ddns53_update_seconds_sum{zone=\"a.\"} -1\n"
                              "ddns53_update_seconds_count{zone=\"a.\"} 1\n"
                              "ddns53_update_seconds_bucket{zone=\"b.\",le=\"0.005\"} 1\n"
                              "ddns53_update_seconds_bucket{zone=\"b.\",le=\"0.1\"} 2\n"
                              "ddns53_update_seconds_bucket{zone=\"b.\",le=\"2.5\"} 3\n"
                              "ddns53_update_seconds_bucket{zone=\"b.\",le=\"10\"} 3\n"
                              "ddns53_update_seconds_bucket{zone=\"b.\",le=\"+Inf\"} 4\n"
                              "ddns53_update_seconds_sum{zone=\"b.\"} 13.011\n"
                              "ddns53_update_seconds_count{zone=\"b.\"} 4\n");
}

static void test_histogram_without_labels(void **state)
{
    (void)state;
    static const double one[] = {1};
    static const struct metric_row row = {
        .name = "ddns53_call_seconds", .help = "h", .type = METRIC_HISTOGRAM, .buckets = one, .bucket_count = 1};
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    metric_observe(metrics_family(metrics, &row), 0.5, NULL, NULL, NULL);
    expect_rendering(metrics, "# HELP ddns53_call_seconds h\n"
                              "# TYPE ddns53_call_seconds histogram\n"
                              "ddns53_call_seconds_bucket{le=\"1\"} 1\n"
                              "ddns53_call_seconds_bucket{le=\"+Inf\"} 1\n"
                              "ddns53_call_seconds_sum 0.5\n"
                              "ddns53_call_seconds_count 1\n");
}

struct gauges {
    struct metrics *metrics;
    double next;
};

static void collect_set(void *userdata)
{
    struct gauges *gauges = userdata;
    metric_set(metrics_family(gauges->metrics, &queue), gauges->next, NULL, NULL, NULL);
}

static void collect_double(void *userdata)
{
    struct gauges *gauges = userdata;
    struct metric *metric = metrics_family(gauges->metrics, &queue);
    metric_set(metric, metric_value(metric, NULL, NULL, NULL) * 2, NULL, NULL, NULL);
}

/* Called in order, and may do to metrics what anybody may. Families come out by name. */
static void test_collectors(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    struct gauges gauges = {metrics, 4};
    metric_add(metrics_family(metrics, &requests), 1, "ip", "ok", NULL);
    assert_int_equal(metrics_on_collect(metrics, collect_set, &gauges), 0);
    assert_int_equal(metrics_on_collect(metrics, collect_double, &gauges), 0);
    expect_rendering(metrics, "# HELP ddns53_queue_depth A \"gauge\"\\nwith \\\\ in it\n"
                              "# TYPE ddns53_queue_depth gauge\n"
                              "ddns53_queue_depth 8\n"
                              "# HELP ddns53_requests_total Requests by dialect and result.\n"
                              "# TYPE ddns53_requests_total counter\n"
                              "ddns53_requests_total{dialect=\"ip\",result=\"ok\"} 1\n");
}

static void test_series_are_bounded(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
    struct metric *metric = metrics_family(metrics, &requests);
    static char large[2000];
    memset(large, 'x', sizeof(large) - 1);
    for (unsigned i = 0; i < 1003; i++) {
        char label[16];
        (void)snprintf(label, sizeof(label), "%04u", i);
        metric_add(metric, 1, label, "good", NULL);
    }
    metric_add(metric, 1, large, "good", NULL);
    metric_add(metric, 1, "0007", "good", NULL); /* one that is there still counts */
    assert_true(metric_value(metric, "0007", "good", NULL) == 2);
    assert_true(metric_value(metric, "0999", "good", NULL) == 1);
    assert_true(metric_value(metric, "1000", "good", NULL) == 0);
    assert_true(metric_value(metric, large, "good", NULL) == 0);
    metrics_render(metrics, &buffer);
    const char *last = strstr(buffer_text(&buffer), "dialect=\"0999\"");
    assert_non_null(last);
    assert_string_equal(strchr(last, '\n') + 1, "# HELP ddns53_metrics_dropped_total "
                                                "Updates that were not counted: too many label values in the family.\n"
                                                "# TYPE ddns53_metrics_dropped_total counter\n"
                                                "ddns53_metrics_dropped_total{family=\"ddns53_requests_total\"} 4\n");
}

static void *count_often(void *userdata)
{
    struct metrics *metrics = userdata;
    static const char *const labels[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 2000; i++) {
        metric_add(metrics_family(metrics, &requests), 1, labels[i % 5], "good", NULL);
        metric_observe(metrics_family(metrics, &seconds), 0.05, labels[i % 5], NULL, NULL);
        if (i % 200 == 0) {
            _cleanup_buffer_ struct buffer buffer = BUFFER_INIT;
            metrics_render(metrics, &buffer);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *metrics = metrics_new();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_often, metrics), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(metric_value(metrics_family(metrics, &requests), "e", "good", NULL) == 1600);
    assert_true(metric_value(metrics_family(metrics, &seconds), "a", NULL, NULL) == 1600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_metrics),
        cmocka_unit_test(test_counter),
        cmocka_unit_test(test_gauge),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_histogram_without_labels),
        cmocka_unit_test(test_collectors),
        cmocka_unit_test(test_series_are_bounded),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
