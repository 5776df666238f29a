#include "queue/pacer.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PACE_MIN 0.2             /* a second; what throttling leaves at least */
#define CLIMB_STEP 0.5           /* a second, for each quiet second */
#define QUIET_MS 1000            /* also: a burst of throttled calls within it is one signal */
#define GRANTS_MAX 100000        /* the highest ceiling that is remembered exactly */
#define ARRIVAL_MARGIN_MS 50     /* the server counts arrivals: a call may be slower on its way than the one before */
#define NEVER_MS (INT64_MIN / 2) /* so that differences don't overflow */

struct ask_list {
    struct list asks;
    size_t count;
};

struct pacer {
    struct loop *loop;
    struct ask_list asks[2]; /* by priority */
    size_t changers;         /* how many have ever asked for a change */
    struct loop_work work;
    struct loop_timer timer;

    /* When the last calls were granted, a ring; a token comes back one window after it was taken. */
    int64_t *grants_ms;
    size_t grant_size;
    size_t grant_next;
    size_t grant_count;

    /* The pace is `base` and what quiet time since `base_ms` has added. The lock is for pacer_rate, which any
     * thread may call; only the I/O thread writes. */
    pthread_mutex_t lock;
    double ceiling; /* 0: no pace */
    double base;
    int64_t base_ms;
    int64_t halved_ms;
};

/* ---- the pace ---- */

static double pace_at(const struct pacer *pacer, int64_t now_ms)
{
    const double quiet_s = floor((double)(now_ms - pacer->base_ms) / QUIET_MS);

    return fmin(pacer->ceiling, pacer->base + CLIMB_STEP * fmax(quiet_s, 0));
}

double pacer_rate(const struct pacer *pacer)
{
    struct pacer *locked = (struct pacer *)(uintptr_t)pacer; /* const to the caller all the same */

    pthread_mutex_lock(&locked->lock);
    const double pace = pace_at(pacer, loop_now_ms(pacer->loop));
    pthread_mutex_unlock(&locked->lock);
    return pace;
}

static void set_base(struct pacer *pacer, double base, int64_t now_ms)
{
    pthread_mutex_lock(&pacer->lock);
    pacer->base = base;
    pacer->base_ms = now_ms;
    pthread_mutex_unlock(&pacer->lock);
}

/* ---- tokens ---- */

/* When the next call may be granted if `tokens` may be out at a time. */
static int64_t free_at_ms(const struct pacer *pacer, size_t tokens, double pace)
{
    if (pacer->grant_count < tokens) {
        return NEVER_MS;
    }
    const size_t index = (pacer->grant_next + pacer->grant_size - tokens) % pacer->grant_size;
    const int64_t window_ms = (int64_t)ceil(ceil(pace) / pace * 1000) + ARRIVAL_MARGIN_MS;
    return pacer->grants_ms[index] + window_ms;
}

static void take_token(struct pacer *pacer, int64_t now_ms)
{
    if (pacer->ceiling <= 0) {
        return;
    }
    pacer->grants_ms[pacer->grant_next] = now_ms;
    pacer->grant_next = (pacer->grant_next + 1) % pacer->grant_size;
    if (pacer->grant_count < pacer->grant_size) {
        pacer->grant_count++;
    }
}

/* ---- asks ---- */

static struct pacer_ask *first_ask(const struct pacer *pacer, enum pacer_priority priority)
{
    return LIST_ITEM(pacer->asks[priority].asks.first, struct pacer_ask, link);
}

static void enter(struct pacer *pacer, struct pacer_ask *ask, enum pacer_priority priority)
{
    ask->waiting = true;
    ask->priority = priority;
    list_append(&pacer->asks[priority].asks, &ask->link);
    pacer->asks[priority].count++;
}

static void leave(struct pacer *pacer, struct pacer_ask *ask)
{
    ask->waiting = false;
    list_remove(&pacer->asks[ask->priority].asks, &ask->link);
    pacer->asks[ask->priority].count--;
}

/* ---- whose turn it is ---- */

