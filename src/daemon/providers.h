/*
 * The providers that the daemon uses: those that a zone of the settings names, each with its pacer and with what its zones
 * share. Functions run before the I/O thread starts or after it has ended, unless said otherwise.
 */
#ifndef DDNS53_DAEMON_PROVIDERS_H
#define DDNS53_DAEMON_PROVIDERS_H

#include "base/cleanup.h"
#include "config/settings.h"
#include "provider/registry.h"
#include "queue/queue.h"

struct providers;

/* Copies the means. NULL: no memory. */
struct providers *providers_new(const struct provider_means *means);
/* Once the queue, which owns the zones, is freed. */
void providers_free(struct providers *providers);
DEFINE_CLEANUP(struct providers *, providers_free)

/* Makes the zones of the settings and adds them to the queue. -ENOMEM. */
int providers_add_zones(struct providers *providers, const struct settings *settings, struct queue *queue);
/* Their threads. stop: -ETIMEDOUT: one hangs, see struct provider. */
int providers_start(struct providers *providers);
int providers_stop(struct providers *providers, int64_t timeout_ms);

/* I/O thread. */
void providers_reload(struct providers *providers, const struct settings *settings);
/* I/O thread: calls `done` once, when all have finished, at the deadline (monotonic) at the latest. */
void providers_drain(struct providers *providers, int64_t deadline_ms, void (*done)(void *userdata), void *userdata);

/* Any thread: a line for each thing that is wrong. Returns their number. */
size_t providers_report_trouble(const struct providers *providers, struct buffer *buffer);

#endif
