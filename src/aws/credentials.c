#include "aws/credentials.h"

#include <errno.h>
#include <string.h>

#include "aws/credentials_fetch.h"
#include "aws/credentials_keys.h"
#include "base/list.h"
#include "base/log.h"

#define RENEW_BEFORE_S 300
/* Keys that come with less life than this are used for so long before new ones are asked for: a service that is down
 * hands out old ones, or a clock is off. */
#define LIFE_MIN_S 60
#define FAILURE_KEPT_MS 1000 /* so that a burst of waiters is one look */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000

struct credentials_wait {
    struct credentials *credentials;
    credentials_done done;
    void *userdata;
    struct list_link link;
};

struct credentials {
    struct loop *loop;
    struct http_client *client;
    char *profile;
    char *region;
    environment getenv_like;

    struct aws_keys *keys; /* NULL: none */
    struct credentials_fetch *fetch;
    struct loop_timer renew;
    unsigned failed_renewals;

    char *failure; /* of the last look; NULL: none, or long ago */
    int64_t failure_until_ms;

    struct list waits;        /* in order */
    struct loop_timer answer; /* tells those who wait what is known */
};

static void on_answer(struct loop_timer *timer);
static void on_renew(struct loop_timer *timer);

struct credentials *credentials_new(struct loop *loop, struct http_client *client, const char *profile,
                                    const char *region, environment getenv_like)
{
    _cleanup_(credentials_freep) struct credentials *credentials = calloc(1, sizeof(*credentials));

    if (!credentials) {
        return NULL;
    }
    credentials->loop = loop;
    credentials->client = client;
    credentials->getenv_like = getenv_like;
    credentials->answer.run = on_answer;
    credentials->renew.run = on_renew;
    credentials->profile = strdup(profile);
    credentials->region = strdup(region);
    if (!credentials->profile || !credentials->region) {
        return NULL;
    }
    return TAKE_PTR(credentials);
}

static struct credentials_wait *first_wait(const struct credentials *credentials)
{
    return LIST_ITEM(credentials->waits.first, struct credentials_wait, link);
}

void credentials_free(struct credentials *credentials)
{
    if (!credentials) {
        return;
    }
    while (credentials->waits.first) {
        credentials_wait_cancel(first_wait(credentials));
    }
    credentials_fetch_cancel(credentials->fetch);
    loop_timer_cancel(credentials->loop, &credentials->renew);
    loop_timer_cancel(credentials->loop, &credentials->answer);
    aws_keys_unref(credentials->keys);
    free(credentials->failure);
    free(credentials->profile);
    free(credentials->region);
    free(credentials);
}

static int64_t now_s(const struct credentials *credentials)
{
    return clock_realtime_s(loop_clock(credentials->loop));
}

static bool has_keys(const struct credentials *credentials)
{
    return credentials->keys && credentials->keys->expires_s > now_s(credentials);
}

static void forget_failure(struct credentials *credentials)
{
    free(credentials->failure);
    credentials->failure = NULL;
}

static bool has_failure(const struct credentials *credentials)
{
    return credentials->failure && loop_now_ms(credentials->loop) < credentials->failure_until_ms;
}

/* ---- those who wait ---- */

void credentials_wait_cancel(struct credentials_wait *wait)
{
    if (!wait) {
        return;
    }
    list_remove(&wait->credentials->waits, &wait->link);
    free(wait);
}

/* Answers all who wait now. Whoever begins to wait meanwhile stands behind the mark, and is answered next time. Works
 * on copies, since one of those who are answered may make us forget keys or message. */
static void answer_all(struct credentials *credentials, struct aws_keys *keys, const char *message)
{
    _cleanup_(aws_keys_unrefp) struct aws_keys *told_keys = keys ? aws_keys_ref(keys) : NULL;
    _cleanup_free_ char *told_message = strdup(message);
    struct credentials_wait mark = {0};

    list_append(&credentials->waits, &mark.link);
    while (credentials->waits.first != &mark.link) {
        struct credentials_wait *wait = first_wait(credentials);
        list_remove(&credentials->waits, &wait->link);
        wait->done(told_keys, told_message ? told_message : "no memory", wait->userdata);
        free(wait);
    }
    list_remove(&credentials->waits, &mark.link);
}

/* ---- looking ---- */

static void on_fetched(struct aws_keys *keys, const char *message, void *userdata);

static int start_fetch(struct credentials *credentials)
{
    if (credentials->fetch) {
        return 0;
    }
    return credentials_fetch_start(credentials->loop, credentials->client, credentials->profile, credentials->region,
                                   credentials->getenv_like, on_fetched, credentials, &credentials->fetch);
}

static void set_renewal(struct credentials *credentials, int64_t delay_ms)
{
    if (loop_timer_set(credentials->loop, &credentials->renew, loop_now_ms(credentials->loop) + delay_ms) < 0) {
        log_warning("credentials", "no memory for the timer of their renewal: they are renewed when they expire");
    }
}

