#include "config/hosts.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/table.h"
#include "config/hosts_table.h"
#include "config/value.h"

#define FILE_MAX_BYTES (512UL * 1024 * 1024)
#define HOSTS_MAX UINT32_MAX

/* The hosts that one secret speaks for. Hosts of a group share its copy of the secret. */
struct secret_group {
    uint8_t sha256[SHA256_SIZE];
    struct secret *secret; /* owned; NULL while only the digest is known */
    const struct host **members;
    uint32_t capacity;
    uint32_t count;
};

struct hosts {
    atomic_uint references;
    struct host *rows; /* file order; never moves */
    size_t count;
    size_t record_count;
    size_t longest_secret;
    struct table *by_name;     /* -> the first struct host of that name */
    struct table *by_secret;   /* -> struct secret_group */
    struct arena arena;        /* texts and groups */
    const struct host **links; /* the arrays behind followers and members, one after the other */
};

static struct bytes host_name(const void *value)
{
    const struct host *host = value;
    return (struct bytes){host->hostname, strlen(host->hostname)};
}

static struct bytes group_digest(const void *value)
{
    const struct secret_group *group = value;
    return (struct bytes){group->sha256, SHA256_SIZE};
}

/* ---- building ---- */

/* What is known of a host only while the table is built. */
struct building {
    struct hosts *hosts;
    const struct host_file *file;
    const struct yaml_node *list;
};

static struct host *row_by_name(const struct hosts *hosts, const char *hostname)
{
    return table_get(hosts->by_name, hostname, strlen(hostname));
}

static int add_to_group(struct hosts *hosts, struct host_secret *host_secret, struct secret **secret)
{
    if (!host_secret->is_set) {
        return 0;
    }
    struct secret_group *group = table_get(hosts->by_secret, host_secret->sha256, SHA256_SIZE);
    if (group == NULL) {
        group = arena_alloc(&hosts->arena, sizeof(*group));
        if (group == NULL) {
            return -ENOMEM;
        }
        memcpy(group->sha256, host_secret->sha256, SHA256_SIZE);
        int r = table_put(hosts->by_secret, group);
        if (r < 0) {
            return r;
        }
    }
    if (group->secret == NULL) {
        group->secret = TAKE_PTR(*secret);
        host_secret->secret = group->secret;
    } else if (*secret != NULL) {
        host_secret->secret = group->secret; /* the draft's own copy goes with it */
    }
    if (host_secret->secret != NULL && secret_length(host_secret->secret) > hosts->longest_secret) {
        hosts->longest_secret = secret_length(host_secret->secret);
    }
    group->capacity++;
    return 0;
}

/* Is one of its records another row's already? Says so. */
static bool is_record_twice(struct problems *problems, const struct host *first, const struct host_draft *draft)
{
    for (const struct host *other = first; other != NULL; other = other->next_same_name) {
        unsigned both = other->record_types & draft->host.record_types;
        if (both != 0) {
            enum record_type type = RECORD_A;
            while ((both & (1U << type)) == 0) {
                type++;
            }
            const struct yaml_node *node = draft->given[HOST_HOSTNAME];
            problems_add(problems, node->line, node->column,
                         "hostname: %s with record type %s is there already, see line %u, remove one",
                         draft->hostname.text, record_type_text(type), other->line);
            return true;
        }
    }
    return false;
}

/* Gives the row its name, and its place among those of that name. */
static int place_by_name(struct hosts *hosts, const struct host_draft *draft, struct host *host,
                         struct problems *problems)
{
    const struct name *name = &draft->hostname;
    struct host *first = row_by_name(hosts, name->text);

    if (first == NULL) {
        host->hostname = arena_copy_text(&hosts->arena, name->text, strlen(name->text));
        return host->hostname == NULL ? -ENOMEM : table_put(hosts->by_name, host);
    }
    host->hostname = first->hostname;
    if (!is_record_twice(problems, first, draft)) {
        struct host *last = first;
        while (last->next_same_name != NULL) {
            last = (struct host *)last->next_same_name;
        }
        last->next_same_name = host;
    }
    return 0;
}

static uint32_t record_count(const struct host *host)
{
    uint32_t count = 0;

    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        count += host_has_type(host, (enum record_type)type) ? 1 : 0;
    }
    return count;
}

