#include "api/ratelimit.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "api/service.h"
#include "base/clock.h"
#include "base/secret.h"

/* The table is made of sets of WAYS buckets; a source belongs to one set, chosen by a keyed hash, so that nobody can
 * aim at a set. "Full" means that the set is: finding the emptiest of all buckets would cost more than it is worth. */
#define WAYS 16
#define LOCKS 64 /* each guards every LOCKS-th set */

/* A level is counted in 60,000ths of a request: what leaks out in a millisecond is then per_minute of them. */
#define UNITS_PER_REQUEST 60000
#define MINUTE_MS 60000

struct bucket {
    struct address source; /* family NONE: free */
    bool is_shut;          /* has overflowed, and has not drained to half since */
    int64_t level;
    int64_t counted_ms; /* the level is of that time */
};

struct ratelimit {
    _Atomic uint32_t per_minute;
    size_t set_count; /* a power of two */
    struct bucket *buckets;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
    pthread_mutex_t locks[LOCKS];
};

struct ratelimit *ratelimit_new(uint32_t per_minute, size_t sources_max)
{
    struct ratelimit *ratelimit = calloc(1, sizeof(*ratelimit));
    if (ratelimit == NULL) {
        return NULL;
    }
    ratelimit->set_count = 1;
    while (ratelimit->set_count < sources_max / WAYS + (sources_max % WAYS != 0)) {
        ratelimit->set_count *= 2;
    }
    ratelimit->buckets = calloc(ratelimit->set_count, WAYS * sizeof(struct bucket));
    if (ratelimit->buckets == NULL) {
        free(ratelimit);
        return NULL;
    }
    atomic_init(&ratelimit->per_minute, per_minute);
    random_bytes(ratelimit->hash_key, sizeof(ratelimit->hash_key));
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&ratelimit->locks[i], NULL);
    }
    return ratelimit;
}

void ratelimit_free(struct ratelimit *ratelimit)
{
    if (ratelimit == NULL) {
        return;
    }
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_destroy(&ratelimit->locks[i]);
    }
    free(ratelimit->buckets);
    free(ratelimit);
}

void ratelimit_set(struct ratelimit *ratelimit, uint32_t per_minute)
{
    atomic_store(&ratelimit->per_minute, per_minute);
}

/* What one look at a bucket needs. */
struct look {
    int64_t per_minute;
    int64_t capacity;
    int64_t now_ms;
};

static int64_t level_now(const struct bucket *bucket, const struct look *look)
{
    int64_t elapsed_ms = look->now_ms - bucket->counted_ms;

    if (elapsed_ms <= 0) {
        return bucket->level;
    }
    /* A minute empties any bucket; capped first, so that nothing overflows. */
    int64_t leaked = look->per_minute * (elapsed_ms < MINUTE_MS ? elapsed_ms : MINUTE_MS);
    return leaked < bucket->level ? bucket->level - leaked : 0;
}

/* Brings a bucket to now. */
static void drain(struct bucket *bucket, const struct look *look)
{
    int64_t level = level_now(bucket, look);

    /* A lower limit may have come by reload. */
    bucket->level = level < look->capacity ? level : look->capacity;
    if (look->now_ms > bucket->counted_ms) {
        bucket->counted_ms = look->now_ms;
    }
    if (bucket->level <= look->capacity / 2) {
        bucket->is_shut = false;
    }
}

/* The source's bucket, NULL: none. `ret_spare`: the one that it would get, free or nearest to empty. */
static struct bucket *find(struct bucket *set, const struct address *source, const struct look *look,
                           struct bucket **ret_spare)
{
    int64_t spare_level = INT64_MAX;

    for (size_t i = 0; i < WAYS; i++) {
        struct bucket *bucket = &set[i];
        if (bucket->source.family != ADDRESS_NONE && address_equal(&bucket->source, source)) {
            return bucket;
        }
        int64_t level = bucket->source.family == ADDRESS_NONE ? -1 : level_now(bucket, look);
        if (level < spare_level) {
            spare_level = level;
            *ret_spare = bucket;
        }
    }
    return NULL;
}

