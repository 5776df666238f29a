#include "base/metrics.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/table.h"

#define SERIES_MAX 1000 /* of one family */
#define KEY_SIZE 1024   /* label values of one series, each with its NUL */

/* One set of label values. `counts` has an entry per bucket, not cumulative, and one for +Inf. */
struct series {
    double value; /* counter, gauge; the sum of a histogram */
    uint64_t *counts;
    size_t key_length;
    char key[]; /* the label values, each with its NUL */
};

struct metric {
    const struct metric_row *row;
    struct metric *next;
    pthread_mutex_t lock; /* guards what follows */
    struct table *series;
    double dropped; /* updates of series past the limit */
};

struct collector {
    metrics_collect collect;
    void *userdata;
    struct collector *next;
};

/* Both lists only grow, and what is in them stays until the end, so that they are walked without the lock once
 * the next pointer was read under it. */
struct metrics {
    pthread_mutex_t lock;
    struct metric *families; /* by name */
    struct collector *collectors;
};

static struct bytes key_of_series(const void *value)
{
    const struct series *series = value;
    return (struct bytes){series->key, series->key_length};
}

static void series_free(struct series *series)
{
    free(series->counts);
    free(series);
}

static void metric_free(struct metric *metric)
{
    size_t position = 0;
    for (struct series *series = table_next(metric->series, &position); series != NULL;
         series = table_next(metric->series, &position)) {
        series_free(series);
    }
    table_free(metric->series);
    pthread_mutex_destroy(&metric->lock);
    free(metric);
}

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics != NULL) {
        pthread_mutex_init(&metrics->lock, NULL);
    }
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (struct metric *metric = metrics->families; metric != NULL;) {
        struct metric *next = metric->next;
        metric_free(metric);
        metric = next;
    }
    for (struct collector *collector = metrics->collectors; collector != NULL;) {
        struct collector *next = collector->next;
        free(collector);
        collector = next;
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

static struct metric *metric_new(const struct metric_row *row)
{
    struct metric *metric = calloc(1, sizeof(*metric));
    if (metric == NULL) {
        return NULL;
    }
    metric->series = table_new(key_of_series);
    if (metric->series == NULL) {
        free(metric);
        return NULL;
    }
    metric->row = row;
    pthread_mutex_init(&metric->lock, NULL);
    return metric;
}

struct metric *metrics_family(struct metrics *metrics, const struct metric_row *row)
{
    if (metrics == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&metrics->lock);
    struct metric **place = &metrics->families;
    while (*place != NULL && strcmp((*place)->row->name, row->name) < 0) {
        place = &(*place)->next;
    }
    struct metric *metric = *place;
    if (metric == NULL || strcmp(metric->row->name, row->name) != 0) {
        metric = metric_new(row);
        if (metric != NULL) {
            metric->next = *place;
            *place = metric;
        }
    }
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

/* ---- counting ---- */

struct key {
    char bytes[KEY_SIZE];
    size_t length;
};

static bool make_key(const struct metric_row *row, const char *const values[METRIC_LABELS_MAX], struct key *ret_key)
{
    ret_key->length = 0;
    for (size_t i = 0; i < METRIC_LABELS_MAX && row->labels[i] != NULL; i++) {
        const char *value = values[i] != NULL ? values[i] : "";
        size_t size = strlen(value) + 1;
        if (size > sizeof(ret_key->bytes) - ret_key->length) {
            return false;
        }
        memcpy(ret_key->bytes + ret_key->length, value, size);
        ret_key->length += size;
    }
    return true;
}

static struct series *series_new(const struct metric_row *row, const struct key *key)
{
    struct series *series = calloc(1, sizeof(*series) + key->length);
    if (series == NULL) {
        return NULL;
    }
    series->key_length = key->length;
    memcpy(series->key, key->bytes, key->length);
    if (row->type == METRIC_HISTOGRAM) {
        series->counts = calloc(row->bucket_count + 1, sizeof(*series->counts));
        if (series->counts == NULL) {
            series_free(series);
            return NULL;
        }
    }
    return series;
}

/* The series, made where it is new. The family's lock is held. NULL: one too many, or no memory; counted. */
static struct series *find_series(struct metric *metric, const char *const values[METRIC_LABELS_MAX])
{
    struct key key;
    struct series *series = NULL;
    if (make_key(metric->row, values, &key)) {
        series = table_get(metric->series, key.bytes, key.length);
        if (series == NULL && table_count(metric->series) < SERIES_MAX) {
            series = series_new(metric->row, &key);
            if (series != NULL && table_put(metric->series, series) < 0) {
                series_free(series);
                series = NULL;
            }
        }
    }
    if (series == NULL) {
        metric->dropped++;
    }
    return series;
}

void metric_add(struct metric *metric, double amount, const char *label1, const char *label2, const char *label3)
{
    if (metric == NULL || metric->row->type == METRIC_HISTOGRAM || isnan(amount) ||
        (metric->row->type == METRIC_COUNTER && amount < 0)) {
        return;
    }
    const char *const values[METRIC_LABELS_MAX] = {label1, label2, label3};
    pthread_mutex_lock(&metric->lock);
    struct series *series = find_series(metric, values);
    if (series != NULL) {
        series->value += amount;
    }
    pthread_mutex_unlock(&metric->lock);
}

void metric_set(struct metric *metric, double value, const char *label1, const char *label2, const char *label3)
{
    if (metric == NULL || metric->row->type == METRIC_HISTOGRAM) {
        return;
    }
    const char *const values[METRIC_LABELS_MAX] = {label1, label2, label3};
    pthread_mutex_lock(&metric->lock);
    struct series *series = find_series(metric, values);
    if (series != NULL) {
        series->value = value;
    }
    pthread_mutex_unlock(&metric->lock);
}

void metric_observe(struct metric *metric, double value, const char *label1, const char *label2, const char *label3)
{
    if (metric == NULL || metric->row->type != METRIC_HISTOGRAM || isnan(value)) {
        return;
    }
    const char *const values[METRIC_LABELS_MAX] = {label1, label2, label3};
    size_t bucket = 0;
    while (bucket < metric->row->bucket_count && value > metric->row->buckets[bucket]) {
        bucket++;
    }
    pthread_mutex_lock(&metric->lock);
    struct series *series = find_series(metric, values);
    if (series != NULL) {
        series->counts[bucket]++;
        series->value += value;
    }
    pthread_mutex_unlock(&metric->lock);
}

static uint64_t observation_count(const struct metric_row *row, const struct series *series)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= row->bucket_count; i++) {
        count += series->counts[i];
    }
    return count;
}

