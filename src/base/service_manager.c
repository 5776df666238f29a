#include "base/service_manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#ifdef HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

void service_manager_ready(const char *status)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_manager_reloading(int64_t monotonic_ms)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reloading", (long long)monotonic_ms * 1000);
}

void service_manager_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=finishing queued changes");
}

void service_manager_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

int64_t service_manager_watchdog_ms(void)
{
    uint64_t period_us;

    return sd_watchdog_enabled(0, &period_us) > 0 ? (int64_t)(period_us / 2000) : 0;
}

static void free_names(char **names)
{
    for (char **name = names; name && *name; name++) {
        free(*name);
    }
    free((void *)names);
}

size_t service_manager_sockets(const char *name, int first, int *ret_sockets, size_t limit)
{
    char **names = NULL;
    int sockets = sd_listen_fds_with_names(0, &names);
    size_t count = 0;

    for (int i = 0; i < sockets && count < limit; i++) {
        int named = strcmp(names[i], name) == 0;
        int nameless = strcmp(names[i], "admin") != 0;
        if (named || (first && nameless)) {
            ret_sockets[count++] = SD_LISTEN_FDS_START + i;
        }
    }
    free_names(names);
    return count;
}

#else

void service_manager_ready(const char *status)
{
    (void)status;
}

void service_manager_reloading(int64_t monotonic_ms)
{
    (void)monotonic_ms;
}

void service_manager_stopping(void)
{
}

void service_manager_watchdog(void)
{
}

int64_t service_manager_watchdog_ms(void)
{
    return 0;
}

size_t service_manager_sockets(const char *name, int first, int *ret_sockets, size_t limit)
{
    (void)name;
    (void)first;
    (void)ret_sockets;
    (void)limit;
    return 0;
}

#endif
