#include "ctl/hosting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/reach.h"

void hosting_close(struct hosting *hosting)
{
    reach_close(hosting->reach);
    settings_unref(hosting->settings);
}

/* Before there is a settings file: the provider's defaults. NULL: no memory. */
static struct settings *default_settings(const char *config)
{
    static const char text[] = "zones: [{name: example.com}]\n";
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    struct settings *settings = NULL;

    return problems && settings_load_text(text, sizeof(text) - 1, config, problems, &settings) == 0 ? settings : NULL;
}

static int load_settings(struct ctl *ctl, struct hosting *hosting)
{
    const struct settings *settings;

    hosting->has_file = access(ctl->config, F_OK) == 0 || errno != ENOENT || ctl->is_config_given;
    if (!hosting->has_file) {
        hosting->settings = default_settings(ctl->config);
        return hosting->settings ? EXIT_FINE : ctl_no_memory();
    }
    int status = ctl_settings(ctl, &settings);
    if (status == EXIT_FINE) {
        hosting->settings = settings_ref(ctl->settings);
    }
    return status;
}

static const struct provider *provider_to_ask(const struct settings *settings)
{
    for (size_t i = 0; i < settings->zone_count; i++) {
        const struct provider *provider = provider_of(settings->zones[i].provider);
        if (provider->each_hosted) {
            return provider;
        }
    }
    return NULL;
}

/* Close it with hosting_close in any case. */
int hosting_open(struct ctl *ctl, struct hosting *ret)
{
    *ret = (struct hosting){.settings = NULL};
    int status = load_settings(ctl, ret);

    if (status != EXIT_FINE) {
        return status;
    }
    ret->provider = provider_to_ask(ret->settings);
    if (!ret->provider) {
        return EXIT_FINE;
    }
    ret->reach = reach_open(ret->settings, ctl->config);
    return ret->reach && reach_shared(ret->reach, ret->provider, &ret->shared) == 0 ? EXIT_FINE : ctl_no_memory();
}

/* ---- zones ---- */

void hosteds_done(struct hosteds *zones)
{
    for (size_t i = 0; i < zones->count; i++) {
        free(zones->items[i].comment);
    }
    free(zones->items);
}

static void keep(const struct provider_hosted_zone *zone, void *userdata)
{
    struct hosteds *zones = userdata;
    struct hosted *items = reallocarray(zones->items, zones->count + 1, sizeof(*items));

    if (!items) {
        zones->error = -ENOMEM;
        return;
    }
    zones->items = items;
    struct hosted *kept = &items[zones->count++];
    *kept = (struct hosted){.record_count = zone->record_count, .is_private = zone->is_private};
    (void)snprintf(kept->name.text, sizeof(kept->name.text), "%s", zone->name);
    (void)snprintf(kept->id, sizeof(kept->id), "%s", zone->id);
    kept->comment = strdup(zone->comment);
    zones->error = kept->comment ? zones->error : -ENOMEM;
}

static int tell_provider(int r, const struct buffer *message)
{
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    ctl_error("%s", buffer_text(message));
    return EXIT_FAILED;
}

int hosting_list(struct hosting *hosting, struct hosteds *ret)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int r = hosting->provider->each_hosted(reach_means(hosting->reach), hosting->shared, keep, ret, &message);

    r = r == 0 ? ret->error : r;
    return r < 0 ? tell_provider(r, &message) : EXIT_FINE;
}

const struct zone_settings *hosting_settings_of(const struct hosting *hosting, const char *name)
{
    for (size_t i = 0; hosting->has_file && i < hosting->settings->zone_count; i++) {
        if (strcmp(hosting->settings->zones[i].name.text, name) == 0) {
            return &hosting->settings->zones[i];
        }
    }
    return NULL;
}

const char *hosted_kind(const struct hosted *zone)
{
    return zone->is_private ? "private" : "public";
}

json_t *hosted_object(const struct hosting *hosting, const struct hosted *zone)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:I, s:s, s:b}", "name", zone->name.text, "provider",
                     hosting->provider->settings.name, "id", zone->id, "private", zone->is_private, "records",
                     (json_int_t)zone->record_count, "comment", zone->comment, "served",
                     hosting_settings_of(hosting, zone->name.text) != NULL);
}

int hosting_get(struct hosting *hosting, const char *id, struct hosteds *ret, struct buffer *servers)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int r =
        hosting->provider->get_hosted(reach_means(hosting->reach), hosting->shared, id, keep, ret, servers, &message);

    r = r == 0 ? ret->error : r;
    if (r == -ENOENT) {
        ctl_error("%s; \"ddns53ctl zone list\" lists the zones of the account", buffer_text(&message));
        return EXIT_UNKNOWN;
    }
    return r < 0 ? tell_provider(r, &message) : EXIT_FINE;
}

int hosting_create(struct hosting *hosting, const char *name, const char *comment, struct hosteds *ret,
                   struct buffer *servers)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int r = hosting->provider->create_hosted(reach_means(hosting->reach), hosting->shared, name, comment, keep, ret,
                                             servers, &message);

    r = r == 0 ? ret->error : r;
    return r < 0 ? tell_provider(r, &message) : EXIT_FINE;
}
