/* Loading the two files, at start and at a reload. */
#include <errno.h>
#include <string.h>

#include "daemon/daemon.h"

int daemon_load_files(const char *config, const struct settings *running, void (*tell)(const struct problems *problems),
                      struct settings **ret_settings, struct hosts **ret_hosts)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_buffer_ struct buffer changed = BUFFER_INIT;

    if (!problems) {
        return -ENOMEM;
    }
    int status = settings_load(config, problems, &settings);
    tell(problems);
    if (status < 0) {
        return status;
    }
    if (running) {
        settings_restart_needed(running, settings, &changed);
    }
    bool same_zones = !running || !strstr(buffer_text(&changed), "zones");
    _cleanup_(problems_freep) struct problems *hosts_problems = problems_new(settings->hosts_file);
    if (!hosts_problems) {
        return -ENOMEM;
    }
    status = hosts_load(settings->hosts_file, same_zones ? settings : running, hosts_problems, ret_hosts);
    tell(hosts_problems);
    if (status < 0) {
        return status;
    }
    *ret_settings = TAKE_PTR(settings);
    return 0;
}
