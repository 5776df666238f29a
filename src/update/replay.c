#include "update/replay.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/secret.h"
#include "base/table.h"

#define DIGEST_SIZE 16

/* A wall clock that has moved so far against the monotonic one has been set. One that is slewed gets there in half an
 * hour, which does no harm. Nonces are remembered for that much longer, and for what rounding takes. */
#define STEP_MS 1000
#define REMEMBERED_MS ((REPLAY_WINDOW_S + 3) * (int64_t)1000)

/* Times that were signed for; first_s > last_s: none. */
struct span {
    int64_t first_s;
    int64_t last_s;
};

/* A used nonce: a digest of host and nonce, in the order of use (which is the order of expiry). */
struct used_nonce {
    uint8_t digest[DIGEST_SIZE];
    int64_t used_ms; /* monotonic */
    int64_t signed_s;
    uint64_t frame;
    struct nonce_owner *owner;
    struct used_nonce *next;
};

/* What is known of a host, in the order of its last use. */
struct nonce_owner {
    uint8_t digest[DIGEST_SIZE];
    size_t count;          /* nonces that are remembered */
    uint64_t frame;        /* that of `forgotten` */
    struct span forgotten; /* of the nonces that were used in this frame and are no longer remembered */
    struct span doubtful;  /* the same of earlier frames, where the clock may get there again */
    struct list_link link;
};

struct replay {
    const struct clock *clock;
    int64_t started_ms; /* monotonic */
    size_t per_host;
    size_t in_all;
    pthread_mutex_t lock; /* over all below */
    uint64_t frame;       /* counts how often the wall clock was set */
    int64_t offset_ms;    /* of the wall clock from the monotonic one, when the frame began */
    struct table *nonces;
    struct table *owners;
    struct used_nonce *oldest;
    struct used_nonce *newest;
    struct list by_use; /* of the owners, who has not signed for longest first */
};

/* Both clocks at one moment. */
struct moment {
    int64_t monotonic_ms;
    int64_t wall_s;
};

static const struct span nothing = {INT64_MAX, INT64_MIN};

static struct bytes nonce_key(const void *value)
{
    return (struct bytes){((const struct used_nonce *)value)->digest, DIGEST_SIZE};
}

static struct bytes owner_key(const void *value)
{
    return (struct bytes){((const struct nonce_owner *)value)->digest, DIGEST_SIZE};
}

static struct nonce_owner *oldest_owner(const struct replay *replay)
{
    return LIST_ITEM(replay->by_use.first, struct nonce_owner, link);
}

struct replay *replay_new(const struct clock *clock, size_t per_host, size_t in_all)
{
    struct replay *replay = calloc(1, sizeof(*replay));

    if (!replay) {
        return NULL;
    }
    (void)pthread_mutex_init(&replay->lock, NULL);
    replay->clock = clock;
    replay->started_ms = clock_monotonic_ms(clock);
    replay->offset_ms = clock_realtime_ms(clock) - replay->started_ms;
    replay->per_host = per_host;
    replay->in_all = in_all;
    replay->nonces = table_new(nonce_key);
    replay->owners = table_new(owner_key);
    if (!replay->nonces || !replay->owners) {
        replay_free(replay);
        return NULL;
    }
    return replay;
}

void replay_free(struct replay *replay)
{
    if (!replay) {
        return;
    }
    for (struct used_nonce *nonce = replay->oldest, *next; nonce; nonce = next) {
        next = nonce->next;
        free(nonce);
    }
    for (struct nonce_owner *owner; (owner = oldest_owner(replay));) {
        list_remove(&replay->by_use, &owner->link);
        free(owner);
    }
    table_free(replay->nonces);
    table_free(replay->owners);
    (void)pthread_mutex_destroy(&replay->lock);
    free(replay);
}

/* ---- time ---- */

enum replay_verdict replay_check_time(const struct replay *replay, int64_t signed_s)
{
    int64_t now_ms = clock_realtime_ms(replay->clock);
    int64_t now_s = now_ms / 1000;
    /* The start as the clock of now would have shown it, not as the clock of then did. */
    int64_t started_s = (now_ms - (clock_monotonic_ms(replay->clock) - replay->started_ms)) / 1000;
    bool near = signed_s >= now_s - REPLAY_SKEW_S && signed_s <= now_s + REPLAY_SKEW_S;

    return near && signed_s >= started_s ? REPLAY_NEW : REPLAY_STALE;
}

/* Also notices that the clock was set. */
static struct moment look_at_clocks(struct replay *replay)
{
    int64_t monotonic_ms = clock_monotonic_ms(replay->clock);
    int64_t wall_ms = clock_realtime_ms(replay->clock);
    int64_t moved_ms = wall_ms - monotonic_ms - replay->offset_ms;

    if (moved_ms > STEP_MS || moved_ms < -STEP_MS) {
        replay->offset_ms += moved_ms;
        replay->frame++;
    }
    return (struct moment){monotonic_ms, wall_ms / 1000};
}

static void span_add(struct span *span, const struct span *other)
{
    span->first_s = other->first_s < span->first_s ? other->first_s : span->first_s;
    span->last_s = other->last_s > span->last_s ? other->last_s : span->last_s;
}

static bool span_has(const struct span *span, int64_t time_s)
{
    return time_s >= span->first_s && time_s <= span->last_s;
}

