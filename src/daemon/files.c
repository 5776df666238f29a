/* Loading the two files, at start and at a reload. */
#include <errno.h>

#include "daemon/daemon.h"

int daemon_load_files(const char *config, const struct settings *running, const struct hosts *before,
                      struct buffer *restart, void (*tell)(const struct problems *problems, void *userdata),
                      void *userdata, struct settings **ret_settings, struct hosts **ret_hosts)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new(config);
    _cleanup_(settings_unrefp) struct settings *settings = NULL;

    if (!problems) {
        return -ENOMEM;
    }
    int r = settings_load(config, problems, &settings);
    tell(problems, userdata);
    if (r == 0 && running) {
        r = settings_merge(running, settings, restart);
    }
    if (r < 0) {
        return r;
    }
    _cleanup_(problems_freep) struct problems *hosts_problems = problems_new(settings->hosts_file);
    if (!hosts_problems) {
        return -ENOMEM;
    }
    r = hosts_load(settings->hosts_file, settings, before, hosts_problems, ret_hosts);
    tell(hosts_problems, userdata);
    if (r < 0) {
        return r;
    }
    *ret_settings = TAKE_PTR(settings);
    return 0;
}
