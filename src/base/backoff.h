/*
 * Exponential back-off with jitter: how long to wait before the next try. Pure but for the random number, which the
 * caller may hand in. "Exponential Backoff And Jitter", AWS Architecture Blog.
 */
#ifndef DDNS53_BASE_BACKOFF_H
#define DDNS53_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    unsigned attempt; /* failures in a row; 0 after a success */
};

struct backoff_limits {
    uint32_t first_ms;      /* the ceiling of the first wait; it doubles with each failure... */
    uint32_t most_ms;       /* ...up to this */
    uint32_t floor_percent; /* how much of the ceiling is certain: 0 is full jitter, 100 none */
};

/* Counts a failure. `random` gives 0 <= value < upper_bound. */
uint32_t backoff_next_ms(struct backoff *backoff, const struct backoff_limits *limits,
                         uint32_t (*random)(uint32_t upper_bound));

#endif