static int add_host(struct building *building, const struct yaml_node *node, struct host_draft *draft)
{
    struct hosts *hosts = building->hosts;

    int r = host_read(building->file, node, draft);
    if (r < 0) {
        return r;
    }
    struct host *host = &hosts->rows[hosts->count++];
    *host = draft->host;
    const struct yaml_node *mac = draft->given[HOST_MAC_ADDRESS];
    if (mac != NULL && mac->kind == YAML_SCALAR) {
        host->mac_address = arena_copy_text(&hosts->arena, mac->text, mac->length);
        if (host->mac_address == NULL) {
            return -ENOMEM;
        }
    }
    hosts->record_count += record_count(host);
    r = draft->hostname.text[0] == '\0' ? 0 : place_by_name(hosts, draft, host, building->file->problems);
    if (r == 0) {
        r = add_to_group(hosts, &host->secret, &draft->secret);
    }
    return r < 0 ? r : add_to_group(hosts, &host->previous, &draft->previous);
}

static int add_hosts(struct building *building)
{
    for (size_t i = 0; i < building->list->count; i++) {
        struct host_draft draft = {0};
        int r = add_host(building, building->list->items[i], &draft);
        host_draft_done(&draft);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* The row of the router that followers are kept at: the one with the AAAA record, where there are two. */
static struct host *find_router(const struct hosts *hosts, const char *hostname)
{
    struct host *first = row_by_name(hosts, hostname);

    for (struct host *host = first; host != NULL; host = (struct host *)host->next_same_name) {
        if (host_has_type(host, RECORD_AAAA)) {
            return host;
        }
    }
    return first;
}

static void find_routers(struct building *building)
{
    struct problems *problems = building->file->problems;
    struct hosts *hosts = building->hosts;

    for (size_t i = 0; i < building->list->count; i++) {
        struct host *host = &hosts->rows[i];
        const struct yaml_node *item = building->list->items[i];
        const struct yaml_node *node = item->kind == YAML_MAPPING ? yaml_get(item, "follows") : NULL;
        struct name name;
        if (node == NULL || node->kind != YAML_SCALAR || name_parse(node->text, node->length, &name, NULL) < 0) {
            continue; /* not a follower, or told already */
        }
        struct host *router = find_router(hosts, name.text);
        const struct yaml_node *onward =
            router == NULL ? NULL : yaml_get(building->list->items[router - hosts->rows], "follows");
        if (router == NULL) {
            problems_add(problems, node->line, node->column, "follows: there is no host %s, add it or correct the name",
                         name.text);
        } else if (router == host) {
            problems_add(problems, node->line, node->column, "follows: %s cannot follow itself, name its router",
                         name.text);
        } else if (onward != NULL) {
            problems_add(problems, node->line, node->column,
                         "follows: %s follows another host itself (line %u), name the router", name.text, router->line);
        } else if (host_has_type(host, RECORD_A) && hosts_find_record(hosts, router->hostname, RECORD_A) == NULL) {
            problems_add(problems, node->line, node->column,
                         "follows: %s has no A record that the one here could follow, add A to its record_type or "
                         "remove it here",
                         name.text);
        } else {
            host->follows = router;
            router->follower_count++;
        }
    }
}

static struct secret_group *group_of(const struct hosts *hosts, const struct host_secret *host_secret)
{
    return host_secret->is_set ? table_get(hosts->by_secret, host_secret->sha256, SHA256_SIZE) : NULL;
}

/* Lays out the arrays of followers and of group members, now that their lengths are known. */
static int link_rows(struct hosts *hosts)
{
    size_t used = 0, position = 0, total = 0;

    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->rows[i];
        total +=
            (host->follows != NULL ? 1U : 0U) + (host->secret.is_set ? 1U : 0U) + (host->previous.is_set ? 1U : 0U);
    }
    hosts->links = calloc(total + 1, sizeof(struct host *));
    if (hosts->links == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->rows[i];
        host->followers = host->follower_count > 0 ? hosts->links + used : NULL;
        used += host->follower_count;
        host->follower_count = 0;
    }
    for (struct secret_group *group; (group = table_next(hosts->by_secret, &position)) != NULL;) {
        group->members = hosts->links + used;
        used += group->capacity;
    }
    for (size_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->rows[i];
        struct secret_group *current = group_of(hosts, &host->secret);
        struct secret_group *previous = group_of(hosts, &host->previous);
        if (host->follows != NULL) {
            struct host *router = (struct host *)host->follows;
            ((const struct host **)router->followers)[router->follower_count++] = host;
        }
        if (current != NULL) {
            current->members[current->count++] = host;
        }
        if (previous != NULL && previous != current) {
            previous->members[previous->count++] = host;
        }
    }
    return 0;
}

/* All that follow a router are set in one update with it. */
static void check_followers(const struct building *building)
{
    for (size_t i = 0; i < building->list->count; i++) {
        const struct host *host = &building->hosts->rows[i];
        const struct yaml_node *node = building->list->items[i];
        uint32_t set = 0;
        if (host->follower_count <= HOST_FOLLOWERS_MAX / 2) {
            continue;
        }
        for (uint32_t j = 0; j < host->follower_count; j++) {
            set += host->followers[j]->lock_record ? 0 : record_count(host->followers[j]);
        }
        if (set > HOST_FOLLOWERS_MAX) {
            problems_add(building->file->problems, node->line, node->column,
                         "hostname: %s has followers with %" PRIu32 " records, and at most %d fit into one update; "
                         "let some follow another router, or set lock_record for them",
                         host->hostname, set, HOST_FOLLOWERS_MAX);
        }
    }
}

static int build(struct building *building)
{
    struct hosts *hosts = building->hosts;

    hosts->rows = calloc(building->list->count + 1, sizeof(*hosts->rows));
    hosts->by_name = table_new(host_name);
    hosts->by_secret = table_new(group_digest);
    if (hosts->rows == NULL || hosts->by_name == NULL || hosts->by_secret == NULL) {
        return -ENOMEM;
    }
    int r = add_hosts(building);
    if (r < 0) {
        return r;
    }
    find_routers(building);
    r = link_rows(hosts);
    if (r == 0) {
        check_followers(building);
    }
    return r;
}

/* ---- loading ---- */

static int find_list(const struct yaml_node *root, struct problems *problems, const struct yaml_node **ret_list)
{
    const struct yaml_node *list = root->kind == YAML_MAPPING ? yaml_get(root, "hosts") : NULL;

    for (size_t i = 0; root->kind == YAML_MAPPING && i < root->count; i++) {
        const struct nearest none = {.found = NULL};
        if (root->items[i] != list) {
            value_add_unknown_key(problems, "", root, i, &none, "the only one at the top is hosts");
        }
    }
    if (list == NULL) {
        /* Not the same as no hosts: a file that was cut off must not lock everybody out. */
        problems_add(problems, root->line, root->column,
                     "hosts: is missing, write hosts: and a list, or hosts: [] for none");
        return -EINVAL;
    }
    if (value_is_empty(list)) {
        problems_add(problems, list->line, list->column,
                     "hosts: has nothing after it, write a list below it, or hosts: [] for none");
        return -EINVAL;
    }
    int r = value_check_list(problems, "hosts", list, "- hostname: home.example.com.");
    if (r < 0) {
        return r;
    }
    if (list->count > HOSTS_MAX) {
        problems_add(problems, list->line, list->column, "hosts: has more than %u hosts, remove some", HOSTS_MAX);
        return -EINVAL;
    }
    *ret_list = list;
    return 0;
}

static int load(const struct yaml_node *root, const struct host_file *file, struct hosts **ret_hosts)
{
    size_t problems_before = problems_count(file->problems);
    const struct yaml_node *list;

    int r = find_list(root, file->problems, &list);
    if (r < 0) {
        return r;
    }
    _cleanup_(hosts_unrefp) struct hosts *hosts = calloc(1, sizeof(*hosts));
    if (hosts == NULL) {
        return -ENOMEM;
    }
    atomic_init(&hosts->references, 1);
    struct building building = {.hosts = hosts, .file = file, .list = list};
    r = build(&building);
    if (r < 0) {
        return r;
    }
    if (problems_count(file->problems) > problems_before) {
        return -EINVAL;
    }
    *ret_hosts = TAKE_PTR(hosts);
    return 0;
}

int hosts_load_text(const char *text, size_t length, const char *path, const struct settings *settings,
                    struct problems *problems, struct hosts **ret_hosts)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    _cleanup_(zone_index_freep) struct zone_index *zones = zone_index_new(settings);
    const struct host_file file = {path, settings, zones, problems};

    if (!zones) {
        return -ENOMEM;
    }
    int r = yaml_load_text(text, length, problems, &document);
    return r < 0 ? r : load(yaml_root(document), &file, ret_hosts);
}