double metric_value(struct metric *metric, const char *label1, const char *label2, const char *label3)
{
    if (metric == NULL) {
        return 0;
    }
    const char *const values[METRIC_LABELS_MAX] = {label1, label2, label3};
    struct key key;
    double value = 0;
    pthread_mutex_lock(&metric->lock);
    if (make_key(metric->row, values, &key)) {
        const struct series *series = table_get(metric->series, key.bytes, key.length);
        if (series != NULL) {
            value = series->counts != NULL ? (double)observation_count(metric->row, series) : series->value;
        }
    }
    pthread_mutex_unlock(&metric->lock);
    return value;
}

int metrics_on_collect(struct metrics *metrics, metrics_collect collect, void *userdata)
{
    if (metrics == NULL) {
        return 0;
    }
    struct collector *collector = calloc(1, sizeof(*collector));
    if (collector == NULL) {
        return -ENOMEM;
    }
    collector->collect = collect;
    collector->userdata = userdata;
    pthread_mutex_lock(&metrics->lock);
    struct collector **place = &metrics->collectors;
    while (*place != NULL) {
        place = &(*place)->next;
    }
    *place = collector;
    pthread_mutex_unlock(&metrics->lock);
    return 0;
}

/* ---- rendering ---- */

/* The shortest of two spellings that reads back as the same number. */
static void append_number(struct buffer *buffer, double value)
{
    char text[32];
    if (isnan(value)) {
        buffer_append_text(buffer, "NaN");
        return;
    }
    if (isinf(value)) {
        buffer_append_text(buffer, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    (void)snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value) {
        (void)snprintf(text, sizeof(text), "%.17g", value);
    }
    buffer_append_text(buffer, text);
}

/* Backslash and newline, in label values the quote too. */
static void append_escaped(struct buffer *buffer, const char *text, bool in_quotes)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n') {
            buffer_append_text(buffer, "\\n");
            continue;
        }
        if (*c == '\\' || (*c == '"' && in_quotes)) {
            buffer_append_char(buffer, '\\');
        }
        buffer_append_char(buffer, *c);
    }
}

static void append_label(struct buffer *buffer, bool *first, const char *name, const char *value)
{
    buffer_append_char(buffer, *first ? '{' : ',');
    *first = false;
    buffer_append_text(buffer, name);
    buffer_append_text(buffer, "=\"");
    append_escaped(buffer, value, true);
    buffer_append_char(buffer, '"');
}

/* NAMEsuffix{labels,le="..."} and a space; `bound` NULL: no le. */
static void append_series_name(struct buffer *buffer, const struct metric_row *row, const struct series *series,
                               const char *suffix, const double *bound)
{
    bool first = true;
    const char *value = series->key;
    buffer_append_text(buffer, row->name);
    buffer_append_text(buffer, suffix);
    for (size_t i = 0; i < METRIC_LABELS_MAX && row->labels[i] != NULL; i++) {
        append_label(buffer, &first, row->labels[i], value);
        value += strlen(value) + 1;
    }
    if (bound != NULL) {
        buffer_append_text(buffer, first ? "{le=\"" : ",le=\"");
        append_number(buffer, *bound);
        buffer_append_char(buffer, '"');
        first = false;
    }
    buffer_append_text(buffer, first ? " " : "} ");
}

