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

/* A zone that an account has, whether or not the settings name it; borrowed for the call. */
struct provider_hosted_zone {
    const char *name; /* normalised */
    const char *id;
    const char *comment; /* "": none */
    uint64_t record_count;
    bool is_private;
};
typedef void (*provider_each_hosted)(const struct provider_hosted_zone *zone, void *userdata);

/* How it stands with one thing that a provider needs, and what to do where it is not fine; borrowed for the call. */
enum provider_verdict { PROVIDER_FINE, PROVIDER_DOUBTFUL, PROVIDER_BROKEN };
struct provider_finding {
    enum provider_verdict verdict;
    const char *what;    /* "credentials" */
    const char *message; /* how it is */
    const char *mend;    /* NULL: nothing to do */
};
typedef void (*provider_tell)(const struct provider_finding *finding, void *userdata);

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

    /* For ddns53ctl, which has no I/O thread: these run the loop themselves until they are done. */

    /* Every zone that the account has. -EIO, -ENOENT (no credentials) with a sentence in `message`; -ENOMEM. */
    int (*each_hosted)(const struct provider_means *means, void *shared, provider_each_hosted each, void *userdata,
                       struct buffer *message);
    /* One of them in full, and a new one: `each` is called once, and `name_servers` gets those to delegate to, a line each.
     * -ENOENT: there is none; -EEXIST: it was made, and the answer was lost; -EIO: a sentence in `message`; -ENOMEM. */
    int (*get_hosted)(const struct provider_means *means, void *shared, const char *id, provider_each_hosted each,
                      void *userdata, struct buffer *name_servers, struct buffer *message);
    int (*create_hosted)(const struct provider_means *means, void *shared, const char *name, const char *comment,
                         provider_each_hosted each, void *userdata, struct buffer *name_servers,
                         struct buffer *message);
    /* What all zones need: credentials, the clock. False: no zone can be looked at. */
    bool (*examine)(const struct provider_means *means, void *shared, provider_tell tell, void *userdata);
    /* What one zone needs. `may_try`: a change may be asked for that changes nothing. Appends the names of the zone's name
     * servers, a line each; none where they are not known. */
    void (*examine_zone)(const struct provider_means *means, void *shared, const struct zone_settings *zone,
                         bool may_try, provider_tell tell, void *userdata, struct buffer *name_servers);
    /* Is the zone one that the public DNS has nothing of? NULL: none is. */
    bool (*is_private)(const struct zone_settings *zone);
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
