#include "acme/challenge_names.h"

#include <errno.h>
#include <string.h>

#include "config/acme.h"

int challenge_names_each(const struct settings *settings, int (*each)(const struct name *hostname, void *userdata),
                         void *userdata)
{
    struct acme_wanted wanted;
    struct name hostname;

    if (!acme_is_on(settings)) {
        return 0;
    }
    int r = acme_wanted_read(settings, &wanted);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    for (size_t i = 0; r == 0 && i < wanted.count; i++) {
        r = acme_challenge_name(&wanted.names[i], &hostname) == 0 ? each(&hostname, userdata) : 0;
    }
    acme_wanted_done(&wanted);
    return r;
}

static int is_hostname(const struct name *hostname, void *userdata)
{
    return strcmp(hostname->text, ((const struct name *)userdata)->text) == 0 ? 1 : 0;
}

bool challenge_name_is_permitted(struct current *current, const struct name *hostname, bool *ret_is_of_host)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(current);
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(current);

    const bool is_ours = challenge_names_each(settings, is_hostname, (void *)(uintptr_t)hostname) == 1;
    *ret_is_of_host = !is_ours && hosts_find_record(hosts, hostname->text, RECORD_TXT);
    return is_ours || *ret_is_of_host;
}

struct configuring {
    struct records *records;
    const struct settings *settings;
};

static int add_record(const struct name *hostname, void *userdata)
{
    const struct configuring *configuring = userdata;
    const int zone = settings_zone_of(configuring->settings, hostname->text);

    if (zone < 0) {
        return 0;
    }
    return records_add(configuring->records, hostname->text, RECORD_TXT, (uint32_t)zone) ? 0 : -ENOMEM;
}

int challenge_names_configure(struct records *records, const struct settings *settings)
{
    struct configuring configuring = {records, settings};

    return challenge_names_each(settings, add_record, &configuring);
}