/* It has called within the last second, and others may want to: it must leave them a token. */
static bool had_turn_lately(const struct pacer *pacer, const struct pacer_ask *ask, int64_t now_ms)
{
    return pacer->changers > 1 && ask->granted_ms > 0 && now_ms - ask->granted_ms < QUIET_MS + ARRIVAL_MARGIN_MS;
}

/* Of those who want to change something; NULL: none. */
static struct pacer_ask *first_without_turn(const struct pacer *pacer, int64_t now_ms)
{
    struct pacer_ask *ask = first_ask(pacer, PACER_CHANGE);

    while (ask && had_turn_lately(pacer, ask, now_ms)) {
        ask = LIST_ITEM(ask->link.next, struct pacer_ask, link);
    }
    return ask;
}

/* Who is granted next, and from when on (INT64_MAX: nobody waits). The read-back, and whoever had a turn lately, leave one
 * token. */
static struct pacer_ask *next_ask(const struct pacer *pacer, int64_t now_ms, int64_t *ret_at_ms)
{
    struct pacer_ask *change = first_ask(pacer, PACER_CHANGE);
    struct pacer_ask *first = change ? change : first_ask(pacer, PACER_READ);

    if (!first || pacer->ceiling <= 0) {
        *ret_at_ms = first ? NEVER_MS : INT64_MAX;
        return first;
    }
    const double pace = pace_at(pacer, now_ms);
    const size_t tokens = (size_t)fmin(ceil(pace), (double)pacer->grant_size);
    *ret_at_ms = free_at_ms(pacer, tokens > 1 ? tokens - 1 : tokens, pace);
    if (*ret_at_ms <= now_ms || !change) {
        return first;
    }
    struct pacer_ask *patient = first_without_turn(pacer, now_ms);
    if (patient) {
        *ret_at_ms = free_at_ms(pacer, tokens, pace);
    }
    return patient ? patient : first;
}

/* It is granted: it waits no more, and has its token. */
static void take_ask(struct pacer *pacer, struct pacer_ask *ask, int64_t now_ms)
{
    leave(pacer, ask);
    ask->granted_ms = now_ms;
    take_token(pacer, now_ms);
}

/* While the pace climbs, a token may come back sooner than by the present pace. */
static void set_timer(struct pacer *pacer, int64_t at_ms, int64_t now_ms)
{
    if (pace_at(pacer, now_ms) < pacer->ceiling) {
        const int64_t quiet_ms = (now_ms - pacer->base_ms) / QUIET_MS * QUIET_MS;
        const int64_t climb_ms = pacer->base_ms + quiet_ms + QUIET_MS;
        at_ms = at_ms < climb_ms ? at_ms : climb_ms;
    }
    /* out of memory: the next ask or throttle tries again */
    (void)loop_timer_set(pacer->loop, &pacer->timer, at_ms);
}

static void serve(struct loop_work *work)
{
    struct pacer *pacer = CONTAINER_OF(work, struct pacer, work);
    /* Who asks again from `granted` waits for the next round, so that a round ends. */
    size_t left = pacer->asks[PACER_CHANGE].count + pacer->asks[PACER_READ].count;
    const int64_t now_ms = loop_now_ms(pacer->loop);
    int64_t at_ms;
    struct pacer_ask *ask = next_ask(pacer, now_ms, &at_ms);

    for (; left > 0 && at_ms <= now_ms; left--) {
        take_ask(pacer, ask, now_ms);
        ask->granted(ask);
        ask = next_ask(pacer, now_ms, &at_ms);
    }
    loop_timer_cancel(pacer->loop, &pacer->timer);
    if (at_ms <= now_ms) {
        loop_post(pacer->loop, work);
    } else if (at_ms < INT64_MAX) {
        set_timer(pacer, at_ms, now_ms);
    }
}

static void run_timer(struct loop_timer *timer)
{
    serve(&CONTAINER_OF(timer, struct pacer, timer)->work);
}

