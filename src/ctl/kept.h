/*
 * The decisions that the daemon has kept (base/decisions.h), read back: one after another from the newest on, as JSON
 * objects. Only files are needed. Main thread only.
 */
#ifndef DDNS53_CTL_KEPT_H
#define DDNS53_CTL_KEPT_H

#include <jansson.h>

#include "ctl/ctl.h"

/* Newest first over both families. `needle` is a quoted JSON text, such as "\"home.example.com.\"". EXIT_FINE, or an exit
 * status once what is wrong was said. Keeps the first `limit` that `wanted` (NULL: all) wants, as an array that the caller
 * drops. */
int kept_read(struct ctl *ctl, const char *needle, bool (*wanted)(const json_t *decision, void *userdata),
              void *userdata, size_t limit, json_t **ret_decisions);

/* Which secret each host used last, of those that have two: a table by hostname of {"secret", "time_ms"}. */
int kept_secrets(struct ctl *ctl, json_t **ret_by_host);

#endif
