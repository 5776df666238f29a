/* Builds the table of hosts from hosts.yaml: each host is read from its mapping and forgotten, what concerns several of
 * them follows when all are known. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/hosts_internal.h"
#include "config/hosts_table.h"
#include "config/value.h"

#define FILE_MAX_BYTES (512UL * 1024 * 1024)
_Static_assert(FILE_MAX_BYTES < HOSTS_MAX, "a host takes more than a byte");

/* A host that follows, whose router is looked for when all are known. */
struct follower {
    struct host *host;
    const char *router; /* normalised */
    unsigned line, column;
};

/* What is known of a host only while the table is built. */
struct note {
    uint32_t column;   /* where its mapping begins */
    uint32_t group;    /* number and 1 of its secret's group; 0: none */
    uint32_t previous; /* the same of the previous secret */
};

struct building {
    struct hosts *hosts;
    const struct hosts *before; /* whose names are shared, NULL: none */
    size_t next_before;         /* its row behind the last one whose name was shared */
    struct host_file file;
    struct rows followers; /* of struct follower */
    struct rows notes;     /* of struct note, one of each host */
    struct arena routers;  /* their names */
    bool has_secrets;      /* the file itself holds one, and not only digests and names of files */
};

/* ---- one host ---- */

/* What few hosts have, to be written to. NULL: no memory. */
static struct host_more *more_of(struct hosts *hosts, struct host *host)
{
    if (host->more == &host_more_none) {
        struct host_more *more = arena_alloc(&hosts->arena, sizeof(*more));
        if (more == NULL) {
            return NULL;
        }
        host->more = more;
    }
    return (struct host_more *)(uintptr_t)host->more;
}

static int keep_more(struct hosts *hosts, struct host *host, const struct host_draft *draft)
{
    const struct yaml_node *mac = draft->given[HOST_MAC_ADDRESS];

    if (mac == NULL && draft->given[HOST_INTERFACE_ID] == NULL && draft->given[HOST_SUBNET_ID] == NULL &&
        draft->given[HOST_PREVIOUS_SECRET] == NULL) {
        return 0;
    }
    struct host_more *more = more_of(hosts, host);
    if (more == NULL) {
        return -ENOMEM;
    }
    *more = draft->more;
    if (mac != NULL && mac->kind == YAML_SCALAR) {
        more->mac_address = arena_copy_text(&hosts->arena, mac->text, mac->length);
        return more->mac_address == NULL ? -ENOMEM : 0;
    }
    return 0;
}

/* NULL: no memory. */
static struct secret_group *group_for(struct hosts *hosts, const struct host_secret *secret, uint32_t *ret_number)
{
    const size_t count = hosts->groups.count;

    if (hash_index_add(hosts->by_secret, secret->sha256, SHA256_SIZE, (uint32_t)count, ret_number) < 0) {
        return NULL;
    }
    if (*ret_number < count) {
        return rows_at(&hosts->groups, *ret_number);
    }
    struct secret_group *group = rows_add(&hosts->groups);
    if (group != NULL) {
        group->secret = *secret;
        group->secret.secret = NULL;
    }
    return group;
}

/* Counts the row in, notes the group, and keeps its copy of the secret, where it is known. NULL: no memory. */
static struct secret_group *add_to_group(struct hosts *hosts, const struct host_secret *host_secret,
                                         const struct secret *secret, uint32_t *ret_note)
{
    uint32_t number = 0;
    struct secret_group *group = group_for(hosts, host_secret, &number);

    if (group == NULL) {
        return NULL;
    }
    if (group->text == NULL && secret != NULL) {
        const size_t length = secret_length(secret);
        void *memory = arena_alloc(&hosts->arena, secret_size(length));
        if (memory == NULL) {
            return NULL;
        }
        group->text = secret_place(memory, secret_bytes(secret), length);
        group->secret.secret = group->capacity == 0 ? group->text : NULL;
        hosts->longest_secret = length > hosts->longest_secret ? length : hosts->longest_secret;
    }
    group->capacity++;
    *ret_note = number + 1;
    return group;
}

/* A row has the secret in the form that it was given in; most of a group share one form. */
static int set_secret(struct hosts *hosts, struct host *host, const struct host_draft *draft, struct note *note)
{
    if (!draft->current.is_set) {
        return 0;
    }
    struct secret_group *group = add_to_group(hosts, &draft->current, draft->secret, &note->group);
    if (group == NULL) {
        return -ENOMEM;
    }
    host->secret = &group->secret;
    if ((draft->secret != NULL) != (group->secret.secret != NULL)) {
        struct host_secret *own = arena_alloc(&hosts->arena, sizeof(*own));
        if (own == NULL) {
            return -ENOMEM;
        }
        *own = group->secret;
        own->secret = draft->secret != NULL ? group->text : NULL;
        host->secret = own;
    }
    return 0;
}