static void tell_retry_after(int64_t excess, const struct look *look, uint32_t *ret_retry_after_s)
{
    if (ret_retry_after_s == NULL) {
        return;
    }
    int64_t wait_ms = excess > 0 ? (excess + look->per_minute - 1) / look->per_minute : 0;
    int64_t wait_s = (wait_ms + 999) / 1000;
    *ret_retry_after_s = wait_s < 1 ? 1 : (uint32_t)wait_s;
}

static bool take(struct bucket *bucket, const struct look *look, uint32_t *ret_retry_after_s)
{
    if (bucket->level + UNITS_PER_REQUEST <= look->capacity) {
        bucket->level += UNITS_PER_REQUEST;
        return true;
    }
    bucket->is_shut = true;
    tell_retry_after(bucket->level + UNITS_PER_REQUEST - look->capacity, look, ret_retry_after_s);
    return false;
}

static bool allows(const struct bucket *bucket, const struct look *look, uint32_t *ret_retry_after_s)
{
    int64_t excess = bucket->level + UNITS_PER_REQUEST - look->capacity;
    int64_t above_half = bucket->level - look->capacity / 2;

    if (excess <= 0 && !bucket->is_shut) {
        return true;
    }
    if (bucket->is_shut && above_half > excess) {
        excess = above_half;
    }
    tell_retry_after(excess, look, ret_retry_after_s);
    return false;
}

static uint64_t hash_of(const struct ratelimit *ratelimit, const struct address *source)
{
    unsigned char digest[crypto_shorthash_BYTES];
    uint64_t hash = 0;

    (void)crypto_shorthash(digest, source->bytes, sizeof(source->bytes), ratelimit->hash_key);
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

static bool look_at(struct ratelimit *ratelimit, const struct address *source, int64_t now_ms, bool count,
                    uint32_t *ret_retry_after_s)
{
    uint32_t per_minute = atomic_load(&ratelimit->per_minute);
    const struct look look = {per_minute, (int64_t)per_minute * UNITS_PER_REQUEST, now_ms};
    const struct address key = address_limit_key(source);

    /* A unix socket behind which nobody is named is this machine itself. */
    if (per_minute == 0 || key.family == ADDRESS_NONE) {
        return true;
    }
    size_t set = (size_t)hash_of(ratelimit, &key) & (ratelimit->set_count - 1);
    pthread_mutex_t *lock = &ratelimit->locks[set % LOCKS];
    bool fits = true;
    struct bucket *spare = NULL;

    pthread_mutex_lock(lock);
    struct bucket *bucket = find(&ratelimit->buckets[set * WAYS], &key, &look, &spare);
    if (bucket == NULL && count) {
        bucket = spare;
        *bucket = (struct bucket){.source = key, .counted_ms = now_ms};
    }
    if (bucket != NULL) {
        drain(bucket, &look);
        fits = count ? take(bucket, &look, ret_retry_after_s) : allows(bucket, &look, ret_retry_after_s);
    }
    pthread_mutex_unlock(lock);
    return fits;
}

bool ratelimit_take(struct ratelimit *ratelimit, const struct address *source, int64_t now_ms,
                    uint32_t *ret_retry_after_s)
{
    return look_at(ratelimit, source, now_ms, true, ret_retry_after_s);
}

bool ratelimit_allows(struct ratelimit *ratelimit, const struct address *source, int64_t now_ms,
                      uint32_t *ret_retry_after_s)
{
    return look_at(ratelimit, source, now_ms, false, ret_retry_after_s);
}

/* ---- requests ---- */

bool ratelimit_may_read(const struct request *request, uint32_t *ret_retry_after_s)
{
    return ratelimit_take(api_of(request)->reads, &request->source, clock_monotonic_ms(request->service->clock),
                          ret_retry_after_s);
}

bool ratelimit_may_try(const struct request *request, uint32_t *ret_retry_after_s)
{
    return ratelimit_allows(api_of(request)->failures, &request->source, clock_monotonic_ms(request->service->clock),
                            ret_retry_after_s);
}