/* May the clock get there, if nobody sets it? */
static bool is_to_come(const struct span *span, const struct moment *now)
{
    return span->first_s <= span->last_s && span->last_s >= now->wall_s - REPLAY_SKEW_S;
}

/* What was forgotten becomes doubtful when the clock has been set since. */
static void settle(const struct replay *replay, struct nonce_owner *owner, const struct moment *now)
{
    if (!is_to_come(&owner->doubtful, now)) {
        owner->doubtful = nothing;
    }
    if (owner->frame != replay->frame) {
        if (is_to_come(&owner->forgotten, now)) {
            span_add(&owner->doubtful, &owner->forgotten);
        }
        owner->forgotten = nothing;
        owner->frame = replay->frame;
    }
}

/* ---- hosts ---- */

/* Makes room for another host: the one that has not signed for longest is forgotten. False: it still has nonces. */
static bool make_room_for_owner(struct replay *replay)
{
    struct nonce_owner *owner = oldest_owner(replay);

    if (table_count(replay->owners) < replay->in_all) {
        return true;
    }
    if (!owner || owner->count > 0) {
        return false;
    }
    list_remove(&replay->by_use, &owner->link);
    (void)table_remove(replay->owners, owner->digest, DIGEST_SIZE);
    free(owner);
    return true;
}

static void forget_oldest(struct replay *replay, const struct moment *now)
{
    struct used_nonce *nonce = replay->oldest;
    struct nonce_owner *owner = nonce->owner;
    const struct span signed_for = {nonce->signed_s, nonce->signed_s};

    settle(replay, owner, now);
    if (nonce->frame == replay->frame) {
        span_add(&owner->forgotten, &signed_for);
    } else if (is_to_come(&signed_for, now)) {
        span_add(&owner->doubtful, &signed_for);
    }
    owner->count--;
    replay->oldest = nonce->next;
    if (!replay->oldest) {
        replay->newest = NULL;
    }
    (void)table_remove(replay->nonces, nonce->digest, DIGEST_SIZE);
    free(nonce);
}

static void digest_of(const char *hostname, const char *nonce, uint8_t ret_digest[DIGEST_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    const struct bytes parts[] = {{hostname, strlen(hostname) + 1}, {nonce, strlen(nonce)}};

    sha256(parts, ELEMENTS(parts), digest);
    memcpy(ret_digest, digest, DIGEST_SIZE);
}

/* The host's row, made where it is missing; NULL: no memory, or too many hosts. */
static struct nonce_owner *owner_of(struct replay *replay, const char *hostname)
{
    uint8_t digest[DIGEST_SIZE];

    digest_of(hostname, "", digest);
    struct nonce_owner *owner = table_get(replay->owners, digest, DIGEST_SIZE);
    if (owner) {
        list_remove(&replay->by_use, &owner->link);
        list_append(&replay->by_use, &owner->link);
        return owner;
    }
    owner = make_room_for_owner(replay) ? calloc(1, sizeof(*owner)) : NULL;
    if (!owner) {
        return NULL;
    }
    memcpy(owner->digest, digest, DIGEST_SIZE);
    owner->frame = replay->frame;
    owner->forgotten = nothing;
    owner->doubtful = nothing;
    if (table_put(replay->owners, owner) < 0) {
        free(owner);
        return NULL;
    }
    list_append(&replay->by_use, &owner->link);
    return owner;
}

/* ---- nonces ---- */

static enum replay_verdict remember(struct replay *replay, struct nonce_owner *owner, const struct used_nonce *used)
{
    struct used_nonce *nonce = malloc(sizeof(*nonce));

    if (!nonce) {
        return REPLAY_FULL;
    }
    *nonce = *used;
    nonce->owner = owner;
    if (table_put(replay->nonces, nonce) < 0) {
        free(nonce);
        return REPLAY_FULL;
    }
    owner->count++;
    if (replay->newest) {
        replay->newest->next = nonce;
    } else {
        replay->oldest = nonce;
    }
    replay->newest = nonce;
    return REPLAY_NEW;
}

static enum replay_verdict use(struct replay *replay, const char *hostname, const char *nonce, int64_t signed_s)
{
    const struct moment now = look_at_clocks(replay);
    struct used_nonce used = {.used_ms = now.monotonic_ms, .signed_s = signed_s, .frame = replay->frame};

    while (replay->oldest && now.monotonic_ms - replay->oldest->used_ms > REMEMBERED_MS) {
        forget_oldest(replay, &now);
    }
    digest_of(hostname, nonce, used.digest);
    if (table_get(replay->nonces, used.digest, DIGEST_SIZE)) {
        return REPLAY_SEEN;
    }
    if (table_count(replay->nonces) >= replay->in_all) {
        return REPLAY_FULL;
    }
    struct nonce_owner *owner = owner_of(replay, hostname);
    if (!owner) {
        return REPLAY_FULL;
    }
    settle(replay, owner, &now);
    if (span_has(&owner->doubtful, signed_s)) {
        return REPLAY_STALE;
    }
    return owner->count >= replay->per_host ? REPLAY_HOST_FULL : remember(replay, owner, &used);
}

enum replay_verdict replay_use(struct replay *replay, const char *hostname, const char *nonce, int64_t signed_s)
{
    (void)pthread_mutex_lock(&replay->lock);
    enum replay_verdict verdict = use(replay, hostname, nonce, signed_s);
    (void)pthread_mutex_unlock(&replay->lock);
    return verdict;
}