static int set_previous(struct hosts *hosts, struct host *host, const struct host_draft *draft, struct note *note)
{
    if (!draft->more.previous.is_set) {
        return 0;
    }
    struct secret_group *group = add_to_group(hosts, &draft->more.previous, draft->previous, &note->previous);
    struct host_more *more = group == NULL ? NULL : more_of(hosts, host);
    if (more == NULL) {
        return -ENOMEM;
    }
    more->previous.secret = group->text;
    return 0;
}

/* Is one of its records another row's already? Says so. */
static bool is_record_twice(struct problems *problems, const struct host *first, const struct host_draft *draft)
{
    for (const struct host *other = first; other != NULL; other = other->more->next_same_name) {
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

static int append_same_name(struct hosts *hosts, struct host *first, const struct host *host)
{
    struct host *last = first;
    size_t rows = 2; /* with this one */

    while (last->more->next_same_name != NULL) {
        last = (struct host *)(uintptr_t)last->more->next_same_name;
        rows++;
    }
    struct host_more *more = more_of(hosts, last);
    if (more == NULL) {
        return -ENOMEM;
    }
    more->next_same_name = host;
    if (rows > hosts->most_rows) {
        hosts->most_rows = rows;
    }
    return 0;
}

/* Held: that of the table before, or a new one. Most files change little, so that the next row there is the likeliest.
 * NULL: no memory. */
static const char *keep_name(struct building *building, const char *name)
{
    const struct hosts *before = building->before;

    if (before == NULL) {
        return names_add(building->hosts->names, name);
    }
    uint32_t number = (uint32_t)building->next_before;
    if (number >= before->rows.count || strcmp(hosts_at(before, number)->hostname, name) != 0) {
        number = hash_index_get(before->by_name, name, strlen(name));
    }
    if (number == HASH_INDEX_NONE) {
        return names_add(building->hosts->names, name);
    }
    building->next_before = (size_t)number + 1;
    return name_hold(hosts_at(before, number)->hostname);
}

/* Gives the last row its name, and its place among those of that name. */
static int place_by_name(struct building *building, struct host *host, const struct host_draft *draft)
{
    struct hosts *hosts = building->hosts;
    const char *name = draft->hostname.text;
    const size_t length = strlen(name);
    const uint32_t last = (uint32_t)(hosts->rows.count - 1);
    uint32_t number = 0;

    const int r = hash_index_add(hosts->by_name, name, length, last, &number);
    if (r < 0) {
        return r;
    }
    if (number == last) {
        host->hostname = keep_name(building, name);
        return host->hostname == NULL ? -ENOMEM : 0;
    }
    struct host *first = rows_at(&hosts->rows, number);
    host->hostname = name_hold(first->hostname);
    return is_record_twice(building->file.problems, first, draft) ? 0 : append_same_name(hosts, first, host);
}

static uint32_t record_count(const struct host *host)
{
    uint32_t count = 0;

    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        count += host_has_type(host, (enum record_type)type) ? 1 : 0;
    }
    return count;
}

static int note_follower(struct building *building, struct host *host, const struct yaml_node *node)
{
    struct name name;

    if (node->kind != YAML_SCALAR || name_parse(node->text, node->length, &name, NULL) < 0) {
        return 0; /* told already */
    }
    struct follower *follower = rows_add(&building->followers);
    if (follower == NULL) {
        return -ENOMEM;
    }
    *follower = (struct follower){
        .host = host,
        .router = arena_copy_text(&building->routers, name.text, strlen(name.text)),
        .line = node->line,
        .column = node->column,
    };
    return follower->router == NULL ? -ENOMEM : 0;
}

static int add_draft(struct building *building, const struct host_draft *draft)
{
    struct hosts *hosts = building->hosts;
    struct host *host = rows_add(&hosts->rows);
    struct note *note = rows_add(&building->notes);

    if (host == NULL || note == NULL) {
        return -ENOMEM;
    }
    note->column = draft->node->column;
    *host = draft->host;
    host->secret = &host_secret_unset;
    host->more = &host_more_none;
    host->names_router = draft->given[HOST_FOLLOWS] != NULL;
    building->has_secrets |= draft->given[HOST_SHARED_SECRET] != NULL || draft->given[HOST_PREVIOUS_SECRET] != NULL;
    hosts->record_count += record_count(host);

    int r = keep_more(hosts, host, draft);
    r = r < 0 || draft->hostname.text[0] == '\0' ? r : place_by_name(building, host, draft);
    r = r < 0 ? r : set_secret(hosts, host, draft, note);
    r = r < 0 ? r : set_previous(hosts, host, draft, note);
    return r < 0 || draft->given[HOST_FOLLOWS] == NULL ? r : note_follower(building, host, draft->given[HOST_FOLLOWS]);
}

static int add_host(const struct yaml_node *node, void *userdata)
{
    struct building *building = userdata;
    struct host_draft draft = {0};

    int r = host_read(&building->file, node, &draft);
    r = r < 0 ? r : add_draft(building, &draft);
    host_draft_done(&draft);
    return r;
}

/* ---- several hosts ---- */

/* The row of the router that followers are kept at: the one with the AAAA record, where there are two. */
static struct host *find_router(const struct hosts *hosts, const char *hostname)
{
    struct host *first = row_by_name(hosts, hostname);

    for (struct host *host = first; host != NULL; host = (struct host *)(uintptr_t)host->more->next_same_name) {
        if (host_has_type(host, RECORD_AAAA)) {
            return host;
        }
    }
    return first;
}

/* NULL: it may follow the router. */
static const char *why_not(const struct hosts *hosts, const struct host *host, const struct host *router)
{
    if (router == host) {
        return "cannot follow itself, name its router";
    }
    if (host_has_type(host, RECORD_A) && hosts_find_record(hosts, router->hostname, RECORD_A) == NULL) {
        return "has no A record that the one here could follow, add A to its record_type or remove it here";
    }
    return NULL;
}

static int follow(struct building *building, const struct follower *follower)
{
    struct problems *problems = building->file.problems;
    struct hosts *hosts = building->hosts;
    struct host *router = find_router(hosts, follower->router);

    if (router == NULL) {
        problems_add(problems, follower->line, follower->column,
                     "follows: there is no host %s, add it or correct the name", follower->router);
        return 0;
    }
    if (router != follower->host && router->names_router) {
        problems_add(problems, follower->line, follower->column,
                     "follows: %s follows another host itself (line %u), name the router", follower->router,
                     router->line);
        return 0;
    }
    const char *reason = why_not(hosts, follower->host, router);
    if (reason != NULL) {
        problems_add(problems, follower->line, follower->column, "follows: %s %s", follower->router, reason);
        return 0;
    }
    struct host_more *more = more_of(hosts, follower->host), *routers = more_of(hosts, router);
    if (more == NULL || routers == NULL) {
        return -ENOMEM;
    }
    more->follows = router;
    routers->follower_count++;
    return 0;
}

static int find_routers(struct building *building)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < building->followers.count; i++) {
        r = follow(building, rows_at(&building->followers, i));
    }
    return r;
}

