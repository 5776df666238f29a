/*
 * Records of a zone that somebody else has changed or deleted, as a read-back finds them: collected, so that a zone
 * file that is lost is one line of the log, however many records it had. I/O thread only.
 */
#ifndef DDNS53_QUEUE_DRIFT_H
#define DDNS53_QUEUE_DRIFT_H

#include "base/buffer.h"
#include "base/record.h"

#define DRIFT_NAMED_MAX 10

/* Zeroed at first. */
struct drift {
    size_t count;
    struct buffer named; /* the first DRIFT_NAMED_MAX of them, "NAME TYPE, NAME TYPE" */
};

void drift_note(struct drift *drift, const struct record *record);
/* `event=drift zone= count= records=`, when there is anything to tell; begins anew. */
void drift_tell(struct drift *drift, const char *zone);
void drift_done(struct drift *drift);

#endif
