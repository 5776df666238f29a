/*
 * An outcome as an HTTP status and a sentence that says what to do next: what the query API, its other forms and the
 * plain secret have in common.
 */
#ifndef DDNS53_API_SENTENCE_H
#define DDNS53_API_SENTENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "update/update.h"

/* How long a client should wait before it asks again for a change that stays queued. */
#define RETRY_AFTER_S 30

struct sentence {
    unsigned status; /* 200 for a success */
    bool success;
    uint32_t retry_after_s; /* 0: none */
    const char *result;     /* static, for the metrics */
    char text[1024];        /* valid UTF-8 */
};

void sentence_of(const struct update_item *item, struct sentence *ret_sentence);

#endif
