/*
 * Where "ddns53ctl init" puts the two files, and how: nothing is overwritten, and nothing is written that the daemon would
 * refuse. What is wrong has been said when a status other than EXIT_FINE is returned. Main thread only.
 */
#ifndef DDNS53_CTL_INIT_FILES_H
#define DDNS53_CTL_INIT_FILES_H

#include <sys/types.h>

#include "ctl/ctl.h"

struct place {
    char *settings; /* as given */
    char *hosts;    /* beside it */
    gid_t group;    /* may read both */
    bool has_group;
};

/* `group` NULL: that of the service, where there is one. */
int place_find(const char *config, const char *group, struct place *ret_place);
void place_done(struct place *place);

/* EXIT_EXISTS: one of them is there, and is no sample of an installation. */
int place_is_free(const struct place *place);

/* Both, with the service's group. */
int place_write(const struct place *place, const struct buffer *settings, const char *hosts);

#endif
