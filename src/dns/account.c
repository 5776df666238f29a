#include "dns/account.h"

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
    struct account_ask *first;
    struct account_ask **end;
    size_t count;
};

struct account {
    struct loop *loop;
    struct ask_list asks[2]; /* by priority */
    size_t changers;         /* how many have ever asked for a change */
    struct loop_work work;
    bool is_posted;
    struct loop_timer timer;

    /* When the last calls were granted, a ring; a token comes back one window after it was taken. */
    int64_t *grants_ms;
    size_t grant_size;
    size_t grant_next;
    size_t grant_count;

    /* The pace is `base` and what quiet time since `base_ms` has added. The lock is for account_pace, which any
     * thread may call; only the I/O thread writes. */
    pthread_mutex_t lock;
    double ceiling; /* 0: no pace */
    double base;
    int64_t base_ms;
    int64_t halved_ms;
};

/* ---- the pace ---- */

static double pace_at(const struct account *account, int64_t now_ms)
{
    const double quiet_s = floor((double)(now_ms - account->base_ms) / QUIET_MS);

    return fmin(account->ceiling, account->base + CLIMB_STEP * fmax(quiet_s, 0));
}

double account_pace(const struct account *account)
{
    struct account *locked = (struct account *)(uintptr_t)account; /* const to the caller all the same */

    pthread_mutex_lock(&locked->lock);
    const double pace = pace_at(account, loop_now_ms(account->loop));
    pthread_mutex_unlock(&locked->lock);
    return pace;
}

static void set_base(struct account *account, double base, int64_t now_ms)
{
    pthread_mutex_lock(&account->lock);
    account->base = base;
    account->base_ms = now_ms;
    pthread_mutex_unlock(&account->lock);
}

/* ---- tokens ---- */

/* When the next call may be granted if `tokens` may be out at a time. */
static int64_t free_at_ms(const struct account *account, size_t tokens, double pace)
{
    if (account->grant_count < tokens) {
        return NEVER_MS;
    }
    const size_t index = (account->grant_next + account->grant_size - tokens) % account->grant_size;
    const int64_t window_ms = (int64_t)ceil(ceil(pace) / pace * 1000) + ARRIVAL_MARGIN_MS;
    return account->grants_ms[index] + window_ms;
}

static void take_token(struct account *account, int64_t now_ms)
{
    if (account->ceiling <= 0) {
        return;
    }
    account->grants_ms[account->grant_next] = now_ms;
    account->grant_next = (account->grant_next + 1) % account->grant_size;
    if (account->grant_count < account->grant_size) {
        account->grant_count++;
    }
}

/* ---- asks ---- */

static void list_append(struct ask_list *list, struct account_ask *ask)
{
    ask->next = NULL;
    *list->end = ask;
    list->end = &ask->next;
    list->count++;
}

static void list_remove(struct ask_list *list, struct account_ask *ask)
{
    struct account_ask **at = &list->first;

    while (*at && *at != ask) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = ask->next;
        list->count--;
        if (list->end == &ask->next) {
            list->end = at;
        }
        ask->next = NULL;
    }
}

/* ---- whose turn it is ---- */

/* Who has called within the last second, while others may want to: it must leave them a token. */
static bool is_greedy(const struct account *account, const struct account_ask *ask, int64_t now_ms)
{
    return account->changers > 1 && ask->granted_ms > 0 && now_ms - ask->granted_ms < QUIET_MS + ARRIVAL_MARGIN_MS;
}

static struct account_ask *first_modest(const struct account *account, int64_t now_ms)
{
    struct account_ask *ask = account->asks[ACCOUNT_CHANGE].first;

    while (ask && is_greedy(account, ask, now_ms)) {
        ask = ask->next;
    }
    return ask;
}

/* Who is granted next, and from when on (INT64_MAX: nobody waits). The read-back and who is greedy leave one token. */
static struct account_ask *next_ask(const struct account *account, int64_t now_ms, int64_t *ret_at_ms)
{
    struct account_ask *change = account->asks[ACCOUNT_CHANGE].first;
    struct account_ask *first = change ? change : account->asks[ACCOUNT_READ].first;

    if (!first || account->ceiling <= 0) {
        *ret_at_ms = first ? NEVER_MS : INT64_MAX;
        return first;
    }
    const double pace = pace_at(account, now_ms);
    const size_t tokens = (size_t)fmin(ceil(pace), (double)account->grant_size);
    *ret_at_ms = free_at_ms(account, tokens > 1 ? tokens - 1 : tokens, pace);
    if (*ret_at_ms <= now_ms || !change) {
        return first;
    }
    struct account_ask *modest = first_modest(account, now_ms);
    if (modest) {
        *ret_at_ms = free_at_ms(account, tokens, pace);
    }
    return modest ? modest : first;
}

static void grant(struct account *account, struct account_ask *ask, int64_t now_ms)
{
    list_remove(&account->asks[ask->priority], ask);
    ask->waiting = false;
    ask->granted_ms = now_ms;
    take_token(account, now_ms);
    ask->granted(ask);
}

static void post(struct account *account)
{
    if (!account->is_posted) {
        account->is_posted = true;
        loop_post(account->loop, &account->work);
    }
}

