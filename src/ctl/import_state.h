/* What an old system noted of its records, into state.db. Main thread only. */
#ifndef DDNS53_CTL_IMPORT_STATE_H
#define DDNS53_CTL_IMPORT_STATE_H

#include "ctl/ctl.h"
#include "ctl/import.h"

/* For records that are hosts of ours and of which state.db says nothing yet; what it says is never overwritten. How many
 * were written is in `ret_count`. 0; -EBUSY: the daemon has state.db; -ENOENT: there is no state_dir yet; or another
 * errno and `message`. Root becomes the owner of state_dir: the last thing that a command does. */
int import_state(const struct import *import, const struct settings *settings, const struct hosts *hosts,
                 struct buffer *message, size_t *ret_count);

/* Of how many records it says something, those that are no hosts not counted; `hosts` NULL: counted as well. */
size_t import_state_count(const struct import *import, const struct hosts *hosts);

#endif