void pacer_ask(struct pacer *pacer, struct pacer_ask *ask, enum pacer_priority priority)
{
    if (ask->waiting) {
        if (ask->priority == PACER_CHANGE || priority == PACER_READ) {
            return;
        }
        leave(pacer, ask);
    }
    if (priority == PACER_CHANGE && !ask->is_counted) {
        ask->is_counted = true;
        pacer->changers++;
    }
    enter(pacer, ask, priority);
    loop_post(pacer->loop, &pacer->work);
}

void pacer_ask_cancel(struct pacer *pacer, struct pacer_ask *ask)
{
    if (ask->waiting) {
        leave(pacer, ask);
    }
}

void pacer_give_back(struct pacer *pacer)
{
    if (pacer->grant_count > 0) {
        pacer->grant_count--;
        pacer->grant_next = (pacer->grant_next + pacer->grant_size - 1) % pacer->grant_size;
    }
    loop_post(pacer->loop, &pacer->work);
}

/* ---- what the server and the settings say ---- */

void pacer_throttled(struct pacer *pacer)
{
    const int64_t now_ms = loop_now_ms(pacer->loop);
    double base = pace_at(pacer, now_ms);

    if (pacer->ceiling <= 0) {
        return;
    }
    if (now_ms - pacer->halved_ms >= QUIET_MS) {
        base = fmin(pacer->ceiling, fmax(PACE_MIN, base / 2));
        pacer->halved_ms = now_ms;
    }
    set_base(pacer, base, now_ms);
    loop_post(pacer->loop, &pacer->work);
}

/* The ring's newest entries move to the new one. */
static bool resize_ring(struct pacer *pacer, size_t size)
{
    int64_t *grants_ms = calloc(size, sizeof(*grants_ms));
    const size_t count = pacer->grant_count < size ? pacer->grant_count : size;

    if (!grants_ms) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t from = (pacer->grant_next + pacer->grant_size - count + i) % pacer->grant_size;
        grants_ms[i] = pacer->grants_ms[from];
    }
    free(pacer->grants_ms);
    pacer->grants_ms = grants_ms;
    pacer->grant_size = size;
    pacer->grant_count = count;
    pacer->grant_next = count % size;
    return true;
}

void pacer_set_ceiling(struct pacer *pacer, uint32_t requests_per_second)
{
    const int64_t now_ms = loop_now_ms(pacer->loop);
    const double before = pacer->ceiling;
    const double pace = pace_at(pacer, now_ms);
    size_t size = requests_per_second < GRANTS_MAX ? requests_per_second : GRANTS_MAX;

    if (size > pacer->grant_size && !resize_ring(pacer, size)) {
        return; /* no memory: the old ceiling stays */
    }
    pthread_mutex_lock(&pacer->lock);
    pacer->ceiling = requests_per_second;
    pthread_mutex_unlock(&pacer->lock);
    /* Who was at the ceiling is at the new one; who was throttled climbs on from where it is. */
    set_base(pacer, pace >= before ? requests_per_second : fmin(pace, requests_per_second), now_ms);
    loop_post(pacer->loop, &pacer->work);
}

struct pacer *pacer_new(struct loop *loop, uint32_t requests_per_second)
{
    _cleanup_(pacer_freep) struct pacer *pacer = calloc(1, sizeof(*pacer));

    if (!pacer) {
        return NULL;
    }
    pacer->loop = loop;
    pacer->work.run = serve;
    pacer->timer.run = run_timer;
    pacer->halved_ms = NEVER_MS;
    pacer->base_ms = loop_now_ms(loop);
    pthread_mutex_init(&pacer->lock, NULL);

    const size_t size = requests_per_second < GRANTS_MAX ? requests_per_second : GRANTS_MAX;
    if (size > 0 && !resize_ring(pacer, size)) {
        return NULL;
    }
    pacer->ceiling = requests_per_second;
    pacer->base = requests_per_second;
    return TAKE_PTR(pacer);
}

void pacer_free(struct pacer *pacer)
{
    if (!pacer) {
        return;
    }
    loop_timer_cancel(pacer->loop, &pacer->timer);
    pthread_mutex_destroy(&pacer->lock);
    free(pacer->grants_ms);
    free(pacer);
}
