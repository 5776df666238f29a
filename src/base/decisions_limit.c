#include "base/decisions_limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

/* A host or a source that had a line in this minute. */
struct entry {
    uint64_t key; /* a keyed hash of it; two that share one share their lines, which nobody can aim at */
    uint32_t written;
    uint64_t counted;
    char *host; /* set once there is something to tell */
    struct address source;
};

struct decisions_limit {
    struct decisions_limits limits;
    pthread_mutex_t lock; /* over all below */
    struct table *by_key;
    struct entry *entries;
    size_t entry_max;
    size_t entry_count;
    uint32_t written;
    uint32_t unchanged;
    uint64_t others; /* counted, of those that are not remembered */
    bool has_begun;
    int64_t begun_ms;
};

static struct bytes key_of(const void *value)
{
    const struct entry *entry = value;

    return (struct bytes){&entry->key, sizeof(entry->key)};
}

struct decisions_limit *decisions_limit_new(const struct decisions_limits *limits)
{
    struct decisions_limit *limit = calloc(1, sizeof(*limit));

    if (!limit) {
        return NULL;
    }
    limit->limits = *limits;
    limit->entry_max = 2 * (size_t)limits->in_all; /* a host and a source for each line */
    limit->entries = calloc(limit->entry_max, sizeof(*limit->entries));
    limit->by_key = table_new(key_of);
    pthread_mutex_init(&limit->lock, NULL);
    if (!limit->entries || !limit->by_key) {
        decisions_limit_free(limit);
        return NULL;
    }
    return limit;
}

void decisions_limit_free(struct decisions_limit *limit)
{
    if (!limit) {
        return;
    }
    for (size_t i = 0; limit->entries && i < limit->entry_count; i++) {
        free(limit->entries[i].host);
    }
    free(limit->entries);
    table_free(limit->by_key);
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

/* NULL: it is not remembered, and there is no room for it. */
static struct entry *find_or_add(struct decisions_limit *limit, uint64_t key)
{
    struct entry *entry = table_get(limit->by_key, &key, sizeof(key));

    if (entry || limit->entry_count == limit->entry_max || limit->written >= limit->limits.in_all) {
        return entry;
    }
    entry = &limit->entries[limit->entry_count];
    *entry = (struct entry){.key = key};
    if (table_put(limit->by_key, entry) < 0) {
        return NULL;
    }
    limit->entry_count++;
    return entry;
}

static struct entry *entry_of_host(struct decisions_limit *limit, const struct kept_decision *decision)
{
    const char *host = decision->host ? decision->host : "";
    const uint64_t key = table_hash(limit->by_key, host, strlen(host));

    /* Whoever tries secrets of a host does not use up what is left for those who have the right one. */
    return find_or_add(limit, decision->is_refused ? ~key : key);
}

static struct entry *entry_of_source(struct decisions_limit *limit, const struct kept_decision *decision)
{
    const struct address key = address_limit_key(&decision->source);

    return find_or_add(limit, table_hash(limit->by_key, &key, sizeof(key)));
}

static bool is_rationed(const struct kept_decision *decision)
{
    return decision->is_unchanged && !decision->is_in_overlap;
}

static void count_as_left_out(struct decisions_limit *limit, const struct kept_decision *decision, struct entry *host,
                              struct entry *source)
{
    struct entry *entry = decision->is_ours || !source ? host : source;

    if (!entry) {
        limit->others++;
        return;
    }
    if (entry == host && !entry->host && decision->host) {
        entry->host = strdup(decision->host); /* without memory it is told without its name */
    }
    entry->source = decision->source;
    entry->counted++;
}

/* The lock is held. */
static bool take(struct decisions_limit *limit, const struct kept_decision *decision)
{
    const struct decisions_limits *limits = &limit->limits;
    struct entry *host = entry_of_host(limit, decision);
    struct entry *source = decision->is_refused ? entry_of_source(limit, decision) : NULL;
    bool fits = host && (host->written < limits->per_host || !decision->is_ours) && limit->written < limits->in_all;

    if (decision->is_refused) {
        fits = fits && source && source->written < limits->per_source;
    }
    if (is_rationed(decision)) {
        fits = fits && limit->unchanged < limits->unchanged_in_all;
    }
    if (!fits) {
        count_as_left_out(limit, decision, host, source);
        return false;
    }
    host->written++;
    if (source) {
        source->written++;
    }
    limit->written++;
    limit->unchanged += is_rationed(decision) ? 1 : 0;
    return true;
}

bool decisions_limit_take(struct decisions_limit *limit, const struct kept_decision *decision, int64_t now_ms)
{
    pthread_mutex_lock(&limit->lock);
    if (!limit->has_begun) {
        limit->has_begun = true;
        limit->begun_ms = now_ms;
    }
    const bool fits = take(limit, decision);
    pthread_mutex_unlock(&limit->lock);
    return fits;
}

static void tell_entry(const struct entry *entry,
                       void (*tell)(const struct decisions_left_out *left_out, void *userdata), void *userdata)
{
    const struct decisions_left_out left_out = {.host = entry->host, .source = &entry->source, .count = entry->counted};

    if (entry->counted > 0) {
        tell(&left_out, userdata);
    }
}

void decisions_limit_tick(struct decisions_limit *limit, int64_t now_ms,
                          void (*tell)(const struct decisions_left_out *left_out, void *userdata), void *userdata)
{
    pthread_mutex_lock(&limit->lock);
    if (!limit->has_begun || now_ms - limit->begun_ms < DECISIONS_MINUTE_MS) {
        pthread_mutex_unlock(&limit->lock);
        return;
    }
    for (size_t i = 0; i < limit->entry_count; i++) {
        struct entry *entry = &limit->entries[i];
        tell_entry(entry, tell, userdata);
        (void)table_remove(limit->by_key, &entry->key, sizeof(entry->key));
        free(TAKE_PTR(entry->host));
    }
    if (limit->others > 0) {
        tell(&(struct decisions_left_out){.count = limit->others}, userdata);
    }
    limit->entry_count = 0;
    limit->written = 0;
    limit->unchanged = 0;
    limit->others = 0;
    limit->has_begun = false;
    pthread_mutex_unlock(&limit->lock);
}
