/*
 * What becomes of one record that a request asks to set: one word from decide, through the queue, to the dialect.
 */
#ifndef DDNS53_QUEUE_OUTCOME_H
#define DDNS53_QUEUE_OUTCOME_H

enum outcome {
    OUTCOME_PENDING = 0, /* it has to change: for the queue, or in it */
    OUTCOME_SET,         /* accepted by the provider and in the store; for an empty value: withdrawn */
    OUTCOME_UNCHANGED,   /* DNS and the store hold it already, with the right TTL */
    OUTCOME_NO_RECORD,   /* the host has no record of that type */
    OUTCOME_UNUSABLE,    /* the address can stand in no record */
    OUTCOME_LOCKED,      /* lock_record */
    OUTCOME_PRIVATE,     /* a private address needs allow_internal */
    OUTCOME_NOT_SOURCE,  /* the scheme does not cover the address: another than the source needs allow_internal */
    OUTCOME_CONFLICT,    /* DNS holds what must not be overwritten */
    OUTCOME_REFUSED,     /* the provider will not have it */
    OUTCOME_NO_ZONE,     /* the provider says that the zone is not there */
    OUTCOME_TIMED_OUT,   /* not accepted in time; it stays queued */
    OUTCOME_QUEUE_FULL,  /* limits.queued_changes is reached, or memory is */
    OUTCOME_STOPPING,    /* the daemon stops and could not finish it */
};
#define OUTCOME_COUNT (OUTCOME_STOPPING + 1)

/* The word of the log and the metrics: "good", "nochg", "locked", ... Static. */
const char *outcome_word(enum outcome outcome);

#endif
