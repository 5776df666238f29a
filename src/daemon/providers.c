#include "daemon/providers.h"

#include <errno.h>
#include <stdlib.h>

struct used {
    const struct provider *provider;
    void *shared;
    struct pacer *pacer;
    struct used *next;
};

struct providers {
    struct provider_means means;
    struct used *first; /* in the order of their first zones */
    size_t draining;    /* how many have not finished, and one for the call itself */
    void (*drained)(void *userdata);
    void *userdata;
};

struct providers *providers_new(const struct provider_means *means)
{
    struct providers *providers = calloc(1, sizeof(*providers));

    if (providers) {
        providers->means = *means;
    }
    return providers;
}

static void used_free(struct used *used)
{
    if (!used) {
        return;
    }
    pacer_free(used->pacer);
    if (used->provider->shared_free) {
        used->provider->shared_free(used->shared);
    }
    free(used);
}

void providers_free(struct providers *providers)
{
    while (providers && providers->first) {
        struct used *used = providers->first;
        providers->first = used->next;
        used_free(used);
    }
    free(providers);
}

/* ---- zones ---- */

static uint32_t pace_of(const struct provider *provider, const struct settings *settings)
{
    return provider->pace ? provider->pace(settings_of_provider(settings, &provider->settings)) : 0;
}

static struct used *used_new(const struct provider_means *means, const struct provider *provider,
                             const struct settings *settings)
{
    struct used *used = calloc(1, sizeof(*used));

    if (!used) {
        return NULL;
    }
    used->provider = provider;
    used->pacer = pacer_new(means->loop, pace_of(provider, settings));
    if (used->pacer && provider->shared_new) {
        used->shared = provider->shared_new(means, settings_of_provider(settings, &provider->settings));
    }
    if (!used->pacer || (provider->shared_new && !used->shared)) {
        used_free(used);
        return NULL;
    }
    return used;
}

/* NULL: no memory. */
static struct used *use(struct providers *providers, const struct provider *provider, const struct settings *settings)
{
    struct used **end = &providers->first;

    while (*end && (*end)->provider != provider) {
        end = &(*end)->next;
    }
    if (!*end) {
        *end = used_new(&providers->means, provider, settings);
    }
    return *end;
}

static int add_zone(struct providers *providers, const struct settings *settings, const struct zone_settings *zone,
                    struct queue *queue)
{
    const struct provider *provider = provider_of(zone->provider);
    const struct used *used = use(providers, provider, settings);
    struct provider_zone *made = used ? provider->zone_new(&providers->means, used->shared, zone) : NULL;

    if (!made) {
        return -ENOMEM;
    }
    int r = queue_add_zone(queue, zone->name.text, provider->ops, made, used->pacer);
    if (r < 0) {
        provider->ops->free(made);
    }
    return r;
}

int providers_add_zones(struct providers *providers, const struct settings *settings, struct queue *queue)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->zone_count; i++) {
        r = add_zone(providers, settings, &settings->zones[i], queue);
    }
    return r;
}

/* ---- start and end ---- */

int providers_start(struct providers *providers)
{
    int r = 0;

    for (const struct used *used = providers->first; r == 0 && used; used = used->next) {
        r = used->provider->start ? used->provider->start(used->shared) : 0;
    }
    return r;
}

int providers_stop(struct providers *providers, int64_t timeout_ms)
{
    int r = 0;

    for (const struct used *used = providers->first; r == 0 && used; used = used->next) {
        r = used->provider->stop ? used->provider->stop(used->shared, timeout_ms) : 0;
    }
    return r;
}

static void one_has_drained(void *userdata)
{
    struct providers *providers = userdata;

    if (--providers->draining == 0) {
        providers->drained(providers->userdata);
    }
}

void providers_drain(struct providers *providers, int64_t deadline_ms, void (*done)(void *userdata), void *userdata)
{
    providers->drained = done;
    providers->userdata = userdata;
    providers->draining = 1; /* no `done` before all were told */
    for (const struct used *used = providers->first; used; used = used->next) {
        if (used->provider->drain) {
            providers->draining++;
            used->provider->drain(used->shared, deadline_ms, one_has_drained, providers);
        }
    }
    one_has_drained(providers);
}

/* ---- in between ---- */

void providers_reload(struct providers *providers, const struct settings *settings)
{
    for (const struct used *used = providers->first; used; used = used->next) {
        if (used->provider->reload) {
            used->provider->reload(used->shared);
        }
        if (used->provider->pace) {
            pacer_set_ceiling(used->pacer, pace_of(used->provider, settings));
        }
    }
}

size_t providers_report_trouble(const struct providers *providers, struct buffer *buffer)
{
    size_t count = 0;

    for (const struct used *used = providers->first; used; used = used->next) {
        if (used->provider->report_trouble) {
            count += used->provider->report_trouble(used->shared, buffer);
        }
    }
    return count;
}
