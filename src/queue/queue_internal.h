/*
 * The inside of queue/queue, for its two files and its unit tests.
 */
#ifndef DDNS53_QUEUE_QUEUE_INTERNAL_H
#define DDNS53_QUEUE_QUEUE_INTERNAL_H

#include "queue/zone.h"

struct queue {
    struct zone_shared shared;
    struct zone **zones;
    size_t zone_count;
    uint32_t update_timeout_ms;
    atomic_uint queued_max;
    atomic_bool is_draining; /* shared.is_draining for other threads */

    /* queue_metrics.c */
    struct metric *depth;
    struct metric *oldest;
    struct metric *pace;

    /* rows of the store that are forgotten, each day */
    struct loop_timer forget_timer;
    size_t forgotten;

    /* records that left */
    struct records_sweep sweep;
    struct loop_timer sweep_timer;

    /* the end */
    struct loop_timer drain_timer;
    struct loop_work drain_work;
    bool is_late;    /* the deadline has passed: what was accepted is saved now or never */
    bool is_flushed; /* the last touches have had their attempt */
    void (*drained)(void *userdata, size_t left);
    void *drained_userdata;
};

/* ---- queue_metrics.c ---- */

/* -ENOMEM. `metrics` may be NULL. */
int queue_metrics_init(struct queue *queue, struct metrics *metrics);
/* Sets the zone's counters of troubles to 0, so that the rate of the first trouble can be seen. */
void queue_count_from_zero(const struct queue *queue, const struct zone *zone);

/* ---- queue_forget.c: rows of hosts that left leave the store ---- */

void queue_forget_init(struct queue *queue);
void queue_forget_start(struct queue *queue);
void queue_forget_stop(struct queue *queue);

#endif