/* A pace on its way up may free a token sooner than the present one says. */
static void set_timer(struct account *account, int64_t at_ms, int64_t now_ms)
{
    if (pace_at(account, now_ms) < account->ceiling) {
        const int64_t quiet_ms = (now_ms - account->base_ms) / QUIET_MS * QUIET_MS;
        const int64_t climb_ms = account->base_ms + quiet_ms + QUIET_MS;
        at_ms = at_ms < climb_ms ? at_ms : climb_ms;
    }
    /* out of memory: the next ask or throttle tries again */
    (void)loop_timer_set(account->loop, &account->timer, at_ms);
}

static void serve(struct account *account)
{
    /* Who asks again from `granted` waits for the next round, so that a round ends. */
    size_t left = account->asks[ACCOUNT_CHANGE].count + account->asks[ACCOUNT_READ].count;
    const int64_t now_ms = loop_now_ms(account->loop);
    int64_t at_ms;
    struct account_ask *ask = next_ask(account, now_ms, &at_ms);

    for (; left > 0 && at_ms <= now_ms; left--) {
        grant(account, ask, now_ms);
        ask = next_ask(account, now_ms, &at_ms);
    }
    loop_timer_cancel(account->loop, &account->timer);
    if (at_ms <= now_ms) {
        post(account);
    } else if (at_ms < INT64_MAX) {
        set_timer(account, at_ms, now_ms);
    }
}

static void run_work(struct loop_work *work)
{
    struct account *account = CONTAINER_OF(work, struct account, work);

    account->is_posted = false;
    serve(account);
}

static void run_timer(struct loop_timer *timer)
{
    serve(CONTAINER_OF(timer, struct account, timer));
}

void account_ask(struct account *account, struct account_ask *ask, enum account_priority priority)
{
    if (ask->waiting) {
        if (ask->priority == ACCOUNT_CHANGE || priority == ACCOUNT_READ) {
            return;
        }
        list_remove(&account->asks[ACCOUNT_READ], ask);
    }
    if (priority == ACCOUNT_CHANGE && !ask->is_counted) {
        ask->is_counted = true;
        account->changers++;
    }
    ask->waiting = true;
    ask->priority = priority;
    list_append(&account->asks[priority], ask);
    post(account);
}

void account_ask_cancel(struct account *account, struct account_ask *ask)
{
    if (ask->waiting) {
        ask->waiting = false;
        list_remove(&account->asks[ask->priority], ask);
    }
}

void account_give_back(struct account *account)
{
    if (account->grant_count > 0) {
        account->grant_count--;
        account->grant_next = (account->grant_next + account->grant_size - 1) % account->grant_size;
    }
    post(account);
}

/* ---- what the server and the settings say ---- */

void account_throttled(struct account *account)
{
    const int64_t now_ms = loop_now_ms(account->loop);
    double base = pace_at(account, now_ms);

    if (account->ceiling <= 0) {
        return;
    }
    if (now_ms - account->halved_ms >= QUIET_MS) {
        base = fmin(account->ceiling, fmax(PACE_MIN, base / 2));
        account->halved_ms = now_ms;
    }
    set_base(account, base, now_ms);
    post(account);
}

/* The ring's newest entries move to the new one. */
static bool resize_ring(struct account *account, size_t size)
{
    int64_t *grants_ms = calloc(size, sizeof(*grants_ms));
    const size_t count = account->grant_count < size ? account->grant_count : size;

    if (!grants_ms) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t from = (account->grant_next + account->grant_size - count + i) % account->grant_size;
        grants_ms[i] = account->grants_ms[from];
    }
    free(account->grants_ms);
    account->grants_ms = grants_ms;
    account->grant_size = size;
    account->grant_count = count;
    account->grant_next = count % size;
    return true;
}

void account_set_ceiling(struct account *account, uint32_t requests_per_second)
{
    const int64_t now_ms = loop_now_ms(account->loop);
    const double before = account->ceiling;
    const double pace = pace_at(account, now_ms);
    size_t size = requests_per_second < GRANTS_MAX ? requests_per_second : GRANTS_MAX;

    if (size > account->grant_size && !resize_ring(account, size)) {
        return; /* no memory: the old ceiling stays */
    }
    pthread_mutex_lock(&account->lock);
    account->ceiling = requests_per_second;
    pthread_mutex_unlock(&account->lock);
    /* Who was at the ceiling is at the new one; who was throttled climbs on from where it is. */
    set_base(account, pace >= before ? requests_per_second : fmin(pace, requests_per_second), now_ms);
    post(account);
}

struct account *account_new(struct loop *loop, uint32_t requests_per_second)
{
    _cleanup_(account_freep) struct account *account = calloc(1, sizeof(*account));

    if (!account) {
        return NULL;
    }
    account->loop = loop;
    account->work.run = run_work;
    account->timer.run = run_timer;
    account->halved_ms = NEVER_MS;
    account->base_ms = loop_now_ms(loop);
    account->asks[ACCOUNT_CHANGE].end = &account->asks[ACCOUNT_CHANGE].first;
    account->asks[ACCOUNT_READ].end = &account->asks[ACCOUNT_READ].first;
    pthread_mutex_init(&account->lock, NULL);

    const size_t size = requests_per_second < GRANTS_MAX ? requests_per_second : GRANTS_MAX;
    if (size > 0 && !resize_ring(account, size)) {
        return NULL;
    }
    account->ceiling = requests_per_second;
    account->base = requests_per_second;
    return TAKE_PTR(account);
}

void account_free(struct account *account)
{
    if (!account) {
        return;
    }
    loop_timer_cancel(account->loop, &account->timer);
    pthread_mutex_destroy(&account->lock);
    free(account->grants_ms);
    free(account);
}
