#include "update/replay.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/table.h"

#define DIGEST_SIZE 16

/* A used nonce: a digest of host and nonce, in the order of use (which is the order of expiry). */
struct used_nonce {
    uint8_t digest[DIGEST_SIZE];
    int64_t expires_s;
    struct nonce_owner *owner;
    struct used_nonce *next;
};

/* How many of a host's nonces are remembered. */
struct nonce_owner {
    uint8_t digest[DIGEST_SIZE];
    size_t count;
};

struct replay {
    pthread_mutex_t lock;
    int64_t started_s;
    size_t per_host;
    size_t in_all;
    struct table *nonces;
    struct table *owners;
    struct used_nonce *oldest;
    struct used_nonce *newest;
};

static struct bytes nonce_key(const void *value)
{
    return (struct bytes){((const struct used_nonce *)value)->digest, DIGEST_SIZE};
}

static struct bytes owner_key(const void *value)
{
    return (struct bytes){((const struct nonce_owner *)value)->digest, DIGEST_SIZE};
}

struct replay *replay_new(int64_t started_s, size_t per_host, size_t in_all)
{
    struct replay *replay = calloc(1, sizeof(*replay));

    if (!replay) {
        return NULL;
    }
    (void)pthread_mutex_init(&replay->lock, NULL);
    replay->started_s = started_s;
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

static void forget_oldest(struct replay *replay)
{
    struct used_nonce *nonce = replay->oldest;

    replay->oldest = nonce->next;
    if (!replay->oldest) {
        replay->newest = NULL;
    }
    (void)table_remove(replay->nonces, nonce->digest, DIGEST_SIZE);
    if (--nonce->owner->count == 0) {
        (void)table_remove(replay->owners, nonce->owner->digest, DIGEST_SIZE);
        free(nonce->owner);
    }
    free(nonce);
}

void replay_free(struct replay *replay)
{
    if (!replay) {
        return;
    }
    while (replay->oldest) {
        forget_oldest(replay);
    }
    table_free(replay->nonces);
    table_free(replay->owners);
    (void)pthread_mutex_destroy(&replay->lock);
    free(replay);
}

enum replay_verdict replay_check_time(const struct replay *replay, int64_t signed_s, int64_t now_s)
{
    bool near = signed_s >= now_s - REPLAY_SKEW_S && signed_s <= now_s + REPLAY_SKEW_S;

    return near && signed_s >= replay->started_s ? REPLAY_NEW : REPLAY_STALE;
}

static void digest_of(const char *hostname, const char *nonce, uint8_t ret_digest[DIGEST_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    const struct bytes parts[] = {{hostname, strlen(hostname) + 1}, {nonce, strlen(nonce)}};

    sha256(parts, ELEMENTS(parts), digest);
    memcpy(ret_digest, digest, DIGEST_SIZE);
}

/* The host's row, made where it is missing; NULL: no memory. */
static struct nonce_owner *owner_of(struct replay *replay, const char *hostname)
{
    uint8_t digest[DIGEST_SIZE];

    digest_of(hostname, "", digest);
    struct nonce_owner *owner = table_get(replay->owners, digest, DIGEST_SIZE);
    if (owner) {
        return owner;
    }
    owner = calloc(1, sizeof(*owner));
    if (!owner) {
        return NULL;
    }
    memcpy(owner->digest, digest, DIGEST_SIZE);
    if (table_put(replay->owners, owner) < 0) {
        free(owner);
        return NULL;
    }
    return owner;
}

static void drop_if_unused(struct replay *replay, struct nonce_owner *owner)
{
    if (owner && owner->count == 0) {
        (void)table_remove(replay->owners, owner->digest, DIGEST_SIZE);
        free(owner);
    }
}

static enum replay_verdict remember(struct replay *replay, struct nonce_owner *owner, const uint8_t digest[DIGEST_SIZE],
                                    int64_t now_s)
{
    struct used_nonce *nonce = calloc(1, sizeof(*nonce));

    if (!nonce) {
        return REPLAY_FULL;
    }
    memcpy(nonce->digest, digest, DIGEST_SIZE);
    nonce->expires_s = now_s + REPLAY_WINDOW_S;
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

static enum replay_verdict use(struct replay *replay, const char *hostname, const char *nonce, int64_t now_s)
{
    uint8_t digest[DIGEST_SIZE];
    enum replay_verdict verdict;

    while (replay->oldest && replay->oldest->expires_s < now_s) {
        forget_oldest(replay);
    }
    digest_of(hostname, nonce, digest);
    if (table_get(replay->nonces, digest, DIGEST_SIZE)) {
        return REPLAY_SEEN;
    }
    if (table_count(replay->nonces) >= replay->in_all) {
        return REPLAY_FULL;
    }
    struct nonce_owner *owner = owner_of(replay, hostname);
    if (!owner) {
        return REPLAY_FULL;
    }
    verdict = owner->count >= replay->per_host ? REPLAY_HOST_FULL : remember(replay, owner, digest, now_s);
    drop_if_unused(replay, owner);
    return verdict;
}

enum replay_verdict replay_use(struct replay *replay, const char *hostname, const char *nonce, int64_t now_s)
{
    (void)pthread_mutex_lock(&replay->lock);
    enum replay_verdict verdict = use(replay, hostname, nonce, now_s);
    (void)pthread_mutex_unlock(&replay->lock);
    return verdict;
}
