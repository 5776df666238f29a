/*
 * What systemd hears and gives: readiness, reloads, stopping, the watchdog, and sockets. Everything does nothing
 * when the program does not run under systemd or was built without it. Main thread only.
 */
#ifndef DDNS53_BASE_SERVICE_MANAGER_H
#define DDNS53_BASE_SERVICE_MANAGER_H

#include <stddef.h>
#include <stdint.h>

void service_manager_ready(const char *status);
void service_manager_reloading(int64_t monotonic_ms);
void service_manager_stopping(void);
void service_manager_watchdog(void);

/* How often the watchdog wants to hear from us: half of WatchdogSec; 0: not at all. */
int64_t service_manager_watchdog_ms(void);

/* Sockets that systemd opened under that name (FileDescriptorName=); `first` also takes those without a name of
 * ours. At most `limit`; returns how many. The caller owns them. */
size_t service_manager_sockets(const char *name, int first, int *ret_sockets, size_t limit);

#endif