static void render_histogram(struct buffer *buffer, const struct metric_row *row, const struct series *series)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= row->bucket_count; i++) {
        double bound = i < row->bucket_count ? row->buckets[i] : (double)INFINITY;
        count += series->counts[i];
        append_series_name(buffer, row, series, "_bucket", &bound);
        buffer_printf(buffer, "%ju\n", (uintmax_t)count);
    }
    append_series_name(buffer, row, series, "_sum", NULL);
    append_number(buffer, series->value);
    buffer_append_char(buffer, '\n');
    append_series_name(buffer, row, series, "_count", NULL);
    buffer_printf(buffer, "%ju\n", (uintmax_t)count);
}

static void render_series(struct buffer *buffer, const struct metric_row *row, const struct series *series)
{
    if (row->type == METRIC_HISTOGRAM) {
        render_histogram(buffer, row, series);
        return;
    }
    append_series_name(buffer, row, series, "", NULL);
    append_number(buffer, series->value);
    buffer_append_char(buffer, '\n');
}

static void render_header(struct buffer *buffer, const char *name, const char *help, enum metric_type type)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

    buffer_printf(buffer, "# HELP %s ", name);
    append_escaped(buffer, help, false);
    buffer_printf(buffer, "\n# TYPE %s %s\n", name, types[type]);
}

static int compare_series(const void *a, const void *b)
{
    const struct series *left = *(const struct series *const *)a;
    const struct series *right = *(const struct series *const *)b;
    size_t shorter = left->key_length < right->key_length ? left->key_length : right->key_length;
    /* Both hold as many texts, each with its NUL: none is the beginning of another. */
    return memcmp(left->key, right->key, shorter);
}

/* Sorted by label values, so that two renderings differ only in what has changed. Returns what was dropped. */
static double render_family(struct buffer *buffer, struct metric *metric)
{
    pthread_mutex_lock(&metric->lock);
    size_t count = table_count(metric->series);
    const struct series **sorted = calloc(count + 1, sizeof(const struct series *));
    if (sorted == NULL) {
        buffer->error = -ENOMEM;
    } else if (count > 0) {
        size_t position = 0;
        for (size_t i = 0; i < count; i++) {
            sorted[i] = table_next(metric->series, &position);
        }
        qsort(sorted, count, sizeof(const struct series *), compare_series);
        render_header(buffer, metric->row->name, metric->row->help, metric->row->type);
        for (size_t i = 0; i < count; i++) {
            render_series(buffer, metric->row, sorted[i]);
        }
    }
    double dropped = metric->dropped;
    pthread_mutex_unlock(&metric->lock);
    free(sorted);
    return dropped;
}

static struct metric *first_family(struct metrics *metrics)
{
    pthread_mutex_lock(&metrics->lock);
    struct metric *metric = metrics->families;
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

static struct metric *next_family(struct metrics *metrics, const struct metric *metric)
{
    pthread_mutex_lock(&metrics->lock);
    struct metric *next = metric->next;
    pthread_mutex_unlock(&metrics->lock);
    return next;
}

/* Called without the lock: a collector makes and sets metrics. */
static void run_collectors(struct metrics *metrics)
{
    pthread_mutex_lock(&metrics->lock);
    struct collector *collector = metrics->collectors;
    pthread_mutex_unlock(&metrics->lock);
    while (collector != NULL) {
        collector->collect(collector->userdata);
        pthread_mutex_lock(&metrics->lock);
        collector = collector->next;
        pthread_mutex_unlock(&metrics->lock);
    }
}

void metrics_render(struct metrics *metrics, struct buffer *buffer)
{
    static const char dropped_name[] = "ddns53_metrics_dropped_total";
    bool any_dropped = false;
    struct buffer dropped_lines = BUFFER_INIT;
    if (metrics == NULL) {
        return;
    }
    run_collectors(metrics);
    for (struct metric *metric = first_family(metrics); metric != NULL; metric = next_family(metrics, metric)) {
        double dropped = render_family(buffer, metric);
        if (dropped > 0) {
            any_dropped = true;
            buffer_printf(&dropped_lines, "%s{family=\"%s\"} ", dropped_name, metric->row->name);
            append_number(&dropped_lines, dropped);
            buffer_append_char(&dropped_lines, '\n');
        }
    }
    if (any_dropped) {
        render_header(buffer, dropped_name, "Updates that were not counted: too many label values in the family.",
                      METRIC_COUNTER);
        buffer_append(buffer, buffer_text(&dropped_lines), dropped_lines.length);
    }
    buffer_done(&dropped_lines);
}
