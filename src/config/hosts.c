#include "config/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "config/hosts_internal.h"

const struct host_secret host_secret_unset;
const struct host_more host_more_none;

/* ---- the indexes ---- */

static struct bytes name_of_row(const void *rows, uint32_t number)
{
    const struct host *host = rows_at(rows, number);
    return (struct bytes){host->hostname, strlen(host->hostname)};
}

static struct bytes digest_of_group(const void *groups, uint32_t number)
{
    const struct secret_group *group = rows_at(groups, number);
    return (struct bytes){group->secret.sha256, SHA256_SIZE};
}

struct host *row_by_name(const struct hosts *hosts, const char *hostname)
{
    const uint32_t number = hash_index_get(hosts->by_name, hostname, strlen(hostname));
    return number == HASH_INDEX_NONE ? NULL : rows_at(&hosts->rows, number);
}

struct secret_group *group_by_digest(const struct hosts *hosts, const uint8_t sha256[SHA256_SIZE])
{
    const uint32_t number = hash_index_get(hosts->by_secret, sha256, SHA256_SIZE);
    return number == HASH_INDEX_NONE ? NULL : rows_at(&hosts->groups, number);
}

/* ---- comparing ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Digests tell secrets apart; the secret itself is there or not by the form that it was given in. */
static bool is_same_secret(const struct host_secret *a, const struct host_secret *b)
{
    return a->is_set == b->is_set && (a->secret == NULL) == (b->secret == NULL) &&
           memcmp(a->sha256, b->sha256, SHA256_SIZE) == 0;
}

static bool is_same_more(const struct host_more *a, const struct host_more *b)
{
    return is_same_secret(&a->previous, &b->previous) && a->previous_until_s == b->previous_until_s &&
           is_same_text(a->mac_address, b->mac_address) &&
           is_same_text(a->follows == NULL ? NULL : a->follows->hostname,
                        b->follows == NULL ? NULL : b->follows->hostname) &&
           memcmp(a->interface_id, b->interface_id, sizeof(a->interface_id)) == 0 && a->subnet_id == b->subnet_id;
}

static bool is_same_host(const struct host *a, const struct host *b)
{
    return is_same_secret(a->secret, b->secret) && is_same_more(a->more, b->more) && a->ttl_s == b->ttl_s &&
           a->zone == b->zone && a->record_types == b->record_types && a->auth == b->auth &&
           a->allow_internal == b->allow_internal && a->lock_record == b->lock_record &&
           a->read_privilege == b->read_privilege;
}

/* The row of `hosts` that has a record in common with `host`, NULL: none. */
static const struct host *counterpart(const struct hosts *hosts, const struct host *host)
{
    const struct host *other = hosts_find(hosts, host->hostname);

    while (other != NULL && (other->record_types & host->record_types) == 0) {
        other = other->more->next_same_name;
    }
    return other;
}

void hosts_compare(const struct hosts *before, const struct hosts *after, struct hosts_difference *ret_difference)
{
    struct hosts_difference difference = {0};

    for (size_t i = 0; i < after->rows.count; i++) {
        const struct host *host = rows_at(&after->rows, i), *old = counterpart(before, host);
        if (old == NULL) {
            difference.added++;
        } else if (!is_same_host(old, host)) {
            difference.changed++;
        }
    }
    for (size_t i = 0; i < before->rows.count; i++) {
        difference.removed += counterpart(after, rows_at(&before->rows, i)) == NULL ? 1 : 0;
    }
    *ret_difference = difference;
}

/* ---- reading ---- */

struct hosts *hosts_new(const struct hosts *before)
{
    struct hosts *hosts = calloc(1, sizeof(*hosts));

    if (hosts == NULL) {
        return NULL;
    }
    atomic_init(&hosts->references, 1);
    hosts->rows.row_size = sizeof(struct host);
    hosts->groups.row_size = sizeof(struct secret_group);
    hosts->by_name = hash_index_new(name_of_row, &hosts->rows);
    hosts->by_secret = hash_index_new(digest_of_group, &hosts->groups);
    hosts->names = before != NULL ? names_ref(before->names) : names_new();
    if (hosts->by_name == NULL || hosts->by_secret == NULL || hosts->names == NULL) {
        hosts_unref(hosts);
        return NULL;
    }
    return hosts;
}

struct hosts *hosts_ref(struct hosts *hosts)
{
    atomic_fetch_add_explicit(&hosts->references, 1, memory_order_relaxed);
    return hosts;
}

void hosts_unref(struct hosts *hosts)
{
    if (hosts == NULL || atomic_fetch_sub_explicit(&hosts->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < hosts->rows.count; i++) {
        name_release(hosts_at(hosts, i)->hostname);
    }
    names_unref(hosts->names);
    hash_index_free(hosts->by_name);
    hash_index_free(hosts->by_secret);
    arena_done(&hosts->arena);
    rows_done(&hosts->groups);
    rows_done(&hosts->rows);
    free(hosts->links);
    free(hosts);
}

bool hosts_are_shared(const struct hosts *hosts)
{
    return atomic_load_explicit(&hosts->references, memory_order_acquire) > 1;
}

size_t hosts_count(const struct hosts *hosts)
{
    return hosts->rows.count;
}

const struct host *hosts_at(const struct hosts *hosts, size_t index)
{
    return rows_at(&hosts->rows, index);
}

size_t hosts_longest_secret(const struct hosts *hosts)
{
    return hosts->longest_secret;
}

size_t hosts_most_rows(const struct hosts *hosts)
{
    return hosts->most_rows > 0 ? hosts->most_rows : 1;
}

size_t hosts_record_count(const struct hosts *hosts)
{
    return hosts->record_count;
}

const struct host *hosts_find(const struct hosts *hosts, const char *hostname)
{
    return row_by_name(hosts, hostname);
}

const struct host *hosts_find_record(const struct hosts *hosts, const char *hostname, enum record_type type)
{
    const struct host *host = hosts_find(hosts, hostname);

    while (host != NULL && !host_has_type(host, type)) {
        host = host->more->next_same_name;
    }
    return host;
}

const struct host *const *hosts_by_secret(const struct hosts *hosts, const uint8_t sha256[SHA256_SIZE],
                                          size_t *ret_count)
{
    const struct secret_group *group = group_by_digest(hosts, sha256);

    *ret_count = group == NULL ? 0 : group->count;
    if (group == NULL) {
        return NULL;
    }
    return group->count == 1 ? &group->hosts.only : group->hosts.members;
}
