/*
 * The settings and hosts in force: two snapshots behind a lock that is held for a pointer copy only.
 * Readers get a reference of their own, so that a swap never pulls the floor from under a request.
 */
#ifndef DDNS53_CONFIG_CURRENT_H
#define DDNS53_CONFIG_CURRENT_H

#include "config/hosts.h"
#include "config/settings.h"

struct current;

/* Takes a reference of both. NULL: no memory. */
struct current *current_new(struct settings *settings, struct hosts *hosts);
void current_free(struct current *current);
DEFINE_CLEANUP(struct current *, current_free)

/* Any thread; returns a reference that the caller drops. */
struct settings *current_settings(struct current *current);
struct hosts *current_hosts(struct current *current);

/* Main thread. Takes references of its own; NULL keeps what is there. */
void current_swap(struct current *current, struct settings *settings, struct hosts *hosts);

#endif