static struct host_more *more_at(const struct hosts *hosts, size_t number)
{
    const struct host *host = rows_at(&hosts->rows, number);
    return (struct host_more *)(uintptr_t)host->more;
}

/* Hands out the arrays of followers and of group members, now that their lengths are known. */
static int make_links(struct hosts *hosts)
{
    size_t total = 0;

    for (size_t i = 0; i < hosts->rows.count; i++) {
        total += more_at(hosts, i)->follower_count;
    }
    for (size_t i = 0; i < hosts->groups.count; i++) {
        const struct secret_group *group = rows_at(&hosts->groups, i);
        total += group->capacity > 1 ? group->capacity : 0;
    }
    hosts->links = calloc(total + 1, sizeof(struct host *));
    if (hosts->links == NULL) {
        return -ENOMEM;
    }
    const struct host **next = hosts->links;
    for (size_t i = 0; i < hosts->rows.count; i++) {
        struct host_more *more = more_at(hosts, i);
        if (more->follower_count > 0) {
            more->followers = next;
            next += more->follower_count;
            more->follower_count = 0;
        }
    }
    for (size_t i = 0; i < hosts->groups.count; i++) {
        struct secret_group *group = rows_at(&hosts->groups, i);
        if (group->capacity > 1) {
            group->hosts.members = next;
            next += group->capacity;
        }
    }
    return 0;
}

static void add_member(struct secret_group *group, const struct host *host)
{
    if (group->capacity == 1) {
        group->hosts.only = host;
    } else {
        group->hosts.members[group->count] = host;
    }
    group->count++;
}

