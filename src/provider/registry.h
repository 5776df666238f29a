/*
 * A provider is one row: its settings, what its zones share, how a zone is made, and what the daemon asks of it. The
 * rows stand in registry.c; everybody else finds a provider by the settings of a zone and never by its name.
 * Functions run before the I/O thread starts or after it has ended, unless said otherwise. A row leaves out what it does
 * not need.
 */
#ifndef DDNS53_PROVIDER_REGISTRY_H
#define DDNS53_PROVIDER_REGISTRY_H

#include "base/buffer.h"
#include "base/metrics.h"
#include "config/settings.h"
#include "io/http_client.h"
#include "io/loop.h"
#include "provider/provider.h"

/* What a provider may use; borrowed, and lives longer than all of its zones. */
struct provider_means {
    struct loop *loop;
    struct http_client *client;
    struct metrics *metrics;
    const char *(*environment)(const char *name);
};

/* Tells of one path that a provider uses; `is_folder`: it writes into it. */
typedef void (*provider_path)(const char *key, const char *path, bool is_folder, void *userdata);

struct provider {
    struct provider_settings settings; /* what provider_table points to */
    const struct provider_ops *ops;

    /* What all of its zones share; made once, when there is a zone of it. `means` is copied where it is kept, `own` is the
     * struct of its section and is gone later. NULL: no memory. Without `shared_new`, `shared` is NULL. */
    void *(*shared_new)(const struct provider_means *means, const void *own);
    void (*shared_free)(void *shared); /* once its zones are freed; NULL is fine */
    /* Copies what it needs of `zone`. NULL: no memory. */
    struct provider_zone *(*zone_new)(const struct provider_means *means, void *shared,
                                      const struct zone_settings *zone);
    /* Its threads. stop: -ETIMEDOUT: one hangs, and nothing that it may use can be freed any more. */
    int (*start)(void *shared);
    int (*stop)(void *shared, int64_t timeout_ms);

    /* Any thread: how many requests a second the account allows at most, 0: no pace. It may change with a reload. */
    uint32_t (*pace)(const void *own);
    /* I/O thread, after a reload. */
    void (*reload)(void *shared);
    /* I/O thread, at the end, when no change is left: finishes what it does besides, and calls `done` once, at the deadline
     * (monotonic) at the latest. */
    void (*drain)(void *shared, int64_t deadline_ms, void (*done)(void *userdata), void *userdata);
    /* Any thread: a line for /healthz for each thing that is wrong besides its zones. Returns their number. */
    size_t (*report_trouble)(void *shared, struct buffer *buffer);
    /* For --check: tells of each path that it reads or writes. Touches nothing. -ENOMEM. */
    int (*each_path)(const struct settings *settings, const void *own, provider_path tell, void *userdata);
};

extern const struct provider route53_provider;
extern const struct provider zonefile_provider;
extern const struct provider rfc2136_provider;

/* The provider of an entry of provider_table. */
static inline const struct provider *provider_of(const struct provider_settings *settings)
{
    return CONTAINER_OF(settings, const struct provider, settings);
}

#endif