/* Does the file itself hold a secret, and not only digests and names of files? */
static bool has_secrets(const struct yaml_node *root)
{
    const struct yaml_node *list = yaml_get(root, "hosts");

    for (size_t i = 0; i < list->count; i++) {
        if (yaml_get(list->items[i], "shared_secret") != NULL || yaml_get(list->items[i], "previous_secret") != NULL) {
            return true;
        }
    }
    return false;
}

static int load_file(const struct host_file *file, struct hosts **ret_hosts)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;

    int r = yaml_load_file(file->path, FILE_MAX_BYTES, file->problems, &document);
    if (r == 0) {
        r = load(yaml_root(document), file, ret_hosts);
    }
    if (r == 0 && has_secrets(yaml_root(document))) {
        value_warn_readable(file->path, file->problems);
    }
    return r;
}

int hosts_load(const char *path, const struct settings *settings, struct problems *problems, struct hosts **ret_hosts)
{
    _cleanup_(zone_index_freep) struct zone_index *zones = zone_index_new(settings);
    const struct host_file file = {path, settings, zones, problems};

    if (!zones) {
        return -ENOMEM;
    }
    int r = load_file(&file, ret_hosts);
    /* The tree of the file is three times the table, in pieces that malloc would keep: 100,000 hosts held 128 MB
     * resident before this and 45 MB after. */
    (void)malloc_trim(0);
    return r;
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
           a->valid_until_s == b->valid_until_s && memcmp(a->sha256, b->sha256, SHA256_SIZE) == 0;
}