static void link_row(struct hosts *hosts, const struct host *host, const struct note *note)
{
    if (host->more->follows != NULL) {
        struct host_more *router = (struct host_more *)(uintptr_t)host->more->follows->more;
        ((const struct host **)(uintptr_t)router->followers)[router->follower_count++] = host;
    }
    if (note->group != 0) {
        add_member(rows_at(&hosts->groups, note->group - 1), host);
    }
    if (note->previous != 0 && note->previous != note->group) {
        add_member(rows_at(&hosts->groups, note->previous - 1), host);
    }
}

static int link_rows(struct building *building)
{
    struct hosts *hosts = building->hosts;
    const int r = make_links(hosts);

    for (size_t i = 0; r == 0 && i < hosts->rows.count; i++) {
        link_row(hosts, rows_at(&hosts->rows, i), rows_at(&building->notes, i));
    }
    for (size_t i = 0; r == 0 && i < hosts->groups.count; i++) {
        struct secret_group *group = rows_at(&hosts->groups, i);
        if (group->count == 1 && group->capacity > 1) { /* current and previous secret of one row */
            group->hosts.only = group->hosts.members[0];
        }
    }
    return r;
}

/* All that follow a router are set in one update with it. */
static void check_followers(const struct building *building)
{
    for (size_t i = 0; i < building->hosts->rows.count; i++) {
        const struct host *host = rows_at(&building->hosts->rows, i);
        uint32_t set = 0;
        if (host->more->follower_count <= HOST_FOLLOWERS_MAX / 2) {
            continue;
        }
        for (uint32_t j = 0; j < host->more->follower_count; j++) {
            set += host->more->followers[j]->lock_record ? 0 : record_count(host->more->followers[j]);
        }
        if (set > HOST_FOLLOWERS_MAX) {
            const struct note *note = rows_at(&building->notes, i);
            problems_add(building->file.problems, host->line, note->column,
                         "hostname: %s has followers with %" PRIu32 " records, and at most %d fit into one update; "
                         "let some follow another router, or set lock_record for them",
                         host->hostname, set, HOST_FOLLOWERS_MAX);
        }
    }
}

/* ---- loading ---- */

/* Is there a list of hosts, and nothing else? */
static int check_root(const struct yaml_node *root, struct problems *problems)
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
    return value_check_list(problems, "hosts", list, "- hostname: home.example.com.");
}

static int finish(struct building *building)
{
    int r = find_routers(building);

    r = r < 0 ? r : link_rows(building);
    if (r == 0) {
        check_followers(building);
    }
    return r;
}

/* Where the text is given, it is what the file holds. */
static int read_hosts(struct building *building, const struct bytes *text, struct problems *problems)
{
    _cleanup_(yaml_document_freep) struct yaml_document *document = NULL;
    const struct yaml_items items = {.key = "hosts", .each = add_host, .userdata = building};

    int r = text ? yaml_stream_text(text->data, text->length, &items, problems, &document)
                 : yaml_stream_file(building->file.path, FILE_MAX_BYTES, &items, problems, &document);
    r = r < 0 ? r : check_root(yaml_root(document), problems);
    return r < 0 ? r : finish(building);
}

static void building_done(struct building *building)
{
    problems_free(building->file.problems);
    hosts_unref(building->hosts);
    rows_done(&building->followers);
    rows_done(&building->notes);
    arena_done(&building->routers);
}

static int load(const char *path, const struct bytes *text, const struct settings *settings, const struct hosts *before,
                struct problems *problems, struct hosts **ret_hosts)
{
    const size_t problems_before = problems_count(problems);
    /* What is wrong with hosts is told only of a file that is good YAML: else it may be misread. */
    _cleanup_(building_done) struct building building = {
        .hosts = hosts_new(before),
        .before = before,
        .file = {path, settings, problems_like(problems)},
        .followers.row_size = sizeof(struct follower),
        .notes.row_size = sizeof(struct note),
    };

    if (building.hosts == NULL || building.file.problems == NULL) {
        return -ENOMEM;
    }
    int r = read_hosts(&building, text, problems);
    if (r < 0) {
        return r;
    }
    problems_move(problems, building.file.problems);
    if (problems_count(problems) > problems_before) {
        return -EINVAL;
    }
    if (text == NULL && building.has_secrets) {
        value_warn_readable(path, problems);
    }
    *ret_hosts = TAKE_PTR(building.hosts);
    return 0;
}

int hosts_load_text(const char *text, size_t length, const char *path, const struct settings *settings,
                    struct problems *problems, struct hosts **ret_hosts)
{
    const struct bytes content = {text, length};

    return load(path, &content, settings, NULL, problems, ret_hosts);
}

int hosts_load(const char *path, const struct settings *settings, const struct hosts *before, struct problems *problems,
               struct hosts **ret_hosts)
{
    return load(path, NULL, settings, before, problems, ret_hosts);
}
