/* Any text as hosts.yaml: a table whose look-ups agree with its rows, or at least one problem. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/problems.h"
#include "config/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct settings *make_settings(void)
{
    static const char text[] =
        "zones: [{name: example.com}, {name: dyn.example.com, default_ttl: 300}, {name: test}]\n";
    struct problems *problems = problems_new("ddns53d.yaml");
    struct settings *settings = NULL;

    assert(problems != NULL && crypto_init() == 0);
    assert(settings_load_text(text, strlen(text), "/nowhere/ddns53d.yaml", problems, &settings) == 0);
    problems_free(problems);
    return settings;
}

static void check_group(const struct hosts *hosts, const struct host *host, const struct host_secret *secret)
{
    size_t count = 0, found = 0;
    const struct host *const *group = hosts_by_secret(hosts, secret->sha256, &count);

    assert(!secret->is_set || count > 0);
    for (size_t i = 0; secret->is_set && i < count; i++) {
        found += group[i] == host ? 1 : 0;
        assert(i == 0 || group[i - 1] < group[i]);
    }
    assert(!secret->is_set || found == 1);
}

static void check_host(const struct hosts *hosts, const struct settings *settings, const struct host *host)
{
    assert(host->record_types != 0 && host->zone < settings->zone_count);
    assert(settings_zone_of(settings, host->hostname) == (int)host->zone);
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        const struct host *found = hosts_find_record(hosts, host->hostname, (enum record_type)type);
        assert(!host_has_type(host, (enum record_type)type) || found == host);
    }
    assert(host->secret->is_set || host->more->follows != NULL);
    assert(host->auth != 0);
    check_group(hosts, host, host->secret);
    check_group(hosts, host, &host->more->previous);
    for (size_t i = 0; i < host->more->follower_count; i++) {
        assert(host->more->followers[i]->more->follows == host && host->more->follows == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings *settings;
    struct problems *problems = problems_new("hosts.yaml");
    struct hosts *hosts = NULL;
    size_t records = 0;

    assert(problems != NULL);
    if (settings == NULL) {
        settings = make_settings();
    }
    int r = hosts_load_text((const char *)data, size, "/nowhere/hosts.yaml", settings, problems, &hosts);
    assert((r == 0) == (problems_count(problems) == 0) && (r == 0) == (hosts != NULL));
    for (size_t i = 0; hosts != NULL && i < hosts_count(hosts); i++) {
        const struct host *host = hosts_at(hosts, i);
        check_host(hosts, settings, host);
        records += (host_has_type(host, RECORD_A) ? 1U : 0U) + (host_has_type(host, RECORD_AAAA) ? 1U : 0U);
    }
    assert(hosts == NULL || records == hosts_record_count(hosts));
    hosts_unref(hosts);
    problems_free(problems);
    return 0;
}
