/* The row of the provider zonefile: its settings, and the threads and the command that all of its zones share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/settings_table.h"
#include "provider/on_change.h"
#include "provider/registry.h"
#include "provider/zonefile.h"
#include "provider/zonefile_file.h"

#define LARGE_ZONES_NICENESS 10 /* computes for seconds, and may */

struct folder {
    char *path;
    struct worker *worker;
    struct worker *large_worker;
    struct worker *on_change_worker;
    struct on_change *on_change; /* NULL: no command is set */
};

/* ---- settings ---- */

static const struct setting rows[] = {
    {SETTING_KEY("zonefile", "directory"), .type = &setting_path, SETTING_AT(struct zonefile_settings, directory),
     .default_text = "zones", .restart = true,
     .help = "the folder of the zone files, one per zone, relative to state_dir"},
    {SETTING_KEY("zonefile", "on_change"), .type = &setting_command,
     SETTING_LIST_AT(struct zonefile_settings, on_change, on_change_count), .default_text = "[]", .restart = true,
     .help = "a command and its arguments, run without a shell, at most once a second, after zone files were written; "
             "{zone} and {file} in an argument stand for a zone's name and file: it is run for each zone then"},
};

static int finish(struct problems *problems, const struct yaml_node *root, const char *path, struct settings *settings,
                  void *own)
{
    struct zonefile_settings *zonefile = own;

    (void)problems;
    (void)root;
    (void)path;
    if (zonefile->directory[0] == '/') {
        return 0;
    }
    char *inside = path_join(settings->state_dir, zonefile->directory);
    if (!inside) {
        return -ENOMEM;
    }
    free(zonefile->directory);
    zonefile->directory = inside;
    return 0;
}

/* ---- what zones share ---- */

static void folder_free(void *shared)
{
    struct folder *folder = shared;

    if (folder) {
        worker_free(folder->worker);
        worker_free(folder->large_worker);
        on_change_free(folder->on_change);
        worker_free(folder->on_change_worker);
        free(folder->path);
        free(folder);
    }
}

static int add_on_change(struct folder *folder, struct loop *loop, const struct zonefile_settings *settings)
{
    if (settings->on_change_count == 0) {
        return 0;
    }
    folder->on_change_worker = worker_new(loop, "on change");
    if (folder->on_change_worker) {
        folder->on_change =
            on_change_new(loop, folder->on_change_worker, settings->on_change, settings->on_change_count);
    }
    return folder->on_change ? 0 : -ENOMEM;
}

static void *folder_new(const struct provider_means *means, const void *own)
{
    const struct zonefile_settings *settings = own;
    struct folder *folder = calloc(1, sizeof(*folder));

    if (!folder) {
        return NULL;
    }
    folder->path = strdup(settings->directory);
    folder->worker = worker_new(means->loop, "zones");
    folder->large_worker = worker_new(means->loop, "large zones");
    if (!folder->path || !folder->worker || !folder->large_worker || add_on_change(folder, means->loop, settings) < 0) {
        folder_free(folder);
        return NULL;
    }
    return folder;
}

static struct provider_zone *zone_new(const struct provider_means *means, void *shared,
                                      const struct zone_settings *zone)
{
    const struct folder *folder = shared;
    const struct zonefile_options options = {
        .folder = folder->path,
        .worker = folder->worker,
        .large_worker = folder->large_worker,
        .written = folder->on_change ? on_change_written : NULL,
        .userdata = folder->on_change,
    };

    return zonefile_zone_new(means->loop, &options, zone->name.text, zone->default_ttl_s);
}

static int folder_start(void *shared)
{
    const struct folder *folder = shared;
    int r = worker_start(folder->worker, 0);

    if (r == 0 && folder->on_change_worker) {
        r = worker_start(folder->on_change_worker, 0);
    }
    return r == 0 ? worker_start(folder->large_worker, LARGE_ZONES_NICENESS) : r;
}

static int folder_stop(void *shared, int64_t timeout_ms)
{
    const struct folder *folder = shared;
    struct worker *workers[] = {folder->worker, folder->large_worker, folder->on_change_worker};

    for (size_t i = 0; i < ELEMENTS(workers); i++) {
        int r = worker_stop(workers[i], timeout_ms);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* The name server is told of the last changes too. */
static void folder_drain(void *shared, int64_t deadline_ms, void (*done)(void *userdata), void *userdata)
{
    const struct folder *folder = shared;

    if (folder->on_change) {
        on_change_drain(folder->on_change, deadline_ms, done, userdata);
    } else {
        done(userdata);
    }
}

static size_t folder_report_trouble(void *shared, struct buffer *buffer)
{
    const struct folder *folder = shared;

    return folder->on_change ? on_change_report_trouble(folder->on_change, buffer) : 0;
}

static int each_path(const struct settings *settings, const void *own, provider_path tell, void *userdata)
{
    const struct zonefile_settings *zonefile = own;
    bool any = false;

    for (size_t i = 0; i < settings->zone_count; i++) {
        if (settings->zones[i].provider != &zonefile_provider.settings) {
            continue;
        }
        _cleanup_free_ char *path = zone_file_path_of(zonefile->directory, settings->zones[i].name.text);
        if (!path) {
            return -ENOMEM;
        }
        tell("zonefile.directory", path, false, userdata);
        any = true;
    }
    if (any) {
        tell("zonefile.directory", zonefile->directory, true, userdata);
    }
    return 0;
}

const struct provider zonefile_provider = {
    .settings =
        {
            .name = "zonefile",
            .rows = rows,
            .row_count = ELEMENTS(rows),
            .size = sizeof(struct zonefile_settings),
            .finish = finish,
        },
    .ops = &zonefile_ops,
    .shared_new = folder_new,
    .shared_free = folder_free,
    .zone_new = zone_new,
    .start = folder_start,
    .stop = folder_stop,
    .drain = folder_drain,
    .report_trouble = folder_report_trouble,
    .each_path = each_path,
};
