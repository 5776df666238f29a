#include "base/log_limit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/table.h"

/* Twenty lines of a source show what it is after, and are more than any fail2ban waits for. What may come of all
 * sources together is ten lines a second; failed logins more, so that those who share the work among many addresses are
 * seen too. */
const struct log_limit_row log_limit_rows[LOG_LIMITED_KINDS] = {
    [LOG_LIMITED_AUTH_FAILURE] = {"auth_failure", LOG_LEVEL_NOTICE, 20, 3000},
    [LOG_LIMITED_REFUSED] = {"refused", LOG_LEVEL_INFO, 20, 600},
    [LOG_LIMITED_PLAIN_HTTP] = {"plain_http", LOG_LEVEL_INFO, 5, 600},
    [LOG_LIMITED_HTTP_LIBRARY] = {"http_library", LOG_LEVEL_DEBUG, 20, 600},
};

struct entry {
    struct address key;
    struct address latest; /* the source itself, for whoever wants to ban it */
    uint32_t lines;
    uint64_t suppressed;
};

struct kind {
    pthread_mutex_t lock; /* guards the rest but for the total */
    struct entry *entries;
    size_t entry_count;
    struct table *by_key; /* of the entries */
    uint32_t lines;       /* in this minute; 0: it has not begun */
    uint64_t others;      /* suppressed, of sources without an entry */
    int64_t begun_ms;
    atomic_ullong suppressed; /* in all */
};

struct log_limit {
    struct kind kinds[LOG_LIMITED_KINDS];
};

static struct bytes key_of(const void *value)
{
    const struct entry *entry = value;

    return (struct bytes){&entry->key, sizeof(entry->key)};
}

/* ---- one line more ---- */

/* The lock is held. NULL: there is none, and none can be made. */
static struct entry *find_or_add(struct kind *kind, const struct log_limit_row *row, const struct address *source)
{
    const struct address key = address_limit_key(source);
    struct entry *entry = table_get(kind->by_key, &key, sizeof(key));

    if (entry || kind->lines >= row->in_all) {
        return entry;
    }
    entry = &kind->entries[kind->entry_count]; /* each had a line, so there are no more than lines */
    *entry = (struct entry){.key = key};
    if (table_put(kind->by_key, entry) < 0) {
        return NULL;
    }
    kind->entry_count++;
    return entry;
}

/* The lock is held. */
static bool count(struct kind *kind, const struct log_limit_row *row, const struct address *source, int64_t now_ms)
{
    struct entry *entry = source ? find_or_add(kind, row, source) : NULL;
    bool source_fits = entry ? entry->lines < row->per_source : !source;
    bool fits = source_fits && kind->lines < row->in_all;

    if (entry) {
        entry->latest = *source;
        entry->lines += fits ? 1 : 0;
        entry->suppressed += fits ? 0 : 1;
    } else {
        kind->others += fits ? 0 : 1;
    }
    if (!fits) {
        atomic_fetch_add(&kind->suppressed, 1);
        return false;
    }
    if (kind->lines++ == 0) {
        kind->begun_ms = now_ms;
    }
    return true;
}

bool log_limit_take(struct log_limit *limit, enum log_limited which, const struct address *source, int64_t now_ms)
{
    const struct log_limit_row *row = &log_limit_rows[which];

    if (!log_is_on((enum log_level)row->level)) {
        return false;
    }
    if (!limit) {
        return true;
    }
    struct kind *kind = &limit->kinds[which];
    pthread_mutex_lock(&kind->lock);
    bool fits = count(kind, row, source, now_ms);
    pthread_mutex_unlock(&kind->lock);
    return fits;
}

/* ---- the sums ---- */

static void write_sum(const struct log_limit_row *row, const struct address *source, uint64_t suppressed)
{
    char address[ADDRESS_TEXT_SIZE] = "local";
    char number[24];
    char message[128];
    const char *whose = !source                          ? "of other sources"
                        : source->family == ADDRESS_IPV6 ? "of this /64"
                                                         : "of this source";

    if (source && source->family != ADDRESS_NONE) {
        address_print(source, address);
    }
    (void)snprintf(number, sizeof(number), "%" PRIu64, suppressed);
    (void)snprintf(message, sizeof(message), "and %s more %s within a minute", number, whose);
    log_event((enum log_level)row->level, row->event, "source", source ? address : NULL, "suppressed", number,
              "message", message, NULL);
}

/* The lock is held. */
static void end_minute(struct kind *kind, const struct log_limit_row *row)
{
    for (size_t i = 0; i < kind->entry_count; i++) {
        const struct entry *entry = &kind->entries[i];
        if (entry->suppressed > 0) {
            write_sum(row, &entry->latest, entry->suppressed);
        }
        (void)table_remove(kind->by_key, &entry->key, sizeof(entry->key));
    }
    if (kind->others > 0) {
        write_sum(row, NULL, kind->others);
    }
    kind->entry_count = 0;
    kind->others = 0;
    kind->lines = 0;
}

static void end_minutes(struct log_limit *limit, int64_t begun_before_ms)
{
    for (size_t i = 0; i < LOG_LIMITED_KINDS; i++) {
        struct kind *kind = &limit->kinds[i];
        pthread_mutex_lock(&kind->lock);
        if (kind->lines > 0 && kind->begun_ms <= begun_before_ms) {
            end_minute(kind, &log_limit_rows[i]);
        }
        pthread_mutex_unlock(&kind->lock);
    }
}

void log_limit_tick(struct log_limit *limit, int64_t now_ms)
{
    end_minutes(limit, now_ms - LOG_LIMIT_MINUTE_MS);
}

void log_limit_flush(struct log_limit *limit)
{
    if (limit) {
        end_minutes(limit, INT64_MAX);
    }
}

uint64_t log_limit_suppressed(const struct log_limit *limit, enum log_limited which)
{
    return atomic_load(&limit->kinds[which].suppressed);
}

/* ---- making and freeing ---- */

struct log_limit *log_limit_new(void)
{
    _cleanup_(log_limit_freep) struct log_limit *limit = calloc(1, sizeof(*limit));

    if (!limit) {
        return NULL;
    }
    for (size_t i = 0; i < LOG_LIMITED_KINDS; i++) {
        pthread_mutex_init(&limit->kinds[i].lock, NULL);
        atomic_init(&limit->kinds[i].suppressed, 0);
    }
    for (size_t i = 0; i < LOG_LIMITED_KINDS; i++) {
        struct kind *kind = &limit->kinds[i];
        kind->entries = calloc(log_limit_rows[i].in_all, sizeof(*kind->entries));
        kind->by_key = table_new(key_of);
        if (!kind->entries || !kind->by_key) {
            return NULL;
        }
    }
    return TAKE_PTR(limit);
}

void log_limit_free(struct log_limit *limit)
{
    if (!limit) {
        return;
    }
    for (size_t i = 0; i < LOG_LIMITED_KINDS; i++) {
        struct kind *kind = &limit->kinds[i];
        table_free(kind->by_key);
        free(kind->entries);
        pthread_mutex_destroy(&kind->lock);
    }
    free(limit);
}
