/*
 * Time as a thing that is handed in, so that limits, signatures, back-off and expiry are tested without
 * sleeping. The system clock is clock_system(); a test makes its own struct and moves the two numbers.
 * Reading is thread-safe for the system clock.
 */
#ifndef DDNS53_BASE_CLOCK_H
#define DDNS53_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*monotonic_ms)(const struct clock *clock);
    int64_t (*realtime_ms)(const struct clock *clock); /* since 1970, UTC */
    int64_t test_monotonic_ms;
    int64_t test_realtime_ms;
};

/* Borrowed, lives for ever. */
const struct clock *clock_system(void);

/* A clock that stands still until the test moves test_*_ms. */
void clock_init_test(struct clock *ret_clock, int64_t monotonic_ms, int64_t realtime_ms);

static inline int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ms(clock);
}

static inline int64_t clock_realtime_ms(const struct clock *clock)
{
    return clock->realtime_ms(clock);
}

static inline int64_t clock_realtime_s(const struct clock *clock)
{
    return clock->realtime_ms(clock) / 1000;
}

/* `2026-11-21T23:15:51Z`; room for 21 bytes. */
void clock_print_iso8601(int64_t time_s, char ret_text[21]);
/* `20261121T231551Z`, the x-amz-date form; room for 17 bytes. */
void clock_print_basic_iso8601(int64_t time_s, char ret_text[17]);

#endif