static void log_keys(const struct aws_keys *keys)
{
    char expires[21] = "never";

    if (keys->expires_s != INT64_MAX) {
        clock_print_iso8601(keys->expires_s, expires);
    }
    log_event(LOG_LEVEL_INFO, "credentials", "origin", keys->origin, "access_key", keys->access_key_id, "expires",
              expires, NULL);
}

static void take_keys(struct credentials *credentials, struct aws_keys *keys)
{
    const int64_t now = now_s(credentials);

    if (keys->expires_s < now + LIFE_MIN_S) {
        keys->expires_s = now + LIFE_MIN_S;
    }
    log_keys(keys);
    aws_keys_unref(credentials->keys);
    credentials->keys = aws_keys_ref(keys);
    credentials->failed_renewals = 0;
    forget_failure(credentials);
    loop_timer_cancel(credentials->loop, &credentials->renew);
    if (keys->expires_s != INT64_MAX) {
        const int64_t left_s = keys->expires_s - now;
        set_renewal(credentials, 1000 * (left_s >= 2 * RENEW_BEFORE_S ? left_s - RENEW_BEFORE_S : left_s / 2));
    }
}

/* The old keys serve; the next look is due later and later, each time by a random part. */
static void keep_keys(struct credentials *credentials, const char *message)
{
    const unsigned shift = credentials->failed_renewals < 6 ? credentials->failed_renewals : 6;
    int64_t longest_ms = (int64_t)RETRY_MIN_MS << shift;
    if (longest_ms > RETRY_MAX_MS) {
        longest_ms = RETRY_MAX_MS;
    }
    credentials->failed_renewals++;
    log_event(LOG_LEVEL_WARNING, "credentials_renewal_failed", "message", message, NULL);
    set_renewal(credentials, longest_ms / 2 + random_uniform((uint32_t)longest_ms / 2));
}

static void on_fetched(struct aws_keys *keys, const char *message, void *userdata)
{
    struct credentials *credentials = userdata;

    credentials->fetch = NULL;
    if (keys) {
        take_keys(credentials, keys);
        answer_all(credentials, keys, "");
        return;
    }
    if (has_keys(credentials)) {
        keep_keys(credentials, message);
        answer_all(credentials, credentials->keys, "");
        return;
    }
    forget_failure(credentials);
    credentials->failure = strdup(*message ? message : "no memory to look for AWS credentials; try again");
    credentials->failure_until_ms = loop_now_ms(credentials->loop) + FAILURE_KEPT_MS;
    answer_all(credentials, NULL, credentials->failure ? credentials->failure : message);
}

static void on_renew(struct loop_timer *timer)
{
    struct credentials *credentials = CONTAINER_OF(timer, struct credentials, renew);

    if (start_fetch(credentials) < 0 && has_keys(credentials)) {
        keep_keys(credentials, "no memory");
    }
}

/* ---- asking ---- */

static void on_answer(struct loop_timer *timer)
{
    struct credentials *credentials = CONTAINER_OF(timer, struct credentials, answer);

    if (has_keys(credentials)) {
        answer_all(credentials, credentials->keys, "");
    } else if (has_failure(credentials)) {
        answer_all(credentials, NULL, credentials->failure);
    } else if (credentials->waits.first && start_fetch(credentials) < 0) { /* forgotten or expired meanwhile */
        answer_all(credentials, NULL, "no memory to look for AWS credentials; try again");
    }
}

struct aws_keys *credentials_cached(const struct credentials *credentials)
{
    return has_keys(credentials) ? credentials->keys : NULL;
}

int credentials_get(struct credentials *credentials, credentials_done done, void *userdata,
                    struct credentials_wait **ret_wait)
{
    _cleanup_free_ struct credentials_wait *wait = calloc(1, sizeof(*wait));
    int r;

    if (!wait) {
        return -ENOMEM;
    }
    wait->done = done;
    wait->userdata = userdata;
    if (has_keys(credentials) || has_failure(credentials)) {
        r = loop_timer_set(credentials->loop, &credentials->answer, loop_now_ms(credentials->loop));
    } else {
        r = start_fetch(credentials);
    }
    if (r < 0) {
        return r;
    }
    wait->credentials = credentials;
    list_append(&credentials->waits, &wait->link);
    if (ret_wait) {
        *ret_wait = wait;
    }
    (void)TAKE_PTR(wait);
    return 0;
}

void credentials_refresh(struct credentials *credentials, const struct aws_keys *keys)
{
    if (keys && keys != credentials->keys) {
        return; /* others have been found since */
    }
    if (!keys && credentials->fetch) { /* it may have read what was there before the reload */
        credentials_fetch_cancel(credentials->fetch);
        credentials->fetch = NULL;
        (void)loop_timer_set(credentials->loop, &credentials->answer, loop_now_ms(credentials->loop));
    }
    loop_timer_cancel(credentials->loop, &credentials->renew);
    forget_failure(credentials);
    aws_keys_unref(credentials->keys);
    credentials->keys = NULL;
}
