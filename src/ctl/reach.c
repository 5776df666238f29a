#include "ctl/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* Where systemd puts the credentials of the unit. */
#define UNIT_CREDENTIALS "/run/credentials/ddns53d.service"

struct made {
    const struct provider *provider;
    void *shared;
};

struct reach {
    const struct settings *settings;
    struct loop *loop;
    struct http_client *client;
    struct provider_means means;
    struct made *made;
    size_t made_count;
};

static const char *environment_of(const char *name)
{
    return getenv(name); // NOLINT(concurrency-mt-unsafe): this program has one thread
}

/* The folder that has the unit's file `aws`: systemd's, or that of the settings, from which LoadCredential= takes it. */
static int adopt_credentials(const char *config)
{
    _cleanup_free_ char *beside = path_beside(config, "aws");
    _cleanup_free_ char *folder = path_beside(config, ".");

    if (!beside || !folder) {
        return -ENOMEM;
    }
    if (environment_of("CREDENTIALS_DIRECTORY")) {
        return 0;
    }
    const char *found = access(UNIT_CREDENTIALS "/aws", R_OK) == 0 ? UNIT_CREDENTIALS
                        : access(beside, R_OK) == 0                ? folder
                                                                   : NULL;
    if (found && setenv("CREDENTIALS_DIRECTORY", found, 0) < 0) { // NOLINT(concurrency-mt-unsafe): one thread
        return -ENOMEM;
    }
    return 0;
}

struct reach *reach_open(const struct settings *settings, const char *config)
{
    _cleanup_(reach_closep) struct reach *reach = calloc(1, sizeof(*reach));

    if (!reach || adopt_credentials(config) < 0) {
        return NULL;
    }
    reach->settings = settings;
    reach->loop = loop_new(clock_system());
    reach->client = reach->loop ? http_client_new(reach->loop) : NULL;
    if (!reach->client) {
        return NULL;
    }
    reach->means = (struct provider_means){reach->loop, reach->client, NULL, environment_of};
    return TAKE_PTR(reach);
}

void reach_close(struct reach *reach)
{
    if (!reach) {
        return;
    }
    for (size_t i = 0; i < reach->made_count; i++) {
        reach->made[i].provider->shared_free(reach->made[i].shared);
    }
    free(reach->made);
    http_client_free(reach->client);
    loop_free(reach->loop);
    free(reach);
}

const struct provider_means *reach_means(const struct reach *reach)
{
    return &reach->means;
}

int reach_shared(struct reach *reach, const struct provider *provider, void **ret_shared)
{
    *ret_shared = NULL;
    for (size_t i = 0; i < reach->made_count; i++) {
        if (reach->made[i].provider == provider) {
            *ret_shared = reach->made[i].shared;
            return 0;
        }
    }
    if (!provider->shared_new) {
        return 0;
    }
    struct made *made = reallocarray(reach->made, reach->made_count + 1, sizeof(*made));
    if (!made) {
        return -ENOMEM;
    }
    reach->made = made;
    void *shared = provider->shared_new(&reach->means, settings_of_provider(reach->settings, &provider->settings));
    if (!shared) {
        return -ENOMEM;
    }
    made[reach->made_count++] = (struct made){provider, shared};
    *ret_shared = shared;
    return 0;
}
