/*
 * What the operator's socket (admin/control.h) needs of the whole daemon: its facts for `status`. Any thread.
 */
#ifndef DDNS53_DAEMON_CONTROL_H
#define DDNS53_DAEMON_CONTROL_H

#include <jansson.h>

#include "daemon/daemon.h"

/* For struct control: an object, NULL: no memory. */
json_t *control_describe(void *userdata);

#endif
