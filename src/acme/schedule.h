/*
 * When a certificate is asked for: with a third of its life left, a little earlier by chance, so that not everybody comes
 * at once; after a failure later and later, and never before the authority lets us. What is remembered is kept over a
 * restart as a text. Pure; times are Unix times in seconds.
 */
#ifndef DDNS53_ACME_SCHEDULE_H
#define DDNS53_ACME_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Let's Encrypt allows five failed validations of a name in an hour ("Rate Limits", Authorization Failures). */
#define ACME_FAILURES_AN_HOUR 5

struct acme_schedule {
    uint32_t failures;                       /* in a row */
    int64_t not_before_s;                    /* of the next try by itself; 0: any time */
    int64_t limited_to_s;                    /* the authority wants nothing before; 0: it has not said so */
    int64_t failed_s[ACME_FAILURES_AN_HOUR]; /* the last ones, oldest first; 0: none */
};

/* When a certificate is to be renewed. `chance` is of the certificate and stays the same, 0 to UINT32_MAX.
 * Of a certificate that is not there (`expires_s` 0): at once. */
int64_t acme_due_s(int64_t begins_s, int64_t expires_s, uint32_t chance);
/* When the next try is made by itself, given when it is due. A time that lies further off than any that is ever set was
 * noted by a clock that was wrong, and does not count. */
int64_t acme_next_s(const struct acme_schedule *schedule, int64_t due_s, int64_t now_s);
/* May an operator have one made now? Otherwise from when on. */
bool acme_may_try(const struct acme_schedule *schedule, int64_t now_s, int64_t *ret_from_s);

/* A try has failed. `limited` says that the authority's limit was reached, `retry_s` from when on it wants to hear of us
 * again, 0: it has not said. `random` gives 0 <= value < upper_bound. */
void acme_failed(struct acme_schedule *schedule, int64_t now_s, bool limited, int64_t retry_s,
                 uint32_t (*random)(uint32_t upper_bound));
void acme_succeeded(struct acme_schedule *schedule);

/* Lines of `KEY NUMBER...`. What cannot be understood is left out: at worst a try is made too early. */
void acme_schedule_print(const struct acme_schedule *schedule, struct buffer *buffer);
void acme_schedule_parse(const char *text, struct acme_schedule *ret_schedule);

#endif