static bool is_same_host(const struct host *a, const struct host *b)
{
    return is_same_secret(&a->secret, &b->secret) && is_same_secret(&a->previous, &b->previous) &&
           is_same_text(a->mac_address, b->mac_address) &&
           is_same_text(a->follows == NULL ? NULL : a->follows->hostname,
                        b->follows == NULL ? NULL : b->follows->hostname) &&
           memcmp(a->interface_id, b->interface_id, sizeof(a->interface_id)) == 0 && a->subnet_id == b->subnet_id &&
           a->ttl_s == b->ttl_s && a->zone == b->zone && a->record_types == b->record_types && a->auth == b->auth &&
           a->allow_internal == b->allow_internal && a->lock_record == b->lock_record &&
           a->read_privilege == b->read_privilege;
}

/* The row of `hosts` that has a record in common with `host`, NULL: none. */
static const struct host *counterpart(const struct hosts *hosts, const struct host *host)
{
    const struct host *other = hosts_find(hosts, host->hostname);

    while (other != NULL && (other->record_types & host->record_types) == 0) {
        other = other->next_same_name;
    }
    return other;
}

void hosts_compare(const struct hosts *before, const struct hosts *after, struct hosts_difference *ret_difference)
{
    struct hosts_difference difference = {0};

    for (size_t i = 0; i < after->count; i++) {
        const struct host *old = counterpart(before, &after->rows[i]);
        if (old == NULL) {
            difference.added++;
        } else if (!is_same_host(old, &after->rows[i])) {
            difference.changed++;
        }
    }
    for (size_t i = 0; i < before->count; i++) {
        difference.removed += counterpart(after, &before->rows[i]) == NULL ? 1 : 0;
    }
    *ret_difference = difference;
}

/* ---- reading ---- */

struct hosts *hosts_ref(struct hosts *hosts)
{
    atomic_fetch_add_explicit(&hosts->references, 1, memory_order_relaxed);
    return hosts;
}

void hosts_unref(struct hosts *hosts)
{
    size_t position = 0;

    if (hosts == NULL || atomic_fetch_sub_explicit(&hosts->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (struct secret_group *group;
         hosts->by_secret != NULL && (group = table_next(hosts->by_secret, &position)) != NULL;) {
        secret_free(group->secret);
    }
    table_free(hosts->by_name);
    table_free(hosts->by_secret);
    arena_done(&hosts->arena);
    free(hosts->links);
    free(hosts->rows);
    free(hosts);
}

size_t hosts_count(const struct hosts *hosts)
{
    return hosts->count;
}

const struct host *hosts_at(const struct hosts *hosts, size_t index)
{
    return &hosts->rows[index];
}

size_t hosts_longest_secret(const struct hosts *hosts)
{
    return hosts->longest_secret;
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
        host = host->next_same_name;
    }
    return host;
}

const struct host *const *hosts_by_secret(const struct hosts *hosts, const uint8_t sha256[SHA256_SIZE],
                                          size_t *ret_count)
{
    const struct secret_group *group = table_get(hosts->by_secret, sha256, SHA256_SIZE);

    *ret_count = group == NULL ? 0 : group->count;
    return group == NULL ? NULL : group->members;
}
